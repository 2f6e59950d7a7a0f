package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// SignatureHeader carries the HMAC-SHA256 of the body, "sha256=" and hexadecimal digits.
const SignatureHeader = "X-Hub-Signature-256"

const (
	mostAnswer     = 4 << 10   // bytes of an answer that are read
	mostWhy        = 400       // bytes of an answer that are kept
	mostRetryAfter = time.Hour // a receiver cannot put us off for longer at a time
)

// Sign is the value of SignatureHeader for a body.
func Sign(secret string, body []byte) string {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write(body)
	return "sha256=" + hex.EncodeToString(h.Sum(nil))
}

// outcome is what became of one request.
type outcome struct {
	ok     bool
	final  bool // trying again would not help
	status int  // 0: no answer
	why    string
	after  time.Duration // the receiver asks to be left alone for so long
}

// send makes one attempt.
func (o *Outbox) send(ctx context.Context, m Message) outcome {
	at := Endpoint{URL: m.URL, Secret: m.Secret}
	if o.opts.Endpoint != nil {
		var err error
		if at, err = o.opts.Endpoint(ctx, m.Target); err != nil {
			return outcome{final: errors.Is(err, ErrGone), why: err.Error()}
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.URL, bytes.NewReader(m.Body))
	if err != nil {
		return outcome{final: true, why: "the address cannot be used: " + cause(err)}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", o.opts.Agent)
	for _, header := range []map[string]string{m.Header, at.Header} {
		for name, value := range header {
			req.Header.Set(name, value)
		}
	}
	if at.Secret != "" {
		req.Header.Set(SignatureHeader, Sign(at.Secret, m.Body))
	}
	resp, err := o.client.Do(req)
	if err != nil {
		return outcome{why: cause(err)}
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, mostAnswer)) // what came of it is kept; the status decides
	return judge(resp, answer, o.opts.Clock.Now())
}

// judge reads an answer.
func judge(resp *http.Response, answer []byte, now time.Time) outcome {
	out := outcome{status: resp.StatusCode}
	switch s := resp.StatusCode; {
	case s >= 200 && s < 300:
		out.ok = true
		return out
	case s == http.StatusRequestTimeout, s == http.StatusTooEarly, s == http.StatusTooManyRequests, s >= 500:
		out.after = retryAfter(resp.Header.Get("Retry-After"), now)
	default:
		out.final = true
	}
	out.why = fmt.Sprintf("answered %d", resp.StatusCode)
	if text := printable(answer); text != "" {
		out.why += ": " + text
	}
	return out
}

// retryAfter reads the header's two forms, seconds and a date.
func retryAfter(text string, now time.Time) time.Duration {
	var d time.Duration
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		d = time.Duration(min(max(n, 0), int64(mostRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), mostRetryAfter)
}

// backoff is the wait after the nth failure: doubling, a random half of it.
func (o *Outbox) backoff(n int) time.Duration {
	d := o.opts.Most
	if n < 32 {
		d = min(d, o.opts.First<<(n-1))
	}
	if d <= 0 {
		d = o.opts.Most
	}
	return d/2 + rand.N(d/2+1)
}

// cause is an error without the address, which may hold a password.
func cause(err error) string {
	var op *url.Error
	if errors.As(err, &op) {
		err = op.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return printable([]byte(err.Error()))
}

// printable is the beginning of a stranger's text, in one line.
func printable(text []byte) string {
	s := strings.ToValidUTF8(string(text[:min(len(text), mostWhy)]), "")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s))
}
