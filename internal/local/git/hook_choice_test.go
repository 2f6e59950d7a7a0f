package git

import "testing"

func TestAHookHearsOfTheRepositoriesThatItNames(t *testing.T) {
	for _, c := range []struct {
		patterns, repository string
		want                 bool
	}{
		{"*", "acme/shop", true},
		{"acme/shop", "acme/shop", true},
		{"acme/shop", "acme/shops", false},
		{"* !fawkes/environments", "acme/shop", true},
		{"* !fawkes/environments", "fawkes/environments", false},
		{"acme/a acme/b", "acme/b", true},
		{"!acme/a", "acme/b", false},
		{"", "acme/b", false},
	} {
		if got := chosen(c.patterns, c.repository); got != c.want {
			t.Errorf("%q hears of %s: %v, want %v", c.patterns, c.repository, got, c.want)
		}
	}
	for patterns, want := range map[string]string{"* !fawkes/environments": "", "* !*": "!*", "shop": "shop", "acme/../x": "acme/../x"} {
		if got := badPattern(patterns); got != want {
			t.Errorf("the bad word of %q is %q, want %q", patterns, got, want)
		}
	}
}
