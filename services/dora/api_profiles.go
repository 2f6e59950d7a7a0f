package dora

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/metrics"
)

type profileBody struct {
	Name        string          `json:"name" doc:"Name of the profile"`
	Summary     string          `json:"summary" doc:"What it is, in a sentence"`
	BuiltIn     bool            `json:"built_in" doc:"It comes with the service"`
	Base        *string         `json:"base" doc:"The built-in profile that it varies; null for those themselves"`
	Version     int64           `json:"version" doc:"How often it was written; 0 for a built-in one"`
	Rules       []string        `json:"rules" doc:"Its rules, a sentence each"`
	Choices     []metrics.Rule  `json:"choices" doc:"The same, each with its id and its value"`
	Limits      []string        `json:"limits" doc:"What of the original system it cannot give"`
	Unit        string          `json:"unit" doc:"What a change is: commit or pull_request"`
	Percentile  string          `json:"percentile" doc:"Kind of percentile: continuous or lower"`
	Edition     string          `json:"edition" doc:"Edition of the table of levels; own for levels of its own"`
	Levels      []metrics.Table `json:"levels,omitempty" doc:"Levels of its own"`
	UpdatedAt   *time.Time      `json:"updated_at" doc:"When this version was written"`
	UpdatedBy   *string         `json:"updated_by" doc:"Who wrote it"`
	DeletedAt   *time.Time      `json:"deleted_at,omitempty" doc:"When the profile was deleted; it stays readable"`
	Source      *string         `json:"source,omitempty" doc:"The file as it was given"`
	VersionLast int64           `json:"latest_version" doc:"The newest version"`
}

type profilesOutput struct {
	Body struct {
		Profiles []profileBody       `json:"profiles" doc:"The profiles, the default first, then your own"`
		Levels   []metrics.Table     `json:"levels" doc:"The tables of levels with their bounds"`
		Rules    []*metrics.RuleInfo `json:"rules" doc:"Every rule that a profile can choose, with its values"`
	}
}

type profileOutput struct{ Body profileBody }

// Actions on profiles in the audit log.
const (
	ActionProfileWritten = "profile.written"
	ActionProfileDeleted = "profile.deleted"
)

func (s *Service) registerProfiles(api huma.API) {
	huma.Register(api, operation("list-profiles", http.MethodGet, "/profiles", "metrics", auth.ScopeDoraRead,
		"Profiles and levels", "The sets of rules by which the same history becomes numbers, the rules that a profile of your own can choose, and the published bounds of the levels."),
		func(ctx context.Context, _ *struct{}) (*profilesOutput, error) {
			out := &profilesOutput{}
			for _, p := range metrics.Profiles() {
				out.Body.Profiles = append(out.Body.Profiles, profileOf(p))
			}
			own, err := s.store.UserProfiles(ctx)
			if err != nil {
				return nil, err
			}
			for _, stored := range own {
				b, err := storedProfile(stored)
				if err != nil {
					return nil, err
				}
				out.Body.Profiles = append(out.Body.Profiles, b)
			}
			out.Body.Levels, out.Body.Rules = metrics.Levels(), metrics.RuleBook()
			return out, nil
		})
	type Named struct {
		Name string `path:"name" maxLength:"63" doc:"Name of the profile"`
	}
	huma.Register(api, operation("get-profile", http.MethodGet, "/profiles/{name}", "metrics", auth.ScopeDoraRead,
		"One profile", "Its rules, and the file that they were read from. Every version stays readable, also of a profile that was deleted."),
		func(ctx context.Context, in *struct {
			Named
			Version int64 `query:"version" minimum:"0" doc:"An older version; 0 is the newest"`
		}) (*profileOutput, error) {
			b, err := s.profileNow(ctx, in.Name, in.Version)
			return &profileOutput{b}, err
		})
	put := operation("put-profile", http.MethodPut, "/profiles/{name}", "metrics", auth.ScopeDoraAdmin,
		"Write a profile", "The body is the profile's file in YAML (or JSON): name, base, and the rules that differ from the base's. It is checked as a whole; a fault names the key with its line, and the mend. Writing one again makes a new version.")
	put.MaxBodyBytes = metrics.MaxProfile + 1
	huma.Register(api, put, func(ctx context.Context, in *struct {
		Named
		RawBody []byte `contentType:"application/yaml"`
	}) (*profileOutput, error) {
		return s.putProfile(ctx, in.Name, in.RawBody)
	})
	del := operation("delete-profile", http.MethodDelete, "/profiles/{name}", "metrics", auth.ScopeDoraAdmin,
		"Delete a profile", "No question can be asked under it any more; its versions stay readable.")
	del.DefaultStatus = http.StatusNoContent
	huma.Register(api, del, func(ctx context.Context, in *Named) (*struct{}, error) {
		return nil, s.deleteProfile(ctx, in.Name)
	})
}

