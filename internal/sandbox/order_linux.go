package sandbox

import (
	"encoding/json"
	"io"
	"os"
	"sync"
	"time"
)

// keeperName is the name (argv[0]) under which this binary is a keeper.
const keeperName = "fawkes-keeper"

// The keeper's files beside its three standard ones.
const (
	orderFile    = 3 // read: one JSON order, then one byte a command; its end is the platform's death
	answerFile   = 4 // written: JSON lines
	listenerFile = 5 // the program's file 3, when there is one
)

// Commands that follow the order.
const (
	commandStop = 's'
	commandKill = 'k'
)

// order is what a keeper is told to do.
type order struct {
	Path        string        `json:"path"`
	Args        []string      `json:"args"`
	Dir         string        `json:"dir"`
	Env         []string      `json:"env"`
	Root        string        `json:"root"`
	Read        []string      `json:"read"`
	Write       []string      `json:"write"`
	Confined    bool          `json:"confined"`
	Limits      Limits        `json:"limits"`
	Network     bool          `json:"network"`
	Grace       time.Duration `json:"grace"`
	Nice        int           `json:"nice"`
	HasListener bool          `json:"has_listener"`
	Namespaces  namespaces    `json:"namespaces"`
	// Probe asks for all but the program.
	Probe bool `json:"probe"`
	// Notes are what was found out while the keeper was started.
	Notes []string `json:"notes"`
}

// namespaces are those in which the keeper was started.
type namespaces struct {
	User, PID, Network bool
}

// answer is one line of a keeper.
type answer struct {
	// Unusable says that a namespace could be made and not be used, so that the next weaker way is tried.
	Unusable string `json:"unusable,omitempty"`
	// Failed says why the program could not be started at all.
	Failed  string  `json:"failed,omitempty"`
	Started *Report `json:"started,omitempty"`
	Usage   *Usage  `json:"usage,omitempty"`
	Exit    *Exit   `json:"exit,omitempty"`
}

// answers writes answers, one at a time.
type answers struct {
	mu sync.Mutex
	to *json.Encoder
}

func newAnswers(w io.Writer) *answers { return &answers{to: json.NewEncoder(w)} }

func (a *answers) send(m answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = a.to.Encode(m) // the platform is gone when this fails; the order file says so too
}

// readOrder reads the order and leaves the commands after it in the file.
func readOrder(f *os.File) (order, io.Reader, error) {
	dec := json.NewDecoder(f)
	var o order
	if err := dec.Decode(&o); err != nil {
		return o, nil, err
	}
	return o, io.MultiReader(dec.Buffered(), f), nil
}
