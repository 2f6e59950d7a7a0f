package gitlog

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"
)

// columns of a deployments file, and the outcomes that it may name.
var (
	csvColumns  = []string{"id", "sha", "tag", "ref", "finished_at", "started_at", "outcome", "environment", "service", "unplanned", "digest"}
	csvOutcomes = []string{"success", "failure", "aborted"}
)

// ReadCSV reads deployments from a file with a header line. Required columns: id, finished_at and at
// least one of sha, tag, ref, digest; optional: started_at, outcome (success), environment, service,
// unplanned (false). Tags, refs and abbreviated SHAs are looked up in the repository. All bad lines
// are reported at once, each with its number and column; deployments come back in the order of their
// finish.
func (r *Repository) ReadCSV(ctx context.Context, path string) ([]Deployment, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &Error{Op: "read deployments", Detail: err.Error(), Mend: "give csv:<file> with a path that exists", Err: err}
	}
	defer func() { _ = f.Close() }() // only read
	return r.parseCSV(ctx, f, path)
}

type csvRow struct {
	line   int
	rev    string
	column string
	d      Deployment
}

func (r *Repository) parseCSV(ctx context.Context, in io.Reader, path string) ([]Deployment, error) {
	reader := csv.NewReader(in)
	reader.TrimLeadingSpace = true
	reader.Comment = '#'
	header, err := reader.Read()
	if err != nil {
		detail := path + " has no header line"
		if !errors.Is(err, io.EOF) {
			detail = fmt.Sprintf("%s: %v", path, err)
		}
		return nil, &Error{Op: "read deployments", Detail: detail, Mend: "begin the file with: id,sha,finished_at", Err: err}
	}
	index, err := csvHeader(header, path)
	if err != nil {
		return nil, err
	}
	var rows []csvRow
	var faults []string
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			faults = append(faults, err.Error())
			var parse *csv.ParseError
			if errors.As(err, &parse) && errors.Is(err, csv.ErrFieldCount) {
				continue
			}
			break
		}
		line, _ := reader.FieldPos(0)
		row, fault := csvDeployment(record, index, line)
		if fault != "" {
			faults = append(faults, fault)
			continue
		}
		rows = append(rows, row)
	}
	more, err := r.resolveRows(ctx, rows)
	if err != nil {
		return nil, err
	}
	faults = append(faults, more...)
	faults = append(faults, duplicates(rows)...)
	if len(faults) > 0 {
		shown := faults
		if len(shown) > 10 {
			shown = append(shown[:10:10], fmt.Sprintf("and %d more", len(faults)-10))
		}
		return nil, &Error{Op: "read deployments", Detail: path + ": " + strings.Join(shown, "; "), Mend: "mend these lines; nothing was imported"}
	}
	out := make([]Deployment, len(rows))
	for i, row := range rows {
		out[i] = row.d
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Finished.Before(out[j].Finished) })
	return out, nil
}

func csvHeader(header []string, path string) (map[string]int, error) {
	index := map[string]int{}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		known := false
		for _, c := range csvColumns {
			known = known || c == name
		}
		if !known {
			near := nearest(name, csvColumns, 1)
			return nil, &Error{Op: "read deployments", Detail: fmt.Sprintf("%s line 1: unknown column %q", path, name), Mend: fmt.Sprintf("did you mean %q? columns are: %s", near[0], strings.Join(csvColumns, ", "))}
		}
		if _, twice := index[name]; twice {
			return nil, &Error{Op: "read deployments", Detail: fmt.Sprintf("%s line 1: column %q stands twice", path, name), Mend: "name each column once"}
		}
		index[name] = i
	}
	has := func(names ...string) bool {
		for _, n := range names {
			if _, ok := index[n]; ok {
				return true
			}
		}
		return false
	}
	for _, required := range [][]string{{"id"}, {"finished_at"}, {"sha", "tag", "ref", "digest"}} {
		if !has(required...) {
			return nil, &Error{Op: "read deployments", Detail: fmt.Sprintf("%s line 1: no column %s", path, strings.Join(required, " or ")), Mend: "begin the file with: id,sha,finished_at"}
		}
	}
	return index, nil
}