// everywhere refuses a credential that is for some projects only: profiles are
// the installation's.
func everywhere(ctx context.Context) error {
	if p, ok := auth.FromContext(ctx); ok && !p.CanTouch("") {
		return problem.New(problem.Forbidden, "this credential is for some projects only, and a profile is for all of them")
	}
	return nil
}

func subject(ctx context.Context) string {
	if p, ok := auth.FromContext(ctx); ok {
		return p.Subject
	}
	return ""
}

func sentences(p metrics.Profile) []string {
	var out []string
	for _, r := range p.Rules() {
		out = append(out, r.Text)
	}
	return out
}

func profileOf(p metrics.Profile) profileBody {
	b := profileBody{
		Name: p.Name, Summary: p.Summary, BuiltIn: p.Base == "", Version: p.Version, VersionLast: p.Version,
		Rules: sentences(p), Choices: p.Rules(), Limits: p.Limits,
		Unit: p.Choices.Unit, Percentile: p.Choices.Percentile, Edition: p.Choices.Edition, Levels: p.Bounds,
	}
	if b.Limits == nil {
		b.Limits = []string{}
	}
	if p.Base != "" {
		b.Base = &p.Base
	}
	return b
}

// storedProfile describes a stored version. One that this version of the program
// does not understand any more is still shown, without rules.
func storedProfile(stored StoredProfile) (profileBody, error) {
	p, err := metrics.ParseProfile([]byte(stored.Spec))
	var fault *event.FieldError
	if errors.As(err, &fault) {
		p = metrics.Profile{Name: stored.Name, Base: metrics.ProfileDORA2025, Summary: "This version of the program does not understand it: " + fault.Error(),
			Limits: []string{fault.Error()}}
	} else if err != nil {
		return profileBody{}, err
	}
	b := profileOf(p)
	b.Version, b.VersionLast = stored.Version, stored.Version
	b.Source, b.UpdatedAt, b.UpdatedBy = &stored.Spec, stamp(stored.CreatedAt), &stored.CreatedBy
	return b, nil
}

// profileNow is a profile as it is shown: a built-in one, or a version of a
// stored one. Of a deleted one it is the last that was written.
func (s *Service) profileNow(ctx context.Context, name string, version int64) (profileBody, error) {
	if metrics.BuiltIn(name) {
		p, err := metrics.ProfileNamed(name)
		return profileOf(p), err
	}
	last, err := s.store.UserProfile(ctx, name, 0)
	if errors.Is(err, ErrNotFound) {
		return profileBody{}, notFoundf("there is no profile %q", name)
	}
	if err != nil {
		return profileBody{}, err
	}
	stored, deleted := last, (*time.Time)(nil)
	if last.Spec == "" {
		deleted = stamp(last.CreatedAt)
		if version == 0 {
			version = last.Version - 1
		}
	}
	if version != 0 && version != last.Version {
		if stored, err = s.store.UserProfile(ctx, name, version); errors.Is(err, ErrNotFound) {
			return profileBody{}, notFoundf("the profile %q has no version %d; the newest is %d", name, version, last.Version)
		} else if err != nil {
			return profileBody{}, err
		}
	}
	if stored.Spec == "" {
		return profileBody{}, notFoundf("with version %d the profile %q was deleted; ask for %d", version, name, version-1)
	}
	b, err := storedProfile(stored)
	b.DeletedAt, b.VersionLast = deleted, last.Version
	return b, err
}

