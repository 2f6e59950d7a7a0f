package docs

import (
	"strings"

	"github.com/fawkes-idp/fawkes/internal/local/runtime/manifest"
)

// fieldRows are the rows of the table of manifest fields of one class. Fields that stand beside each other and have
// the same reason are one row; what all kinds have in common is there once.
func fieldRows(class manifest.Class, cells func(manifest.Field) []string) [][]string {
	var rows [][]string
	last := ""
	for _, f := range manifest.Fields() {
		if f.Class != class {
			continue
		}
		kind, path := f.Kind, f.Path
		for _, part := range []struct{ below, name string }{
			{"spec.template.spec.containers[].", "container"}, {"spec.template.spec.", "pod"}, {"spec.template.", "template"},
		} {
			if rest, ok := strings.CutPrefix(path, part.below); ok {
				kind, path = part.name, rest
				break
			}
		}
		if kind == f.Kind && (strings.HasPrefix(path, "metadata.") || path == "status" || path == "kind" || path == "apiVersion") {
			if kind != manifest.Kinds()[0] {
				continue // as the first kind's
			}
			kind = "all"
		}
		path = "`" + path + "`"
		if len(f.Only) > 0 {
			path += " (" + strings.Join(f.Only, ", ") + ")"
		}
		rest := cells(f)
		key := kind + "|" + strings.Join(rest, "|")
		if key == last {
			rows[len(rows)-1][1] += ", " + path
			continue
		}
		last = key
		rows = append(rows, append([]string{kind, path}, rest...))
	}
	return rows
}

func supportedFields() string {
	return Table([]string{"kind", "fields"}, fieldRows(manifest.Supported, func(manifest.Field) []string { return nil }))
}

func harmlessFields() string {
	return Table([]string{"kind", "fields", "why they have no effect"},
		fieldRows(manifest.Harmless, func(f manifest.Field) []string { return []string{f.Why} }))
}

func refusedFields() string {
	return Table([]string{"kind", "fields", "why", "instead"},
		fieldRows(manifest.Refused, func(f manifest.Field) []string { return []string{f.Why, f.Mend} }))
}
