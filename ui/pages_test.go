package ui

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/fawkes-idp/fawkes/ui/delivery"
)

func TestOverviewShowsFiveMetricsAndTheLatestDeployedFirst(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/")
	got := text(w.doc)
	for _, want := range []string{"3 projects", "3.2 /day", "2d 4h", "n = 1204", "8.3 %", "3h 12m", "last deployment 52 min ago", "Elite"} {
		if !strings.Contains(got, want) {
			t.Errorf("the overview lacks %q", want)
		}
	}
	if a, b, c := strings.Index(w.body, ">shop</a>"), strings.Index(w.body, ">billing</a>"), strings.Index(w.body, ">legacy</a>"); a > b || b > c {
		t.Errorf("projects stand at %d, %d, %d, want the latest deployed first", a, b, c)
	}
}

func TestOverviewFindsByNameServiceAndTeam(t *testing.T) {
	for q, want := range map[string]string{"BILL": "billing", "mainframe": "legacy", "checkout": "shop"} {
		w := visit(t, serve(shop(), lead()), "/?q="+q)
		var found []string
		for _, l := range links(byID(w.doc, "main")) {
			if strings.HasPrefix(l, "/p/") && !strings.Contains(l[3:], "/") && !strings.Contains(l, "?") {
				found = append(found, l)
			}
		}
		if len(found) != 1 || found[0] != "/p/"+want {
			t.Errorf("search for %q finds %v, want only %s", q, found, want)
		}
	}
	if w := visit(t, serve(shop(), lead()), "/?q=zzz"); !strings.Contains(text(w.doc), "No project matches “zzz”") {
		t.Error("a search without a result does not say so")
	}
}

func TestTheEmptyPlatformGivesTheCommandToPaste(t *testing.T) {
	w := visit(t, serve(&readerFake{}, lead()), "/")
	if want := "fawkes dora import git <path-or-url> --project demo --service api --deployments 'tags:v*'"; !strings.Contains(text(w.doc), want) {
		t.Errorf("the empty overview lacks the command %q:\n%s", want, text(w.doc))
	}
}

func TestACardShowsTheValueWithAllThatIsNeededToJudgeIt(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/shop")
	card := text(byID(w.doc, "card-change_lead_time"))
	for _, want := range []string{"Change lead time", "2d 4h", "High", "2023", "↓ 15 %", "which is better", "1d 18h – 2d 14h", "1204 changes", "3d 22h / 7d 1h", "6 / 10", "95.4 % linked"} {
		if !strings.Contains(card, want) {
			t.Errorf("the card lacks %q: %s", want, card)
		}
	}
}

func TestUnknownIsADashWithItsReasonAndNeverZero(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/legacy")
	for _, m := range []string{"deployment_frequency", "change_fail_rate", "failed_deployment_recovery_time"} {
		card := text(byID(w.doc, "card-"+m))
		if !strings.Contains(card, "– No deployment in this window.") {
			t.Errorf("the card of %s does not say why it is unknown: %s", m, card)
		}
		if strings.Contains(card, "0 %") || strings.Contains(card, "0 /day") || strings.Contains(card, "0s") {
			t.Errorf("the card of %s invents a zero: %s", m, card)
		}
	}
}

func TestFewObservationsGiveNoLevel(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/billing")
	if card := text(byID(w.doc, "card-change_lead_time")); !strings.Contains(card, "No level") || !strings.Contains(card, "4 changes") {
		t.Errorf("card: %s", card)
	}
}

func TestAnEmptyWindowPointsToTheOneThatHasData(t *testing.T) {
	f := shop()
	f.deployments = nil
	w := visit(t, serve(f, lead()), "/p/legacy?service=mainframe&profile=devlake-2023")
	var to string
	each(w.doc, func(n *html.Node) {
		if n.Data == "p" && attr(n, "class") == "notice" {
			for _, l := range links(n) {
				to = l
			}
			if got := text(n); !strings.Contains(got, "There is no deployment in the last 90 days. The last one was on 23 Aug 2024.") {
				t.Errorf("notice: %s", got)
			}
		}
	})
	u, err := url.Parse(to)
	if err != nil || u.Path != "/p/legacy" {
		t.Fatalf("the notice leads to %q", to)
	}
	q := u.Query()
	if q.Get("from") != "2024-05-26" || q.Get("to") != "2024-08-23" || q.Get("service") != "mainframe" || q.Get("profile") != "devlake-2023" {
		t.Errorf("the notice leads to %s", to)
	}
	if w := visit(t, serve(f, lead()), to); strings.Contains(w.body, "There is no deployment in") {
		t.Error("the window that the notice leads to has the same notice")
	}
}

