package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/report"
)

func purls(in []report.Component) []string {
	var out []string
	for _, c := range in {
		line := c.PURL
		if c.Direct {
			line += " direct"
		}
		if c.Dev {
			line += " dev"
		}
		if c.License != "" {
			line += " " + c.License
		}
		out = append(out, line)
	}
	return out
}

func TestAnSBOMIsReproducibleAndReadBack(t *testing.T) {
	s := report.SBOM{
		Main: report.Component{Type: "application", Name: "hello", Version: "3f2ab1c", PURL: report.PURL("oci", "", "hello", "")},
		Tool: "fawkes", Version: "0.1.0",
		Components: []report.Component{
			{Name: "b", Version: "2", PURL: "pkg:npm/b@2", License: "(MIT OR Apache-2.0)", Dev: true},
			{Name: "a", Version: "1", PURL: "pkg:npm/a@1", Direct: true, Hashes: map[string]string{"SHA-512": "ab", "SHA-1": "cd"}, License: "see LICENSE.txt & more"},
			{Name: "b", Version: "2", PURL: "pkg:npm/b@2"},
			{Name: "no version", PURL: "pkg:pypi/x"},
		},
	}
	var one, two bytes.Buffer
	if err := report.WriteSBOM(&one, s); err != nil {
		t.Fatal(err)
	}
	s.Components[0], s.Components[3] = s.Components[3], s.Components[0]
	if err := report.WriteSBOM(&two, s); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one.String(), two.String()); diff != "" {
		t.Errorf("the order of components changes the document:\n%s", diff)
	}
	var doc struct {
		BomFormat, SpecVersion, SerialNumber string
		Version                              int
		Dependencies                         []struct {
			Ref       string
			DependsOn []string
		}
		Components []struct{ Name, Scope, Version string }
	}
	if err := json.Unmarshal(one.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.BomFormat != "CycloneDX" || doc.SpecVersion != "1.6" || doc.Version != 1 || !strings.HasPrefix(doc.SerialNumber, "urn:uuid:") || len(doc.SerialNumber) != 45 {
		t.Errorf("head: %+v", doc)
	}
	if len(doc.Components) != 3 || doc.Components[1].Scope != "" {
		t.Errorf("components, each once and running before building: %+v", doc.Components)
	}
	if len(doc.Dependencies) != 1 || len(doc.Dependencies[0].DependsOn) != 1 {
		t.Errorf("dependencies: %+v", doc.Dependencies)
	}
	got, err := report.ReadSBOM(&one)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"pkg:npm/a@1 direct see LICENSE.txt & more", "pkg:npm/b@2", "pkg:pypi/x"}
	if diff := cmp.Diff(want, purls(got.Components)); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	s.Created = time.Date(2026, 11, 30, 10, 0, 0, 0, time.FixedZone("x", 3600))
	one.Reset()
	if err := report.WriteSBOM(&one, s); err != nil || !strings.Contains(one.String(), `"timestamp": "2026-11-30T09:00:00Z"`) || !strings.Contains(one.String(), doc.SerialNumber) {
		t.Errorf("with a time: %v\n%s", err, one.String())
	}
	if _, err := report.ReadSBOM(strings.NewReader(`{"spdxVersion":"SPDX-2.3"}`)); err == nil {
		t.Error("SPDX is read as CycloneDX")
	}
}

func TestAGoProgramsPartsAreThoseInIt(t *testing.T) {
	main, parts, err := report.GoBinary(strings.NewReader("bin/x: go1.26.8 X:foo\n\tpath\texample.com/x/cmd\n\tmod\texample.com/x\t(devel)\t\n" +
		"\tdep\tgithub.com/A/b/v2\tv2.0.1\th1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\tdep\told.example/c\tv1.0.0\n\t=>\tnew.example/c\tv1.1.0+incompatible\th1:x\n\tbuild\tCGO_ENABLED=0\n"))
	if err != nil {
		t.Fatal(err)
	}
	if main.Name != "example.com/x" || main.Type != "application" {
		t.Errorf("main %+v", main)
	}
	want := []string{"pkg:golang/std@1.26.8", "pkg:golang/github.com/A/b/v2@v2.0.1", "pkg:golang/new.example/c@v1.1.0%2Bincompatible"}
	if diff := cmp.Diff(want, purls(parts)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := parts[1].Hashes["SHA-256"]; got != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("hash %q", got)
	}
	if _, _, err := report.GoBinary(strings.NewReader("x: not executable")); err == nil {
		t.Error("no error without module information")
	}
}

func TestThisModulesOwnListIsRead(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "version", "-m", self).Output()
	if err != nil {
		t.Fatal(err)
	}
	main, parts, err := report.GoBinary(bytes.NewReader(out))
	if err != nil || main.Name != "github.com/fawkes-idp/fawkes" || len(parts) == 0 || parts[0].Name != "std" {
		t.Fatalf("%v: main %+v, %d parts", err, main, len(parts))
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-json", "github.com/fawkes-idp/fawkes", "github.com/google/go-cmp", "golang.org/x/sync")
	cmd.Dir = filepath.Join("..", "..", "..")
	if out, err = cmd.Output(); err != nil {
		t.Fatal(err)
	}
	main, parts, err = report.GoModules(bytes.NewReader(out))
	if err != nil || main.Name != "github.com/fawkes-idp/fawkes" || len(parts) != 2 || parts[0].Hashes["SHA-256"] == "" {
		t.Fatalf("%v: main %+v, parts %+v", err, main, parts)
	}
}

