package history

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// repositoryView is what was derived about a repository's pull requests and
// which commits are theirs.
type repositoryView struct {
	structure, growth uint64 // of the graph when the view was made
	made              bool
	version           uint64 // counts remakes that changed nodes' pull requests or times

	prs     []*pullRequestFacts // by number
	refs    []PullRequestRef    // beside prs
	prOf    []int32             // node -> index into prs, -1 for none
	firstAt map[int32]Time      // squash commits: the earliest authored time of what they stand for
	// replaced are commits in whose place a squash or a rebase put others.
	replaced map[int32]struct{}
	// own counts the known commits of each pull request, first their earliest authored time.
	own   []int
	first []Time
}

// deriveView maps commits to pull requests when the repository changed.
func (r *repository) deriveView() {
	g, v := r.dag, &r.view
	if v.made && !r.prsChanged && v.structure == g.structure && (v.growth == g.growth || len(r.prs) == 0) {
		v.growth = g.growth
		v.prOf = growLabels(v.prOf, len(g.sha))
		return
	}
	onlyGrowth := v.made && !r.prsChanged && v.structure == g.structure
	old := *v
	*v = repositoryView{
		structure: g.structure, growth: g.growth, made: true, version: old.version,
		firstAt: map[int32]Time{}, replaced: map[int32]struct{}{},
	}
	r.prsChanged = false
	v.prs = slices.SortedFunc(maps.Values(r.prs), func(a, b *pullRequestFacts) int { return compareNumbers(a.number, b.number) })
	v.refs = make([]PullRequestRef, len(v.prs))
	v.own, v.first = make([]int, len(v.prs)), make([]Time, len(v.prs))
	v.prOf = g.unlabelled()
	for i, p := range v.prs {
		first, _, _ := p.firstReview()
		v.refs[i] = PullRequestRef{Number: p.number, CreatedAt: p.createdAt.v, FirstReviewAt: first, MergedAt: p.mergedAt.v}
	}
	// In order of merging, so that the first pull request to bring a commit keeps it.
	order := make([]int32, len(v.prs))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		pa, pb := v.prs[a], v.prs[b]
		return cmp.Or(cmp.Compare(mergedOrLast(pa), mergedOrLast(pb)), compareNumbers(pa.number, pb.number))
	})
	seen := g.unlabelled() // ancestors of the base of what has been merged so far
	for _, i := range order {
		r.claim(i, seen)
	}
	if !onlyGrowth || !slices.Equal(old.prOf, v.prOf[:min(len(old.prOf), len(v.prOf))]) || !maps.Equal(old.firstAt, v.firstAt) || !maps.Equal(old.replaced, v.replaced) {
		v.version++
	}
}

func mergedOrLast(p *pullRequestFacts) Time {
	if p.mergedAt.v == 0 {
		return 1<<63 - 1
	}
	return p.mergedAt.v
}

