package terratest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/terraform-exec/tfexec"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// tools is the folder of scripts/infra.sh, which `make infra` has filled.
func tools(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "../../scripts/infra.sh", "--check").Output()
	if err != nil {
		t.Fatalf("Terraform is not built; run scripts/infra.sh: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func fresh(t *testing.T) *workspace {
	t.Helper()
	w, err := newWorkspace(t.TempDir(), tools(t))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// contract is one half of the schema.
func contract(t *testing.T, half string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("../../infra/contract/cluster.schema.json#/$defs/" + half)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryFolderIsFormattedAndValid(t *testing.T) {
	w := fresh(t)
	for _, folder := range []string{"stacks/local-k3d", "stacks/aws", "stacks/azure", "stacks/gcp", "bootstrap/aws", "bootstrap/azure", "bootstrap/gcp"} {
		tf, err := w.open(t.Context(), folder)
		if err != nil {
			t.Errorf("%s: %v", folder, err)
			continue
		}
		said, err := tf.Validate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range said.Diagnostics {
			t.Errorf("%s: %s: %s", folder, d.Summary, d.Detail)
		}
	}
	tf, err := w.open(t.Context(), "stacks/local-k3d")
	if err != nil {
		t.Fatal(err)
	}
	ok, files, err := tf.FormatCheck(t.Context(), tfexec.Dir(filepath.Join(w.root, "infra")), tfexec.Recursive(true))
	if err != nil || !ok {
		t.Errorf("not formatted: %v (%v)", files, err)
	}
}

func TestTerraformsOwnTestsPass(t *testing.T) {
	w := fresh(t)
	for _, stack := range stacks() {
		if _, err := w.open(t.Context(), "stacks/"+stack); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), filepath.Join(w.tools, "bin", "terraform"), "test", "-no-color")
		cmd.Dir = filepath.Join(w.root, "infra", "stacks", stack)
		cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+w.config(), "CHECKPOINT_DISABLE=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "3 passed, 0 failed") {
			t.Errorf("%s: %v\n%s", stack, err, out)
		}
	}
}

func TestEveryStackPlansWhatTheRulesAllowAndPutsOutTheContract(t *testing.T) {
	w := fresh(t)
	schema := contract(t, "outputs")
	for _, stack := range stacks() {
		out, plan, err := w.outputs(t.Context(), stack)
		if err != nil {
			t.Errorf("%s: %v", stack, err)
			continue
		}
		if err := schema.Validate(out); err != nil {
			t.Errorf("%s: its outputs are not the contract's: %v", stack, err)
		}
		for _, finding := range judge(plan) {
			t.Errorf("%s: %s", stack, finding)
		}
		inputs := map[string]any{}
		for name, v := range plan.Variables {
			inputs[name] = v.Value
		}
		if err := contract(t, "inputs").Validate(inputs); err != nil {
			t.Errorf("%s: its inputs are not the contract's: %v", stack, err)
		}
		t.Logf("%s: %d resources, %d outputs, %d inputs", stack, len(plan.ResourceChanges), len(out), len(inputs))
	}
}

func TestTheTextKeepsTheRules(t *testing.T) {
	found, err := fresh(t).text()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}
