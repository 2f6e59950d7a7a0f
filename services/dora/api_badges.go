package dora

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

// BadgeInput is the question that a badge answers. Its token holds for this
// question and no other; label and style are the reader's own business.
type BadgeInput struct {
	Project string `json:"project" doc:"Name of the project"`
	Metric  string `json:"metric" enum:"deployment_frequency,change_lead_time,change_fail_rate,failed_deployment_recovery_time,deployment_rework_rate" doc:"The metric"`
	Service string `json:"service,omitempty" doc:"Only this service"`
	Profile string `json:"profile,omitempty" doc:"By whose rules; dora-2025 without one"`
	Window  string `json:"window,omitempty" doc:"The last so many days, 1d to 366d; 30d without one"`
}

// days is the length of the window.
func (b BadgeInput) days() (int, error) {
	if b.Window == "" {
		return 30, nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(b.Window, "d"))
	if err != nil || !strings.HasSuffix(b.Window, "d") || n < 1 || n > 366 {
		return 0, problem.New(problem.InvalidField, "%q is not a window from 1d to 366d", b.Window).WithField("query.window")
	}
	return n, nil
}

// sign makes the token that opens this badge alone.
func (b BadgeInput) sign(key []byte) string {
	mac := hmac.New(sha256.New, key)
	days, err := b.days()
	if err != nil {
		days = 0 // refused before it matters
	}
	for _, v := range []string{"badge", b.Project, b.Metric, b.Service, b.Profile, strconv.Itoa(days)} {
		fmt.Fprintf(mac, "%d:%s,", len(v), v)
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

const badgesPath = base + "/badges"

// path is the address of the badge on this platform.
func (b BadgeInput) path(token, label, style string) string {
	q := url.Values{"token": {token}}
	for name, v := range map[string]string{"service": b.Service, "profile": b.Profile, "window": b.Window, "label": label, "style": style} {
		if v != "" {
			q.Set(name, v)
		}
	}
	return badgesPath + "/" + url.PathEscape(b.Project) + "/" + b.Metric + ".svg?" + q.Encode()
}

// readBadge reads the address of a badge.
func readBadge(r *http.Request) (asked BadgeInput, label, style, token string, err error) {
	q := r.URL.Query()
	for name := range q {
		if !slices.Contains([]string{"style", "label", "service", "profile", "window", "token"}, name) {
			return asked, "", "", "", problem.New(problem.UnknownField, "unknown query parameter").WithField("query." + name)
		}
	}
	name, isSVG := strings.CutSuffix(r.PathValue("file"), ".svg")
	asked = BadgeInput{Project: r.PathValue("project"), Metric: name, Service: q.Get("service"), Profile: q.Get("profile"), Window: q.Get("window")}
	label, style, token = q.Get("label"), q.Get("style"), q.Get("token")
	if style == "" {
		style = badgeFlat
	}
	switch {
	case !isSVG || !slices.Contains(metrics.Names(), name):
		err = notFoundf("there is no badge %q: a badge is one of %s with .svg", r.PathValue("file"), strings.Join(metrics.Names(), ", "))
	case !slices.Contains([]string{badgeFlat, badgeSquare, badgePlastic}, style):
		err = problem.New(problem.InvalidField, "%q is not one of flat, flat-square, plastic", style).WithField("query.style")
	case utf8.RuneCountInString(label) > 60 || !utf8.ValidString(label):
		err = problem.New(problem.InvalidField, "a label has at most 60 letters").WithField("query.label")
	}
	return asked, label, style, token, err
}

// handleBadge draws a badge for whoever brings its token, or may read the project.
func (s *Service) handleBadge(w http.ResponseWriter, r *http.Request) {
	asked, label, style, token, err := readBadge(r)
	cache := "public, max-age=300"
	if err == nil && token == "" {
		cache = "private, max-age=60"
		var p auth.Principal
		if p, err = s.auth.Authenticate(r); err == nil {
			r = r.WithContext(auth.NewContext(r.Context(), p))
			if err = touch(r.Context(), asked.Project); !p.Can(auth.ScopeDoraRead) {
				err = problem.New(problem.Forbidden, "this needs the scope %s", auth.ScopeDoraRead)
			}
		}
	} else if err == nil {
		err = s.opens(r.Context(), asked, token)
	}
	var drawn []byte
	if err == nil {
		drawn, err = s.drawBadge(r.Context(), asked, label, style)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	sum := sha256.Sum256(drawn)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h := w.Header()
	h.Set("Cache-Control", cache)
	h.Set("Etag", etag)
	h.Set("Vary", "Authorization, Cookie")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin") // a picture on other people's pages
	if slices.Contains(strings.Split(strings.ReplaceAll(strings.ReplaceAll(r.Header.Get("If-None-Match"), " ", ""), "W/", ""), ","), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", "image/svg+xml; charset=utf-8")
	s.write(w, r, drawn)
}

// opens says whether a token is that of a badge. What is refused does not tell
// whether there is such a project.
func (s *Service) opens(ctx context.Context, asked BadgeInput, token string) error {
	key, err := s.store.BadgeKey(ctx, asked.Project)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	right := hmac.Equal([]byte(asked.sign(key)), []byte(token))
	if err != nil || !right {
		return problem.New(problem.Unauthenticated, "the token does not open this badge").WithField("query.token").
			WithMend("make the address anew: `fawkes dora badge PROJECT METRIC`")
	}
	return nil
}

func (s *Service) drawBadge(ctx context.Context, asked BadgeInput, label, style string) ([]byte, error) {
	days, err := asked.days()
	if err != nil {
		return nil, err
	}
	profile, err := s.profile(ctx, asked.Profile)
	if err != nil {
		return nil, queryProblem(err)
	}
	a, err := s.reader.project(ctx, asked.Project)
	if errors.Is(err, ErrNotFound) {
		return nil, unknownProject(asked.Project)
	}
	if err != nil {
		return nil, err
	}
	to := a.View.AsOf
	r, err := metrics.Compute(a.View, metrics.Query{Service: asked.Service, From: to.Add(-time.Duration(days) * 24 * time.Hour), To: to}, profile)
	if err != nil {
		return nil, queryProblem(err)
	}
	return badgeOf(*r.Metric(asked.Metric), label, style, days).svg(), nil
}

type badgeBody struct {
	Path     string `json:"path" doc:"Address of the badge on this platform"`
	URL      string `json:"url" doc:"The same in full, as the platform is reached"`
	Markdown string `json:"markdown" doc:"What to put into a README"`
}

// Actions of the audit log.
const (
	ActionBadgeMade     = "badge.made"
	ActionBadgesRevoked = "badges.revoked"
)

func (s *Service) registerBadges(api huma.API) {
	add := operation("make-badge", http.MethodPost, "/badges", "badges", auth.ScopeDoraAdmin,
		"Make the address of a badge", "Whoever has the address sees this one number, until the project's badges are revoked. Asking again gives the same address.")
	huma.Register(api, add, func(ctx context.Context, in *struct {
		Body struct {
			BadgeInput
			Label string `json:"label,omitempty" maxLength:"60" doc:"Text on the left; the metric's name without one"`
			Style string `json:"style,omitempty" enum:"flat,flat-square,plastic" doc:"Style; flat without one"`
		}
	}) (*struct{ Body badgeBody }, error) {
		asked := in.Body.BadgeInput
		if err := touch(ctx, asked.Project); err != nil {
			return nil, err
		}
		// A badge that cannot be drawn has no address.
		if _, err := s.drawBadge(ctx, asked, in.Body.Label, badgeFlat); err != nil {
			return nil, inBody(err)
		}
		by := ""
		if p, ok := auth.FromContext(ctx); ok {
			by = p.Subject
		}
		key, err := s.store.MakeBadgeKey(ctx, asked.Project, by, event.Micros(s.clock.Now()))
		if err != nil {
			return nil, err
		}
		if err := s.audit(ctx, ActionBadgeMade, asked.Project, asked.Metric, strings.TrimSpace(asked.Service+" "+asked.Profile+" "+asked.Window)); err != nil {
			return nil, err
		}
		b := badgeBody{Path: asked.path(asked.sign(key), in.Body.Label, in.Body.Style)}
		b.URL = s.cfg.PublicURL + b.Path
		alt := in.Body.Label
		if alt == "" {
			alt = strings.ReplaceAll(asked.Metric, "_", " ")
		}
		b.Markdown = "![" + strings.NewReplacer("[", "", "]", "", "\n", " ").Replace(alt) + "](" + b.URL + ")"
		return &struct{ Body badgeBody }{b}, nil
	})
	del := operation("revoke-badges", http.MethodDelete, "/badges", "badges", auth.ScopeDoraAdmin,
		"End all addresses of a project's badges", "Addresses that are made from now on are new ones.")
	del.DefaultStatus = http.StatusNoContent
	huma.Register(api, del, func(ctx context.Context, in *struct {
		Project string `query:"project" required:"true" doc:"Name of the project"`
	}) (*struct{}, error) {
		if err := touch(ctx, in.Project); err != nil {
			return nil, err
		}
		err := s.store.DropBadgeKey(ctx, in.Project)
		if errors.Is(err, ErrNotFound) {
			return nil, notFoundf("the project %q has no badges", in.Project)
		}
		if err != nil {
			return nil, err
		}
		return nil, s.audit(ctx, ActionBadgesRevoked, in.Project, in.Project, "")
	})
}

// inBody names a fault of a query as one of the body.
func inBody(err error) error {
	p := problem.From(err)
	if name, ok := strings.CutPrefix(p.Field, "query."); ok {
		p.Field = "body." + name
		return p
	}
	return err
}
