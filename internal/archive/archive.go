// Package archive keeps events of past months that were taken from a log.
//
// An archive is a folder: for each month, by the events' own time, a file in the
// bulk format (2025-01.jsonl.gz), which `fawkes dora import events` reads, and
// beside it what the bulk format does not carry (2025-01.keys.gz: of each line the
// number in the log, the key and the times). manifest.json has the counts and sums
// of all. A folder without a manifest is no archive.
package archive

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

const (
	formatName    = "fawkes-log-archive"
	formatVersion = 1
	manifestFile  = "manifest.json"
)

// Manifest says what an archive holds.
type Manifest struct {
	Format    string    `json:"format"`
	Version   int       `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	Before    time.Time `json:"before"` // all its events are from before
	UpTo      int64     `json:"up_to"`  // the last number of the log at the time
	Events    int64     `json:"events"`
	Sum       string    `json:"sum"`               // over numbers and keys, in the order of the log
	Removed   *int64    `json:"removed,omitempty"` // taken out of the log afterwards
	Untouched []string  `json:"untouched,omitempty"`
	Months    []Month   `json:"months"`
}

// Month is one month of an archive.
type Month struct {
	Month      string `json:"month"`
	Events     int64  `json:"events"`
	FirstSeq   int64  `json:"first_seq"`
	LastSeq    int64  `json:"last_seq"`
	File       string `json:"file"`
	SHA256     string `json:"sha256"`
	KeysFile   string `json:"keys_file"`
	KeysSHA256 string `json:"keys_sha256"`
}

// ErrDamaged says that an archive is not as it was written.
var ErrDamaged = errors.New("the archive is damaged")

// key is what the bulk format does not carry of an event.
type key struct {
	Seq        int64     `json:"seq"`
	Key        string    `json:"key"`
	At         time.Time `json:"at"`
	ReceivedAt time.Time `json:"received_at"`
}

// entry is a line of the log's stream: an event, or the end.
type entry struct {
	key
	Event json.RawMessage `json:"event"`

	Complete bool      `json:"complete"`
	Before   time.Time `json:"before"`
	Events   int64     `json:"events"`
	UpTo     int64     `json:"up_to"`
	Sum      string    `json:"sum"`
}

// month is one that is being written.
type month struct {
	Month
	lines, keys *file
}

// file is a compressed file and the sum of its bytes.
type file struct {
	f   *os.File
	sum hash.Hash
	z   *gzip.Writer
}

func create(path string) (*file, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	z, err := gzip.NewWriterLevel(io.MultiWriter(f, sum), gzip.BestSpeed)
	return &file{f, sum, z}, err
}

func (f *file) finish() (string, error) {
	err := errors.Join(f.z.Close(), f.f.Sync(), f.f.Close())
	return hex.EncodeToString(f.sum.Sum(nil)), err
}

// Write makes an archive in a new folder of a log's stream, and reads it back. The
// folder is there whole, under its name, or not at all.
func Write(in io.Reader, folder string, now time.Time) (m Manifest, err error) {
	if _, err := os.Stat(folder); err == nil {
		return Manifest{}, fmt.Errorf("%s exists already", folder)
	}
	parent := filepath.Dir(folder)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return Manifest{}, err
	}
	making, err := os.MkdirTemp(parent, ".archive-*")
	if err != nil {
		return Manifest{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(making))
		}
	}()
	if m, err = fill(in, making, now); err != nil {
		return Manifest{}, err
	}
	if m.Events == 0 {
		return m, os.RemoveAll(making)
	}
	if _, err = Verify(making); err != nil {
		return Manifest{}, err
	}
	if err := os.Rename(making, folder); err != nil {
		return Manifest{}, err
	}
	d, err := os.Open(parent)
	if err != nil {
		return Manifest{}, err
	}
	return m, errors.Join(d.Sync(), d.Close())
}

func fill(in io.Reader, folder string, now time.Time) (Manifest, error) {
	m := Manifest{Format: formatName, Version: formatVersion, CreatedAt: now.UTC().Truncate(time.Second), Months: []Month{}}
	months := map[string]*month{}
	lines := bufio.NewReaderSize(in, 1<<16)
	for {
		text, err := lines.ReadBytes('\n')
		if err != nil {
			return m, fmt.Errorf("the log's events broke off: %w", err)
		}
		var e entry
		if err := json.Unmarshal(text, &e); err != nil {
			return m, fmt.Errorf("the log's events cannot be read: %w", err)
		}
		if e.Complete {
			m.Before, m.Events, m.UpTo, m.Sum = e.Before, e.Events, e.UpTo, e.Sum
			break
		}
		if err := put(folder, months, e); err != nil {
			return m, err
		}
	}
	for _, v := range months {
		var err, kerr error
		v.SHA256, err = v.lines.finish()
		v.KeysSHA256, kerr = v.keys.finish()
		if err := errors.Join(err, kerr); err != nil {
			return m, err
		}
		m.Months = append(m.Months, v.Month)
	}
	slices.SortFunc(m.Months, func(a, b Month) int { return bytes.Compare([]byte(a.Month), []byte(b.Month)) })
	return m, m.Save(folder)
}

func put(folder string, months map[string]*month, e entry) error {
	name := e.At.UTC().Format("2006-01")
	v := months[name]
	if v == nil {
		v = &month{Month: Month{Month: name, FirstSeq: e.Seq, File: name + ".jsonl.gz", KeysFile: name + ".keys.gz"}}
		var err error
		if v.lines, err = create(filepath.Join(folder, v.File)); err != nil {
			return err
		}
		if v.keys, err = create(filepath.Join(folder, v.KeysFile)); err != nil {
			return err
		}
		months[name] = v
	}
	v.Events, v.LastSeq = v.Events+1, e.Seq
	if _, err := v.lines.z.Write(append(e.Event, '\n')); err != nil {
		return err
	}
	text, err := json.Marshal(e.key)
	if err != nil {
		return err
	}
	_, err = v.keys.z.Write(append(text, '\n'))
	return err
}

// Save writes the manifest of an archive, in place of the one before.
func (m Manifest) Save(folder string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, ".manifest-*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(folder, manifestFile))
}

// Open reads the manifest of an archive.
func Open(folder string) (m Manifest, err error) {
	text, err := os.ReadFile(filepath.Join(folder, manifestFile))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil || m.Format != formatName {
		return m, errors.Join(fmt.Errorf("%w: %s is no manifest of one", ErrDamaged, filepath.Join(folder, manifestFile)), err)
	}
	if m.Version != formatVersion {
		return m, fmt.Errorf("the archive is of format %d, and this program reads %d", m.Version, formatVersion)
	}
	return m, nil
}

// List finds the archives in a folder, by name.
func List(parent string) (names []string, err error) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(parent, e.Name(), manifestFile)); err == nil && e.IsDir() && e.Name()[0] != '.' {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Verify reads an archive to its end and checks every count and sum.
func Verify(folder string) (Manifest, error) { return Read(folder, nil) }

// Read is Verify that hands on each event as the log's stream had it; what was
// handed on counts for nothing when it returns an error.
func Read(folder string, yield func(line []byte) error) (Manifest, error) {
	m, err := Open(folder)
	if err != nil {
		return m, err
	}
	var all []key
	for _, v := range m.Months {
		keys, err := readMonth(folder, v, yield)
		if err != nil {
			return m, fmt.Errorf("%s: %w", v.Month, err)
		}
		all = append(all, keys...)
	}
	slices.SortFunc(all, func(a, b key) int { return int(min(max(a.Seq-b.Seq, -1), 1)) })
	sum := sha256.New()
	for _, k := range all {
		sum.Write(append(append(strconv.AppendInt(nil, k.Seq, 10), ' '), k.Key+"\n"...)) //nolint:errcheck // documented never to fail
	}
	if int64(len(all)) != m.Events || hex.EncodeToString(sum.Sum(nil)) != m.Sum {
		return m, fmt.Errorf("%w: it does not hold what the log said", ErrDamaged)
	}
	return m, nil
}

func readMonth(folder string, v Month, yield func([]byte) error) (keys []key, err error) {
	lines, err := openFile(filepath.Join(folder, v.File))
	if err != nil {
		return nil, err
	}
	defer lines.f.Close() //nolint:errcheck // only read
	beside, err := openFile(filepath.Join(folder, v.KeysFile))
	if err != nil {
		return nil, err
	}
	defer beside.f.Close() //nolint:errcheck // only read
	for {
		line, err := lines.in.ReadBytes('\n')
		text, kerr := beside.in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && errors.Is(kerr, io.EOF) && len(line)+len(text) == 0 {
			break
		}
		if err != nil || kerr != nil {
			return nil, errors.Join(ErrDamaged, err, kerr)
		}
		var k key
		if err := json.Unmarshal(text, &k); err != nil {
			return nil, errors.Join(ErrDamaged, err)
		}
		keys = append(keys, key{Seq: k.Seq, Key: k.Key})
		if yield == nil {
			continue
		}
		whole, err := json.Marshal(struct {
			key
			Event json.RawMessage `json:"event"`
		}{k, bytes.TrimSpace(line)})
		if err != nil {
			return nil, errors.Join(ErrDamaged, err)
		}
		if err := yield(whole); err != nil {
			return nil, err
		}
	}
	sum, err := lines.finish()
	if err != nil {
		return nil, err
	}
	keysSum, err := beside.finish()
	if err != nil {
		return nil, err
	}
	if int64(len(keys)) != v.Events || sum != v.SHA256 || keysSum != v.KeysSHA256 || keys[0].Seq != v.FirstSeq || keys[len(keys)-1].Seq != v.LastSeq {
		return nil, fmt.Errorf("%w: the files are not as they were written", ErrDamaged)
	}
	return keys, nil
}

// source is a compressed file that is read, and the sum of its bytes.
type source struct {
	f   *os.File
	raw io.Reader
	sum hash.Hash
	in  *bufio.Reader
}

func openFile(path string) (*source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &source{f: f, sum: sha256.New()}
	s.raw = bufio.NewReader(io.TeeReader(f, s.sum)) // gzip reads no further than it must from such a reader
	z, err := gzip.NewReader(s.raw)
	if err != nil {
		return nil, errors.Join(ErrDamaged, err, f.Close())
	}
	s.in = bufio.NewReaderSize(z, 1<<16)
	return s, nil
}

// finish reads what follows the compressed text, of which there should be nothing.
func (s *source) finish() (string, error) {
	_, err := io.Copy(io.Discard, s.raw)
	return hex.EncodeToString(s.sum.Sum(nil)), err
}
