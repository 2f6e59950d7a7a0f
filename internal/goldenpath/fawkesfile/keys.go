package fawkesfile

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

var (
	variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	// A name of Kubernetes: it becomes that of a Deployment and a Service.
	serviceName = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$`)
	goVersion   = regexp.MustCompile(`^1\.[0-9]{1,3}(\.[0-9]{1,3})?$`)
	goPackage   = regexp.MustCompile(`^\.(/[A-Za-z0-9_.-]+)*$`)
	goTag       = regexp.MustCompile(`^[A-Za-z0-9_.]+$`)
)

// StageNames are the stages in their order.
func StageNames() []string {
	return []string{"checkout", "build", "unit-test", "behavior-test", "secrets", "static-analysis", "image", "image-scan", "sbom", "sign", "push", "promote"}
}

func (r *reader) read(f *File, n *yaml.Node) {
	r.fields(n, "", map[string]field{
		"version":  func(n *yaml.Node, at string) { r.number(n, at, 1, 1) },
		"service":  func(n *yaml.Node, at string) { f.Service = r.name(n, at) },
		"project":  func(n *yaml.Node, at string) { f.Project = r.name(n, at) },
		"language": func(n *yaml.Node, at string) { f.Language = r.choice(n, at, "go", "node", "python", "java") },
		"go":       func(n *yaml.Node, at string) { r.golang(f, n, at) },
		"build": func(n *yaml.Node, at string) {
			r.fields(n, at, map[string]field{"network": func(n *yaml.Node, at string) { f.Build.Network = r.flag(n, at) }})
		},
		"test": func(n *yaml.Node, at string) {
			r.fields(n, at, map[string]field{
				"network":  func(n *yaml.Node, at string) { f.Test.Network = r.flag(n, at) },
				"coverage": func(n *yaml.Node, at string) { f.Test.Coverage = r.flag(n, at) },
			})
		},
		"behavior": func(n *yaml.Node, at string) {
			r.fields(n, at, map[string]field{"command": func(n *yaml.Node, at string) { f.Behavior.Command = r.command(n, at) }})
		},
		"image":   func(n *yaml.Node, at string) { r.image(f, n, at) },
		"stages":  func(n *yaml.Node, at string) { r.stages(f, n, at) },
		"gate":    func(n *yaml.Node, at string) { r.gate(f, n, at) },
		"promote": func(n *yaml.Node, at string) { r.promote(f, n, at) },
		"deploy":  func(n *yaml.Node, at string) { r.deploy(f, n, at) },
	})
}

func (r *reader) name(n *yaml.Node, at string) string {
	s := r.text(n, at)
	if !serviceName.MatchString(s) {
		r.fault(n, at, "want small letters, digits and -, at most 52, beginning with a letter")
	}
	return s
}

func (r *reader) golang(f *File, n *yaml.Node, at string) {
	r.fields(n, at, map[string]field{
		"package": func(n *yaml.Node, at string) {
			s := r.text(n, at)
			if s != "" && s != "." && !strings.HasPrefix(s, "./") {
				s = "./" + s
			}
			if !goPackage.MatchString(s) || slices.Contains(strings.Split(s, "/"), "..") {
				r.fault(n, at, "want a package of this repository, such as ./cmd/api")
				return
			}
			f.Go.Package = s
		},
		"version": func(n *yaml.Node, at string) {
			if f.Go.Version = r.text(n, at); !goVersion.MatchString(f.Go.Version) {
				r.fault(n, at, `want a version of Go in quotes, such as "1.26"`)
			}
		},
		"tags": func(n *yaml.Node, at string) {
			for i, tag := range r.texts(n, at) {
				if !goTag.MatchString(tag) {
					r.fault(n, at+"["+strconv.Itoa(i)+"]", "want a build tag")
					return
				}
				f.Go.Tags = append(f.Go.Tags, tag)
			}
		},
	})
}

func (r *reader) image(f *File, n *yaml.Node, at string) {
	r.fields(n, at, map[string]field{
		"root":       func(n *yaml.Node, at string) { f.Image.Root = r.folder(n, at) },
		"entrypoint": func(n *yaml.Node, at string) { f.Image.Entrypoint = r.texts(n, at) },
		"base":       func(n *yaml.Node, at string) { f.Image.Base = r.text(n, at) },
		"env":        func(n *yaml.Node, at string) { f.Image.Env = r.textMap(n, at) },
		"exclude": func(n *yaml.Node, at string) {
			f.Image.Exclude = r.texts(n, at)
			for _, p := range f.Image.Exclude {
				if _, err := path.Match(p, ""); err != nil {
					r.fault(n, at, "%q is not a pattern of file names", p)
				}
			}
		},
	})
}

func (r *reader) stages(f *File, n *yaml.Node, at string) {
	known := map[string]field{}
	for _, name := range StageNames() {
		known[name] = func(n *yaml.Node, at string) { f.Stages[name] = r.stage(name, n, at) }
	}
	r.fields(n, at, known)
}

func (r *reader) stage(name string, n *yaml.Node, at string) Stage {
	var s Stage
	r.fields(n, at, map[string]field{
		"skip": func(n *yaml.Node, at string) {
			switch {
			case name == "checkout":
				r.fault(n, at, "the checkout cannot be skipped: it says what is built")
			case n.Tag == "!!bool":
				s.Skip, s.Reason = r.flag(n, at), Name+" says so"
			default:
				s.Skip, s.Reason = true, r.text(n, at)
				if strings.TrimSpace(s.Reason) == "" {
					r.fault(n, at, "want true, or the reason as text")
				}
			}
		},
		"command": func(n *yaml.Node, at string) {
			if !slices.Contains([]string{"build", "unit-test", "behavior-test"}, name) {
				r.fault(n, at, "only build, unit-test and behavior-test run a command of the repository")
				return
			}
			s.Command = r.command(n, at)
		},
		"timeout": func(n *yaml.Node, at string) { s.Timeout = r.duration(n, at) },
	})
	return s
}

func (r *reader) gate(f *File, n *yaml.Node, at string) {
	r.fields(n, at, map[string]field{
		"max_secrets": func(n *yaml.Node, at string) { f.Gate.MaxSecrets = r.number(n, at, 0, 1_000_000) },
		"static_analysis": func(n *yaml.Node, at string) {
			f.Gate.StaticAnalysis = r.choice(n, at, LevelError, LevelWarning, LevelNote, Off)
		},
		"vulnerabilities": func(n *yaml.Node, at string) {
			f.Gate.Vulnerabilities = r.choice(n, at, "critical", "high", "medium", "low", Off)
		},
		"min_tests": func(n *yaml.Node, at string) { f.Gate.MinTests = r.number(n, at, 0, 1_000_000) },
		"min_coverage": func(n *yaml.Node, at string) {
			v, err := strconv.ParseFloat(n.Value, 64)
			if n.Kind != yaml.ScalarNode || err != nil || !(v >= 0 && v <= 100) {
				r.fault(n, at, "want a number from 0 to 100, percent of statements")
				return
			}
			f.Gate.MinCoverage = &v
		},
		"allow": func(n *yaml.Node, at string) {
			r.items(n, at, func(n *yaml.Node, at string) { f.Gate.Allow = append(f.Gate.Allow, r.allow(n, at)) })
		},
	})
}

func (r *reader) allow(n *yaml.Node, at string) Allow {
	a := Allow{Line: n.Line}
	pattern := func(n *yaml.Node, at string) string {
		s := r.text(n, at)
		if _, err := path.Match(s, ""); err != nil || s == "" {
			r.fault(n, at, "want a pattern such as G401 or internal/*.go")
		}
		return s
	}
	r.fields(n, at, map[string]field{
		"rule":   func(n *yaml.Node, at string) { a.Rule = pattern(n, at) },
		"path":   func(n *yaml.Node, at string) { a.Path = pattern(n, at) },
		"reason": func(n *yaml.Node, at string) { a.Reason = strings.TrimSpace(r.text(n, at)) },
		"until": func(n *yaml.Node, at string) {
			day, err := time.Parse(time.DateOnly, r.text(n, at))
			if err != nil {
				r.fault(n, at, "want a day such as 2027-01-31")
				return
			}
			a.Until = day.AddDate(0, 0, 1)
		},
	})
	for _, want := range []struct {
		key  string
		lack bool
	}{{"rule", a.Rule == ""}, {"reason", a.Reason == ""}, {"until", a.Until.IsZero()}} {
		if want.lack && n.Kind == yaml.MappingNode && r.lines[at+"."+want.key] == 0 {
			r.fault(n, at, "needs %s: an exception names its rule, its reason and its last day", want.key)
		}
	}
	return a
}

func (r *reader) promote(f *File, n *yaml.Node, at string) {
	r.fields(n, at, map[string]field{"to": func(n *yaml.Node, at string) {
		f.Promote.To = nil
		r.items(n, at, func(n *yaml.Node, at string) {
			name := r.name(n, at)
			if slices.Contains(f.Promote.To, name) {
				r.fault(n, at, "%s is there twice", name)
			}
			f.Promote.To = append(f.Promote.To, name)
		})
	}})
}

func (r *reader) deploy(f *File, n *yaml.Node, at string) {
	r.fields(n, at, map[string]field{
		"port":     func(n *yaml.Node, at string) { f.Deploy.Port = r.number(n, at, 1, 65535) },
		"replicas": func(n *yaml.Node, at string) { f.Deploy.Replicas = r.number(n, at, 0, 100) },
		"health": func(n *yaml.Node, at string) {
			if f.Deploy.Health = r.text(n, at); !strings.HasPrefix(f.Deploy.Health, "/") || strings.ContainsAny(f.Deploy.Health, " \t\n") {
				r.fault(n, at, "want a path such as /healthz")
			}
		},
		"host": func(n *yaml.Node, at string) {
			if f.Deploy.Host = r.text(n, at); !hostName.MatchString(f.Deploy.Host) {
				r.fault(n, at, "want the name of a host")
			}
		},
		"config": func(n *yaml.Node, at string) { f.Deploy.Config = r.textMap(n, at) },
	})
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,200}[a-z0-9])?$`)

// Keys are the names that are set, sorted, for `fawkes ci explain`.
func (f *File) Keys() []string { return slices.Sorted(maps.Keys(f.Lines)) }
