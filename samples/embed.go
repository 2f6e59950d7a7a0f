// Package samples holds the sample applications of the platform, embedded, so that `fawkes up` can push one
// without a checkout of its own sources.
//
// Each is a repository of its own once it is written out: with go.mod, tests, manifests and fawkes.yaml. Here it
// lies as part of this module, so that the editor, the linters and the tests treat it as the code that it is.
package samples

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/scaffold"
)

//go:embed all:hello
var files embed.FS

// Params is what may differ from what the sample says of itself.
type Params struct {
	Service string   // the service's name, a DNS label; "" keeps the sample's
	Promote []string // the environments that a good commit goes to; nil keeps production
}

// Names lists the samples.
func Names() []string { return []string{"hello"} }

// Write writes the sample called name into dir, which must be empty or absent. Errors say what is wrong with a
// name ([scaffold.NameError]) or with the folder ([scaffold.ErrNotEmpty]).
func Write(dir, name string, p Params) error {
	if !slices.Contains(Names(), name) {
		return fmt.Errorf("there is no sample %q; there is %s", name, strings.Join(Names(), ", "))
	}
	if p.Service != "" {
		if err := scaffold.CheckName("service", p.Service); err != nil {
			return err
		}
	}
	for _, e := range p.Promote {
		if err := scaffold.CheckName("promote", e); err != nil {
			return err
		}
	}
	tree, err := fs.Sub(files, name)
	if err != nil {
		return fmt.Errorf("sample %s: %w", name, err)
	}
	return scaffold.Write(dir, scaffold.Tree{Files: tree, Words: map[string]string{name: p.Service}, Promote: p.Promote})
}
