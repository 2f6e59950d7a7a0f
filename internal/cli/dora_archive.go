package cli

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/archive"
)

// archiveLimit is how long the log may take to be copied or compacted.
const archiveLimit = time.Hour

func newArchiveCommand(g *globals) *cobra.Command {
	var before, to string
	var keep bool
	cmd := &cobra.Command{
		Use:   "archive",
		Short: "Archive the events of past months, and take out of the log what has no say any more",
		Long: `Archive the events of past months, and take out of the log what has no say any more.

All events from before the month of --before are written to a folder: compressed files in the bulk format, a month each,
with a manifest. They are read back and compared with the log. Then those of them are taken out of the log that no number
rests on: reports that a later one of the same sender replaces in every field, repetitions, and events that metrics do not
know. Every number stays as it is: the platform derives each project from what would be left first, and leaves a project
alone whose numbers would change. Evidence then shows the reports that are left.

Without --before, the setting dora.retention says how old events must be.`,
		Example: "  fawkes dora archive --before 2025-01-01 --to /var/archive/fawkes",
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return g.archive(cmd.Context(), before, to, keep) },
	}
	cmd.Flags().StringVar(&before, "before", "", "archive events from before the month of this day (default: what dora.retention says)")
	cmd.PersistentFlags().StringVar(&to, "to", "", "the folder of archives (default: archive in the state folder)")
	cmd.Flags().BoolVar(&keep, "keep", false, "write the archive, and leave the log as it is")
	addOutput(cmd, g, "text", "json")
	run := cmd.RunE
	cmd.AddCommand(newArchiveListCommand(g, &to), newArchiveVerifyCommand(g, &to), newArchiveRestoreCommand(g, &to))
	cmd.RunE = run
	return cmd
}

// archives is the folder that archives are in.
func (g *globals) archives(to string) (string, error) {
	if to != "" {
		return filepath.Abs(to)
	}
	state, err := g.stateFolder()
	return filepath.Join(state, "archive"), err
}

func (g *globals) archive(ctx context.Context, before, to string, keep bool) error {
	parent, err := g.archives(to)
	if err != nil {
		return err
	}
	client, err := g.connect()
	if err != nil {
		return err
	}
	query := url.Values{}
	if before != "" {
		query.Set("before", before)
	}
	now := g.Clock.Now()
	folder := filepath.Join(parent, now.UTC().Format("20060102T150405Z"))
	var m archive.Manifest
	if err := client.download(ctx, doraBase+"/archive", query, func(in io.Reader) (err error) {
		m, err = archive.Write(in, folder, now)
		return err
	}); err != nil {
		return err
	}
	if m.Events == 0 {
		if g.output == "json" {
			return g.printJSON(map[string]any{"folder": nil, "events": 0})
		}
		_, err := fmt.Fprintf(g.Out, "there are no events from before %s; nothing was written\n", m.Before.Format(time.DateOnly))
		return err
	}
	if !keep {
		var done struct {
			Removed   int64    `json:"removed"`
			Untouched []string `json:"untouched"`
		}
		body, err := json.Marshal(map[string]any{"before": m.Before, "up_to": m.UpTo, "sum": m.Sum})
		if err != nil {
			return err
		}
		r := request{method: http.MethodPost, path: doraBase + "/archive:compact", body: body, header: map[string]string{"Content-Type": "application/json"}, limit: archiveLimit}
		if err := client.do(ctx, r, &done); err != nil {
			return errors.Join(err, failf("it is complete; `fawkes dora archive` can be given again", "the archive %s was written, and the log was not made smaller", folder))
		}
		m.Removed, m.Untouched = &done.Removed, done.Untouched
		if err := m.Save(folder); err != nil {
			return err
		}
	}
	return g.sayArchived(folder, m)
}

func (g *globals) sayArchived(folder string, m archive.Manifest) error {
	if g.output == "json" {
		return g.printJSON(struct {
			Folder string `json:"folder"`
			archive.Manifest
		}{folder, m})
	}
	_, err := fmt.Fprintf(g.Out, "archived %d events from before %s in %s\n", m.Events, m.Before.Format(time.DateOnly), folder)
	if err == nil && m.Removed != nil {
		_, err = fmt.Fprintf(g.Out, "took %d of them out of the log; every number stays as it was\n", *m.Removed)
	}
	for _, p := range m.Untouched {
		g.warn("nothing of %s was taken out of the log: its numbers would have changed", p)
	}
	return err
}

