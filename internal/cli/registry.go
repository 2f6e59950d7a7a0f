package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const registryBase = "/api/registry/v1"

func newRegistryCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "Look after the platform's image registry",
	}
	cmd.AddCommand(newRegistryListCommand(g), newRegistryShowCommand(g), newRegistryDeleteCommand(g), newRegistryGCCommand(g))
	return cmd
}

func newRegistryListCommand(g *globals) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "list [REPOSITORY]",
		Short:   "List repositories, or the images of one",
		Example: "  fawkes registry list\n  fawkes registry list fawkes/hello",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return g.printList(cmd, registryBase+"/repositories", url.Values{}, limit,
					[]string{"name", "tags", "manifests", "size_bytes", "pushed_at"},
					[]column{field("REPOSITORY", "name"), field("TAGS", "tags"), field("IMAGES", "manifests"), bytesField("SIZE", "size_bytes"), timeField("PUSHED", "pushed_at")})
			}
			return g.printList(cmd, registryBase+"/manifests", url.Values{"repository": {args[0]}}, limit,
				[]string{"digest", "tags", "media_type", "size_bytes", "created_at", "pushed_at", "platform", "signed", "sbom", "revision", "source"},
				[]column{timeField("PUSHED", "pushed_at"), field("DIGEST", "digest"), {"TAGS", tagsText}, bytesField("SIZE", "size_bytes"),
					field("PLATFORM", "platform"), field("SIGNED", "signed"), field("SBOM", "sbom"), shaField("REVISION", "revision")})
		},
	}
	addLimit(cmd, &limit)
	addOutput(cmd, g, "table", "json", "csv")
	return cmd
}

func tagsText(r record) string {
	tags, _ := r["tags"].([]any)
	var out []string
	for _, t := range tags {
		out = append(out, plainText(t))
	}
	return orDash(strings.Join(out, ", "))
}

// bytesField shows a number of bytes in the unit that suits it.
func bytesField(title, key string) column {
	return column{title, func(r record) string {
		n, ok := number(r[key])
		if !ok {
			return "–"
		}
		return humanBytes(uint64(n))
	}}
}

// imageArgument takes REPOSITORY:TAG or REPOSITORY@DIGEST apart. The host may stand before it, as in `docker pull`.
func imageArgument(text string) (url.Values, error) {
	name, ref, ok := strings.Cut(text, "@")
	if !ok {
		i := strings.LastIndex(text, ":")
		if i < 0 || strings.Contains(text[i:], "/") {
			return nil, usagef("give REPOSITORY:TAG or REPOSITORY@sha256:…", "%q names no image", text)
		}
		name, ref = text[:i], text[i+1:]
	}
	if host, rest, slash := strings.Cut(name, "/"); slash && strings.ContainsAny(host, ".:") {
		name = rest
	}
	if name == "" || ref == "" {
		return nil, usagef("give REPOSITORY:TAG or REPOSITORY@sha256:…", "%q names no image", text)
	}
	return url.Values{"repository": {name}, "digest": {ref}}, nil
}

func newRegistryShowCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show IMAGE",
		Short:   "Show an image: what it starts, its layers, its signatures",
		Example: "  fawkes registry show fawkes/hello:latest\n  fawkes registry show fawkes/hello@sha256:… -o json",
		Args:    exactArgs("an image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := imageArgument(args[0])
			if err != nil {
				return err
			}
			return g.printOne(cmd, registryBase+"/manifest", q)
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newRegistryDeleteCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete IMAGE",
		Short: "Delete an image with all of its tags",
		Long: `Delete an image with all of its tags.

A tag stands for the image that it names now. The space is freed by ` + "`fawkes registry gc`" + `.`,
		Example: "  fawkes registry delete fawkes/hello@sha256:…",
		Args:    exactArgs("an image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := imageArgument(args[0])
			if err != nil {
				return err
			}
			client, err := g.connect()
			if err != nil {
				return err
			}
			if err := client.send(cmd.Context(), http.MethodDelete, registryBase+"/manifest", q, nil, nil); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printJSON(map[string]any{"deleted": args[0]})
			}
			_, err = fmt.Fprintf(g.Out, "deleted %s\n", args[0])
			return err
		},
	}
	addOutput(cmd, g, "text", "json")
	return cmd
}

func newRegistryGCCommand(g *globals) *cobra.Command {
	var dryRun bool
	var keep []string
	var minAge string
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what nothing names: images without a tag, blobs that no image needs",
		Long: `Remove what nothing names: images without a tag, blobs that no image needs.

An image stays when it has a tag, is named by --keep, is part of an index that stays, or is young. Signatures and
bills of materials stay as long as their image. Pushes go on meanwhile. An image that runs somewhere by its digest,
without a tag, must be named by --keep.`,
		Example: "  fawkes registry gc --dry-run\n  fawkes registry gc --keep sha256:… --min-age 24h",
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := g.connect()
			if err != nil {
				return err
			}
			body := map[string]any{"dry_run": dryRun}
			if len(keep) > 0 {
				body["keep"] = keep
			}
			if minAge != "" {
				age, err := time.ParseDuration(minAge)
				if err != nil || age < 0 {
					return usagef("give a duration such as 24h", "--min-age: %q is not a duration", minAge)
				}
				body["min_age_seconds"] = int64(age / time.Second)
			}
			var raw []byte
			if err := client.send(cmd.Context(), http.MethodPost, registryBase+"/gc", nil, body, &raw); err != nil {
				return err
			}
			if g.output == "json" {
				return g.printRaw(raw)
			}
			return g.sayCollected(raw, dryRun)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	f.StringSliceVar(&keep, "keep", nil, "digests that are in use, and stay without a tag too")
	f.StringVar(&minAge, "min-age", "", "leave what is younger (default: the setting registry.gc_min_age)")
	addOutput(cmd, g, "text", "json")
	return cmd
}

func (g *globals) sayCollected(raw []byte, dryRun bool) error {
	r, err := decodeRecord(raw)
	if err != nil {
		return err
	}
	count := func(key string) int {
		n, _ := number(r[key])
		return int(n)
	}
	what := "removed"
	if dryRun {
		what = "would remove"
	}
	size, _ := number(r["bytes"])
	text := fmt.Sprintf("%s %s, %s and %s: %s\n", what, plural(count("manifests"), "manifest"),
		plural(count("blobs"), "blob"), plural(count("uploads"), "unfinished upload"), humanBytes(uint64(size)))
	if young := count("young_blobs"); young > 0 {
		age := time.Duration(count("min_age_seconds")) * time.Second
		text += fmt.Sprintf("%s that nothing needs stay, being younger than %s; --min-age 0s takes them too, when nobody pushes\n", plural(young, "blob"), age)
	}
	_, err = fmt.Fprint(g.Out, text)
	return err
}
