package report

import (
	"errors"
	"fmt"
	"io"
	"path"
	"sort"
	"strconv"
	"strings"
)

// Coverage is how many statements the tests ran.
type Coverage struct {
	Statements int               `json:"statements"`
	Covered    int               `json:"covered"`
	Packages   []PackageCoverage `json:"packages"`
}

// PackageCoverage is the coverage of one package.
type PackageCoverage struct {
	Package    string `json:"package"`
	Statements int    `json:"statements"`
	Covered    int    `json:"covered"`
}

// ErrNotCoverage is the reason for which a document is refused that is no profile of `go test -coverprofile`.
var ErrNotCoverage = errors.New("not a Go cover profile: the first line is not \"mode: …\"")

// Percent is the share of statements that were run, 0 to 100; nil when there is no statement.
func (c Coverage) Percent() *float64 {
	if c.Statements == 0 {
		return nil
	}
	p := 100 * float64(c.Covered) / float64(c.Statements)
	return &p
}

type block struct {
	file, span string
}

type counted struct {
	statements int
	run        bool
}

// ReadCoverage reads a profile of `go test -coverprofile`. A block that several test binaries report, which
// -coverpkg makes them do, counts once, and is covered when one of them ran it.
func ReadCoverage(r io.Reader) (*Coverage, error) {
	blocks := map[block]counted{}
	first := true
	err := eachLine(r, func(raw []byte) error {
		line := strings.TrimSpace(string(raw))
		if first || strings.HasPrefix(line, "mode: ") {
			if !strings.HasPrefix(line, "mode: ") {
				return ErrNotCoverage
			}
			first = false
			return nil
		}
		if line == "" {
			return nil
		}
		if len(blocks) >= 10*MaxCases {
			return fmt.Errorf("%w: more than %d blocks", ErrTooLarge, 10*MaxCases)
		}
		b, c, ok := coverLine(line)
		if !ok {
			return fmt.Errorf("not a block of a cover profile: %q", word(line))
		}
		c.run = c.run || blocks[b].run
		blocks[b] = c
		return nil
	})
	if err == nil && first {
		err = ErrNotCoverage
	}
	if err != nil {
		return nil, fmt.Errorf("read coverage: %w", err)
	}
	return summed(blocks), nil
}

// coverLine reads "file.go:1.2,3.4 statements count".
func coverLine(line string) (block, counted, bool) {
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return block{}, counted{}, false
	}
	n := len(fields)
	place := strings.Join(fields[:n-2], " ")
	at := strings.LastIndexByte(place, ':')
	statements, err := strconv.ParseUint(fields[n-2], 10, 20)
	if at <= 0 || err != nil {
		return block{}, counted{}, false
	}
	count, err := strconv.ParseUint(fields[n-1], 10, 64)
	if err != nil {
		return block{}, counted{}, false
	}
	return block{word(place[:at]), word(place[at+1:])}, counted{int(statements), count > 0}, true
}

func summed(blocks map[block]counted) *Coverage {
	out := &Coverage{Packages: []PackageCoverage{}}
	byPackage := map[string]PackageCoverage{}
	for b, c := range blocks {
		name := path.Dir(b.file)
		p := byPackage[name]
		p.Package = name
		p.Statements += c.statements
		if c.run {
			p.Covered += c.statements
		}
		byPackage[name] = p
	}
	for _, p := range byPackage {
		out.Statements += p.Statements
		out.Covered += p.Covered
		out.Packages = append(out.Packages, p)
	}
	sort.Slice(out.Packages, func(i, j int) bool { return out.Packages[i].Package < out.Packages[j].Package })
	return out
}
