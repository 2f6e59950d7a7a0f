// Package assets holds the files that the console serves as they are, embedded in the binary and addressed by
// their content, so that a browser may keep them for ever and a new build is seen at once.
package assets

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed console.css console.js htmx.min.js inter.woff2 mark.svg
var files embed.FS

// Prefix is the path under which Handler expects to stand.
const Prefix = "/assets/"

type file struct {
	name, url string
	data      []byte
}

var table = load()

func load() map[string]file {
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
		panic("assets: the embedded folder cannot be read: " + err.Error())
	}
	var css []byte
	for _, e := range entries {
		data, err := files.ReadFile(e.Name())
		if err != nil {
			panic("assets: " + e.Name() + " cannot be read: " + err.Error())
		}
		if e.Name() == "console.css" {
			css = data
			continue
		}
		add(e.Name(), data)
	}
	add("console.css", bytes.ReplaceAll(css, []byte("inter.woff2"), []byte(out["inter.woff2"].url)))
	return out
}

// Path is the address of the file of that name, with its content's hash. An unknown name is a fault in the program.
func Path(name string) string {
	f, ok := table[name]
	if !ok {
		panic("assets: no file named " + name)
	}
	return f.url
}

// Handler serves the files by the addresses that Path gives, and by their plain names without keeping.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, ok := table[r.URL.Path]
		cache := "public, max-age=31536000, immutable"
		if !ok {
			f, ok = table[strings.TrimPrefix(r.URL.Path, Prefix)]
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
