package assets_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/ui/assets"
)

func get(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	assets.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	r := w.Result()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(body)
}

func TestFilesAreServedByTheirContentAndKept(t *testing.T) {
	for name, kind := range map[string]string{
		"console.css": "text/css; charset=utf-8", "road.css": "text/css; charset=utf-8", "console.js": "text/javascript; charset=utf-8", "live.js": "text/javascript; charset=utf-8", "htmx.min.js": "text/javascript; charset=utf-8",
		"inter.woff2": "font/woff2", "mark.svg": "image/svg+xml",
	} {
		r, body := get(t, assets.Path(name))
		if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != kind || !strings.Contains(r.Header.Get("Cache-Control"), "immutable") || body == "" {
			t.Errorf("%s: %d %q %q, %d bytes", name, r.StatusCode, r.Header.Get("Content-Type"), r.Header.Get("Cache-Control"), len(body))
		}
		if r, _ := get(t, assets.Prefix+name); r.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s by its plain name may be kept: %q", name, r.Header.Get("Cache-Control"))
		}
	}
	if r, _ := get(t, assets.Prefix+"console.000000000000.css"); r.StatusCode != http.StatusNotFound {
		t.Errorf("a file that is not there answers %d", r.StatusCode)
	}
}

func TestTheStylesheetAsksNoOtherHost(t *testing.T) {
	_, css := get(t, assets.Path("console.css"))
	if !strings.Contains(css, `url("`+assets.Path("inter.woff2")+`")`) {
		t.Error("the stylesheet does not name the font by its address")
	}
	_, more := get(t, assets.Path("road.css"))
	css += more
	if strings.Contains(css, "http:") || strings.Contains(css, "https:") || strings.Contains(css, "@import") {
		t.Error("the stylesheet reaches outside")
	}
}

// The checksums are those of the files in the npm packages that README.md names.
func TestVendoredFilesAreUnchanged(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"htmx.min.js": "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
		"inter.woff2": "3100e775e8616cd2611beecfa23a4263d7037586789b43f035236a2e6fbd4c62",
	} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s has the checksum %s, want %s", name, got, want)
		}
		if !strings.Contains(string(readme), "`"+name+"`") {
			t.Errorf("README.md does not name %s", name)
		}
	}
}
