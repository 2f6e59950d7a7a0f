package goldenpath

import (
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/oci"
)

func discard() *log.Logger { return log.New(io.Discard, "", 0) }

func TestACommitGoesDownTheWholeRoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService()).delivered()
	w.run(ExitOK)
	sha := w.git("rev-parse", "HEAD")
	if got, want := w.statuses(), "checkout passed, build passed, unit-test passed, behavior-test skipped, secrets passed, static-analysis passed, image passed, image-scan skipped, sbom passed, sign passed, push passed, promote passed"; got != want {
		t.Fatalf("stages: %s\nwant %s", got, want)
	}
	if got, want := w.receiver.kinds(), "pipelinerun.started artifact.packaged artifact.published pipelinerun.finished"; got != want || w.receiver.outcome() != "success" {
		t.Errorf("events: %s, outcome %s; want %s", got, w.receiver.outcome(), want)
	}
	for _, token := range w.receiver.tokens {
		if token != "Bearer events-token-1" {
			t.Errorf("an event came with %q", token)
		}
	}
	s := w.state()
	if lines := strings.Count(w.kept(FileEvents), "\n"); lines != 4 || len(s.Pending) != 0 {
		t.Errorf("%d events kept, pending %v", lines, s.Pending)
	}
	for _, name := range []string{FileUnit, FileSecrets, FileAnalysis, FileSBOM, FileGate, FileSummary, FileSummed, FileCoverage, "image/index.json", "logs/build.log"} {
		if w.kept(name) == "" {
			t.Errorf("%s is empty", name)
		}
	}
	for _, want := range []string{"## small passed", "| unit-test | passed |", "1 passed, coverage 50.0 %", "Promoted to dev"} {
		if !strings.Contains(w.kept(FileSummary), want) {
			t.Errorf("%q is not in the summary:\n%s", want, w.kept(FileSummary))
		}
	}

	// What lies in the registry is the signed image of this commit, by digest and by its tag.
	reg := oci.Registry{}
	ref := s.Image.Repository + "@" + s.Image.Digest
	public, err := os.ReadFile(filepath.Join(filepath.Dir(w.dir), "cosign.key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := oci.LoadVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := reg.VerifySignature(t.Context(), ref, verifier)
	if err != nil || signature.Digest != s.Image.Digest || signature.Annotations["revision"] != sha {
		t.Errorf("signature %+v, %v", signature, err)
	}
	if digest, err := reg.Digest(t.Context(), s.Image.Repository+":sha-"+sha[:12]); err != nil || digest != s.Image.Digest {
		t.Errorf("tag: %s, %v; want %s", digest, err, s.Image.Digest)
	}
	if blobs, err := reg.Attached(t.Context(), ref, oci.TypeCycloneDX); err != nil || len(blobs) != 1 {
		t.Errorf("bill of materials: %d, %v", len(blobs), err)
	}
	img, err := reg.Pull(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil || config.Config.Labels["org.opencontainers.image.revision"] != sha || strings.Join(config.Config.Entrypoint, " ") != "/app/small" {
		t.Errorf("config %+v, %v", config, err)
	}

	// The same commit again makes the same image and no second commit.
	if n := bareCommits(t, w.bare); n != "1" {
		t.Fatalf("%s commits in the environment repository", n)
	}
	digest := s.Image.Digest
	w.run(ExitOK)
	if got := w.state(); got.Image.Digest != digest || bareCommits(t, w.bare) != "1" {
		t.Errorf("again: digest %s, want %s; %s commits", got.Image.Digest, digest, bareCommits(t, w.bare))
	}
}

func bareCommits(t *testing.T, bare string) string {
	t.Helper()
	out, err := exec.Command("git", "-C", bare, "rev-list", "--count", "--all").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestAFailingTestStopsTheRoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService()).delivered()
	w.write(map[string]string{"main.go": "package main\n\nfunc twice(n int) int { return 3 * n }\n\nfunc main() { println(twice(21)) }\n"})
	w.commit("worse")
	r := w.run(ExitFailed)
	if r.Stage != "unit-test" || !strings.Contains(r.Reason, "1 of 1 tests failed: example.org/small TestTwice") {
		t.Errorf("got %+v", r)
	}
	if got := w.statuses(); strings.Contains(got, "image") || !strings.Contains(got, "secrets passed") {
		t.Errorf("stages: %s", got)
	}
	if w.receiver.kinds() != "pipelinerun.started pipelinerun.finished" || w.receiver.outcome() != "failure" {
		t.Errorf("events: %s, %s", w.receiver.kinds(), w.receiver.outcome())
	}
	if !strings.Contains(w.kept(FileUnit), "twice 2 is not 4") || !strings.Contains(w.kept(FileSummary), "Failed in **unit-test**") || bareCommits(t, w.bare) != "0" {
		t.Errorf("report:\n%s\nsummary:\n%s", w.kept(FileUnit), w.kept(FileSummary))
	}
}

func TestWhatDoesNotBuildIsAFailedBuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService())
	w.write(map[string]string{"main.go": "package main\n\nfunc main() { undefined() }\n"})
	w.commit("broken")
	if r := w.run(ExitFailed); r.Stage != "build" || !strings.Contains(r.Reason, "undefined: undefined") {
		t.Errorf("got %+v", r)
	}
}

