package cli

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// TestAStreamIsTakenUpWhereItBroke has each connection break after two events,
// with refusals that pass between.
func TestAStreamIsTakenUpWhereItBroke(t *testing.T) {
	asked := 0
	client, _ := dialTo(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked%2 == 0 {
			problem.Write(w, r, problem.New(problem.Unavailable, "too many"))
			return
		}
		after := 0
		if last := r.Header.Get("Last-Event-ID"); last != "" {
			if _, err := fmt.Sscan(last, &after); err != nil {
				t.Error(err)
			}
		}
		fmt.Fprint(w, "retry: 10\n: hello\n\n") //nolint:errcheck // a test's answer
		for n := after + 1; n <= after+2; n++ {
			fmt.Fprintf(w, "event: delivery\nid: %d\ndata: {\"seq\":%d}\n\n: still here\n\n", n, n) //nolint:errcheck // a test's answer
		}
		fmt.Fprint(w, "event: delivery\nid: ") //nolint:errcheck // broken off
	})
	var got []string
	enough := errors.New("enough")
	err := client.stream(t.Context(), "/x", nil, func(e told) error {
		got = append(got, e.ID+string(e.Data))
		if len(got) == 7 {
			return enough
		}
		return nil
	})
	if want := `1{"seq":1} 2{"seq":2} 3{"seq":3} 4{"seq":4} 5{"seq":5} 6{"seq":6} 7{"seq":7}`; !errors.Is(err, enough) || strings.Join(got, " ") != want {
		t.Errorf("%v: %v", err, got)
	}
}

func TestAStreamThatIsRefusedEnds(t *testing.T) {
	for _, code := range []problem.Code{problem.Unauthenticated, problem.Forbidden, problem.UnknownProject} {
		client, pauses := dialTo(t, func(w http.ResponseWriter, r *http.Request) { problem.Write(w, r, problem.New(code, "no")) })
		err := client.stream(t.Context(), "/x", nil, func(told) error { return nil })
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != code || len(*pauses) > 0 {
			t.Errorf("%s: %v after %d pauses", code, err, len(*pauses))
		}
	}
	client, pauses := dialTo(t, func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(problem.Unavailable, "no"))
	})
	if err := client.stream(t.Context(), "/x", nil, func(told) error { return nil }); err == nil || len(*pauses) == 0 {
		t.Errorf("a platform that has no place for it: %v after %d pauses", err, len(*pauses))
	}
}

func TestWhatIsToldFitsALine(t *testing.T) {
	var out bytes.Buffer
	g := &globals{IO: IO{Out: &out}, output: "text"}
	for _, e := range []told{
		{"delivery", "7", []byte(`{"seq":7,"project":"shop","source":"github","event":{"type":"deployment","id":"1","service":"api\u001b[2J","outcome":"success","sha":"0123456789abcdef"}}`)},
		{"projection", "7", []byte(`{"project":"shop","metrics":[{"metric":"deployment_frequency","value":0.5,"unit":"per_day"},{"metric":"change_lead_time","value":null,"unit":"seconds"}]}`)},
		{"later", "7", []byte(`{}`)},
	} {
		if err := g.printTold(e); err != nil {
			t.Fatal(err)
		}
	}
	want := "7  shop  deployment  api [2J  1  success  0123456789  by github\n7  shop  now  deployment frequency 0.5 / day  change lead time –\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	out.Reset()
	g.output = "json"
	if err := g.printTold(told{"delivery", "7", []byte(`{"seq":7}`)}); err != nil || out.String() != `{"event":"delivery","id":"7","data":{"seq":7}}`+"\n" {
		t.Errorf("%v %s", err, out.String())
	}
}
