package report

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sort"
	"strings"
	"time"
)

// SBOM is what an artifact is made of. [WriteSBOM] writes it as CycloneDX 1.6 JSON.
type SBOM struct {
	Main       Component   // the application itself
	Components []Component // what it is built from
	Tool       string      // the program that made the list, such as "fawkes"
	Version    string      // of that program
	Created    time.Time   // zero is left out, so that the same contents give the same bytes
}

// Component is one part: a module, a package, the standard library.
type Component struct {
	Type    string            // "application", "library"; "" is a library
	Group   string            // the namespace, such as a Maven groupId or an npm scope
	Name    string            // without the group
	Version string            // "" is unknown, which is written so in the property fawkes:version
	PURL    string            // the package URL; made by the readers of this package
	Hashes  map[string]string // algorithm as CycloneDX names it ("SHA-256") to lower-case hex
	License string            // an SPDX expression, when the ecosystem's file says it
	Dev     bool              // needed to build or to test, not to run
	Direct  bool              // named by the application itself
}

// ErrNotSBOM is the reason for which a document is refused that is no CycloneDX JSON.
var ErrNotSBOM = errors.New("not a CycloneDX JSON document")

type cdxDocument struct {
	Schema       string          `json:"$schema,omitempty"`
	Format       string          `json:"bomFormat"`
	Spec         string          `json:"specVersion"`
	Serial       string          `json:"serialNumber,omitempty"`
	Version      int             `json:"version"`
	Metadata     *cdxMetadata    `json:"metadata,omitempty"`
	Components   []cdxComponent  `json:"components"`
	Dependencies []cdxDependency `json:"dependencies,omitempty"`
}

type cdxMetadata struct {
	Timestamp string        `json:"timestamp,omitempty"`
	Tools     *cdxTools     `json:"tools,omitempty"`
	Component *cdxComponent `json:"component,omitempty"`
}

type cdxTools struct {
	Components []cdxComponent `json:"components"`
}

type cdxComponent struct {
	Type       string        `json:"type"`
	Ref        string        `json:"bom-ref,omitempty"`
	Group      string        `json:"group,omitempty"`
	Name       string        `json:"name"`
	Version    string        `json:"version,omitempty"`
	Scope      string        `json:"scope,omitempty"`
	Hashes     []cdxHash     `json:"hashes,omitempty"`
	Licenses   []cdxLicense  `json:"licenses,omitempty"`
	PURL       string        `json:"purl,omitempty"`
	Properties []cdxProperty `json:"properties,omitempty"`
}

type cdxHash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type cdxLicense struct {
	Expression string      `json:"expression,omitempty"`
	License    *cdxLicName `json:"license,omitempty"`
}

type cdxLicName struct {
	Name string `json:"name"`
}

type cdxProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type cdxDependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

const cdxSchema = "http://cyclonedx.org/schema/bom-1.6.schema.json"

// WriteSBOM writes s as CycloneDX 1.6 JSON: components sorted and each once, the serial number drawn from
// the contents. The same value gives the same bytes.
func WriteSBOM(w io.Writer, s SBOM) error {
	main := s.Main
	if main.Type == "" {
		main.Type = "application"
	}
	root := written(main)
	if root.Ref == "" {
		root.Ref = "application:" + root.Name
	}
	doc := cdxDocument{Schema: cdxSchema, Format: "CycloneDX", Spec: "1.6", Version: 1, Components: []cdxComponent{}}
	depends := cdxDependency{Ref: root.Ref}
	for _, c := range distinct(s.Components) {
		cc := written(c)
		if cc.Ref == root.Ref {
			continue
		}
		doc.Components = append(doc.Components, cc)
		if c.Direct {
			depends.DependsOn = append(depends.DependsOn, cc.Ref)
		}
	}
	doc.Dependencies = []cdxDependency{depends}
	doc.Metadata = &cdxMetadata{Component: &root}
	if s.Tool != "" {
		doc.Metadata.Tools = &cdxTools{Components: []cdxComponent{{Type: "application", Name: printable(s.Tool), Version: printable(s.Version)}}}
	}
	serial, err := serialOf(doc)
	if err != nil {
		return fmt.Errorf("write SBOM: %w", err)
	}
	doc.Serial = serial
	if !s.Created.IsZero() {
		doc.Metadata.Timestamp = s.Created.UTC().Format(time.RFC3339)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("write SBOM: %w", err)
	}
	return nil
}

// distinct sorts components by package URL and name, and keeps each once; what runs counts before what only
// builds.
func distinct(in []Component) []Component {
	out := append([]Component(nil), in...)
	sort.SliceStable(out, func(i, j int) bool {
		a, b := refOf(out[i]), refOf(out[j])
		if a != b {
			return a < b
		}
		return !out[i].Dev && out[j].Dev
	})
	kept := out[:0]
	for _, c := range out {
		if n := len(kept); n > 0 && refOf(kept[n-1]) == refOf(c) {
			kept[n-1].Direct = kept[n-1].Direct || c.Direct
			continue
		}
		kept = append(kept, c)
	}
	return kept
}

