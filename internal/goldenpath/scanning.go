package goldenpath

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/detect"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/gate"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/report"
)

// tool finds a scanner: in FAWKES_TOOLS, in the folder "tools" beside this program, by PATH.
func (p *pipeline) tool(name string) (string, bool) {
	folders := []string{p.o.Env("FAWKES_TOOLS")}
	if p.o.Program != "" {
		folders = append(folders, filepath.Join(filepath.Dir(p.o.Program), "tools"))
	}
	folders = append(folders, filepath.SplitList(p.o.Env("PATH"))...)
	for _, folder := range folders {
		if at := filepath.Join(folder, name); filepath.IsAbs(folder) && runnable(at) {
			return at, true
		}
	}
	return "", false
}

// scanner is a tool that the road needs; without it the stage fails, because what was not scanned is not clean.
func (p *pipeline) scanner(name string) (string, error) {
	if at, ok := p.tool(name); ok {
		return at, nil
	}
	return "", failf(ExitUsage, "build the scanners with `make build`, or name their folder with FAWKES_TOOLS", "the scanner %s is not there", name)
}

// scanCommand is a scanner at work on the tree: it may read everything a build may, and write nothing of it.
// It gives way to build and tests beside it, which people wait for first.
func (j *job) scanCommand(program string, args ...string) command {
	g := j.goTool()
	c := command{nice: 15, argv: append([]string{program}, args...), read: append(g.read(), filepath.Dir(program)), write: g.write()}
	if g.found {
		// What staticcheck knows of the standard library takes half a minute to find out: it is kept where every
		// repository finds it.
		c.env = []string{"STATICCHECK_CACHE=" + filepath.Join(g.cache, "staticcheck")}
	}
	return c
}

// secrets looks for credentials in the files of the work tree. The rules are those of gitleaks; what the
// repository says about them is not taken: exceptions stand in fawkes.yaml, with a last day.
func (j *job) secrets(ctx context.Context) error {
	program, err := j.scanner("gitleaks")
	if err != nil {
		return err
	}
	var paths []string
	for _, folder := range []string{".git", ".fawkes", "node_modules", "vendor"} {
		paths = append(paths, `(^|/)`+regexp.QuoteMeta(folder)+`/`)
	}
	if rel, err := filepath.Rel(j.dir, j.artifacts); err == nil && filepath.IsLocal(rel) {
		paths = append(paths, "^"+regexp.QuoteMeta(filepath.ToSlash(filepath.Join(j.dir, rel)))+"/", "^"+regexp.QuoteMeta(filepath.ToSlash(rel))+"/")
	}
	var config strings.Builder
	config.WriteString("[extend]\nuseDefault = true\n[[allowlists]]\ndescription = \"what is no part of the commit\"\npaths = [\n")
	for _, path := range paths {
		config.WriteString("  '''" + path + "''',\n")
	}
	config.WriteString("]\n")
	file := filepath.Join(j.temp, "gitleaks.toml")
	ignore := filepath.Join(j.temp, "no-gitleaksignore")
	if err := errors.Join(os.WriteFile(file, []byte(config.String()), 0o600), os.WriteFile(ignore, nil, 0o600)); err != nil {
		return fmt.Errorf("set the scanner up: %w", err)
	}
	// The tree is named by its absolute path: what the repository's .gitleaksignore says of relative ones fits nothing.
	c := j.scanCommand(program, "dir", "--config", file, "--gitleaks-ignore-path", ignore, "--ignore-gitleaks-allow", "--report-format", "sarif", "--report-path", "-",
		"--redact=100", "--exit-code", "0", "--no-banner", "--no-color", "--log-level", "warn", "--max-target-megabytes", "20", j.dir)
	text, err := j.output(ctx, j.log, c, report.MaxBytes)
	if err != nil {
		return j.broken("gitleaks", err)
	}
	log, err := report.ReadSARIF(bytes.NewReader(text))
	if err != nil {
		return j.broken("gitleaks", err)
	}
	log.Redact(report.Error)
	return j.judged(FileSecrets, log, gate.Secrets)
}

// broken is a scanner that gave no answer.
func (j *job) broken(name string, err error) error {
	return &failure{exit: ExitFailed, reason: fmt.Sprintf("%s did not finish its scan: %v", name, err), mend: "the log of the stage says more", err: err}
}

