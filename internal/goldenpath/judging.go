package goldenpath

import (
	"encoding/json"
	"path/filepath"

	"github.com/fawkes-idp/fawkes/internal/goldenpath/fawkesfile"
	"github.com/fawkes-idp/fawkes/internal/goldenpath/gate"
)

// judge asks the gate about everything that is known, and keeps its word. told says whether that is also
// reported where nothing was judged yet.
func (p *pipeline) judge(told bool) gate.Verdict {
	p.mu.Lock()
	v := gate.Judge(p.file.Gate, p.state.facts(), p.o.Clock.Now())
	p.state.Gate = &v
	p.mu.Unlock()
	if told {
		p.out.report(Event{Event: "gate", Passed: &v.Passed, Rules: v.Rules, At: p.now()})
		if text, err := json.MarshalIndent(v, "", "  "); err == nil {
			if err := p.artifact(FileGate, "gate", append(text, '\n')); err != nil {
				p.note("%v", err)
			}
		}
	}
	return v
}

// facts is what the gate is to judge.
func (s *State) facts() gate.Facts {
	var f gate.Facts
	if st := s.Stages["unit-test"]; st != nil {
		switch {
		case st.Excused:
			f.TestsSkipped = st.Reason
		case st.Tests != nil:
			f.TestsRan, f.TestsPassed, f.TestsFailed = true, st.Tests.Passed, st.Tests.Failed
			f.CoveragePercent, f.CoverageReason = st.Tests.Coverage, st.Tests.Reason
		}
	}
	f.SecretsScan, f.AnalysisScan = s.scan("secrets"), s.scan("static-analysis")
	if st := s.Stages["image-scan"]; st != nil && (st.Scanned || st.Excused) {
		f.ImageScanned, f.ImageScan = true, s.scan("image-scan")
	}
	return f
}

func (s *State) scan(stage string) gate.Scan {
	st := s.Stages[stage]
	if st == nil {
		return gate.Scan{}
	}
	out := gate.Scan{Ran: st.Scanned, Findings: st.Findings}
	if st.Excused {
		out.Skipped = st.Reason
	}
	return out
}

// Gate judges what the artifacts hold by the rules that dir's fawkes.yaml has now.
func Gate(o Options) (gate.Verdict, error) {
	s, err := ReadState(o.Artifacts)
	if err != nil {
		return gate.Verdict{}, failf(ExitUsage, "run the stages first, with the same --artifacts", "%v", err)
	}
	file, err := readFile(filepath.Join(o.Dir, fawkesfile.Name))
	if err != nil {
		return gate.Verdict{}, err
	}
	return gate.Judge(file.Gate, s.facts(), o.Clock.Now()), nil
}
