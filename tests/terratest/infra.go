// Package terratest runs Terraform on the stacks of infra/ with providers that serve their schemas alone, and holds what
// it plans, and what the text says, against the rules of the house. `make infra` runs it; scripts/infra.sh builds what it
// needs.
package terratest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/hashicorp/terraform-exec/tfexec"
	tfjson "github.com/hashicorp/terraform-json"
)

// stacks are those of infra/stacks.
func stacks() []string { return []string{"local-k3d", "aws", "azure", "gcp"} }

// workspace is a copy of infra/ in which Terraform may write.
type workspace struct {
	root  string // holds infra
	tools string // of scripts/infra.sh
}

// newWorkspace copies infra/ of the repository to a folder.
func newWorkspace(into, tools string) (*workspace, error) {
	if err := os.CopyFS(filepath.Join(into, "infra"), os.DirFS("../../infra")); err != nil {
		return nil, err
	}
	w := &workspace{into, tools}
	config := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", filepath.Join(tools, "mirror"))
	return w, os.WriteFile(w.config(), []byte(config), 0o600)
}

func (w *workspace) config() string { return filepath.Join(w.root, "terraform.rc") }

// open gives Terraform in one folder of infra/, after init without a backend.
func (w *workspace) open(ctx context.Context, folder string) (*tfexec.Terraform, error) {
	dir := filepath.Join(w.root, "infra", folder)
	tf, err := tfexec.NewTerraform(dir, filepath.Join(w.tools, "bin", "terraform"))
	if err != nil {
		return nil, err
	}
	if err := tf.SetEnv(map[string]string{"TF_CLI_CONFIG_FILE": w.config(), "CHECKPOINT_DISABLE": "1", "PATH": os.Getenv("PATH"), "HOME": w.root}); err != nil {
		return nil, err
	}
	return tf, tf.Init(ctx, tfexec.Backend(false))
}

// local lets a stack keep its state in a file of its folder, so that a plan can be made without the cloud.
func (w *workspace) local(stack string) error {
	text := "terraform {\n  backend \"local\" {}\n}\n"
	return os.WriteFile(filepath.Join(w.root, "infra", "stacks", stack, "backend.tf"), []byte(text), 0o600)
}

// example is the file of inputs that a stack has as its example.
func (w *workspace) example(stack string) (string, error) {
	found, err := filepath.Glob(filepath.Join(w.root, "infra", "stacks", stack, "*.tfvars.example"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%s has %d examples, not one (%v)", stack, len(found), err)
	}
	return found[0], nil
}

// outputs applies a stack to nothing and gives what it puts out.
func (w *workspace) outputs(ctx context.Context, stack string) (map[string]any, *tfjson.Plan, error) {
	if err := w.local(stack); err != nil {
		return nil, nil, err
	}
	tf, err := w.open(ctx, filepath.Join("stacks", stack))
	if err != nil {
		return nil, nil, err
	}
	if err := tf.Init(ctx); err != nil {
		return nil, nil, err
	}
	vars, err := w.example(stack)
	if err != nil {
		return nil, nil, err
	}
	if _, err := tf.Plan(ctx, tfexec.VarFile(vars), tfexec.Out("plan")); err != nil {
		return nil, nil, err
	}
	plan, err := tf.ShowPlanFile(ctx, "plan")
	if err != nil {
		return nil, nil, err
	}
	if err := tf.Apply(ctx, tfexec.DirOrPlan("plan")); err != nil {
		return nil, nil, err
	}
	metas, err := tf.Output(ctx)
	if err != nil {
		return nil, nil, err
	}
	out := map[string]any{}
	for name, m := range metas {
		var v any
		if err := json.Unmarshal(m.Value, &v); err != nil {
			return nil, nil, err
		}
		out[name] = v
	}
	return out, plan, nil
}

var (
	exact   = regexp.MustCompile(`^\s*(required_version|version)\s*=\s*"([^"]*)"`)
	upward  = regexp.MustCompile(`\b(services|platform)/`)
	version = regexp.MustCompile(`^\d+\.\d+\.\d+$`)
)

// text holds what is written against what only the text can say: versions, layers, where the state lies.
func (w *workspace) text() ([]string, error) {
	var out []string
	root := filepath.Join(w.root, "infra")
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(name, ".terraform") || !strings.HasSuffix(name, ".tf") {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			if m := exact.FindStringSubmatch(line); m != nil && filepath.Base(name) == "versions.tf" && !version.MatchString(m[2]) {
				out = append(out, fmt.Sprintf("%s:%d: %q is not one exact version", rel, i+1, m[2]))
			}
			if upward.MatchString(line) {
				out = append(out, fmt.Sprintf("%s:%d: names a layer above", rel, i+1))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, stack := range stacks() {
		if stack == "local-k3d" {
			continue // its state is the laptop's
		}
		text, err := os.ReadFile(filepath.Join(root, "stacks", stack, "backend.tf"))
		if err != nil {
			return nil, err
		}
		want := map[string]string{"aws": `(?s)backend "s3" .*encrypt\s+= true\s.*use_lockfile\s+= true\s`, "azure": `backend "azurerm" `, "gcp": `backend "gcs" `}[stack]
		if !regexp.MustCompile(want).Match(text) {
			out = append(out, "stacks/"+stack+": the state is not remote, locked and encrypted")
		}
	}
	return out, nil
}
