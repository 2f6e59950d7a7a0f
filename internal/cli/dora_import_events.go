package cli

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// importSummary is what an import prints at its end.
type importSummary struct {
	Project     string         `json:"project,omitempty"`
	Repo        string         `json:"repo,omitempty"`
	Branch      string         `json:"branch,omitempty"`
	Commits     *int           `json:"commits,omitempty"`
	Deployments *int           `json:"deployments,omitempty"`
	Lines       *int           `json:"lines,omitempty"`
	Objects     map[string]int `json:"objects,omitempty"` // of GitHub's API, by kind
	Stored      int            `json:"stored"`
	Duplicates  int            `json:"duplicates"`
	Rejected    int            `json:"rejected"`
	Errors      []rejectedLine `json:"errors"`
	Warnings    []string       `json:"warnings"`
	Elapsed     float64        `json:"elapsed_seconds"`
	Next        string         `json:"next,omitempty"`
}

func newImportEventsCommand(g *globals) *cobra.Command {
	var project string
	var strict bool
	cmd := &cobra.Command{
		Use:   "events FILE.jsonl|-",
		Short: "Import delivery events, one JSON object a line",
		Long: `Import delivery events, one JSON object a line: commits, pull requests, reviews, builds, artifacts, deployments, incidents.
A file that ends in .gz is unpacked. An event that is already there is counted as a duplicate and changes nothing, so an
import that broke off is simply run again.

A line that is wrong is reported with its number and its field, and does not stop the rest; --strict stops at the first.
Exit code 6 when lines were rejected.`,
		Example: "  fawkes dora import events history.jsonl --project shop\n  generate | fawkes dora import events - --strict",
		Args:    exactArgs("a file, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, closeInput, err := g.openEvents(args[0])
			if err != nil {
				return err
			}
			defer closeInput()
			client, err := g.connect()
			if err != nil {
				return err
			}
			query := url.Values{}
			if project != "" {
				query.Set("project", project)
			}
			return g.importEvents(cmd.Context(), client, in, query, strict, project)
		},
	}
	cmd.Flags().StringVarP(&project, "project", "p", "", "the project of lines that name none")
	cmd.Flags().BoolVar(&strict, "strict", false, "stop at the first line that is wrong")
	addOutput(cmd, g, "text", "json")
	return cmd
}

// openEvents opens the file or standard input, and unpacks what is packed.
func (g *globals) openEvents(name string) (io.Reader, func(), error) {
	if name == "-" {
		return g.In, func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, failf("give a file of events, one JSON object a line, or - for standard input", "%w", err)
	}
	closeFile := func() { _ = f.Close() } // only read
	if !strings.HasSuffix(name, ".gz") {
		return f, closeFile, nil
	}
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		closeFile()
		return nil, nil, failf("see that it is packed with gzip", "unpack %s: %w", name, err)
	}
	return unpacked, closeFile, nil
}

func (g *globals) importEvents(ctx context.Context, client *api, in io.Reader, query url.Values, strict bool, project string) error {
	began := g.Clock.Now()
	sending, cancel := lingering(ctx)
	defer cancel()
	im := newImporter(sending, client, query, strict)
	bar := g.startProgress("lines", g.output == "json" && !g.Terminal)
	lines, readErr := feedLines(ctx, im, in, bar)
	closeErr := im.close()
	bar.end()
	totals := im.sofar()
	summary := importSummary{Project: project, Lines: &lines, Stored: totals.Stored, Duplicates: totals.Duplicates, Rejected: totals.Rejected,
		Errors: totals.Errors, Elapsed: g.Clock.Now().Sub(began).Seconds()}
	if project != "" {
		summary.Next = "fawkes dora report --project " + project
	}
	err := readErr
	if closeErr != nil && (err == nil || !errors.Is(closeErr, context.Canceled)) {
		err = closeErr
	}
	return g.endImport(summary, err)
}

