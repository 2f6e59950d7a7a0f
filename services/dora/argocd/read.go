package argocd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// Source is the source of every event of this package.
const Source = "argocd"

// soon is how long after a sync a degraded Application is the sync's failure.
// What degrades later is the business of alerting.
const soon = event.Time(time.Hour / time.Microsecond)

// Kind is Argo CD as a kind of webhook source.
func Kind() intake.Kind {
	return intake.Kind{
		Name: Source, Title: "Argo CD", Path: "/webhooks/dora/argocd", MaxBody: 4 << 20,
		Setup: "Apply the notifications template that comes with the platform (platform/argocd/notifications) with the URL {url}, put {secret} " +
			"into argocd-notifications-secret under the key fawkes-token, and subscribe the Applications (see docs/how-to/connect-argo-cd.md).",
		Read: read,
	}
}

// reading is one delivery while it is read.
type reading struct {
	*payload
	intake.Result
	place
	id         string // of the operation
	started    event.Time
	finished   event.Time // 0 while it runs
	outcome    string
	at         event.Time // of the report
	stage      string     // "Succeeded", "Degraded"
	repository string
	revision   string
}

func read(req intake.Request) (intake.Result, error) {
	p, err := parse(req.Body)
	if err != nil {
		return intake.Result{}, err
	}
	r := &reading{payload: p}
	for _, step := range []func() error{r.identify, r.judge, r.pinned, r.deployments} {
		if err := step(); err != nil {
			r.Events = nil
			return r.Result, p.spelt(err)
		}
		if r.Ignored != "" {
			return r.Result, nil
		}
	}
	if len(r.Events) == 0 && r.Ignored == "" {
		r.Ignored = "the operation changed no image of the services that " + AnnotationServices + " names"
	}
	return r.Result, nil
}

// identify reads what every report has to carry.
func (r *reading) identify() error {
	a, o := &r.App, r.Operation
	switch {
	case strings.TrimSpace(a.Name) == "":
		return event.Fault("app.name", "is required: the Application's name")
	case o == nil:
		r.Result.Kind, r.Ignored = "application", "the Application has never been synced"
		return nil
	case o.Phase == "":
		return event.Fault("operation.phase", "is required: Running, Succeeded, Failed or Error")
	}
	r.Result.Kind = "sync." + intake.Clean(o.Phase, 60)
	started, err := intake.MustWhen("operation.startedAt", o.StartedAt)
	if err != nil {
		return err
	}
	r.started = started.V
	uid := a.UID
	if len(uid) > 8 {
		uid = uid[:8]
	}
	r.id = fmt.Sprintf("%s/%s~%s@%s", a.Namespace, a.Name, uid, r.started.Std().Format(time.RFC3339))
	switch {
	case o.SelfHeal < 0:
		return event.Fault("operation.selfHeal", "%d is below 0", o.SelfHeal)
	case o.DryRun:
		r.Ignored = "a dry run changes nothing"
	case o.SelfHeal > 0:
		r.Ignored = "a self-heal brings back what was deployed before"
	}
	r.place = r.payload.place()
	r.repository, _ = r.stated(AnnotationRepository, annotationOCISource)
	stated, _ := r.stated(AnnotationRevision, annotationOCIRevision)
	r.revision = r.ofApplication(stated)
	return nil
}

