package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/bringup"
	"github.com/fawkes-idp/fawkes/internal/gitlog"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// The exit codes. They are promises: scripts branch on them.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitUnreachable = 3
	exitDenied      = 4
	exitNotFound    = 5
	exitPartly      = 6
	exitInterrupted = 130
)

const exitCodesText = `The exit codes of fawkes:

  0    done
  1    failed: the message says why, and how to mend it
  2    the command line is wrong
  3    no platform is running, or it cannot be reached
  4    the token is missing, wrong, or lacks a scope
  5    what was asked for does not exist
  6    done in part: some lines of an import were rejected (each is named)
  130  interrupted by Ctrl-C

` + ciExitCodesText

const environmentText = `What fawkes reads from the environment:

  FAWKES_API                     the platform to talk to, for example https://fawkes.example
  FAWKES_TOKEN                   the API token to use there (fawkes token create)
  FAWKES_STATE                   the state folder, as --state
  FAWKES_PUBLIC_URL              where people reach the platform that fawkes up starts, when not where it listens
  FAWKES_LOG=stderr              fawkes up writes its log here too, beside fawkes.log in the state folder
  FAWKES_<SERVICE>_DATABASE_URL  a service's database (postgres://…) instead of a file in the state folder
  FAWKES_<SERVICE>_<KEY>         a setting; fawkes config check lists them

Without FAWKES_API, commands talk to the platform that runs with the state folder.`

func newEnvironmentTopic() *cobra.Command {
	return &cobra.Command{Use: "environment", Short: "What is read from the environment", Long: environmentText}
}

func newExitCodesTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesText}
}

// fault is an error of the command line itself: what is wrong, how to mend it, and the exit code.
type fault struct {
	code int
	err  error
	mend string
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// Advice is the mend, for the steps of `fawkes up`.
func (f *fault) Advice() string { return f.mend }

func usagef(mend, format string, args ...any) error {
	return &fault{code: exitUsage, err: fmt.Errorf(format, args...), mend: mend}
}

func failf(mend, format string, args ...any) error {
	return &fault{code: exitFailure, err: fmt.Errorf(format, args...), mend: mend}
}

// exitCode gives the exit code of an error.
func exitCode(err error) int {
	var own *fault
	var p *problem.Problem
	var git *gitlog.Error
	switch {
	case errors.As(err, &own):
		return own.code
	case errors.As(err, &git) && (git.Op == "--deployments" || git.Op == "--since") && git.Err == nil:
		return exitUsage
	case errors.As(err, &p):
		if strings.HasPrefix(p.Field, "query.") || strings.HasPrefix(p.Field, "path.") {
			return exitUsage // a flag or an argument that the server refused
		}
		switch p.Status {
		case http.StatusUnauthorized, http.StatusForbidden:
			return exitDenied
		case http.StatusNotFound, http.StatusGone:
			return exitNotFound
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return exitUnreachable
		}
		return exitFailure
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailure
}

// explain gives the line and the mend of an error.
func explain(err error) (line, mend string) {
	var own *fault
	var p *problem.Problem
	var step *bringup.Fault
	var git *gitlog.Error
	switch {
	case errors.As(err, &own):
		mend = own.mend
	case errors.As(err, &p):
		return problemLine(p), p.Mend
	case errors.As(err, &step):
		mend = step.Mend
	case errors.As(err, &git):
		mend = git.Mend
	case errors.Is(err, context.Canceled):
		return "interrupted", ""
	}
	return err.Error(), mend
}

// problemLine is the server's problem in one line, with the field at fault and the request's id when
// the log knows more.
func problemLine(p *problem.Problem) string {
	line := p.Detail
	if line == "" {
		line = p.Title
	}
	if field := flagOf(p.Field); field != "" && !strings.Contains(line, field) {
		line = field + ": " + line
	}
	for _, e := range p.Errors {
		if e.Detail != p.Detail {
			line += fmt.Sprintf("; %s: %s", flagOf(e.Field), e.Detail)
		}
	}
	if p.Status >= 500 && p.RequestID != "" {
		line += " (request " + p.RequestID + ")"
	}
	return line
}

// flagOf names a field as the reader of a command knows it: a parameter of a query is the flag of
// the same name.
func flagOf(field string) string {
	if name, ok := strings.CutPrefix(field, "query."); ok {
		return "--" + name
	}
	return strings.TrimPrefix(field, "body.")
}

// shown is an error that its reader has seen already; only its exit code remains to be told.
type shown struct{ error }

func (s shown) Unwrap() error { return s.error }

// complain writes an error for the reader that the command was run for: two lines for a person, one
// JSON object for a program.
func (g *globals) complain(err error) {
	if _, seen := err.(shown); seen { //nolint:errorlint // only an error that is shown as a whole
		return
	}
	line, mend := explain(err)
	line = strings.ReplaceAll(strings.TrimSpace(line), "\n", "; ")
	if g.output == "json" {
		report := struct {
			Event string `json:"event"`
			Error string `json:"error"`
			Mend  string `json:"mend,omitempty"`
			Code  string `json:"code,omitempty"`
			Field string `json:"field,omitempty"`
			Exit  int    `json:"exit"`
		}{Event: "error", Error: line, Mend: mend, Exit: exitCode(err)}
		var p *problem.Problem
		if errors.As(err, &p) {
			report.Code, report.Field = string(p.Code), p.Field
		}
		encoder := json.NewEncoder(g.Err)
		encoder.SetEscapeHTML(false)
		if encodeErr := encoder.Encode(report); encodeErr == nil {
			return
		}
	}
	fmt.Fprintf(g.Err, "fawkes: %s\n", line)
	if mend != "" {
		fmt.Fprintf(g.Err, "  mend: %s\n", mend)
	}
}

// warn tells what does not stop the command.
func (g *globals) warn(format string, args ...any) {
	fmt.Fprintf(g.Err, "warning: "+format+"\n", args...)
}
