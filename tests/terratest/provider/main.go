// Command provider stands for a Terraform provider that cannot be had: it serves the schema that lies beside it in
// schema.json, and knows no cloud. Terraform itself checks every argument, type and required field against it. A plan
// leaves what the real provider would compute unknown; an apply fills that with the name of the value.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/fawkes-idp/fawkes/tests/terratest/schema"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	read, err := schema.Read(filepath.Join(filepath.Dir(self), "schema.json"))
	if err != nil {
		return err
	}
	s, err := newServer(read)
	if err != nil {
		return err
	}
	return tf6server.Serve("registry.terraform.io/"+read.Source, func() tfprotov6.ProviderServer { return s })
}
