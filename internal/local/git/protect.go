package git

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

//go:embed pre-receive.sh
var preReceive string

// Rule protects the branches that match a pattern, in which '*' stands for any characters. Where several match, each
// of them must allow what is done.
type Rule struct {
	Branch      string `json:"branch" maxLength:"200" doc:"A branch, or a pattern in which * stands for any characters." example:"main"`
	AllowForce  bool   `json:"allow_force" required:"false" doc:"Whether its history may be replaced."`
	AllowDelete bool   `json:"allow_delete" required:"false" doc:"Whether it may be deleted."`
}

// ruleText is the form in which the hook reads rules.
func ruleText(rules []Rule) string {
	digit := func(b bool) string {
		if b {
			return "1"
		}
		return "0"
	}
	words := make([]string, 0, len(rules))
	for _, r := range rules {
		words = append(words, r.Branch+":"+digit(r.AllowForce)+":"+digit(r.AllowDelete))
	}
	return strings.Join(words, " ")
}

// guard is what stands between a push and the references: a hook in a folder of the server's own, named on each run;
// hooks in a repository's folder are never looked at. The epoch is of this start of the platform. A push that a former
// one took, and whose git outlived it, is refused, so that no reference moves unseen.
type guard struct {
	hooks string // folder
	epoch string
	file  string // with the epoch of the platform that runs
}

// newGuard writes the hook and the epoch, and sees that the hook can be run: git would pass over one that cannot, on
// a file system mounted noexec for example.
func newGuard(ctx context.Context, folder, epoch string) (*guard, error) {
	g := &guard{hooks: filepath.Join(folder, "hooks"), epoch: epoch, file: filepath.Join(folder, "epoch")}
	if err := os.MkdirAll(g.hooks, 0o700); err != nil {
		return nil, fmt.Errorf("write the hook of pushes: %w", err)
	}
	hook := filepath.Join(g.hooks, "pre-receive")
	if err := replaceFile(hook, preReceive, 0o700); err != nil {
		return nil, fmt.Errorf("write the hook of pushes: %w", err)
	}
	if err := replaceFile(g.file, epoch+"\n", 0o600); err != nil {
		return nil, fmt.Errorf("write the epoch: %w", err)
	}
	out, err := tryHook(ctx, hook)
	if err != nil || out != "works\n" {
		return nil, fmt.Errorf("the hook %s cannot be run (%w): put the state folder on a file system that lets programs run", hook, err)
	}
	return g, nil
}

// tryHook runs the hook as git would. A file that was just written is busy for as long as a process that was forked
// meanwhile has it open, until that one executes; so it is tried for a second.
func tryHook(ctx context.Context, hook string) (string, error) {
	const tries, pause = 100, 10 * time.Millisecond
	for i := 1; ; i++ {
		cmd := exec.CommandContext(ctx, hook, "--works") //nolint:gosec // written by newGuard
		cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
		out, err := cmd.Output()
		if !errors.Is(err, syscall.ETXTBSY) || i == tries {
			return string(out), err
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(pause):
		}
	}
}

// replaceFile writes a file in one step, also over one that is being run.
func replaceFile(path, text string, mode os.FileMode) error {
	temporary := path + ".new"
	if err := os.WriteFile(temporary, []byte(text), mode); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// settings and environment of a push.
func (g *guard) settings() []setting { return []setting{{"core.hooksPath", g.hooks}} }

func (g *guard) environment(name string, rules []Rule) []string {
	return []string{"FAWKES_EPOCH=" + g.epoch, "FAWKES_EPOCH_FILE=" + g.file, "FAWKES_PROTECTED=" + ruleText(rules), "FAWKES_REPOSITORY=" + name}
}
