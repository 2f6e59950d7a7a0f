package crash

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/tests/process"
)

// TestARestorationKilledAnywhereLeavesOneState kills `fawkes restore` at
// different moments: what the next start finds is the old state or the new one,
// whole, and a backup that is killed leaves no file under its name.
func TestARestorationKilledAnywhereLeavesOneState(t *testing.T) {
	program, dir := process.Build(t, "fawkes"), t.TempDir()
	run := func(state string, args ...string) *exec.Cmd {
		return exec.Command(program, append([]string{"--state", state}, args...)...)
	}
	fresh := func(name string, events int) (state string, want map[string]bool) {
		state = filepath.Join(dir, name)
		p := process.Up(t, program, state)
		client := newClient()
		defer client.CloseIdleConnections()
		want = map[string]bool{}
		for n := range events {
			id := name + string(rune('a'+n%26)) + string(rune('a'+n/26))
			if !send(client, p.URL, p.Token, id) {
				t.Fatal("an event was not acknowledged")
			}
			want[id] = true
		}
		if name == "new" { // copied while it runs
			if text, err := run(state, "backup", filepath.Join(dir, "copy")).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
		}
		p.Stop()
		return state, want
	}
	_, restored := fresh("new", 300)
	state, old := fresh("old", 40)
	file := filepath.Join(dir, "copy")

	if text, err := run(state, "restore", file).CombinedOutput(); err == nil {
		t.Fatalf("a state was replaced without --force:\n%s", text)
	}
	begin := time.Now()
	if text, err := run(filepath.Join(dir, "measured"), "restore", file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	took := time.Since(begin)
	found := map[string]int{}
	const tries = 12
	for n := range tries {
		cmd := run(state, "restore", "--force", file)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if n < tries-1 { // the last one may come to its end
			<-time.After(took * time.Duration(n) / (tries - 2))
			_ = cmd.Process.Kill() // it may have ended
		}
		_ = cmd.Wait() // with the signal, or well
		p := process.Up(t, program, state)
		l := &ledger{acked: old}
		client := newClient()
		var feed struct{ Items []json.RawMessage }
		read(t, client, p, "/api/dora/v1/events?limit=1000", &feed)
		client.CloseIdleConnections()
		switch len(feed.Items) {
		case len(old):
			found["old"]++
		case len(restored):
			l.acked = restored
			found["new"]++
		default:
			t.Errorf("killed after %d of %d: the state has %d events, want %d or %d", n, tries, len(feed.Items), len(old), len(restored))
		}
		l.check(t, p)
		p.Stop()
		if len(feed.Items) == len(restored) {
			old = restored
		}
	}
	if found["new"] == 0 {
		t.Errorf("no restoration came to its end: %v", found)
	}
	t.Logf("%d restorations killed within %s: the state was the old one %d times and the new one %d times", tries, took.Round(time.Millisecond), found["old"], found["new"])

	for n := range 4 {
		target := filepath.Join(dir, "killed")
		cmd := run(state, "backup", target)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(took * time.Duration(n) / 6)
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // with the signal, or well
		if text, err := run(state, "restore", "--check", target).CombinedOutput(); err == nil {
			break // complete, and verified
		} else if exec.Command("test", "-e", target).Run() == nil {
			t.Errorf("a backup that was killed left a file that cannot be read:\n%s", text)
		}
	}
}
