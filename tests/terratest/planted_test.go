package terratest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEachPlantedFaultIsFound breaks a copy of AWS's stack in one place and expects the finding that names it.
func TestEachPlantedFaultIsFound(t *testing.T) {
	cases := []struct{ name, file, old, new, by, want string }{
		{"unknown argument", "modules/aws/dns/main.tf", "comment =", "remark  =", "validate", `"remark" is not expected here`},
		{"wrong type", "modules/aws/database/main.tf", "var.storage_gib", `"much"`, "validate", "a number is required"},
		{"missing required field", "modules/aws/cluster/main.tf", "  role_arn                  = aws_iam_role.cluster.arn\n", "", "validate", `"role_arn" is required`},
		{"open 0.0.0.0/0", "modules/aws/database/main.tf", "= var.cidr", `= "0.0.0.0/0"`, "plan", "module.database.aws_vpc_security_group_ingress_rule.this: is open to 0.0.0.0/0"},
		{"unencrypted disk", "modules/aws/cluster/nodes.tf", "encrypted   = true", "encrypted   = false", "plan", "an unencrypted disk"},
		{"public node", "modules/aws/network/main.tf", "map_public_ip_on_launch = false", "map_public_ip_on_launch = true", "plan", "a public node"},
		{"missing output", "stacks/aws/outputs.tf", `output "vault_unseal"`, `output "unseal"`, "outputs", "vault_unseal"},
		{"unlocked state", "stacks/aws/backend.tf", "use_lockfile = true", "use_lockfile = false", "text", "not remote, locked and encrypted"},
		{"reference upward", "modules/aws/dns/main.tf", "The platform's zone", "see plat" + "form/inventory.yaml", "text", "modules/aws/dns/main.tf:3: names a layer above"},
		{"unpinned version", "stacks/aws/versions.tf", `"6.25.0"`, `">= 6.25.0"`, "text", "is not one exact version"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := fresh(t)
			name := filepath.Join(w.root, "infra", filepath.FromSlash(c.file))
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			broken := strings.Replace(string(text), c.old, c.new, 1)
			if broken == string(text) {
				t.Fatalf("%s does not hold %q", c.file, c.old)
			}
			if err := os.WriteFile(name, []byte(broken), 0o600); err != nil {
				t.Fatal(err)
			}
			found := strings.Join(findings(t, w, c.by), "\n")
			if !strings.Contains(found, c.want) {
				t.Errorf("%s finds %q, which does not say %q", c.by, found, c.want)
			}
		})
	}
}

// findings are those of one of the checks on AWS's stack.
func findings(t *testing.T, w *workspace, by string) []string {
	t.Helper()
	var out []string
	switch by {
	case "text":
		found, err := w.text()
		if err != nil {
			t.Fatal(err)
		}
		return found
	case "validate":
		tf, err := w.open(t.Context(), "stacks/aws")
		if err != nil {
			t.Fatal(err)
		}
		said, err := tf.Validate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range said.Diagnostics {
			out = append(out, d.Summary+": "+d.Detail)
		}
		return out
	}
	values, plan, err := w.outputs(t.Context(), "aws")
	if err != nil {
		t.Fatal(err)
	}
	if by == "plan" {
		return judge(plan)
	}
	if err := contract(t, "outputs").Validate(values); err != nil {
		out = append(out, err.Error())
	}
	return out
}
