package dora

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// errLongLine is the fault of a line that was stepped over.
var errLongLine = errors.New("the line is too long")

// lines reads a text line by line in bounded memory. A line that is too long is
// stepped over and does not stop the rest.
type lines struct {
	in   *bufio.Reader
	most int
	long []byte // a line that does not fit the reader's buffer
	n    int    // number of the line that was read last, from 1
}

func newLines(in io.Reader, most int) *lines {
	return &lines{in: bufio.NewReaderSize(in, 64<<10), most: most}
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// next is the next line without its end and without white space around it,
// valid until the next call. Its error is errLongLine for a line that was stepped
// over, io.EOF after the last, or the reader's own: what was read of a line that
// the reader broke off is not given.
func (l *lines) next() ([]byte, error) {
	part, err := l.in.ReadSlice('\n')
	l.long = l.long[:0]
	tooLong := false
	for errors.Is(err, bufio.ErrBufferFull) {
		if tooLong = tooLong || len(l.long)+len(part) > l.most; !tooLong {
			l.long = append(l.long, part...)
		}
		part, err = l.in.ReadSlice('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) || err != nil && len(part)+len(l.long) == 0 && !tooLong {
		return nil, err
	}
	l.n++
	if tooLong || len(l.long)+len(part) > l.most {
		l.long = nil
		return nil, errLongLine
	}
	if len(l.long) > 0 {
		l.long = append(l.long, part...)
		part = l.long
	}
	if l.n == 1 {
		part = bytes.TrimPrefix(part, byteOrderMark)
	}
	return bytes.TrimSpace(part), nil
}
