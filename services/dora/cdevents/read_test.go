package cdevents

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/services/dora/event"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

type object = map[string]any

const (
	hash40  = "3f2ab1c0000000000000000000000000000000aa"
	hexOf64 = "0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427"
	digest  = "sha256:" + hexOf64
	purl    = "pkg:oci/api@sha256%3A" + hexOf64
)

// cdevent is an event of some type and subject. version is that of the
// specification, whose way to write its own version changed.
func cdevent(version, typ, subject string, content, custom object) object {
	o := object{
		"context": object{"version": version, "id": "e-1", "source": "/ci/prod", "type": "dev.cdevents." + typ, "timestamp": "2026-03-02T10:00:00Z"},
		"subject": object{"id": subject, "source": "/ci/prod", "type": strings.SplitN(typ, ".", 2)[0], "content": content},
	}
	if strings.HasPrefix(version, "0.6") {
		o["context"].(object)["specversion"] = version
		delete(o["context"].(object), "version")
		delete(o["subject"].(object), "type")
	}
	if custom != nil {
		o["customData"], o["customDataContentType"] = custom, "application/json"
	}
	return o
}

func text(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// envelope is a structured CloudEvent around data.
func envelope(data any, changes ...object) object {
	o := object{"specversion": "1.0", "id": "ce-1", "source": "/ci/prod", "type": "dev.cdevents.service.deployed.0.2.0", "datacontenttype": "application/json", "data": data}
	for _, c := range changes {
		maps.Copy(o, c)
	}
	return o
}

func structuredRequest(body string) intake.Request {
	return intake.Request{Header: http.Header{"Content-Type": {"application/cloudevents+json; charset=utf-8"}}, Body: []byte(body)}
}

func binaryRequest(body string) intake.Request {
	h := http.Header{}
	for name, v := range map[string]string{
		"Content-Type": "application/json", "Ce-Specversion": "1.0", "Ce-Id": "ce-1", "Ce-Source": "/ci/prod", "Ce-Type": "dev.cdevents.service.deployed.0.2.0",
	} {
		h.Set(name, v)
	}
	return intake.Request{Header: h, Body: []byte(body)}
}

// words is what an event says, in the bulk format without what all share.
func words(t *testing.T, e event.Event) string {
	t.Helper()
	if o, ok := e.Body.(*event.Other); ok {
		return "other " + o.Kind
	}
	line, err := event.MarshalLine(event.Event{Body: e.Body})
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

func TestWhatEachKindBecomes(t *testing.T) {
	repo := object{"repository": object{"id": "shop/api", "source": "https://git.example"}}
	commit := object{"commitSha": strings.ToUpper(hash40), "repo_url": "https://git.example/shop/api.git", "branch": "refs/heads/main"}
	production := func(more object) object {
		o := object{"environment": object{"id": "production", "source": "/clusters/eu"}}
		maps.Copy(o, more)
		return o
	}
	for _, c := range []struct {
		name string
		e    object
		want []string
	}{
		{"a change created", cdevent("0.3.0", "change.created.0.1.2", "12", repo, nil),
			[]string{`{"type":"pull_request","repo":"https://git.example/shop/api","number":"12","created_at":"2026-03-02T10:00:00Z"}`}},
		{"a change described", cdevent("0.5.0", "change.created.0.4.0", "shop/api/pull/12", object{"description": "A basket\n\nfor all", "repository": object{"id": "api", "source": "https://git.example/shop"}}, object{"author": "ada", "head_sha": hash40, "base": "main"}),
			[]string{`{"type":"pull_request","repo":"https://git.example/shop/api","number":"12","author":"ada","created_at":"2026-03-02T10:00:00Z","head_sha":"` + hash40 + `","base":"main","title":"A basket"}`}},
		{"a change updated says nothing of its beginning", cdevent("0.4.1", "change.updated.0.2.0", "12", repo, nil), []string{`{"type":"pull_request","repo":"https://git.example/shop/api","number":"12"}`}},
		{"a change merged", cdevent("0.4.1", "change.merged.0.2.0", "12", repo, object{"mergeSha": hash40}),
			[]string{`{"type":"pull_request","repo":"https://git.example/shop/api","number":"12","merged_at":"2026-03-02T10:00:00Z","closed_at":"2026-03-02T10:00:00Z","merge_sha":"` + hash40 + `"}`}},
		{"a change that is a commit", cdevent("0.4.1", "change.merged.0.2.0", hash40, repo, nil),
			[]string{`{"type":"pull_request","repo":"https://git.example/shop/api","number":"` + hash40 + `","merged_at":"2026-03-02T10:00:00Z","closed_at":"2026-03-02T10:00:00Z","merge_sha":"` + hash40 + `"}`}},
		{"a change abandoned", cdevent("0.4.1", "change.abandoned.0.2.0", "12", repo, nil), []string{`{"type":"pull_request","repo":"https://git.example/shop/api","number":"12","closed_at":"2026-03-02T10:00:00Z"}`}},
		{"a change reviewed", cdevent("0.4.1", "change.reviewed.0.2.0", "12", repo, nil),
			[]string{`{"type":"review","repo":"https://git.example/shop/api","number":"12","author":"","kind":"comment","submitted_at":"2026-03-02T10:00:00Z"}`}},
		{"a change approved", cdevent("0.4.1", "change.reviewed.0.2.0", "12", repo, object{"reviewer": "bo", "state": "APPROVED"}),
			[]string{`{"type":"review","repo":"https://git.example/shop/api","number":"12","author":"bo","kind":"approval","submitted_at":"2026-03-02T10:00:00Z"}`}},
		{"a pipeline of unknown source", cdevent("0.4.1", "pipelinerun.finished.0.2.0", "77", object{"outcome": "success"}, nil), []string{"other pipelinerun.finished"}},
		{"a pipeline queued", cdevent("0.4.1", "pipelinerun.queued.0.2.0", "77", object{}, commit), []string{"other pipelinerun.queued"}},
		{"a pipeline started", cdevent("0.4.1", "pipelinerun.started.0.2.0", "77", object{"url": "https://ci.example/77"}, commit),
			[]string{`{"type":"build","repo":"https://git.example/shop/api.git","sha":"` + hash40 + `","id":"/ci/prod#77","branch":"main","started_at":"2026-03-02T10:00:00Z","url":"https://ci.example/77"}`}},
		{"a pipeline canceled", cdevent("0.6.0-draft", "pipelinerun.finished.0.3.0", "77", object{"uri": "https://ci.example/77", "outcome": "cancel"}, object{"data": commit}),
			[]string{`{"type":"build","repo":"https://git.example/shop/api.git","sha":"` + hash40 + `","id":"/ci/prod#77","branch":"main","outcome":"aborted","finished_at":"2026-03-02T10:00:00Z","url":"https://ci.example/77"}`}},
		{"a task of a pipeline", cdevent("0.4.1", "taskrun.finished.0.2.0", "77/t", object{"outcome": "error", "pipelineRun": object{"id": "77"}}, commit), []string{"other taskrun.finished"}},
		{"a task by itself", cdevent("0.4.1", "taskrun.finished.0.2.0", "t", object{"outcome": "error"}, commit),
			[]string{`{"type":"build","repo":"https://git.example/shop/api.git","sha":"` + hash40 + `","id":"/ci/prod#t","branch":"main","outcome":"failure","finished_at":"2026-03-02T10:00:00Z"}`}},
		{"a build that made an artifact", cdevent("0.4.1", "build.finished.0.2.0", "b", object{"artifactId": purl}, object{"fawkes": object{"sha": hash40, "repo": "git.example/shop/api"}}), []string{
			`{"type":"build","repo":"https://git.example/shop/api","sha":"` + hash40 + `","id":"/ci/prod#b","outcome":"success","finished_at":"2026-03-02T10:00:00Z"}`,
			`{"type":"artifact","digest":"` + digest + `","repo":"https://git.example/shop/api","sha":"` + hash40 + `","made_at":"2026-03-02T10:00:00Z"}`}},
		{"an artifact packaged", cdevent("0.3.0", "artifact.packaged.0.1.1", purl, object{"change": object{"id": hash40, "source": "my-git.example/shop/api"}}, nil),
			[]string{`{"type":"artifact","digest":"` + digest + `","repo":"https://my-git.example/shop/api","sha":"` + hash40 + `","made_at":"2026-03-02T10:00:00Z"}`}},
		{"an artifact of a branch", cdevent("0.3.0", "artifact.packaged.0.1.1", purl, object{"change": object{"id": "feature123", "source": "my-git.example/shop/api"}}, nil), []string{"other artifact.packaged"}},
		{"an artifact published, of nobody knows what", cdevent("0.3.0", "artifact.published.0.1.1", purl, object{}, nil), []string{"other artifact.published"}},
		{"an artifact whose name tells its commit", cdevent("0.4.1", "artifact.published.0.2.0", purl+"?repository_url=cr.example/api&vcs_url=git%2Bhttps%3A%2F%2Fgit.example%2Fshop%2Fapi.git%40"+hash40, object{}, nil),
			[]string{`{"type":"artifact","digest":"` + digest + `","repo":"https://git.example/shop/api.git","sha":"` + hash40 + `","made_at":"2026-03-02T10:00:00Z"}`}},
		{"an artifact that is a package", cdevent("0.3.0", "artifact.packaged.0.1.1", "pkg:golang/mygit.example/shop/api@v1.2.3", object{"change": object{"id": hash40, "source": "my-git.example/shop/api"}}, nil),
			[]string{`{"type":"artifact","digest":"pkg:golang/mygit.example/shop/api@v1.2.3","repo":"https://my-git.example/shop/api","sha":"` + hash40 + `","made_at":"2026-03-02T10:00:00Z"}`}},
		{"an artifact deleted", cdevent("0.4.1", "artifact.deleted.0.1.0", purl, object{"user": "bot"}, nil), []string{"other artifact.deleted"}},
		{"a service deployed", cdevent("0.3.0", "service.deployed.0.1.1", "daemonset/api", production(object{"artifactId": purl}), nil),
			[]string{`{"type":"deployment","id":"/ci/prod#daemonset/api@production/2026-03-02T10:00:00Z","service":"api","environment":"production","digest":"` + digest + `","outcome":"success","finished_at":"2026-03-02T10:00:00Z","title":"` + purl + `"}`}},
		{"a service upgraded, with what the sender adds", cdevent("0.5.1", "service.upgraded.0.3.0", "api", production(object{"artifactId": "pkg:docker/shop/api@" + digest}),
			object{"deploymentId": "d-9", "startedAt": "2026-03-02T09:58:00Z", "unplanned": true, "outcome": "failure", "sha": hash40, "repo": "https://git.example/shop/api"}),
			[]string{`{"type":"deployment","id":"/ci/prod#d-9","service":"api","environment":"production","repo":"https://git.example/shop/api","sha":"` + hash40 + `","digest":"` + digest + `","outcome":"failure","started_at":"2026-03-02T09:58:00Z","finished_at":"2026-03-02T10:00:00Z","unplanned":true,"title":"pkg:docker/shop/api@` + digest + `"}`}},
		{"a service rolled back", cdevent("0.4.1", "service.rolledback.0.2.0", "api", production(object{"artifactId": hexOf64}), nil),
			[]string{`{"type":"deployment","id":"/ci/prod#api@production/2026-03-02T10:00:00Z","service":"api","environment":"production","digest":"` + digest + `","outcome":"success","finished_at":"2026-03-02T10:00:00Z","title":"` + hexOf64 + `"}`}},
		{"a service removed", cdevent("0.4.1", "service.removed.0.2.0", "api", production(nil), nil), []string{"other service.removed"}},
		{"a service published", cdevent("0.4.1", "service.published.0.2.0", "api", production(nil), nil), []string{"other service.published"}},
		{"an environment", cdevent("0.4.1", "environment.created.0.2.0", "production", object{"name": "Production"}, nil), []string{"other environment.created"}},
		{"an incident detected", cdevent("0.3.0", "incident.detected.0.1.0", "i-1", production(object{"description": "slow", "service": object{"id": "service/api"}, "artifactId": purl}), object{"severity": "critical"}),
			[]string{`{"type":"incident","id":"/ci/prod#i-1","service":"api","environment":"production","opened_at":"2026-03-02T10:00:00Z","resolved_at":null,"severity":"critical","digest":"` + digest + `","title":"slow"}`}},
		{"an incident reported", cdevent("0.4.1", "incident.reported.0.2.0", "i-1", production(object{"ticketURI": "https://issues.example/1"}), nil), []string{
			`{"type":"incident","id":"/ci/prod#i-1","environment":"production","url":"https://issues.example/1"}`,
			`{"type":"incident","id":"/ci/prod#i-1","environment":"production","opened_at":"2026-03-02T10:00:00Z"}`}},
		{"an incident resolved, by another artifact", cdevent("0.4.1", "incident.resolved.0.2.0", "i-1", production(object{"service": object{"id": "api"}, "artifactId": purl}), nil),
			[]string{`{"type":"incident","id":"/ci/prod#i-1","service":"api","environment":"production","resolved_at":"2026-03-02T10:00:00Z"}`}},
		{"a ticket that is an incident", cdevent("0.5.0", "ticket.created.0.2.0", "T-1", object{"summary": "down", "ticketType": "incident", "priority": "high", "uri": "https://issues.example/T-1", "labels": []string{"bug", "service:api", "env:production"}}, nil),
			[]string{`{"type":"incident","id":"/ci/prod#T-1","service":"api","environment":"production","opened_at":"2026-03-02T10:00:00Z","resolved_at":null,"severity":"high","title":"down","url":"https://issues.example/T-1"}`}},
		{"a ticket closed", cdevent("0.5.0", "ticket.closed.0.2.0", "T-1", object{"resolution": "completed"}, nil), []string{`{"type":"incident","id":"/ci/prod#T-1","resolved_at":"2026-03-02T10:00:00Z"}`}},
		{"a ticket for a feature", cdevent("0.5.0", "ticket.created.0.2.0", "T-1", object{"ticketType": "enhancement"}, nil), []string{"other ticket.created"}},
		{"a test", cdevent("0.4.1", "testcaserun.finished.0.2.0", "t", object{"outcome": "pass"}, nil), []string{"other testcaserun.finished"}},
		{"a kind that nobody knows", cdevent("1.9.0", "cake.baked.3.0.0", "c", object{}, nil), []string{"other cake.baked"}},
	} {
		for mode, r := range map[string]intake.Request{
			"structured": structuredRequest(text(envelope(c.e))),
			"binary":     binaryRequest(text(c.e)),
			"bare":       {Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(text(c.e))},
		} {
			res, err := read(r)
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, mode, err)
				continue
			}
			var got []string
			for _, e := range res.Events {
				got = append(got, words(t, e))
				if e.Source != Source || e.Delivery == "" || e.Body.Validate() != nil {
					t.Errorf("%s, %s: %+v", c.name, mode, e)
				}
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("%s, %s:\ngot  %s\nwant %s", c.name, mode, strings.Join(got, "\n     "), strings.Join(c.want, "\n     "))
			}
		}
	}
}

