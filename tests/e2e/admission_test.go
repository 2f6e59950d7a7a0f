//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// The namespaces of the scenario: one refuses, one only warns.
const admissionNamespaces = `
apiVersion: v1
kind: Namespace
metadata: {name: argocd}
---
apiVersion: v1
kind: Namespace
metadata: {name: strict, labels: {fawkes.dev/policies: enforce}}
---
apiVersion: v1
kind: Namespace
metadata: {name: teams}
---
apiVersion: v1
kind: Namespace
metadata:
  name: excepted
  labels: {fawkes.dev/policies: enforce}
  annotations: {fawkes.dev/exception-images: "moves to the platform's registry in spring"}
---
apiVersion: v1
kind: Namespace
metadata:
  name: silent
  labels: {fawkes.dev/policies: enforce}
  annotations: {fawkes.dev/exception-images: " "}
`

// TestAdmissionPolicies gives each case of the platform's admission policies to a real API server.
func TestAdmissionPolicies(t *testing.T) {
	c := cluster.Up(t, cluster.Options{Nodes: 1})
	ctx := t.Context()
	cases := admissionCases(t)
	other := "../../platform/policies/tests/images/fail-other-registry.yaml"

	step(t, "the policies are taken, and their expressions fit the kinds they are about", func(t *testing.T) {
		if err := c.Apply(ctx, admissionNamespaces); err != nil {
			t.Fatal(err)
		}
		taken(t, ctx, c, gather(t, "../../platform/policies/*.yaml"))
		eventually(t, time.Minute, "expressions are checked", func() error { return typesFit(t, c) })
		// The admission plugin hears of a policy a moment after it is stored.
		eventually(t, 30*time.Second, "the policies act", func() error {
			for _, ca := range cases {
				if ca.want == "" {
					continue
				}
				if _, err := apply(ctx, c, ca.text, "--dry-run=server", "--namespace=strict"); err == nil {
					return errors.New(ca.name + " is not refused")
				}
			}
			return nil
		})
	})
	step(t, "a namespace that enforces takes what passes and refuses what fails, by name and with the mend", func(t *testing.T) {
		passed, refused := 0, 0
		for _, ca := range cases {
			out, err := apply(ctx, c, ca.text, "--dry-run=server", "--namespace=strict")
			switch {
			case ca.want == "" && (err != nil || strings.Contains(out, "Warning")):
				t.Errorf("%s: %v\n%s", ca.name, err, out)
			case ca.want == "":
				passed++
			case err == nil || !strings.Contains(out, "ValidatingAdmissionPolicy 'fawkes-"+ca.policy+"'") || !strings.Contains(out, ca.want):
				t.Errorf("%s wants %q: %v\n%s", ca.name, ca.want, err, out)
			default:
				refused++
			}
		}
		t.Logf("%d cases pass, %d are refused", passed, refused)
	})
	step(t, "another namespace takes it with a warning that says the same", func(t *testing.T) {
		for _, ca := range cases {
			out, err := apply(ctx, c, ca.text, "--dry-run=server", "--namespace=teams")
			if err != nil || strings.Contains(out, "Warning") != (ca.want != "") || !strings.Contains(out, ca.want) {
				t.Errorf("%s wants %q: %v\n%s", ca.name, ca.want, err, out)
			}
		}
	})
	step(t, "an exception of a namespace needs a reason", func(t *testing.T) {
		if out, err := apply(ctx, c, gather(t, other), "--dry-run=server", "--namespace=excepted"); err != nil {
			t.Errorf("with a reason: %v\n%s", err, out)
		}
		if out, err := apply(ctx, c, gather(t, other), "--dry-run=server", "--namespace=silent"); err == nil {
			t.Errorf("without a reason it is taken: %s", out)
		}
		labels := gather(t, "../../platform/policies/tests/labels/fail-no-owner.yaml")
		if out, err := apply(ctx, c, labels, "--dry-run=server", "--namespace=excepted"); err == nil {
			t.Errorf("an exception of images is one of labels: %s", out)
		}
	})
	step(t, "what the project renders passes where policies are enforced", func(t *testing.T) {
		for _, profile := range []string{"kit", "tier1", "tier2", "extensions"} {
			taken(t, ctx, c, gather(t, "../../platform/profiles/"+profile+"/foundation/*/*.yaml"), "--server-side", "--force-conflicts")
		}
		if _, err := c.Kubectl(ctx, "label", "namespace", "fawkes-apps", "fawkes.dev/policies=enforce"); err != nil {
			t.Fatal(err)
		}
		// What an installation does with its own registry.
		if _, err := c.Kubectl(ctx, "--namespace", "argocd", "patch", "configmap", "admission-policies", "--patch",
			`{"data": {"registries": "123456789012.dkr.ecr.eu-central-1.amazonaws.com\nexample.azurecr.io\neurope-west1-docker.pkg.dev/example/images\nregistry.localhost:5000"}}`); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob("../charts/helm/testdata/golden/*.yaml")
		if err != nil || len(files) < 16 {
			t.Fatalf("%d renderings, %v; want 16 or more", len(files), err)
		}
		eventually(t, 30*time.Second, "the policies know the registries", func() error {
			_, err := apply(ctx, c, gather(t, files[0]), "--dry-run=server", "--namespace=fawkes-apps")
			return err
		})
		for _, file := range files {
			taken(t, ctx, c, gather(t, file), "--dry-run=server", "--namespace=fawkes-apps")
		}
		if out, err := apply(ctx, c, gather(t, other), "--dry-run=server", "--namespace=fawkes-apps"); err == nil {
			t.Errorf("the namespace of the services does not enforce: %s", out)
		}
	})
	step(t, "the platform's own third-party parts are not looked at", func(t *testing.T) {
		pod := gather(t, "../../platform/policies/tests/labels/fail-no-owner.yaml")
		out, err := apply(ctx, c, pod, "--dry-run=server", "--namespace=argocd")
		if err != nil || strings.Contains(out, "ValidatingAdmissionPolicy") || strings.Contains(out, "part-of") {
			t.Errorf("in argocd: %v\n%s", err, out)
		}
	})
}

// admissionCase is a case of a policy; want is what its refusal says, and empty when it passes.
type admissionCase struct{ policy, name, want, text string }

func admissionCases(t *testing.T) []admissionCase {
	t.Helper()
	files, err := filepath.Glob("../../platform/policies/tests/*/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d cases, %v; want 20 or more", len(files), err)
	}
	var out []admissionCase
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		want, fails := strings.CutPrefix(first, "# want: ")
		if !fails {
			want = ""
		}
		policy := filepath.Base(filepath.Dir(file))
		out = append(out, admissionCase{policy, policy + "/" + filepath.Base(file), want, string(text)})
	}
	return out
}

// typesFit is an error until the controller has checked every policy's expressions, and fails the test when one does not
// fit a kind.
func typesFit(t *testing.T, c *cluster.Cluster) error {
	t.Helper()
	text, err := c.Get(t.Context(), "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies")
	if err != nil {
		return err
	}
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				ObservedGeneration int
				TypeChecking       struct {
					ExpressionWarnings []struct{ FieldRef, Warning string }
				}
			}
		}
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	for _, p := range list.Items {
		if p.Status.ObservedGeneration == 0 {
			return errors.New(p.Metadata.Name + " is not checked yet")
		}
		for _, w := range p.Status.TypeChecking.ExpressionWarnings {
			t.Errorf("%s %s: %s", p.Metadata.Name, w.FieldRef, w.Warning)
		}
	}
	return nil
}
