package architecture

import (
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"
)

// LintConfig checks that .golangci.yml holds the layer rule of every service, so that an editor shows
// the breach as it is typed.
func LintConfig(t *Tree) []Finding {
	const name = ".golangci.yml"
	text, err := t.Read(name)
	if err != nil {
		return []Finding{{name, 0, err.Error()}}
	}
	var config struct {
		Linters struct {
			Enable   []string
			Settings struct {
				Depguard struct {
					Rules map[string]struct {
						Files []string
						Allow []string
						Deny  []struct{ Pkg string }
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		return []Finding{{name, 0, err.Error()}}
	}
	var out []Finding
	if !slices.Contains(config.Linters.Enable, "depguard") {
		out = append(out, Finding{name, 0, "depguard, which holds the layer rules, is not enabled"})
	}
	for _, svc := range t.Services() {
		rule, ok := config.Linters.Settings.Depguard.Rules["service-"+svc]
		if !ok {
			out = append(out, Finding{name, 0, fmt.Sprintf("no depguard rule service-%s", svc)})
			continue
		}
		var deny []string
		for _, d := range rule.Deny {
			deny = append(deny, d.Pkg)
		}
		for _, must := range []string{t.Module + "/services", t.Module + "/internal/app", "os/exec", "k8s.io/client-go"} {
			if !slices.Contains(deny, must) && (must != "k8s.io/client-go" || svc != "mcp-k8s-server") {
				out = append(out, Finding{name, 0, fmt.Sprintf("depguard rule service-%s does not deny %s", svc, must)})
			}
		}
		if !slices.Contains(rule.Files, "**/services/"+svc+"/**") {
			out = append(out, Finding{name, 0, fmt.Sprintf("depguard rule service-%s is not for services/%s", svc, svc)})
		}
	}
	return out
}
