package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/gitlog"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// gitImport is one run of `fawkes dora import git`.
type gitImport struct {
	g                                     *globals
	project, service, environment, branch string
	plan                                  gitlog.Plan
	sinceText                             string
	since                                 time.Time
	repoName                              string
	paths                                 bool
	pathsGiven                            bool

	client   *api
	repo     *gitlog.Repository
	summary  importSummary
	commits  int
	deployed int
}

func newImportGitCommand(g *globals) *cobra.Command {
	im := &gitImport{g: g}
	var deployments string
	cmd := &cobra.Command{
		Use:   "git PATH|URL --project P --service S",
		Short: "Import a repository's history: its commits, and its deployments from tags, merges or a file",
		Long: `Import a repository's history: its commits, and its deployments from tags, merges or a file.

Deployments come from one of
  tags:<glob>      each tag that matches, at its date; "*" also matches "/"; quote it: tags:'v*'
  merges:<branch>  each merge or direct push to the branch, at its committer date
  csv:<file>       a file with the columns id, sha (or tag, ref, digest), finished_at, and optionally
                   started_at, outcome, environment, service, unplanned, digest

The history is walked here, by git, and sent in batches, oldest first. What the server has acknowledged is not sent again:
an import that broke off goes on where it stopped, and a later one sends only what is new.

A path is read as it is; a clone's history is stored under the URL of its origin. A URL is fetched into the state
folder, without file contents.`,
		Example: `  fawkes dora import git . --project shop --service shop --deployments tags:'v*'
  fawkes dora import git https://git.example/shop.git --project shop --service api --deployments merges:main --since 2024-01-01
  fawkes dora import git ../shop --project shop --service api --deployments csv:deployments.csv`,
		Args: exactArgs("a path or a URL"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if im.project == "" {
				return usagef("give the project that the history belongs to: --project shop", "--project is required")
			}
			if im.plan, err = gitlog.ParsePlan(deployments); err != nil {
				return err
			}
			if im.since, err = gitlog.ParseSince(im.sinceText, g.Clock.Now()); err != nil {
				return err
			}
			im.pathsGiven = cmd.Flags().Changed("paths")
			return im.run(cmd.Context(), args[0])
		},
	}
	f := cmd.Flags()
	f.StringVarP(&im.project, "project", "p", "", "the project that the history belongs to (required)")
	f.StringVar(&im.service, "service", "", "the service that is deployed (default: the repository's name)")
	f.StringVar(&im.environment, "environment", "production", "the environment that is deployed to")
	f.StringVar(&im.branch, "branch", "", "the branch to read, and only tags on it (default: the current branch, and all tags)")
	f.StringVar(&deployments, "deployments", "", "where deployments come from: tags:<glob>, merges:<branch>, csv:<file>")
	f.StringVar(&im.sinceText, "since", "", "leave out what is older: a day (2024-01-31), a time, or a span (90d, 12w, 6mo, 2y)")
	f.BoolVar(&im.paths, "paths", false, "read the paths that each commit touches (default: only when the project declares paths)")
	f.StringVar(&im.repoName, "repo-url", "", "store the history under this URL instead of the origin's")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func (im *gitImport) run(ctx context.Context, location string) error {
	began := im.g.Clock.Now()
	state, err := im.g.stateFolder()
	if err != nil {
		return err
	}
	// A server that cannot be reached is known before anything is fetched.
	if im.client, err = im.g.connect(); err != nil {
		return err
	}
	marks, err := loadCheckpoints(ctx, im.client, im.project)
	if err != nil {
		return err
	}
	fetching := im.g.startFetch()
	im.repo, err = gitlog.Open(ctx, gitlog.Options{Location: location, CacheDir: filepath.Join(state, "cache", "git"), Identity: im.repoName, Progress: fetching.tell})
	fetching.end()
	if err != nil {
		return err
	}
	if im.service == "" {
		im.service = strings.TrimSuffix(path.Base(strings.TrimRight(strings.ReplaceAll(im.repo.Name, ":", "/"), "/")), ".git")
	}
	if !im.pathsGiven {
		if im.paths, err = im.declaresPaths(ctx); err != nil {
			return err
		}
	}
	err = im.send(ctx, marks)
	im.summary.Project, im.summary.Repo = im.project, im.repo.Name
	im.summary.Commits, im.summary.Deployments = &im.commits, &im.deployed
	im.summary.Elapsed = im.g.Clock.Now().Sub(began).Seconds()
	im.summary.Next = "fawkes dora report --project " + im.project
	return im.g.endImport(im.summary, err)
}

func (im *gitImport) warn(format string, args ...any) {
	im.summary.Warnings = append(im.summary.Warnings, fmt.Sprintf(format, args...))
}

// source is what the walk starts from and which deployments follow it.
type source struct {
	branch      gitlog.Branch
	from        []string
	deployments []gitlog.Deployment
	merges      gitlog.Branch // for merges only
}

func (im *gitImport) send(ctx context.Context, marks *checkpoints) error {
	if im.repo.Empty {
		im.warn("%s has no commit yet: there is nothing to import", im.repo.Dir)
		return nil
	}
	if im.repo.Shallow {
		im.warn("this clone is shallow: the history behind its border is missing, and changes there have no lead time; `git fetch --unshallow` brings it")
	}
	src, err := im.plot(ctx)
	if err != nil {
		return err
	}
	im.summary.Branch = src.branch.Name
	sending, cancel := lingering(ctx)
	defer cancel()
	query := url.Values{"project": {im.project}}
	sender := newImporter(sending, im.client, query, false)
	err = im.sendCommits(ctx, sending, sender, src, marks)
	if err == nil {
		err = im.sendDeployments(ctx, sender, src, marks)
	}
	closeErr := sender.close()
	totals := sender.sofar()
	im.summary.Stored, im.summary.Duplicates, im.summary.Rejected, im.summary.Errors = totals.Stored, totals.Duplicates, totals.Rejected, totals.Errors
	if err == nil || closeErr != nil && !errors.Is(closeErr, context.Canceled) {
		err = closeErr
	}
	if markErr := marks.save(sending); markErr != nil && err == nil {
		err = markErr
	}
	return err
}

// plot finds the branch and the deployments, before anything is sent.
func (im *gitImport) plot(ctx context.Context) (source, error) {
	var src source
	var err error
	if src.branch, err = im.repo.Branch(ctx, im.branch); err != nil {
		return src, err
	}
	src.from = []string{src.branch.SHA}
	skipped := 0
	switch im.plan.Kind {
	case "tags":
		only := ""
		if im.branch != "" {
			only = src.branch.SHA
		}
		var tags []gitlog.Tag
		if tags, skipped, err = im.repo.Tags(ctx, im.plan.Arg, only); err != nil {
			return src, err
		}
		if len(tags) == 0 {
			im.warn("no tag matches %q: there are no deployments; `git tag --list` shows the tags", im.plan.Arg)
		}
		for _, t := range tags {
			src.from = append(src.from, t.SHA)
		}
		src.deployments = gitlog.TagDeployments(tags)
	case "merges":
		if src.merges, err = im.repo.Branch(ctx, im.plan.Arg); err != nil {
			return src, err
		}
		src.from = append(src.from, src.merges.SHA)
	case "csv":
		if src.deployments, err = im.repo.ReadCSV(ctx, im.plan.Arg); err != nil {
			return src, err
		}
		known, _, err := im.repo.Known(ctx, deployedCommits(src.deployments))
		if err != nil {
			return src, err
		}
		src.from = append(src.from, known...)
	}
	if skipped > 0 {
		im.warn("%s left out: they point at no commit, or bear no date", plural(skipped, "tag"))
	}
	if !im.since.IsZero() {
		kept := src.deployments[:0]
		for _, d := range src.deployments {
			if !d.Finished.Before(im.since) {
				kept = append(kept, d)
			}
		}
		left := ""
		if n := len(src.deployments) - len(kept); n > 0 {
			left = plural(n, "deployment") + " and "
		}
		im.warn("the border is %s: %sall commits before it are left out; the first deployment after it is the baseline", im.since.Format(time.RFC3339), left)
		src.deployments = kept
	}
	return src, nil
}

func deployedCommits(list []gitlog.Deployment) []string {
	seen := map[string]bool{}
	var out []string
	for _, d := range list {
		if d.SHA != "" && !seen[d.SHA] {
			seen[d.SHA] = true
			out = append(out, d.SHA)
		}
	}
	return out
}

// sendCommits walks what the server does not have yet.
func (im *gitImport) sendCommits(ctx, sending context.Context, sender *importer, src source, marks *checkpoints) error {
	key := checkpointKey("commits", im.repo.Name, im.sinceText, fmt.Sprint(im.paths))
	known, lost, err := im.repo.Known(ctx, marks.tips(key))
	if err != nil {
		return err
	}
	if lost > 0 {
		im.warn("%s of the last import no longer here, after a force-push perhaps: what is reachable only from there is sent again", areOrIs(lost, "tip"))
	}
	rng := gitlog.Range{From: src.from, Not: known, Since: im.since, Paths: im.paths}
	bar := im.g.startProgress("commits", im.g.output == "json" && !im.g.Terminal)
	defer bar.end()
	counting := im.count(ctx, rng, bar)
	defer counting()
	frontier := gitlog.NewFrontier(known)
	last := im.g.Clock.Now()
	folded, dateless, walked := 0, 0, 0
	err = im.repo.Walk(ctx, rng, func(c *gitlog.Commit) error {
		b := sender.room()
		b.body = c.AppendEvent(b.body, "", im.repo.Name, im.paths)
		frontier.Add(c)
		walked++
		if c.Folded() {
			folded++
		}
		if !c.HasAuthored {
			dateless++
		}
		var stored func()
		if b.lines+1 >= batchLines || len(b.body) >= batchBytes {
			// The batch is full with this line: once it is durable, so is all that the frontier spans.
			total, tips, save := walked, frontier.Tips(), false
			if now := im.g.Clock.Now(); now.Sub(last) >= time.Second {
				save, last = true, now
			}
			stored = func() {
				bar.done.Store(int64(total))
				im.commits = total
				marks.set(key, im.repo.Name, tips, 0)
				if save {
					if err := marks.save(sending); err != nil {
						im.g.warn("the import's checkpoint was not stored, so that what follows would be sent again: %v", err)
					}
				}
			}
		}
		return sender.added(stored)
	})
	if err != nil {
		return err
	}
	total, tips := walked, frontier.Tips()
	if err := sender.mark(func() { bar.done.Store(int64(total)); im.commits = total; marks.set(key, im.repo.Name, tips, 0) }); err != nil {
		return err
	}
	if folded > 0 {
		im.warn("%s more files than an event may name: their folders stand for them", touch(folded))
	}
	if dateless > 0 {
		im.warn("%s without a readable author date: the committer's date stands for it", plural(dateless, "commit"))
	}
	return nil
}

func areOrIs(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return humanCount(n) + " " + what + "s are"
}

func touch(n int) string {
	if n == 1 {
		return "1 commit touches"
	}
	return humanCount(n) + " commits touch"
}

// count finds the total beside the walk; the bar has no total until then. The returned function
// waits for its end.
func (im *gitImport) count(ctx context.Context, rng gitlog.Range, bar *progress) func() {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if n, err := im.repo.Count(ctx, rng); err == nil {
			bar.total.Store(int64(n))
		}
	}()
	return func() { cancel(); <-done }
}

// declaresPaths says whether the project tells services of this repository apart by paths.
func (im *gitImport) declaresPaths(ctx context.Context) (bool, error) {
	var p struct {
		Services []struct {
			Paths []string `json:"paths"`
		} `json:"services"`
	}
	err := im.client.get(ctx, projectPath(im.project), nil, &p)
	var refused *problem.Problem
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return false, nil // it becomes known by this import
	}
	if err != nil {
		return false, err
	}
	for _, s := range p.Services {
		if len(s.Paths) > 0 {
			return true, nil
		}
	}
	return false, nil
}