// judged keeps a scan's report and lets the gate judge it alone.
func (j *job) judged(file string, log *report.SARIF, rule string) error {
	log.Relative(filepath.ToSlash(j.dir))
	var out bytes.Buffer
	if err := report.WriteSARIF(&out, log); err != nil {
		return err
	}
	if err := j.artifact(file, "sarif", []byte(j.mask.text(out.String()))); err != nil {
		return err
	}
	for _, f := range log.Findings() {
		level := string(f.Level)
		j.state.Findings = append(j.state.Findings, gate.Finding{Tool: f.Tool, Rule: f.Rule, Level: level, File: f.File, Line: f.Line, Message: j.mask.text(f.Message)})
		j.log.say("%s", f)
	}
	j.state.Scanned = true
	return j.refused(rule)
}

// refused is the gate's word on one scan.
func (j *job) refused(rule string) error {
	scan, now := gate.Scan{Ran: true, Findings: j.state.Findings}, j.o.Clock.Now()
	var r gate.Rule
	switch rule {
	case gate.Secrets:
		r = gate.JudgeSecrets(j.file.Gate, scan, now)
	case gate.StaticAnalysis:
		r = gate.JudgeAnalysis(j.file.Gate, scan, now)
	default:
		r = gate.JudgeVulnerabilities(j.file.Gate, scan, now)
	}
	j.state.Summary = strings.TrimPrefix(j.state.Summary+"; "+r.Detail, "; ")
	if r.Passed {
		return nil
	}
	mend := "mend what is named; an exception with a reason and a last day goes into gate.allow of fawkes.yaml"
	if rule == gate.Secrets {
		mend = "take the secret out and replace it where it is used, for it is in the history now; an exception with a reason and a last day goes into gate.allow of fawkes.yaml"
	}
	return failf(ExitRefused, mend, "the quality gate refuses it: %s", r.Detail)
}

// staticAnalysis looks for what is wrong or dangerous in the code.
func (j *job) staticAnalysis(ctx context.Context) error {
	sonar := j.o.Env("SONAR_HOST_URL") != ""
	if j.project.Language != detect.Go {
		if !sonar {
			j.state.Excused = true
			return skipf("there is no analysis of %s here: SonarQube is not configured (SONAR_HOST_URL)", j.project.Language)
		}
		if err := j.sonar(ctx); err != nil {
			return err
		}
		return j.judged(FileAnalysis, report.MergeSARIF(), gate.StaticAnalysis)
	}
	gosec, err := j.scanner("gosec")
	if err != nil {
		return err
	}
	staticcheck, err := j.scanner("staticcheck")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(j.goTool().cache, "staticcheck"), 0o755); err != nil {
		return fmt.Errorf("make the cache of staticcheck: %w", err)
	}
	var tags []string
	if len(j.file.Go.Tags) > 0 {
		tags = []string{"-tags", strings.Join(j.file.Go.Tags, ",")}
	}
	var security, bugs *report.SARIF
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error {
		text, err := j.output(inner, j.log, j.scanCommand(gosec, append(append([]string{"-quiet", "-no-fail", "-fmt", "json", "-exclude-dir", ".fawkes", "-exclude-generated"}, tags...), "./...")...), report.MaxBytes)
		if err != nil {
			return j.broken("gosec", err)
		}
		if len(bytes.TrimSpace(text)) == 0 { // quiet, and nothing was found
			security = report.FromFindings("gosec", "", nil)
			return nil
		}
		if security, err = report.Gosec(bytes.NewReader(text)); err != nil {
			return j.broken("gosec", err)
		}
		return nil
	})
	group.Go(func() error {
		text, err := j.output(inner, j.log, j.scanCommand(staticcheck, append(append([]string{"-f", "json", "-fail", "SA*"}, tags...), "./...")...), report.MaxBytes)
		if n, own := code(err); !own || n > 1 || n == 1 && len(bytes.TrimSpace(text)) == 0 {
			return j.broken("staticcheck", err)
		}
		if bugs, err = report.Staticcheck(bytes.NewReader(text)); err != nil {
			return j.broken("staticcheck", err)
		}
		return nil
	})
	if sonar {
		group.Go(func() error { return j.sonar(inner) })
	}
	if err := group.Wait(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	if !sonar {
		j.note("SonarQube is not configured (SONAR_HOST_URL), so it has not looked at the code")
	}
	return j.judged(FileAnalysis, report.MergeSARIF(security, bugs), gate.StaticAnalysis)
}