func TestAnEmptyPeriodIsAGapAndATrueZeroIsDrawn(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/shop")
	gaps := map[string]int{}
	zeros := 0
	each(w.doc, func(n *html.Node) {
		if n.Data == "rect" && attr(n, "class") == "gap" {
			for p := n.Parent; p != nil; p = p.Parent {
				if p.Data == "figure" {
					gaps[attr(p, "aria-labelledby")]++
				}
			}
		}
		if n.Data == "rect" && attr(n, "class") == "zero" {
			zeros++
		}
	})
	if gaps["trend-change_lead_time-cap"] != 2 || gaps["trend-deployment_frequency-cap"] != 0 || zeros != 1 {
		t.Errorf("gaps %v and %d zeros, want 2 gaps of the lead time and one true zero of the frequency", gaps, zeros)
	}
	if !strings.Contains(w.body, "2\u00a0periods without a value") {
		t.Error("the chart's description does not speak of its gaps")
	}
}

func TestEveryLinkOfAPageKeepsTheQuestion(t *testing.T) {
	q := url.Values{"range": {"6m"}, "service": {"api"}, "team": {"checkout"}, "environment": {"staging"}, "interval": {"month"}, "profile": {"devlake-2023"}}
	h := serve(shop(), lead())
	for _, path := range []string{"/p/shop", "/p/shop/metrics/change_lead_time", "/p/shop/deployments", "/p/shop/deployments/argocd%2F895", "/p/shop/changes", "/p/shop/changes/" + sha(2), "/p/shop/incidents", "/p/shop/incidents/alertmanager%2F7c1", "/p/shop/settings"} {
		w := visit(t, h, path+"?"+q.Encode())
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d", path, w.Code)
		}
		seenLinks := 0
		for _, l := range links(byID(w.doc, "main")) {
			u, err := url.Parse(l)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if !strings.HasPrefix(u.Path, "/p/") {
				continue
			}
			seenLinks++
			for k, v := range q {
				changes := k == "range" && (u.Query().Has("from") || u.Query().Get("range") != "6m") || k == "service" && path == "/p/shop/settings"
				if !changes && u.Query().Get(k) != v[0] {
					t.Errorf("%s: the link %s loses %s=%s", path, l, k, v[0])
				}
			}
		}
		if seenLinks == 0 {
			t.Errorf("%s: has no link into the project", path)
		}
	}
}

func TestFormsKeepTheQuestionWithoutJavaScript(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/shop?from=2026-01-01&to=2026-03-31&service=api&team=gone")
	fields := map[string][]string{}
	each(w.doc, func(n *html.Node) {
		if n.Data != "form" || !has(n, "data-auto") {
			return
		}
		if attr(n, "method") != "get" || attr(n, "action") != "/p/shop" {
			t.Errorf("the form goes by %s to %s", attr(n, "method"), attr(n, "action"))
		}
		button := false
		each(n, func(e *html.Node) {
			switch e.Data {
			case "input":
				fields[attr(e, "name")] = append(fields[attr(e, "name")], attr(e, "value"))
			case "option":
				if has(e, "selected") {
					fields[attr(e.Parent, "name")] = append(fields[attr(e.Parent, "name")], attr(e, "value"))
				}
			case "button":
				button = true
			}
		})
		if !button {
			t.Error("the form has no button")
		}
	})
	for name, want := range map[string]string{"range": "custom", "from": "2026-01-01", "to": "2026-03-31", "service": "api", "team": "gone"} {
		if got := fields[name]; len(got) != 1 || got[0] != want {
			t.Errorf("the form sends %s=%v, want %q once", name, got, want)
		}
	}
}

func TestTheServiceIsAskedWhatTheAddressSays(t *testing.T) {
	f := shop()
	visit(t, serve(f, lead()), "/p/shop?range=30d&service=api&team=checkout&environment=staging&interval=week&profile=devlake-2023")
	want := delivery.Query{Project: "shop", Service: "api", Team: "checkout", Environment: "staging", From: "2026-10-25", To: "2026-11-24", Interval: "week", Profile: "devlake-2023"}
	before := want
	before.From, before.To, before.Interval = "2026-09-25", "2026-10-25", ""
	found := map[delivery.Query]bool{}
	for _, q := range f.asked {
		found[q] = true
	}
	if !found[want] || !found[before] {
		t.Errorf("asked %+v\nwant %+v and %+v", f.asked, want, before)
	}
}

func TestDeploymentsAreToldApartByShape(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/shop")
	shapes := map[string]bool{}
	each(w.doc, func(n *html.Node) {
		if c := attr(n, "class"); strings.HasPrefix(c, "g-") {
			d := attr(n, "d")
			if d == "" {
				d = n.Data + attr(n, "r")
			}
			shapes[c+" "+d] = true
		}
	})
	forms := map[string]string{}
	for s := range shapes {
		class, form, _ := strings.Cut(s, " ")
		if other, ok := forms[form]; ok {
			t.Errorf("%s and %s have the same shape", other, class)
		}
		forms[form] = class
	}
	if len(forms) != 6 {
		t.Errorf("%d shapes, want 6: %v", len(forms), forms)
	}
}

