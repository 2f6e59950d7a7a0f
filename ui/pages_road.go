package ui

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/ui/road"
	"github.com/fawkes-idp/fawkes/ui/view"
)

const (
	// besideLimit is how long a page waits for what it shows beside its subject.
	besideLimit = 3 * time.Second
	// stripRuns and stripApps are how many the overview shows.
	stripRuns = 5
	stripApps = 6
)

// roadRoutes lays out the addresses of the delivery road.
func (c *console) roadRoutes(mux *http.ServeMux) {
	get := func(pattern string, p page) { mux.Handle("GET "+pattern, c.signedIn(c.orAbsent(p))) }
	post := func(pattern string, p page) { mux.Handle("POST "+pattern, c.signedIn(c.orAbsent(p))) }
	get("/road", c.roadStrip)

	get("/runs", c.runs)
	post("/runs", c.startRun)
	get("/runs/{id}", c.run)
	post("/runs/{id}", c.changeRun)
	get("/runs/{id}/tail", c.runTail)
	get("/runs/{id}/log", c.runLog)
	get("/runs/{id}/artifacts/{name...}", c.runArtifact)

	get("/apps", c.apps)
	get("/apps/{name}", c.app)
	post("/apps/{name}", c.changeApp)
	get("/promotions", c.promotions)
	post("/promotions/{id}", c.decide)

	get("/registry", c.registry)
	post("/registry", c.collect)
	get("/registry/{name...}", c.images)
	post("/registry/{name...}", c.deleteImage)

	get("/git", c.repos)
	post("/git", c.createRepo)
	get("/git/deliveries", c.deliveries)
	post("/git/deliveries/{id}", c.redeliver)
	get("/git/{owner}/{name}", c.tree)
	get("/git/{owner}/{name}/tree/{path...}", c.tree)
	get("/git/{owner}/{name}/file/{path...}", c.file)
	get("/git/{owner}/{name}/log", c.gitLog)
	get("/git/{owner}/{name}/commits/{sha}", c.commit)
	get("/git/{owner}/{name}/commit/{sha}", c.commit)
	get("/git/{owner}/{name}/compare/{range...}", c.compareCommits)
}

// orAbsent says, where a part of the road does not run here, what does its work.
func (c *console) orAbsent(p page) page {
	return func(w http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
		body, err := p(w, r, f)
		if errors.Is(err, road.ErrAbsent) {
			a := absent(f.Area)
			f.Title, f.Absent = a.Title, true
			return view.Absent(f, a), nil
		}
		return body, err
	}
}

// areaOf is the part of the console that an address belongs to.
func areaOf(path string) string {
	for prefix, area := range map[string]string{"/runs": view.AreaRuns, "/apps": view.AreaApps, "/promotions": view.AreaApps, "/registry": view.AreaRegistry, "/git": view.AreaGit} {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return area
		}
	}
	return view.AreaProjects
}

func absent(area string) view.AbsentPage {
	switch area {
	case view.AreaRuns:
		return view.AbsentPage{Title: "Runs", Stand: "Jenkins", Says: "Every push on its way through the golden path."}
	case view.AreaApps:
		return view.AbsentPage{Title: "Applications", Stand: "Argo CD", Says: "What the environment repository declares, and what runs of it."}
	case view.AreaRegistry:
		return view.AbsentPage{Title: "Registry", Stand: "Harbor", Says: "The images that the golden path makes."}
	}
	return view.AbsentPage{Title: "Git", Stand: "GitHub", Says: "The repositories that code is pushed to."}
}

// pushURL is what the clone URL of every repository of the git server begins with.
func (c *console) pushURL() string { return strings.TrimSuffix(c.publicURL, "/") + "/git/" }

// registryHost is what the references of the registry's images begin with.
func (c *console) registryHost() string {
	u, err := url.Parse(c.publicURL)
	if err != nil || u.Host == "" {
		return "localhost"
	}
	return u.Host
}

