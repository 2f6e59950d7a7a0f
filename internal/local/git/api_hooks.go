package git

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
	"github.com/fawkes-idp/fawkes/internal/kit/webhook"
)

type hookInfo struct {
	Name       string    `json:"name" example:"dora"`
	URL        string    `json:"url"`
	Events     []string  `json:"events" nullable:"false"`
	Repository string    `json:"repository" doc:"owner/name, or * for all; behind it, with a !, those to leave out: * !fawkes/environments."`
	Active     bool      `json:"active"`
	Signed     bool      `json:"signed" doc:"Whether it has a secret, which is never shown."`
	Created    time.Time `json:"created_at"`
}

type putHook struct {
	Name string `path:"name" maxLength:"64" pattern:"^[a-z0-9][a-z0-9-]*$" example:"dora"`
	Body struct {
		URL        string   `json:"url" maxLength:"2000" example:"http://127.0.0.1:8080/webhooks/dora/github"`
		Secret     *string  `json:"secret,omitempty" maxLength:"500" doc:"Signs deliveries (X-Hub-Signature-256). It is never shown; absent keeps the one there is."`
		Events     []string `json:"events,omitempty" maxItems:"3" doc:"push, create and delete; push when absent." nullable:"false"`
		Repository string   `json:"repository,omitempty" maxLength:"1000" default:"*" doc:"owner/name, or * for all; behind it, with a !, those to leave out: * !fawkes/environments."`
		Active     *bool    `json:"active,omitempty" doc:"True when absent. Pushes while it is not active are not told later."`
	}
}

type hookAnswer struct{ Body hookInfo }

type hooksAnswer struct {
	Body struct {
		Items []hookInfo `json:"items" nullable:"false"`
	}
}

// DeliveryInfo is a delivery as the API shows it.
type DeliveryInfo struct {
	ID         string     `json:"id"`
	Key        string     `json:"guid" doc:"X-GitHub-Delivery."`
	Hook       string     `json:"hook"`
	Event      string     `json:"event" example:"push"`
	Repository string     `json:"repository"`
	Ref        string     `json:"ref"`
	State      string     `json:"state" enum:"pending,delivered,dead"`
	Attempts   int        `json:"attempts"`
	Status     *int       `json:"status" doc:"Of the last answer; null when there was none."`
	Error      *string    `json:"error" doc:"Why the last attempt failed."`
	Created    time.Time  `json:"created_at"`
	Next       *time.Time `json:"next_at" doc:"Of a pending one: not before."`
	Delivered  *time.Time `json:"delivered_at"`
}

type deliveriesAnswer struct {
	Body struct {
		Items      []DeliveryInfo `json:"items" nullable:"false"`
		NextCursor string         `json:"next_cursor,omitempty" doc:"Absent on the last page."`
	}
}

type deliveryAnswer struct {
	Body struct {
		DeliveryInfo
		Payload json.RawMessage `json:"payload" doc:"The body that is sent."`
	}
}

type deliveryID64 struct {
	ID string `path:"id" maxLength:"19" pattern:"^[0-9]+$"`
}

func (s *Service) registerHooks(api huma.API) {
	const tag = "hooks"
	huma.Register(api, operation(http.MethodGet, "/hooks", "list-hooks", tag, "List hooks, without their secrets", auth.ScopeGitRead), s.listHooks)
	huma.Register(api, operation(http.MethodPut, "/hooks/{name}", "put-hook", tag, "Add a hook, or replace it", auth.ScopeGitAdmin, 422), s.putHook)
	huma.Register(api, operation(http.MethodDelete, "/hooks/{name}", "delete-hook", tag, "Remove a hook; what waits for it is given up", auth.ScopeGitAdmin, 404), s.deleteHook)
	huma.Register(api, operation(http.MethodGet, "/deliveries", "list-deliveries", tag, "List deliveries to hooks, the newest first", auth.ScopeGitRead, 400), s.listDeliveries)
	huma.Register(api, operation(http.MethodGet, "/deliveries/{id}", "get-delivery", tag, "Show a delivery with its body", auth.ScopeGitRead, 404), s.getDelivery)
	again := operation(http.MethodPost, "/deliveries/{id}/redeliver", "redeliver", tag, "Deliver once more, with the same id", auth.ScopeGitWrite, 404)
	again.DefaultStatus = http.StatusAccepted
	huma.Register(api, again, s.redeliver)
}

func toHookInfo(h Hook) hookInfo {
	return hookInfo{h.Name, h.URL, h.Events, h.Repository, h.Active, h.Secret != "", h.Created}
}

func (s *Service) listHooks(ctx context.Context, _ *struct{}) (*hooksAnswer, error) {
	all, err := s.store.hooks(ctx, s.store.db.Read)
	a := &hooksAnswer{}
	a.Body.Items = each(all, toHookInfo)
	return a, err
}

