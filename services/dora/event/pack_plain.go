package event

import "time"

// Deployments and incidents come one by one, many in a second, and reflection
// would be the dearest part of taking one. plain writes exactly what
// encoding/json writes of them, and declines texts that need an escape.
type plain struct {
	out      []byte
	declined bool
}

// packPlain packs a body without reflection; ok is false when it cannot.
func packPlain(b Body) (packed []byte, ok bool) {
	p := plain{out: make([]byte, 0, 512)}
	switch b := b.(type) {
	case *Deployment:
		p.declined = b.ManifestRepos.Present
		p.id(b.ID)
		p.text("service", b.Service)
		p.text("environment", b.Environment)
		p.text("repo", b.Repo)
		p.text("sha", b.SHA)
		p.text("digest", b.Digest)
		p.text("outcome", b.Outcome)
		p.time("started_at", b.StartedAt)
		p.time("finished_at", b.FinishedAt)
		p.flag("unplanned", b.Unplanned)
		p.text("title", b.Title)
		p.text("url", b.URL)
	case *Incident:
		p.id(b.ID)
		p.text("service", b.Service)
		p.text("environment", b.Environment)
		p.text("repo", b.Repo)
		p.time("opened_at", b.OpenedAt)
		p.time("resolved_at", b.ResolvedAt)
		p.text("severity", b.Severity)
		p.text("caused_by_deployment", b.CausedByDeployment)
		p.text("digest", b.Digest)
		p.text("sha", b.SHA)
		p.text("title", b.Title)
		p.text("url", b.URL)
	default:
		return nil, false
	}
	return append(p.out, '}'), !p.declined
}

func (p *plain) id(id string) {
	p.out = append(p.out, `{"id":`...)
	p.quote(id)
}

// field begins a field; known is false when its value is null, which it writes.
func (p *plain) field(name string, known bool) bool {
	p.out = append(append(append(p.out, ',', '"'), name...), '"', ':')
	if !known {
		p.out = append(p.out, "null"...)
	}
	return known
}

func (p *plain) text(name string, o Opt[string]) {
	if o.Present && p.field(name, o.Known) {
		p.quote(o.V)
	}
}

func (p *plain) time(name string, o Opt[Time]) {
	if !o.Present || !p.field(name, o.Known) {
		return
	}
	if t := o.V.Std(); o.V == 0 || t.Year() < 0 || t.Year() > 9999 {
		p.declined = true
	} else {
		p.out = append(t.AppendFormat(append(p.out, '"'), time.RFC3339Nano), '"')
	}
}

func (p *plain) flag(name string, o Opt[bool]) {
	if !o.Present || !p.field(name, o.Known) {
		return
	}
	if o.V {
		p.out = append(p.out, "true"...)
	} else {
		p.out = append(p.out, "false"...)
	}
}

func (p *plain) quote(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			p.declined = true
			return
		}
	}
	p.out = append(append(append(p.out, '"'), s...), '"')
}
