package goldenpath

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/gate"
)

// summed is summary.json: the run for a program.
type summed struct {
	ID         string         `json:"id"`
	Repository string         `json:"repository"`
	SHA        string         `json:"sha"`
	Branch     *string        `json:"branch"`
	Service    string         `json:"service"`
	Language   string         `json:"language"`
	System     string         `json:"system"`
	Status     string         `json:"status"`
	Reason     *string        `json:"reason"`
	Stage      *string        `json:"stage"`
	Exit       int            `json:"exit"`
	Stages     []summedStage  `json:"stages"`
	Tests      *TestState     `json:"tests"`
	Gate       *gate.Verdict  `json:"gate"`
	Image      *ImageState    `json:"image"`
	Promoted   *PromotedState `json:"promoted"`
	Notes      []string       `json:"notes"`
	Events     summedEvents   `json:"events"`
}

type summedStage struct {
	Name    string   `json:"name"`
	Status  string   `json:"status"` // passed, failed, skipped, running, pending
	Reason  *string  `json:"reason"`
	Summary *string  `json:"summary"`
	Seconds *float64 `json:"seconds"`
}

type summedEvents struct {
	File        string   `json:"file"`
	Undelivered []string `json:"undelivered"`
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// sum gathers the run. The state's result is of the whole run, as far as it has come.
func (s *State) sum() summed {
	run := s.run()
	out := summed{
		ID: run.ID, Repository: s.Name, SHA: s.SHA, Branch: orNull(s.Branch), Service: s.Service, Language: s.Language, System: s.System, Status: StatusRunning,
		Gate: s.Gate, Image: s.Image, Promoted: s.Promoted, Notes: slices.Concat([]string{}, s.Notes), Events: summedEvents{File: FileEvents, Undelivered: slices.Concat([]string{}, s.Pending)},
	}
	if s.Result != nil {
		out.Status, out.Reason, out.Stage, out.Exit = s.Result.Status, orNull(s.Result.Reason), orNull(s.Result.Stage), s.Result.Exit
	}
	for _, name := range Stages() {
		one := summedStage{Name: name, Status: "pending"}
		if st := s.Stages[name]; st != nil {
			one.Status, one.Reason, one.Summary = st.Status, orNull(st.Reason), orNull(st.Summary)
			if st.FinishedAt != nil {
				one.Seconds = &st.Seconds
			}
			if name == "unit-test" {
				out.Tests = st.Tests
			}
		}
		out.Stages = append(out.Stages, one)
	}
	return out
}

// Markdown is the summary for a person.
func (s *State) Markdown() string {
	sum := s.sum()
	var b strings.Builder
	head := map[string]string{Succeeded: "passed", Failed: "failed", Aborted: "was aborted", StatusRunning: "is running"}[sum.Status]
	fmt.Fprintf(&b, "## %s %s\n\n", plain(s.Service), head)
	fmt.Fprintf(&b, "Commit `%s` of %s on %s, %s.\n", short(s.SHA), plain(s.Name), plain(orNone(s.Branch)), plain(s.Language))
	if sum.Reason != nil {
		where := ""
		if sum.Stage != nil {
			where = " in **" + *sum.Stage + "**"
		}
		fmt.Fprintf(&b, "\n%s%s: %s\n", strings.ToUpper(sum.Status[:1])+sum.Status[1:], where, plain(*sum.Reason))
		if s.Result.Mend != "" {
			fmt.Fprintf(&b, "\nMend: %s\n", plain(s.Result.Mend))
		}
	}
	b.WriteString("\n| stage | result | time | |\n|---|---|---|---|\n")
	for _, st := range sum.Stages {
		seconds, text := "", ""
		if st.Seconds != nil {
			seconds = fmt.Sprintf("%.1f s", *st.Seconds)
		}
		for _, t := range []*string{st.Reason, st.Summary} {
			if t != nil && text == "" {
				text = *t
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", st.Name, st.Status, seconds, plain(text))
	}
	if s.Gate != nil {
		b.WriteString("\n| gate | | |\n|---|---|---|\n")
		for _, r := range s.Gate.Rules {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.Name, map[bool]string{true: "kept", false: "**broken**"}[r.Passed], plain(r.Detail))
		}
	}
	if i := s.Image; i != nil {
		fmt.Fprintf(&b, "\nImage `%s@%s`, %.1f MB%s.\n", i.Repository, i.Digest, float64(i.SizeBytes)/1e6, map[bool]string{true: ", signed"}[i.Signed])
	}
	if p := s.Promoted; p != nil {
		fmt.Fprintf(&b, "\nPromoted to %s by `%s`.\n", strings.Join(p.Environments, ", "), short(p.Revision))
	}
	if r := s.Isolation; r != nil && !r.Landlock {
		fmt.Fprintf(&b, "\nThe repository's commands were not confined by Landlock: %s.\n", plain(strings.Join(r.Notes, "; ")))
	}
	for i, n := range s.Notes {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "- %s\n", plain(n))
	}
	return b.String()
}

// plain makes text safe for a cell of a table: what came from a repository must draw nothing of its own.
func plain(s string) string {
	s = strings.Join(strings.Fields(clean(strings.ReplaceAll(s, "\n", " "))), " ")
	return strings.NewReplacer("|", "\\|", "<", "&lt;", ">", "&gt;", "`", "'", "[", "\\[", "!", "\\!").Replace(s)
}

// leave writes what stays of the run: state, gate, summary.
func (p *pipeline) leave(r Result, last bool) Result {
	if p.state == nil {
		return r
	}
	p.mu.Lock()
	judged := false
	for _, name := range []string{"unit-test", "secrets", "static-analysis"} {
		st := p.state.Stages[name]
		judged = judged || st != nil && (st.Tests != nil || st.Scanned || st.Excused)
	}
	if last {
		whole := r
		whole.Seconds = p.o.Clock.Now().Sub(p.state.StartedAt).Seconds()
		p.state.Result = &whole
	}
	p.mu.Unlock()
	if judged {
		p.judge(true)
	}
	err := p.keep(nil)
	p.mu.Lock()
	page := p.mask.text(p.state.Markdown())
	text, marshalErr := marshal(p.state.sum())
	p.mu.Unlock()
	if err == nil {
		err = marshalErr
	}
	if err == nil {
		err = p.artifact(FileSummed, "summary", []byte(p.mask.text(string(text))))
	}
	if err == nil {
		err = p.artifact(FileSummary, "summary", []byte(page))
	}
	if err == nil && last {
		err = p.handOver(page)
	}
	if err == nil {
		err = p.close()
	} else {
		_ = p.close() // the first error counts
	}
	if err != nil {
		r.fail(ExitFailed, "", p.mask.text(err.Error()))
	}
	return r
}

func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(v)
	return out.Bytes(), err
}

// handOver gives GitHub Actions the page, and its later steps the image.
func (p *pipeline) handOver(page string) error {
	if file := p.where.SummaryFile; file != "" {
		if err := appendTo(file, page); err != nil {
			return fmt.Errorf("append the summary: %w", err)
		}
	}
	if file := p.where.OutputFile; file != "" {
		out := "status=" + p.state.Result.Status + "\n"
		if i := p.state.Image; i != nil {
			out += "image=" + i.Repository + "\ndigest=" + i.Digest + "\n"
		}
		if err := appendTo(file, out); err != nil {
			return fmt.Errorf("append the outputs: %w", err)
		}
	}
	return nil
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// Summary reads the summary of a run's artifacts; asJSON gives summary.json.
func Summary(artifacts string, asJSON bool) ([]byte, error) {
	s, err := ReadState(artifacts)
	if err != nil {
		return nil, failf(ExitUsage, "run the pipeline first, with the same --artifacts", "%v", err)
	}
	name := FileSummary
	if asJSON {
		name = FileSummed
	}
	if text, err := os.ReadFile(filepath.Join(artifacts, name)); err == nil {
		return text, nil
	}
	if asJSON {
		return marshal(s.sum())
	}
	return []byte(s.Markdown()), nil
}
