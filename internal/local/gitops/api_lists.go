package gitops

import (
	"context"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

type difference struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Change string `json:"change" enum:"create,update,delete,none"`
	Patch  string `json:"patch" doc:"Unified difference of the normalised YAML, from what runs to what is wanted; empty for none."`
}

type differenceList struct {
	Revision  *string      `json:"revision" doc:"The commit that is compared with."`
	Resources []difference `json:"resources" nullable:"false"`
}

func (s *server) diff(ctx context.Context, in *NamePath) (*struct{ Body differenceList }, error) {
	a, err := s.e.store.Application(ctx, in.Name)
	if err != nil {
		return nil, answer(err, "application", in.Name)
	}
	if a.Present {
		if _, err := s.e.objects(ctx, a, a.Tree); err != nil {
			return nil, problem.New(problem.Conflict, "%s", short(err.Error(), 1000)).WithMend("correct the file and push")
		}
	}
	differences, err := s.differences(ctx, a)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body differenceList }{}
	out.Body.Revision, out.Body.Resources = text(a.Revision), []difference{}
	for _, d := range differences {
		out.Body.Resources = append(out.Body.Resources, difference{d.Kind, d.Name, d.Change, d.Patch})
	}
	return out, nil
}

type historyInfo struct {
	ID             int64      `json:"id"`
	Kind           string     `json:"kind" enum:"sync,rollback,heal"`
	Revision       string     `json:"revision"`
	Digest         *string    `json:"digest"`
	SourceRevision *string    `json:"source_revision"`
	Phase          string     `json:"phase" enum:"Running,Succeeded,Failed,Error"`
	Message        string     `json:"message"`
	StartedAt      time.Time  `json:"started_at"`
	FinishedAt     *time.Time `json:"finished_at"`
	InitiatedBy    string     `json:"initiated_by"`
	RollbackOf     *int64     `json:"rollback_of" doc:"The operation that this one undoes."`
}

func toHistory(o Operation) historyInfo {
	i := toOperation(o)
	h := historyInfo{o.ID, o.Kind, o.Revision, text(digestOf(o.Detail.Images)), text(o.Detail.Annotations["fawkes.dev/revision"]), o.Phase, o.Message, o.Started, moment(o.Finished), i.InitiatedBy, nil}
	if o.RollbackOf > 0 {
		h.RollbackOf = &o.RollbackOf
	}
	return h
}

func (s *server) history(ctx context.Context, in *struct {
	NamePath
	Listing
}) (*struct{ Body page[historyInfo] }, error) {
	if _, err := s.e.store.Application(ctx, in.Name); err != nil {
		return nil, answer(err, "application", in.Name)
	}
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	rows, err := s.e.store.Operations(ctx, in.Name, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body page[historyInfo] }{}
	rows, out.Body.NextCursor = paged(in.Listing, rows, func(o Operation) int64 { return o.ID })
	out.Body.Items = each(rows, toHistory)
	return out, nil
}

func each[T, R any](all []T, to func(T) R) []R {
	out := make([]R, 0, len(all))
	for _, v := range all {
		out = append(out, to(v))
	}
	return out
}

type instanceInfo struct {
	Name      string     `json:"name"`
	Digest    *string    `json:"digest"`
	State     string     `json:"state"`
	Ready     bool       `json:"ready"`
	Restarts  int        `json:"restarts"`
	StartedAt *time.Time `json:"started_at"`
	Port      *int       `json:"port"`
	LastExit  *string    `json:"last_exit" doc:"Why the program before this one ended."`
}

func (s *server) instances(ctx context.Context, in *NamePath) (*struct{ Body page[instanceInfo] }, error) {
	if _, err := s.e.store.Application(ctx, in.Name); err != nil {
		return nil, answer(err, "application", in.Name)
	}
	out := &struct{ Body page[instanceInfo] }{}
	out.Body.Items = each(s.e.cluster.Instances(in.Name), func(i Instance) instanceInfo {
		one := instanceInfo{i.Name, text(i.Digest), i.State, i.Ready, i.Restarts, moment(i.Started), nil, text(i.LastExit)}
		if i.Port > 0 {
			one.Port = &i.Port
		}
		return one
	})
	return out, nil
}

type logText struct {
	Instance string `json:"instance" doc:"As asked for; empty for the newest."`
	Text     string `json:"text"`
}