func TestADeploymentSaysWhatItReplacedWhyItFailedAndWhatItBrought(t *testing.T) {
	got := text(visit(t, serve(shop(), lead()), "/p/shop/deployments/argocd%2F895").doc)
	for _, want := range []string{"api to production", "It was rolled back.", "It caused an incident.", "after 3h", "Checkout answers 5xx", "time window", "19 Nov 2026, 09:31 at commit c1dfd96eea", "3d 18h", "It belongs to no known pull request."} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestAChangeSaysItsPartsAndWhereItWent(t *testing.T) {
	got := text(visit(t, serve(shop(), lead()), "/p/shop/changes/"+sha(0)).doc)
	for _, want := range []string{sha(0), "#412", "Coding 2d 2h", "Pickup 10h", "Review 22h", "Deploy 8h", "Where it went", "git show " + sha(0)} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if got := text(visit(t, serve(shop(), lead()), "/p/shop/changes/"+sha(2)).doc); !strings.Contains(got, "Coding, pickup, review and deploy are not known. It belongs to no known pull request.") {
		t.Errorf("an unknown part does not say why: %s", got)
	}
}

func TestEvidenceNamesTheRuleOfEachRow(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/shop/metrics/change_fail_rate")
	rows := 0
	each(w.doc, func(n *html.Node) {
		if n.Data == "tr" && has(n, "data-row") {
			rows++
			if got := text(n); !strings.Contains(got, "Counts No failure is known.") && !strings.Contains(got, "Counts Successful and in production.") {
				t.Errorf("a row without its rule: %s", got)
			}
		}
	})
	if rows != 20 {
		t.Errorf("%d rows of evidence, want 20", rows)
	}
	if got := text(visit(t, serve(shop(), lead()), "/p/shop/metrics/change_lead_time").doc); !strings.Contains(got, "What could not be linked 58 of 1262") || !strings.Contains(got, "No deployment contains it yet. 14") {
		t.Error("the page does not say what could not be linked")
	}
}

func TestListsHaveAnAddressForTheirNextPage(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/shop/changes?range=6m")
	if !strings.Contains(w.body, "/p/shop/changes?cursor=c2&amp;range=6m") {
		t.Error("no link to the next page that keeps the range")
	}
	f := shop()
	visit(t, serve(f, lead()), "/p/shop/deployments?failed=true&cursor=zz")
	if p := f.pages[len(f.pages)-1]; !p.Failed || p.Cursor != "zz" || p.Limit != listLimit {
		t.Errorf("the service is asked for the page %+v", p)
	}
}

func TestStaleNumbersAreSaidToBeStale(t *testing.T) {
	f := shop()
	whole := f.report
	f.report = func(q delivery.Query) (delivery.Report, error) {
		r, err := whole(q)
		r.Stale, r.ProjectionPending = true, 1200
		return r, err
	}
	if got := text(visit(t, serve(f, lead()), "/p/shop").doc); !strings.Contains(got, "behind the event log. 1200 events are not part of them yet.") {
		t.Error("a stale projection is not said")
	}
}

func TestAnUnknownProjectIsNotFoundAndSaysSo(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/nope")
	if w.Code != http.StatusNotFound || !strings.Contains(text(w.doc), "There is no project named \"nope\".") {
		t.Errorf("answer %d: %s", w.Code, text(w.doc))
	}
}

func TestTextFromOutsideIsNeverMarkup(t *testing.T) {
	f := shop()
	f.incidents[0].Title = `<img src=x onerror=alert(1)>`
	f.projects[0].Services[0].Repo = `javascript:alert(1)`
	for _, target := range []string{"/p/shop/incidents", "/p/shop/settings", "/?q=%3Cimg%20src%3Dx%3E"} {
		w := visit(t, serve(f, lead()), target)
		each(w.doc, func(n *html.Node) {
			if n.Data == "img" {
				t.Errorf("%s: text became an element", target)
			}
		})
	}
}

func TestAPeriodIsNamedByItsDaysAndOpensToThem(t *testing.T) {
	w := visit(t, serve(shop(), lead()), "/p/shop")
	if got := text(w.doc); !strings.Contains(got, "14 Sep – 20 Sep 2026") {
		t.Error("the week of 14 September is not named by its first and last day")
	}
	want := "/p/shop/metrics/change_lead_time?from=2026-09-14&range=custom&to=2026-09-20"
	for _, l := range links(w.doc) {
		if l == want {
			return
		}
	}
	t.Errorf("no link %s to the evidence of that week", want)
}