func refOf(c Component) string {
	if c.PURL != "" {
		return c.PURL
	}
	return c.Group + "/" + c.Name + "@" + c.Version
}

func written(c Component) cdxComponent {
	out := cdxComponent{
		Type: c.Type, Ref: printable(refOf(c)), Group: printable(c.Group), Name: printable(c.Name),
		Version: printable(c.Version), PURL: printable(c.PURL),
	}
	if out.Type == "" {
		out.Type = "library"
	}
	if c.Dev {
		out.Scope = "excluded"
	}
	if c.Version == "" && out.Type == "library" {
		out.Properties = []cdxProperty{{"fawkes:version", "unknown: not pinned where the component is named"}}
	}
	for alg, sum := range c.Hashes {
		out.Hashes = append(out.Hashes, cdxHash{alg, sum})
	}
	sort.Slice(out.Hashes, func(i, j int) bool { return out.Hashes[i].Algorithm < out.Hashes[j].Algorithm })
	if c.License != "" {
		if spdx(c.License) {
			out.Licenses = []cdxLicense{{Expression: c.License}}
		} else {
			out.Licenses = []cdxLicense{{License: &cdxLicName{Name: printable(c.License)}}}
		}
	}
	return out
}

// spdx says whether text has the form of an SPDX expression. Whether the names in it are SPDX's is not checked.
func spdx(text string) bool {
	for _, r := range text {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-.+() :", r)) {
			return false
		}
	}
	words := strings.Fields(strings.NewReplacer("(", " ", ")", " ").Replace(text))
	for i, w := range words {
		joins := w == "AND" || w == "OR" || w == "WITH"
		if joins != (i%2 == 1) {
			return false
		}
	}
	return len(words)%2 == 1
}

// serialOf draws a UUID of version 8 from the document's contents.
func serialOf(doc cdxDocument) (string, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]), nil
}

// ReadSBOM reads the main component and the components of a CycloneDX JSON document of any 1.x version.
func ReadSBOM(r io.Reader) (*SBOM, error) {
	data, err := readAll(r)
	if err != nil {
		return nil, fmt.Errorf("read SBOM: %w", err)
	}
	var doc cdxDocument
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("read SBOM: %w: %w", ErrNotSBOM, err)
	}
	if doc.Format != "CycloneDX" || !strings.HasPrefix(doc.Spec, "1.") {
		return nil, fmt.Errorf("read SBOM: %w: bomFormat %q, specVersion %q", ErrNotSBOM, word(doc.Format), word(doc.Spec))
	}
	if len(doc.Components) > MaxCases {
		return nil, fmt.Errorf("read SBOM: %w: more than %d components", ErrTooLarge, MaxCases)
	}
	out := &SBOM{}
	rootRef := ""
	if m := doc.Metadata; m != nil {
		if m.Component != nil {
			out.Main, rootRef = read(*m.Component), m.Component.Ref
		}
		if m.Tools != nil && len(m.Tools.Components) > 0 {
			out.Tool, out.Version = word(m.Tools.Components[0].Name), word(m.Tools.Components[0].Version)
		}
		if at, err := time.Parse(time.RFC3339, m.Timestamp); err == nil {
			out.Created = at.UTC()
		}
	}
	direct := map[string]bool{}
	for _, d := range doc.Dependencies {
		if d.Ref == rootRef {
			for _, ref := range d.DependsOn {
				direct[ref] = true
			}
		}
	}
	for _, c := range doc.Components {
		component := read(c)
		component.Direct = direct[c.Ref]
		out.Components = append(out.Components, component)
	}
	return out, nil
}

func read(c cdxComponent) Component {
	out := Component{
		Type: word(c.Type), Group: word(c.Group), Name: word(c.Name), Version: word(c.Version), PURL: word(c.PURL), Dev: c.Scope == "excluded",
	}
	if out.Type == "library" {
		out.Type = ""
	}
	for _, h := range c.Hashes {
		if out.Hashes == nil {
			out.Hashes = map[string]string{}
		}
		out.Hashes[word(h.Algorithm)] = word(h.Content)
	}
	for _, l := range c.Licenses {
		switch {
		case l.Expression != "":
			out.License = word(l.Expression)
		case l.License != nil:
			out.License = word(l.License.Name)
		}
	}
	return out
}

// PURL makes a package URL of a type ("golang", "npm", "pypi", "maven", "oci"), a namespace, which may be
// empty or hold slashes, a name and a version, which may be empty.
func PURL(kind, namespace, name, version string) string {
	var b strings.Builder
	b.WriteString("pkg:" + kind + "/")
	for segment := range strings.SplitSeq(namespace, "/") {
		if segment != "" {
			b.WriteString(purlEscape(segment) + "/")
		}
	}
	b.WriteString(purlEscape(name))
	if version != "" {
		b.WriteString("@" + purlEscape(version))
	}
	return b.String()
}

// purlEscape percent-encodes as package URLs want it: everything but letters, digits and ".-_~" and, which
// may stand as it is, ":".
func purlEscape(s string) string {
	s = url.QueryEscape(s)
	return strings.NewReplacer("+", "%20", "%3A", ":").Replace(s)
}
