package sandbox

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How often a tree is looked at: where a limit has to be held, and where only its usage is wanted. A large tree is
// looked at less often, so that the looking costs a few percent of a processor at most.
const (
	lookOften  = 25 * time.Millisecond
	lookSeldom = 500 * time.Millisecond
	lookEach   = 500 * time.Microsecond // more for each process
)

// watch looks at the tree until the program ends, holds its limits and says what it uses.
func (k *keeper) watch() {
	l := k.order.Limits
	every := lookSeldom
	if l.Memory > 0 || l.Processes > 0 || l.CPUTime > 0 {
		every = lookOften
	}
	next := time.NewTimer(every)
	defer next.Stop()
	said, since := Usage{}, lookSeldom
	for {
		if l.Processes > 0 && k.tree.crowd() > l.Processes {
			k.kill(Exit{TooManyProcesses: true}) // without a look at each: a bomb grows meanwhile
		}
		memory, cpu, number := k.tree.look()
		switch {
		case l.Memory > 0 && memory > l.Memory:
			k.kill(Exit{OutOfMemory: true})
		case l.Processes > 0 && number > l.Processes:
			k.kill(Exit{TooManyProcesses: true})
		case l.CPUTime > 0 && cpu > l.CPUTime:
			k.kill(Exit{TimedOut: true})
		}
		if now := k.tree.usage(); now != said && since >= lookSeldom {
			said, since = now, 0
			k.answers.send(answer{Usage: &now})
		}
		wait := every + min(time.Duration(number)*lookEach, lookSeldom)
		since += wait
		next.Reset(wait)
		select {
		case <-next.C:
		case <-k.ended:
			return
		}
	}
}

// hostPID is the program's process id as this process sees it: the keeper's only child.
func (p *Process) hostPID() int {
	keeper := p.keeper.Process.Pid
	for _, task := range tasks(keeper) {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(keeper) + "/task/" + task + "/children")
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				return pid
			}
		}
	}
	return keeper
}

func tasks(pid int) []string {
	dir, err := os.Open("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	return names
}

// Sweep kills every process whose marker begins with prefix, with all that descends from it, and says how many. It
// is for the start of a platform: what it finds was left by one that was killed.
func Sweep(prefix string) (killed int, err error) {
	seen := map[int]bool{}
	for range 100 {
		all := readProcesses()
		mine := ancestors(all, os.Getpid())
		alive := 0
		for _, p := range all {
			if mine[p.pid] || p.zombie || !kept(p.pid, prefix) {
				continue
			}
			for _, q := range append(below(all, p.pid), p) {
				if mine[q.pid] || q.zombie {
					continue
				}
				alive++
				if e := syscall.Kill(q.pid, syscall.SIGKILL); e == nil && !seen[q.pid] {
					seen[q.pid] = true
					killed++
				} else if e != nil && e != syscall.ESRCH {
					err = os.NewSyscallError("kill "+strconv.Itoa(q.pid), e)
				}
			}
		}
		if alive == 0 || err != nil {
			break
		}
	}
	return killed, err
}

// ancestors are pid and the processes it descends from: a sweep spares them.
func ancestors(all []process, pid int) map[int]bool {
	parent := make(map[int]int, len(all))
	for _, p := range all {
		parent[p.pid] = p.parent
	}
	out := map[int]bool{}
	for pid != 0 && !out[pid] {
		out[pid] = true
		pid = parent[pid]
	}
	return out
}

// kept says that the process carries a marker that begins with prefix.
func kept(pid int, prefix string) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false // gone, or another user's: not one of ours
	}
	for _, v := range strings.Split(string(text), "\x00") {
		if strings.HasPrefix(v, KeptVariable+"="+prefix) {
			return true
		}
	}
	return false
}
