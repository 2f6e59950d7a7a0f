package dora

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/alertmanager"
	"github.com/fawkes-idp/fawkes/services/dora/argocd"
	"github.com/fawkes-idp/fawkes/services/dora/cdevents"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/github"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
	"github.com/fawkes-idp/fawkes/services/dora/jenkins"
	"github.com/fawkes-idp/fawkes/services/dora/pagerduty"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// kinds are the kinds of webhook source, DevLake's API apart.
func kinds(cfg Config) []intake.Kind {
	return []intake.Kind{
		github.Kind(github.Mapper{IncidentLabels: cfg.GitHubIncidentLabels}),
		argocd.Kind(),
		cdevents.Kind(),
		jenkins.Kind(),
		alertmanager.Kind(),
		pagerduty.Kind(),
	}
}

// registerWebhooks adds the path of every kind.
func (s *Service) registerWebhooks(api *httpapi.API) {
	for _, k := range s.kinds {
		take := s.handleWebhook(k)
		api.Mux().HandleFunc("POST "+k.Path, take)
		api.Mux().HandleFunc("POST "+k.Path+"/", take)
	}
}

// webhookAnswer says what became of a delivery.
type webhookAnswer struct {
	Kind       string `json:"kind,omitempty"`
	Stored     int    `json:"stored"`
	Duplicates int    `json:"duplicates"`
	Ignored    string `json:"ignored,omitempty"`
}

// handleWebhook takes the deliveries of a kind. Nothing of a delivery that is
// not known to be genuine is stored.
func (s *Service) handleWebhook(k intake.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		httpapi.Allow(r, httpapi.Limits{Body: k.MaxBody, Timeout: 30 * time.Second})
		answer, err := s.takeDelivery(r, k)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.json(w, r, http.StatusAccepted, answer)
	}
}

func (s *Service) takeDelivery(r *http.Request, k intake.Kind) (webhookAnswer, error) {
	body, err := deliveryBody(r, k)
	if err != nil {
		return webhookAnswer{}, err
	}
	req := intake.Request{
		Path: strings.Trim(strings.TrimPrefix(r.URL.Path, k.Path), "/"), Query: r.URL.Query(), Header: r.Header,
		Body: body, Received: event.Micros(s.clock.Now()),
	}
	src, err := s.sender(r, k, req)
	if err != nil {
		s.count.deliveries.WithLabelValues(k.Name, "refused").Inc()
		return webhookAnswer{}, err
	}
	req.Query.Del(intake.TokenParam)
	req.Source, req.Project = src.Name, src.Project
	res, err := k.Read(req)
	if err != nil {
		s.count.deliveries.WithLabelValues(k.Name, "quarantined").Inc()
		s.quarantine(r.Context(), ofDelivery(k, src, req, res), err, body)
		return webhookAnswer{}, fieldProblem(err)
	}
	answer := webhookAnswer{Kind: res.Kind, Ignored: res.Ignored}
	if answer.Stored, answer.Duplicates, err = s.takeOf(r.Context(), res.Events, src.Project); err != nil {
		return webhookAnswer{}, err
	}
	result := "accepted"
	if res.Ignored != "" {
		result = "ignored"
	}
	s.count.deliveries.WithLabelValues(k.Name, result).Inc()
	return answer, nil
}

// takeOf makes the events of a delivery durable under the project of its source.
func (s *Service) takeOf(ctx context.Context, events []event.Event, project string) (stored, duplicates int, err error) {
	if err := ownProject(events, project); err != nil {
		return 0, 0, err
	}
	fresh, err := s.Take(ctx, events)
	for _, f := range fresh {
		if f {
			stored++
		} else {
			duplicates++
		}
	}
	return stored, duplicates, err
}

// deliveryBody reads a body. What a signature covers is the body as it was
// sent, so only a token's kind may compress it.
func deliveryBody(r *http.Request, k intake.Kind) ([]byte, error) {
	in := io.Reader(r.Body)
	if !k.Signs(r.Header) {
		var err error
		if in, err = unpacked(r, k.MaxBody); err != nil {
			return nil, err
		}
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return nil, unreadable(err)
	}
	return body, nil
}

// ownProject gives the events of a delivery the project of their source. None may
// name another: what proves the source is for that project.
func ownProject(events []event.Event, project string) error {
	for i := range events {
		e := &events[i]
		if e.Project == "" {
			e.Project = project
		}
		if project != "" && e.Project != project {
			return problem.New(problem.Forbidden, "the delivery is about the project %q, and its source is for %q", e.Project, project).WithField("project")
		}
		if e.Delivery != "" && project != "" {
			// The source's id names the event, which may reach two projects, by a webhook each.
			e.Delivery += " for " + project
		}
	}
	return nil
}

