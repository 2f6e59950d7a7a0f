package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Registry moves images to and from any registry of the distribution protocol. The zero value reads what is open to
// everyone. Hosts on the loopback are spoken to in plain HTTP where they speak no HTTPS; no other host is, unless
// Insecure says so.
type Registry struct {
	User      string            // whose password the token is; empty: "fawkes", which the platform's own registry takes
	Token     string            // a token, sent as a password; empty: none
	Insecure  bool              // plain HTTP is good enough for any host
	Transport http.RoundTripper // nil: go-containerregistry's own
}

// Push uploads img and returns its digest. It is there by its digest, by the tag in ref if it has one, and by each
// of tags. What the registry has already is not sent again.
func (r Registry) Push(ctx context.Context, ref string, img v1.Image, tags ...string) (string, error) {
	at, err := r.parse(ref)
	if err != nil {
		return "", err
	}
	hash, err := img.Digest()
	if err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	if d, ok := at.(name.Digest); ok && d.DigestStr() != hash.String() {
		return "", fmt.Errorf("push %s: the image has the digest %s", ref, hash)
	}
	if t, ok := tagOf(at, ref); ok {
		tags = append([]string{t}, tags...)
	}
	byDigest := at.Context().Digest(hash.String())
	if err := remote.Write(byDigest, img, r.options(ctx)...); err != nil {
		return "", fmt.Errorf("push %s: %w", ref, known(err))
	}
	for _, t := range tags {
		if err := remote.Tag(at.Context().Tag(t), img, r.options(ctx)...); err != nil {
			return "", fmt.Errorf("tag %s as %s: %w", byDigest, t, known(err))
		}
	}
	return hash.String(), nil
}

// Pull finds an image; of an index it is the one for linux and this processor. Its layers are fetched when they are
// read, for which ctx must still be alive, and then checked against their digests. ErrNotFound when there is none.
func (r Registry) Pull(ctx context.Context, ref string) (v1.Image, error) {
	at, err := r.parse(ref)
	if err != nil {
		return nil, err
	}
	img, err := remote.Image(at, r.options(ctx)...)
	if err != nil {
		return nil, fmt.Errorf("pull %s: %w", ref, known(err))
	}
	return img, nil
}

// Digest asks what a tag means now. ErrNotFound when there is no such image.
func (r Registry) Digest(ctx context.Context, ref string) (string, error) {
	at, err := r.parse(ref)
	if err != nil {
		return "", err
	}
	d, err := remote.Head(at, r.options(ctx)...)
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", ref, known(err))
	}
	return d.Digest.String(), nil
}

// Tag gives what ref names another tag in the same repository.
func (r Registry) Tag(ctx context.Context, ref, tag string) error {
	at, err := r.parse(ref)
	if err != nil {
		return err
	}
	d, err := remote.Get(at, r.options(ctx)...)
	if err != nil {
		return fmt.Errorf("tag %s as %s: %w", ref, tag, known(err))
	}
	to, err := name.NewTag(at.Context().Name()+":"+tag, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("tag %s: %q is not a tag", ref, tag)
	}
	if err := remote.Tag(to, d, r.options(ctx)...); err != nil {
		return fmt.Errorf("tag %s as %s: %w", ref, tag, known(err))
	}
	return nil
}

// Delete removes what ref names: a digest with all of its tags, or one tag.
func (r Registry) Delete(ctx context.Context, ref string) error {
	at, err := r.parse(ref)
	if err != nil {
		return err
	}
	if err := remote.Delete(at, r.options(ctx)...); err != nil {
		return fmt.Errorf("delete %s: %w", ref, known(err))
	}
	return nil
}

func (r Registry) parse(ref string) (name.Reference, error) {
	var opts []name.Option
	if r.Insecure {
		opts = append(opts, name.Insecure)
	}
	at, err := name.ParseReference(ref, opts...)
	if err != nil {
		return nil, fmt.Errorf("%.200q is not a reference to an image (host/repository:tag or host/repository@sha256:…)", ref)
	}
	return at, nil
}

// tagOf returns the tag that ref itself names, and not the one that is assumed.
func tagOf(at name.Reference, ref string) (string, bool) {
	t, ok := at.(name.Tag)
	if !ok || !strings.HasSuffix(ref, ":"+t.TagStr()) {
		return "", false
	}
	return t.TagStr(), true
}

func (r Registry) options(ctx context.Context) []remote.Option {
	next := r.Transport
	if next == nil {
		next = remote.DefaultTransport
	}
	opts := []remote.Option{
		remote.WithContext(ctx),
		remote.WithTransport(guard{next: next, insecure: r.Insecure}),
		remote.WithUserAgent("fawkes"),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}),
	}
	if r.Token != "" {
		opts = append(opts, remote.WithAuth(&authn.Basic{Username: cmp.Or(r.User, "fawkes"), Password: r.Token}))
	}
	return opts
}

// guard keeps tokens and images from crossing a network in the clear.
type guard struct {
	next     http.RoundTripper
	insecure bool
}

func (g guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" && !g.insecure && !Loopback(req.URL.Host) {
		return nil, fmt.Errorf("%s speaks plain HTTP and is not on this machine", req.URL.Host)
	}
	return g.next.RoundTrip(req)
}

// Loopback says whether host ("localhost:8080", "127.0.0.1", "[::1]:5000") is this machine.
func Loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// known turns "not found" into ErrNotFound.
func known(err error) error {
	var t *transport.Error
	if errors.As(err, &t) && t.StatusCode == http.StatusNotFound {
		return ErrNotFound
	}
	return err
}
