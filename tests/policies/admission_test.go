package policies

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// admissionFault is what an admission policy has against an object, as the program in the folder admission says it.
type admissionFault struct{ File, Kind, Name, Policy, Message string }

// judged evaluates the platform's admission policies over files, with more registries than they are told.
func judged(t *testing.T, registries []string, files ...string) []admissionFault {
	t.Helper()
	folder := t.TempDir()
	policies, err := filepath.Glob(filepath.Join(root, "platform", "policies", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range policies {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range registries {
			text = []byte(strings.Replace(string(text), "  registries: |\n", "  registries: |\n    "+r+"\n", 1))
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(file)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"-C", "admission", "run", ".", folder}
	for _, file := range files {
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("evaluate the policies: %v", err)
	}
	var faults []admissionFault
	if err := json.Unmarshal(out, &faults); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return faults
}

// TestEachCaseIsJudgedByItsPolicy takes the cases of each policy: what is named "pass" no policy has anything against, and
// what is named "fail" exactly the policy whose case it is, with the words of its first line.
func TestEachCaseIsJudgedByItsPolicy(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "platform", "policies", "tests", "*", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	by := map[string][]admissionFault{}
	for _, f := range judged(t, nil, files...) {
		name := filepath.Join(filepath.Base(filepath.Dir(f.File)), filepath.Base(f.File))
		by[name] = append(by[name], f)
	}
	kinds := map[string][]string{} // of cases, by policy
	for _, file := range files {
		policy, name := filepath.Base(filepath.Dir(file)), filepath.Base(file)
		faults := by[filepath.Join(policy, name)]
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		want, fails := strings.CutPrefix(first, "# want: ")
		kind, _, _ := strings.Cut(name, "-")
		kinds[policy] = append(kinds[policy], strings.TrimSuffix(name, ".yaml"))
		switch {
		case kind == "pass" && !fails && len(faults) == 0:
		case kind == "fail" && fails && len(faults) == 1 && faults[0].Policy == "fawkes-"+policy && strings.Contains(faults[0].Message, want):
		default:
			t.Errorf("%s/%s, which wants %q: %+v", policy, name, want, faults)
		}
	}
	policies, err := filepath.Glob(filepath.Join(root, "platform", "policies", "*.yaml"))
	if err != nil || len(policies) < 3 {
		t.Fatalf("%d policies, %v", len(policies), err)
	}
	for _, file := range policies {
		policy := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if policy == "kustomization" || policy == "settings" {
			continue
		}
		cases := kinds[policy]
		if !slices.Contains(cases, "pass-exception") || !slices.ContainsFunc(cases, func(c string) bool { return strings.HasPrefix(c, "fail-") }) {
			t.Errorf("the policy %s has the cases %v; it needs one that fails and one with an exception", policy, cases)
		}
	}
}

// TestWhatTheChartsRenderPassesThePolicies needs no exception; only the registries of the values that it was rendered
// with are not those of an installation.
func TestWhatTheChartsRenderPassesThePolicies(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "tests", "charts", "helm", "testdata", "golden", "*.yaml"))
	if err != nil || len(files) < 16 {
		t.Fatalf("%d renderings, %v; want 16 or more", len(files), err)
	}
	clouds := []string{"123456789012.dkr.ecr.eu-central-1.amazonaws.com", "example.azurecr.io", "europe-west1-docker.pkg.dev/example/images"}
	if faults := judged(t, clouds, files...); len(faults) > 0 {
		t.Errorf("the policies would refuse: %+v", faults)
	}
	if faults := judged(t, nil, files...); len(faults) == 0 {
		t.Error("registries that nobody allowed are taken")
	}
}
