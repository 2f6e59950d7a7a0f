package runner

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
)

// mostLine is the longest line of progress that is read; a longer one is passed over.
const mostLine = 256 << 10

// progress is one line of `fawkes ci run -o json`; Event says which fields have a meaning.
type progress struct {
	Event        string   `json:"event"`
	Stage        string   `json:"stage"`
	Stages       []string `json:"stages"`
	Service      string   `json:"service"`
	Language     string   `json:"language"`
	Status       string   `json:"status"`
	Reason       string   `json:"reason"`
	Mend         string   `json:"mend"`
	Error        string   `json:"error"`
	Summary      string   `json:"summary"`
	Text         string   `json:"text"`
	Name         string   `json:"name"`
	Kind         string   `json:"kind"`
	Passed       bool     `json:"passed"`
	Rules        []Rule   `json:"rules"`
	Image        string   `json:"image"`
	Digest       string   `json:"digest"`
	Environments []string `json:"environments"`
	Exit         int      `json:"exit"`
}

// parseProgress reads one line. ok is false for what is not a line of progress: it is a program's output then.
func parseProgress(line []byte) (p progress, ok bool) {
	line = bytes.TrimSpace(line)
	if len(line) < 2 || line[0] != '{' || json.Unmarshal(line, &p) != nil {
		return progress{}, false
	}
	switch p.Event {
	case "stage":
		ok = stageForm.MatchString(p.Stage) && stageStatus(p.Status)
	case "log":
		ok = p.Stage == "" || stageForm.MatchString(p.Stage)
	case "artifact":
		ok = artifactForm.MatchString(p.Name)
	case "image":
		ok = digestForm.MatchString(p.Digest)
	case "result":
		ok = p.Status == "succeeded" || p.Status == "failed" || p.Status == "aborted"
	case "run", "gate", "promoted":
		ok = true
	case "note", "error": // for people: lines of the log
		p, ok = p.spoken(), true
	}
	if !ok {
		return progress{}, false
	}
	p.bound()
	return p, true
}

// spoken is the line of the log that says what the pipeline tells a person.
func (p progress) spoken() progress {
	text := "note: " + p.Text
	if p.Event == "error" {
		text = "error: " + p.Error
		if p.Mend != "" {
			text += "\n  mend: " + p.Mend
		}
	}
	return progress{Event: "log", Text: text}
}

func stageStatus(s string) bool {
	return s == "running" || s == "passed" || s == "failed" || s == "skipped"
}

// bound cuts everything to its most; whoever writes the lines runs other people's code.
func (p *progress) bound() {
	p.Reason, p.Summary = clean(p.Reason, mostReason), clean(p.Summary, mostReason)
	p.Service, p.Language, p.Kind = clean(p.Service, mostName), clean(p.Language, mostName), artifactKind(p.Kind, p.Name)
	p.Image = clean(p.Image, 512)
	p.Mend = clean(p.Mend, mostReason)
	p.Text = strings.ToValidUTF8(p.Text, "\uFFFD")
	stages := p.Stages
	p.Stages = nil
	for _, s := range stages {
		if stageForm.MatchString(s) && len(p.Stages) < mostStages/2 {
			p.Stages = append(p.Stages, s)
		}
	}
	p.Rules = p.Rules[:min(len(p.Rules), mostRules)]
	for i := range p.Rules {
		p.Rules[i].Name, p.Rules[i].Detail = clean(p.Rules[i].Name, mostSubject), clean(p.Rules[i].Detail, mostReason)
	}
	p.Environments = p.Environments[:min(len(p.Environments), mostList)]
	for i := range p.Environments {
		p.Environments[i] = clean(p.Environments[i], mostName)
	}
}

// artifactKinds are the kinds that the API knows.
func artifactKinds() []string {
	return []string{"junit", "sarif", "sbom", "summary", "coverage", "gate", "events", "image", "other"}
}

// artifactKind is a kind that the API knows: the one that was told, or what the name says.
func artifactKind(kind, name string) string {
	for _, k := range artifactKinds() {
		if kind == k {
			return k
		}
	}
	name = strings.ToLower(name)
	for _, by := range []struct{ part, kind string }{
		{"junit", "junit"}, {".sarif", "sarif"}, {"sbom", "sbom"}, {"cyclonedx", "sbom"}, {"summary", "summary"},
		{"coverage", "coverage"}, {"cover.out", "coverage"}, {"gate", "gate"}, {"events", "events"}, {"image", "image"},
	} {
		if strings.Contains(name, by.part) {
			return by.kind
		}
	}
	return "other"
}

// apply brings what a line says into the run; changed says that there is something to store.
func (d *Detail) apply(p progress, now time.Time) (changed bool) {
	switch p.Event {
	case "run":
		if len(p.Stages) > 0 {
			d.plan(p.Stages)
		}
		d.Service, d.Language = p.Service, p.Language
	case "stage":
		s := d.stage(p.Stage)
		if s == nil {
			return false
		}
		s.Status, s.Reason = p.Status, p.Reason
		if p.Summary != "" {
			s.Summary = p.Summary
		}
		if s.Started.IsZero() && p.Status != "skipped" {
			s.Started = now
		}
		s.Finished = time.Time{}
		if p.Status != "running" {
			s.Finished = now
		}
	case "artifact":
		if d.Artifacts == nil {
			d.Artifacts = map[string]string{}
		}
		if len(d.Artifacts) >= mostArtifacts {
			return false
		}
		d.Artifacts[p.Name] = p.Kind
	case "gate":
		d.Gate = &Gate{Passed: p.Passed, Rules: p.Rules}
	case "image":
		d.Image, d.Digest = p.Image, p.Digest
	case "promoted":
		d.PromotedTo = p.Environments
	default:
		return false
	}
	return true
}

// readLines calls do with each line of r until its end. A line that is longer than most is cut there, and cut is true;
// the rest of it is read and dropped, so that the writer never waits.
func readLines(r io.Reader, most int, do func(line []byte, cut bool)) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	cut := false
	for {
		part, err := in.ReadSlice('\n')
		if room := most - len(line); len(part) > room {
			part, cut = part[:room], true
		}
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && len(line) == 0:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		do(bytes.TrimRight(line, "\r\n"), cut)
		line, cut = line[:0], false
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}
