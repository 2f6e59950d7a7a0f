package alertmanager

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// message is a delivery; Grafana's further fields are not read.
type message struct {
	Status string            `json:"status"`
	Alerts []json.RawMessage `json:"alerts"`
}

type alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     string            `json:"startsAt"`
	EndsAt       string            `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
	DashboardURL string            `json:"dashboardURL"`
	PanelURL     string            `json:"panelURL"`
}

// Where an alert says what, in labels and then in annotations.
var (
	serviceKeys     = []string{"service", "service_name", "app", "app_kubernetes_io_name", "application"}
	environmentKeys = []string{"environment", "env", "deployment_environment"}
	severityKeys    = []string{"severity", "priority"}
	shaKeys         = []string{"sha", "git_sha", "commit", "commit_sha"}
	digestKeys      = []string{"digest", "image_digest"}
	deploymentKeys  = []string{"deployment_id", "deployment"}
)

// mostAlerts is how many alerts one delivery may hold.
const mostAlerts = 5000

// never are alerts that say something about the watching, not about a service.
var never = []string{"Watchdog", "InfoInhibitor", "DeadMansSwitch", "DatasourceNoData", "DatasourceError"}

// hash is a commit's hash as it is abbreviated at most.
var hash = regexp.MustCompile(`^[0-9a-fA-F]{4,64}$`)

// Read reads one delivery.
func Read(r intake.Request) (intake.Result, error) {
	var m message
	if err := intake.Decode(r.Body, &m); err != nil {
		return intake.Result{}, err
	}
	res := intake.Result{Kind: strings.TrimSuffix(intake.Clean("alerts."+m.Status, 128), ".")}
	switch {
	case !slices.Contains([]string{"", "firing", "resolved"}, strings.ToLower(m.Status)):
		return res, event.Fault("status", "%q is neither firing nor resolved", intake.Clean(m.Status, 60))
	case m.Alerts == nil:
		return res, event.Fault("alerts", "is required: a list of alerts")
	case len(m.Alerts) > mostAlerts:
		return res, event.Fault("alerts", "holds %d entries, at most %d are taken: set max_alerts", len(m.Alerts), mostAlerts)
	}
	passed := map[string]bool{}
	for i, raw := range m.Alerts {
		field := fmt.Sprintf("alerts[%d]", i)
		if string(raw) == "null" {
			return res, event.Fault(field, "want an object, got null")
		}
		a := alert{Status: m.Status}
		if err := intake.Decode(raw, &a); err != nil {
			return res, within(field, err)
		}
		if why := a.passedOver(r.Query["severities"]); why != "" {
			passed[why] = true
			continue
		}
		e, err := a.incident(r)
		if err != nil {
			return res, within(field, err)
		}
		res.Events = append(res.Events, e)
	}
	switch {
	case len(res.Events) > 0:
	case len(passed) > 0:
		res.Ignored = strings.Join(slices.Sorted(maps.Keys(passed)), "; ")
	default:
		res.Ignored = "there are no alerts in it"
	}
	return res, nil
}

// within puts the alert before the field at fault.
func within(alert string, err error) error {
	var fault *event.FieldError
	if !errors.As(err, &fault) {
		return event.Fault(alert, "%s", err)
	}
	switch {
	case fault.Field == "body", fault.Field == "":
		return event.Fault(alert, "%s", fault.Detail)
	case strings.HasPrefix(fault.Field, "query."):
		return fault
	}
	return event.Fault(alert+"."+fault.Field, "%s", fault.Detail)
}

// passedOver says why an alert is no incident, "" when it is one.
func (a alert) passedOver(severities []string) string {
	incident := a.Labels["fawkes_incident"]
	if incident == "" {
		incident = a.Annotations["fawkes_incident"]
	}
	switch strings.ToLower(incident) {
	case "true":
		return ""
	case "false":
		return `fawkes_incident="false": it is no incident`
	}
	name := a.Labels["alertname"]
	if slices.Contains(never, name) || name == "TestAlert" && a.Labels["instance"] == "Grafana" {
		return name + " is no incident"
	}
	severity, _ := a.find(severityKeys)
	if len(severities) > 0 {
		for _, list := range severities {
			for want := range strings.SplitSeq(list, ",") {
				if strings.EqualFold(strings.TrimSpace(want), severity) {
					return ""
				}
			}
		}
		return fmt.Sprintf("the severity %q is not among those of the webhook's URL", intake.Clean(severity, 60))
	}
	if low := strings.ToLower(severity); low == "info" || low == "none" {
		return "the severity " + low + " makes no incident"
	}
	return ""
}

// find is the first of some keys that an alert has, and where that is.
func (a alert) find(keys []string) (value, field string) {
	for _, m := range []struct {
		values map[string]string
		name   string
	}{{a.Labels, "labels"}, {a.Annotations, "annotations"}} {
		for _, k := range keys {
			if m.name == "labels" && k == "deployment" && m.values["namespace"] != "" {
				continue // Kubernetes's, see the package
			}
			if v := strings.TrimSpace(m.values[k]); v != "" {
				return v, m.name + "." + k
			}
		}
	}
	return "", ""
}

// incident reads an alert.
func (a alert) incident(r intake.Request) (event.Event, error) {
	started, err := intake.MustWhen("startsAt", a.StartsAt)
	if err != nil {
		return event.Event{}, err
	}
	status := strings.ToLower(a.Status)
	out := &event.Incident{OpenedAt: started, Title: event.NonZero(a.title()), URL: a.link()}
	at := started.V
	ends, err := intake.When("endsAt", a.EndsAt)
	if err != nil {
		return event.Event{}, err
	}
	if ends.Known && ends.V < started.V {
		return event.Event{}, event.Fault("endsAt", "lies before startsAt")
	}
	switch status {
	case "firing": // its end is the zero time, or a guess
	case "resolved":
		if out.ResolvedAt = ends; !out.ResolvedAt.Known {
			out.ResolvedAt = event.Some(max(r.Received, started.V))
		}
		at = out.ResolvedAt.V
	case "":
		return event.Event{}, event.Fault("status", "is required: firing or resolved")
	default:
		return event.Event{}, event.Fault("status", "%q is neither firing nor resolved", intake.Clean(a.Status, 60))
	}
	if out.ID, err = a.id(started.V); err != nil {
		return event.Event{}, err
	}
	names := map[string]string{"id": "fingerprint", "opened_at": "startsAt", "resolved_at": "endsAt", "title": "annotations.summary"}
	set := func(to *event.Opt[string], field string, keys []string) {
		v, where := a.find(keys)
		if asked := strings.TrimSpace(r.Query.Get(field)); asked != "" && (field == "service" || field == "environment") {
			v, where = asked, "query."+field
		}
		if names[field] = where; v != "" {
			*to = event.Some(v)
		}
	}
	services := serviceKeys
	if label := r.Query.Get("service_label"); label != "" {
		services = []string{label}
	}
	set(&out.Service, "service", services)
	set(&out.Environment, "environment", environmentKeys)
	set(&out.Severity, "severity", severityKeys)
	set(&out.SHA, "sha", shaKeys)
	set(&out.Digest, "digest", digestKeys)
	set(&out.CausedByDeployment, "caused_by_deployment", deploymentKeys)
	if out.SHA.Known && !hash.MatchString(out.SHA.V) {
		return event.Event{}, event.Fault(names["sha"], "%q is not a commit's hash: want 4 to 64 hexadecimal digits", intake.Clean(out.SHA.V, 60))
	}
	e := event.Event{Source: Source, At: at, Body: out}
	if err := e.Validate(); err != nil {
		return event.Event{}, intake.Rename(err, names)
	}
	// What repeats the message with another summary tells nothing new. An end that
	// is only the time of receipt differs each time.
	end := ""
	if status == "resolved" && !strings.HasPrefix(a.EndsAt, "0001-01-01") {
		end = a.EndsAt
	}
	said := sha256.Sum256([]byte(strings.Join([]string{out.Service.V, out.Environment.V, out.Severity.V, out.SHA.V, out.Digest.V, out.CausedByDeployment.V, end}, "\n")))
	e.Delivery = out.ID + " " + status + " " + hex.EncodeToString(said[:8])
	return e, nil
}

// id is the fingerprint and the time of the beginning.
func (a alert) id(started event.Time) (string, error) {
	print := strings.TrimSpace(a.Fingerprint)
	if print == "" {
		if len(a.Labels) == 0 {
			return "", event.Fault("fingerprint", "is required of an alert without labels")
		}
		h := sha256.New()
		for _, k := range slices.Sorted(maps.Keys(a.Labels)) {
			fmt.Fprintf(h, "%q=%q,", k, a.Labels[k])
		}
		print = "labels:" + hex.EncodeToString(h.Sum(nil)[:8])
	}
	return print + "/" + started.Std().Format(time.RFC3339Nano), nil
}

// title is what people call the alert.
func (a alert) title() string {
	for _, t := range []string{a.Annotations["summary"], a.Annotations["title"], a.Labels["alertname"]} {
		if t = strings.TrimSpace(t); t != "" {
			return intake.Clean(t, intake.MostTitle)
		}
	}
	return ""
}

// link is the first address of the alert that fits.
func (a alert) link() event.Opt[string] {
	for _, u := range []string{a.GeneratorURL, a.PanelURL, a.DashboardURL} {
		if l := intake.Link(u); l.Known {
			return l
		}
	}
	return event.Opt[string]{}
}
