package goldenpath

import (
	"context"
	"fmt"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/detect"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/fawkesfile"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
)

// Plan is what a run would do, and why.
type Plan struct {
	System     string         `json:"system"`
	Repository string         `json:"repository"`
	SHA        string         `json:"sha"`
	Branch     *string        `json:"branch"`
	Service    string         `json:"service"`
	Project    string         `json:"project"`
	Language   string         `json:"language"`
	Because    string         `json:"because"` // of the language
	Stages     []PlannedStage `json:"stages"`
	Settings   []Setting      `json:"settings"`  // of fawkes.yaml
	Isolation  sandbox.Report `json:"isolation"` // what this machine can do
	Faults     []string       `json:"faults"`    // what makes the run impossible
}

// PlannedStage is one stage of a plan.
type PlannedStage struct {
	Name    string   `json:"name"`
	Skipped *string  `json:"skipped"` // why; null: it runs
	Does    string   `json:"does"`
	Because string   `json:"because"`
	Needs   []string `json:"needs"`
	Limit   float64  `json:"limit_seconds"`
}

// Setting is a key of fawkes.yaml.
type Setting struct {
	Key  string `json:"key"`
	Line int    `json:"line"`
}

// Explain says what a run would do. It starts nothing of the repository, and leaves nothing.
func Explain(ctx context.Context, o Options) (Plan, error) {
	p, err := look(ctx, o)
	if err != nil {
		return Plan{}, err
	}
	defer func() { _ = p.close() }()
	s := p.state
	plan := Plan{
		System: s.System, Repository: s.Name, SHA: s.SHA, Branch: orNull(s.Branch), Service: s.Service, Project: s.Project, Language: s.Language, Because: p.project.Why,
		Isolation: sandbox.Probe(), Faults: []string{}, Settings: []Setting{},
	}
	if p.faults != nil {
		plan.Faults = strings.Split(p.faults.Error(), "\n")
	}
	for _, key := range p.file.Keys() {
		plan.Settings = append(plan.Settings, Setting{key, p.file.Lines[key]})
	}
	for _, name := range Stages() {
		st := PlannedStage{Name: name, Needs: append([]string{}, needs(name)...), Limit: limitOf(name, p.file).Seconds()}
		var skip string
		st.Does, st.Because, skip = p.planned(name)
		if configured := p.file.Stages[name]; configured.Skip {
			skip = configured.Reason
		}
		st.Skipped = orNull(skip)
		plan.Stages = append(plan.Stages, st)
	}
	return plan, nil
}

// planned says what a stage does, why so, and why it would be skipped.
func (p *pipeline) planned(stage string) (does, because, skip string) {
	commands := func(s detect.Step) string {
		var all []string
		for _, c := range s.Commands {
			all = append(all, strings.Join(c, " "))
		}
		return strings.Join(all, " && ")
	}
	switch stage {
	case "checkout":
		return "make sure that the work tree stands on " + short(p.source.sha), "the surroundings are " + p.where.System, ""
	case "build":
		b := p.project.Build
		if b.Kind == detect.GoBuild {
			return "go build -trimpath " + p.project.GoPackage, p.project.StartWhy, ""
		}
		if len(b.Commands) == 0 {
			return "", "", "there is nothing to build: " + b.Why
		}
		return commands(b), b.Why, ""
	case "unit-test":
		t := p.project.Test
		if t.Kind == detect.PythonTest {
			return "python3 -m pytest, or python3 -m unittest discover", t.Why, ""
		}
		return commands(t), t.Why, ""
	case "behavior-test":
		if len(p.project.Behavior.Commands) == 0 {
			return "", "", "the repository has no behavior test"
		}
		return commands(p.project.Behavior), p.project.Behavior.Why, ""
	case "secrets":
		return p.toolNames("gitleaks"), fmt.Sprintf("gate.max_secrets is %d", p.file.Gate.MaxSecrets), ""
	case "static-analysis":
		because = "findings of level " + p.file.Gate.StaticAnalysis + " are refused"
		sonar := p.o.Env("SONAR_HOST_URL")
		switch {
		case p.project.Language == detect.Go && sonar != "":
			return p.toolNames("gosec", "staticcheck", "sonar-scanner"), because, ""
		case p.project.Language == detect.Go:
			return p.toolNames("gosec", "staticcheck"), because + "; SonarQube is not configured", ""
		case sonar != "":
			return p.toolNames("sonar-scanner"), "SONAR_HOST_URL is set", ""
		}
		return "", "", "there is no analysis of " + p.project.Language + " here: SonarQube is not configured (SONAR_HOST_URL)"
	case "image":
		return p.plannedImage()
	case "image-scan":
		for _, name := range []string{"trivy", "grype"} {
			if at, ok := p.tool(name); ok {
				return at, "vulnerabilities of severity " + p.file.Gate.Vulnerabilities + " are refused", ""
			}
		}
		return "", "", "neither trivy nor grype is on the PATH or in FAWKES_TOOLS"
	case "sbom":
		return "write " + FileSBOM + ", CycloneDX 1.6", "what the " + p.project.Language + " program is made of", ""
	}
	return p.plannedDelivery(stage)
}

func (p *pipeline) plannedImage() (does, because, skip string) {
	base := "the minimal base"
	if b := p.file.Image.Base; b != "" && b != "scratch" {
		base = b
	}
	switch {
	case p.file.Image.Root != "":
		return "the folder " + p.file.Image.Root + " on " + base, fmt.Sprintf("line %d of %s", p.file.Lines["image.root"], fawkesfile.Name), ""
	case p.project.Language == detect.Go:
		return "the static program on " + base, "a Go program needs nothing else", ""
	}
	return "the interpreter of this machine and the work tree on " + base, "it starts with " + p.project.Start + ": " + p.project.StartWhy, ""
}

func (p *pipeline) plannedDelivery(stage string) (does, because, skip string) {
	host := p.registryHost()
	switch stage {
	case "sign", "push":
		if host == "" {
			return "", "", "there is no registry: FAWKES_REGISTRY is not set"
		}
		if stage == "sign" {
			if p.o.Env("FAWKES_SIGNING_KEY") == "" {
				return "", "", "FAWKES_SIGNING_KEY is not set"
			}
			return "sign the digest as cosign does", "FAWKES_SIGNING_KEY is set", ""
		}
		return "push to " + p.imageRepository() + " by digest, as sha-" + short(p.source.sha), "FAWKES_REGISTRY is set", ""
	}
	if p.o.Env("FAWKES_ENVIRONMENTS_URL") == "" {
		return "", "", "there is no environment repository: FAWKES_ENVIRONMENTS_URL is not set"
	}
	if ok, why := p.state.onDefaultBranch(); !ok {
		return "", "", why
	}
	return "commit to " + strings.Join(p.file.Promote.To, ", "), "the commit is of the default branch", ""
}

// toolNames are the scanners with where they are, or that they are not there.
func (p *pipeline) toolNames(names ...string) string {
	var out []string
	for _, name := range names {
		at, ok := p.tool(name)
		if !ok {
			at = name + " (not there: `make build` builds it)"
		}
		out = append(out, at)
	}
	return strings.Join(out, ", ")
}
