// Package assets holds the files that the console serves as they are, embedded in the binary and addressed by
// their content, so that a browser may keep them for ever and a new build is seen at once.
package assets

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

//go:embed console.css console.js live.js road.css htmx.min.js inter.woff2 mark.svg
var files embed.FS

// Prefix is the path under which Handler expects to stand.
const Prefix = "/assets/"

type file struct {
	name, url string
	data      []byte
}

// table holds each file by its name and by its address; it is made once and never changes.
var table = sync.OnceValues(load)

func load() (map[string]file, error) {
	out := map[string]file{}
	add := func(name string, data []byte) {
		sum := sha256.Sum256(data)
		ext := path.Ext(name)
		url := Prefix + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
		f := file{name, url, data}
		out[name], out[url] = f, f
	}
	entries, err := files.ReadDir(".")
	if err != nil {
		return out, fmt.Errorf("read the console's files: %w", err)
	}
	var css []byte
	for _, e := range entries {
		data, err := files.ReadFile(e.Name())
		if err != nil {
			return out, fmt.Errorf("read the console's file %s: %w", e.Name(), err)
		}
		if e.Name() == "console.css" {
			css = data
			continue
		}
		add(e.Name(), data)
	}
	add("console.css", bytes.ReplaceAll(css, []byte("inter.woff2"), []byte(out["inter.woff2"].url)))
	return out, nil
}

// Check says whether the embedded files can be read.
func Check() error {
	_, err := table()
	return err
}

// Path is the address of the file of that name, with its content's hash. A file that is not there keeps its plain
// name, which answers 404.
func Path(name string) string {
	if files, err := table(); err == nil && files[name].url != "" {
		return files[name].url
	}
	return Prefix + name
}

// Handler serves the files by the addresses that Path gives, and by their plain names without keeping.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		files, err := table()
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		f, ok := files[r.URL.Path]
		cache := "public, max-age=31536000, immutable"
		if !ok {
			f, ok = files[strings.TrimPrefix(r.URL.Path, Prefix)]
			cache = "no-cache"
		}
		if !ok {
			http.NotFound(w, r)
			return
		}
		kind := mime.TypeByExtension(path.Ext(f.name))
		switch path.Ext(f.name) { // the machine's own table of types is not relied on
		case ".css":
			kind = "text/css; charset=utf-8"
		case ".js":
			kind = "text/javascript; charset=utf-8"
		case ".svg":
			kind = "image/svg+xml"
		case ".woff2":
			kind = "font/woff2"
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", cache)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.data))
	})
}
