package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// The outcomes of a check.
const (
	checkOK      = "ok"
	checkWarning = "warning"
	checkFailed  = "failed"
)

// check is what was looked at on this machine, and how to mend what is wrong with it.
type check struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Detail string `json:"detail"`
	Mend   string `json:"mend,omitempty"`
}

// The oldest git that knows all that is asked of it.
const gitMajor, gitMinor = 2, 31

var gitVersion = regexp.MustCompile(`(\d+)\.(\d+)(?:\.\d+)?`)

// checkGit looks for the git program and its version.
func checkGit(ctx context.Context) check {
	c := check{Name: "git", Status: checkFailed, Mend: fmt.Sprintf("install git %d.%d or newer (Debian: apt-get install git; macOS: xcode-select --install)", gitMajor, gitMinor)}
	path, err := exec.LookPath("git")
	if err != nil {
		c.Detail = "the program git was not found in PATH"
		return c
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		c.Detail = fmt.Sprintf("%s --version: %v", path, err)
		return c
	}
	m := gitVersion.FindStringSubmatch(string(out))
	if m == nil {
		c.Detail = fmt.Sprintf("%s says %q, which is no version", path, strings.TrimSpace(string(out)))
		return c
	}
	major, majorErr := strconv.Atoi(m[1])
	minor, minorErr := strconv.Atoi(m[2])
	if err := errors.Join(majorErr, minorErr); err != nil || major < gitMajor || major == gitMajor && minor < gitMinor {
		c.Detail = fmt.Sprintf("git %s is too old", m[0])
		return c
	}
	return check{Name: "git", Status: checkOK, Detail: fmt.Sprintf("%s (%s)", m[0], path)}
}

// splitListen reads host:port and names what is wrong with it.
func splitListen(listen string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(listen)
	if err == nil {
		n, numberErr := strconv.Atoi(port)
		if numberErr != nil || n < 0 || n > 65535 {
			err = fmt.Errorf("%q is not a port", port)
		}
	}
	if err != nil {
		return "", "", usagef("give host:port, for example 127.0.0.1:8080", "--listen: %q is not an address: %v", listen, err)
	}
	return host, port, nil
}

// checkPort sees that the address can be listened on.
func checkPort(listen string) check {
	c := check{Name: "port", Status: checkFailed, Mend: "give a free one with --listen 127.0.0.1:0, or stop what uses it"}
	if _, _, err := splitListen(listen); err != nil {
		c.Detail, c.Mend = explain(err)
		return c
	}
	listener, err := net.Listen("tcp", listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		c.Detail = listen + " is taken by another program"
	case errors.Is(err, syscall.EACCES):
		c.Detail = "this user may not listen on " + listen
		c.Mend = "give a port above 1023 with --listen"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		c.Detail = listen + " is not an address of this machine"
		c.Mend = "give --listen 127.0.0.1:8080"
	case err != nil:
		c.Detail = err.Error()
	default:
		if err := listener.Close(); err != nil {
			c.Detail = err.Error()
			return c
		}
		return check{Name: "port", Status: checkOK, Detail: listen + " is free"}
	}
	return c
}

// reachable turns the address of a listener on all interfaces into one that can be dialled. Such a listener takes IPv4 too, even
// where it calls itself [::], and a machine may have no IPv6.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// The free space below which the platform warns, and below which it does not start.
const (
	lowSpace = 1 << 30
	noSpace  = 100 << 20
)

// checkState looks at the state folder: that it can be written, that nobody else reads it, and that
// the disk has room. A folder that does not exist yet is judged by its nearest parent.
func checkState(state string) []check {
	dir := state
	missing := false
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return []check{{"state", checkFailed, dir + " is a file, not a folder", "give another folder with --state"}}
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return []check{{"state", checkFailed, err.Error(), "give another folder with --state"}}
		}
		missing, dir = true, filepath.Dir(dir)
	}
	checks := []check{checkWritable(state, dir, missing)}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return append(checks, check{"disk", checkWarning, "free space of " + dir + " is not known: " + err.Error(), ""})
	}
	free := disk.Bavail * uint64(disk.Bsize)
	c := check{"disk", checkOK, humanBytes(free) + " free", ""}
	if free < lowSpace {
		c = check{"disk", checkWarning, "only " + humanBytes(free) + " free for " + state, "free some space, or give a folder on another disk with --state"}
	}
	if free < noSpace {
		c.Status = checkFailed
	}
	return append(checks, c)
}

func checkWritable(state, dir string, missing bool) check {
	c := check{Name: "state", Status: checkFailed, Mend: "give another folder with --state, or mend its owner: chown -R $(id -un) " + dir}
	probe, err := os.CreateTemp(dir, ".fawkes-probe-*")
	if err != nil {
		c.Detail = fmt.Sprintf("%s cannot be written: %v", dir, err)
		return c
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		c.Detail = fmt.Sprintf("%s cannot be written: %v", dir, err)
		return c
	}
	if missing {
		return check{"state", checkOK, state + " (will be made)", ""}
	}
	info, err := os.Stat(dir)
	if err != nil {
		c.Detail = err.Error()
		return c
	}
	if info.Mode().Perm()&0o077 != 0 {
		return check{"state", checkWarning, fmt.Sprintf("%s can be read by others (mode %04o), and keys are kept in it", dir, info.Mode().Perm()), "chmod 700 " + dir}
	}
	return check{"state", checkOK, state, ""}
}

// checkPostgres tries to reach a configured PostgreSQL database.
func checkPostgres(ctx context.Context, variable, address string) check {
	c := check{Name: variable, Status: checkFailed, Mend: "see that the server runs and that the URL is postgres://user:password@host:port/database"}
	u, err := url.Parse(address)
	if err != nil {
		c.Detail = "it is not a URL"
		return c
	}
	shown := u.Redacted()
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return check{variable, checkOK, shown, ""}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		c.Detail = fmt.Sprintf("%s cannot be reached: %v", shown, err)
		return c
	}
	var version string
	queryErr := conn.QueryRow(ctx, "SHOW server_version").Scan(&version)
	if err := errors.Join(queryErr, conn.Close(ctx)); err != nil {
		c.Detail = fmt.Sprintf("%s: %v", shown, err)
		return c
	}
	return check{variable, checkOK, shown + ", PostgreSQL " + version, ""}
}

func humanBytes(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	f, i := float64(n), 0
	for f >= 1024 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return trimZeros(fmt.Sprintf("%.1f", f)) + " " + units[i]
}
