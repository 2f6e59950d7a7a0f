package road

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memory reads how much a process has had at most, and how much those that it started have now, each in bytes.
// What has ended meanwhile has none.
func memory(pid int) (peak, children int64) {
	parents := map[int][]int{}
	names, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		return 0, 0
	}
	for _, name := range names {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			continue
		}
		parent := int(status(child)["PPid"])
		parents[parent] = append(parents[parent], child)
	}
	under := parents[pid]
	for len(under) > 0 {
		child := under[0]
		under = append(under[1:], parents[child]...)
		children += status(child)["VmRSS"] << 10
	}
	return status(pid)["VmHWM"] << 10, children
}

// status reads the numbers of a process's status.
func status(pid int) map[string]int64 {
	out := map[string]int64{}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64); err == nil {
			out[name] = n
		}
	}
	return out
}
