// Package backup copies the databases of services into one file and back.
//
// The copy is taken from one snapshot of each database while services go on
// writing. It is a gzip of JSON lines that no engine owns: what was taken from
// SQLite can be put into PostgreSQL and the other way round. No program of either
// engine is needed.
//
//	{"format":"fawkes-backup","version":1,"created_at":…}
//	{"database":"dora","engine":"sqlite","schema":7}
//	{"table":"event","columns":["seq","key",…]}
//	[1,{"b":"base64"},…]                          a row
//	{"end":"event","rows":123,"sha256":"…"}        of the lines of its rows
//	{"complete":{"dora":{"event":123}},"sha256":"…"} of all lines before
//
// A file without its last line is not complete, and is refused.
package backup

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/sqlstore"
)

const (
	formatName    = "fawkes-backup"
	formatVersion = 1
)

// Database is a service's database.
type Database struct {
	Name       string // of the service
	URL        string // as sqlstore.Open takes it
	Migrations fs.FS
	// Passing are tables of what runs now, of no use in a copy.
	Passing []string
}

func (d Database) open(ctx context.Context) (*sqlstore.DB, error) {
	db, err := sqlstore.Open(ctx, d.URL, sqlstore.Options{Logger: slog.New(slog.DiscardHandler), AppName: appName, MaxConns: 2, StatementTimeout: time.Hour})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name, err)
	}
	return db, nil
}

// appName tells connections of this package from those of services.
const appName = "fawkes-copy"

// Manifest says what a copy holds.
type Manifest struct {
	CreatedAt time.Time                   `json:"created_at"`
	By        string                      `json:"by"`     // version of the program
	Rows      map[string]map[string]int64 `json:"rows"`   // by database and table
	Schemas   map[string]int64            `json:"schema"` // by database
	SHA256    string                      `json:"sha256"` // of all lines
}

// The lines of a copy that are no rows; one of the first fields says which.
type line struct {
	Format   string                      `json:"format,omitempty"`
	Database string                      `json:"database,omitempty"`
	Table    string                      `json:"table,omitempty"`
	End      string                      `json:"end,omitempty"`
	Complete map[string]map[string]int64 `json:"complete,omitempty"`

	Version   int        `json:"version,omitempty"`
	CreatedAt *time.Time `json:"created_at,omitempty"`
	By        string     `json:"by,omitempty"`
	Engine    string     `json:"engine,omitempty"`
	Schema    int64      `json:"schema,omitempty"`
	Columns   []string   `json:"columns,omitempty"`
	Rows      int64      `json:"rows"`
	SHA256    string     `json:"sha256,omitempty"`
}

// ErrDamaged says that a file is not a complete copy.
var ErrDamaged = errors.New("the file is not a complete backup")

// appendRow encodes a row.
func appendRow(to []byte, row []any) ([]byte, error) {
	to = append(to, '[')
	for i, v := range row {
		if i > 0 {
			to = append(to, ',')
		}
		switch v := v.(type) {
		case nil:
			to = append(to, "null"...)
		case int64:
			to = strconv.AppendInt(to, v, 10)
		case bool:
			to = strconv.AppendBool(to, v)
		case float64:
			to = append(to, `{"f":"`...)
			to = strconv.AppendFloat(to, v, 'g', -1, 64)
			to = append(to, `"}`...)
		case []byte:
			to = append(to, `{"b":"`...)
			to = base64.StdEncoding.AppendEncode(to, v)
			to = append(to, `"}`...)
		case string:
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			to = append(to, text...)
		default:
			return nil, fmt.Errorf("a column holds a %T, which is not copied", v)
		}
	}
	return append(to, ']', '\n'), nil
}

// parseRow decodes a row of so many columns.
func parseRow(text []byte, columns int) ([]any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	if len(raw) != columns {
		return nil, fmt.Errorf("a row has %d values for %d columns", len(raw), columns)
	}
	row := make([]any, columns)
	for i, v := range raw {
		var err error
		if row[i], err = parseValue(v); err != nil {
			return nil, err
		}
	}
	return row, nil
}

func parseValue(v json.RawMessage) (any, error) {
	switch v[0] {
	case 'n':
		return nil, nil
	case 't', 'f':
		return v[0] == 't', nil
	case '"':
		var s string
		err := json.Unmarshal(v, &s)
		return s, err
	case '{':
		var o struct {
			B *[]byte `json:"b"`
			F *string `json:"f"`
		}
		if err := json.Unmarshal(v, &o); err != nil {
			return nil, err
		}
		switch {
		case o.B != nil:
			return *o.B, nil
		case o.F != nil:
			f, err := strconv.ParseFloat(*o.F, 64)
			if err != nil || math.IsNaN(f) {
				return nil, errors.New("a number cannot be read")
			}
			return f, nil
		}
		return nil, errors.New("a value is of no kind that is known")
	}
	return strconv.ParseInt(string(v), 10, 64)
}
