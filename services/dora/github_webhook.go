package dora

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/github"
)

// Kinds of webhook source.
const (
	sourceGitHub  = "github"
	sourceDevLake = "devlake"
)

// handleGitHub takes a delivery of GitHub: POST /webhooks/dora/github. Nothing
// of a delivery without a right signature is stored.
func (s *Service) handleGitHub(w http.ResponseWriter, r *http.Request) {
	httpapi.Allow(r, httpapi.Limits{Body: github.MaxBody, Timeout: 30 * time.Second})
	if err := s.takeGitHub(w, r); err != nil {
		s.fail(w, r, err)
	}
}

func (s *Service) takeGitHub(w http.ResponseWriter, r *http.Request) error {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return unreadable(err)
	}
	src, err := s.signedBy(r, raw)
	if err != nil {
		s.count.deliveries.WithLabelValues(sourceGitHub, "refused").Inc()
		return err
	}
	name, delivery := r.Header.Get(github.HeaderEvent), r.Header.Get(github.HeaderDelivery)
	body, err := github.Payload(r.Header.Get("Content-Type"), raw)
	var res github.Result
	if err == nil {
		res, err = s.mapper.Map(name, delivery, body)
	}
	if err != nil {
		s.count.deliveries.WithLabelValues(sourceGitHub, "quarantined").Inc()
		s.quarantine(r.Context(), Quarantined{Source: github.Source, Project: src.Project, Kind: name, Delivery: delivery}, err, raw)
		return fieldProblem(err)
	}
	for i := range res.Events {
		e := &res.Events[i]
		if e.Project == "" {
			e.Project = src.Project
		}
		if e.Delivery != "" && src.Project != "" {
			// GitHub's id names the event, which may reach two projects, by a webhook each.
			e.Delivery += " for " + src.Project
		}
	}
	if _, err := s.Take(r.Context(), res.Events); err != nil {
		return err
	}
	result := "accepted"
	if res.Ignored != "" {
		result = "ignored"
	}
	s.count.deliveries.WithLabelValues(sourceGitHub, result).Inc()
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// signedBy finds the source whose secret signed the body. Every secret is
// tried, so that the time taken does not tell which one was near.
func (s *Service) signedBy(r *http.Request, body []byte) (Source, error) {
	all, err := s.store.Sources(r.Context())
	if err != nil {
		return Source{}, err
	}
	if s.cfg.GitHubSecret != "" {
		all = append(all, Source{Kind: sourceGitHub, Name: "configuration", Secret: s.cfg.GitHubSecret})
	}
	header := r.Header.Get(github.HeaderSignature)
	var found *Source
	why := github.ErrNoSecret
	for i, src := range all {
		if src.Kind != sourceGitHub {
			continue
		}
		if err := github.VerifySignature(src.Secret, header, body); err == nil {
			if found == nil {
				found = &all[i]
			}
		} else {
			why = err
		}
	}
	if found != nil {
		return *found, nil
	}
	p := problem.New(problem.BadSignature, "%s", signatureFault(why)).WithField(github.HeaderSignature).WithCause(why)
	if errors.Is(why, github.ErrNoSecret) {
		p.WithMend("set one up: `fawkes dora source add github --project P`, or FAWKES_DORA_GITHUB_SECRET")
	} else {
		p.WithMend("give the webhook on GitHub the secret that `fawkes dora source add github` printed")
	}
	return Source{}, p
}

func signatureFault(err error) string {
	switch {
	case errors.Is(err, github.ErrNoSecret):
		return "no secret is set up for GitHub's deliveries"
	case errors.Is(err, github.ErrNoSignature):
		return "the header " + github.HeaderSignature + " is missing"
	case errors.Is(err, github.ErrSignatureForm):
		return "want sha256= and 64 hexadecimal digits"
	}
	return "it does not match the body under any secret that is set up"
}
