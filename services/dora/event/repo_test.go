package event

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestRepoKeyIsOneForAllSpellings(t *testing.T) {
	for _, c := range []struct{ key, name, spellings string }{
		{"git.example/shop/checkout", "checkout", `
			https://git.example/shop/checkout
			https://git.example/shop/checkout.git
			https://git.example/shop/checkout.git/
			https://git.example/shop/checkout/
			http://git.example/shop/checkout
			https://git.example:443/shop/checkout
			http://git.example:80/shop/checkout.git
			https://GIT.example/shop/checkout
			https://mira@git.example/shop/checkout
			https://mira:p%40ss@git.example/shop/checkout.git
			https://x-access-token:ghs_123@git.example/shop/checkout
			ssh://git@git.example/shop/checkout.git
			ssh://git@git.example:22/shop/checkout.git
			git@git.example:shop/checkout
			git@git.example:shop/checkout.git
			git@Git.Example:/shop/checkout.git
			git.example:shop/checkout.git
			git://git.example/shop/checkout.git
			git.example/shop/checkout`},
		{"git.example:8443/shop/checkout", "checkout", `
			https://git.example:8443/shop/checkout.git
			https://mira:secret@git.example:8443/shop/checkout
			git.example:8443/shop/checkout`},
		{"git.example:2222/shop/checkout", "checkout", `ssh://git@git.example:2222/shop/checkout.git`},
		{"git.example/8443/checkout", "checkout", `git@git.example:8443/checkout.git`},
		{"git.example/group/sub/team/checkout", "checkout", `
			https://git.example/group/sub/team/checkout.git
			git@git.example:group/sub/team/checkout`},
		{"git.example/Shop/Checkout", "Checkout", `https://git.example/Shop/Checkout`},
		{"[::1]:3000/shop/checkout", "checkout", `http://[::1]:3000/shop/checkout.git`},
		{"/srv/git/checkout", "checkout", `
			/srv/git/checkout
			/srv/git/checkout/
			/srv/git/checkout.git
			/srv/git/checkout/.git
			file:///srv/git/checkout.git`},
		{"./checkout", "checkout", `./checkout`},
		{"../shop/checkout", "checkout", `../shop/checkout/`},
		{"checkout", "checkout", `checkout.git`},
		{"c:/src/checkout", "checkout", `
			C:\src\checkout
			c:\src\checkout.git
			C:/src/checkout/
			file:///C:/src/checkout.git`},
		{"build-host/share/checkout", "checkout", `file://build-host/share/checkout`},
		{"git.example", "git.example", `
			https://git.example
			https://mira:secret@git.example/`},
	} {
		for url := range strings.SplitSeq(strings.TrimSpace(c.spellings), "\n") {
			url = strings.TrimSpace(url)
			if got := RepoKey(url); got != c.key {
				t.Errorf("RepoKey(%q) = %q, want %q", url, got, c.key)
			}
			if got := RepoName(url); got != c.name {
				t.Errorf("RepoName(%q) = %q, want %q", url, got, c.name)
			}
		}
	}
}

func TestRepoKeyTellsRepositoriesApart(t *testing.T) {
	urls := []string{
		"https://git.example/shop/checkout", "https://git.example/shop/Checkout", "https://git.example/shop/checkout-api",
		"https://git.example/store/checkout", "https://other.example/shop/checkout", "https://git.example:8443/shop/checkout",
		"/shop/checkout", "shop/checkout", "git@git.example:checkout",
	}
	seen := map[string]string{}
	for _, u := range urls {
		k := RepoKey(u)
		if other, ok := seen[k]; ok {
			t.Errorf("%q and %q share the key %q", u, other, k)
		}
		seen[k] = u
	}
}

func TestRepoKeyOfNothingIsEmpty(t *testing.T) {
	for _, u := range []string{"", "  ", "/", "//", ".git", "/.git", "https://", "https:///", "https:///.git"} {
		if got := RepoKey(u); got != "" {
			t.Errorf("RepoKey(%q) = %q, want nothing", u, got)
		}
	}
}

func TestRepoKeyIsItsOwnKeyAndHoldsNoCredentials(t *testing.T) {
	part := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		host := part.Draw(t, "host") + rapid.SampledFrom([]string{"", ".example", ".example:443", ".example:8443", ":22"}).Draw(t, "domain")
		login := rapid.SampledFrom([]string{"", "git@", "u:SECRET@", "SECRET@"}).Draw(t, "login")
		path := strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "path"), "/")
		url := rapid.SampledFrom([]string{"https://", "ssh://", "file://", "git://"}).Draw(t, "scheme") + login + host + "/" + path
		if rapid.Bool().Draw(t, "scp") {
			url = "git@" + strings.Split(host, ":")[0] + ":" + path
		}
		url += rapid.SampledFrom([]string{"", "/", ".git", ".git/", ".git.git"}).Draw(t, "end")
		key := RepoKey(url)
		if again := RepoKey(key); again != key {
			t.Fatalf("RepoKey(%q) = %q, whose own key is %q", url, key, again)
		}
		if strings.Contains(key, "SECRET") && !strings.Contains(host+path, "SECRET") {
			t.Fatalf("RepoKey(%q) = %q holds the credentials", url, key)
		}
	})
}
