package docs

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// TestProjectDescriptionsInThePagesAreValid parses every YAML block that begins with a project's name.
func TestProjectDescriptionsInThePagesAreValid(t *testing.T) {
	found := 0
	for page, text := range pages(t) {
		for _, block := range Blocks(text, "yaml") {
			if !strings.HasPrefix(block, "project:") {
				continue
			}
			found++
			if _, err := project.Parse([]byte(block)); err != nil {
				t.Errorf("%s: the description of a project: %v", filepath.ToSlash(page), err)
			}
		}
	}
	if found == 0 {
		t.Error("no page describes a project")
	}
}

// TestEventsInThePagesAreTaken parses every line of the bulk format that a page shows.
func TestEventsInThePagesAreTaken(t *testing.T) {
	seen := map[event.Type]bool{}
	for page, text := range pages(t) {
		for _, block := range append(Blocks(text, "jsonl"), Blocks(text, "json")...) {
			for line := range strings.Lines(block) {
				e, err := event.ParseLine([]byte(line), event.SourceBulk, "")
				if err != nil {
					t.Errorf("%s: %s: %v", page, line, err)
					continue
				}
				seen[e.Body.Type()] = true
			}
		}
	}
	for _, typ := range []event.Type{
		event.TypeCommit, event.TypePullRequest, event.TypeReview, event.TypeBuild, event.TypeArtifact, event.TypeDeployment, event.TypeIncident,
	} {
		if !seen[typ] {
			t.Errorf("no page shows an event of type %s", typ)
		}
	}
}

// TestCommandsInThePagesAreOfKnownPrograms keeps out what no test here would check.
func TestCommandsInThePagesAreOfKnownPrograms(t *testing.T) {
	for page, text := range pages(t) {
		for _, l := range Commands(page, text) {
			switch program, _, _ := strings.Cut(l.Command, " "); program {
			case "fawkes", "make", "git", "export":
			default:
				t.Errorf("%s: %s: nothing checks commands of %s", l.Place(), l.Command, program)
			}
		}
	}
}