// TestTheModesSayTheSame has one event come in every mode.
func TestTheModesSayTheSame(t *testing.T) {
	e := cdevent("0.4.1", "service.deployed.0.2.0", "api", object{"environment": object{"id": "production"}, "artifactId": purl}, nil)
	body := text(e)
	list := http.Header{"Content-Type": {"application/cloudevents-batch+json"}}
	var want string
	for _, c := range []struct {
		name string
		r    intake.Request
	}{
		{"structured", structuredRequest(text(envelope(e)))},
		{"binary", binaryRequest(body)},
		{"in base64", structuredRequest(text(envelope(nil, object{"data_base64": base64.StdEncoding.EncodeToString([]byte(body))})))},
		{"as text", structuredRequest(text(envelope(body)))},
		{"called plain JSON", intake.Request{Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(text(envelope(e)))}},
		{"with no type of content", intake.Request{Body: []byte(text(envelope(e)))}},
		{"a batch of one", intake.Request{Header: list, Body: []byte(text([]object{envelope(e)}))}},
		{"a list of one", intake.Request{Body: []byte(text([]object{envelope(e)}))}},
	} {
		res, err := read(c.r)
		if err != nil || len(res.Events) != 1 {
			t.Errorf("%s: %+v %v", c.name, res, err)
			continue
		}
		got := fmt.Sprint(words(t, res.Events[0]), res.Events[0].At, res.Events[0].Delivery, res.Kind, res.Delivery)
		if want == "" {
			want = got
		}
		if got != want || res.Delivery != "/ci/prod ce-1" || res.Kind != "service.deployed" {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
	}
	res, err := read(intake.Request{Header: list, Body: []byte(text([]object{envelope(e), envelope(e, object{"id": "ce-2", "type": "com.example.other", "data": "x"})}))})
	if err != nil || len(res.Events) != 2 || res.Events[1].Delivery != "/ci/prod ce-2" || res.Events[1].Body.Type() != event.TypeOther || res.Delivery != "" {
		t.Errorf("a batch of two: %+v %v", res, err)
	}
	if res, err := read(intake.Request{Header: list, Body: []byte(`[]`)}); err != nil || res.Ignored == "" {
		t.Errorf("an empty batch: %+v %v", res, err)
	}
}

// TestTheEnvelopeFillsWhatTheEventLeavesOut has a sender that keeps to the
// envelope, with names beyond ASCII.
func TestTheEnvelopeFillsWhatTheEventLeavesOut(t *testing.T) {
	r := binaryRequest(`{"subject":{"content":{"environment":{"id":"production"},"artifactId":"` + purl + `"}}}`)
	r.Header.Set("Ce-Subject", "caf%C3%A9")
	r.Header.Set("Ce-Time", "2026-03-02T10:00:00Z")
	res, err := read(r)
	if err != nil {
		t.Fatal(err)
	}
	d := res.Events[0].Body.(*event.Deployment)
	if d.Service.V != "café" || d.ID != "/ci/prod#café@production/2026-03-02T10:00:00Z" {
		t.Errorf("%+v", d)
	}
}

// TestSendersDoNotCollide has two of them use the same ids.
func TestSendersDoNotCollide(t *testing.T) {
	seen := map[string]bool{}
	for _, source := range []string{"/ci/one", "/ci/two"} {
		for _, typ := range []string{"service.deployed.0.2.0", "incident.detected.0.2.0"} {
			e := cdevent("0.4.1", typ, "api", object{"environment": object{"id": "production"}}, nil)
			e["context"].(object)["source"] = source
			delete(e["subject"].(object), "source")
			res, err := read(structuredRequest(text(envelope(e))))
			if err != nil {
				t.Fatal(err)
			}
			id := typ + res.Events[0].Body.Entity()
			if seen[id] {
				t.Errorf("%s stands for two", id)
			}
			seen[id] = true
		}
	}
}

func TestArtifactsAreNamedByWhatTheyAre(t *testing.T) {
	for _, c := range []struct{ id, want string }{
		{purl, digest},
		{purl + "?repository_url=cr.example/api&tag=v1", digest},
		{"pkg:oci/api@" + digest, digest},
		{"pkg:docker/shop/api@sha256:" + strings.ToUpper(hexOf64), digest},
		{"cr.example:5000/shop/api:v1@" + digest, digest},
		{digest, digest},
		{strings.ToUpper(hexOf64), digest},
		{"pkg:oci/api@v1.2.3?repository_url=cr.example/api", "pkg:oci/api@v1.2.3"},
		{"pkg:npm/%40shop/api@1.2.3#dist", "pkg:npm/%40shop/api@1.2.3"},
		{"six-1.14.0-py2.py3-none-any.whl", "artifact:six-1.14.0-py2.py3-none-any.whl"},
		{"", ""},
		{"pkg:oci/a\nb@1", ""},
		{"pkg:" + strings.Repeat("x", 600), ""},
	} {
		if got, _ := artifactOf(c.id); got != c.want {
			t.Errorf("%.80q is %q, want %q", c.id, got, c.want)
		}
	}
}

func TestRepositoriesAreFoundInReferences(t *testing.T) {
	for _, c := range []struct{ source, id, want string }{
		{"https://git.example", "shop/api", "https://git.example/shop/api"},
		{"https://git.example/", "/shop/api", "https://git.example/shop/api"},
		{"https://git.example/shop/api", "shop/api", "https://git.example/shop/api"},
		{"https://git.example/shop/api.git", "api", "https://git.example/shop/api.git"},
		{"git.example/shop", "api", "https://git.example/shop/api"},
		{"/event/source/123", "https://git.example/shop/api", "https://git.example/shop/api"},
		{"git@git.example:shop/api.git", "", "git@git.example:shop/api.git"},
		{"/event/source/123", "shop/api", ""},
		{"", "shop/api", ""},
		{"https://git.example", "", ""},
	} {
		if got := repositoryOf(c.source, c.id); got != c.want {
			t.Errorf("%q and %q are %q, want %q", c.source, c.id, got, c.want)
		}
	}
}

func TestFaultsAreNamedAsTheSenderSpellsThem(t *testing.T) {
	good := func() object {
		return cdevent("0.4.1", "service.deployed.0.2.0", "api", object{"environment": object{"id": "production"}, "artifactId": purl}, nil)
	}
	without := func(part, field string) object {
		e := good()
		delete(e[part].(object), field)
		return e
	}
	with := func(part, field string, v any) object {
		e := good()
		e[part].(object)[field] = v
		return e
	}
	batchOf := func(v ...any) intake.Request {
		return intake.Request{Header: http.Header{"Content-Type": {"application/cloudevents-batch+json"}}, Body: []byte(text(v))}
	}
	deployedBy := func(artifact any) object {
		return with("subject", "content", object{"environment": object{"id": "production"}, "artifactId": artifact})
	}
	customized := func(custom object) object {
		e := good()
		e["customData"] = custom
		return e
	}
	noHeader := binaryRequest(text(good()))
	noHeader.Header.Del("Ce-Source")
	for _, c := range []struct {
		r     intake.Request
		field string
	}{
		{structuredRequest(`{"specversion":`), "body"},
		{structuredRequest(`{}`), "specversion"},
		{structuredRequest(text(envelope(good(), object{"specversion": "2.0"}))), "specversion"},
		{structuredRequest(text(envelope(good(), object{"id": ""}))), "id"},
		{structuredRequest(text(envelope(good(), object{"type": 1}))), "type"},
		{structuredRequest(text(envelope(nil, object{"data_base64": "%"}))), "data_base64"},
		{structuredRequest(text(envelope("not json"))), "data"},
		{structuredRequest(text(envelope([]int{1}))), "data"},
		{noHeader, "ce-source"},
		{binaryRequest(`{"context":`), "body"},
		{intake.Request{Header: http.Header{"Content-Type": {"application/cloudevents+avro"}}, Body: []byte("x")}, "Content-Type"},
		{intake.Request{Body: []byte(`{"context":{}}`)}, "context.type"},
		{structuredRequest(text(envelope(without("context", "timestamp")))), "data.context.timestamp"},
		{structuredRequest(text(envelope(with("context", "timestamp", "soon")))), "data.context.timestamp"},
		{structuredRequest(text(envelope(with("context", "type", "dev.cdevents.service")))), "data.context.type"},
		{structuredRequest(text(envelope(with("context", "id", 7)))), "data.context.id"},
		{binaryRequest(text(without("subject", "id"))), "subject.id"},
		{binaryRequest(text(with("subject", "id", strings.Repeat("x", 600)))), "subject.id"},
		{binaryRequest(text(with("subject", "content", "x"))), "subject.content"},
		{binaryRequest(text(with("subject", "content", object{"environment": "production"}))), "subject.content.environment"},
		{binaryRequest(text(with("subject", "content", object{"artifactId": purl}))), "subject.content.environment"},
		{binaryRequest(text(with("subject", "content", object{"environment": object{"id": "a\x01"}, "artifactId": purl}))), "subject.content.environment.id"},
		{binaryRequest(text(with("subject", "content", object{"environment": object{"id": "production"}, "artifactId": "pkg:" + strings.Repeat("x", 600)}))), "subject.content.artifactId"},
		{binaryRequest(text(cdevent("0.4.1", "change.merged.0.2.0", "12", object{}, nil))), "subject.content.repository"},
		{binaryRequest(text(cdevent("0.4.1", "pipelinerun.finished.0.2.0", "12", object{"outcome": "odd"}, nil))), "subject.content.outcome"},
		{binaryRequest(text(deployedBy("pkg:"))), "subject.content.artifactId"},
		{binaryRequest(text(deployedBy("pkg:oci"))), "subject.content.artifactId"},
		{binaryRequest(text(deployedBy("pkg:oci/"))), "subject.content.artifactId"},
		{binaryRequest(text(deployedBy("pkg:oci/api@"))), "subject.content.artifactId"},
		{binaryRequest(text(deployedBy("pkg:oci/api@sha256:beef"))), "subject.content.artifactId"},
		{binaryRequest(text(deployedBy("pkg:oci/api@sha256%3Anothex"))), "subject.content.artifactId"},
		{binaryRequest(text(deployedBy("pkg:oci/api@%zz"))), "subject.content.artifactId"},
		{binaryRequest(text(deployedBy("not a purl"))), "subject.content.artifactId"},
		{binaryRequest(text(deployedBy("not-a-purl"))), "subject.content.artifactId"},
		{binaryRequest(text(deployedBy(7))), "subject.content.artifactId"},
		{binaryRequest(text(cdevent("0.4.1", "artifact.packaged.0.2.0", "pkg:oci", object{}, nil))), "subject.id"},
		{binaryRequest(text(cdevent("0.4.1", "incident.detected.0.2.0", "i", object{"artifactId": "bad purl"}, nil))), "subject.content.artifactId"},
		{binaryRequest(text(cdevent("0.4.1", "build.finished.0.2.0", "b", object{"artifactId": "pkg:"}, nil))), "subject.content.artifactId"},
		{binaryRequest(text(with("subject", "content", object{"environment": object{"id": "production"}, "startedAt": "soon"}))), "subject.content.startedAt"},
		{binaryRequest(text(with("subject", "content", object{"environment": object{"id": "production"}, "timestamp": 7}))), "subject.content.timestamp"},
		{binaryRequest(text(with("subject", "content", []int{1}))), "subject.content"},
		{binaryRequest(text(with("subject", "content", object{"environment": nil}))), "subject.content.environment"},
		{binaryRequest(text(with("subject", "content", object{"environment": object{"id": 7}}))), "subject.content.environment.id"},
		{binaryRequest(text(with("context", "timestamp", "2999-01-01T00:00:00Z"))), "context.timestamp"},
		{binaryRequest(text(with("context", "timestamp", 7))), "context.timestamp"},
		{binaryRequest(text(cdevent("0.4.1", "incident.detected.0.2.0", "i", object{"service": "api"}, nil))), "subject.content.service"},
		{binaryRequest(text(cdevent("0.4.1", "change.created.0.2.0", "12", object{"repository": "shop"}, nil))), "subject.content.repository"},
		{binaryRequest(text(cdevent("0.5.0", "ticket.created.0.2.0", "T", object{"ticketType": "incident", "labels": "bug"}, nil))), "subject.content.labels"},
		{binaryRequest(text(customized(object{"startedAt": "soon"}))), "customData.startedAt"},
		{binaryRequest(text(customized(object{"fawkes": object{"started_at": "1969-01-01T00:00:00Z"}}))), "customData.fawkes.started_at"},
		{structuredRequest(text(envelope(customized(object{"data": object{"outcome": "odd"}})))), "data.customData.data.outcome"},
		{binaryRequest(text(customized(object{"commitSha": "main"}))), "customData.commitSha"},
		{binaryRequest(text(customized(object{"unplanned": "yes"}))), "customData.unplanned"},
		{binaryRequest(text(customized(object{"attempt": -1}))), "customData.attempt"},
		{binaryRequest(text(customized(object{"deploymentId": 7}))), "customData.deploymentId"},
		{batchOf(envelope(good()), envelope(without("subject", "id"))), "[1].data.subject.id"},
		{batchOf(envelope(good()), object{"specversion": "1.0"}), "[1].id"},
		{batchOf(envelope(good()), 7), "[1]"},
		{intake.Request{Header: http.Header{"Content-Type": {"application/cloudevents-batch+json"}}, Body: []byte(`{}`)}, "body"},
		{batchOf(make([]any, mostEvents+1)...), "body"},
	} {
		_, err := read(c.r)
		var fault *event.FieldError
		if !errors.As(err, &fault) || fault.Field != c.field || fault.Detail == "" {
			t.Errorf("%.200s: %v, want a fault of %q", c.r.Body, err, c.field)
		}
	}
}

// FuzzRead wants of every delivery either a *event.FieldError with a field or
// events that can be stored.
func FuzzRead(f *testing.F) {
	e := cdevent("0.4.1", "service.deployed.0.2.0", "api", object{"environment": object{"id": "production"}, "artifactId": purl}, object{"sha": hash40, "repo": "https://git.example/shop/api"})
	for _, typ := range []string{"change.merged.0.2.0", "change.reviewed.0.2.0", "build.finished.0.2.0", "artifact.packaged.0.2.0", "incident.reported.0.2.0", "ticket.closed.0.2.0", "cake.baked"} {
		e["context"].(object)["type"] = "dev.cdevents." + typ
		f.Add("application/json", typ, []byte(text(e)))
		f.Add("application/cloudevents+json", "", []byte(text(envelope(e))))
	}
	f.Add("application/cloudevents-batch+json", "", []byte(text([]object{envelope(e), envelope(e)})))
	f.Add("", "", []byte(text([]object{e})))
	f.Fuzz(func(t *testing.T, media, ceType string, data []byte) {
		r := intake.Request{Header: http.Header{}, Body: data}
		r.Header.Set("Content-Type", media)
		if ceType != "" {
			r.Header = binaryRequest("").Header
			r.Header.Set("Ce-Type", ceType)
		}
		res, err := read(r)
		if err != nil {
			var fault *event.FieldError
			if !errors.As(err, &fault) || fault.Field == "" || fault.Detail == "" {
				t.Fatalf("%q: %T %v, want a *event.FieldError", data, err, err)
			}
			return
		}
		if len(res.Events) == 0 && res.Ignored == "" {
			t.Fatalf("%q: nothing, and no reason", data)
		}
		for _, e := range res.Events {
			if err := e.Body.Validate(); err != nil || e.Source != Source {
				t.Fatalf("%q: %+v: %v", data, e, err)
			}
			if _, err := event.Pack(e.Body); err != nil {
				t.Fatalf("%q: %v", data, err)
			}
		}
	})
}
