package dora

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

// Kinds of annotations beside those of history (metrics.Mark).
const (
	annotationNote     = "note"             // written by someone
	annotationDeclared = "project_declared" // written by the service when a declaration changed
	annotationProfile  = "profile_written"
)

// Actions on annotations in the audit log.
const (
	ActionAnnotationAdded   = "annotation.added"
	ActionAnnotationRemoved = "annotation.removed"
)

type annotationBody struct {
	ID        *int64     `json:"id" doc:"To delete it by; null where nobody wrote it"`
	At        *time.Time `json:"at" doc:"What moment it is about"`
	Kind      string     `json:"kind" enum:"note,project_declared,profile_written,first_deployment,long_failure" doc:"note was written by someone; the others come by themselves"`
	Automatic bool       `json:"automatic" doc:"It came by itself"`
	Project   string     `json:"project" doc:"The project"`
	Service   *string    `json:"service" doc:"The service that it is about; null for all"`
	Text      string     `json:"text" doc:"What happened"`
	Ref       *string    `json:"ref" doc:"Key of the deployment or incident that it is about"`
	CreatedAt *time.Time `json:"created_at" doc:"When it was written"`
	CreatedBy *string    `json:"created_by" doc:"Who wrote it"`
}

type annotationsOutput struct {
	Body struct {
		Items []annotationBody `json:"items" doc:"The annotations, by time"`
	}
}

type annotationOutput struct{ Body annotationBody }

func (s *Service) registerAnnotations(api huma.API) {
	huma.Register(api, operation("list-annotations", http.MethodGet, "/annotations", "metrics", auth.ScopeDoraRead,
		"Annotations", "What people wrote beside the trends of a window, and what came by itself: the first deployment of a service, failures of more than 24 hours, changes of the project's declaration and of the profile."),
		func(ctx context.Context, in *struct{ ScopeInput }) (*annotationsOutput, error) {
			a, q, p, err := s.ask(ctx, in.ScopeInput, "")
			if err != nil {
				return nil, err
			}
			out := &annotationsOutput{}
			out.Body.Items, err = s.annotations(ctx, a, q, p)
			return out, err
		})
	add := operation("add-annotation", http.MethodPost, "/annotations", "metrics", auth.ScopeDoraWrite,
		"Write an annotation", "A sentence about a moment, shown beside the trends of the project or of one service.")
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, func(ctx context.Context, in *struct {
		Body struct {
			Project string `json:"project" doc:"Name of the project"`
			Service string `json:"service,omitempty" doc:"The service that it is about; without one, all"`
			At      string `json:"at,omitempty" doc:"A day of the project's time zone (2026-01-31) or a time (RFC 3339); without one, now"`
			Text    string `json:"text" doc:"What happened, at most 500 characters"`
		}
	}) (*annotationOutput, error) {
		return s.annotate(ctx, Annotation{Project: in.Body.Project, Service: in.Body.Service, Text: in.Body.Text}, in.Body.At)
	})
	del := operation("delete-annotation", http.MethodDelete, "/annotations/{id}", "metrics", auth.ScopeDoraWrite,
		"Remove an annotation", "One that someone wrote, or one about a declaration.")
	del.DefaultStatus = http.StatusNoContent
	huma.Register(api, del, func(ctx context.Context, in *struct {
		ID      int64  `path:"id" doc:"Its id"`
		Project string `query:"project" required:"true" doc:"Name of the project"`
	}) (*struct{}, error) {
		if err := touch(ctx, in.Project); err != nil {
			return nil, err
		}
		err := s.store.DeleteAnnotation(ctx, in.Project, in.ID)
		if errors.Is(err, ErrNotFound) {
			return nil, notFoundf("the project %q has no annotation %d", in.Project, in.ID)
		}
		if err != nil {
			return nil, err
		}
		return nil, s.audit(ctx, ActionAnnotationRemoved, in.Project, fmt.Sprint(in.ID), "")
	})
}

