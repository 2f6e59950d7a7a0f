package docs

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/fawkes-idp/fawkes/internal/cli"
	"github.com/fawkes-idp/fawkes/internal/kit/clock"
)

// run runs the command line in this process, in an environment of its own.
func run(ctx context.Context, env map[string]string, args ...string) (code int, stdout, stderr string) {
	var out, errors bytes.Buffer
	environ := make([]string, 0, len(env))
	for k, v := range env {
		environ = append(environ, k+"="+v)
	}
	code = cli.Run(ctx, "test", cli.IO{
		In: strings.NewReader(""), Out: &out, Err: &errors, Env: func(k string) string { return env[k] }, Environ: environ, Clock: clock.System(),
	}, args)
	return code, out.String(), errors.String()
}

// subcommands lists the commands under a path, by what the shell's completion would offer.
func subcommands(ctx context.Context, path []string) [][]string {
	args := append(append([]string{"__complete"}, path...), "")
	code, out, _ := run(ctx, nil, args...)
	if code != 0 {
		return nil
	}
	var found [][]string
	for line := range strings.Lines(out) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if name == "" || strings.HasPrefix(name, ":") || strings.HasPrefix(name, "-") || name == "help" {
			continue
		}
		if sub := append(append([]string{}, path...), name); isCommand(ctx, sub) {
			found = append(found, sub)
		}
	}
	return found
}

// isCommand says whether the words are a command of their own rather than arguments of another.
func isCommand(ctx context.Context, path []string) bool {
	code, out, _ := run(ctx, nil, append(append([]string{}, path...), "--help")...)
	return code == 0 && strings.Contains(out, "\n  fawkes "+strings.Join(path, " "))
}

// commandTree lists every command, parents first.
func commandTree(ctx context.Context, path []string) [][]string {
	var out [][]string
	for _, sub := range subcommands(ctx, path) {
		out = append(append(out, sub), commandTree(ctx, sub)...)
	}
	return out
}

// commandsReference is the help of every command.
func commandsReference() string {
	var out strings.Builder
	ctx := context.Background()
	for i, path := range commandTree(ctx, nil) {
		if i > 0 {
			out.WriteString("\n")
		}
		_, help, _ := run(ctx, nil, append(append([]string{}, path...), "--help")...)
		out.WriteString("## fawkes " + strings.Join(path, " ") + "\n\n```text\n" + trimmed(help) + "```\n")
	}
	return out.String()
}

// trimmed is text without spaces at the ends of its lines and empty lines at its own.
func trimmed(text string) string {
	var out strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text)) {
		out.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return out.String()
}

// words splits a command as the shell would, as far as the pages need it: spaces and both kinds of quotes.
func words(command string) []string {
	var out []string
	var word strings.Builder
	quote, inside := rune(0), false
	for _, r := range command {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, inside = r, true
		case quote == 0 && r == ' ':
			if inside {
				out = append(out, word.String())
			}
			word.Reset()
			inside = false
		default:
			word.WriteRune(r)
			inside = true
		}
	}
	if inside {
		out = append(out, word.String())
	}
	return out
}

// unknownCommand says why a command of a page cannot be run, or "".
func unknownCommand(ctx context.Context, tree [][]string, command string) string {
	args := words(command)[1:]
	for i, a := range args { // what the shell does with the rest of the line is its own affair
		if a == "|" || a == ">" || a == "&" || a == "&&" {
			args = args[:i]
			break
		}
	}
	longest := 0
	for _, path := range tree {
		if len(path) <= len(args) && strings.Join(path, " ") == strings.Join(args[:len(path)], " ") {
			longest = max(longest, len(path))
		}
	}
	if longest == 0 {
		return "there is no such command"
	}
	// A group of commands takes no arguments of its own: a word after it is a command that does not exist.
	if len(args) > longest && !strings.HasPrefix(args[longest], "-") {
		for _, path := range tree {
			if len(path) == longest+1 && strings.Join(path[:longest], " ") == strings.Join(args[:longest], " ") {
				return "there is no such command"
			}
		}
	}
	if code, _, stderr := run(ctx, nil, append(append([]string{}, args...), "--help")...); code != 0 {
		return stderr
	}
	return ""
}

// TestEveryCommandInThePagesExists checks commands and flags, not what they do.
func TestEveryCommandInThePagesExists(t *testing.T) {
	tree := commandTree(t.Context(), nil)
	found := 0
	for page, text := range pages(t) {
		for _, l := range Commands(page, text) {
			if !strings.HasPrefix(l.Command, "fawkes ") {
				continue
			}
			found++
			if why := unknownCommand(t.Context(), tree, l.Command); why != "" {
				t.Errorf("%s: %s: %s", l.Place(), l.Command, why)
			}
		}
	}
	if found == 0 {
		t.Error("no page has a command")
	}
}

func TestAnUnknownCommandOrFlagIsFound(t *testing.T) {
	tree := commandTree(t.Context(), nil)
	for command, want := range map[string]string{
		"fawkes up --ephemeral":                      "",
		"fawkes dora report --project 'a b' -o json": "",
		"fawkes dora report --project shop | head":   "",
		"fawkes upp":                        "there is no such command",
		"fawkes dora reprot --project shop": "there is no such command",
		"fawkes dora report --projekt shop": "projekt",
	} {
		got := unknownCommand(t.Context(), tree, command)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
}
