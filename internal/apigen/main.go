// Command apigen writes what is generated from the services' code: the OpenAPI documents in api/openapi, the Go
// clients in api/client, and docs/API_SURFACE.md, the table of every operation.
//
//	go generate ./api
//
// Each document is the one the running service serves: every module that has an API is made on an
// empty database and asked for it. A new service therefore needs no line here. The clients are made by oapi-codegen, in
// the version that tools/go.mod pins. A test holds the committed files against what would be written.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fawkes-idp/fawkes/internal/app/allinone"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "apigen:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root, err := repository()
	if err != nil {
		return err
	}
	files, err := generate(ctx, root, allinone.Modules())
	if err != nil {
		return err
	}
	return write(root, files)
}

// repository is the folder above the working directory that holds tools/go.mod.
func repository() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "tools", "go.mod")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", fmt.Errorf("no folder above the working directory holds tools/go.mod")
		}
		folder = parent
	}
}
