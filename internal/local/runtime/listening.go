package runtime

import (
	"bufio"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// listening are the TCP ports on which a process or one below it listens, as far as this user may see it; nil
// where the system has no /proc.
func listening(pid int) []int {
	sockets := map[string]bool{}
	seen := map[int]bool{}
	for queue := []int{pid}; len(queue) > 0 && len(seen) < 1000; queue = queue[1:] {
		p := queue[0]
		if seen[p] {
			continue
		}
		seen[p] = true
		dir := "/proc/" + strconv.Itoa(p)
		fds, _ := os.ReadDir(filepath.Join(dir, "fd")) // gone, or not ours: nothing is known of it
		for _, fd := range fds {
			to, err := os.Readlink(filepath.Join(dir, "fd", fd.Name()))
			if inode, ok := strings.CutPrefix(to, "socket:["); err == nil && ok {
				sockets[strings.TrimSuffix(inode, "]")] = true
			}
		}
		tasks, _ := os.ReadDir(filepath.Join(dir, "task"))
		for _, task := range tasks {
			raw, _ := os.ReadFile(filepath.Join(dir, "task", task.Name(), "children"))
			for _, child := range strings.Fields(string(raw)) {
				if n, err := strconv.Atoi(child); err == nil {
					queue = append(queue, n)
				}
			}
		}
	}
	var out []int
	for _, table := range []string{"tcp", "tcp6"} {
		out = append(out, listeners("/proc/net/"+table, sockets)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// listeners reads the kernel's table of sockets for those that listen.
func listeners(table string, sockets map[string]bool) []int {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []int
	for lines := bufio.NewScanner(f); lines.Scan(); {
		const local, state, inode, listens = 1, 3, 9, "0A"
		fields := strings.Fields(lines.Text())
		if len(fields) <= inode || fields[state] != listens || !sockets[fields[inode]] {
			continue
		}
		_, port, _ := strings.Cut(fields[local], ":")
		if raw, err := hex.DecodeString(port); err == nil && len(raw) == 2 {
			out = append(out, int(raw[0])<<8|int(raw[1]))
		}
	}
	return out
}