func newArchiveListCommand(g *globals, to *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List archives and what they hold",
		Args:  exactArgs(),
		RunE: func(_ *cobra.Command, _ []string) error {
			parent, err := g.archives(*to)
			if err != nil {
				return err
			}
			names, err := archive.List(parent)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			out := newListing(g.output, g.Out, []string{"name", "before", "events", "removed", "months", "created_at"},
				[]column{field("NAME", "name"), field("BEFORE", "before"), field("EVENTS", "events"), field("TAKEN OUT", "removed"), timeField("CREATED", "created_at")})
			for _, name := range names {
				m, err := archive.Open(filepath.Join(parent, name))
				if err != nil {
					return err
				}
				raw, err := json.Marshal(map[string]any{"name": name, "before": m.Before.Format(time.DateOnly), "events": m.Events, "removed": m.Removed, "months": len(m.Months), "created_at": m.CreatedAt})
				if err != nil {
					return err
				}
				if err := out.add(raw); err != nil {
					return err
				}
			}
			return out.close()
		},
	}
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func newArchiveVerifyCommand(g *globals, to *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify NAME",
		Short: "Read an archive to its end and check every sum",
		Args:  exactArgs("an archive's name (`fawkes dora archive list`)"),
		RunE: func(_ *cobra.Command, args []string) error {
			parent, err := g.archives(*to)
			if err != nil {
				return err
			}
			m, err := archive.Verify(filepath.Join(parent, args[0]))
			if err != nil {
				return failf("take a copy of it, if there is one", "%s: %w", args[0], err)
			}
			if g.output == "json" {
				return g.printJSON(m)
			}
			_, err = fmt.Fprintf(g.Out, "%s holds %d events of %d months, as they were written\n", args[0], m.Events, len(m.Months))
			return err
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newArchiveRestoreCommand(g *globals, to *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore NAME",
		Short: "Put the events of an archive back into the log; those that are there are not doubled",
		Args:  exactArgs("an archive's name (`fawkes dora archive list`)"),
		RunE: func(cmd *cobra.Command, args []string) error {
			parent, err := g.archives(*to)
			if err != nil {
				return err
			}
			folder := filepath.Join(parent, args[0])
			if _, err := archive.Verify(folder); err != nil {
				return failf("nothing was restored", "%s: %w", args[0], err)
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			restored, there, err := client.unarchive(cmd.Context(), folder)
			if err != nil {
				return err
			}
			if g.output == "json" {
				return g.printJSON(map[string]any{"restored": restored, "there": there})
			}
			_, err = fmt.Fprintf(g.Out, "restored %d events; %d were in the log\n", restored, there)
			return err
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

// unarchive sends an archive's events, some at a time. Sending them again does no harm.
func (a *api) unarchive(ctx context.Context, folder string) (restored, there int64, err error) {
	var body bytes.Buffer
	n := 0
	send := func() error {
		if n == 0 {
			return nil
		}
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := z.Write(body.Bytes()); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		var res struct{ Restored, There int64 }
		r := request{method: http.MethodPost, path: doraBase + "/archive:restore", body: packed.Bytes(), again: true, limit: 5 * time.Minute,
			header: map[string]string{"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}}
		if err := a.do(ctx, r, &res); err != nil {
			return err
		}
		restored, there, n = restored+res.Restored, there+res.There, 0
		body.Reset()
		return nil
	}
	_, err = archive.Read(folder, func(line []byte) error {
		body.Write(line)
		body.WriteByte('\n')
		if n++; n == 5000 || body.Len() > 16<<20 {
			return send()
		}
		return nil
	})
	if err == nil {
		err = send()
	}
	return restored, there, err
}

// download asks for an answer that is too long to hold, and has it read as it comes.
func (a *api) download(ctx context.Context, path string, query url.Values, read func(io.Reader) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, archiveLimit)
	defer cancel()
	address := a.base + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", a.agent)
	req.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := a.http.Do(req)
	if err != nil {
		return a.unreachable(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			return a.unreachable(err)
		}
		return a.refusal(request{method: http.MethodGet, path: path, query: query}, resp, text)
	}
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/x-ndjson") {
		return failf("see that FAWKES_API names a Fawkes platform of this version", "%s answered %s with %s", a.base, path, kind)
	}
	return read(resp.Body)
}
