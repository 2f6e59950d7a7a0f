package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// settings is oapi-codegen's configuration: types and a client, no server. Optional fields are pointers, so that
// "absent" and "zero" stay two things.
const settings = `package: %s
generate:
  models: true
  client: true
output-options:
  name-normalizer: ToCamelCaseWithInitialisms
`

// client has oapi-codegen make the Go client of a service.
func client(ctx context.Context, root string, s spec) (text []byte, err error) {
	folder, err := os.MkdirTemp("", "apigen")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	document, config := filepath.Join(folder, "openapi.yaml"), filepath.Join(folder, "config.yaml")
	if err := os.WriteFile(document, s.yaml, 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(config, fmt.Appendf(nil, settings, packageName(s.service)), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "tool", "-modfile=tools/go.mod", "oapi-codegen", "-config", config, document)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if text, err = cmd.Output(); err != nil {
		return nil, fmt.Errorf("client of %s: oapi-codegen: %w: %s", s.service, err, bytes.TrimSpace(stderr.Bytes()))
	}
	if len(text) == 0 {
		return nil, fmt.Errorf("client of %s: oapi-codegen wrote nothing: %s", s.service, bytes.TrimSpace(stderr.Bytes()))
	}
	return text, nil
}

// packageName is a service's name as a Go package.
func packageName(service string) string { return strings.ReplaceAll(service, "-", "") }
