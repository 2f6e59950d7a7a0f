package docs

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/app/allinone"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

//go:generate go test . -run ^TestReferencePagesSayWhatTheCodeSays$ -update

var update = flag.Bool("update", false, "write the regions of the reference pages from the code")

// reference is a region of a page and what the code has to say there.
type reference struct {
	page, region string
	text         func() string
}

func references() []reference {
	return []reference{
		{"docs/reference/metrics.md", "levels", levels},
		{"docs/reference/metrics.md", "profiles", profiles},
		{"docs/reference/profiles.md", "rules", rules},
		{"docs/reference/configuration.md", "settings", settings},
		{"docs/reference/errors.md", "codes", codes},
		{"docs/reference/cli.md", "commands", commandsReference},
		{"docs/reference/runtime.md", "supported", supportedFields},
		{"docs/reference/runtime.md", "harmless", harmlessFields},
		{"docs/reference/runtime.md", "refused", refusedFields},
	}
}

// TestReferencePagesSayWhatTheCodeSays compares, or with -update writes, what pages repeat of the code.
func TestReferencePagesSayWhatTheCodeSays(t *testing.T) {
	for _, ref := range references() {
		file := filepath.Join(root, ref.page)
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			text, err := SetRegion(string(page), ref.region, ref.text())
			if err != nil {
				t.Fatalf("%s: %v", ref.page, err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := Region(string(page), ref.region)
		if err != nil {
			t.Fatalf("%s: %v", ref.page, err)
		}
		if diff := cmp.Diff(ref.text(), got); diff != "" {
			t.Errorf("%s, region %s, is not what the code says; run `make generate` (-code +page):\n%s", ref.page, ref.region, diff)
		}
	}
}

func TestARegionIsReplacedAndNothingElse(t *testing.T) {
	page := "a\n<!-- x -->\nold\n<!-- /x -->\nb\n"
	got, err := SetRegion(page, "x", "new\n")
	if want := "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := SetRegion(page, "y", ""); err == nil {
		t.Error("a region that is not there is no error")
	}
}

func levels() string {
	var rows [][]string
	for _, table := range metrics.Levels() {
		cells := []string{table.Edition, "`" + table.Metric + "`"}
		for _, level := range []string{metrics.Elite, metrics.High, metrics.Medium} {
			text := "–"
			for _, b := range table.Bounds {
				if b.Level == level {
					text = b.Text
				}
			}
			cells = append(cells, text)
		}
		rows = append(rows, cells)
	}
	return Table([]string{"edition", "metric", metrics.Elite, metrics.High, metrics.Medium}, rows)
}

func profiles() string {
	var out strings.Builder
	for i, p := range metrics.Profiles() {
		if i > 0 {
			out.WriteString("\n")
		}
		out.WriteString("### " + p.Name + "\n\n" + p.Summary + " Levels are those of " + p.Choices.Edition + ".\n\n")
		for n, rule := range p.Rules() {
			out.WriteString(strconv.Itoa(n+1) + ". `" + rule.ID + ": " + rule.Choice + "` " + rule.Text + "\n")
		}
		if len(p.Limits) > 0 {
			out.WriteString("\nWhat it cannot give of the original:\n\n")
		}
		for _, limit := range p.Limits {
			out.WriteString("- " + limit + "\n")
		}
	}
	return out.String()
}

func rules() string {
	var rows [][]string
	for _, r := range metrics.RuleBook() {
		about := r.About
		if r.Set {
			about += " (any of these)"
		}
		for i, c := range r.Choices {
			id := "`" + r.ID + "`"
			if i > 0 {
				id, about = "", ""
			}
			rows = append(rows, []string{id, about, "`" + c.Value + "`", c.Text})
		}
	}
	return Table([]string{"rule", "decides", "value", "means"}, rows)
}

func settings() string {
	var rows [][]string
	keys := app.Settings()
	for _, m := range allinone.Modules() {
		keys = append(keys, m.Config...)
	}
	for _, k := range keys {
		value := "`" + k.Default + "`"
		switch {
		case k.Secret:
			value = "secret"
		case k.Default == "":
			value = "none"
		}
		rows = append(rows, []string{"`" + k.Name + "`", "`FAWKES_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(k.Name)) + "`", value, k.Doc})
	}
	return Table([]string{"setting", "variable", "default", "is"}, rows)
}

func codes() string {
	var rows [][]string
	for _, e := range problem.Catalogue() {
		rows = append(rows, []string{"`" + string(e.Code) + "`", strconv.Itoa(e.Status), e.Title, e.Meaning})
	}
	return Table([]string{"code", "status", "title", "means"}, rows)
}
