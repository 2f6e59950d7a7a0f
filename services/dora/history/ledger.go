package history

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/project"
)

// Ledger holds what has been reported about one project, merged entity by
// entity, and the history derived from it. It is not safe for concurrent use.
type Ledger struct {
	// GiveWay, when set, is asked by each goroutine of a settling for a function
	// that it then calls between two pieces of work, and which may rest in the
	// favour of whoever has more urgent work on the same processors.
	GiveWay func() (rest func())

	spec project.Spec
	salt []byte

	repos       map[string]*repository // by event.RepoKey
	spelled     map[string]*repository // by every URL that was seen
	deployments map[string]*deploymentFacts
	byID        map[string][]*deploymentFacts // by the source's own id
	byDigest    map[string][]*deploymentFacts // that name the digest, or once did
	incidents   map[string]*incidentFacts
	artifacts   map[string]*artifactFacts
	stated      map[string]origin // of images, as deployments tell
	authors     map[string]AuthorRef
	texts       map[string]string // one copy of texts that recur

	firstAt Time
	lastAt  Time

	// Scratch space of readers.
	commit   event.PackedCommit
	pull     pullRequestReport
	lastURL  string
	lastRepo *repository
	flat     flat

	state derived
}

// repository is what was reported of one repository, and what its commits and
// pull requests have to do with each other.
type repository struct {
	key, url string
	dag      *dag
	services []project.Service // declared with paths, in the order of their bits
	pulls    []*pullRequestFacts
	room     []pullRequestFacts // for the next ones
	slots    map[string]int32   // number -> index into pulls
	builds   map[string]struct{}
	reviews  int

	seen    bool    // by a settling
	renamed bool    // another spelling of its URL is shown
	dirty   []int32 // pull requests to derive again
	claims
	lanes  map[laneKey]*laneRepo
	blocks shelf // of pull requests, by month of creation
}

// NewLedger makes an empty ledger. salt makes author references pseudonyms
// that only this installation can compare.
func NewLedger(spec project.Spec, salt []byte) *Ledger {
	l := &Ledger{
		spec: spec, salt: salt,
		repos:       map[string]*repository{},
		spelled:     map[string]*repository{},
		deployments: map[string]*deploymentFacts{},
		byID:        map[string][]*deploymentFacts{},
		byDigest:    map[string][]*deploymentFacts{},
		incidents:   map[string]*incidentFacts{},
		artifacts:   map[string]*artifactFacts{},
		stated:      map[string]origin{},
		authors:     map[string]AuthorRef{},
		texts:       map[string]string{},
	}
	l.state.init()
	for _, s := range spec.Services {
		if s.Repo != "" {
			l.repo(s.Repo)
		}
	}
	return l
}

// repo returns the repository of that URL. Of several spellings of one
// repository the least is shown.
func (l *Ledger) repo(url string) *repository {
	if r, ok := l.spelled[url]; ok {
		return r
	}
	key := event.RepoKey(url)
	r, ok := l.repos[key]
	if !ok {
		r = &repository{
			key: key, url: url, dag: newDAG(), slots: map[string]int32{}, builds: map[string]struct{}{},
			claims: newClaims(), lanes: map[laneKey]*laneRepo{}, blocks: newShelf("r", key),
		}
		for _, s := range l.spec.Services {
			if event.RepoKey(s.Repo) == key && len(s.Paths) > 0 {
				r.services = append(r.services, s)
			}
		}
		if len(r.services) > 0 {
			r.dag.touches = []uint64{}
		}
		l.repos[key] = r
	}
	if url < r.url {
		r.url, r.renamed = url, true
	}
	l.spelled[url] = r
	return r
}

// repoBytes is repo for readers of packed reports, of which many in a row are
// about one repository.
func (l *Ledger) repoBytes(url []byte) *repository {
	if l.lastRepo == nil || string(url) != l.lastURL {
		l.lastURL = string(url)
		l.lastRepo = l.repo(l.lastURL)
	}
	return l.lastRepo
}

func (l *Ledger) saw(at Time) {
	if at > 0 && (l.firstAt == 0 || at < l.firstAt) {
		l.firstAt = at
	}
	l.lastAt = max(l.lastAt, at)
}

// ApplyPacked merges a report as it stands in the log. It keeps nothing of
// packed.
func (l *Ledger) ApplyPacked(t event.Type, source string, at Time, packed []byte) error {
	if t == event.TypeCommit {
		if err := l.commit.Unpack(packed); err != nil {
			return fmt.Errorf("history: apply: %w", err)
		}
		l.applyCommit(&l.commit)
		l.saw(at)
		return nil
	}
	read := false
	switch t {
	case event.TypePullRequest:
		read = l.applyFlatPullRequest(at, packed)
	case event.TypeReview:
		read = l.applyFlatReview(packed)
	case event.TypeDeployment:
		read = l.applyFlatDeployment(source, at, packed)
	}
	if read {
		l.saw(at)
		return nil
	}
	body, err := event.Unpack(t, packed)
	if err != nil {
		return fmt.Errorf("history: apply: %w", err)
	}
	l.apply(source, at, body)
	return nil
}

// Apply merges a report. Applying it again, or in another order, changes
// nothing.
func (l *Ledger) Apply(e event.Event) error {
	packed, err := event.Pack(e.Body)
	if err != nil {
		return fmt.Errorf("history: apply: %w", err)
	}
	return l.ApplyPacked(e.Body.Type(), e.Source, e.At, packed)
}

func (l *Ledger) apply(source string, at Time, body event.Body) {
	l.saw(at)
	switch b := body.(type) {
	case *event.PullRequest:
		l.applyPullRequest(at, b)
	case *event.Review:
		l.applyReview(b)
	case *event.Build:
		l.repo(b.Repo).builds[Key(source, b.Entity())] = struct{}{}
	case *event.Artifact:
		l.applyArtifact(at, b)
	case *event.Deployment:
		l.applyDeployment(source, at, b)
	case *event.Incident:
		l.applyIncident(source, at, b)
	}
}

func (l *Ledger) applyCommit(c *event.PackedCommit) {
	r := l.repoBytes(c.Repo)
	var touched uint64
	for i, s := range r.services {
		for _, p := range c.Paths {
			if s.Touches(string(p)) {
				touched |= 1 << i
				break
			}
		}
	}
	r.dag.add(c, l.author(c.Author), touched)
}

// author gives the pseudonym of an author: a keyed hash of the folded name.
func (l *Ledger) author(name []byte) AuthorRef {
	if len(name) == 0 {
		return 0
	}
	if a, ok := l.authors[string(name)]; ok {
		return a
	}
	m := hmac.New(sha256.New, l.salt)
	m.Write([]byte(strings.ToLower(strings.TrimSpace(string(name)))))
	a := AuthorRef(binary.BigEndian.Uint64(m.Sum(nil)) | 1)
	l.authors[string(name)] = a
	return a
}

// shared returns one copy of a text that many entities carry.
func (l *Ledger) shared(text string) string {
	if v, ok := l.texts[text]; ok {
		return v
	}
	l.texts[text] = text
	return text
}

func (l *Ledger) sharedBytes(text []byte) string {
	if v, ok := l.texts[string(text)]; ok {
		return v
	}
	return l.shared(string(text))
}
