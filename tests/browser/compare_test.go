package browser

import "testing"

// The same history under four profiles: what differs is marked, the rule that makes the difference is named, and the
// rows that it moves open.
func TestProfilesAreComparedDownToARow(t *testing.T) {
	p := start(t)
	shop(t, p)
	b := open(t, p.url, wide)
	b.signIn(p)
	b.visit("/p/shop")
	b.click(`.tabs a[href*="/compare"]`)
	b.at("/p/shop/compare", nil)
	b.reads("Side by side", "devlake-2023", "fourkeys", "gitlab", "From dora-2025 to gitlab")
	if n := eval[int](b, `document.querySelectorAll(".compare .differs").length`); n < 3 {
		t.Errorf("only %d numbers differ between four profiles", n)
	}
	b.accessible("compare")
	b.shot("compare-four")

	b.click(".compare .why")
	b.until("the difference", `location.hash.length > 1 && document.querySelector(location.hash.replace(/[.]/g, "\\.")) !== null`)
	b.click(".swaps details summary")
	b.click(".swaps details[open] tbody a")
	b.until("the row's own page", `!location.pathname.endsWith("/compare")`)
	b.reads("shop")

	b.visit("/p/shop/compare")
	b.click(`.chips a[href*="with=gitlab"]`)
	b.at("/p/shop/compare", map[string]string{"with": "gitlab"})
	b.until("only one column", `document.querySelectorAll(".compare thead th").length === 3`)
}
