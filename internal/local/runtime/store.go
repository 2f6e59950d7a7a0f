package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/local/runtime/manifest"
)

// savedApp is what of an application survives the platform. It holds no secret.
type savedApp struct {
	Name        string                      `json:"name"`
	Namespace   string                      `json:"namespace"`
	Revision    string                      `json:"revision"`
	AppliedAt   time.Time                   `json:"applied_at"`
	Objects     []manifest.Object           `json:"objects"`
	Deployments map[string]*savedDeployment `json:"deployments"`
	Ports       map[string]int              `json:"ports"` // "service/port" to the port of this machine
}

// savedDeployment is the roll-out: the template that is wanted is the last of Sets.
type savedDeployment struct {
	Number   int64      `json:"number"`   // of the newest set
	Restarts int        `json:"restarts"` // how often a restart of all was asked for
	Sets     []savedSet `json:"sets"`
	Pods     []savedPod `json:"pods"`
}

// savedSet is one template and where it came from.
type savedSet struct {
	Hash     string            `json:"hash"`
	Number   int64             `json:"number"`
	Revision string            `json:"revision"`
	Template manifest.Template `json:"template"`
}

// savedPod is the identity of an instance.
type savedPod struct {
	Name     string        `json:"name"`
	Hash     string        `json:"hash"`
	Restarts int           `json:"restarts"`
	Ports    map[int32]int `json:"ports,omitempty"`
	Created  time.Time     `json:"created"`
}

// savedPlatform is what belongs to no application.
type savedPlatform struct {
	Ingress int `json:"ingress"`
}

// store keeps a file an application. Files are replaced whole and flushed, so that after a crash there is the
// old one or the new one.
type store struct{ folder string }

func (s store) apps() string { return filepath.Join(s.folder, "apps") }

func (s store) load() (map[string]*savedApp, savedPlatform, error) {
	apps := map[string]*savedApp{}
	var p savedPlatform
	if err := s.read(filepath.Join(s.folder, "platform.json"), &p); err != nil {
		return nil, p, err
	}
	entries, err := os.ReadDir(s.apps())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, p, fmt.Errorf("list applications: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue // left by a crash in the middle of writing
		}
		a := &savedApp{}
		if err := s.read(filepath.Join(s.apps(), e.Name()), a); err != nil {
			return nil, p, err
		}
		apps[a.Name] = a
	}
	return apps, p, nil
}

func (store) read(path string, into any) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("read state %s: %w", filepath.Base(path), err)
	}
	return nil
}

func (s store) save(a *savedApp) error {
	return s.write(filepath.Join(s.apps(), a.Name+".json"), a)
}

func (s store) savePlatform(p savedPlatform) error {
	return s.write(filepath.Join(s.folder, "platform.json"), p)
}

func (s store) remove(name string) error {
	if err := os.Remove(filepath.Join(s.apps(), name+".json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove state: %w", err)
	}
	return flush(s.apps())
}

func (store) write(path string, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return replace(path, raw, 0o600)
}

// replace writes a file whole or not at all.
func replace(path string, raw []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(raw)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return flush(filepath.Dir(path))
}

// flush makes the names in a folder last.
func flush(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return fmt.Errorf("flush %s: %w", filepath.Base(folder), err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("flush %s: %w", filepath.Base(folder), err)
	}
	return nil
}
