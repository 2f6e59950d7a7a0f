package report

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"
)

type npmLock struct {
	Name, Version   string
	LockfileVersion int
	Packages        map[string]npmPackage
	Dependencies    map[string]npmPackage // lock files of version 1
}

type npmPackage struct {
	Name, Version, Integrity string
	Dev, DevOptional, Link   bool
	License                  json.RawMessage
	Dependencies             json.RawMessage // names to ranges; in version 1 names to packages
	DevDependencies          map[string]string
	OptionalDependencies     map[string]string
}

// PackageLock reads npm's package-lock.json, lock file versions 1 to 3.
func PackageLock(r io.Reader) (main Component, parts []Component, err error) {
	data, err := readAll(r)
	if err != nil {
		return Component{}, nil, fmt.Errorf("read package-lock.json: %w", err)
	}
	var lock npmLock
	if err := json.Unmarshal(data, &lock); err != nil {
		return Component{}, nil, fmt.Errorf("read package-lock.json: %w", err)
	}
	if lock.LockfileVersion == 0 {
		return Component{}, nil, errors.New("read package-lock.json: no lockfileVersion")
	}
	main = npmComponent(lock.Name, lock.Version, "")
	main.Type = "application"
	if len(lock.Packages) > 0 {
		parts = lock.installed()
	} else if parts, err = npmNested(lock.Dependencies, 0, nil); err != nil {
		return Component{}, nil, fmt.Errorf("read package-lock.json: %w", err)
	}
	if len(parts) > MaxCases {
		return Component{}, nil, fmt.Errorf("read package-lock.json: %w: more than %d packages", ErrTooLarge, MaxCases)
	}
	return main, parts, nil
}

// installed reads "packages", keyed by the folder of each package.
func (l npmLock) installed() []Component {
	direct := map[string]bool{}
	root := l.Packages[""]
	var runtime map[string]string
	if json.Unmarshal(root.Dependencies, &runtime) != nil {
		runtime = nil
	}
	for _, names := range []map[string]string{runtime, root.DevDependencies, root.OptionalDependencies} {
		for name := range names {
			direct["node_modules/"+name] = true
		}
	}
	var out []Component
	for _, folder := range sortedKeys(l.Packages) {
		p := l.Packages[folder]
		at := strings.LastIndex(folder, "node_modules/")
		if at < 0 || p.Link { // the application itself, or a workspace of it
			continue
		}
		name := folder[at+len("node_modules/"):]
		if p.Name != "" { // an alias
			name = p.Name
		}
		c := npmComponent(name, p.Version, p.Integrity)
		c.Dev, c.Direct = p.Dev || p.DevOptional, direct[folder]
		if json.Unmarshal(p.License, &c.License) == nil {
			c.License = word(c.License)
		}
		out = append(out, c)
	}
	return out
}

