// Command reduce writes the schemas of tests/terratest/schemas from the manifests of npm packages: of each provider
// the resources that wanted.json names, and of these names, types and duties alone.
//
//	go run ./reduce FOLDER    FOLDER holds NAME/package/.jsii, as the packages @cdktf/provider-NAME unpack
//	go run ./reduce -check FOLDER    writes nothing and fails where what is there differs
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fawkes-idp/fawkes/tests/terratest/schema"
)

// wanted says what is taken of one package.
type wanted struct {
	Source    string              `json:"source"`
	Config    string              `json:"config"` // the manifest's name of the provider's settings
	Resources []string            `json:"resources"`
	Computed  map[string][]string `json:"computed"` // arguments that the provider fills when they are not given
	Read      map[string][]string `json:"read"`     // blocks that the provider fills and our modules only read
}

func main() {
	args := os.Args[1:]
	check := len(args) > 0 && args[0] == "-check"
	if check {
		args = args[1:]
	}
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "usage: reduce [-check] FOLDER")
		os.Exit(2)
	}
	if err := run(args[0], check); err != nil {
		fmt.Fprintln(os.Stderr, "reduce:", err)
		os.Exit(1)
	}
}

func run(folder string, check bool) error {
	text, err := os.ReadFile("schemas/wanted.json")
	if err != nil {
		return err
	}
	var all map[string]wanted
	if err := json.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("schemas/wanted.json: %w", err)
	}
	for name, w := range all {
		p, err := reduce(filepath.Join(folder, name, "package"), w)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetIndent("", " ")
		if err := enc.Encode(p); err != nil {
			return err
		}
		file := filepath.Join("schemas", "provider-"+name+".json")
		if !check {
			if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
				return err
			}
			continue
		}
		have, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !bytes.Equal(have, out.Bytes()) {
			return fmt.Errorf("%s is not what the package says; run reduce", file)
		}
	}
	return nil
}

func reduce(folder string, w wanted) (*schema.Provider, error) {
	m, err := readManifest(folder)
	if err != nil {
		return nil, err
	}
	p := &schema.Provider{Source: w.Source, Version: m.provider, Package: m.name + " " + m.version, Resources: map[string]*schema.Block{}}
	if p.Config, err = m.block(m.name+"."+w.Config, ""); err != nil {
		return nil, err
	}
	for _, name := range w.Resources {
		b, err := m.resource(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		computed := append([]string{"id"}, w.Computed[name]...)
		for _, attribute := range computed {
			a, ok := b.Attributes[attribute]
			switch {
			case ok && a.Optional:
				a.Computed = true
				b.Attributes[attribute] = a
			case attribute != "id":
				return nil, fmt.Errorf("%s has no optional argument %s", name, attribute)
			}
		}
		for _, block := range w.Read[name] {
			n, ok := b.Blocks[block]
			if !ok {
				return nil, fmt.Errorf("%s has no block %s", name, block)
			}
			delete(b.Blocks, block)
			b.Attributes[block] = schema.Attribute{Type: []any{"list", objectOf(n.Block)}, Computed: true}
		}
		p.Resources[name] = b
	}
	return p, nil
}

// objectOf is the type of a block's value.
func objectOf(b schema.Block) any {
	fields := map[string]any{}
	for name, a := range b.Attributes {
		fields[name] = a.Type
	}
	for name, n := range b.Blocks {
		fields[name] = []any{"list", objectOf(n.Block)}
	}
	return []any{"object", fields}
}
