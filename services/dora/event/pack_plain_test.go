package event

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// The key of an event without a delivery id is a hash of its packed body: both
// ways of packing must give the same bytes, or one event would be two.
func TestPackingWithoutReflectionGivesTheSameBytes(t *testing.T) {
	texts := rapid.OneOf(rapid.StringMatching(`[ -~]{0,20}`), rapid.String(), rapid.Just(`<b>&"\`), rapid.Just("é\u2028\x7f"))
	plainly := 0
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) Opt[string] {
			return Opt[string]{V: texts.Draw(t, name), Present: rapid.Bool().Draw(t, name+" present"), Known: rapid.Bool().Draw(t, name+" known")}
		}
		at := func(name string) Opt[Time] {
			return Opt[Time]{
				V:       Time(rapid.OneOf(rapid.Int64Range(0, 7e15), rapid.Int64Range(-1e18, 1e18)).Draw(t, name)),
				Present: rapid.Bool().Draw(t, name+" present"), Known: rapid.Bool().Draw(t, name+" known"),
			}
		}
		for _, b := range []Body{
			&Deployment{
				ID: texts.Draw(t, "id"), Service: text("service"), Environment: text("environment"), Repo: text("repo"), SHA: text("sha"),
				Digest: text("digest"), Outcome: text("outcome"), StartedAt: at("started"), FinishedAt: at("finished"),
				Unplanned: Opt[bool]{V: rapid.Bool().Draw(t, "unplanned"), Present: true, Known: rapid.Bool().Draw(t, "flag known")},
				Title:     text("title"), URL: text("url"),
			},
			&Incident{
				ID: texts.Draw(t, "id"), Service: text("service"), Environment: text("environment"), Repo: text("repo"), OpenedAt: at("opened"),
				ResolvedAt: at("resolved"), Severity: text("severity"), CausedByDeployment: text("caused"), Digest: text("digest"),
				SHA: text("sha"), Title: text("title"), URL: text("url"),
			},
		} {
			got, ok := packPlain(b)
			if !ok {
				continue
			}
			plainly++
			want, err := json.Marshal(b)
			if err != nil {
				t.Fatalf("it packs %s, which encoding/json does not: %v", got, err)
			}
			if string(got) != string(want) {
				t.Fatalf("got  %s\nwant %s", got, want)
			}
		}
	})
	if plainly == 0 {
		t.Fatal("no body was packed without reflection")
	}
}
