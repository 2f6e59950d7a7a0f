package road

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os/exec"
	"strings"
)

// author is who commits what the platform itself brings.
const author, authorEmail = "Fawkes", "fawkes@localhost"

// git runs the git program in a folder, without what the user or the machine configured, and with
// the road's own credential for the platform's repositories. The credential is in the environment:
// arguments can be read by everybody.
func (r *Road) git(ctx context.Context, dir string, args ...string) (string, error) {
	return r.gitWith(ctx, dir, []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null"}, args...)
}

func (r *Road) gitWith(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	secret := base64.StdEncoding.EncodeToString([]byte(Owner + ":" + r.secrets.token(tokenRunnerEnvironments)))
	cmd.Env = append(withoutGit(r.Environ), env...)
	cmd.Env = append(cmd.Env, "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=http."+r.Public+"/.extraHeader", "GIT_CONFIG_VALUE_0=Authorization: Basic "+secret,
		"GIT_AUTHOR_NAME="+author, "GIT_AUTHOR_EMAIL="+authorEmail, "GIT_COMMITTER_NAME="+author, "GIT_COMMITTER_EMAIL="+authorEmail)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// withoutGit is the environment without variables that point git elsewhere.
func withoutGit(environ []string) []string {
	out := make([]string, 0, len(environ))
	for _, kv := range environ {
		if !strings.HasPrefix(kv, "GIT_") {
			out = append(out, kv)
		}
	}
	return out
}