func (s *Service) putHook(ctx context.Context, in *putHook) (*hookAnswer, error) {
	b := in.Body
	u, err := url.Parse(b.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, problem.New(problem.InvalidField, "it is no address that hooks can be told at").WithField("body.url").WithMend("give http:// or https://, a host and a path, without a password")
	}
	if b.Repository == "" {
		b.Repository = everyRepository
	}
	if bad := badPattern(b.Repository); bad != "" {
		return nil, problem.New(problem.InvalidField, "%q is neither owner/name nor *", clip(bad, 140)).WithField("body.repository")
	}
	if len(b.Events) == 0 {
		b.Events = []string{eventPush}
	}
	for _, e := range b.Events {
		if !slices.Contains([]string{eventPush, eventCreate, eventDelete}, e) {
			return nil, problem.New(problem.InvalidField, "%q is no event", clip(e, 40)).WithField("body.events").WithMend("use push, create and delete")
		}
	}
	slices.Sort(b.Events)
	h := Hook{Name: in.Name, URL: b.URL, Events: slices.Compact(b.Events), Repository: b.Repository, Active: b.Active == nil || *b.Active, Created: s.clock.Now()}
	there, err := s.store.hook(ctx, in.Name)
	switch {
	case err == nil:
		h.Secret, h.Created = there.Secret, there.Created
	case !errors.Is(err, ErrNotFound):
		return nil, err
	}
	if b.Secret != nil {
		h.Secret = *b.Secret
	}
	if err := s.store.putHook(ctx, h); err != nil {
		return nil, err
	}
	s.outbox.Wake()
	return &hookAnswer{toHookInfo(h)}, nil
}

func (s *Service) deleteHook(ctx context.Context, in *struct {
	Name string `path:"name" maxLength:"64"`
}) (*struct{}, error) {
	err := s.store.removeHook(ctx, in.Name)
	if errors.Is(err, ErrNotFound) {
		return nil, problem.New(problem.NotFound, "there is no hook %q", clip(in.Name, 64))
	}
	s.outbox.Wake()
	return nil, err
}

func toDeliveryInfo(d webhook.Delivery) DeliveryInfo {
	i := DeliveryInfo{
		ID: strconv.FormatInt(d.ID, 10), Key: d.Key, Hook: d.Target, Event: d.Note["event"], Repository: d.Note["repository"], Ref: d.Note["ref"],
		State: d.State, Attempts: d.Attempts, Error: text(d.Error), Created: d.Created, Delivered: moment(d.At),
	}
	if d.Status != 0 {
		i.Status = &d.Status
	}
	if d.State == webhook.Pending {
		i.Next = moment(d.Next)
	}
	return i
}

func (s *Service) listDeliveries(ctx context.Context, in *struct {
	Listing
	Hook  string `query:"hook" maxLength:"64" doc:"Only to this hook."`
	State string `query:"state" enum:"pending,delivered,dead" doc:"Only in this state."`
}) (*deliveriesAnswer, error) {
	f := webhook.Filter{Target: in.Hook, State: in.State, Limit: in.Limit}
	if in.Cursor != "" {
		words, err := in.place(1)
		if err != nil {
			return nil, err
		}
		if f.Before, err = strconv.ParseInt(words[0], 10, 64); err != nil || f.Before <= 0 {
			return nil, badCursor()
		}
	}
	items, next, err := s.outbox.List(ctx, f)
	if err != nil {
		return nil, err
	}
	a := &deliveriesAnswer{}
	a.Body.Items = each(items, toDeliveryInfo)
	if next > 0 {
		a.Body.NextCursor = cursor(strconv.FormatInt(next, 10))
	}
	return a, nil
}

func (d deliveryID64) number() int64 {
	n, err := strconv.ParseInt(d.ID, 10, 64)
	if err != nil {
		return 0 // no delivery has it
	}
	return n
}

func noDelivery(err error, id string) error {
	if errors.Is(err, webhook.ErrNotFound) {
		return problem.New(problem.NotFound, "there is no delivery %s", id)
	}
	return err
}

func (s *Service) getDelivery(ctx context.Context, in *deliveryID64) (*deliveryAnswer, error) {
	d, body, err := s.outbox.Get(ctx, in.number())
	if err != nil {
		return nil, noDelivery(err, in.ID)
	}
	a := &deliveryAnswer{}
	a.Body.DeliveryInfo, a.Body.Payload = toDeliveryInfo(d), body
	return a, nil
}

func (s *Service) redeliver(ctx context.Context, in *deliveryID64) (*struct{}, error) {
	return nil, noDelivery(s.outbox.Redeliver(ctx, in.number()), in.ID)
}
