package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/fawkes-idp/fawkes/tests/process"
)

// BenchmarkRoadOverhead takes the same edits through `go build && go test` and through the stages build and unit-test
// of the golden path, by turns, with the same warm caches. The two work in trees of their own and with editions of
// their own, so that neither finds in the cache what the other has just compiled.
func BenchmarkRoadOverhead(b *testing.B) {
	const edits = 10
	program := roadProgram(b)
	bare, path := newApp(b, nil, "bare-edits"), newApp(b, nil, "path-edits")
	var plain, stages, processes, whole []time.Duration
	for n := range edits + 1 {
		bare.commit()
		path.commit()
		b0 := bare.bare()
		sum, wall := path.stages(program, "build", "unit-test")
		path.commit()
		_, all := path.stages(program, "run")
		if n == 0 {
			continue // it warmed the caches
		}
		plain, stages, processes, whole = append(plain, b0), append(stages, sum), append(processes, wall), append(whole, all)
	}
	base := total(plain)
	over := func(d []time.Duration) string {
		return fmt.Sprintf("%s (x%.2f)", ms(total(d)/edits), total(d).Seconds()/base.Seconds())
	}
	beside := ms(base / edits)
	row(b, fmt.Sprintf("golden path, build and unit-test, %d edits", edits), over(stages), "go build && go test", beside)
	row(b, "golden path, `fawkes ci build` and `ci unit-test`", over(processes), "go build && go test", beside)
	row(b, "golden path, all stages that need no platform", over(whole), "go build && go test", beside)
}

// stages runs commands of `fawkes ci`, one after another, and gives the time of the stages and of the whole.
func (a *app) stages(program string, names ...string) (stages, wall time.Duration) {
	a.b.Helper()
	artifacts := a.b.TempDir()
	for _, name := range names {
		cmd := exec.Command(program, "ci", name, "--dir", a.dir, "--artifacts", artifacts, "-o", "json")
		begin := time.Now()
		out, err := cmd.Output()
		wall += time.Since(begin)
		if err != nil {
			a.b.Fatalf("fawkes ci %s: %v\n%s", name, err, out)
		}
		for line := range bytes.Lines(out) {
			var e struct {
				Event, Stage, Status string
				Seconds              float64
			}
			if json.Unmarshal(line, &e) == nil && e.Event == "stage" && e.Stage == name && e.Status == "passed" {
				stages += time.Duration(e.Seconds * float64(time.Second))
			}
		}
	}
	return stages, wall
}

// BenchmarkRoadPushes pushes to a platform: one commit after another of one service, and one of each of many services
// at once. The baseline is the sum of `go build && go test` of as many commits.
func BenchmarkRoadPushes(b *testing.B) {
	const pushes = 8
	p := process.Up(b, roadProgram(b), b.TempDir())
	var all []*app
	for i := range pushes {
		all = append(all, newApp(b, p, fmt.Sprintf("push-%d", i)))
	}
	one := all[0]
	one.push()
	one.healthy(p, one.git("rev-parse", "HEAD"))
	bare := newApp(b, nil, "bare-pushes")
	bare.bare()
	var plain time.Duration
	for range pushes {
		bare.commit()
		plain += bare.bare()
	}
	perMinute := func(took time.Duration) string { return fmt.Sprintf("%.1f/min", pushes/took.Minutes()) }

	var worked, tested time.Duration
	begin := time.Now()
	for range pushes {
		sha := one.commit()
		one.push()
		one.healthy(p, sha)
		whole, stages := one.worked(p, sha)
		worked += whole
		tested += stages["build"] + stages["unit-test"]
	}
	took := time.Since(begin)
	row(b, fmt.Sprintf("%d pushes to healthy, one after another", pushes),
		fmt.Sprintf("%s, %s each (x%.2f), in the runner %s (x%.2f)", perMinute(took), ms(took/pushes), took.Seconds()/plain.Seconds(), ms(worked/pushes), worked.Seconds()/plain.Seconds()),
		"go build && go test", fmt.Sprintf("%s, %s each", perMinute(plain), ms(plain/pushes)))
	row(b, "of these build and unit-test, beside other stages", fmt.Sprintf("%s (x%.2f)", ms(tested/pushes), tested.Seconds()/plain.Seconds()),
		"go build && go test", ms(plain/pushes))

	shas := map[*app]string{}
	for _, a := range all {
		shas[a] = a.commit()
	}
	begin = time.Now()
	for _, a := range all {
		a.push()
	}
	for _, a := range all {
		a.healthy(p, shas[a])
	}
	took = time.Since(begin)
	row(b, fmt.Sprintf("%d services pushed at once, to all healthy", pushes), fmt.Sprintf("%s (x%.2f)", perMinute(took), took.Seconds()/plain.Seconds()),
		"go build && go test", perMinute(plain))
	p.Stop()
}

// BenchmarkRoadUp is the first start of the platform, until its sample application is healthy. The baseline builds and
// tests the same commit in the same caches.
func BenchmarkRoadUp(b *testing.B) {
	program := roadProgram(b)
	var ready, delivered, plain []time.Duration
	for range 3 {
		state := b.TempDir()
		cmd := exec.Command(program, "up", "--state", state, "--listen", "127.0.0.1:0", "-o", "json")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = cmd.Process.Kill() })
		work := ""
		scan := bufio.NewScanner(out)
		scan.Buffer(nil, 1<<20)
		for work == "" && scan.Scan() {
			var e struct{ Event, Work string }
			if json.Unmarshal(scan.Bytes(), &e) != nil {
				continue
			}
			switch e.Event {
			case "ready":
				ready = append(ready, time.Since(begin))
			case "delivered":
				delivered, work = append(delivered, time.Since(begin)), e.Work
			}
		}
		if work == "" {
			b.Fatalf("fawkes up ended before its sample was delivered: %v", scan.Err())
		}
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			b.Fatal(err)
		}
		for scan.Scan() { // to its end
			continue
		}
		if err := cmd.Wait(); err != nil {
			b.Fatalf("fawkes up did not end well: %v", err)
		}
		a := &app{b: b, dir: filepath.Clean(work)}
		plain = append(plain, a.bare())
	}
	row(b, "fawkes up to the sample healthy, median of 3", fmt.Sprintf("%.1f s, ready after %s", quantile(delivered, 0.5).Seconds(), ms(quantile(ready, 0.5))),
		"go build && go test of the sample", ms(quantile(plain, 0.5)))
}

func total(all []time.Duration) (sum time.Duration) {
	for _, d := range all {
		sum += d
	}
	return sum
}
