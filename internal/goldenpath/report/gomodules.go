package report

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// goComponent is a Go module as a component. Its hash is what go.sum says, as hex: the SHA-256 of the list
// of its files and their hashes.
func goComponent(modulePath, version, sum string) Component {
	modulePath, version = word(modulePath), word(version)
	if version == "(devel)" { // built from a work tree that says no version
		version = ""
	}
	c := Component{Name: modulePath, Version: version}
	dir, name := path.Split(modulePath)
	c.PURL = PURL("golang", dir, name, version)
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:")); err == nil && len(raw) == 32 {
		c.Hashes = map[string]string{"SHA-256": hex.EncodeToString(raw)}
	}
	return c
}

// GoBinary reads what `go version -m` says of one program: the modules that are really in it, and the
// standard library at the version of the toolchain. main is the module of the program.
func GoBinary(r io.Reader) (main Component, parts []Component, err error) {
	replaced := false
	err = eachLine(r, func(raw []byte) error {
		line := string(raw)
		fields := strings.Split(strings.TrimLeft(line, "\t "), "\t")
		at := func(i int) string {
			if i < len(fields) {
				return fields[i]
			}
			return ""
		}
		switch {
		case !strings.HasPrefix(line, "\t"):
			if i := strings.LastIndex(line, ": go"); i >= 0 {
				version, _, _ := strings.Cut(line[i+len(": go"):], " ")
				parts = append(parts, Component{Name: "std", Version: word(version), PURL: PURL("golang", "", "std", word(version))})
			}
		case fields[0] == "mod":
			main = goComponent(at(1), at(2), at(3))
			main.Type = "application"
		case fields[0] == "dep":
			if len(parts) >= MaxCases {
				return fmt.Errorf("%w: more than %d modules", ErrTooLarge, MaxCases)
			}
			parts = append(parts, goComponent(at(1), at(2), at(3)))
			replaced = true
		case fields[0] == "=>" && replaced:
			parts[len(parts)-1] = goComponent(at(1), at(2), at(3))
		}
		return nil
	})
	if err == nil && main.Name == "" {
		err = errors.New("no module information; is it the output of go version -m for a program built with modules?")
	}
	if err != nil {
		return Component{}, nil, fmt.Errorf("read go version -m: %w", err)
	}
	return main, parts, nil
}

// GoProgram is GoBinary for the program file; name is what its first line calls it.
func GoProgram(file, name string) (main Component, parts []Component, err error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return Component{}, nil, err
	}
	// GoBinary reads what go version -m writes: a line of the program, then the indented information.
	text := fmt.Sprintf("%s: %s\n", name, info.GoVersion)
	for line := range strings.Lines(info.String()) {
		if !strings.HasPrefix(line, "go\t") {
			text += "\t" + line
		}
	}
	return GoBinary(strings.NewReader(text))
}

// GoModules reads the stream of `go list -m -json all`.
func GoModules(r io.Reader) (main Component, parts []Component, err error) {
	type module struct {
		Path, Version  string
		Main, Indirect bool
		Replace        *module
		Error          *struct{ Err string }
		Sum            string
	}
	dec := json.NewDecoder(io.LimitReader(r, MaxBytes))
	for {
		var m module
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return Component{}, nil, fmt.Errorf("read go list -m -json: %w", err)
		}
		if len(parts) >= MaxCases {
			return Component{}, nil, fmt.Errorf("read go list -m -json: %w: more than %d modules", ErrTooLarge, MaxCases)
		}
		if m.Error != nil {
			return Component{}, nil, fmt.Errorf("read go list -m -json: module %s: %s", word(m.Path), word(m.Error.Err))
		}
		indirect := m.Indirect
		if m.Main {
			main = goComponent(m.Path, m.Version, "")
			main.Type = "application"
			continue
		}
		if m.Replace != nil && m.Replace.Version != "" { // a replacement by a folder keeps the name
			m = *m.Replace
		}
		c := goComponent(m.Path, m.Version, m.Sum)
		c.Direct = !indirect
		parts = append(parts, c)
	}
	return main, parts, nil
}