// sender finds the source that a delivery comes from.
func (s *Service) sender(r *http.Request, k intake.Kind, req intake.Request) (Source, error) {
	all, err := s.store.Sources(r.Context())
	if err != nil {
		return Source{}, err
	}
	var known []Source
	for _, src := range all {
		if src.Kind == k.Name {
			known = append(known, src)
		}
	}
	if k.Name == github.Source && s.cfg.GitHubSecret != "" {
		known = append(known, Source{Kind: k.Name, Secret: s.cfg.GitHubSecret})
	}
	var src Source
	if k.Signs(r.Header) {
		src, err = signer(k, known, req)
	} else {
		src, err = s.bearer(r, k, known, req)
	}
	if err != nil {
		return Source{}, err
	}
	asked := req.Query.Get("project")
	switch {
	case asked == "" || asked == src.Project:
	case src.Project != "":
		return Source{}, problem.New(problem.Forbidden, "this source is for the project %q", src.Project).WithField("query.project")
	case !project.ValidName(asked):
		return Source{}, problem.New(problem.InvalidField, "%q is not a name for a project", asked).WithField("query.project")
	default:
		src.Project = asked
	}
	return src, nil
}

// signer finds the source whose secret signed the delivery. Every secret is
// tried, so that the time taken does not tell which one was near.
func signer(k intake.Kind, known []Source, req intake.Request) (Source, error) {
	var found *Source
	var why error
	for i := range known {
		err := k.Verify(known[i].Secret, req)
		switch {
		case err != nil:
			why = err
		case found == nil:
			found = &known[i]
		}
	}
	if found != nil {
		return *found, nil
	}
	if why == nil {
		return Source{}, problem.New(problem.BadSignature, "no secret is set up for the deliveries of %s", k.Title).WithMend(mendSource(k, true))
	}
	p := problem.New(problem.BadSignature, "%s", why).WithField("signature").WithCause(why).WithMend(mendSource(k, false))
	var fault *event.FieldError
	if errors.As(why, &fault) {
		p.Detail, p.Field = fault.Detail, fault.Field
	}
	return Source{}, p
}

// mendSource says what to do about a delivery that is not believed.
func mendSource(k intake.Kind, none bool) string {
	add := "fawkes dora source add " + k.Name
	switch {
	case !none:
		return "give the webhook the secret that `" + add + "` printed"
	case k.Name == github.Source:
		return "set one up: `" + add + " --project P`, or FAWKES_DORA_GITHUB_SECRET"
	}
	return "set one up: `" + add + " --project P`"
}

// bearer finds the source whose token the delivery carries, or believes a token
// of the platform, which may write.
func (s *Service) bearer(r *http.Request, k intake.Kind, known []Source, req intake.Request) (Source, error) {
	token := intake.Token(r.Header, req.Query)
	if token == "" {
		return Source{}, problem.New(problem.Unauthenticated, "the delivery carries no token").WithField("Authorization").
			WithMend("send the source's token as `Authorization: Bearer …`, as the password of Basic, or as ?token=; " + mendSource(k, true))
	}
	var found *Source
	for i := range known {
		if intake.Same(known[i].Secret, token) && found == nil {
			found = &known[i]
		}
	}
	if found != nil {
		return *found, nil
	}
	asking := &http.Request{Method: r.Method, URL: r.URL, Header: http.Header{"Authorization": {"Bearer " + token}}}
	p, err := s.auth.Authenticate(asking.WithContext(r.Context()))
	if err != nil {
		if problem.From(err).Status == http.StatusUnauthorized {
			return Source{}, problem.New(problem.Unauthenticated, "the token belongs to no source of this kind, and is no valid token of the platform").
				WithField("Authorization").WithMend(mendSource(k, true)).WithCause(err)
		}
		return Source{}, err
	}
	if !p.Can(auth.ScopeDoraWrite) {
		return Source{}, problem.New(problem.Forbidden, "the token lacks the scope %s", auth.ScopeDoraWrite).WithField("Authorization")
	}
	if asked := req.Query.Get("project"); !p.CanTouch(asked) {
		return Source{}, touch(auth.NewContext(r.Context(), p), asked)
	}
	return Source{Kind: k.Name, CreatedBy: p.Subject}, nil
}