// judge says what became of the operation, and from when that is known.
func (r *reading) judge() error {
	o := r.Operation
	r.stage, r.at = o.Phase, r.started
	finished, err := intake.When("operation.finishedAt", o.FinishedAt)
	if err != nil {
		return err
	}
	since, err := intake.When("health.lastTransitionTime", r.Health.Since)
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"", "Unknown", "Progressing", "Healthy", "Suspended", "Degraded", "Missing"}, r.Health.Status) {
		return event.Fault("health.status", "%q is not Healthy, Progressing, Degraded, Suspended, Missing or Unknown", intake.Clean(r.Health.Status, 60))
	}
	if finished.Known && finished.V < r.started {
		return event.Fault("operation.finishedAt", "lies before operation.startedAt")
	}
	switch o.Phase {
	case "Running", "Terminating":
		return nil // one that is tried again has an end, but not its last
	case "Succeeded":
		r.outcome = event.OutcomeSuccess
	case "Failed", "Error":
		r.outcome = event.OutcomeFailure
		if m := strings.ToLower(o.Message); strings.HasPrefix(m, "operation terminated") && !strings.Contains(m, "timeout") {
			r.outcome = event.OutcomeAborted
		}
	default: // kept as it came: when it is read, the deployment is not lost
		return event.Fault("operation.phase", "%q is not Running, Terminating, Succeeded, Failed or Error", intake.Clean(o.Phase, 60))
	}
	if finished, err = intake.MustWhen("operation.finishedAt", o.FinishedAt); err != nil {
		return err
	}
	r.finished = finished.V
	r.at = r.finished
	// Of what was degraded before the operation began it may be the remedy.
	if r.outcome == event.OutcomeSuccess && r.Health.Status == "Degraded" && since.Known && since.V >= r.started && since.V <= r.finished+soon {
		r.outcome, r.stage = event.OutcomeFailure, "Degraded"
		r.at = max(r.finished, since.V) + 1
		r.Result.Kind = "health.Degraded"
	}
	return nil
}

// pinned wants the digests of images to be digests.
func (r *reading) pinned() error {
	check := func(field string, refs []string) error {
		for i, ref := range refs {
			if _, digest, pinned := strings.Cut(ref, "@"); pinned && !rightDigest.MatchString(digest) {
				return event.Fault(fmt.Sprintf("%s[%d]", field, i), "%q is not an image pinned by digest, such as \"registry.example/shop/api@sha256:9c…\"", intake.Clean(ref, 120))
			}
		}
		return nil
	}
	for i, m := range r.Resources {
		if err := check(fmt.Sprintf("resources[%d].images", i), m.Images); err != nil {
			return err
		}
	}
	if err := check("images", r.Images); err != nil {
		return err
	}
	_, err := intake.When("reconciledAt", r.At)
	return err
}

// deployments makes the events: one deployment for the Application, or one for
// each of its services that the operation changed.
func (r *reading) deployments() error {
	shares, err := r.shares()
	if err != nil {
		return err
	}
	if len(shares) == 0 {
		all := r.all()
		mine := all
		if only(mine, func(i image) string { return i.name }) == "" { // several: the one of the service's name
			mine = matching(all, []string{r.service, r.App.Name})
		}
		return r.add(r.id, r.service, r.serviceField, versionOf(mine))
	}
	_, field := r.stated(AnnotationServices)
	if r.finished == 0 {
		r.Ignored = "which services an operation changes is known when it ends"
		return nil
	}
	for _, s := range shares {
		if v, takes := r.part(s); takes {
			if err := r.add(r.id+"#"+s.service, s.service, field, v); err != nil {
				return err
			}
		}
	}
	if len(r.Events) > 0 || r.outcome == event.OutcomeSuccess || r.stage == "Degraded" {
		return nil
	}
	for _, s := range shares { // it failed at something that belongs to no service alone
		if err := r.add(r.id+"#"+s.service, s.service, field, version{}); err != nil {
			return err
		}
	}
	return nil
}

// all are the images of the Application: of the synced manifests; else of what
// runs, once the operation has brought it there.
func (r *reading) all() []image {
	var out []image
	for _, m := range r.Resources {
		for _, ref := range m.Images {
			out = append(out, parseImage(ref))
		}
	}
	if len(out) == 0 && r.Operation.Phase == "Succeeded" {
		for _, ref := range r.Images {
			out = append(out, parseImage(ref))
		}
	}
	return out
}

// ofManifests reports whether the images are those of the synced manifests.
func (r *reading) ofManifests() bool {
	return slices.ContainsFunc(r.Resources, func(m resource) bool { return len(m.Images) > 0 })
}