// npmNested reads "dependencies" of version 1, in which packages hold packages.
func npmNested(in map[string]npmPackage, depth int, out []Component) ([]Component, error) {
	if depth > MaxDepth || len(out) > MaxCases {
		return nil, fmt.Errorf("%w: dependencies nested more than %d deep", ErrTooLarge, MaxDepth)
	}
	for _, name := range sortedKeys(in) {
		p := in[name]
		c := npmComponent(name, p.Version, p.Integrity)
		c.Dev = p.Dev
		out = append(out, c)
		var inner map[string]npmPackage
		if len(p.Dependencies) == 0 || json.Unmarshal(p.Dependencies, &inner) != nil {
			continue
		}
		var err error
		if out, err = npmNested(inner, depth+1, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func npmComponent(name, version, integrity string) Component {
	name, version = word(name), word(version)
	c := Component{Name: name, Version: version}
	if scope, rest, ok := strings.Cut(name, "/"); ok && strings.HasPrefix(scope, "@") {
		c.Group, c.Name = scope, rest
	}
	if name != "" {
		c.PURL = PURL("npm", c.Group, c.Name, version)
	}
	algorithms := map[string]string{"sha1": "SHA-1", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}
	for field := range strings.FieldsSeq(integrity) {
		kind, sum, _ := strings.Cut(field, "-")
		raw, err := base64.StdEncoding.DecodeString(sum)
		if alg := algorithms[kind]; alg != "" && err == nil && len(raw) > 0 {
			if c.Hashes == nil {
				c.Hashes = map[string]string{}
			}
			c.Hashes[alg] = hex.EncodeToString(raw)
		}
	}
	return c
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

var (
	requirement = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:===?\s*([^\s;,#]+))?(.*)$`)
	sha256Flag  = regexp.MustCompile(`--hash[= ]sha256:([0-9a-f]{64})`)
	eggName     = regexp.MustCompile(`#egg=([A-Za-z0-9][A-Za-z0-9._-]*)`)
)

// Requirements reads requirements.txt or the output of `pip freeze`. A requirement that is not pinned with
// "==" has no version. Options, other files named with -r, and paths are passed over.
func Requirements(r io.Reader) ([]Component, error) {
	var out []Component
	var joined string
	err := eachLine(r, func(raw []byte) error {
		line := joined + strings.TrimSpace(string(raw))
		if rest, ok := strings.CutSuffix(line, `\`); ok && len(line) < maxLine {
			joined = rest
			return nil
		}
		joined = ""
		if len(out) >= MaxCases {
			return fmt.Errorf("%w: more than %d requirements", ErrTooLarge, MaxCases)
		}
		if c, ok := requirementOf(line); ok {
			out = append(out, c)
		}
		return nil
	})
	if c, ok := requirementOf(joined); ok {
		out = append(out, c)
	}
	if err != nil {
		return nil, fmt.Errorf("read requirements: %w", err)
	}
	return out, nil
}

func requirementOf(line string) (Component, bool) {
	if m := eggName.FindStringSubmatch(line); m != nil && !strings.HasPrefix(line, "#") {
		return pypi(m[1], "", ""), true
	}
	if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "-") || strings.HasPrefix(line, ".") || strings.HasPrefix(line, "/") || strings.Contains(line, "://") && !strings.Contains(line, " @ ") {
		return Component{}, false
	}
	m := requirement.FindStringSubmatch(line)
	if m == nil {
		return Component{}, false
	}
	version := m[2]
	if strings.HasPrefix(strings.TrimSpace(m[3]), ",") || strings.Contains(version, "*") {
		version = ""
	}
	sum := ""
	if hashes := sha256Flag.FindAllStringSubmatch(line, 2); len(hashes) == 1 { // several: one a platform, none can be told
		sum = hashes[0][1]
	}
	return pypi(m[1], version, sum), true
}

func pypi(name, version, sum string) Component {
	name, version = word(name), word(version)
	c := Component{Name: name, Version: version, Direct: true}
	normal := strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
	c.PURL = PURL("pypi", "", normal, version)
	if sum != "" {
		c.Hashes = map[string]string{"SHA-256": sum}
	}
	return c
}

var mavenLine = regexp.MustCompile(`^(?:\[INFO\])?[\s|+\\-]*([A-Za-z0-9_.-]+(?::[A-Za-z0-9_.+-]+){3,5})(?:\s|$)`)

// MavenDependencies reads the output of `mvn dependency:list` or `dependency:tree`. Test dependencies, and
// what the platform provides, are development components.
func MavenDependencies(r io.Reader) ([]Component, error) {
	var out []Component
	err := eachLine(r, func(raw []byte) error {
		m := mavenLine.FindStringSubmatch(string(raw))
		if m == nil {
			return nil
		}
		if len(out) >= MaxCases {
			return fmt.Errorf("%w: more than %d dependencies", ErrTooLarge, MaxCases)
		}
		f := strings.Split(m[1], ":") // group:artifact:type[:classifier]:version:scope
		if len(f) < 5 {
			return nil // the project itself in a tree: group:artifact:type:version
		}
		c := maven(f[0], f[1], f[len(f)-2])
		c.Dev = f[len(f)-1] == "test" || f[len(f)-1] == "provided"
		out = append(out, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read Maven dependencies: %w", err)
	}
	return out, nil
}

func maven(group, artifact, version string) Component {
	group, artifact, version = word(group), word(artifact), word(version)
	return Component{Group: group, Name: artifact, Version: version, PURL: PURL("maven", group, artifact, version)}
}

var property = regexp.MustCompile(`\$\{([^}]+)\}`)

// POM reads a Maven pom.xml: the project and the dependencies it names itself, with the properties of the
// same file filled in. A version that a parent or a dependencyManagement decides is unknown.
func POM(r io.Reader) (main Component, parts []Component, err error) {
	data, err := readAll(r)
	if err != nil {
		return Component{}, nil, fmt.Errorf("read pom.xml: %w", err)
	}
	type coordinates struct {
		GroupID    string `xml:"groupId"`
		ArtifactID string `xml:"artifactId"`
		Version    string `xml:"version"`
		Scope      string `xml:"scope"`
	}
	var pom struct {
		XMLName xml.Name `xml:"project"`
		coordinates
		Parent     coordinates `xml:"parent"`
		Properties struct {
			Entries []struct {
				XMLName xml.Name
				Value   string `xml:",chardata"`
			} `xml:",any"`
		} `xml:"properties"`
		Managed      []coordinates `xml:"dependencyManagement>dependencies>dependency"`
		Dependencies []coordinates `xml:"dependencies>dependency"`
	}
	if err := xml.Unmarshal(data, &pom); err != nil {
		return Component{}, nil, fmt.Errorf("read pom.xml: %w", err)
	}
	if len(pom.Dependencies) > MaxCases {
		return Component{}, nil, fmt.Errorf("read pom.xml: %w: more than %d dependencies", ErrTooLarge, MaxCases)
	}
	group, version := first(pom.GroupID, pom.Parent.GroupID), first(pom.Version, pom.Parent.Version)
	known := map[string]string{"project.groupId": group, "project.version": version, "project.artifactId": pom.ArtifactID}
	for _, e := range pom.Properties.Entries {
		known[e.XMLName.Local] = strings.TrimSpace(e.Value)
	}
	fill := func(text string) string {
		for range 4 { // properties that name properties
			if len(text) > maxWord || !strings.Contains(text, "${") {
				break
			}
			text = property.ReplaceAllStringFunc(text, func(ref string) string {
				if v, ok := known[ref[2:len(ref)-1]]; ok {
					return v
				}
				return ref
			})
		}
		return strings.TrimSpace(text)
	}
	managed := map[string]string{}
	for _, d := range pom.Managed {
		managed[fill(d.GroupID)+":"+fill(d.ArtifactID)] = fill(d.Version)
	}
	main = maven(fill(group), fill(pom.ArtifactID), fill(version))
	main.Type = "application"
	for _, d := range pom.Dependencies {
		g, a := fill(d.GroupID), fill(d.ArtifactID)
		v := first(fill(d.Version), managed[g+":"+a])
		if strings.Contains(v, "${") {
			v = ""
		}
		c := maven(g, a, v)
		c.Direct, c.Dev = true, d.Scope == "test" || d.Scope == "provided"
		parts = append(parts, c)
	}
	return main, parts, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