// together runs reads at once and joins their errors.
func together(ctx context.Context, reads ...func(context.Context) error) error {
	errs := make([]error, len(reads))
	var wg sync.WaitGroup
	for i, read := range reads {
		wg.Go(func() { errs[i] = read(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// beside makes a read of something that a page can be without: it ends soon, and its error stays here. fault hears
// of an error that is worth a word; a part that is not there is not.
func (c *console) beside(read func(context.Context) error, fault func(error)) func(context.Context) error {
	return func(ctx context.Context) error {
		short, cancel := context.WithTimeout(ctx, besideLimit)
		defer cancel()
		err := read(short)
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, road.ErrAbsent):
		case statusOf(err) == http.StatusForbidden || statusOf(err) == http.StatusUnauthorized || statusOf(err) == http.StatusNotFound:
		default:
			c.log.WarnContext(ctx, "read what stands beside a page's subject", "error", err)
			if fault != nil {
				fault(err)
			}
		}
		return nil
	}
}

// evidenceOf is the page of a commit's evidence in the delivery metrics, empty while no project has its repository.
func (c *console) evidenceOf(ctx context.Context, cloneURL, sha string) (string, error) {
	if cloneURL == "" || sha == "" {
		return "", nil
	}
	all, err := c.reader.Projects(ctx)
	if err != nil {
		return "", err
	}
	bare := func(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, "/"), ".git") }
	for _, p := range all {
		if slices.ContainsFunc(p.Repos, func(r string) bool { return bare(r) == bare(cloneURL) }) {
			return "/p/" + url.PathEscape(p.Name) + "/changes/" + url.PathEscape(sha), nil
		}
	}
	return "", nil
}

// strip reads the latest runs and the applications for the overview; a part that cannot be read is left out.
func (c *console) strip(r *http.Request, f view.Frame) view.RoadStrip {
	s := view.RoadStrip{PushURL: c.pushURL()}
	if c.road.Runs == nil {
		return s
	}
	var apps []road.App
	reads := []func(context.Context) error{}
	if f.Can(auth.ScopeRunnerRead) {
		reads = append(reads, c.beside(func(ctx context.Context) error {
			l, err := c.road.Runs.Runs(ctx, road.RunFilter{}, road.Page{Limit: stripRuns})
			s.Runs, s.Here = l.Items, s.Here || err == nil
			return err
		}, nil))
	}
	if f.Can(auth.ScopeGitOpsRead) {
		reads = append(reads, c.beside(func(ctx context.Context) (err error) {
			apps, err = c.road.Apps.Apps(ctx, road.AppFilter{})
			return err
		}, nil))
	}
	_ = together(r.Context(), reads...) // each keeps its error
	s.Total = len(apps)
	slices.SortStableFunc(apps, func(a, b road.App) int { return urgency(a) - urgency(b) })
	s.Apps = apps[:min(len(apps), stripApps)]
	return s
}

// urgency orders applications: what is wrong first, then what moves, then the rest.
func urgency(a road.App) int {
	switch {
	case a.Health == road.Degraded || a.Health == road.Missing:
		return 0
	case a.Busy():
		return 1
	case a.Sync != road.Synced:
		return 2
	}
	return 3
}

// roadStrip is that part of the overview by itself, for a page that follows it.
func (c *console) roadStrip(_ http.ResponseWriter, r *http.Request, f view.Frame) (templ.Component, error) {
	return view.Strip(f, c.strip(r, f)), nil
}

// number reads a whole number of the address, at least 0.
func number(q url.Values, name string) (int64, error) {
	text := q.Get(name)
	if text == "" {
		return 0, nil
	}
	var n int64
	for _, d := range text {
		if d < '0' || d > '9' || n > 1<<50 {
			return 0, problem.New(problem.InvalidField, "%q is not a whole number", text).WithField(name)
		}
		n = n*10 + int64(d-'0')
	}
	return n, nil
}

// goOn leads to a page after something was done there; loading that page again repeats nothing.
func goOn(w http.ResponseWriter, r *http.Request, path, done string, more ...string) error {
	q := url.Values{"done": {done}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	http.Redirect(w, r, address(path, q), http.StatusSeeOther)
	return errAnswered
}

// wordOf gives the sentence that belongs to what the address says was done.
func wordOf(q url.Values, words map[string]string) string { return words[q.Get("done")] }
