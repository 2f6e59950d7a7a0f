package goldenpath

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

// golang is the Go toolchain and its caches.
type golang struct {
	found     bool
	root      string // GOROOT
	version   string // "go1.26.8"
	cache     string // GOCACHE, which is written
	modules   string // GOMODCACHE
	writable  bool   // whether modules is this repository's own, and may be written
	proxy     string
	downloads string            // the user's, from which modules are taken
	values    map[string]string // of go env
}

// findGo asks the toolchain. It is run outside of the work tree, whose go.mod could name another one.
func (p *pipeline) findGo(ctx context.Context) error {
	program, err := p.lookPath("go", p.temp)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "env", "-json", "GOROOT", "GOVERSION", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOFLAGS")
	cmd.Dir = p.temp
	cmd.Env = append([]string{}, p.o.Environ...)
	cmd.Env = append(cmd.Env, "GOTOOLCHAIN=local", "GOWORK=off", "PWD="+p.temp)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return failf(ExitUsage, "`go env` must work", "the Go toolchain does not answer: %v %s", err, strings.TrimSpace(complaint.String()))
	}
	v := map[string]string{}
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		return fmt.Errorf("read go env: %w", err)
	}
	g := golang{found: true, root: v["GOROOT"], version: v["GOVERSION"], cache: v["GOCACHE"], modules: v["GOMODCACHE"], proxy: v["GOPROXY"], values: v}
	if c := p.o.Env("FAWKES_GO_CACHE"); c != "" {
		g.cache = c
	}
	if err := os.MkdirAll(g.cache, 0o755); err != nil {
		return fmt.Errorf("make the build cache: %w", err)
	}
	p.setGo(g)
	if !p.modulesAreThere() {
		return p.ownModules()
	}
	return nil
}

// goTool is the toolchain as it is known now.
func (p *pipeline) goTool() golang {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.golang
}

func (p *pipeline) setGo(g golang) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.golang = g
}

// modulesAreThere says whether the user's module cache holds every module that go.mod names. It is only
// read then: what the repository runs must not write what other builds trust.
func (p *pipeline) modulesAreThere() bool {
	text, err := p.readTree("go.mod", 1<<20)
	if err != nil {
		return true // nothing to download
	}
	f, err := modfile.ParseLax("go.mod", text, nil)
	if err != nil {
		return true // the build will say what is wrong
	}
	if exists(filepath.Join(p.dir, "vendor", "modules.txt")) {
		return true
	}
	for _, r := range f.Require {
		dir, err := module.EscapePath(r.Mod.Path)
		if err != nil {
			continue
		}
		version, err := module.EscapeVersion(r.Mod.Version)
		if err != nil {
			continue
		}
		if !exists(filepath.Join(p.goTool().modules, dir+"@"+version)) {
			return false
		}
	}
	return true
}

// ownModules gives the repository a module cache of its own, which takes from the user's what is there.
func (p *pipeline) ownModules() error {
	g := p.goTool()
	downloads := filepath.Join(g.modules, "cache", "download")
	g.modules, g.writable = p.cache("gomod"), true
	if exists(downloads) {
		rest := g.proxy
		if rest == "" {
			rest = "off"
		}
		g.proxy, g.downloads = "file://"+downloads+","+rest, downloads
	}
	if err := os.MkdirAll(g.modules, 0o755); err != nil {
		return fmt.Errorf("make the module cache: %w", err)
	}
	p.setGo(g)
	return nil
}

func (g golang) environment() []string {
	if !g.found {
		return nil
	}
	env := []string{"GOROOT=" + g.root, "GOCACHE=" + g.cache, "GOMODCACHE=" + g.modules, "GOTOOLCHAIN=local", "GOTELEMETRY=off", "CGO_ENABLED=0", "GOENV=off", "GOFLAGS=" + g.values["GOFLAGS"]}
	if g.writable {
		env[len(env)-1] = strings.TrimSpace("GOFLAGS=" + g.values["GOFLAGS"] + " -modcacherw")
	}
	for _, name := range []string{"GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE"} {
		if v := g.values[name]; v != "" && !strings.Contains(v, "@") {
			env = append(env, name+"="+v)
		}
	}
	if g.proxy != "" && !strings.Contains(g.proxy, "@") {
		env = append(env, "GOPROXY="+g.proxy)
	}
	return env
}

// read and write are the caches that a command of the toolchain needs.
func (g golang) read() []string { return []string{g.root, g.modules, g.downloads} }

func (g golang) write() []string {
	out := []string{g.cache}
	if g.writable {
		out = append(out, g.modules)
	}
	return out
}

// olderThan says whether the toolchain is older than "1.26" or "1.26.3".
func (g golang) olderThan(wanted string) bool {
	have, want := numbers(strings.TrimPrefix(g.version, "go")), numbers(wanted)
	for i := range want {
		if have[i] != want[i] {
			return have[i] < want[i]
		}
	}
	return false
}

func numbers(version string) [3]int {
	var out [3]int
	for i, part := range strings.SplitN(version, ".", 3) {
		for _, c := range part {
			if c < '0' || c > '9' {
				break
			}
			out[i] = min(out[i]*10+int(c-'0'), 1<<20)
		}
	}
	return out
}