// matching are the images of the first name that any of them has.
func matching(all []image, names []string) []image {
	for _, name := range names {
		var out []image
		for _, i := range all {
			if i.is(name) {
				out = append(out, i)
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}

// part says whether a service takes part in the operation, and with which version.
// One whose manifests the operation left as they were does not, nor one that it
// did not touch. An operation that ended before it touched anything is every
// service's; so is one of an Argo CD that does not tell the manifests.
func (r *reading) part(s share) (version, bool) {
	if !r.ofManifests() {
		return versionOf(matching(r.all(), s.images)), true
	}
	var mine []image
	changed, ill, told := false, false, false
	for _, m := range r.Resources {
		told = told || m.Health == "Degraded"
		var images []image
		for _, ref := range m.Images {
			images = append(images, parseImage(ref))
		}
		if images = matching(images, s.images); len(images) == 0 {
			continue
		}
		mine = append(mine, images...)
		changed = changed || !strings.HasSuffix(strings.TrimSpace(m.Message), " unchanged")
		ill = ill || m.Health == "Degraded"
	}
	v := versionOf(matching(mine, s.images))
	if r.stage == "Degraded" && told && !ill {
		return v, false
	}
	return v, changed
}

// add appends the report of one deployment. What the running pods tell of its
// version is a report of its own, as of the time at which Argo CD looked: a later
// look, with the former pods gone, is the better one.
func (r *reading) add(id, service, serviceField string, v version) error {
	d := &event.Deployment{
		ID: id, Service: event.Some(service), Environment: event.NonZero(r.environment),
		Repo: event.NonZero(r.repository), SHA: event.NonZero(r.revision),
		StartedAt: event.Some(r.started), URL: intake.Link(r.URL), ManifestRepos: r.manifestRepos(),
	}
	if r.finished != 0 {
		d.FinishedAt, d.Outcome = event.Some(r.finished), event.Some(r.outcome)
	}
	if r.ofManifests() || v == (version{}) {
		r.name(d, v)
		return r.take(r.at, d, serviceField)
	}
	if err := r.take(r.at, d, serviceField); err != nil {
		return err
	}
	looked, err := intake.When("reconciledAt", r.At)
	if err != nil {
		return err
	}
	seen := &event.Deployment{ID: id, Service: d.Service, Environment: d.Environment, SHA: d.SHA, StartedAt: d.StartedAt}
	r.name(seen, v)
	return r.take(max(r.at, looked.V), seen, serviceField)
}

// name says which version was deployed.
func (r *reading) name(d *event.Deployment, v version) {
	d.Digest, d.Title = event.NonZero(v.digest), event.NonZero(r.title(v))
	if !d.SHA.Known {
		d.SHA = event.NonZero(r.ofApplication(v.commit))
	}
}

func (r *reading) take(at event.Time, d *event.Deployment, serviceField string) error {
	e := event.Event{Source: Source, At: at, Body: d}
	if err := e.Validate(); err != nil {
		_, repository := r.stated(AnnotationRepository, annotationOCISource)
		_, revision := r.stated(AnnotationRevision, annotationOCIRevision)
		return intake.Rename(err, map[string]string{
			"id": "app.name", "service": serviceField, "environment": r.environmentField, "repo": repository, "sha": revision,
			"started_at": "operation.startedAt", "finished_at": "operation.finishedAt",
		})
	}
	r.Events = append(r.Events, e)
	return nil
}

// title says in words what was deployed: the way of a reader from a deployment
// whose image has no digest to the build.
func (r *reading) title(v version) string {
	var words []string
	if r.finished != 0 && r.History.ID != nil && r.Operation.Phase == "Succeeded" {
		words = append(words, "history "+strconv.FormatInt(*r.History.ID, 10))
	}
	if v.ref != "" {
		words = append(words, v.ref)
	}
	if len(words) == 0 {
		return ""
	}
	return intake.Clean(r.App.Name+": "+strings.Join(words, ", "), intake.MostTitle)
}
