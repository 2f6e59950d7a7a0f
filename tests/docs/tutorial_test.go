package docs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestGettingStartedWorksAsWritten runs the tutorial's commands one after another, as a person with a new home
// folder does, and compares what they print with what the page shows.
func TestGettingStartedWorksAsWritten(t *testing.T) {
	const page = "docs/getting-started.md"
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	p := newPerson(t)
	p.repository("src/shop")
	p.start()

	saveAs := regexp.MustCompile("Save this as `([^`]+)`")
	save, last, ran := "", "", 0
	for _, part := range parts(text) {
		switch part.language {
		case "":
			if m := saveAs.FindStringSubmatch(part.text); m != nil {
				save = m[1]
			}
		case "json":
			if save == "" {
				t.Errorf("%s: a block to save, and no name for it:\n%s", page, part.text)
				continue
			}
			p.write(save, part.text)
			save = ""
		case "sh":
			for _, l := range Commands(page, []byte("```sh\n"+part.text+"```\n")) {
				if l.Command == "make up" || strings.HasPrefix(l.Command, "export PATH=") {
					continue // the person has started it, and has it in the path
				}
				if last, err = p.shell(l.Command); err != nil {
					t.Fatalf("%s: %s: %v\n%s", page, l.Command, err, last)
				}
				ran++
			}
		case "text":
			if diff := cmp.Diff(trimmed(part.text), trimmed(last)); diff != "" {
				t.Errorf("%s shows something else than the command prints (-page +command):\n%s", page, diff)
			}
		}
	}
	if ran < 5 {
		t.Errorf("%d commands were run", ran)
	}
}

// part is a fenced block, or the text between two of them.
type part struct{ language, text string }

func parts(page []byte) []part {
	var out []part
	now := part{}
	inside := false
	for line := range strings.Lines(string(page)) {
		fence, ok := strings.CutPrefix(strings.TrimSpace(line), "```")
		if !ok {
			now.text += line
			continue
		}
		out = append(out, now)
		now = part{}
		if inside = !inside; inside {
			now.language = fence
		}
	}
	return append(out, now)
}

// person has a home folder, the fawkes program in the path, and nothing else of this machine's.
type person struct {
	t    *testing.T
	home string
	env  []string
}

func newPerson(t *testing.T) *person {
	t.Helper()
	bin := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", bin, "./cmd/fawkes")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build fawkes: %v\n%s", err, out)
	}
	p := &person{t: t, home: t.TempDir()}
	p.env = []string{
		"HOME=" + p.home, "PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.test", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.test",
	}
	return p
}

// repository makes the small repository of the tutorial. Its hashes follow from names and times.
func (p *person) repository(folder string) {
	p.t.Helper()
	at := func(when, git string) string {
		return fmt.Sprintf("GIT_AUTHOR_DATE=%[1]s GIT_COMMITTER_DATE=%[1]s git %[2]s", when, git)
	}
	script := strings.Join([]string{
		"mkdir -p " + folder, "cd " + folder, "git init -q -b main",
		at("2026-03-02T09:00:00Z", "commit -q --allow-empty -m start"), at("2026-03-02T09:30:00Z", "tag -a -m v1.0.0 v1.0.0"),
		at("2026-03-02T10:00:00Z", "commit -q --allow-empty -m basket"), at("2026-03-02T12:00:00Z", "tag -a -m v1.1.0 v1.1.0"),
		at("2026-03-03T10:00:00Z", "commit -q --allow-empty -m payment"),
		at("2026-03-04T10:00:00Z", "commit -q --allow-empty -m receipt"), at("2026-03-04T12:00:00Z", "tag -a -m v1.2.0 v1.2.0"),
	}, " && ")
	if out, err := p.shell(script); err != nil {
		p.t.Fatalf("make the repository: %v\n%s", err, out)
	}
}

// start runs `fawkes up` on a free port until the test ends, and waits until the other commands find it.
func (p *person) start() {
	p.t.Helper()
	up := exec.Command("bash", "-c", "exec fawkes up --no-sample --listen 127.0.0.1:0")
	up.Dir, up.Env = p.home, p.env
	var said bytes.Buffer
	up.Stdout, up.Stderr = &said, &said
	if err := up.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- up.Wait() }()
	p.t.Cleanup(func() {
		// The tutorial's last command has stopped it; where the test broke off before, this does.
		if err := up.Process.Signal(os.Interrupt); err == nil {
			<-ended
		}
	})
	deadline := time.After(time.Minute)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		if _, err := p.shell("fawkes status"); err == nil {
			return
		}
		select {
		case err := <-ended:
			p.t.Fatalf("fawkes up ended: %v\n%s", err, said.String())
		case <-deadline:
			p.t.Fatal("fawkes up is not ready after a minute")
		case <-again.C:
		}
	}
}

func (p *person) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.home, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// shell runs a line in the home folder and returns all that it prints.
func (p *person) shell(line string) (string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir, cmd.Env = p.home, p.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}