// feedLines cuts the input into lines, keeping each one's number.
func feedLines(ctx context.Context, im *importer, in io.Reader, bar *progress) (lines int, err error) {
	reader := bufio.NewReaderSize(in, 256<<10)
	for number := 1; ; number++ {
		b := im.room()
		before := len(b.body)
		var readErr error
		for {
			var chunk []byte
			chunk, readErr = reader.ReadSlice('\n')
			b.body = append(b.body, chunk...)
			if !errors.Is(readErr, bufio.ErrBufferFull) {
				break
			}
		}
		if readErr != nil && !errors.Is(readErr, io.EOF) {
			b.body = b.body[:before]
			return lines, failf("", "read line %d: %w", number, readErr)
		}
		if err := ctx.Err(); err != nil {
			b.body = b.body[:before]
			return lines, err
		}
		switch size := len(bytes.TrimSpace(b.body[before:])); {
		case size == 0:
			b.body = b.body[:before]
		case size >= lineBytes:
			b.body = b.body[:before]
			lines++
			if im.strict { // what stands before it goes first
				if err := im.flush(); err != nil {
					return lines, err
				}
			}
			fault := rejectedLine{Line: number, Detail: fmt.Sprintf("is %s long, at most %s are taken", humanBytes(uint64(size)), humanBytes(lineBytes)), Code: "too_large"}
			if err := im.reject(fault); err != nil {
				return lines, err
			}
		default:
			if b.body[len(b.body)-1] != '\n' {
				b.body = append(b.body, '\n')
			}
			b.numbers = append(b.numbers, number)
			lines++
			bar.done.Add(1)
			if err := im.added(nil); err != nil {
				return lines, err
			}
		}
		if errors.Is(readErr, io.EOF) {
			return lines, nil
		}
	}
}

// lingering gives the context of requests that are on their way: after an interruption they get a
// few seconds to end, so that what the server stored is also counted.
func lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(5*time.Second, cancel)
		context.AfterFunc(sending, func() { timer.Stop() })
	})
	return sending, func() { stop(); cancel() }
}

// endImport prints the summary, the rejected lines, and turns what went wrong into the exit code.
func (g *globals) endImport(s importSummary, err error) error {
	if s.Errors == nil {
		s.Errors = []rejectedLine{}
	}
	if s.Warnings == nil {
		s.Warnings = []string{}
	}
	sort.SliceStable(s.Errors, func(i, j int) bool { return s.Errors[i].Line < s.Errors[j].Line })
	const shown = 20
	for i, e := range s.Errors {
		if i == shown {
			fmt.Fprintf(g.Err, "… and %d more\n", s.Rejected-shown)
			break
		}
		where := ""
		if e.Line > 0 {
			where = fmt.Sprintf("line %d: ", e.Line)
		}
		if e.Field != "" {
			where += e.Field + ": "
		}
		fmt.Fprintf(g.Err, "rejected: %s%s\n", where, e.Detail)
	}
	for _, w := range s.Warnings {
		g.warn("%s", w)
	}
	if g.output == "json" {
		if printErr := g.printJSON(s); printErr != nil {
			return printErr
		}
	} else {
		g.printSummary(s, err == nil)
	}
	switch {
	case errors.Is(err, errStrict):
		return &fault{code: exitPartly, err: fmt.Errorf("%w; what stood before it is stored", errStrict), mend: "mend the line, then run the same command again: what is stored is not stored twice"}
	case err != nil && errors.Is(err, context.Canceled):
		return &fault{code: exitInterrupted, err: errors.New("interrupted; what was acknowledged is stored"), mend: "run the same command again: it goes on where it stopped"}
	case err != nil:
		return err
	case s.Rejected > 0:
		return &fault{code: exitPartly, err: fmt.Errorf("%s rejected; all others are stored", plural(s.Rejected, "line")), mend: "mend them, then run the same command again: what is stored is not stored twice"}
	}
	return nil
}

func (g *globals) printSummary(s importSummary, whole bool) {
	title := "imported"
	if !whole {
		title = "so far"
	}
	count := ""
	if s.Commits != nil {
		count = plural(*s.Commits, "commit")
	}
	if s.Deployments != nil {
		count += ", " + plural(*s.Deployments, "deployment")
	}
	if s.Lines != nil {
		count = plural(*s.Lines, "line")
	}
	if s.Objects != nil {
		count = objectsInWords(s.Objects)
	}
	fmt.Fprintf(g.Out, "%s %s in %s: %s new, %s there already, %s rejected\n", title, count, humanSeconds(s.Elapsed),
		humanCount(s.Stored), humanCount(s.Duplicates), humanCount(s.Rejected))
	if whole && s.Next != "" {
		fmt.Fprintf(g.Out, "next: %s\n", s.Next)
	}
}
