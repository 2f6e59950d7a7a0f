// Package templates holds the beginnings of services, embedded: repositories with the whole golden path in place.
//
// A template is the files of its language (go, node, python, java) over those that every service has (every:
// manifests, Jenkinsfile, workflow, catalog entry). Its name is the word "template-service" wherever it stands,
// which is a valid name in each of the formats, so that the files here are checked as what they are.
package templates

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/scaffold"
)

//go:embed all:every all:go all:node all:python all:java
var files embed.FS

// Params is what a new service says of itself.
type Params struct {
	Service string   // its name, a DNS label
	Owner   string   // who owns it, for the catalog; "" is unknown, and says so there
	Promote []string // the environments that a good commit goes to; nil is dev
}

// Names lists the templates.
func Names() []string { return []string{"go", "node", "python", "java"} }

// UnknownError says that there is no such template.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("--template: there is no template %q", e.Name)
}

// Advice is how to mend it.
func (e *UnknownError) Advice() string { return "give one of: " + strings.Join(Names(), ", ") }

// Write writes a service of the template called name into dir, which must be empty or absent. Errors are an
// [UnknownError], a [scaffold.NameError], or [scaffold.ErrNotEmpty].
func Write(dir, name string, p Params) error {
	if !slices.Contains(Names(), name) {
		return &UnknownError{name}
	}
	if err := scaffold.CheckName("NAME", p.Service); err != nil {
		return err
	}
	if p.Owner == "" {
		p.Owner = "unknown"
	} else if err := scaffold.CheckName("--owner", p.Owner); err != nil {
		return err
	}
	for _, e := range p.Promote {
		if err := scaffold.CheckName("--promote", e); err != nil {
			return err
		}
	}
	every, err := fs.Sub(files, "every")
	if err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	own, err := fs.Sub(files, name)
	if err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	return scaffold.Write(dir, scaffold.Tree{
		Files: over{own, every}, Promote: p.Promote,
		Words: map[string]string{"template-service": p.Service, "template-owner": p.Owner},
	})
}

// over shows two trees as one; a file of the first stands before one of the second.
type over [2]fs.FS

// Open opens a file of the first tree, else of the second.
func (o over) Open(name string) (fs.File, error) {
	f, err := o[0].Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return o[1].Open(name)
	}
	return f, err
}

// ReadDir lists a folder of both.
func (o over) ReadDir(name string) ([]fs.DirEntry, error) {
	first, err := fs.ReadDir(o[0], name)
	second, otherErr := fs.ReadDir(o[1], name)
	if err != nil && otherErr != nil {
		return nil, err
	}
	for _, e := range second {
		if !slices.ContainsFunc(first, func(have fs.DirEntry) bool { return have.Name() == e.Name() }) {
			first = append(first, e)
		}
	}
	sort.Slice(first, func(i, j int) bool { return first[i].Name() < first[j].Name() })
	return first, nil
}
