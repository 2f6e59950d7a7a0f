package dora

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/fawkes-idp/fawkes/services/dora/project"
)

func declaredService(name, service, repo string) Declared {
	return Declared{Spec: project.Spec{Project: name, Services: []project.Service{{Name: service, Repo: repo}}}}
}

func TestAssign(t *testing.T) {
	const repo, ssh = "https://git.example/acme/shop.git", "git@git.example:acme/shop.git"
	for _, c := range []struct {
		name     string
		origins  []Origin
		declared []Declared
		want     []string
	}{
		{"what names a project belongs to it", []Origin{{Project: "p", Repo: repo}}, nil, []string{"p"}},
		{"an unclaimed repository is a project by itself", []Origin{{Repo: repo}}, nil, []string{"shop"}},
		{"however its address is written", []Origin{{Repo: repo}, {Repo: ssh}, {Repo: "HTTPS://git.example/acme/shop/"}}, nil, []string{"shop", "shop", "shop"}},
		{"a report that names a project claims its repository", []Origin{{Repo: ssh}, {Project: "p", Repo: repo}}, nil, []string{"p", "p"}},
		{"of two that claim it the first by name", []Origin{{Project: "q", Repo: repo}, {Repo: repo}, {Project: "p", Repo: repo}}, nil, []string{"q", "p", "p"}},
		{"a declaration is stronger than a report", []Origin{{Repo: repo}, {Project: "p", Repo: repo}}, []Declared{declaredService("z", "api", ssh)}, []string{"z", "p"}},
		{"a service follows its declaration", []Origin{{Service: "api"}}, []Declared{declaredService("z", "api", "")}, []string{"z"}},
		{"a service follows a report that names its project", []Origin{{Service: "api"}, {Project: "p", Service: "api"}}, nil, []string{"p", "p"}},
		{"a service follows the repository that it was deployed from", []Origin{{Service: "api"}, {Service: "api", Repo: repo}}, nil, []string{"shop", "shop"}},
		{"and that repository's claim", []Origin{{Service: "api"}, {Service: "api", Repo: repo}, {Project: "p", Repo: repo}}, nil, []string{"p", "p", "p"}},
		{"a repository is stronger than a service", []Origin{{Service: "api", Repo: repo}}, []Declared{declaredService("z", "api", "")}, []string{"shop"}},
		{"what says neither waits", []Origin{{}}, nil, []string{""}},
		{"a service that nobody knows waits", []Origin{{Service: "api"}}, nil, []string{""}},
		{"a name that no project can have", []Origin{{Repo: "https://git.example/acme/-%20-.git"}}, nil, []string{"20-"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.origins {
				c.origins[i].ID = int64(i + 1)
			}
			got := assign(c.origins, c.declared)
			for i, want := range c.want {
				if got[int64(i+1)] != want {
					t.Errorf("%+v belongs to %q, want %q", c.origins[i], got[int64(i+1)], want)
				}
			}
		})
	}
}

// TestAssignDoesNotDependOnOrder shuffles origins and declarations.
func TestAssignDoesNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
		var origins []Origin
		for i := range rapid.IntRange(0, 12).Draw(t, "origins") {
			origins = append(origins, Origin{ID: int64(i + 1), Project: pick("project", "", "", "p", "q"), Repo: pick("repo", "", "https://g/a", "git@g:a", "https://g/b"),
				Service: pick("service", "", "s", "t"), Source: fmt.Sprint(i)})
		}
		var declared []Declared
		for i := range rapid.IntRange(0, 3).Draw(t, "declared") {
			declared = append(declared, declaredService(fmt.Sprintf("d%d", i), pick("its service", "s", "t"), pick("its repo", "", "https://g/a", "https://g/b")))
		}
		want := assign(origins, declared)
		shuffle := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		shuffle.Shuffle(len(origins), func(i, j int) { origins[i], origins[j] = origins[j], origins[i] })
		shuffle.Shuffle(len(declared), func(i, j int) { declared[i], declared[j] = declared[j], declared[i] })
		if got := assign(origins, declared); !maps.Equal(got, want) {
			t.Errorf("%v, in another order %v", want, got)
		}
		for _, o := range origins {
			if o.Project != "" && want[o.ID] != o.Project {
				t.Errorf("%+v belongs to %q", o, want[o.ID])
			}
		}
	})
}

func TestFingerprintsTellSetsOfOriginsApart(t *testing.T) {
	origins := []Origin{{ID: 1}, {ID: 2}, {ID: 3}}
	seen := map[int64]string{}
	for _, of := range []map[int64]string{{1: "p"}, {2: "p"}, {1: "p", 2: "p"}, {1: "p", 2: "p", 3: "p"}, {1: "p", 3: "p"}} {
		f, ok := fingerprints(origins, of)["p"]
		if other, twice := seen[f]; twice || !ok {
			t.Errorf("%v has the fingerprint of %s", of, other)
		}
		seen[f] = fmt.Sprint(slices.Sorted(maps.Keys(of)))
	}
	if got := fingerprints(origins, map[int64]string{1: "", 2: "q"}); len(got) != 1 {
		t.Errorf("fingerprints %v, want q's alone", got)
	}
}
