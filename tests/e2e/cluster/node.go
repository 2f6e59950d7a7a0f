//go:build linux

package cluster

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fawkes-idp/fawkes/tests/e2e/cluster/machine"
)

// Node is one machine of a cluster.
type Node struct {
	Name    string // as Kubernetes knows it
	Address string // on the nodes' network

	cluster *Cluster
	number  int
	init    *exec.Cmd
	gone    chan struct{} // closed when init and all that it kept are gone
	stderr  bytes.Buffer
	daemons []*daemon
}

// daemon is a program that a node runs as long as it is up.
type daemon struct {
	name   string
	log    string
	exited chan struct{}
	err    error // why it exited; read it when exited is closed
}

func (c *Cluster) newNode(number int) (*Node, error) {
	n := &Node{Name: nodeName(number), Address: addressOf(number), cluster: c, number: number, gone: make(chan struct{})}
	for _, dir := range []string{
		// What Debian, or containerd, expects to find in /var.
		"disk/lib/kubelet", "disk/lib/containerd", "disk/lib/cni", "disk/lib/etcd", "disk/log", "disk/tmp", "config/cni", "logs",
	} {
		if err := os.MkdirAll(c.file(n.Name, dir), 0o755); err != nil {
			return nil, err
		}
	}
	return n, machine.Cgroup{Hierarchies: machine.Hierarchies(), Name: machine.CgroupOf(c.dir, n.Name)}.Create()
}

// boot starts the node's first process in namespaces of its own and waits until it is a machine.
func (n *Node) boot(ctx context.Context) error {
	c := n.cluster
	spec := machine.Spec{
		Name: n.Name, Cgroup: machine.CgroupOf(c.dir, n.Name),
		Disk: c.file(n.Name, "disk"), Cluster: c.dir, Programs: c.programs, Self: c.file("own"),
	}
	if n.number == 1 {
		spec.Switch = n.Address + "/24"
	}
	text, err := spec.Encode()
	if err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	n.init = exec.Command(c.file("own", "machined"), "init", text)
	n.init.Stdout, n.init.Stderr = write, &n.stderr
	n.init.ExtraFiles = []*os.File{c.lifelineRead}
	n.init.SysProcAttr = ownSession()
	n.init.SysProcAttr.Cloneflags = unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWPID
	err = n.init.Start()
	write.Close()
	if err != nil {
		close(n.gone)
		return fmt.Errorf("start %s: %w", n.Name, err)
	}
	go func() {
		_ = n.init.Wait() // it is killed, or it says why on its standard error
		close(n.gone)
	}()
	line, err := readLine(ctx, read, 30*time.Second)
	if err != nil || line != "ready" {
		n.Kill()
		return fmt.Errorf("start %s: it said %q: %s: %w", n.Name, line, strings.TrimSpace(n.stderr.String()), errors.Join(err, ctx.Err()))
	}
	return nil
}

// readLine reads one line of a pipe, for at most some time.
func readLine(ctx context.Context, from *os.File, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	unhook := context.AfterFunc(ctx, func() { from.SetReadDeadline(time.Unix(1, 0)) })
	defer unhook()
	line, err := bufio.NewReader(from).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = errors.New("it ended")
	}
	return strings.TrimSpace(line), err
}

// Kill ends everything that the node runs at once, as if its plug was pulled, and returns when it is gone. The node does
// not come back.
func (n *Node) Kill() {
	if n.init == nil || n.init.Process == nil {
		return
	}
	_ = n.init.Process.Kill() // fails only when it is gone already
	n.wait()
}

// wait returns when nothing of the node runs any more.
func (n *Node) wait() {
	if n.init != nil && n.init.Process != nil {
		<-n.gone
	}
	for _, d := range n.daemons {
		<-d.exited
	}
}

// PID is the node's first process, as this machine numbers it.
func (n *Node) PID() int { return n.init.Process.Pid }

// Command is a program that will run on the node, in its cgroup, as root, found where the node's programs are. Like any
// of the node's processes it ends with it.
func (n *Node) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	words := append([]string{
		"--target", strconv.Itoa(n.PID()), "--mount", "--uts", "--ipc", "--net", "--pid", "--",
		machine.SelfDir + "/machined", "run", machine.CgroupOf(n.cluster.dir, n.Name), program,
	}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", words...)
	cmd.SysProcAttr = ownSession()
	// Who kills nsenter leaves the program alone with its output; do not wait for that.
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Exec runs a program on the node and returns what it wrote to its standard output.
func (n *Node) Exec(ctx context.Context, program string, args ...string) (string, error) {
	return output(n.Command(ctx, program, args...), n.Name+": "+program)
}

// output runs a command; its error has the command's own words.
func output(cmd *exec.Cmd, about string) (string, error) {
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", about, err, strings.TrimSpace(said.String()))
	}
	return out.String(), nil
}

// run starts a daemon. Its log is in the cluster's folder.
func (n *Node) run(program string, args ...string) error {
	name := program[strings.LastIndex(program, "/")+1:]
	if name == "kube" {
		name = args[0]
	}
	d := &daemon{name: name, log: n.cluster.file(n.Name, "logs", name+".log"), exited: make(chan struct{})}
	log, err := os.Create(d.log)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := n.Command(context.Background(), program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s on %s: %w", name, n.Name, err)
	}
	n.daemons = append(n.daemons, d)
	go func() {
		d.err = cmd.Wait()
		close(d.exited)
	}()
	return nil
}

// kube starts a daemon of Kubernetes.
func (n *Node) kube(name string, flags ...string) error {
	return n.run(machine.ProgramsDir+"/kube", append([]string{name}, flags...)...)
}

// alive is an error when a daemon of the node has exited, which none does by itself.
func (n *Node) alive() error {
	for _, d := range n.daemons {
		select {
		case <-d.exited:
			return &finalError{fmt.Errorf("%s on %s has exited: %w", d.name, n.Name, errors.Join(d.err, errors.New("none of a node's programs ends by itself")))}
		default:
		}
	}
	return nil
}