// compareNumbers orders "9" before "10" and both before "x".
func compareNumbers(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// claim finds the commits of pull request i: those it lists; for a merge
// commit also what its other parents brought; for a squash or a rebase the
// branch behind its head.
func (r *repository) claim(i int32, seen []int32) {
	g, v := r.dag, &r.view
	p := v.prs[i]
	mine := func(n int32) {
		if v.prOf[n] == none {
			v.prOf[n] = i
		}
	}
	listed := r.listed(p)
	merge := none
	if p.mergedAt.known && p.mergeSHA.v != "" {
		merge = g.lookup(p.mergeSHA.v)
	}
	var branch []int32 // commits as they were on the branch
	branch = append(branch, listed...)
	if merge != none {
		base := g.p1[merge]
		if base != none {
			g.label(seen, base, 1)
		}
		switch {
		case g.flags[merge]&isMerge != 0:
			g.parents(merge, func(parent int32) {
				if parent != base {
					branch = append(branch, g.label(seen, parent, 1)...)
				}
			})
		case len(listed) == 0 && p.headSHA.v != "":
			if head := g.lookup(p.headSHA.v); head != none && head != merge && seen[head] == none {
				// A walk of its own: the branch stays unmerged.
				branch = append(branch, r.branchBehind(head, seen)...)
			}
		}
	}
	v.first[i] = r.earliest(branch, merge)
	for _, n := range branch {
		if g.flags[n]&present != 0 {
			v.own[i]++
		}
	}
	if merge != none {
		mine(merge)
		if g.flags[merge]&isMerge == 0 {
			r.claimRewritten(i, merge, branch)
			if v.own[i] == 0 {
				v.own[i] = 1
			}
		}
	}
	for _, n := range branch {
		mine(n)
	}
}

// listed are the nodes of the commits that the pull request names.
func (r *repository) listed(p *pullRequestFacts) []int32 {
	var out []int32
	for _, text := range p.commits.v {
		if n := r.dag.lookup(text); n != none && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// branchBehind lists the commits from head back to what is already merged.
func (r *repository) branchBehind(head int32, seen []int32) []int32 {
	const most = 10_000 // a head without a known base would drag the whole history in
	visited := map[int32]struct{}{head: {}}
	out := []int32{head}
	for k := 0; k < len(out) && len(out) < most; k++ {
		r.dag.parents(out[k], func(p int32) {
			if _, ok := visited[p]; !ok && seen[p] == none {
				visited[p] = struct{}{}
				out = append(out, p)
			}
		})
	}
	return out
}

// claimRewritten handles a merge that rewrote the branch. After a rebase the
// commits before the merge SHA carry the authored times of the branch's, one
// by one; otherwise it was a squash, and its one commit stands for the branch.
func (r *repository) claimRewritten(i, merge int32, branch []int32) {
	g, v := r.dag, &r.view
	if slices.Contains(branch, merge) {
		return // fast-forward: the branch's own commits are on the base
	}
	var known []int32
	for _, n := range branch {
		if g.flags[n]&present != 0 {
			known = append(known, n)
		}
	}
	if len(known) == 0 {
		return
	}
	run := make([]int32, 0, len(known))
	for n := merge; n != none && len(run) < len(known) && g.flags[n]&isMerge == 0; n = g.p1[n] {
		run = append(run, n)
	}
	if len(run) == len(known) && slices.Equal(authoredTimes(g, run), authoredTimes(g, known)) {
		for _, n := range run {
			if v.prOf[n] == none {
				v.prOf[n] = i
			}
		}
	} else if first := v.first[i]; first != 0 && (g.authored[merge] == 0 || first < g.authored[merge]) {
		v.firstAt[merge] = first
	}
	for _, n := range known {
		v.replaced[n] = struct{}{}
	}
}

func authoredTimes(g *dag, nodes []int32) []Time {
	out := make([]Time, len(nodes))
	for i, n := range nodes {
		out[i] = g.authored[n]
	}
	slices.Sort(out)
	return out
}

// earliest is the least authored time among the branch's commits, or the
// merge commit's own when none of them is known.
func (r *repository) earliest(branch []int32, merge int32) Time {
	var first Time
	for _, n := range branch {
		if t := r.dag.authored[n]; r.dag.flags[n]&present != 0 && t != 0 && (first == 0 || t < first) {
			first = t
		}
	}
	if first == 0 && merge != none {
		first = r.dag.authored[merge]
	}
	return first
}

// firstReview returns the first act of review by someone other than the
// author, the first approval by such a one, and how many there were.
func (p *pullRequestFacts) firstReview() (first, approved Time, n int) {
	for k, at := range p.reviews {
		if k.author != "" && strings.EqualFold(k.author, p.author.v) {
			continue
		}
		n++
		if first == 0 || at < first {
			first = at
		}
		if k.kind == "approval" && (approved == 0 || at < approved) {
			approved = at
		}
	}
	return first, approved, n
}
