//go:build linux

package argocd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster"
)

// object is a Kubernetes object.
type object = map[string]any

// program is where the module is that says which Argo CD.
const program = "tests/e2e/argocd/program"

// source is the folder of Argo CD's module.
func source(ctx context.Context) (string, error) {
	module, err := cluster.SourceFolder(program)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/argoproj/argo-cd/v3")
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("find the module of Argo CD: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// upstream reads Argo CD's own manifests of an installation, from its Go module.
func upstream(ctx context.Context) ([]object, error) {
	dir, err := source(ctx)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "manifests", "install.yaml"))
	if err != nil {
		return nil, fmt.Errorf("read the manifests of Argo CD: %w", err)
	}
	var all []object
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var o object
		switch err := decoder.Decode(&o); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("read the manifests of Argo CD: %w", err)
		case o != nil:
			all = append(all, o)
		}
	}
}

// adapted is what the test cluster is given of the manifests: all but Dex and the controller of ApplicationSets, which the
// inventory leaves out of the kit, and but the policies, which the inventory makes; with the images that were made here.
func adapted(all []object, options Options) []object {
	var out []object
	for _, o := range all {
		metadata, _ := o["metadata"].(object)
		name, _ := metadata["name"].(string)
		if o["kind"] == "NetworkPolicy" || strings.HasPrefix(name, "argocd-dex-") || (strings.HasPrefix(name, "argocd-applicationset-") && o["kind"] != "CustomResourceDefinition") {
			continue
		}
		if options.configured(name) && o["kind"] == "ConfigMap" {
			continue
		}
		switch o["kind"] {
		case "Deployment", "StatefulSet":
			adaptPods(o, options)
		case "ClusterRoleBinding", "RoleBinding":
			subjects, _ := o["subjects"].([]any)
			for _, s := range subjects {
				if subject, ok := s.(object); ok && subject["kind"] == "ServiceAccount" {
					subject["namespace"] = Namespace
				}
			}
		}
		out = append(out, o)
	}
	return out
}

// adaptPods changes the images of a workload's pods, and what depends on them: the copying of Argo CD's program for plugins,
// of which there are none, and signatures of commits, for which there is no gpg.
func adaptPods(workload object, options Options) {
	spec, _ := workload["spec"].(object)
	template, _ := spec["template"].(object)
	pod, _ := template["spec"].(object)
	if options.Node != "" {
		pod["nodeSelector"] = object{"kubernetes.io/hostname": options.Node}
	}
	initial, _ := pod["initContainers"].([]any)
	initial = slices.DeleteFunc(initial, func(c any) bool { container, _ := c.(object); return container["name"] == "copyutil" })
	pod["initContainers"] = initial
	containers, _ := pod["containers"].([]any)
	for _, c := range slices.Concat(initial, containers) {
		container, _ := c.(object)
		if container["name"] == "redis" {
			container["image"] = redisName
		} else {
			container["image"] = imageName
		}
		container["imagePullPolicy"] = "Never"
		env, _ := container["env"].([]any)
		env = append(env, object{"name": "ARGOCD_GPG_ENABLED", "value": "false"})
		if options.Poll > 0 {
			// It is the last of its name that counts, and would else be that of the configuration.
			env = append(env, object{"name": "ARGOCD_RECONCILIATION_TIMEOUT", "value": options.Poll.String()}, object{"name": "ARGOCD_RECONCILIATION_JITTER", "value": "0s"})
		}
		container["env"] = once(env)
	}
}

// once keeps the last variable of each name.
func once(env []any) []any {
	at := map[any]int{}
	var out []any
	for _, e := range env {
		variable, _ := e.(object)
		if i, there := at[variable["name"]]; there {
			out[i] = e
			continue
		}
		at[variable["name"]] = len(out)
		out = append(out, e)
	}
	return out
}
