package scaffold_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fawkes-idp/fawkes/internal/scaffold"
)

func TestATreeIsWrittenWithItsWords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "place")
	tree := scaffold.Tree{
		Files: fstest.MapFS{
			"go.mod.txt":              {Data: []byte("module example.com/template-service\n")},
			"deploy/service.yaml":     {Data: []byte("name: template-service\nother: template-services\nowner: template-owner\n")},
			"run.sh":                  {Data: []byte("#!/bin/sh\n")},
			"fawkes.yaml":             {Data: []byte("version: 1\npromote:\n  to: dev\n")},
			"icon.bin":                {Data: []byte("\x00template-service")},
			"tests/__pycache__/x.pyc": {Data: []byte("x")},
		},
		Words:   map[string]string{"template-service": "shop-$1", "template-owner": ""},
		Promote: []string{"dev", "staging"},
	}
	if err := scaffold.Write(dir, tree); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"go.mod":              "module example.com/shop-$1\n",
		"deploy/service.yaml": "name: shop-$1\nother: template-services\nowner: template-owner\n",
		"fawkes.yaml":         "version: 1\npromote:\n  to: [dev, staging]\n",
		"icon.bin":            "\x00template-service",
	} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, want)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "run.sh")); err != nil || info.Mode().Perm()&0o111 == 0 {
		t.Errorf("run.sh cannot be run: %v %v", info, err)
	}
	for _, name := range []string{"go.mod.txt", "tests/__pycache__"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if err := scaffold.Write(dir, tree); !errors.Is(err, scaffold.ErrNotEmpty) {
		t.Errorf("a second time: %v, want %v", err, scaffold.ErrNotEmpty)
	}
}

func TestNamesAreLabelsOfDNS(t *testing.T) {
	for _, good := range []string{"a", "shop", "shop-2", "a1", strings.Repeat("a", 52)} {
		if err := scaffold.CheckName("NAME", good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, mend := range map[string]string{
		"Shop_Cart": "shop-cart", "": "shop-cart", "-a": "use a,", "a-": "use a,", "1shop": "use shop,", "a..b": "a-b",
		"../../etc": "etc", "shop;rm -rf": "shop-rm-rf", "ünïcode": "n-code", "a\n": "use a,", strings.Repeat("a", 53): strings.Repeat("a", 52),
	} {
		err := scaffold.CheckName("NAME", bad)
		var name *scaffold.NameError
		if !errors.As(err, &name) || !strings.Contains(name.Advice(), mend) || !strings.HasPrefix(err.Error(), "NAME: ") {
			t.Errorf("%q: %v, mend %q, want %q", bad, err, name.Advice(), mend)
			continue
		}
	}
}