// sonar has SonarQube look at the code, and waits for its own quality gate. It gets the token, so it is told
// by its arguments where to go, whatever the repository's properties say.
func (j *job) sonar(ctx context.Context) error {
	program, ok := j.tool("sonar-scanner")
	if !ok {
		return failf(ExitUsage, "install sonar-scanner, or unset SONAR_HOST_URL", "SONAR_HOST_URL is set, but the program sonar-scanner was not found")
	}
	s := j.pipeline.state
	c := j.scanCommand(program, "-Dsonar.host.url="+j.o.Env("SONAR_HOST_URL"), "-Dsonar.projectKey="+strings.ReplaceAll(s.Name, "/", ":"), "-Dsonar.projectVersion="+short(s.SHA),
		"-Dsonar.scm.revision="+s.SHA, "-Dsonar.qualitygate.wait=true", "-Dsonar.working.directory="+filepath.Join(j.temp, "tmp", "sonar"))
	c.network = true
	if token := j.o.Env("SONAR_TOKEN"); token != "" {
		c.env = append(c.env, "SONAR_TOKEN="+token)
	}
	if err := j.exec(ctx, j.log, c); err != nil {
		if n, own := code(err); own && n != 0 {
			return failf(ExitRefused, "the log of the stage and SonarQube say more", "SonarQube refuses it, or could not look at it (sonar-scanner ended with %d)", n)
		}
		return err
	}
	j.state.Summary = "SonarQube passed"
	return nil
}

// imageScan looks for known vulnerabilities in the image, where a scanner for that is there.
func (j *job) imageScan(ctx context.Context) error {
	layout := filepath.Join(j.artifacts, folderImage)
	var text []byte
	var err error
	if program, ok := j.tool("trivy"); ok {
		c := j.scanCommand(program, "image", "--input", layout, "--format", "sarif", "--quiet", "--cache-dir", j.cache("trivy"))
		c.read, c.write, c.network = append(c.read, layout), append(c.write, j.cache("trivy")), true
		j.makeCaches("trivy")
		text, err = j.output(ctx, j.log, c, report.MaxBytes)
	} else if program, ok := j.tool("grype"); ok {
		c := j.scanCommand(program, "oci-dir:"+layout, "-o", "sarif", "-q")
		c.env = append(c.env, "GRYPE_DB_CACHE_DIR="+j.cache("grype"), "GRYPE_CHECK_FOR_APP_UPDATE=false")
		c.read, c.write, c.network = append(c.read, layout), append(c.write, j.cache("grype")), true
		j.makeCaches("grype")
		text, err = j.output(ctx, j.log, c, report.MaxBytes)
	} else {
		j.state.Excused = true
		j.note("the image was not scanned for known vulnerabilities: neither trivy nor grype is on the PATH or in FAWKES_TOOLS")
		return skipf("neither trivy nor grype is on the PATH or in FAWKES_TOOLS")
	}
	if err != nil {
		return j.broken("the scanner of images", err)
	}
	log, err := report.ReadSARIF(bytes.NewReader(text))
	if err != nil {
		return j.broken("the scanner of images", err)
	}
	var out bytes.Buffer
	if err := report.WriteSARIF(&out, log); err != nil {
		return err
	}
	if err := j.artifact(FileScan, "sarif", out.Bytes()); err != nil {
		return err
	}
	j.state.Findings = vulnerabilities(log)
	j.state.Scanned = true
	return j.refused(gate.Vulnerabilities)
}

// vulnerabilities gives each finding its severity by name. Both scanners write it into the rule: a score of
// CVSS as the property security-severity.
func vulnerabilities(log *report.SARIF) []gate.Finding {
	score := map[string]float64{}
	for _, run := range log.Runs {
		for _, rule := range run.Tool.Driver.Rules {
			var s float64
			if _, err := fmt.Sscan(fmt.Sprint(rule.Properties["security-severity"]), &s); err == nil {
				score[rule.ID] = s
			}
		}
	}
	var out []gate.Finding
	for _, f := range log.Findings() {
		level := map[report.Level]string{report.Error: "high", report.Warning: "medium", report.Note: "low"}[f.Level]
		if s, ok := score[f.Rule]; ok {
			switch { // the bands of CVSS 3
			case s >= 9:
				level = "critical"
			case s >= 7:
				level = "high"
			case s >= 4:
				level = "medium"
			default:
				level = "low"
			}
		}
		out = append(out, gate.Finding{Tool: f.Tool, Rule: f.Rule, Level: level, File: f.File, Line: f.Line, Message: f.Message})
	}
	return out
}