const leak = "package main\n\nfunc key() string { return \"AKIAIOSFODNN7EXAMPLE\" }\n"

func TestALeakedKeyIsNamedAndNeverShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService()).delivered()
	w.write(map[string]string{"aws.go": leak})
	w.commit("leak")
	r := w.run(ExitRefused)
	if r.Stage != "secrets" || !strings.Contains(r.Reason, "1 secret: aws.go:3: aws-access-token") {
		t.Errorf("got %+v", r)
	}
	err := filepath.WalkDir(w.artifacts, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "/build/") {
			return err
		}
		if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), "AKIAIOSFODNN7") {
			t.Errorf("%s shows the key (%v)", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.receiver.outcome() != "failure" || bareCommits(t, w.bare) != "0" {
		t.Errorf("outcome %s", w.receiver.outcome())
	}
}

func TestADangerousPatternIsRefusedUntilAnExceptionAllowsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService())
	w.write(map[string]string{"sum.go": "package main\n\nimport \"crypto/md5\"\n\nvar _ = md5.New\n"})
	w.commit("md5")
	if r := w.run(ExitRefused); r.Stage != "static-analysis" || !strings.Contains(r.Reason, "1 finding: sum.go:3: G501") {
		t.Errorf("got %+v", r)
	}
	allow := "version: 1\nservice: small\ngate:\n  allow:\n    - {rule: G501, path: sum.go, reason: a checksum of files, until: %DAY%}\n"
	w.write(map[string]string{"fawkes.yaml": strings.ReplaceAll(allow, "%DAY%", "2001-01-31")})
	w.commit("an exception that has run out")
	if r := w.run(ExitRefused); !strings.Contains(r.Reason, "the exception of line 5 of fawkes.yaml ended on 2001-01-31") {
		t.Errorf("got %+v", r)
	}
	w.write(map[string]string{"fawkes.yaml": strings.ReplaceAll(allow, "%DAY%", "2999-01-31")})
	w.commit("an exception")
	w.run(ExitOK)
	if !strings.Contains(w.kept(FileGate), `"allowed"`) {
		t.Errorf("gate: %s", w.kept(FileGate))
	}
}

