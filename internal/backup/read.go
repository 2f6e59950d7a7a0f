package backup

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
)

// handler takes what a copy holds, in its order.
type handler struct {
	database func(name string, schema int64) error
	table    func(database, name string, columns []string) error
	row      func(values []any) error
	end      func() error // of a table
}

// Verify reads a copy to its end and checks every sum in it.
func Verify(in io.Reader) (Manifest, error) { return read(in, handler{}) }

// read hands on what a copy holds, and returns its manifest when it was complete.
// What was handed on counts for nothing when it returns an error.
func read(in io.Reader, h handler) (Manifest, error) {
	z, err := gzip.NewReader(in)
	if err != nil {
		return Manifest{}, errors.Join(ErrDamaged, err)
	}
	r := &reader{in: bufio.NewReaderSize(z, 1<<16), h: h, m: Manifest{Rows: map[string]map[string]int64{}, Schemas: map[string]int64{}}}
	sum, table := sha256.New(), sha256.New()
	for n := 1; ; n++ {
		text, err := r.in.ReadBytes('\n')
		if err != nil {
			return Manifest{}, errors.Join(fmt.Errorf("%w: it breaks off in line %d", ErrDamaged, n), err)
		}
		if text[0] == '[' {
			table.Write(text) //nolint:errcheck // documented never to fail
			err = r.row(text)
		} else {
			var done bool
			if done, err = r.line(text, hex.EncodeToString(sum.Sum(nil)), hex.EncodeToString(table.Sum(nil))); done && err == nil {
				if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
					return Manifest{}, errors.Join(fmt.Errorf("%w: it does not end where it should", ErrDamaged), err)
				}
				return r.m, nil
			}
			table.Reset()
		}
		if err != nil {
			return Manifest{}, fmt.Errorf("line %d: %w", n, err)
		}
		sum.Write(text) //nolint:errcheck // documented never to fail
	}
}

// reader is the reading of one copy.
type reader struct {
	in       *bufio.Reader
	h        handler
	m        Manifest
	begun    bool
	database string
	table    string
	columns  []string
	rows     int64
}

func (r *reader) row(text []byte) error {
	if r.table == "" {
		return fmt.Errorf("%w: a row stands outside of a table", ErrDamaged)
	}
	r.rows++
	values, err := parseRow(text, len(r.columns))
	if err != nil {
		return errors.Join(ErrDamaged, err)
	}
	if r.h.row == nil {
		return nil
	}
	return r.h.row(values)
}

func (r *reader) line(text []byte, sum, table string) (done bool, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var l line
	if err := d.Decode(&l); err != nil {
		return false, errors.Join(ErrDamaged, err)
	}
	if !r.begun {
		if l.Format != formatName {
			return false, fmt.Errorf("%w: it does not begin as one", ErrDamaged)
		}
		if l.Version != formatVersion {
			return false, fmt.Errorf("the backup is of format %d, and this program reads %d: use the version %s that made it", l.Version, formatVersion, l.By)
		}
		r.begun, r.m.By = true, l.By
		if l.CreatedAt != nil {
			r.m.CreatedAt = *l.CreatedAt
		}
		return false, nil
	}
	switch {
	case l.Database != "" && r.table == "":
		r.database = l.Database
		r.m.Schemas[l.Database], r.m.Rows[l.Database] = l.Schema, map[string]int64{}
		if r.h.database != nil {
			return false, r.h.database(l.Database, l.Schema)
		}
	case l.Table != "" && r.table == "" && r.database != "":
		r.table, r.columns, r.rows = l.Table, l.Columns, 0
		if r.h.table != nil {
			return false, r.h.table(r.database, l.Table, l.Columns)
		}
	case l.End != "" && l.End == r.table:
		if l.Rows != r.rows || l.SHA256 != table {
			return false, fmt.Errorf("%w: the table %s is not as it was written", ErrDamaged, l.End)
		}
		r.m.Rows[r.database][l.End], r.table = l.Rows, ""
		if r.h.end != nil {
			return false, r.h.end()
		}
	case l.Complete != nil && r.table == "":
		if l.SHA256 != sum || !maps.EqualFunc(l.Complete, r.m.Rows, maps.Equal) {
			return false, fmt.Errorf("%w: it is not as it was written", ErrDamaged)
		}
		r.m.SHA256 = sum
		return true, nil
	default:
		return false, fmt.Errorf("%w: a line stands in the wrong place", ErrDamaged)
	}
	return false, nil
}