// csvDeployment reads one line; the fault names the line and the column.
func csvDeployment(record []string, index map[string]int, line int) (csvRow, string) {
	get := func(name string) string {
		if i, ok := index[name]; ok && i < len(record) {
			return strings.TrimSpace(record[i])
		}
		return ""
	}
	fault := func(column, format string, args ...any) string {
		return fmt.Sprintf("line %d, column %s: %s", line, column, fmt.Sprintf(format, args...))
	}
	row := csvRow{line: line, d: Deployment{ID: get("id"), Service: get("service"), Environment: get("environment"), Digest: get("digest"), Outcome: get("outcome")}}
	if row.d.ID == "" {
		return row, fault("id", "is empty")
	}
	for _, column := range []string{"sha", "tag", "ref"} {
		if row.rev = get(column); row.rev != "" {
			row.column = column
			break
		}
	}
	if row.rev == "" && row.d.Digest == "" {
		return row, fault("sha", "is empty, and so are tag, ref and digest")
	}
	var err error
	if row.d.Finished, err = time.Parse(time.RFC3339, get("finished_at")); err != nil {
		return row, fault("finished_at", "%q is not an RFC 3339 time such as 2025-01-31T08:00:00Z", get("finished_at"))
	}
	row.d.Started = row.d.Finished
	if s := get("started_at"); s != "" {
		if row.d.Started, err = time.Parse(time.RFC3339, s); err != nil {
			return row, fault("started_at", "%q is not an RFC 3339 time such as 2025-01-31T08:00:00Z", s)
		}
	}
	if row.d.Started.After(row.d.Finished) {
		return row, fault("started_at", "%s is after finished_at", get("started_at"))
	}
	if row.d.Outcome == "" {
		row.d.Outcome = "success"
	}
	if row.d.Outcome = strings.ToLower(row.d.Outcome); !contains(csvOutcomes, row.d.Outcome) {
		return row, fault("outcome", "%q is none of %s", row.d.Outcome, strings.Join(csvOutcomes, ", "))
	}
	if s := get("unplanned"); s != "" {
		if row.d.Unplanned, err = strconv.ParseBool(strings.ToLower(s)); err != nil {
			return row, fault("unplanned", "%q is neither true nor false", s)
		}
	}
	return row, ""
}

func contains(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

// resolveRows looks all revisions up with one git. A full SHA that this clone does not have is kept:
// the deployment is a fact, and its commits may come from elsewhere.
func (r *Repository) resolveRows(ctx context.Context, rows []csvRow) (faults []string, err error) {
	var in strings.Builder
	var asked []int
	for i, row := range rows {
		switch {
		case row.rev == "":
			continue
		case strings.ContainsAny(row.rev, "\n\r"):
			faults = append(faults, fmt.Sprintf("line %d, column %s: a line break stands in %q", row.line, row.column, row.rev))
			continue
		case row.column == "tag":
			in.WriteString("refs/tags/" + row.rev + "^{commit}\n")
		default:
			in.WriteString(row.rev + "^{commit}\n")
		}
		asked = append(asked, i)
	}
	if len(asked) == 0 {
		return faults, nil
	}
	out, err := r.git.output(ctx, "look up deployed commits", strings.NewReader(in.String()), "cat-file", "--batch-check=%(objectname) %(objecttype)")
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(asked) {
		return nil, fmt.Errorf("look up deployed commits: git answered %d of %d", len(lines), len(asked))
	}
	for n, i := range asked {
		row := &rows[i]
		sha, ok := strings.CutSuffix(lines[n], " commit")
		full := row.column == "sha" && isHex(strings.ToLower(row.rev)) && (len(row.rev) == 40 || len(row.rev) == 64)
		switch {
		case ok && len(strings.Fields(sha)) == 1:
			row.d.SHA = sha
		case full:
			row.d.SHA = strings.ToLower(row.rev)
		default:
			faults = append(faults, fmt.Sprintf("line %d, column %s: %q is not in this repository", row.line, row.column, row.rev))
		}
	}
	return faults, nil
}

// duplicates reports ids that stand on two lines for the same service and environment: the server
// would keep one of them in silence.
func duplicates(rows []csvRow) (faults []string) {
	first := map[string]int{}
	for _, row := range rows {
		key := row.d.ID + "\x00" + row.d.Service + "\x00" + row.d.Environment
		if line, ok := first[key]; ok {
			faults = append(faults, fmt.Sprintf("line %d, column id: %q stands on line %d already", row.line, row.d.ID, line))
			continue
		}
		first[key] = row.line
	}
	return faults
}
