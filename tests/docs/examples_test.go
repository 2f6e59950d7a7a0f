package docs

import (
	"path/filepath"
	"strings"
	"testing"

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
