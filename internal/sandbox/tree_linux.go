package sandbox

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// ticksPerSecond is the unit of processor time in /proc: USER_HZ, 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// tree is every process below the keeper, itself not among them.
type tree struct {
	self int
	all  bool // the keeper is the first process of a PID namespace: every process there is below it

	mu     sync.Mutex
	used   time.Duration // by processes that are gone
	lived  time.Duration // by processes that live, at the last look
	most   time.Duration
	peak   int64
	number int
}

// process is one process as /proc tells it.
type process struct {
	pid, parent int
	cpu         time.Duration // with that of its children that it has waited for
	zombie      bool
}

// processes lists the tree's processes.
func (t *tree) processes() []process {
	all := readProcesses()
	if t.all {
		var out []process
		for _, p := range all {
			if p.pid != t.self {
				out = append(out, p)
			}
		}
		return out
	}
	return below(all, t.self)
}

// below lists the processes that descend from pid.
func below(all []process, pid int) []process {
	children := make(map[int][]process, len(all))
	for _, p := range all {
		children[p.parent] = append(children[p.parent], p)
	}
	var out []process
	seen := map[int]bool{pid: true}
	next := []int{pid}
	for len(next) > 0 {
		at := next[0]
		next = next[1:]
		for _, c := range children[at] {
			if !seen[c.pid] {
				seen[c.pid] = true
				out = append(out, c)
				next = append(next, c.pid)
			}
		}
	}
	return out
}

// kill ends every process of the tree, and does not return before none is left that could start another.
func (t *tree) kill() {
	if t.all {
		_ = syscall.Kill(-1, syscall.SIGKILL) // everything in the namespace but its first process, in one step
		return
	}
	// Stopped first, a process cannot start another while the rest is being killed.
	for range 1000 {
		alive := 0
		for _, p := range t.processes() {
			if !p.zombie {
				alive++
				_ = syscall.Kill(p.pid, syscall.SIGSTOP)
			}
		}
		if alive == 0 {
			return
		}
		for _, p := range t.processes() {
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
}

// reaped counts the processor time of a process that has been waited for.
func (t *tree) reaped(used syscall.Rusage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.used += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	t.peak = max(t.peak, used.Maxrss<<10)
}

// look counts what the tree uses at this moment.
func (t *tree) look() (memory int64, cpu time.Duration, number int) {
	for _, p := range t.processes() {
		if p.zombie {
			continue
		}
		number++
		cpu += p.cpu
		memory += resident(p.pid)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lived, t.number = cpu, number
	t.peak = max(t.peak, memory)
	return memory, t.used + cpu, number
}

// crowd counts the processes of a namespace by their names alone; 0 where the tree cannot be told from others so.
func (t *tree) crowd() int {
	if !t.all {
		return 0
	}
	dir, err := os.Open("/proc")
	if err != nil {
		return 0
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0
	}
	n := -1 // the keeper
	for _, name := range names {
		if name[0] >= '0' && name[0] <= '9' {
			n++
		}
	}
	return n
}

// usage is what the tree has used so far; it never goes back.
func (t *tree) usage() Usage {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.most = max(t.most, t.used, t.used+t.lived)
	return Usage{CPU: t.most, PeakMemory: t.peak, Processes: t.number}
}

// settle says that nothing of the tree lives any more.
func (t *tree) settle() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lived, t.number = 0, 0
}

// readProcesses reads every process that /proc shows.
func readProcesses() []process {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var out []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it has ended meanwhile
		}
		if p, ok := parseStat(pid, text); ok {
			out = append(out, p)
		}
	}
	return out
}

// parseStat reads /proc/PID/stat; the program's name in it may hold anything, so what follows its last ')' counts.
func parseStat(pid int, text []byte) (process, bool) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return process{}, false
	}
	f := bytes.Fields(text[end+1:])
	if len(f) < 15 {
		return process{}, false
	}
	parent, err := strconv.Atoi(string(f[1]))
	if err != nil {
		return process{}, false
	}
	p := process{pid: pid, parent: parent, zombie: f[0][0] == 'Z' || f[0][0] == 'X'}
	var ticks int64
	for _, field := range f[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return process{}, false
		}
		ticks += n
	}
	p.cpu = time.Duration(ticks) * (time.Second / ticksPerSecond)
	return p, true
}

// resident is a process's resident memory in bytes without the files that it maps.
func resident(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	return statusKiB(text, "RssAnon:")<<10 + statusKiB(text, "RssShmem:")<<10
}

// statusKiB reads one number of /proc/PID/status.
func statusKiB(text []byte, name string) int64 {
	_, rest, ok := bytes.Cut(text, []byte("\n"+name))
	if !ok {
		return 0
	}
	f := bytes.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(f[0]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
