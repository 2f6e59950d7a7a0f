// Package relay runs the commands of `fawkes dora relay` as a person does, against the whole platform and a server in the
// shape of DevLake that refuses, fails and comes back as a script says.
package relay

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fawkes-idp/fawkes/internal/cli"
	"github.com/fawkes-idp/fawkes/internal/sandbox"
	"github.com/fawkes-idp/fawkes/services/dora/relay/devlaketest"
)

// TestMain makes the scripts run the real program, as a process of its own.
func TestMain(m *testing.M) {
	sandbox.Init()
	testscript.Main(m, map[string]func(){
		"fawkes": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			context.AfterFunc(ctx, stop)
			os.Exit(cli.Run(ctx, "test", cli.System(), os.Args[1:]))
		},
	})
}

type lakeKey struct{}

// TestScripts runs testdata/*.txtar. Each script finds its DevLake's address in DEVLAKE and its key in DEVLAKE_KEY.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			lake := devlaketest.New(t, "/api")
			e.Values[lakeKey{}] = lake
			e.Setenv("DEVLAKE", lake.URL)
			e.Setenv("DEVLAKE_KEY", devlaketest.Key)
			home := filepath.Join(e.WorkDir, "home")
			e.Setenv("HOME", home)
			return os.MkdirAll(home, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"devlake": devlake, "says": says, "token": tokenOf},
	})
}

// devlake tells the script's DevLake how to answer from now on, and looks into it:
//
//	devlake refuse PATH STATUS MESSAGE   what is posted to …/PATH
//	devlake fail STATUS MESSAGE          everything
//	devlake heal
//	devlake has WHAT N                   connections, deployments, issues, set-ups (requests that changed something)
func devlake(ts *testscript.TestScript, neg bool, args []string) {
	lake, ok := ts.Value(lakeKey{}).(*devlaketest.Server)
	if !ok || neg || len(args) == 0 {
		ts.Fatalf("usage: devlake refuse|fail|heal|has …")
	}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		ts.Check(err)
		return n
	}
	switch verb, args := args[0], args[1:]; {
	case verb == "refuse" && len(args) == 3:
		status := number(args[1])
		lake.SetFail(func(r *http.Request) *devlaketest.Fault {
			if strings.HasSuffix(r.URL.Path, "/"+args[0]) {
				return &devlaketest.Fault{Status: status, Before: true, Message: args[2]}
			}
			return nil
		})
	case verb == "fail" && len(args) == 2:
		status := number(args[0])
		lake.SetFail(func(*http.Request) *devlaketest.Fault {
			return &devlaketest.Fault{Status: status, Before: true, Message: args[1]}
		})
	case verb == "heal":
		lake.SetFail(nil)
	case verb == "has" && len(args) == 2:
		changes := 0
		for _, p := range lake.Paths() {
			if strings.HasPrefix(p, "PATCH ") || p == "POST /projects" || p == "POST /blueprints" || p == "POST /plugins/webhook/connections" {
				changes++
			}
		}
		got, known := map[string]int{"connections": len(lake.Connections()), "deployments": len(lake.Deployments()), "issues": len(lake.Issues()), "set-ups": changes}[args[0]]
		if want := number(args[1]); !known || got != want {
			ts.Fatalf("DevLake has %d %s, want %d", got, args[0], want)
		}
	default:
		ts.Fatalf("usage: devlake refuse|fail|heal|has …")
	}
}

// says runs a program until it succeeds and its output has the words, within a deadline: says WORDS PROGRAM ARGS.
func says(ts *testscript.TestScript, _ bool, args []string) {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("says: no %q after two minutes (%v)", args[0], err)
		}
	}
}

// tokenOf makes the text of a token the one that commands use: tokenOf FILE.
func tokenOf(ts *testscript.TestScript, _ bool, args []string) {
	var made struct{ Token string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &made))
	ts.Setenv("FAWKES_TOKEN", made.Token)
}
