package app

import (
	"runtime"
	"runtime/debug"
	"strings"
)

const (
	// gcPercent is by how much the heap may grow beyond what is in use before it is
	// collected. Go's default of 100 doubles what the histories of large projects
	// take; half of it costs a few percent of a core more.
	gcPercent = 50
	// gcFloor counts as in use though it is not: without it a small heap, which is
	// the usual one, would be collected many times a second under load.
	gcFloor = 32 << 20
)

// TuneMemory sets how the program's memory is collected, unless the environment
// says it (GOGC or GOMEMLIMIT). A program calls it once; what it returns gives
// the memory's floor back.
func TuneMemory(env []string) (release func()) {
	for _, kv := range env {
		if name, value, _ := strings.Cut(kv, "="); (name == "GOGC" || name == "GOMEMLIMIT") && value != "" {
			return func() {}
		}
	}
	// Nothing ever writes to the floor, so that the system never has to back it.
	floor := make([]byte, gcFloor)
	before := debug.SetGCPercent(gcPercent)
	return func() {
		debug.SetGCPercent(before)
		runtime.KeepAlive(floor)
	}
}