func (s *server) logs(ctx context.Context, in *struct {
	NamePath
	Instance string `query:"instance" maxLength:"200" doc:"Name of a copy; the newest when absent."`
	Tail     int    `query:"tail" minimum:"1" maximum:"10000" default:"200" doc:"How many lines."`
}) (*struct{ Body logText }, error) {
	if _, err := s.e.store.Application(ctx, in.Name); err != nil {
		return nil, answer(err, "application", in.Name)
	}
	lines, err := s.e.cluster.Logs(in.Name, in.Instance, in.Tail)
	if err != nil {
		return nil, problem.New(problem.NotFound, "there are no logs: %s", short(err.Error(), 300))
	}
	const most = 512 << 10
	if len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	return &struct{ Body logText }{logText{in.Instance, short(lines, most)}}, nil
}

type environmentInfo struct {
	Name         string     `json:"name"`
	Kind         string     `json:"kind" enum:"development,staging,production"`
	From         *string    `json:"from" doc:"The environment that it is promoted from."`
	Promote      *string    `json:"promote" doc:"automatic or approval; null where nothing is promoted to it."`
	Sync         string     `json:"sync" enum:"automatic,manual"`
	Rollback     string     `json:"rollback" enum:"automatic,manual"`
	Windows      []string   `json:"windows" nullable:"false"`
	Open         bool       `json:"open" doc:"Whether it may be changed now."`
	Reason       *string    `json:"reason" doc:"Why it may not."`
	OpensAt      *time.Time `json:"opens_at" doc:"When it may again; null when it is open, or not within eight days."`
	Applications int        `json:"applications"`
}

type environmentList struct {
	Items   []environmentInfo `json:"items" nullable:"false"`
	Problem *string           `json:"problem" doc:"Why the environment repository, or a part of it, is not read; null when all is well."`
}

func (s *server) listEnvironments(ctx context.Context, _ *struct{}) (*struct{ Body environmentList }, error) {
	apps, err := s.e.store.Applications(ctx)
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, a := range apps {
		if a.Present || a.Applied {
			count[a.Environment]++
		}
	}
	now, repo := s.e.clock.Now(), s.e.repository()
	out := &struct{ Body environmentList }{}
	out.Body.Items, out.Body.Problem = []environmentInfo{}, text(repo.problem)
	for _, env := range repo.environments {
		open, why := env.Open(now)
		one := environmentInfo{Name: env.Name, Kind: env.Kind, From: text(env.From), Promote: text(env.Promote), Sync: env.Sync, Rollback: env.Rollback,
			Windows: []string{}, Open: open, Reason: text(why), Applications: count[env.Name]}
		for _, w := range env.Windows {
			one.Windows = append(one.Windows, w.String())
		}
		if !open {
			if at, ok := env.NextOpen(now); ok {
				one.OpensAt = &at
			}
		}
		out.Body.Items = append(out.Body.Items, one)
	}
	return out, nil
}

type promotionInfo struct {
	ID             int64      `json:"id"`
	Service        string     `json:"service"`
	From           string     `json:"from"`
	To             string     `json:"to"`
	Digest         *string    `json:"digest"`
	SourceRevision *string    `json:"source_revision"`
	State          string     `json:"state" enum:"waiting_health,waiting_approval,promoting,done,rejected,superseded"`
	Reason         *string    `json:"reason"`
	Commit         *string    `json:"commit" doc:"Of the environment repository; null before, and where there was nothing to change."`
	RequestedAt    time.Time  `json:"requested_at"`
	RequestedBy    *string    `json:"requested_by" doc:"Null when it came by itself."`
	DecidedAt      *time.Time `json:"decided_at"`
	DecidedBy      *string    `json:"decided_by"`
}

func toPromotion(p Promotion) promotionInfo {
	return promotionInfo{p.ID, p.Service, p.From, p.To, text(p.Digest), text(p.SourceRevision), p.State, text(p.Reason), text(p.Commit), p.Requested, text(p.RequestedBy), moment(p.Decided), text(p.DecidedBy)}
}

func (s *server) listPromotions(ctx context.Context, in *struct {
	Listing
	Service string `query:"service" maxLength:"63"`
	State   string `query:"state" enum:"waiting_health,waiting_approval,promoting,done,rejected,superseded"`
}) (*struct{ Body page[promotionInfo] }, error) {
	before, err := in.before()
	if err != nil {
		return nil, err
	}
	rows, err := s.e.store.Promotions(ctx, in.Service, in.State, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body page[promotionInfo] }{}
	rows, out.Body.NextCursor = paged(in.Listing, rows, func(p Promotion) int64 { return p.ID })
	out.Body.Items = each(rows, toPromotion)
	return out, nil
}
