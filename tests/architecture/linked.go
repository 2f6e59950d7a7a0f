package architecture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Unlinked lists what the program that runs one module in a cluster must not link.
func Unlinked() []string {
	return []string{
		"internal/local", "internal/cli", "internal/bringup", "internal/gitlog", "internal/app/allinone", "ui",
		"github.com/chromedp", "github.com/spf13/cobra", "os/exec",
	}
}

// Linked checks what a program links, by the Go tool's own account: none of the named packages, of this
// module or any other. A finding shows the chain of imports from the program to the package.
func Linked(ctx context.Context, t *Tree, program string, never []string) ([]Finding, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=ImportPath,Imports", "./"+program)
	cmd.Dir = t.Root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -deps ./%s: %w\n%s", program, err, stderr.String())
	}
	imports := map[string][]string{}
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("go list -deps ./%s: %w", program, err)
		}
		imports[p.ImportPath] = p.Imports
	}
	var out []Finding
	for _, chain := range chains(t.Module+"/"+program, imports) {
		last := chain[len(chain)-1]
		name, ours := t.local(last)
		if ours && under(name, never) || !ours && !standard(last) && under(last, never) {
			out = append(out, Finding{program + "/main.go", 1, "links " + last + ": " + strings.Join(chain, " -> ")})
		}
		// A library may use the standard library for its own purposes; our own packages may not use this part.
		for _, direct := range imports[last] {
			if ours && standard(direct) && under(direct, never) {
				out = append(out, Finding{program + "/main.go", 1, "links " + direct + ": " + strings.Join(append(chain, direct), " -> ")})
			}
		}
	}
	return out, nil
}

// standard says whether an import path is of Go's standard library.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// chains gives, for each package linked, the shortest chain of imports from the program.
func chains(program string, imports map[string][]string) [][]string {
	from := map[string]string{program: ""}
	queue := []string{program}
	var out [][]string
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		var chain []string
		for at := p; at != ""; at = from[at] {
			chain = append([]string{at}, chain...)
		}
		out = append(out, chain)
		for _, next := range imports[p] {
			if _, seen := from[next]; !seen {
				from[next] = p
				queue = append(queue, next)
			}
		}
	}
	return out
}