func TestFaultsOfTheSurroundings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*world)
		exit   int
		stage  string
		reason string
	}{
		"a wrong key":         {func(w *world) { w.write(map[string]string{"fawkes.yaml": "version: 1\nservise: x\n"}) }, ExitUsage, "checkout", "fawkes.yaml:2: servise: is not a key here"},
		"another commit":      {func(w *world) { w.env["FAWKES_SHA"] = strings.Repeat("a", 40) }, ExitUsage, "checkout", "the work tree stands on"},
		"no scanner":          {func(w *world) { w.remove("gitleaks") }, ExitUsage, "secrets", "the scanner gitleaks is not there"},
		"no program":          {func(w *world) { w.write(map[string]string{"main.go": "package small\n"}) }, ExitUsage, "checkout", "no package main"},
		"a registry away":     {func(w *world) { w.env["FAWKES_REGISTRY"] = "127.0.0.1:1" }, ExitUnreachable, "push", "push the image"},
		"a newer Go":          {func(w *world) { w.write(map[string]string{"fawkes.yaml": "go: {version: \"1.999\"}\n"}) }, ExitUsage, "checkout", "wants Go 1.999"},
		"too few tests":       {func(w *world) { w.write(map[string]string{"fawkes.yaml": "gate: {min_tests: 5}\n"}) }, ExitRefused, "unit-test", "1 passed, at least 5 are wanted"},
		"too little coverage": {func(w *world) { w.write(map[string]string{"fawkes.yaml": "gate: {min_coverage: 90}\n"}) }, ExitRefused, "unit-test", "50.0 % of statements"},
		"a slow test": {func(w *world) {
			w.write(map[string]string{"fawkes.yaml": "stages:\n  unit-test: {command: [sleep, \"60\"], timeout: 1s}\n"})
		}, ExitTimeout, "unit-test", "it took longer than its limit of 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, smallService())
			c.change(w)
			w.commit("change")
			r := w.run(c.exit)
			if r.Stage != c.stage || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("got %+v", r)
			}
			if _, err := os.Stat(filepath.Join(w.artifacts, FileSummary)); err != nil {
				t.Error(err)
			}
		})
	}
}

func (w *world) remove(tool string) {
	if err := os.Remove(filepath.Join(w.tools, tool)); err != nil {
		w.t.Fatal(err)
	}
	w.env["PATH"] = toolchain(w.t)
}

// toolchain is a PATH with go, git and what a shell needs alone.
func toolchain(t *testing.T) string {
	at, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(at) + ":/usr/bin:/bin"
}

func TestTheRepositorySeesNoTokenAndNoStateOfThePlatform(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService()).delivered()
	outside := filepath.Join(filepath.Dir(w.dir), "platform-state")
	if err := os.WriteFile(outside, []byte("top-secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.env["FAWKES_RUN_ID"], w.env["MY_API_TOKEN"] = "r-1", "another-token-1"
	w.write(map[string]string{"look_test.go": `package main

import (
	"os"
	"strings"
	"testing"
)

func TestLook(t *testing.T) {
	for _, kv := range os.Environ() {
		if strings.Contains(kv, "token-1") || strings.Contains(kv, "key-password") {
			t.Errorf("a token is in the environment")
		}
	}
	for _, name := range []string{"` + outside + `", "` + w.env["FAWKES_SIGNING_KEY"] + `", "` + w.bare + `/config"} {
		if _, err := os.ReadFile(name); err == nil {
			t.Errorf("%s can be read", name)
		}
		if f, err := os.OpenFile(name, os.O_WRONLY, 0); err == nil {
			f.Close()
			t.Errorf("%s can be written", name)
		}
	}
	if err := os.WriteFile("` + filepath.Join(w.artifacts, FileRun) + `", nil, 0o644); err == nil {
		t.Error("the run's state can be written")
	}
}
`})
	w.commit("look around")
	if w.run(ExitOK); !w.state().Isolation.Landlock {
		t.Error("this kernel has no Landlock, and the test proves nothing")
	}
}

func TestSecretsAreMaskedInEverythingThatIsKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService())
	w.env["FAWKES_REGISTRY_TOKEN"], w.env["GITHUB_TOKEN"] = "hush-hush-1", "ghp_hush-hush-2"
	w.write(map[string]string{"say_test.go": "package main\n\nimport \"testing\"\n\nfunc TestSay(t *testing.T) { println(\"it is hush-\" + \"hush-1\"); t.Error(\"and ghp_hush\" + \"-hush-2\") }\n"})
	w.commit("say it")
	w.run(ExitFailed)
	for _, name := range []string{FileUnit, FileSummary, FileSummed, FileRun, "logs/unit-test.log"} {
		if text := w.kept(name); strings.Contains(text, "hush-hush") {
			t.Errorf("%s shows a token:\n%s", name, text)
		}
	}
	if !strings.Contains(w.logs(), "and ***") {
		t.Errorf("logs:\n%s", w.logs())
	}
	for _, e := range w.told {
		if strings.Contains(e.Text+e.Reason+e.Summary, "hush-hush") {
			t.Errorf("told: %+v", e)
		}
	}
}

