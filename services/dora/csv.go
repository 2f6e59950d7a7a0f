package dora

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// A list is given as CSV (RFC 4180) to whoever asks for it by Accept: text/csv or
// by format=csv: a header and all rows, not a page of them. The rows come page
// after page from the operation itself, so that filters, order, rights and faults
// are its own and memory holds one page.

// csvColumns are the columns of each operation that can be told as CSV, in their
// order, which does not change: further ones are added at the end. A dot leads
// into an object.
func csvColumns() map[string][]string {
	report := []string{"project", "profile", "from", "to", "metric", "value", "unit", "p75", "p90", "n", "interval_low", "interval_high", "level", "score", "reason"}
	return map[string][]string{
		"get-metrics": report,
		"list-deployments": {"id", "source", "key", "service", "environment", "production", "repo", "sha", "digest", "resolved_by", "kind", "outcome", "unplanned",
			"started_at", "finished_at", "previous_id", "previous", "changes", "reason", "failed", "failure_reasons", "restored_at", "restored_by", "restored_ref", "title", "url"},
		"list-changes": {"repo", "number", "sha", "author_ref", "service", "environment", "first_commit_at", "created_at", "first_review_at", "merged_at", "deployed_at",
			"deployment_id", "deployment", "coding_seconds", "pickup_seconds", "review_seconds", "deploy_seconds", "lead_time_seconds", "reason"},
		"list-incidents": {"id", "source", "key", "service", "environment", "severity", "title", "url", "opened_at", "resolved_at", "deployment_id", "deployment", "linked_by", "reason"},
		"get-evidence":   {"metric", "kind", "value", "unit", "reason", "rule", "ref", "deployment.key", "deployment.service", "deployment.environment", "deployment.finished_at", "change.repo", "change.sha", "change.number", "incident.key"},
		"list-projects": {"project", "description", "declared", "version", "time_zone", "incident_window", "first_deployment", "merge_commits", "first_event_at", "last_event_at",
			"first_deployment_at", "last_deployment_at"},
		"list-events":     {"seq", "project", "source", "received_at", "event.type", "event"},
		"list-sources":    {"id", "kind", "name", "project", "path", "created_at"},
		"list-quarantine": {"id", "received_at", "source", "project", "kind", "delivery", "field", "detail", "size", "status"},
		"list-imports":    {"key", "repo", "tips", "deployments", "updated_at"},
		"list-audit":      {"id", "at", "actor", "via", "action", "project", "target", "detail"},
	}
}

// csvPage is how many rows are read at a time.
const csvPage = 1000

// csvAnswers is huma middleware that answers operations as CSV. It stands behind
// the one that judges the caller.
func (s *Service) csvAnswers(c huma.Context, next func(huma.Context)) {
	op := c.Operation()
	columns, known := csvColumns()[op.OperationID]
	if !known {
		next(c)
		return
	}
	r, w := humago.Unwrap(c)
	r = r.WithContext(c.Context())
	asked, err := wantsCSV(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if !asked {
		q := r.URL.Query()
		if !q.Has("format") {
			next(c)
			return
		}
		q.Del("format") // json, which the operation does not know
		next(humago.NewContext(op, withQuery(r, q), w))
		return
	}
	httpapi.Allow(r, httpapi.Limits{Timeout: 10 * time.Minute})
	e := &csvAnswer{s: s, w: w, r: r, columns: columns, name: op.OperationID,
		ask: func(q url.Values) *kept {
			k := &kept{header: http.Header{}}
			next(humago.NewContext(op, withQuery(r, q), k))
			return k
		}}
	e.run()
}

// wantsCSV reads format and Accept; format decides when it is given.
func wantsCSV(r *http.Request) (bool, error) {
	if q := r.URL.Query(); q.Has("format") {
		switch f := q.Get("format"); f {
		case "csv", "json":
			return f == "csv", nil
		default:
			return false, problem.New(problem.InvalidField, "%q is neither csv nor json", f).WithField("query.format")
		}
	}
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		switch media, params, err := mime.ParseMediaType(strings.TrimSpace(part)); {
		case err != nil:
		case media == "text/csv" && params["q"] != "0":
			return true, nil
		case media == "application/json" || media == "*/*":
			return false, nil // the first that can be given is
		}
	}
	return false, nil
}

func withQuery(r *http.Request, q url.Values) *http.Request {
	r2 := r.Clone(r.Context())
	r2.URL.RawQuery = q.Encode()
	r2.Header.Set("Accept", "application/json")
	return r2
}

// kept is a ResponseWriter that keeps one page.
type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) Write(b []byte) (int, error) { return k.body.Write(b) }
func (k *kept) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

// csvAnswer is one list on its way out.
type csvAnswer struct {
	s       *Service
	w       http.ResponseWriter
	r       *http.Request
	name    string
	columns []string
	ask     func(q url.Values) *kept
	out     *csv.Writer
	given   int
}

// csvRows is one page of any operation.
type csvRows struct {
	Items      []json.RawMessage `json:"items"`
	NextCursor *string           `json:"next_cursor"`
	Next       *int64            `json:"next"`
	Head       *int64            `json:"head"`
}