func (s *Service) annotate(ctx context.Context, n Annotation, at string) (*annotationOutput, error) {
	bad := func(field, format string, args ...any) (*annotationOutput, error) {
		return nil, problem.New(problem.InvalidField, format, args...).WithField("body." + field)
	}
	n.Text = strings.TrimSpace(n.Text)
	switch {
	case n.Text == "":
		return bad("text", "is empty; say in a sentence what happened")
	case utf8.RuneCountInString(n.Text) > 500:
		return bad("text", "is longer than 500 characters")
	case !utf8.ValidString(n.Text) || strings.ContainsRune(n.Text, 0):
		return bad("text", "is not plain text")
	}
	a, err := s.history(ctx, n.Project)
	if err != nil {
		return nil, err
	}
	if n.Service != "" {
		if _, err := metrics.Marks(a.View, metrics.Query{Service: n.Service}, metrics.DORA2025()); err != nil {
			return bad("service", "%q is neither declared nor seen in project %q", n.Service, n.Project)
		}
	}
	when, err := instant("at", at, a.View.Location())
	if err != nil {
		var fault *event.FieldError
		if errors.As(err, &fault) {
			return bad("at", "%s", fault.Detail)
		}
		return nil, err
	}
	now := event.Micros(s.clock.Now())
	n.At, n.Kind, n.CreatedAt, n.CreatedBy = now, annotationNote, now, subject(ctx)
	if !when.IsZero() {
		n.At = event.Micros(when)
	}
	if n, err = s.store.AddAnnotation(ctx, n); err != nil {
		return nil, err
	}
	if err := s.audit(ctx, ActionAnnotationAdded, n.Project, fmt.Sprint(n.ID), n.Text); err != nil {
		return nil, err
	}
	return &annotationOutput{n.body()}, nil
}

func (n Annotation) body() annotationBody {
	return annotationBody{
		ID: &n.ID, At: stamp(n.At), Kind: n.Kind, Automatic: n.Kind != annotationNote, Project: n.Project, Service: optional(n.Service),
		Text: n.Text, CreatedAt: stamp(n.CreatedAt), CreatedBy: &n.CreatedBy,
	}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// annotations are those of a question's window, by time.
func (s *Service) annotations(ctx context.Context, a answer, q metrics.Query, p metrics.Profile) ([]annotationBody, error) {
	out := []annotationBody{}
	from, to := event.Time(-1<<62), event.Time(1<<62)
	if !q.From.IsZero() {
		from = event.Micros(q.From)
	}
	if !q.To.IsZero() {
		to = event.Micros(q.To)
	}
	project := a.Declared.Spec.Project
	written, err := s.store.Annotations(ctx, project, from, to)
	if err != nil {
		return nil, err
	}
	for _, n := range written {
		if q.Service == "" || n.Service == "" || n.Service == q.Service {
			out = append(out, n.body())
		}
	}
	q.Interval = ""
	marks, err := metrics.Marks(a.View, q, p)
	if err != nil {
		return nil, queryProblem(err)
	}
	for _, m := range marks {
		out = append(out, annotationBody{At: &m.At, Kind: m.Kind, Automatic: true, Project: project, Service: optional(m.Service), Text: m.Text, Ref: optional(m.Ref)})
	}
	// Another version of the profile makes other numbers from all of history; the
	// mark stands where it was written, so that two pictures can be told apart.
	if p.Version > 0 {
		stored, err := s.store.UserProfile(ctx, p.Name, p.Version)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if err == nil && stored.CreatedAt >= from && stored.CreatedAt < to {
			out = append(out, annotationBody{At: stamp(stored.CreatedAt), Kind: annotationProfile, Automatic: true, Project: project,
				Text: fmt.Sprintf("version %d of the profile %s was written", p.Version, p.Name), CreatedAt: stamp(stored.CreatedAt), CreatedBy: &stored.CreatedBy})
		}
	}
	slices.SortStableFunc(out, func(a, b annotationBody) int { return a.At.Compare(*b.At) })
	return out, nil
}

// noteDeclared leaves a mark beside the trends that the declaration changed.
func (s *Service) noteDeclared(ctx context.Context, project, text string) error {
	now := event.Micros(s.clock.Now())
	_, err := s.store.AddAnnotation(context.WithoutCancel(ctx), Annotation{Project: project, Kind: annotationDeclared, At: now, Text: text, CreatedAt: now, CreatedBy: subject(ctx)})
	return err
}