func TestPackagesOfOtherLanguages(t *testing.T) {
	main, npm, err := report.PackageLock(file(t, "package-lock.json"))
	if err != nil || main.PURL != "pkg:npm/shop@1.2.3" {
		t.Fatalf("%v %+v", err, main)
	}
	_, old, err := report.PackageLock(strings.NewReader(`{"name":"x","lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0","requires":{"b":"1"},"dependencies":{"b":{"version":"1.1.0","dev":true}}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	pip, err := report.Requirements(strings.NewReader("# comment\nFlask_Login==0.6.3 ; python_version > \"3\"  # x\nrequests[socks] == 2.32.0 \\\n    --hash=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nloose>=1,<2\nstar==1.*\n" +
		"-r other.txt\n--index-url http://x\n-e git+https://x.example/y.git#egg=why\n./local\npkg @ file:///wheel.whl\nhttps://x.example/a.whl\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	mvn, err := report.MavenDependencies(strings.NewReader("[INFO] Scanning for projects...\n[INFO] com.example:shop:jar:1.0\n[INFO]    com.google.code.gson:gson:jar:2.11.0:compile -- module com.google.gson\n[INFO] +- org.junit:junit:jar:tests:5.11:test\n[INFO] |  \\- a.b:c:jar:1:runtime\n[INFO] BUILD SUCCESS\n"))
	if err != nil {
		t.Fatal(err)
	}
	project, pom, err := report.POM(file(t, "pom.xml"))
	if err != nil || project.PURL != "pkg:maven/com.example/shop@7" {
		t.Fatalf("%v %+v", err, project)
	}
	for name, c := range map[string]struct{ got, want []string }{
		"npm": {purls(npm), []string{
			"pkg:npm/%40scope/a@1.0.1 direct MIT", "pkg:npm/b@1.9.0 (MIT OR Apache-2.0)", "pkg:npm/b@2.0.0 direct dev SEE LICENSE IN LICENSE.txt"}},
		"npm 1": {purls(old), []string{"pkg:npm/a@1.0.0", "pkg:npm/b@1.1.0 dev"}},
		"pip": {purls(pip), []string{
			"pkg:pypi/flask-login@0.6.3 direct", "pkg:pypi/requests@2.32.0 direct", "pkg:pypi/loose direct", "pkg:pypi/star direct", "pkg:pypi/why direct", "pkg:pypi/pkg direct"}},
		"maven": {purls(mvn), []string{"pkg:maven/com.google.code.gson/gson@2.11.0", "pkg:maven/org.junit/junit@5.11 dev", "pkg:maven/a.b/c@1"}},
		"pom": {purls(pom), []string{
			"pkg:maven/com.google.code.gson/gson@2.11.0 direct", "pkg:maven/org.slf4j/slf4j-api@2.0.16 direct",
			"pkg:maven/org.junit.jupiter/junit-jupiter direct dev", "pkg:maven/x/loop direct"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if npm[0].Group != "@scope" || npm[0].Name != "a" || !strings.HasPrefix(npm[0].Hashes["SHA-512"], "cf83e1357eefb8bd") {
		t.Errorf("scoped package %+v", npm[0])
	}
	if pip[1].Hashes["SHA-256"] == "" {
		t.Error("the hash of a requirement is lost")
	}
}

func TestCoverageOfAProfile(t *testing.T) {
	got, err := report.ReadCoverage(strings.NewReader("mode: atomic\nm/a/x.go:1.2,3.4 3 0\nm/a/x.go:5.2,6.4 1 7\nm/b/y.go:1.1,2.2 4 1\nmode: atomic\nm/a/x.go:1.2,3.4 3 2\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := &report.Coverage{Statements: 8, Covered: 8, Packages: []report.PackageCoverage{{Package: "m/a", Statements: 4, Covered: 4}, {Package: "m/b", Statements: 4, Covered: 4}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	half, err := report.ReadCoverage(strings.NewReader("mode: set\nm/a/x.go:1.2,3.4 3 0\nm/a/x.go:5.2,6.4 1 1\n"))
	if err != nil || *half.Percent() != 25 {
		t.Errorf("%v: %+v", err, half)
	}
	none, err := report.ReadCoverage(strings.NewReader("mode: set\n"))
	if err != nil || none.Percent() != nil {
		t.Errorf("no statements: %v, %v percent, want unknown", err, none.Percent())
	}
	for _, text := range []string{"", "hello\n", "mode: set\nm/a.go 1\n", "mode: set\nm/a.go:1.1,2.2 -1 0\n", "mode: set\n:1 1 1\n"} {
		if _, err := report.ReadCoverage(strings.NewReader(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