func TestEventsThatCannotBeDeliveredAreSentLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService()).delivered()
	w.receiver.status = 422 // it refuses them, which another try cannot change
	r := w.run(ExitUnreachable)
	if r.Status != Failed || !strings.Contains(r.Reason, "4 of this run's events could not be delivered") || !strings.Contains(r.Mend, "fawkes ci events send") {
		t.Errorf("got %+v", r)
	}
	if len(w.state().Pending) != 4 || bareCommits(t, w.bare) != "1" {
		t.Errorf("pending %v", w.state().Pending)
	}
	w.receiver.mu.Lock()
	w.receiver.status = 0
	w.receiver.mu.Unlock()
	for range 2 { // the second time nothing is new
		p := Options{Environ: w.options().Environ}
		sent, err := SendEvents(t.Context(), filepath.Join(w.artifacts, FileEvents), *(&pipeline{o: p}).sender())
		if err != nil || sent != 4 {
			t.Fatalf("sent %d, %v", sent, err)
		}
	}
	if got := w.receiver.kinds(); got != "pipelinerun.started artifact.packaged artifact.published pipelinerun.finished" {
		t.Errorf("events: %s", got)
	}
}

func TestSonarQubeJudgesWhereItIsConfigured(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService())
	w.env["SONAR_HOST_URL"], w.env["SONAR_TOKEN"] = "https://sonar.example", "sonar-token-1"
	if r := w.run(ExitUsage); r.Stage != "static-analysis" || !strings.Contains(r.Reason, "sonar-scanner was not found") {
		t.Errorf("got %+v", r)
	}
	w.script("sonar-scanner", `echo "$*"; [ "$SONAR_TOKEN" = sonar-token-1 ] || exit 9; test ! -e refuse`)
	w.run(ExitOK)
	if !strings.Contains(w.logs(), "-Dsonar.host.url=https://sonar.example -Dsonar.projectKey=shop:small") {
		t.Errorf("logs:\n%s", w.logs())
	}
	w.write(map[string]string{"refuse": ""})
	w.commit("refused")
	if r := w.run(ExitRefused); r.Stage != "static-analysis" || !strings.Contains(r.Reason, "SonarQube refuses it") {
		t.Errorf("got %+v", r)
	}
}

func TestAnImageScannerIsUsedWhereItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, smallService())
	w.script("trivy", `[ -f "$3/index.json" ] || exit 9
printf '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Trivy","rules":[{"id":"CVE-1","properties":{"security-severity":"%s"}}]}},"results":[{"ruleId":"CVE-1","level":"error","message":{"text":"m"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"app/small"}}}]}]}]}' "$(cat /dev/null; cat severity 2>/dev/null || echo 7.5)"`)
	w.run(ExitOK)
	if s := w.state().Stages["image-scan"]; s.Status != StatusPassed || len(s.Findings) != 1 || s.Findings[0].Level != "high" {
		t.Errorf("got %+v", s)
	}
	w.write(map[string]string{"severity": "9.8"})
	w.commit("critical")
	if r := w.run(ExitRefused); r.Stage != "image-scan" || !strings.Contains(r.Reason, "app/small: CVE-1") {
		t.Errorf("got %+v", r)
	}
}
