package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// granted finds which role of Argo CD a group has, in its policy.
var granted = regexp.MustCompile(`(?m)^g, (\S+), (\S+)$`)

// clients is what the inventory says of sign-in.
type clients struct {
	Components []struct {
		Name   string
		Source struct {
			Values struct {
				Configs struct {
					RBAC map[string]string `yaml:"rbac"`
				}
				Config struct {
					StaticClients []struct{ ID string } `yaml:"staticClients"`
				}
			}
		}
	}
}

func TestThePageOfAccessSaysWhatTheInventoryGives(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "access.md"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "platform", "inventory.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var inv clients
	if err := yaml.Unmarshal(text, &inv); err != nil {
		t.Fatal(err)
	}
	var groups, ids []string
	for _, c := range inv.Components {
		switch c.Name {
		case "argo-cd":
			for _, m := range granted.FindAllStringSubmatch(c.Source.Values.Configs.RBAC["policy.csv"], -1) {
				groups = append(groups, fmt.Sprintf("| %#q | %s | %#q", m[1], m[1][strings.LastIndex(m[1], ":")+1:], m[2]))
			}
		case "dex":
			for _, client := range c.Source.Values.Config.StaticClients {
				ids = append(ids, fmt.Sprintf("| %#q | ", client.ID))
			}
		}
	}
	if len(groups) != 3 || len(ids) == 0 {
		t.Fatalf("the inventory grants %d groups a role, and has %d clients", len(groups), len(ids))
	}
	for _, row := range append(groups, ids...) {
		if !strings.Contains(string(page), "\n"+row) {
			t.Errorf("docs/reference/access.md has no row that begins with %q", row)
		}
	}
	rows := strings.Count(string(page), "\n| `")
	if rows != len(groups)+len(ids) {
		t.Errorf("docs/reference/access.md has %d rows, and the inventory %d groups and clients", rows, len(groups)+len(ids))
	}
}
