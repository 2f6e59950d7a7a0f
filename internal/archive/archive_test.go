package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stream is what a log says of n events of three months.
func stream(n int) string {
	var b strings.Builder
	sum := sha256.New()
	for i := range n {
		at := time.Date(2025, time.Month(1+i%3), 2, 0, 0, i, 0, time.UTC).Format(time.RFC3339)
		key := fmt.Sprintf("%032x", i)
		fmt.Fprintf(&b, `{"seq":%d,"key":%q,"at":%q,"received_at":%q,"event":{"type":"build","id":"%d"}}`+"\n", i+1, key, at, at, i)
		fmt.Fprintf(sum, "%d %s\n", i+1, key)
	}
	fmt.Fprintf(&b, `{"complete":true,"before":"2025-06-01T00:00:00Z","events":%d,"up_to":%d,"sum":%q}`+"\n", n, n, hex.EncodeToString(sum.Sum(nil)))
	return b.String()
}

func TestAnArchiveIsReadBackAsItWasWritten(t *testing.T) {
	parent := t.TempDir()
	folder := filepath.Join(parent, "one")
	m, err := Write(strings.NewReader(stream(100)), folder, time.Unix(1, 0))
	if err != nil || m.Events != 100 || len(m.Months) != 3 || m.Months[0].Month != "2025-01" || m.Months[0].Events != 34 || m.Months[2].LastSeq != 99 {
		t.Fatalf("%+v %v", m, err)
	}
	got := map[string]bool{}
	if _, err := Read(folder, func(line []byte) error { got[string(line)] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(stream(100), "\n")[:100] {
		if !got[line] {
			t.Errorf("lost: %s", line)
		}
	}
	if names, err := List(parent); err != nil || len(names) != 1 || names[0] != "one" {
		t.Errorf("listed: %v %v", names, err)
	}
	if _, err := Write(strings.NewReader(stream(1)), folder, time.Unix(1, 0)); err == nil {
		t.Error("an archive was written over another")
	}
	if m, err := Write(strings.NewReader(stream(0)), filepath.Join(parent, "none"), time.Unix(1, 0)); err != nil || m.Events != 0 {
		t.Errorf("of no events: %+v %v", m, err)
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
		t.Errorf("left: %v %v", entries, err)
	}
}

func TestABrokenStreamLeavesNoArchive(t *testing.T) {
	whole := stream(50)
	for what, text := range map[string]string{
		"cut off":          whole[:len(whole)/2],
		"without its end":  whole[:strings.LastIndex(strings.TrimSpace(whole), "\n")+1],
		"with another sum": strings.Replace(whole, `"seq":7,`, `"seq":8,`, 1),
		"with one lost":    strings.Replace(whole, strings.SplitAfter(whole, "\n")[9], "", 1),
	} {
		parent := t.TempDir()
		if _, err := Write(strings.NewReader(text), filepath.Join(parent, "x"), time.Unix(1, 0)); err == nil {
			t.Errorf("a stream %s made an archive", what)
		}
		if entries, err := os.ReadDir(parent); err != nil || len(entries) != 0 {
			t.Errorf("a stream %s left %v, %v", what, entries, err)
		}
	}
}

func TestADamagedArchiveIsFound(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "one")
	m, err := Write(strings.NewReader(stream(60)), folder, time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{m.Months[0].File, m.Months[1].KeysFile, manifestFile} {
		path := filepath.Join(folder, name)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(good); n += 1 + len(good)/40 {
			bad := append([]byte{}, good...)
			bad[n] ^= 1
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(folder); err == nil && name != manifestFile {
				t.Errorf("byte %d of %s is another, and nobody sees it", n, name)
			}
		}
		if err := os.WriteFile(path, good[:len(good)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(folder); !errors.Is(err, ErrDamaged) {
			t.Errorf("half of %s: %v, want ErrDamaged", name, err)
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Verify(folder); err != nil {
		t.Errorf("mended: %v", err)
	}
}
