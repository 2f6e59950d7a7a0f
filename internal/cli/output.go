package cli

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// record is one decoded item of a list.
type record map[string]any

func decodeRecord(raw json.RawMessage) (record, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var r record
	if err := decoder.Decode(&r); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return r, nil
}

// text gives a value as plain text: "" for null and absent, JSON for lists and objects.
func (r record) text(key string) string { return plainText(r[key]) }

func plainText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "true"
		}
		return "false"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// column is one column of a table.
type column struct {
	title string
	show  func(record) string
}

// field shows a key as it is, "–" when it is unknown.
func field(title, key string) column {
	return column{title, func(r record) string { return orDash(r.text(key)) }}
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// listing writes the items of a list one by one in the form that was asked for.
type listing interface {
	add(json.RawMessage) error
	close() error
}

// newListing gives the writer of a list; keys are the documented fields in their documented order,
// columns what a table shows of them.
func newListing(form string, out io.Writer, keys []string, columns []column) listing {
	buffered := bufio.NewWriterSize(out, 64<<10)
	switch form {
	case "json":
		return &jsonListing{out: buffered}
	case "csv":
		return &csvListing{out: buffered, csv: csv.NewWriter(buffered), keys: keys}
	}
	return &tableListing{out: buffered, table: tabwriter.NewWriter(buffered, 0, 4, 2, ' ', 0), columns: columns}
}

// jsonListing writes one JSON array, an item a line, as the items come.
type jsonListing struct {
	out *bufio.Writer
	n   int
}

func (l *jsonListing) add(raw json.RawMessage) error {
	separator := "["
	if l.n > 0 {
		separator = ",\n "
	}
	l.n++
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	_, err := l.out.WriteString(separator + compact.String())
	return err
}

func (l *jsonListing) close() error {
	end := "]\n"
	if l.n == 0 {
		end = "[]\n"
	}
	if _, err := l.out.WriteString(end); err != nil {
		return err
	}
	return l.out.Flush()
}

// csvListing writes a header and a row an item. A cell that a spreadsheet would run as a formula is
// made text by a leading apostrophe.
type csvListing struct {
	out    *bufio.Writer
	csv    *csv.Writer
	keys   []string
	headed bool
}

func (l *csvListing) add(raw json.RawMessage) error {
	if err := l.head(); err != nil {
		return err
	}
	r, err := decodeRecord(raw)
	if err != nil {
		return err
	}
	row := make([]string, len(l.keys))
	for i, key := range l.keys {
		row[i] = r.text(key)
		if s, ok := r[key].(string); ok {
			row[i] = unformula(s)
		}
	}
	return l.csv.Write(row)
}

func unformula(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func (l *csvListing) head() error {
	if l.headed {
		return nil
	}
	l.headed = true
	return l.csv.Write(l.keys)
}

func (l *csvListing) close() error {
	if err := l.head(); err != nil {
		return err
	}
	l.csv.Flush()
	if err := l.csv.Error(); err != nil {
		return err
	}
	return l.out.Flush()
}

// tableListing writes aligned columns for a person.
type tableListing struct {
	out     *bufio.Writer
	table   *tabwriter.Writer
	columns []column
	n       int
}

func (l *tableListing) add(raw json.RawMessage) error {
	r, err := decodeRecord(raw)
	if err != nil {
		return err
	}
	if l.n == 0 {
		titles := make([]string, len(l.columns))
		for i, c := range l.columns {
			titles[i] = c.title
		}
		if err := l.row(titles); err != nil {
			return err
		}
	}
	l.n++
	cells := make([]string, len(l.columns))
	for i, c := range l.columns {
		cells[i] = printable(c.show(r))
	}
	return l.row(cells)
}

func (l *tableListing) row(cells []string) error {
	_, err := fmt.Fprintln(l.table, strings.Join(cells, "\t"))
	return err
}

func (l *tableListing) close() error {
	if l.n == 0 {
		if _, err := fmt.Fprintln(l.out, "nothing to list"); err != nil {
			return err
		}
	}
	if err := l.table.Flush(); err != nil {
		return err
	}
	return l.out.Flush()
}

// printable takes out what could move a terminal's cursor or break a table's row.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < 0x20 || c >= 0x7f && c < 0xa0 {
			return ' '
		}
		return c
	}, s)
}

// printJSON writes one JSON value, indented, for a person and a program alike.
func (g *globals) printJSON(v any) error {
	encoder := json.NewEncoder(g.Out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// printRaw writes a JSON answer as it came, indented, with its fields in the server's order.
func (g *globals) printRaw(raw []byte) error {
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(raw), "", "  "); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	out.WriteByte('\n')
	_, err := g.Out.Write(out.Bytes())
	return err
}
