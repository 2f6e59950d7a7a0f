package policies

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestTheInventoryKeepsItsSchema holds the inventory, and one with a wrong key, against the JSON schema that editors use,
// with a checker that is not the one of the program.
func TestTheInventoryKeepsItsSchema(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "platform", "inventory.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var right map[string]any
	if err := yaml.Unmarshal(text, &right); err != nil {
		t.Fatal(err)
	}
	check := func() (string, error) {
		t.Helper()
		asJSON, err := json.Marshal(right)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "inventory.json")
		if err := os.WriteFile(file, asJSON, 0o600); err != nil {
			t.Fatal(err)
		}
		schema, err := filepath.Abs(filepath.Join(root, "platform", "inventory.schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "go", "-C", "../schemas", "run", ".", schema, file).CombinedOutput()
		return string(out), err
	}
	if out, err := check(); err != nil {
		t.Errorf("the inventory does not keep its schema: %v\n%s", err, out)
	}
	right["compnents"] = "x"
	if out, err := check(); err == nil || !strings.Contains(out, "compnents") {
		t.Errorf("a wrong key is not refused: %v\n%s", err, out)
	}
}
