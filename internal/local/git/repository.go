package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// initialize makes an empty bare repository, in one step as others see it.
func (s *Service) initialize(ctx context.Context, dir, branch string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	temporary, err := os.MkdirTemp(s.temporary(), "new-")
	if err != nil {
		return fmt.Errorf("make a repository: %w", err)
	}
	defer os.RemoveAll(temporary) //nolint:errcheck // prepare removes what is left
	bare := filepath.Join(temporary, "new.git")
	if _, err := s.git.text(ctx, s.git.home, "make a repository", nil, "init", "--quiet", "--bare", "--template=", "--object-format=sha1", "--initial-branch="+branch, "--end-of-options", bare); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("make a repository: %w", err)
	}
	if err := os.Rename(bare, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make a repository: %w", err)
	}
	return nil
}

// create makes a repository, or leaves the one that is there. Its default branch is protected unless rules are given.
func (s *Service) create(ctx context.Context, r Repository) (Repository, error) {
	if !ValidName(r.Name) {
		return r, invalidName(r.Name)
	}
	if _, err := s.prepare(ctx); err != nil {
		return r, err
	}
	defer s.locks.take(r.Name)()
	if there, err := s.store.repository(ctx, r.Name); err == nil || !errors.Is(err, ErrNotFound) {
		return there, err
	}
	if r.DefaultBranch == "" {
		r.DefaultBranch = "main"
	}
	if r.Protected == nil {
		r.Protected = []Rule{{Branch: r.DefaultBranch}}
	}
	r.Created = s.clock.Now()
	if err := s.initialize(ctx, s.dir(r.Name), r.DefaultBranch); err != nil {
		return r, err
	}
	if err := s.store.put(ctx, r); err != nil {
		return r, err
	}
	s.log.Info("a repository was made", "repository", r.Name)
	return r, nil
}

// change stores what apply makes of a repository: another description, default branch or rules.
func (s *Service) change(ctx context.Context, name string, apply func(*Repository)) (Repository, error) {
	defer s.locks.take(name)()
	r, err := s.store.repository(ctx, name)
	if err != nil {
		return r, err
	}
	branch := r.DefaultBranch
	apply(&r)
	if branch != r.DefaultBranch {
		if err := s.point(ctx, r.Name, r.DefaultBranch); err != nil {
			return r, err
		}
	}
	return r, s.store.put(ctx, r)
}

// point makes HEAD name a branch.
func (s *Service) point(ctx context.Context, name, branch string) error {
	_, err := s.git.text(ctx, s.dir(name), "set the default branch", nil, "symbolic-ref", "HEAD", "refs/heads/"+branch)
	return err
}

// delete removes a repository for good. Deliveries about it stay.
func (s *Service) delete(ctx context.Context, name string) error {
	if _, err := s.prepare(ctx); err != nil {
		return err
	}
	defer s.locks.take(name)()
	if _, err := s.store.repository(ctx, name); err != nil {
		return err
	}
	gone, err := os.MkdirTemp(s.temporary(), "gone-")
	if err != nil {
		return fmt.Errorf("remove a repository: %w", err)
	}
	// First the folder in one step: a row without a folder is dropped at the next start.
	if err := os.Rename(s.dir(name), filepath.Join(gone, "gone.git")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a repository: %w", err)
	}
	if err := s.store.remove(ctx, name); err != nil {
		return err
	}
	_ = os.Remove(filepath.Dir(s.dir(name))) // of an owner with nothing left
	s.log.Info("a repository was removed", "repository", name)
	if err := os.RemoveAll(gone); err != nil {
		s.log.Warn("the files of a removed repository go at the next start", "repository", name, "error", err)
	}
	return nil
}

// adopt makes the database agree with the folder: a repository whose making or removal was cut short.
func (s *Service) adopt(ctx context.Context) error {
	folders, err := filepath.Glob(filepath.Join(s.repositories(), "*", "*.git"))
	if err != nil {
		return fmt.Errorf("look through the repositories: %w", err)
	}
	found := map[string]bool{}
	for _, dir := range folders {
		name := filepath.ToSlash(strings.TrimSuffix(strings.TrimPrefix(dir, s.repositories()+string(filepath.Separator)), ".git"))
		if !ValidName(name) {
			continue
		}
		found[name] = true
		if _, err := s.store.repository(ctx, name); err == nil || !errors.Is(err, ErrNotFound) {
			if err != nil {
				return err
			}
			continue
		}
		head, err := s.git.text(ctx, dir, "read the default branch", nil, "symbolic-ref", "--short", "HEAD")
		if err != nil {
			s.log.Warn("a folder is no repository and is passed over", "folder", dir, "error", err)
			continue
		}
		branch := strings.TrimSpace(head)
		if err := s.store.put(ctx, Repository{Name: name, DefaultBranch: branch, Protected: []Rule{{Branch: branch}}, Created: s.clock.Now()}); err != nil {
			return err
		}
		s.log.Info("a repository was found and taken in", "repository", name)
	}
	all, err := s.store.repositories(ctx, "", "", 1<<20)
	if err != nil {
		return err
	}
	for _, r := range all {
		if found[r.Name] {
			continue
		}
		if _, err := os.Stat(s.dir(r.Name)); !errors.Is(err, fs.ErrNotExist) {
			continue // it was made meanwhile, or cannot be seen now
		}
		if err := s.store.remove(ctx, r.Name); err != nil {
			return err
		}
		s.log.Warn("a repository's folder is gone, and so is the repository", "repository", r.Name)
	}
	return nil
}

// collect packs a repository that has become untidy, and drops what nothing names any more after two weeks.
func (s *Service) collect(ctx context.Context, name string) error {
	if _, err := os.Stat(s.dir(name)); err != nil {
		return nil //nolint:nilerr // it was removed
	}
	cmd := s.git.command(ctx, s.dir(name), "-c", "gc.auto=2000", "-c", "gc.autoPackLimit=40", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet")
	stderr := &beginning{most: 4 << 10}
	cmd.Stderr = stderr
	if err := cmd.Run(); err != nil {
		return &gitError{op: "tidy up", stderr: stderr.String(), err: err}
	}
	return nil
}

// size is how many bytes a folder takes.
func size(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // git moves files about; what is there counts
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}
