package scanners

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/report"
)

// module is the folder of a module that a go.mod of this repository pins.
func module(t *testing.T, in, name string) string {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "go", "-C", in, "mod", "download", name).CombinedOutput(); err != nil {
		t.Fatalf("download %s: %v\n%s", name, err, out)
	}
	out, err := exec.CommandContext(t.Context(), "go", "-C", in, "list", "-m", "-f", "{{.Dir}}", name).Output()
	if err != nil {
		t.Fatalf("find %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}

// valid holds files against a schema, with the program of tests/schemas.
func valid(t *testing.T, schemas []string, files ...string) (string, error) {
	t.Helper()
	args := append([]string{"-C", "../schemas", "run", ".", strings.Join(schemas, ",")}, files...)
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	return string(out), err
}

func write(t *testing.T, name string, to func(io.Writer) error) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := to(f); err != nil {
		t.Fatal(err)
	}
	return file
}

// open opens a file of the report package's testdata.
func open(t *testing.T, name string) io.Reader {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "internal", "goldenpath", "report", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestSBOMsKeepTheSchemaOfCycloneDX(t *testing.T) {
	main, npm, err := report.PackageLock(open(t, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, pom, err := report.POM(open(t, "pom.xml"))
	if err != nil {
		t.Fatal(err)
	}
	full := report.SBOM{Main: main, Components: append(npm, pom...), Tool: "fawkes", Version: "1"}
	file := write(t, "full.json", func(w io.Writer) error { return report.WriteSBOM(w, full) })
	bare := write(t, "bare.json", func(w io.Writer) error { return report.WriteSBOM(w, report.SBOM{Main: report.Component{Name: "x"}}) })

	at := filepath.Join(module(t, "../schemas", "github.com/CycloneDX/cyclonedx-go"), "schema")
	schemas := []string{filepath.Join(at, "bom-1.6.schema.json"), filepath.Join(at, "spdx.schema.json"), filepath.Join(at, "jsf-0.82.schemax.json")}
	if out, err := valid(t, schemas, file, bare); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	wrong := write(t, "wrong.json", func(w io.Writer) error {
		_, err := io.WriteString(w, `{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"serialNumber":"no"}`)
		return err
	})
	if out, err := valid(t, schemas, wrong); err == nil {
		t.Errorf("a document with a wrong serial number is valid:\n%s", out)
	}
}

func TestFindingsKeepTheSchemaOfSARIF(t *testing.T) {
	leaks, err := report.ReadSARIF(open(t, "gitleaks.sarif"))
	if err != nil {
		t.Fatal(err)
	}
	leaks.Redact(report.Error)
	security, err := report.Gosec(open(t, "gosec.json"))
	if err != nil {
		t.Fatal(err)
	}
	all := report.MergeSARIF(leaks, security, report.FromFindings("nothing", "", nil))
	file := write(t, "all.sarif", func(w io.Writer) error { return report.WriteSARIF(w, all) })
	schema := filepath.Join(module(t, "../../tools/scanners", "github.com/securego/gosec/v2"), "report", "sarif", "testdata", "sarif-schema-2.1.0.json")
	if out, err := valid(t, []string{schema}, file); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
