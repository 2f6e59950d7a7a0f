package jenkins

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// The parameters of a build that say something about a deployment, in lower
// case; the first that is there counts.
var (
	environmentParams = []string{"environment", "environment_name", "deploy_env", "deploy_environment", "deployment_environment", "target_env", "target_environment"}
	serviceParams     = []string{"service", "service_name", "app", "application", "component"}
	shaParams         = []string{"sha", "git_sha", "commit", "commit_sha", "git_commit"}
	repoParams        = []string{"repo", "repository", "repo_url", "git_url"}
	digestParams      = []string{"digest", "image_digest"}
	imageParams       = []string{"image", "docker_image"}
	unplannedParams   = []string{"unplanned", "hotfix"}
)

// imageDigest is the end of an image's name that is pinned by digest.
var imageDigest = regexp.MustCompile(`@(sha256:[0-9a-fA-F]{64})$`)

// target is what a build deploys, and where.
type target struct {
	environment, service, repo, sha, digest string
	unplanned                               event.Opt[bool]
	names                                   map[string]string // of the fields, as Jenkins or the URL spells them
}

// targetOf is what a build deploys; nil when it is no deployment.
func targetOf(r intake.Request, m message) (*target, error) {
	if text := r.Query.Get("deployments"); text != "" {
		yes, err := strconv.ParseBool(text)
		if err != nil {
			return nil, event.Fault("query.deployments", "%q is neither true nor false", intake.Clean(text, 60))
		}
		if !yes {
			return nil, nil
		}
	}
	t := &target{names: maps.Clone(names)}
	given := map[string]string{} // parameters by their name in lower case: of two, the first in order
	spelt := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(m.Build.Parameters)) {
		low, value := strings.ToLower(name), strings.TrimSpace(string(m.Build.Parameters[name]))
		if _, twice := given[low]; !twice && value != "" {
			given[low], spelt[low] = value, name
		}
	}
	find := func(field string, params ...string) string {
		for _, p := range params {
			if v := given[p]; v != "" {
				t.names[field] = "build.parameters." + spelt[p]
				return v
			}
		}
		return ""
	}
	ask := func(field string, params ...string) string {
		if v := strings.TrimSpace(r.Query.Get(field)); v != "" {
			t.names[field] = "query." + field
			return v
		}
		return find(field, params...)
	}
	if t.environment = ask("environment", environmentParams...); t.environment == "" {
		return nil, nil
	}
	t.service = ask("service", serviceParams...)
	if t.repo = find("repo", repoParams...); t.repo == "" {
		t.repo = m.Build.SCM.URL
	}
	if t.sha = find("sha", shaParams...); t.sha == "" {
		t.sha = m.Build.SCM.Commit
	}
	if t.digest = find("digest", digestParams...); t.digest == "" {
		if found := imageDigest.FindStringSubmatch(find("digest", imageParams...)); found != nil {
			t.digest = found[1]
		}
	}
	if text := find("unplanned", unplannedParams...); text != "" {
		yes, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return nil, event.Fault(t.names["unplanned"], "%q is neither true nor false", intake.Clean(text, 60))
		}
		t.unplanned = event.Some(yes)
	}
	if t.service == "" && t.repo == "" {
		t.service = jobName(m)
	}
	return t, nil
}

func (t target) deployment(r run, b *build) *event.Deployment {
	outcome := r.outcome
	if outcome == event.OutcomeUnstable {
		outcome = event.OutcomeFailure
	}
	return &event.Deployment{
		ID: r.id, Service: event.NonZero(t.service), Environment: event.Some(t.environment), Repo: event.NonZero(withoutUser(t.repo)),
		SHA: event.NonZero(t.sha), Digest: event.NonZero(strings.ToLower(t.digest)), Outcome: event.NonZero(outcome), StartedAt: r.started, FinishedAt: r.finished,
		Unplanned: t.unplanned, Title: event.NonZero(intake.Clean(r.job+" #"+itoa(b.Number), intake.MostTitle)), URL: intake.Link(b.FullURL),
	}
}

// withoutUser takes a user and a password out of a URL: what is stored is shown.
func withoutUser(url string) string {
	scheme, rest, found := strings.Cut(url, "://")
	if !found || !strings.HasPrefix(scheme, "http") {
		return url
	}
	host, path, slash := strings.Cut(rest, "/")
	host = host[strings.LastIndexByte(host, '@')+1:]
	if slash {
		path = "/" + path
	}
	return scheme + "://" + host + path
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
