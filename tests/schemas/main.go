// Command schemas holds JSON documents against a JSON schema:
//
//	schemas SCHEMA[,OTHER...] DOCUMENT...
//
// The others are schemas that the first one names. It lies in a module of its own because the platform needs
// neither the checker nor CycloneDX's module, which holds the schemas.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/CycloneDX/cyclonedx-go" // its schemas are read from its folder
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: schemas SCHEMA[,OTHER...] DOCUMENT...")
	}
	compiler := jsonschema.NewCompiler()
	first := ""
	for file := range strings.SplitSeq(args[0], ",") {
		text, err := read(file)
		if err != nil {
			return err
		}
		// CycloneDX names its schemas by address; the file of one of them has another name.
		address := "http://cyclonedx.org/schema/" + strings.Replace(filepath.Base(file), ".schemax.", ".schema.", 1)
		if err := compiler.AddResource(address, text); err != nil {
			return err
		}
		if first == "" {
			first = address
		}
	}
	schema, err := compiler.Compile(first)
	if err != nil {
		return err
	}
	for _, file := range args[1:] {
		document, err := read(file)
		if err != nil {
			return err
		}
		if err := schema.Validate(document); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

func read(file string) (any, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return jsonschema.UnmarshalJSON(f)
}
