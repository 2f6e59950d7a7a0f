package platform

import (
	"slices"
	"strconv"
	"strings"
)

// page is docs/reference/platform-components.md.
func page(inv *Inventory, services []Service) []byte {
	var out strings.Builder
	out.WriteString("<!-- " + generated + " -->\n# Components of the platform\n\n" +
		"What a cluster is given, from the one list `platform/inventory.yaml`. A profile holds the components of its tiers: `tier1`\n" +
		"those of tier 1, `tier2` those of tier 1 and 2, `extensions` all, and `kit` what runs without any vendor's image.\n" +
		"Argo CD reads `platform/profiles/PROFILE`; how it is put together is in [the inventory](platform-inventory.md).\n")
	out.WriteString("\n## Components\n\n")
	table(&out, []string{"component", "name", "tier", "profiles", "namespace", "wave", "exposure", "from", "needs"}, componentRows(inv))
	out.WriteString("\n## Waves\n\nNamespaces and policies come first (wave 0); each further wave waits until the one before is healthy.\n\n")
	var waves [][]string
	for i, w := range inv.Waves {
		waves = append(waves, []string{strconv.Itoa(i), "`" + w.Name + "`", w.Summary})
	}
	table(&out, []string{"wave", "name", "is"}, waves)
	out.WriteString("\n## Namespaces\n\nThe level is what Pod Security enforces; what violates `restricted` is always audited and warned of.\n\n")
	table(&out, []string{"namespace", "project", "is for", "level"}, namespaceRows(inv, services))
	out.WriteString("\n## Outside the cluster\n\n")
	var outside [][]string
	for _, o := range inv.Outside {
		outside = append(outside, []string{"`" + o.Name + "`", o.Summary, o.Networks, numbers(o.Ports), words(o.Profiles), words([]string{o.StandsFor})})
	}
	table(&out, []string{"name", "is", "addresses", "ports", "only in", "stands for"}, outside)
	out.WriteString("\n## Connections\n\nEvery connection that the NetworkPolicies of a profile allow, beside name look-ups. All others are closed, in both\ndirections.\n")
	for _, name := range Profiles() {
		p := inv.Profile(name, services)
		out.WriteString("\n### " + name + "\n\n")
		var rows [][]string
		for _, f := range p.Flows() {
			rows = append(rows, []string{"`" + f.From.Name + "`", "`" + f.To.Name + "`", strconv.Itoa(f.Port), f.Why})
		}
		table(&out, []string{"from", "to", "port", "why"}, rows)
	}
	return []byte(out.String())
}

func componentRows(inv *Inventory) [][]string {
	var rows [][]string
	for _, c := range inv.Components {
		from := origin(c.Source)
		for _, name := range Profiles() {
			if s, ok := c.Instead[name]; ok {
				from += "; in `" + name + "` " + origin(s)
			}
		}
		rows = append(rows, []string{"[" + c.Title + "](components/" + c.Name + ".md)", "`" + c.Name + "`", c.Tier, words(ordered(c.profiles())), "`" + c.Namespace + "`", "`" + c.Wave + "`", c.Exposure, from, words(c.Needs)})
	}
	return rows
}

// ordered is a list of profiles in their common order.
func ordered(profiles []string) []string {
	var out []string
	for _, p := range Profiles() {
		if slices.Contains(profiles, p) {
			out = append(out, p)
		}
	}
	return out
}

func origin(s Source) string {
	switch {
	case s.Chart != nil && s.Manifests != "":
		return "chart `" + s.Chart.Name + "` " + s.Chart.Version + " and `" + s.Manifests + "`"
	case s.Chart != nil:
		return "chart `" + s.Chart.Name + "` " + s.Chart.Version
	case s.Environment != "":
		return "`" + s.Environment + "` of the environment repository"
	case s.Path != "":
		return "`" + s.Path + "`"
	}
	return s.Elsewhere
}

// namespaceRows says the level of each namespace, with the profiles of which it is true and the reasons.
func namespaceRows(inv *Inventory, services []Service) [][]string {
	var rows [][]string
	for _, ns := range inv.Namespaces {
		levels := map[string][]string{}
		var order []string
		reasons := map[string]string{}
		for _, name := range Profiles() {
			p := inv.Profile(name, services)
			if !slices.ContainsFunc(p.namespaces(), func(n Namespace) bool { return n.Name == ns.Name }) {
				continue
			}
			level, reason := p.podSecurity(ns.Name)
			if levels[level] == nil {
				order = append(order, level)
			}
			levels[level] = append(levels[level], name)
			reasons[level] = reason
		}
		var cell []string
		for _, level := range order {
			text := level
			if len(order) > 1 {
				text += " in " + words(levels[level])
			}
			if reasons[level] != "" {
				text += " (" + reasons[level] + ")"
			}
			cell = append(cell, text)
		}
		rows = append(rows, []string{"`" + ns.Name + "`", "`" + ns.Project + "`", ns.Summary, strings.Join(cell, "; ")})
	}
	return rows
}

func words(list []string) string {
	var out []string
	for _, w := range list {
		if w != "" {
			out = append(out, "`"+w+"`")
		}
	}
	if len(out) == 0 {
		return "–"
	}
	return strings.Join(out, ", ")
}

func numbers(list []int) string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = strconv.Itoa(n)
	}
	return strings.Join(out, ", ")
}

// table writes a Markdown table.
func table(out *strings.Builder, head []string, rows [][]string) {
	out.WriteString("| " + strings.Join(head, " | ") + " |\n" + strings.Repeat("|---", len(head)) + "|\n")
	for _, cells := range rows {
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(c, "|", `\|`)
		}
		out.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
}
