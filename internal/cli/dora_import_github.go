package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fawkes-idp/fawkes/internal/githubexport"
)

// githubImport is one run of `fawkes dora import github`.
type githubImport struct {
	g       *globals
	project string
	options githubexport.Options

	summary importSummary
	places  []string // where the lines that were sent stand, in their order
	unknown map[string]int
}

func newImportGitHubCommand(g *globals) *cobra.Command {
	im := &githubImport{g: g, unknown: map[string]int{}}
	cmd := &cobra.Command{
		Use:   "github DIR|FILE... --project P",
		Short: "Import what GitHub's API answered, saved in files",
		Long: `Import what GitHub's API answered, saved in files: pull requests, reviews, review comments, issue comments, commits,
deployments and their statuses, workflow runs, and issues with an incident label. Nothing is asked of GitHub.

A file is what "gh api --paginate" writes: an array, several of them, pages with a list in them, or one object a line;
packed when its name ends in .gz. Of a folder every .json, .jsonl and .ndjson file is read. What an object is, its fields
tell, not the file's name. An object means what the webhook of the same thing means, so that the two complete each other.

What is there already is counted as a duplicate and changes nothing: an import that broke off is simply run again. An
object that is wrong is reported with its file, its place there and its field, and does not stop the rest. Exit code 6
when there were such.`,
		Example: `  fawkes dora import github export/ --project shop
  fawkes dora import github pulls.json reviews.json.gz --project shop --repo https://github.com/shop/api`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("use: "+cmd.UseLine(), "%s needs a folder or a file", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if im.project == "" {
				return usagef("give the project that the history belongs to: --project shop", "--project is required")
			}
			return im.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&im.project, "project", "p", "", "the project that the history belongs to (required)")
	f.StringVar(&im.options.Repo, "repo", "", "the repository's URL (default: each object tells its own)")
	f.StringSliceVar(&im.options.IncidentLabels, "incident-label", []string{"incident"}, "a label that makes an issue an incident; may be repeated")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func (im *githubImport) run(ctx context.Context, args []string) error {
	began := im.g.Clock.Now()
	files, err := githubexport.Files(args)
	if err != nil {
		return failf("give folders or files that hold what GitHub's API answered", "%w", err)
	}
	client, err := im.g.connect()
	if err != nil {
		return err
	}
	sending, cancel := lingering(ctx)
	defer cancel()
	sender := newImporter(sending, client, url.Values{"project": {im.project}}, false)
	bar := im.g.startProgress("objects", im.g.output == "json" && !im.g.Terminal)
	im.summary.Objects = map[string]int{}
	for _, file := range files {
		if err = im.send(ctx, file, sender, bar); err != nil {
			break
		}
	}
	closeErr := sender.close()
	bar.end()
	if closeErr != nil && (err == nil || !errors.Is(closeErr, context.Canceled)) {
		err = closeErr
	}
	totals := sender.sofar()
	im.summary.Project, im.summary.Repo = im.project, im.options.Repo
	im.summary.Stored, im.summary.Duplicates, im.summary.Rejected = totals.Stored, totals.Duplicates, totals.Rejected
	im.summary.Errors = im.located(totals.Errors)
	for _, file := range files {
		if n := im.unknown[file]; n > 0 {
			im.summary.Warnings = append(im.summary.Warnings, fmt.Sprintf("%s: %s left out, of which nothing is known", file, plural(n, "object")))
		}
	}
	if err == nil && im.summary.Objects[githubexport.KindDeployment] > 0 && im.summary.Objects[githubexport.KindStatus] == 0 {
		im.summary.Warnings = append(im.summary.Warnings, "there are deployments and none of their statuses: none of them has an end; save repos/OWNER/NAME/deployments/ID/statuses of each as well")
	}
	im.summary.Elapsed = im.g.Clock.Now().Sub(began).Seconds()
	im.summary.Next = "fawkes dora report --project " + im.project
	return im.g.endImport(im.summary, err)
}

// send reads one file and sends what it tells.
func (im *githubImport) send(ctx context.Context, file string, sender *importer, bar *progress) error {
	err := githubexport.ReadFile(file, im.options, func(item githubexport.Item) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case item.Fault != nil:
			place := item.Place
			if item.Fault.Field != "" {
				place += "." + item.Fault.Field
			}
			return sender.reject(rejectedLine{Field: place, Detail: item.Fault.Detail, Code: "invalid_field"})
		case item.Kind == "":
			im.unknown[file]++
			return nil
		}
		im.summary.Objects[item.Kind]++
		bar.done.Add(1)
		for _, text := range item.Lines {
			b := sender.room()
			b.body = append(append(b.body, text...), '\n')
			im.places = append(im.places, item.Place)
			b.numbers = append(b.numbers, len(im.places))
			if err := sender.added(nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if failure := sender.failure(); failure != nil {
		return failure
	}
	return failf("see that the file can be read, then run the same command again", "%s: %w", file, err)
}

// located says of rejected lines where in the files they stand.
func (im *githubImport) located(all []rejectedLine) []rejectedLine {
	for i, e := range all {
		if e.Line >= 1 && e.Line <= len(im.places) {
			all[i].Field, all[i].Line = strings.TrimSuffix(im.places[e.Line-1]+"."+e.Field, "."), 0
		}
	}
	return all
}

// objectsInWords is what an import read, by kind.
func objectsInWords(objects map[string]int) string {
	var words []string
	for kind, n := range objects {
		word := plural(n, kind)
		if n != 1 && strings.HasSuffix(kind, "status") {
			word = humanCount(n) + " " + kind + "es"
		}
		words = append(words, word)
	}
	slices.SortFunc(words, func(a, b string) int {
		return strings.Compare(a[strings.IndexByte(a, ' '):], b[strings.IndexByte(b, ' '):])
	})
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, ", ")
}
