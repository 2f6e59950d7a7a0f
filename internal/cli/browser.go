package cli

import (
	"context"
	"os/exec"
	"runtime"
	"time"
)

// browse opens an address in the person's browser where there is a desktop. That none opens is no
// error: the link has been printed.
func (g *globals) browse(ctx context.Context, address string) {
	if !g.Terminal {
		return
	}
	program := "xdg-open"
	if runtime.GOOS == "darwin" {
		program = "open"
	} else if g.Env("DISPLAY") == "" && g.Env("WAYLAND_DISPLAY") == "" {
		return
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := exec.CommandContext(ctx, path, address).Run(); err != nil {
		g.warn("no browser opened (%s: %v); open the link by hand", program, err)
	}
}
