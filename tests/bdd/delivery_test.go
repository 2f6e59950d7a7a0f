package bdd

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/cucumber/godog"
)

// deliverySteps report commits, deployments and incidents, and read what came of them.
func deliverySteps(sc *godog.ScenarioContext, the func() *world) {
	sc.Step(`^these commits are reported:$`, func(ctx context.Context, t *godog.Table) error { return the().reportCommits(ctx, t) })
	sc.Step(`^these deployments of "([^"]*)" to production are reported:$`, func(ctx context.Context, service string, t *godog.Table) error {
		return the().reportDeployments(ctx, service, t)
	})
	sc.Step(`^an incident of "([^"]*)" in production is opened at (\S+)$`, func(ctx context.Context, service, at string) error {
		return the().openIncident(ctx, service, at)
	})

	sc.Step(`^project "([^"]*)" has (\d+) deployments?$`, func(ctx context.Context, project string, n int) error {
		got, err := the().deployments(ctx, project)
		if err != nil {
			return err
		}
		return equal("deployments", len(got), n)
	})
	sc.Step(`^the first of them is a baseline, whose commits have no lead time$`, func(ctx context.Context) error { return the().firstIsBaseline(ctx) })
	sc.Step(`^change "([^"]*)" belongs to deployment "([^"]*)"$`, func(ctx context.Context, change, id string) error {
		return the().changeBelongs(ctx, change, id)
	})
	sc.Step(`^pull request "([^"]*)" with commit "([^"]*)" was opened at (\S+) and merged at (\S+)$`,
		func(ctx context.Context, number, commit, opened, merged string) error {
			return the().reportPullRequest(ctx, number, commit, opened, merged)
		})
	sc.Step(`^under "([^"]*)" pull request "([^"]*)" belongs to deployment "([^"]*)"$`, func(ctx context.Context, profile, number, id string) error {
		return the().pullRequestBelongs(ctx, profile, number, id)
	})
	sc.Step(`^behind that number stand the commits (.*)$`, func(ctx context.Context, list string) error { return the().evidenceIs(ctx, list) })
	sc.Step(`^deployment "([^"]*)" is a rollback$`, func(ctx context.Context, id string) error {
		d, err := the().deployment(ctx, id)
		if err != nil {
			return err
		}
		return equal("kind of "+id, d.Kind, "rollback")
	})
	sc.Step(`^only deployment "([^"]*)" has failed, because (it was rolled back|of an incident)$`, func(ctx context.Context, id, why string) error {
		rule := map[string]string{"it was rolled back": "rolled_back", "of an incident": "incident"}[why]
		return the().onlyFailed(ctx, id, rule)
	})
	sc.Step(`^no deployment has failed$`, func(ctx context.Context) error { return the().onlyFailed(ctx, "", "") })
	sc.Step(`^the incident is linked to no deployment$`, func(ctx context.Context) error { return the().incidentUnlinked(ctx) })

	sc.Step(`^the median change lead time is (\d+) hours? over (\d+) changes?$`, func(ctx context.Context, hours, n int) error {
		return the().metricIs(ctx, "change_lead_time", float64(hours)*3600, n)
	})
	sc.Step(`^the median recovery time is (\d+) hours? over (\d+) failures?$`, func(ctx context.Context, hours, n int) error {
		return the().metricIs(ctx, "failed_deployment_recovery_time", float64(hours)*3600, n)
	})
	sc.Step(`^the change fail rate is (\d+) of (\d+)$`, func(ctx context.Context, failed, of int) error {
		return the().metricIs(ctx, "change_fail_rate", float64(failed)/float64(of), of)
	})
	sc.Step(`^the change lead time is unknown, with a reason$`, func(ctx context.Context) error {
		return the().unknown(ctx, "change_lead_time")
	})
	sc.Step(`^the recovery time is unknown, with a reason$`, func(ctx context.Context) error {
		return the().unknown(ctx, "failed_deployment_recovery_time")
	})
	sc.Step(`^every metric is unknown, with a reason$`, func(ctx context.Context) error { return the().unknown(ctx, metricNames()...) })
	sc.Step(`^no metric has a level$`, func(ctx context.Context) error { return the().noLevels(ctx) })
}

func metricNames() []string {
	return []string{"deployment_frequency", "change_lead_time", "change_fail_rate", "failed_deployment_recovery_time", "deployment_rework_rate"}
}

// shaOf gives a commit of the story its hash.
func shaOf(name string) string {
	if name == "" {
		return ""
	}
	sum := sha1.Sum([]byte(name))
	return hex.EncodeToString(sum[:])
}

type deployment struct {
	ID             string
	Kind           string
	SHA            string
	Reason         *string
	Failed         bool
	FailureReasons []string `json:"failure_reasons"`
}

