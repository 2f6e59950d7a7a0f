// Package historytest makes delivery histories to test against: repositories
// with every way of merging, pull requests whose state changes, deployments
// that arrive by SHA, by digest and by GitOps revision and that several sources
// report, rollbacks, incidents, clocks that disagree. A history is a set of events; it is the same for the
// same seed, and [Scramble] turns it into another way of hearing it.
//
// The property that it is made for: whatever the order of arrival, with
// whatever duplicates and however the reports are cut, the projection is the
// same, byte for byte.
package historytest

import "github.com/fawkes-idp/fawkes/services/dora/project"

// Repositories of the generated histories.
const (
	Mono   = "https://git.example/acme/mono.git"   // three services, by paths
	Ledger = "https://git.example/acme/ledger.git" // one declared service, SHA-256 hashes
	Edge   = "https://git.example/acme/edge.git"   // one service that nobody declared
	Deploy = "https://git.example/acme/deploy.git" // the GitOps repository
	Notes  = "https://git.example/acme/notes.git"  // nothing is ever deployed from it
)

// Project is the name of the generated project.
const Project = "acme"

// Spec describes the project of the generated histories.
func Spec() project.Spec {
	return project.Spec{
		Project:  Project,
		TimeZone: "Europe/Berlin",
		Teams:    []project.Team{{Name: "shop"}, {Name: "money"}},
		Services: []project.Service{
			{Name: "web", Team: "shop", Repo: Mono, Paths: []string{"web/", "shared/*.css"}},
			{Name: "api", Team: "shop", Repo: Mono, Paths: []string{"api", "shared/**"}},
			{Name: "worker", Repo: Mono, Paths: []string{"worker/"}},
			{Name: "ledger", Team: "money", Repo: Ledger},
		},
		Environments: []project.Environment{
			{Name: "production", Kind: project.KindProduction},
			{Name: "eu-1", Kind: project.KindProduction},
			{Name: "staging", Kind: project.KindStaging},
		},
		IncidentWindow: "6h",
	}
}
