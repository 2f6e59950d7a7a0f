package dora

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// What became of a quarantined delivery.
const (
	statusOpen      = "open"
	statusReplayed  = "replayed"
	statusDiscarded = "discarded"
)

// Bounds of the quarantine.
const (
	keptBody      = 1 << 20             // of a body; what is longer is cut, and not replayed as it is
	keptText      = 500                 // of a text about it
	keptQuery     = 4 << 10             // of its query, and of each header
	keptRow       = 1 << 10             // what a row takes beside its body
	settledFor    = 30 * 24 * time.Hour // how long what was replayed or discarded is kept
	purgeEvery    = time.Hour
	quarantineMiB = 256 // the space of all unless configured
	shares        = 8   // a sender may take this part of the space
)

// Quarantined is a delivery that could not be read.
type Quarantined struct {
	ID         int64
	ReceivedAt event.Time
	Source     string // who reads it: a kind, "devlake:NAME", or "events" for the bulk format
	SourceName string // of the webhook source that it came by, "" for none
	Room       string // whose share of the space it takes
	Project    string
	Kind       string // what the source called it
	Delivery   string // the source's id of it
	Field      string
	Detail     string
	Size       int64
	Body       []byte // at most 1 MiB
	Truncated  bool   // there was more
	Path       string // what follows the kind's path
	Query      string // without secrets
	Header     http.Header

	Status    string
	Attempts  int        // replays that were tried
	LastError string     // of the last that failed for another reason than the field
	TriedAt   event.Time // of the last
	SettledAt event.Time // when it was replayed or discarded
	SettledBy string
}

// QuarantineFilter says which quarantined deliveries; what is empty is any.
type QuarantineFilter struct {
	Project  string
	Projects []string // only of these: what the caller may touch
	Source   string   // "github", "devlake:shop", or "devlake" for all of its connections
	Status   string
}

// Space bounds what the quarantine holds, in bytes.
type Space struct {
	Total int64
	Share int64 // of one sender
}

// quarantine keeps a delivery that could not be read. That it could not be kept
// is logged: the sender hears of its fault all the same.
func (s *Service) quarantine(ctx context.Context, q Quarantined, err error, body []byte) {
	q.blame(err)
	q.ReceivedAt, q.Status = event.Micros(s.clock.Now()), statusOpen
	q.Size = max(q.Size, int64(len(body)))
	q.Body = append([]byte{}, body[:min(len(body), keptBody)]...)
	q.Truncated = q.Size > int64(len(q.Body))
	if q.Room == "" {
		q.Room = q.Source
		if p, ok := auth.FromContext(ctx); ok {
			q.Room += " by " + p.Subject
		}
	}
	for _, t := range []*string{&q.Source, &q.SourceName, &q.Room, &q.Project, &q.Kind, &q.Delivery, &q.Field, &q.Detail, &q.Path} {
		*t = cleanText(*t, keptText)
	}
	_, dropped, kerr := s.store.Quarantine(ctx, q, s.space())
	if kerr != nil {
		s.log.ErrorContext(ctx, "a malformed delivery was not kept", "source", q.Source, "error", kerr)
		return
	}
	if dropped > 0 {
		s.count.dropped.Add(float64(dropped))
		s.log.WarnContext(ctx, "the quarantine is full: the oldest deliveries were dropped", "source", q.Source, "dropped", dropped)
	}
}

// space is how much the quarantine may hold.
func (s *Service) space() Space {
	total := int64(s.cfg.QuarantineMiB) << 20
	if total <= 0 {
		total = quarantineMiB << 20
	}
	return Space{Total: total, Share: max(total/shares, 2*keptBody)}
}

// blame notes why a delivery cannot be read.
func (q *Quarantined) blame(err error) {
	var fault *event.FieldError
	if errors.As(err, &fault) {
		q.Field, q.Detail = fault.Field, fault.Detail
		return
	}
	q.Field, q.Detail = "", err.Error()
}

// cleanText makes a text fit to store.
func cleanText(t string, most int) string {
	t = strings.ToValidUTF8(strings.ReplaceAll(t, "\x00", "�"), "�")
	return strings.ToValidUTF8(t[:min(len(t), most)], "")
}

// ofDelivery is what is kept of a delivery to a kind, beside its body: the
// headers that reading needs and the query, which no longer has the token.
func ofDelivery(k intake.Kind, src Source, req intake.Request, res intake.Result) Quarantined {
	q := Quarantined{Source: k.Name, SourceName: src.Name, Project: src.Project, Kind: res.Kind, Delivery: res.Delivery, Path: req.Path, Header: http.Header{}}
	q.Room = k.Name + " " + src.Name
	if src.Name == "" {
		q.Room += "by " + src.CreatedBy
	}
	if text := req.Query.Encode(); len(text) <= keptQuery {
		q.Query = text
	}
	for _, name := range k.Keep {
		for _, v := range req.Header.Values(name) {
			q.Header.Add(name, cleanText(v, keptQuery))
		}
	}
	return q
}

// request is the delivery as it came, for its kind to read again.
func (q Quarantined) request(body []byte) (intake.Request, error) {
	query, err := url.ParseQuery(q.Query)
	if err != nil {
		return intake.Request{}, event.Fault("query", "cannot be read again: %s", err)
	}
	return intake.Request{Path: q.Path, Query: query, Header: q.Header, Body: body, Source: q.SourceName, Project: q.Project, Received: q.ReceivedAt}, nil
}

// purge forgets, now and then, what was replayed or discarded long ago.
func (s *Service) purge(ctx context.Context) {
	for {
		if n, err := s.store.PurgeQuarantine(ctx, event.Micros(s.clock.Now().Add(-settledFor))); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "settled deliveries were not removed from the quarantine", "error", err)
		} else if n > 0 {
			s.log.InfoContext(ctx, "settled deliveries were removed from the quarantine", "removed", n)
		}
		timer := time.NewTimer(purgeEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}
