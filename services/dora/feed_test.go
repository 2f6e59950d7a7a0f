package dora

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const eventsPath = "/api/dora/v1/events"

func TestTheFeedsFiltersMoveOn(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		var lines []string
		for n := range 40 {
			lines = append(lines, commitLine(fmt.Sprint("c", n), "2026-03-02T08:00:00Z"))
		}
		lines = append(lines, deploymentLine("d", "a", "2026-03-02T10:00:00Z"))
		s.post(lines...)
		all := get[feedBody](s, eventsPath+"?limit=1000")
		if len(all.Items) != 41 || all.Next != all.Head || all.Items[0].Source != "events" {
			t.Fatalf("%d items, next %d, head %d", len(all.Items), all.Next, all.Head)
		}
		some := get[feedBody](s, eventsPath+"?limit=1&type=deployment")
		if len(some.Items) != 1 || some.Next != all.Next {
			t.Errorf("the only deployment is found behind all commits: %+v", some)
		}
		none := get[feedBody](s, eventsPath+"?type=incident,review&source=github")
		if len(none.Items) != 0 || none.Next != all.Head {
			t.Errorf("next moves over what is left out: %+v", none)
		}
		if two := get[feedBody](s, eventsPath+"?limit=2"); len(two.Items) != 2 || two.Next != two.Items[1].Seq || two.Head != all.Head {
			t.Errorf("a page: %+v", two)
		}
		for query, field := range map[string]string{"type=thing": "query.type", "wait=26": "query.wait", "wait=-1": "query.wait", "limit=1001": "query.limit", "after=-1": "query.after"} {
			s.want(422, http.MethodGet, eventsPath+"?"+query, "", nil, field)
		}
	})
}

// TestAPlaceBehindTheEndOfTheLogIsAnError has a follower come to a log that ends
// earlier, as after the restoration of an older backup.
func TestAPlaceBehindTheEndOfTheLogIsAnError(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		if b := get[feedBody](s, eventsPath+"?after=0"); b.Head != 0 || b.Next != 0 {
			t.Errorf("an empty log: %+v", b)
		}
		s.want(409, http.MethodGet, eventsPath+"?after=1", "", nil, "cursor_beyond_head", "query.after", `"head":0`)
		s.post(numbered(1), numbered(2))
		head := get[feedBody](s, eventsPath).Head
		if b := get[feedBody](s, eventsPath+"?tail=true"); len(b.Items) != 0 || b.Next != head || b.Head != head {
			t.Errorf("the tail is %+v, want %d", b, head)
		}
		if b := get[feedBody](s, fmt.Sprintf("%s?after=%d", eventsPath, head)); len(b.Items) != 0 || b.Next != head {
			t.Errorf("at the end: %+v", b)
		}
		s.want(409, http.MethodGet, fmt.Sprintf("%s?after=%d&wait=25", eventsPath, head+1), "", nil, "cursor_beyond_head", fmt.Sprintf(`"head":%d`, head))
		s.want(409, http.MethodGet, eventsPath+"?after=9007199254740992&project=shop", "", nil, "cursor_beyond_head")
		s.want(422, http.MethodGet, eventsPath+"?after=1&tail=true", "", nil, "query.tail")
		s.want(409, http.MethodGet, fmt.Sprintf("/api/dora/v1/stream?after=%d", head+5), "", nil, "cursor_beyond_head", fmt.Sprintf(`"head":%d`, head))
	})
}

func TestTheFeedWaitsForWhatIsAskedFor(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.post(numbered(1))
		head := get[feedBody](s, eventsPath).Head
		began := time.Now()
		if b := get[feedBody](s, fmt.Sprintf("%s?after=%d&wait=1", eventsPath, head)); len(b.Items) != 0 || b.Next != head || time.Since(began) < time.Second {
			t.Errorf("nothing came, after %s: %+v", time.Since(began), b)
		}
		answer := make(chan feedBody)
		go func() {
			answer <- get[feedBody](s, fmt.Sprintf("%s?after=%d&wait=25&type=deployment", eventsPath, head))
		}()
		s.post(commitLine("z", "2026-03-02T08:00:00Z")) // not what is waited for
		s.post(deploymentLine("d", "a", "2026-03-02T10:00:00Z"))
		select {
		case b := <-answer:
			if len(b.Items) != 1 || !strings.Contains(string(b.Items[0].Event), `"deployment"`) {
				t.Errorf("the deployment was waited for: %+v", b)
			}
		case <-time.After(20 * time.Second):
			t.Error("the deployment came, and the feed did not answer")
		}
	})
}
