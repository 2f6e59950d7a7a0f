package runner_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A pipeline that notes its beginning and its end, and waits for the test in between.
const held = `
note() { echo "$1 $FAWKES_BRANCH $FAWKES_RUN_ID" >> $FAWKES_CACHE/../../notes; }
note begin
stage build running
while [ ! -e $FAWKES_CACHE/../../go ]; do sleep 0.02; done
stage build passed
note end
result succeeded "" 0
`

func (p *platform) letGo() {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.folder, "runner", "cache", "go"), nil, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func TestABranchBuildsOneAtATimeAndNewPushesSupersede(t *testing.T) {
	p := start(t, setup{program: script(t), settings: map[string]string{"runner.concurrency": "3"}})
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": held})
	first := p.pushed("d-1", "fawkes/hello", "main", sha)
	p.wait(first, "builds", func(r run) bool { return r.stage("build").Status == "running" })
	second := p.pushed("d-2", "fawkes/hello", "main", sha)
	third := p.pushed("d-3", "fawkes/hello", "main", sha)
	other := p.pushed("d-4", "fawkes/hello", "other", sha)
	p.wait(other, "builds beside", func(r run) bool { return r.stage("build").Status == "running" })
	if r := p.run(second); r.Status != "superseded" || r.Reason == nil {
		t.Fatalf("%+v", r)
	}
	if r := p.run(third); r.Status != "queued" || *r.Position != 1 {
		t.Fatalf("%+v", r)
	}
	p.letGo()
	for _, id := range []string{first, third, other} {
		if r := p.ended(id); r.Status != "succeeded" {
			t.Fatalf("%+v", r)
		}
	}
}

func TestManyRunsTakeLittleMemoryAndRunInOrder(t *testing.T) {
	n := 40
	if os.Getenv("FAWKES_SOAK") != "" {
		n = 200
	}
	p := start(t, setup{program: script(t), settings: map[string]string{"runner.concurrency": "4", "runner.keep_every_push": "true", "runner.keep_runs": "10"}})
	const branches = 5
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": `note() { echo "$1 $FAWKES_BRANCH $FAWKES_RUN_ID" >> $FAWKES_CACHE/../../notes; }
note begin; stage build running; stage build passed; note end; result succeeded "" 0`})
	var order []string
	for i := range n {
		order = append(order, p.pushed(fmt.Sprintf("d-%d", i), "fawkes/hello", fmt.Sprintf("b%d", i%branches), sha))
	}
	most := uint64(0)
	until(t, "all are over", func() bool {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
		var q struct{ Running, Waiting int }
		p.get("/queue", &q)
		return q.Running+q.Waiting == 0
	})
	if most > 256<<20 {
		t.Errorf("the heap was %d MiB", most>>20)
	}
	for _, r := range p.runs() {
		if r.Status != "succeeded" {
			t.Fatalf("%+v %v", r, *r.Reason)
		}
	}
	text, err := os.ReadFile(filepath.Join(p.folder, "runner", "cache", "notes"))
	if err != nil {
		t.Fatal(err)
	}
	place := map[string]int{}
	for i, id := range order {
		place[id] = i
	}
	running, atOnce := map[string]string{}, 0
	last := map[string]int{}
	count := 0
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		f := strings.Fields(line)
		word, branch, id := f[0], f[1], f[2]
		if word == "end" {
			delete(running, branch)
			continue
		}
		if was, busy := running[branch]; busy {
			t.Fatalf("%s began on %s while %s ran", id, branch, was)
		}
		if before, ok := last[branch]; ok && place[id] <= before {
			t.Fatalf("%s ran out of order on %s", id, branch)
		}
		running[branch], last[branch] = id, place[id]
		atOnce = max(atOnce, len(running))
		count++
	}
	if count != n || atOnce > 4 {
		t.Fatalf("%d ran, %d at once", count, atOnce)
	}
	until(t, "old folders are gone", func() bool {
		left, err := os.ReadDir(filepath.Join(p.folder, "runner", "runs"))
		return err == nil && len(left) <= 10
	})
}

func TestCancelInEveryStage(t *testing.T) {
	p := start(t, setup{program: script(t), settings: map[string]string{"runner.concurrency": "8"}})
	stages := []string{"build", "unit-test", "push", "promote"}
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": `
trap 'result aborted "it was asked to end" 130' TERM
(setsid sh -c 'trap "" TERM; while :; do sleep 3972; done' </dev/null >/dev/null 2>&1 &)
stage checkout passed
for s in build unit-test push promote; do stage $s running; [ $s = $FAWKES_BRANCH ] && while :; do sleep 0.05; done; stage $s passed; done`})
	for _, s := range stages {
		id := p.pushed("d-"+s, "fawkes/hello", s, sha)
		p.wait(id, "reaches "+s, func(r run) bool { return r.stage(s).Status == "running" })
		if status, text := p.call("POST", api+"/runs/"+id+"/cancel", nil); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
		r := p.ended(id)
		if r.Status != "canceled" || !strings.Contains(*r.Reason, "canceled by") || r.stage(s).Status != "canceled" {
			t.Fatalf("%+v %s", r, *r.Reason)
		}
	}
	until(t, "no process is left", func() bool { return len(processes(filepath.Join(p.folder, "runner"))) == 0 })
}

func TestCancelAndRetryOfWhatWaits(t *testing.T) {
	p := start(t, setup{program: script(t), settings: map[string]string{"runner.concurrency": "1"}})
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": held})
	first := p.pushed("d-1", "fawkes/hello", "main", sha)
	p.wait(first, "builds", func(r run) bool { return r.stage("build").Status == "running" })
	second := p.pushed("d-2", "fawkes/hello", "b", sha)
	if status, text := p.call("POST", api+"/runs/"+second+"/retry", nil); status != 409 {
		t.Fatalf("%d %s", status, text)
	}
	if status, _ := p.call("POST", api+"/runs/"+second+"/cancel", nil); status != 200 || p.run(second).Status != "canceled" {
		t.Fatalf("%d %+v", status, p.run(second))
	}
	status, text := p.call("POST", api+"/runs/"+second+"/retry", nil)
	if status != 201 || !strings.Contains(text, `"trigger":"retry"`) || !strings.Contains(text, `"attempt":2`) {
		t.Fatalf("%d %s", status, text)
	}
	p.letGo()
	until(t, "all are over", func() bool {
		for _, r := range p.runs() {
			if !r.over() {
				return false
			}
		}
		return true
	})
	if all := p.runs(); all[2].Status != "succeeded" || *all[2].RetryOf != second {
		t.Fatalf("%+v", all)
	}
	if status, _ := p.call("POST", api+"/runs/run-nosuch/cancel", nil); status != 404 {
		t.Fatalf("%d", status)
	}
}

func TestARunHasATimeLimit(t *testing.T) {
	p := start(t, setup{program: script(t), settings: map[string]string{"runner.timeout": "1s"}})
	sha := p.repository("fawkes/hello", map[string]string{"pipeline.sh": "stage build running; sleep 100"})
	began := time.Now()
	r := p.ended(p.pushed("d-1", "fawkes/hello", "main", sha))
	if r.Status != "failed" || !strings.Contains(*r.Reason, "longer than 1s") || time.Since(began) > 10*time.Second {
		t.Fatalf("%+v %s", r, *r.Reason)
	}
}
