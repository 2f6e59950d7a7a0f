// Package fawkesfile reads fawkes.yaml, in which a repository says what the golden path cannot find out
// for itself, or shall do otherwise.
//
//	file, err := fawkesfile.Parse(text)
//
// The file is input of strangers: its size is bounded, anchors and aliases are refused, and an unknown
// key is an error that names the line and the nearest known one. An absent file is [Default]. The
// reference of all keys is docs/reference/golden-path.md.
package fawkesfile

import (
	"errors"
	"fmt"
	"time"
)

// Name is the file's name, at the top of the repository.
const Name = "fawkes.yaml"

// The bounds of the file.
const (
	MostBytes   = 64 << 10
	mostEntries = 200  // of a list or a map
	mostText    = 4096 // bytes of one value
)

// File is what the repository says. Zero values mean that it says nothing.
type File struct {
	Service  string // what is delivered; default: the repository's name
	Project  string // the project of the delivery metrics; default: the service
	Language string // go, node, python or java; default: found out
	Go       Go
	Build    Build
	Test     Test
	Behavior Behavior
	Image    Image
	Stages   map[string]Stage
	Gate     Gate
	Promote  Promote
	Deploy   Deploy
	Lines    map[string]int // where a key stands, by its path ("stages.build.timeout")
}

// Go says how a Go program is built.
type Go struct {
	Package string // the main package, "./cmd/api"
	Version string // of the toolchain that is wanted, "1.26"; an older one refuses
	Tags    []string
}

// Build says how far the build reaches.
type Build struct {
	Network bool // may download dependencies; default true
}

// Test says how unit tests run.
type Test struct {
	Network  bool // may reach the network; default true
	Coverage bool // is measured; default true
}

// Behavior is the acceptance test.
type Behavior struct {
	Command []string
}

// Image says what goes into the image.
type Image struct {
	Root       string            // a folder of the work tree that becomes the image's content
	Entrypoint []string          // default: what the language needs
	Base       string            // "scratch" (the minimal base made here) or an image to build upon
	Env        map[string]string // of the running program
	Exclude    []string          // patterns of files that stay out
}

// Stage changes one stage.
type Stage struct {
	Skip    bool
	Reason  string // why it is skipped
	Command []string
	Timeout time.Duration // 0: the stage's own
}

// The levels of a finding from which on it is refused; Off refuses none.
const (
	LevelError   = "error"
	LevelWarning = "warning"
	LevelNote    = "note"
	Off          = "off"
)

// Gate holds the rules that a commit must keep.
type Gate struct {
	MaxSecrets      int
	StaticAnalysis  string   // error, warning, note or off: findings of this level and above are refused
	Vulnerabilities string   // critical, high, medium, low or off: of the image, where a scanner is there
	MinTests        int      // unit tests that passed
	MinCoverage     *float64 // percent of statements; nil: none wanted
	Allow           []Allow
}

// Allow lets findings of a rule pass, until a day.
type Allow struct {
	Rule   string    // the rule's id, * as in file names
	Path   string    // of the file, * as in file names; a folder takes what is below it; empty: every file
	Reason string    // for people
	Until  time.Time // the first moment at which it holds no more: the day after the one that is written, UTC
	Line   int
}

// Promote says where a good commit goes.
type Promote struct {
	To []string // environments, in their order; default: dev
}

// Deploy describes the running service where the repository has no folder deploy/ with manifests.
type Deploy struct {
	Port     int               // default 8080
	Health   string            // path of the health check; default /healthz
	Replicas int               // default 1
	Config   map[string]string // environment of the service, by a ConfigMap
	Host     string            // of the Ingress; default made of service and environment
}

// Default is what holds when the repository says nothing.
func Default() *File {
	return &File{
		Build: Build{Network: true}, Test: Test{Network: true, Coverage: true},
		Image:   Image{Base: "scratch"},
		Gate:    Gate{StaticAnalysis: LevelError, Vulnerabilities: "critical", MinTests: 1},
		Promote: Promote{To: []string{"dev"}},
		Deploy:  Deploy{Port: 8080, Health: "/healthz", Replicas: 1},
		Stages:  map[string]Stage{}, Lines: map[string]int{},
	}
}

// Error is one fault of the file.
type Error struct {
	Line   int
	Path   string // of the key, "gate.allow[1].until"
	Detail string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s:%d: %s", Name, e.Line, e.Detail)
	}
	return fmt.Sprintf("%s:%d: %s: %s", Name, e.Line, e.Path, e.Detail)
}

// Faults lists every fault of an error of Parse.
func Faults(err error) []*Error {
	var all interface{ Unwrap() []error }
	if errors.As(err, &all) {
		var out []*Error
		for _, e := range all.Unwrap() {
			var one *Error
			if errors.As(e, &one) {
				out = append(out, one)
			}
		}
		return out
	}
	var one *Error
	if errors.As(err, &one) {
		return []*Error{one}
	}
	return nil
}
