package intake

import (
	"net/http"
	"net/url"
	"testing"
)

func TestTokensAreFoundWhereSourcesPutThem(t *testing.T) {
	for _, c := range []struct{ authorization, query, want string }{
		{"Bearer abc", "", "abc"},
		{"bearer  abc ", "token=other", "abc"},
		{"Basic dXNlcjpwYTpzcw==", "", "pa:ss"},
		{"Basic dXNlcg==", "", ""},
		{"Basic %%%", "token=abc", ""},
		{"", "token=abc", "abc"},
		{"Digest x", "token=abc", "abc"},
		{"", "", ""},
	} {
		query, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		if got := Token(http.Header{"Authorization": {c.authorization}}, query); got != c.want {
			t.Errorf("Authorization %q with %q: token %q, want %q", c.authorization, c.query, got, c.want)
		}
	}
}

func TestNoSecretIsTheSameAsNothing(t *testing.T) {
	if Same("", "") || Same("a", "b") || Same("a", "") || !Same("a", "a") {
		t.Error("Same is wrong")
	}
}

func TestAKindThatMaySignIsAskedByItsHeader(t *testing.T) {
	verify := func(string, Request) error { return nil }
	signed := http.Header{"X-Sig": {"1"}}
	for _, c := range []struct {
		k    Kind
		h    http.Header
		want bool
	}{
		{Kind{}, signed, false}, {Kind{Verify: verify}, nil, true},
		{Kind{Verify: verify, Signature: "X-Sig"}, nil, false}, {Kind{Verify: verify, Signature: "X-Sig"}, signed, true},
	} {
		if got := c.k.Signs(c.h); got != c.want {
			t.Errorf("%+v with %v: %v", c.k, c.h, got)
		}
	}
}
