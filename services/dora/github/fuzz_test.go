package github

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// FuzzGitHub wants of every body either a *event.FieldError, or events that
// are valid, can be packed, and carry the delivery.
func FuzzGitHub(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no fixtures", err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(eventName(strings.TrimSuffix(filepath.Base(file), ".json")), body)
	}
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		r, err := Map(name, "d-1", body)
		if err != nil {
			var fault *event.FieldError
			if !errors.As(err, &fault) || fault.Field == "" || fault.Detail == "" {
				t.Fatalf("got %T %v, want a *event.FieldError with a field and a detail", err, err)
			}
			return
		}
		if len(r.Events) == 0 && r.Ignored == "" {
			t.Fatal("no events and no reason")
		}
		for i, e := range r.Events {
			if e.Source != Source || e.Delivery != "d-1" {
				t.Fatalf("event %d has source %q, delivery %q", i, e.Source, e.Delivery)
			}
			if err := e.Body.Validate(); err != nil {
				t.Fatalf("event %d: %v", i, err)
			}
			packed, err := event.Pack(e.Body)
			if err != nil {
				t.Fatalf("event %d: %v", i, err)
			}
			back, err := event.Unpack(e.Body.Type(), packed)
			if err != nil {
				t.Fatalf("event %d: %v", i, err)
			}
			again, err := event.Pack(back)
			if err != nil || !bytes.Equal(packed, again) {
				t.Fatalf("event %d packs to %q, then %q, %v", i, packed, again, err)
			}
		}
	})
}

// hugePush is a push of n commits, near the size that GitHub stops at.
func hugePush(n int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"ref":"refs/heads/main","repository":{"html_url":"https://github.com/o/r"},"commits":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"%040x","timestamp":"2026-03-04T10:00:00Z","author":{"email":"a@x"},"added":["`, i)
		for k := range 200 {
			fmt.Fprintf(&b, `services/checkout/internal/part%d/file%d.go","`, i, k)
		}
		b.WriteString(`z"],"removed":[],"modified":[]}`)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func BenchmarkPush25MB(b *testing.B) {
	body := hugePush(2500)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r, err := Map("push", "d-1", body)
		if err != nil || len(r.Events) != 2500 {
			b.Fatal(len(r.Events), err)
		}
	}
}