// profile is the profile that a question names.
func (s *Service) profile(ctx context.Context, name string) (metrics.Profile, error) {
	if name == "" || metrics.BuiltIn(name) {
		return metrics.ProfileNamed(name)
	}
	stored, err := s.store.UserProfile(ctx, name, 0)
	switch {
	case errors.Is(err, ErrNotFound):
		return metrics.Profile{}, s.unknownProfile(ctx, name, "")
	case err != nil:
		return metrics.Profile{}, err
	case stored.Spec == "":
		return metrics.Profile{}, s.unknownProfile(ctx, name, fmt.Sprintf(": it was deleted; `fawkes dora profile show %s` shows what it was", name))
	}
	p, err := metrics.ParseProfile([]byte(stored.Spec))
	if err != nil {
		return p, event.Fault("profile", "%q cannot be used by this version of the program: %s", name, err)
	}
	p.Version = stored.Version
	return p, nil
}

func (s *Service) unknownProfile(ctx context.Context, name, why string) error {
	var names []string
	for _, p := range metrics.Profiles() {
		names = append(names, p.Name)
	}
	own, err := s.store.UserProfiles(ctx)
	if err != nil {
		return err
	}
	for _, p := range own {
		names = append(names, p.Name)
	}
	return event.Fault("profile", "%q is not one of %s%s", name, strings.Join(names, ", "), why)
}

func (s *Service) putProfile(ctx context.Context, name string, file []byte) (*profileOutput, error) {
	if err := everywhere(ctx); err != nil {
		return nil, err
	}
	if metrics.BuiltIn(name) {
		return nil, problem.New(problem.InvalidField, "%q is a built-in profile", name).WithField("path.name").WithMend("take another name, and write `base: " + name + "`")
	}
	p, err := metrics.ParseProfile(file)
	if err != nil {
		var fault *event.FieldError
		if errors.As(err, &fault) {
			return nil, problem.New(problem.InvalidField, "%s", fault.Detail).WithField("body." + fault.Field).WithCause(err)
		}
		return nil, err
	}
	if p.Name != name {
		return nil, problem.New(problem.InvalidField, "the file describes %q, the address names %q", p.Name, name).WithField("body.name")
	}
	stored, err := s.store.PutProfile(ctx, StoredProfile{Name: name, Spec: string(file), CreatedAt: event.Micros(s.clock.Now()), CreatedBy: subject(ctx)})
	if err != nil {
		return nil, err
	}
	if err := s.audit(ctx, ActionProfileWritten, "", name, fmt.Sprintf("version %d", stored.Version)); err != nil {
		return nil, err
	}
	b, err := storedProfile(stored)
	return &profileOutput{b}, err
}

func (s *Service) deleteProfile(ctx context.Context, name string) error {
	if err := everywhere(ctx); err != nil {
		return err
	}
	if metrics.BuiltIn(name) {
		return problem.New(problem.InvalidField, "%q is a built-in profile and stays", name).WithField("path.name")
	}
	stored, err := s.store.PutProfile(ctx, StoredProfile{Name: name, CreatedAt: event.Micros(s.clock.Now()), CreatedBy: subject(ctx)})
	if errors.Is(err, ErrNotFound) {
		return notFoundf("there is no profile %q", name)
	}
	if err != nil {
		return err
	}
	return s.audit(ctx, ActionProfileDeleted, "", name, fmt.Sprintf("version %d", stored.Version))
}