type change struct {
	SHA          string
	Number       *string
	DeploymentID string `json:"deployment_id"`
}

type metric struct {
	Metric string
	Value  *float64
	N      int
	Level  *string
	Reason *string
}

func (w *world) reportCommits(ctx context.Context, t *godog.Table) error {
	var events []map[string]any
	for _, row := range rows(t) {
		parents := []string{}
		if row["parent"] != "" {
			parents = append(parents, shaOf(row["parent"]))
		}
		events = append(events, map[string]any{
			"type": "commit", "project": w.project, "repo": w.repo, "sha": shaOf(row["commit"]), "parents": parents,
			"author": "someone", "authored_at": row["authored"], "committed_at": row["authored"],
		})
	}
	return w.post(ctx, events)
}

func (w *world) reportDeployments(ctx context.Context, service string, t *godog.Table) error {
	var events []map[string]any
	for _, row := range rows(t) {
		e := deploymentEvent(w.project, service, w.repo, row["deployment"], row["commit"], row["finished"], row["outcome"])
		if row["started"] != "" {
			e["started_at"] = row["started"]
		}
		events = append(events, e)
	}
	return w.post(ctx, events)
}

func deploymentEvent(project, service, repo, id, commit, finished, outcome string) map[string]any {
	return map[string]any{
		"type": "deployment", "project": project, "id": id, "service": service, "environment": "production", "repo": repo,
		"sha": shaOf(commit), "outcome": outcome, "started_at": finished, "finished_at": finished, "unplanned": false,
	}
}

func (w *world) openIncident(ctx context.Context, service, at string) error {
	return w.post(ctx, []map[string]any{{
		"type": "incident", "project": w.project, "id": "it-broke", "service": service, "environment": "production",
		"opened_at": at, "resolved_at": nil, "severity": "critical", "caused_by_deployment": nil,
	}})
}

// post sends events in one batch and requires that every one is taken.
func (w *world) post(ctx context.Context, events []map[string]any) error {
	var body bytes.Buffer
	for _, e := range events {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		body.Write(append(line, '\n'))
	}
	var answer struct {
		Stored, Duplicates, Rejected int
		Errors                       []struct{ Field, Detail string }
	}
	a, err := w.request(ctx, w.admin, http.MethodPost, "/api/dora/v1/events:batch", "application/x-ndjson", body.Bytes())
	if err != nil {
		return err
	}
	if err := a.into(&answer); err != nil {
		return err
	}
	if answer.Rejected != 0 || answer.Stored+answer.Duplicates != len(events) {
		return fmt.Errorf("of %d events: %+v", len(events), answer)
	}
	return nil
}

func (w *world) deployments(ctx context.Context, project string) ([]deployment, error) {
	var page struct{ Items []deployment }
	err := w.get(ctx, "/api/dora/v1/deployments?limit=100&project="+project, &page)
	return page.Items, err
}

func (w *world) deployment(ctx context.Context, id string) (deployment, error) {
	all, err := w.deployments(ctx, w.project)
	if err != nil {
		return deployment{}, err
	}
	i := slices.IndexFunc(all, func(d deployment) bool { return d.ID == id })
	if i < 0 {
		return deployment{}, fmt.Errorf("no deployment %q among %+v", id, all)
	}
	return all[i], nil
}

func (w *world) firstIsBaseline(ctx context.Context) error {
	all, err := w.deployments(ctx, w.project)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(d deployment) bool { return d.Kind == "first" })
	if i < 0 {
		return fmt.Errorf("no first deployment among %+v", all)
	}
	return equal("reason why the changes of the first deployment do not count", text(all[i].Reason), "first_deployment")
}

func (w *world) changeBelongs(ctx context.Context, name, id string) error {
	var page struct{ Items []change }
	if err := w.get(ctx, "/api/dora/v1/changes?limit=100&project="+w.project, &page); err != nil {
		return err
	}
	for _, c := range page.Items {
		if c.SHA == shaOf(name) {
			return equal("deployment of change "+name, c.DeploymentID, id)
		}
	}
	return fmt.Errorf("no change %q (%s) among %+v", name, shaOf(name), page.Items)
}

// reportPullRequest reports a pull request of one commit that was merged by moving the branch on to it.
func (w *world) reportPullRequest(ctx context.Context, number, commit, opened, merged string) error {
	return w.post(ctx, []map[string]any{{
		"type": "pull_request", "project": w.project, "repo": w.repo, "number": number, "author": "someone",
		"created_at": opened, "merged_at": merged, "closed_at": merged, "merge_sha": shaOf(commit), "head_sha": shaOf(commit),
		"base": "main", "title": commit, "commits": []string{shaOf(commit)},
	}})
}

