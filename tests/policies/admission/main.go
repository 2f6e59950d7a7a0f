// Command admission judges Kubernetes objects by ValidatingAdmissionPolicies, without a cluster:
//
//	admission FOLDER FILE...
//
// reads the policies of a folder and prints a JSON list of the objects' faults. It evaluates the expressions with the
// library that the API server uses, but everything is of a dynamic type here and Kubernetes' own functions are not
// known; what a real API server makes of them, a scenario of tests/e2e says.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Fault is what a policy has against an object.
type Fault struct {
	File    string `json:"file"`
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Policy  string `json:"policy"`
	Message string `json:"message"`
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: admission FOLDER FILE...")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "admission:", err)
		os.Exit(1)
	}
}

func run(folder string, files []string, out io.Writer) error {
	policies, params, err := load(folder)
	if err != nil {
		return err
	}
	faults := []Fault{}
	for _, file := range files {
		objects, err := documents(file)
		if err != nil {
			return err
		}
		for _, o := range objects {
			for _, p := range policies {
				if !p.about(o) {
					continue
				}
				messages, err := p.judge(o, params)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", file, p.name, err)
				}
				for _, m := range messages {
					faults = append(faults, Fault{file, kind(o), name(o), p.name, m})
				}
			}
		}
	}
	return json.NewEncoder(out).Encode(faults)
}

// load reads the policies of a folder, and the config map that they are told.
func load(folder string) ([]*policy, map[string]any, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, nil, err
	}
	var policies []*policy
	var params map[string]any
	for _, file := range files {
		objects, err := documents(file)
		if err != nil {
			return nil, nil, err
		}
		for _, o := range objects {
			switch kind(o) {
			case "ConfigMap":
				params = o
			case "ValidatingAdmissionPolicy":
				p, err := compile(o)
				if err != nil {
					return nil, nil, fmt.Errorf("%s: %w", file, err)
				}
				policies = append(policies, p)
			}
		}
	}
	if len(policies) == 0 {
		return nil, nil, fmt.Errorf("%s holds no policies", folder)
	}
	return policies, params, nil
}

func documents(file string) ([]map[string]any, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []map[string]any
	decoder := yaml.NewDecoder(f)
	for {
		var o map[string]any
		switch err := decoder.Decode(&o); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		if o != nil {
			out = append(out, o)
		}
	}
}

func kind(o map[string]any) string {
	k, _ := o["kind"].(string)
	return k
}

func name(o map[string]any) string {
	m, _ := o["metadata"].(map[string]any)
	n, _ := m["name"].(string)
	return n
}

// resources are the names of the kinds that policies are about, in a request.
func resource(kind string) string {
	if strings.HasSuffix(kind, "s") {
		return strings.ToLower(kind) + "es"
	}
	return strings.ToLower(kind) + "s"
}

// about says whether a policy is about objects like this.
func (p *policy) about(o map[string]any) bool {
	version, _ := o["apiVersion"].(string)
	group, _, grouped := strings.Cut(version, "/")
	if !grouped {
		group = ""
	}
	return slices.ContainsFunc(p.rules, func(r rule) bool {
		return slices.Contains(r.APIGroups, group) && slices.Contains(r.Resources, resource(kind(o)))
	})
}
