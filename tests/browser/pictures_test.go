package browser

import (
	"fmt"
	"testing"
)

// pages are all pages of the console that a project with history has.
var pages = []struct{ name, path string }{
	{"overview", "/"}, {"project", "/p/shop"}, {"metric", "/p/shop/metrics/change_lead_time"}, {"recovery", "/p/shop/metrics/failed_deployment_recovery_time"},
	{"deployments", "/p/shop/deployments"}, {"failed", "/p/shop/deployments?failed=true"}, {"changes", "/p/shop/changes"},
	{"incidents", "/p/shop/incidents"}, {"live", "/p/shop/live"}, {"compare", "/p/shop/compare?range=1y"}, {"settings", "/p/shop/settings"}, {"quarantine", "/quarantine"}, {"relay", "/relay"}, {"runs", "/runs"}, {"applications", "/apps"}, {"promotions", "/promotions"}, {"registry", "/registry"}, {"git", "/git"}, {"webhooks", "/git/deliveries"}, {"keyboard", "/keyboard"},
}

// Every page in both themes, wide, on a telephone and on the narrowest screen: nothing is wider than the window,
// nothing is too small to touch, and the text stands out from what is behind it.
func TestPagesFitEveryScreenInBothThemes(t *testing.T) {
	p := start(t)
	shop(t, p)
	for _, l := range []look{{1440, 900, "light", false}, {1440, 900, "dark", false}, {390, 844, "light", false}, {390, 844, "dark", false}, {360, 740, "light", false}} {
		t.Run(fmt.Sprintf("%s-%d", l.scheme, l.width), func(t *testing.T) {
			b := open(t, p.url, l)
			b.signIn(p)
			for _, page := range pages {
				b.visit(page.path)
				b.until("the page", `document.readyState === "complete" && document.querySelector("main h1") !== null`)
				if over := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
					t.Errorf("%s is %d pixels wider than the window", page.name, over)
				}
				for _, low := range eval[[]string](b, contrast) {
					t.Errorf("%s: %s", page.name, low)
				}
				b.shot(fmt.Sprintf("%s-%s-%d", page.name, l.scheme, l.width))
			}
		})
	}
}

// contrast finds text that does not stand out by 4.5 to 1 (3 to 1 when it is large) from what is behind it.
const contrast = `(() => {
	const parse = c => { const m = c.match(/[\d.]+/g).map(Number); return {r: m[0], g: m[1], b: m[2], a: m.length > 3 ? m[3] : 1}; };
	const over = (top, under) => ({r: top.r*top.a + under.r*(1-top.a), g: top.g*top.a + under.g*(1-top.a), b: top.b*top.a + under.b*(1-top.a), a: 1});
	const lum = c => { const f = v => { v /= 255; return v <= 0.03928 ? v/12.92 : Math.pow((v+0.055)/1.055, 2.4); }; return 0.2126*f(c.r) + 0.7152*f(c.g) + 0.0722*f(c.b); };
	const behind = el => { const layers = []; for (let e = el; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a > 0) layers.push(c); if (c.a === 1) break; } return layers.reverse().reduce((under, c) => over(c, under), {r: 255, g: 255, b: 255, a: 1}); };
	const out = new Set();
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const el = walk.currentNode.parentElement, said = walk.currentNode.data.trim();
		if (!said || !el || el.closest(".sr-only, .skip, .tip, dialog:not([open]), option")) continue;
		const box = el.getBoundingClientRect(), style = getComputedStyle(el);
		if (!box.width || !box.height || style.visibility === "hidden") continue;
		const svg = el.closest("svg") !== null;
		const bg = behind(svg ? el.closest("svg").parentElement : el);
		const fg = over(parse(svg ? style.fill : style.color), bg);
		const a = lum(fg), b = lum(bg), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700;
		if (ratio < (large ? 3 : 4.5)) out.add("contrast of " + ratio.toFixed(2) + " to 1: " + said.slice(0, 40) + " (" + (el.getAttribute("class") || el.tagName) + ")");
	}
	return Array.from(out);
})()`
