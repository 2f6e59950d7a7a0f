package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// rememberFor is how long the id of a delivery is known; senders give up repeating long before.
const rememberFor = 14 * 24 * time.Hour

// tidy removes the files of old runs: their work folders first, later everything.
func (s *Service) tidy(ctx context.Context) {
	if err := s.tidyFiles(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("the files of old runs could not be removed", "err", err)
	}
	if err := s.store.Forget(ctx, s.clock.Now().Add(-rememberFor)); err != nil && ctx.Err() == nil {
		s.log.Warn("old deliveries could not be forgotten", "err", err)
	}
	if _, err := s.outbox.Prune(ctx, s.clock.Now().Add(-rememberFor)); err != nil && ctx.Err() == nil {
		s.log.Warn("old reports could not be forgotten", "err", err)
	}
}

func (s *Service) tidyFiles(ctx context.Context) error {
	all, err := os.ReadDir(filepath.Join(s.config.Folder, "runs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// The lists are made after the folders were seen: a run that begins meanwhile is not among these.
	whole, err := s.store.Kept(ctx, s.config.KeepRuns)
	if err != nil {
		return err
	}
	work, err := s.store.Kept(ctx, s.config.KeepWork)
	if err != nil {
		return err
	}
	for _, d := range all {
		id := d.Name()
		switch {
		case !whole[id]:
			err = errors.Join(err, removeTree(s.folder(id)))
		case !work[id]:
			err = errors.Join(err, removeTree(filepath.Join(s.folder(id), "work")), removeTree(filepath.Join(s.folder(id), "home")))
		}
	}
	return err
}

// removeTree removes a folder, those in it that may not be written included; module caches are made of such.
func removeTree(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s: %w", filepath.Base(dir), err)
	}
	return nil
}
