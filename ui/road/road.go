// Package road is what the console reads of the delivery road, in the words of its pages: the runs of the golden
// path, the applications that an environment repository declares, the images of the registry and the repositories
// of the git server.
//
// Each of the four is a reader interface of its own, answered over HTTP with the caller's own credential and so with
// no more rights than the caller has. On Kubernetes a foreign system takes the place of each (Jenkins, Argo CD,
// Harbor, GitHub); a part that does not run here answers ErrAbsent, which its pages show as a statement and not as
// a fault.
package road

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// The four parts, by the names of their modules.
const (
	PartRunner   = "runner"
	PartGitOps   = "gitops"
	PartRegistry = "registry"
	PartGit      = "git"
)

// ErrAbsent says that a part of the road is not run by this platform.
var ErrAbsent = errors.New("this part of the road does not run here")

// Reader is the four parts together.
type Reader struct {
	Runs     Runs
	Apps     Apps
	Registry Registry
	Git      Git
}

// Page asks for one page of a list.
type Page struct {
	Limit  int
	Cursor string
}

// List is one page of a list; NextCursor is empty on the last one.
type List[T any] struct {
	Items      []T
	NextCursor string
}

// absence remembers for a while that a part is not there, so that a page that shows several parts does not look for
// a missing one each time it is drawn.
type absence struct {
	clock clock.Clock
	mu    sync.Mutex
	until map[string]time.Time
}

// absenceKept is how long a missing part is not looked for again.
const absenceKept = time.Minute

func newAbsence(c clock.Clock) *absence { return &absence{clock: c, until: map[string]time.Time{}} }

func (a *absence) known(part string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.clock.Now().Before(a.until[part])
}

func (a *absence) note(part string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.until[part] = a.clock.Now().Add(absenceKept)
}

// Whole reads pages of a list until its end or until most items are there; more says that the list goes on.
func Whole[T any](ctx context.Context, most int, next func(context.Context, Page) (List[T], error)) (items []T, more bool, err error) {
	for p := (Page{Limit: min(most, 200)}); ; {
		l, err := next(ctx, p)
		if err != nil {
			return nil, false, err
		}
		items = append(items, l.Items...)
		if l.NextCursor == "" {
			return items, false, nil
		}
		if len(items) >= most {
			return items[:most], true, nil
		}
		p.Cursor = l.NextCursor
	}
}
