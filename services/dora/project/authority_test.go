package project_test

import (
	"slices"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/project"
)

func TestGitOpsIsBelievedBeforeCIBeforeTheGitHost(t *testing.T) {
	got := []string{"git", "github", "events", "our-script", "devlake:shop", "devlake:api", "cdevents", "jenkins", "argocd"}
	slices.SortFunc(got, project.Spec{}.CompareSources("api", "production"))
	want := []string{"argocd", "jenkins", "cdevents", "devlake:api", "devlake:shop", "our-script", "events", "github", "git"}
	if !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
	for source, class := range map[string]project.SourceClass{"argocd": project.ClassGitOps, "jenkins": project.ClassCI, "devlake:x": project.ClassCI,
		"anything": project.ClassCI, "": project.ClassCI, "github": project.ClassGitHost, "git": project.ClassGit} {
		if got := project.ClassOf(source); got != class {
			t.Errorf("%q is of class %d, want %d", source, got, class)
		}
	}
}

func TestTheMostSpecificAuthorityHolds(t *testing.T) {
	s := project.Spec{Authority: []project.Authority{
		{Source: "events"}, {Environment: "blue", Source: "github"}, {Service: "api", Source: "devlake"}, {Service: "api", Environment: "blue", Source: "git"},
	}}
	for _, c := range []struct{ service, environment, source string }{
		{"web", "green", "events"}, {"web", "blue", "github"}, {"api", "green", "devlake"}, {"api", "blue", "git"},
	} {
		if got, ok := s.AuthorityOf(c.service, c.environment); !ok || got.Source != c.source {
			t.Errorf("%s to %s: %v %v, want %s", c.service, c.environment, got, ok, c.source)
		}
	}
	if _, ok := (project.Spec{Authority: []project.Authority{{Service: "api", Source: "git"}}}).AuthorityOf("web", "blue"); ok {
		t.Error("a rule for another service holds")
	}
	got := []string{"argocd", "devlake:b", "jenkins", "devlake:a"}
	slices.SortFunc(got, s.CompareSources("api", "green"))
	if want := []string{"devlake:a", "devlake:b", "argocd", "jenkins"}; !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
	if (project.Authority{Source: "devlake"}).Speaks("devlakes:x") || !(project.Authority{Source: "devlake:x"}).Speaks("devlake:x") || (project.Authority{Source: "devlake:x"}).Speaks("devlake:y") {
		t.Error("a source is taken for another one")
	}
}
