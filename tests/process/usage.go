package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process has taken from the machine so far.
type Usage struct {
	RSS, PeakRSS int64 // bytes
	CPU          time.Duration
}

// Usage reads /proc.
func (p *Process) Usage() (Usage, error) {
	var u Usage
	dir := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return u, err
	}
	for _, line := range strings.Split(string(status), "\n") {
		name, rest, _ := strings.Cut(line, ":")
		into := map[string]*int64{"VmRSS": &u.RSS, "VmHWM": &u.PeakRSS}[name]
		if into == nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return u, fmt.Errorf("%sstatus: %w", dir, err)
		}
		*into = n << 10
	}
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return u, err
	}
	// The fields after the command's name, which may hold anything and ends with ")".
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return u, fmt.Errorf("%sstat has only %d fields", dir, len(fields))
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on Linux
	for _, f := range fields[11:13] {  // utime, stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, fmt.Errorf("%sstat: %w", dir, err)
		}
		u.CPU += time.Duration(n) * tick
	}
	return u, nil
}
