package platform

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// componentsFolder holds a page for each component, and nothing else.
const componentsFolder = "docs/reference/components"

func componentPageFile(name string) string { return path.Join(componentsFolder, name+".md") }

// componentPage is the page of one component. Its connections are those of the largest profile that has it.
func componentPage(inv *Inventory, services []Service, c Component) []byte {
	var out strings.Builder
	fmt.Fprintf(&out, "<!-- %s -->\n# %s\n\n%s. One of the [components of the platform](../platform-components.md).\n\n", generated, c.Title, sentence(c.Summary))
	project := inv.projectOf(c.Namespace)
	rows := [][]string{
		{"Application, release", "`" + c.Name + "`"},
		{"tier; profiles", c.Tier + "; " + words(ordered(c.profiles()))},
		{"namespace; project", "`" + c.Namespace + "`; `" + project + "`"},
		{"wave", strconv.Itoa(inv.waveNumber(c.Wave)) + ", `" + c.Wave + "`"},
		{"exposure", exposureWords[c.Exposure]},
		{"needs", links(inv, c.Needs)},
		{"needed by", links(inv, neededBy(inv, c.Name))},
		{"makes in its namespace", words(c.Kinds)},
		{"makes outside namespaces", words(c.ClusterKinds)},
	}
	table(&out, []string{"", ""}, rows)
	out.WriteString("\n## Where it comes from\n\n")
	fromSource(&out, "", c.Source)
	for _, name := range Profiles() {
		if s, ok := c.Instead[name]; ok {
			fromSource(&out, "In `"+name+"`: ", s)
		}
	}
	out.WriteString("\n## Pods\n\n")
	podsOf(&out, inv, services, c)
	if secrets := secretsOf(c.Source.Values); len(secrets) > 0 {
		out.WriteString("\n## Secrets\n\nThat its values name; each has to be there before it.\n\n")
		table(&out, []string{"Secret", "keys"}, secrets)
	}
	return []byte(out.String())
}

var exposureWords = map[string]string{"none": "nobody asks it from outside its own connections", "internal": "inside the cluster", "external": "people, by HTTPS through the ingress controller"}

func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// links are components, each as a link to its page.
func links(inv *Inventory, names []string) string {
	var out []string
	for _, c := range inv.Components {
		if slices.Contains(names, c.Name) {
			out = append(out, "["+c.Title+"]("+c.Name+".md)")
		}
	}
	if len(out) == 0 {
		return "–"
	}
	return strings.Join(out, ", ")
}

func neededBy(inv *Inventory, name string) []string {
	var out []string
	for _, c := range inv.Components {
		if slices.Contains(c.Needs, name) {
			out = append(out, c.Name)
		}
	}
	return out
}

func fromSource(out *strings.Builder, prefix string, s Source) {
	out.WriteString("- " + prefix)
	switch {
	case s.Chart != nil:
		fmt.Fprintf(out, "the chart `%s` %s of <%s>", s.Chart.Name, s.Chart.Version, s.Chart.Repository)
	case s.Environment != "":
		fmt.Fprintf(out, "the folder `%s` of the environment repository", s.Environment)
	case s.Path != "":
		fmt.Fprintf(out, "the folder `%s` of this repository", s.Path)
	default:
		out.WriteString(s.Elsewhere)
	}
	if len(s.ValueFiles) > 0 {
		out.WriteString(", with " + words(s.ValueFiles))
	}
	if s.Manifests != "" {
		out.WriteString(", and the folder `" + s.Manifests + "` beside it")
	}
	out.WriteString("\n")
}

// podsOf writes the pods, how they are confined, and their connections.
func podsOf(out *strings.Builder, inv *Inventory, services []Service, c Component) {
	workloads := c.workloads(services)
	if len(workloads) == 0 {
		out.WriteString("It has none.\n")
		return
	}
	level, reason := "restricted", ""
	if c.PodSecurity != nil {
		level, reason = c.PodSecurity.Level, ": "+c.PodSecurity.Reason
	}
	fmt.Fprintf(out, "Pod Security: they keep to `%s`%s\n\n", level, strings.TrimSuffix(reason, ".")+".")
	var rows [][]string
	for _, w := range workloads {
		var labels, ports []string
		for _, k := range slices.Sorted(maps.Keys(w.Labels)) {
			labels = append(labels, k+"="+w.Labels[k])
		}
		for _, k := range slices.Sorted(maps.Keys(w.Ports)) {
			port := fmt.Sprintf("%s %d", k, w.Ports[k])
			if slices.Contains(w.Metrics, k) {
				port += " (metrics)"
			}
			ports = append(ports, port)
		}
		rows = append(rows, []string{"`" + w.Name + "`", words(labels), strings.Join(ports, ", ")})
	}
	table(out, []string{"workload", "labels", "ports"}, rows)
	profiles := ordered(c.profiles())
	widest := profiles[len(profiles)-1]
	flows := inv.Profile(widest, services).Flows()
	for _, side := range []struct {
		title, head string
		mine, other func(Flow) End
	}{
		{"Connections out", "to", func(f Flow) End { return f.From }, func(f Flow) End { return f.To }},
		{"Connections in", "from", func(f Flow) End { return f.To }, func(f Flow) End { return f.From }},
	} {
		var rows [][]string
		for _, f := range flows {
			if mine := side.mine(f); mine.Set != nil && mine.Set.Component == c.Name {
				rows = append(rows, []string{"`" + mine.Set.Name + "`", "`" + side.other(f).Name + "`", strconv.Itoa(f.Port), f.Why})
			}
		}
		fmt.Fprintf(out, "\n### %s\n\n", side.title)
		if len(rows) == 0 {
			out.WriteString("None.\n")
			continue
		}
		fmt.Fprintf(out, "In `%s`; all others are closed.\n\n", widest)
		table(out, []string{"workload", side.head, "port", "why"}, rows)
	}
}

// secretName finds the values whose text is the name of a Secret, by how charts call them.
var secretName = regexp.MustCompile(`^(existing[A-Za-z]*Secret([A-Z][a-z]+)*|[A-Za-z]*[sS]ecretName)$`)

// secretsOf lists the Secrets that values name, with the keys that they name of each.
func secretsOf(values map[string]any) [][]string {
	found := map[string][]string{}
	add := func(name, key string) {
		if name == "" {
			return
		}
		if key = strings.TrimSpace(key); key != "" && !slices.Contains(found[name], key) {
			found[name] = append(found[name], key)
		} else if found[name] == nil {
			found[name] = []string{}
		}
	}
	var walk func(key string, v any)
	walk = func(key string, v any) {
		switch v := v.(type) {
		case map[string]any:
			name, _ := v["name"].(string)
			of, _ := v["key"].(string)
			if mounted, ok := v["keyName"].(string); ok { // as the chart of Jenkins says it
				add(name, mounted)
			}
			if key == "secretKeyRef" {
				add(name, of)
			}
			for _, k := range slices.Sorted(maps.Keys(v)) {
				if text, ok := v[k].(string); ok && key == "envSecrets" {
					add(text, k)
				}
				walk(k, v[k])
			}
		case []any:
			for _, e := range v {
				walk(key, e)
			}
		case string:
			if secretName.MatchString(key) && !strings.HasSuffix(key, "Key") {
				add(v, "")
			}
		}
	}
	walk("", values)
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		slices.Sort(found[name])
		rows = append(rows, []string{"`" + name + "`", words(found[name])})
	}
	return rows
}