func (e *csvAnswer) run() {
	q := e.r.URL.Query()
	q.Del("format")
	most := 0 // all
	if limit := q.Get("limit"); limit != "" && e.name != "get-metrics" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 {
			e.s.fail(e.w, e.r, problem.New(problem.InvalidField, "%q is not a number of rows", limit).WithField("query.limit"))
			return
		}
		most = n
	}
	end := int64(-1) // of the log, as it was when the export began
	for {
		if paged := e.name != "get-metrics" && e.name != "list-sources" && e.name != "list-imports"; paged {
			size := csvPage
			if most > 0 {
				size = min(size, most-e.given)
			}
			q.Set("limit", strconv.Itoa(size))
		}
		page := e.ask(q)
		if page.status != 0 && page.status != http.StatusOK {
			e.fault(page)
			return
		}
		var rows csvRows
		err := e.page(page.body.Bytes(), &rows)
		if err == nil {
			err = http.NewResponseController(e.w).Flush()
			if errors.Is(err, http.ErrNotSupported) {
				err = nil
			}
		}
		if err != nil {
			e.broken(err)
			return
		}
		if rows.Head != nil && end < 0 {
			end = *rows.Head
		}
		switch {
		case e.r.Context().Err() != nil || most > 0 && e.given >= most:
			return
		case rows.NextCursor != nil && *rows.NextCursor != "":
			q.Set("cursor", *rows.NextCursor)
		case rows.Next != nil && *rows.Next < end && strconv.FormatInt(*rows.Next, 10) != q.Get("after"):
			q.Set("after", strconv.FormatInt(*rows.Next, 10))
		default:
			return
		}
	}
}

// fault passes on what the operation answered instead of rows. Once rows are out,
// only a cut connection tells that they are not all.
func (e *csvAnswer) fault(page *kept) {
	if e.out != nil {
		e.broken(fmt.Errorf("a page was refused with %d", page.status))
		return
	}
	for name, values := range page.header {
		e.w.Header()[name] = values
	}
	e.w.WriteHeader(page.status)
	e.s.write(e.w, e.r, page.body.Bytes())
}

func (e *csvAnswer) broken(err error) {
	if e.r.Context().Err() == nil {
		e.s.log.WarnContext(e.r.Context(), "an export broke off", "operation", e.name, "error", err)
	}
	panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's own way to cut a connection
}

// page writes the rows of one page, and the header before the first.
func (e *csvAnswer) page(body []byte, rows *csvRows) error {
	if e.name == "get-metrics" {
		items, err := reportRows(body)
		if err != nil {
			return err
		}
		rows.Items = items
	} else if err := json.Unmarshal(body, rows); err != nil {
		return fmt.Errorf("read a page: %w", err)
	}
	if e.out == nil {
		h := e.w.Header()
		h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
		h.Set("Content-Disposition", `attachment; filename="`+e.file()+`"`)
		h.Set("Cache-Control", "no-store")
		h.Set("Vary", "Accept")
		e.out = csv.NewWriter(e.w)
		e.out.UseCRLF = true
		if err := e.out.Write(e.columns); err != nil {
			return err
		}
	}
	cells := make([]string, len(e.columns))
	for _, raw := range rows.Items {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var row map[string]any
		if err := d.Decode(&row); err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read a row: %w", err)
		}
		for i, path := range e.columns {
			cells[i] = cell(row, path)
		}
		if err := e.out.Write(cells); err != nil {
			return err
		}
		e.given++
	}
	e.out.Flush()
	return e.out.Error()
}

// file is what a browser calls the download.
func (e *csvAnswer) file() string {
	_, name, _ := strings.Cut(e.name, "-")
	project := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, e.r.URL.Query().Get("project"))
	if project != "" {
		name = strings.TrimLeft(project, ".-") + "-" + name
	}
	return name + "-" + e.s.clock.Now().Format(time.DateOnly) + ".csv"
}

// cell is a field of a row as text: nothing for null, JSON for lists and objects.
// A text that a spreadsheet would run as a formula begins with an apostrophe;
// numbers are left alone.
func cell(row map[string]any, path string) string {
	first, rest, deeper := strings.Cut(path, ".")
	v := row[first]
	if deeper {
		inner, _ := v.(map[string]any)
		return cell(inner, rest)
	}
	switch v := v.(type) {
	case nil:
		return ""
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case string:
		if v != "" && strings.ContainsRune("=+-@\t\r", rune(v[0])) {
			return "'" + v
		}
		return v
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// reportRows makes a row of each metric: of the whole window, and then of each
// part of the series.
func reportRows(body []byte) ([]json.RawMessage, error) {
	type window struct {
		From    string           `json:"from"`
		To      string           `json:"to"`
		Metrics []map[string]any `json:"metrics"`
	}
	var r struct {
		Project string `json:"project"`
		Profile string `json:"profile"`
		window
		Series []window `json:"series"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("read a report: %w", err)
	}
	var out []json.RawMessage
	for _, w := range slices.Concat([]window{r.window}, r.Series) {
		for _, m := range w.Metrics {
			m["project"], m["profile"], m["from"], m["to"] = r.Project, r.Profile, w.From, w.To
			if bounds, ok := m["interval"].([]any); ok && len(bounds) == 2 {
				m["interval_low"], m["interval_high"] = bounds[0], bounds[1]
			}
			raw, err := json.Marshal(m)
			if err != nil {
				return nil, fmt.Errorf("read a report: %w", err)
			}
			out = append(out, raw)
		}
	}
	return out, nil
}

// describeCSV adds to the specification that lists are told as CSV, too.
func describeCSV(doc *huma.OpenAPI) {
	columns := csvColumns()
	for _, item := range doc.Paths {
		op := item.Get
		if op == nil || columns[op.OperationID] == nil {
			continue
		}
		op.Parameters = append(op.Parameters, &huma.Param{Name: "format", In: "query",
			Description: "csv gives all rows as CSV, as Accept: text/csv does", Schema: &huma.Schema{Type: "string", Enum: []any{"json", "csv"}}})
		if ok := op.Responses["200"]; ok != nil && ok.Content != nil {
			ok.Content["text/csv"] = &huma.MediaType{Schema: &huma.Schema{Type: "string"}}
		}
	}
}