func (w *world) pullRequestBelongs(ctx context.Context, profile, number, id string) error {
	var page struct{ Items []change }
	if err := w.get(ctx, "/api/dora/v1/changes?limit=100&profile="+profile+"&project="+w.project, &page); err != nil {
		return err
	}
	for _, c := range page.Items {
		if text(c.Number) == number {
			return equal("deployment of pull request "+number, c.DeploymentID, id)
		}
	}
	return fmt.Errorf("no pull request %s among %+v", number, page.Items)
}

// evidenceIs reads the rows behind the lead time and compares the commits.
func (w *world) evidenceIs(ctx context.Context, list string) error {
	var want []string
	for name := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == '"' || r == ',' || r == ' ' }) {
		if name != "and" {
			want = append(want, w.commit(name))
		}
	}
	var page struct {
		Items []struct {
			Value  *float64
			Rule   *string
			Change *change
		}
	}
	if err := w.get(ctx, "/api/dora/v1/evidence?limit=100&metric=change_lead_time&project="+w.project, &page); err != nil {
		return err
	}
	var got []string
	for _, row := range page.Items {
		if row.Value == nil {
			continue
		}
		if row.Change == nil || row.Rule == nil {
			return fmt.Errorf("a row of evidence without its commit or its rule: %+v", row)
		}
		got = append(got, row.Change.SHA)
	}
	slices.Sort(want)
	slices.Sort(got)
	return equal("commits behind the lead time", fmt.Sprint(got), fmt.Sprint(want))
}

func (w *world) onlyFailed(ctx context.Context, id, rule string) error {
	all, err := w.deployments(ctx, w.project)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return fmt.Errorf("no deployments")
	}
	for _, d := range all {
		if err := equal("failed, of deployment "+d.ID, d.Failed, d.ID == id); err != nil {
			return err
		}
		if d.ID == id && !slices.Contains(d.FailureReasons, rule) {
			return fmt.Errorf("deployment %s failed because of %v, want %s", id, d.FailureReasons, rule)
		}
	}
	return nil
}

func (w *world) incidentUnlinked(ctx context.Context) error {
	var page struct {
		Items []struct {
			DeploymentID *string `json:"deployment_id"`
			LinkedBy     string  `json:"linked_by"`
		}
	}
	if err := w.get(ctx, "/api/dora/v1/incidents?limit=100&project="+w.project, &page); err != nil {
		return err
	}
	if len(page.Items) != 1 || page.Items[0].DeploymentID != nil || page.Items[0].LinkedBy != "none" {
		return fmt.Errorf("incidents %+v, want one, linked to none", page.Items)
	}
	return nil
}

// metrics reads the report; a window that begins with the story leaves nothing out.
func (w *world) metrics(ctx context.Context) (map[string]metric, error) {
	var report struct{ Metrics []metric }
	if err := w.get(ctx, "/api/dora/v1/metrics?project="+w.project, &report); err != nil {
		return nil, err
	}
	out := map[string]metric{}
	for _, m := range report.Metrics {
		out[m.Metric] = m
	}
	if len(out) != len(metricNames()) {
		return nil, fmt.Errorf("%d metrics, want %d: %+v", len(out), len(metricNames()), report.Metrics)
	}
	return out, nil
}

func (w *world) metricIs(ctx context.Context, name string, value float64, n int) error {
	all, err := w.metrics(ctx)
	if err != nil {
		return err
	}
	m := all[name]
	if m.Value == nil {
		return fmt.Errorf("%s is unknown (%v), want %v", name, text(m.Reason), value)
	}
	if math.Abs(*m.Value-value) > 1e-9 {
		return fmt.Errorf("%s is %v, want %v", name, *m.Value, value)
	}
	return equal("n of "+name, m.N, n)
}

func (w *world) unknown(ctx context.Context, names ...string) error {
	all, err := w.metrics(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		m := all[name]
		if m.Value != nil || m.Reason == nil || *m.Reason == "" {
			return fmt.Errorf("%s: value %v, reason %q; want no value and a reason", name, m.Value, text(m.Reason))
		}
	}
	return nil
}

func (w *world) noLevels(ctx context.Context) error {
	all, err := w.metrics(ctx)
	if err != nil {
		return err
	}
	for name, m := range all {
		if m.Level != nil {
			return fmt.Errorf("%s has the level %q with n = %d", name, *m.Level, m.N)
		}
	}
	return nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func equal[T comparable](what string, got, want T) error {
	if got != want {
		return fmt.Errorf("%s: %v, want %v", what, got, want)
	}
	return nil
}

// rows turns a table into one map a row, by the names in its first row.
func rows(t *godog.Table) []map[string]string {
	var out []map[string]string
	for _, row := range t.Rows[1:] {
		m := map[string]string{}
		for i, cell := range row.Cells {
			m[t.Rows[0].Cells[i].Value] = cell.Value
		}
		out = append(out, m)
	}
	return out
}
