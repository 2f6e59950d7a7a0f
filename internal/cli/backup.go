package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/app"
	"github.com/fawkes-idp/fawkes/internal/backup"
)

func newBackupCommand(g *globals) *cobra.Command {
	var services []string
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the state of all services into one file",
		Long: `Copy the state of all services into one file: the SQLite files of the state folder, or the databases that
FAWKES_<SERVICE>_DATABASE_URL names. The platform may run meanwhile: of each service the copy shows one moment.

FILE may be a folder, in which a name is made, or - for standard output. The copy holds the secrets that the state holds
(webhook secrets, signing keys, hashes of tokens): its file is readable by its owner only. It is not encrypted; pipe it
into what you encrypt with.`,
		Example: "  fawkes backup /var/backups/\n  fawkes backup - | age -r age1… > fawkes.backup.age",
		Args:    exactArgs("a file, a folder, or -"),
		RunE:    func(cmd *cobra.Command, args []string) error { return g.backup(cmd.Context(), args[0], services) },
	}
	cmd.Flags().StringSliceVar(&services, "service", nil, "only these services")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func (g *globals) backup(ctx context.Context, target string, services []string) error {
	databases, err := g.databases(services)
	if err != nil {
		return err
	}
	for _, d := range databases {
		if path, ok := strings.CutPrefix(d.URL, "sqlite:"); ok {
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				return failf("give the state folder with --state, or the database with FAWKES_<SERVICE>_DATABASE_URL", "there is no state of %s: %s does not exist", d.Name, path)
			}
		}
	}
	now := g.Clock.Now()
	write := func(out io.Writer) (backup.Manifest, error) { return backup.Write(ctx, out, databases, g.version, now) }
	if target == "-" {
		_, err := write(g.Out)
		return err
	}
	if info, err := os.Stat(target); err == nil && info.IsDir() {
		target = filepath.Join(target, "fawkes-"+now.UTC().Format("20060102T150405Z")+".backup")
	}
	if _, err := os.Stat(target); err == nil {
		return failf("give another name, or remove it", "%s exists already", target)
	}
	m, err := backup.Save(target, write)
	if err != nil {
		return err
	}
	return g.sayCopied("copied to", target, m)
}

func newRestoreCommand(g *globals) *cobra.Command {
	var services []string
	var force, check bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put back what fawkes backup copied",
		Long: `Put back what fawkes backup copied, into the SQLite files of the state folder or into the databases that
FAWKES_<SERVICE>_DATABASE_URL names. The two may differ: a copy of a laptop's SQLite files can be put into PostgreSQL.

The file is verified before anything is touched. What is there already is replaced only with --force, and only when no
service runs on it. SQLite files change all together; if the command is interrupted, the old state stays, or the next
start completes the new one. Each PostgreSQL database changes in one transaction.`,
		Example: "  fawkes restore fawkes-20260301T020000Z.backup\n  fawkes restore --check fawkes-20260301T020000Z.backup",
		Args:    exactArgs("a file that fawkes backup wrote"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if check {
				return g.checkBackup(args[0])
			}
			return g.restore(cmd.Context(), args[0], services, force)
		},
	}
	cmd.Flags().StringSliceVar(&services, "service", nil, "only these services")
	cmd.Flags().BoolVar(&force, "force", false, "replace the state that is there")
	cmd.Flags().BoolVar(&check, "check", false, "verify the file, and touch nothing")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func (g *globals) checkBackup(file string) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	m, err := backup.Verify(f)
	if err != nil {
		return failf("take another copy; this one cannot be restored", "%s: %w", file, err)
	}
	return g.sayCopied("verified", file, m)
}

func (g *globals) restore(ctx context.Context, file string, services []string, force bool) (err error) {
	databases, err := g.databases(services)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(databases, func(d backup.Database) bool { return strings.HasPrefix(d.URL, "sqlite:") }) {
		state, err := g.stateFolder()
		if err != nil {
			return err
		}
		if err := os.MkdirAll(state, 0o700); err != nil {
			return err
		}
		l, err := takeLock(ctx, state)
		if errors.Is(err, errLocked) {
			return failf("stop it first: fawkes down", "a platform runs with the state %s", state)
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, l.release()) }()
	}
	m, err := backup.Restore(ctx, file, databases, force)
	switch {
	case errors.Is(err, backup.ErrNotEmpty):
		return failf("copy it first (fawkes backup), then give --force to replace it", "%w", err)
	case errors.Is(err, backup.ErrInUse):
		return failf("stop the services first", "%w", err)
	case errors.Is(err, backup.ErrDamaged):
		return failf("nothing was touched; take another copy", "%s: %w", file, err)
	case err != nil:
		return err
	}
	return g.sayCopied("restored from", file, m)
}

func (g *globals) databases(services []string) ([]backup.Database, error) {
	state, err := g.stateFolder()
	if err != nil {
		return nil, err
	}
	all, err := app.Databases(app.Options{Modules: platformModules(), StateDir: state, Env: g.Environ, Clock: g.Clock}, services)
	if err != nil {
		return nil, usagef("fawkes doctor lists the services", "%s", err)
	}
	return all, nil
}

func (g *globals) sayCopied(what, file string, m backup.Manifest) error {
	if g.output == "json" {
		return g.printJSON(map[string]any{"file": file, "created_at": m.CreatedAt, "by": m.By, "rows": m.Rows, "schema": m.Schemas, "sha256": m.SHA256})
	}
	if _, err := fmt.Fprintf(g.Out, "%s %s (of %s, sha256 %s)\n", what, file, m.CreatedAt.Format("2006-01-02 15:04:05Z"), m.SHA256); err != nil {
		return err
	}
	for _, d := range slices.Sorted(maps.Keys(m.Rows)) {
		total := int64(0)
		for _, n := range m.Rows[d] {
			total += n
		}
		if _, err := fmt.Fprintf(g.Out, "  %-10s %d rows in %d tables\n", d, total, len(m.Rows[d])); err != nil {
			return err
		}
	}
	return nil
}
