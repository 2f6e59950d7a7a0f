//go:build linux

package machine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/sys/unix"
)

// Init makes the node that spec describes out of the namespaces that this process is the first one of, writes the line
// "ready", and returns when lifeline ends. The caller must exit then: that is what ends the node.
func Init(spec Spec, lifeline io.Reader, ready io.Writer) error {
	if os.Getpid() != 1 {
		return errors.New("a node begins as the first process of its own namespaces")
	}
	if err := (Cgroup{Hierarchies: Hierarchies(), Name: spec.Cgroup}).Join(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(spec.Name)); err != nil {
		return fmt.Errorf("name the node %s: %w", spec.Name, err)
	}
	if err := mounts(spec); err != nil {
		return err
	}
	if err := network(spec); err != nil {
		return err
	}
	// From here on nothing else in this process waits for a child.
	go reap()
	fmt.Fprintln(ready, "ready")
	if _, err := io.Copy(io.Discard, lifeline); err != nil {
		return fmt.Errorf("wait for the test's end: %w", err)
	}
	return nil
}

// Run is a program of a node: it joins the node's cgroup and becomes the program. It returns only with an error.
func Run(cgroup string, argv []string) error {
	if err := (Cgroup{Hierarchies: Hierarchies(), Name: cgroup}).Join(); err != nil {
		return err
	}
	path, err := lookPath(argv[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("run %s: %w", path, unix.Exec(path, argv, environment()))
}

// environment is this process's, with the administrator's programs on the PATH.
func environment() []string {
	var out []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PATH=") {
			out = append(out, kv)
		}
	}
	return append(out, "PATH="+strings.Join(programFolders(), ":"))
}

func programFolders() []string {
	return []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}
}

// lookPath finds a program in the folders where a node's programs are, whatever the PATH of the caller.
func lookPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range programFolders() {
		path := dir + "/" + name
		if unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("the program %s is not installed", name)
}

// reap takes the exit codes of orphans, which the kernel gives to the first process.
func reap() {
	exits := make(chan os.Signal, 1)
	signal.Notify(exits, unix.SIGCHLD)
	for range exits {
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if pid <= 0 || err != nil {
				break
			}
		}
	}
}
