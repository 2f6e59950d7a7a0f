// Package devlake sets an Apache DevLake up from a plan: connections to the tools around, the scopes that are
// collected from them, projects with their blueprints, and an API key that is kept in Vault.
//
// [Setup] asks first and changes only what is not so. It can be repeated after a failure at any point, and what people
// added by hand stays: nothing is deleted. DevLake's requests and answers are those of its version 1.0.2.
package devlake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Plan is what a DevLake is to have.
type Plan struct {
	DevLake     string       `yaml:"devlake"` // the address of its API, not of its user interface
	APIKey      APIKey       `yaml:"api_key"`
	Connections []Connection `yaml:"connections"`
	Projects    []Project    `yaml:"projects"`
}

// APIKey is the key of DevLake's open API that others use, and where it is kept.
type APIKey struct {
	Name  string `yaml:"name"`
	Vault Vault  `yaml:"vault"`
}

// Vault is a field of a secret in a store of key-value pairs, version 2.
type Vault struct {
	URL       string `yaml:"url"`
	Role      string `yaml:"role"`       // of its Kubernetes sign-in
	Mount     string `yaml:"mount"`      // of the store
	Path      string `yaml:"path"`       // of the secret
	Field     string `yaml:"field"`      // that holds the key; the others stay as they are
	TokenFile string `yaml:"token_file"` // of the service account
}

// Connection is an account of DevLake's at a tool. Credentials are names of environment variables.
type Connection struct {
	Plugin   string `yaml:"plugin"` // github, jenkins or sonarqube
	Name     string `yaml:"name"`
	Endpoint string `yaml:"endpoint"` // of the tool's API
	User     string `yaml:"user"`     // jenkins
	Secret   string `yaml:"secret"`   // token, of jenkins the password
}

// Project is a project of DevLake's, with what is collected for it.
type Project struct {
	Name   string  `yaml:"name"`
	Scopes []Scope `yaml:"scopes"`
}

// Scope is a part of a tool: a repository (OWNER/NAME), a job (its full name), or a project of SonarQube (its key).
type Scope struct {
	Connection string `yaml:"connection"`
	Name       string `yaml:"name"`
}

// The plugins of DevLake that a plan can use.
const (
	pluginGitHub    = "github"
	pluginJenkins   = "jenkins"
	pluginSonarQube = "sonarqube"
)

var (
	plainName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	repository = regexp.MustCompile(`^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$`)
)

// ReadPlan reads a plan; all that is wrong with it is in the error.
func ReadPlan(text []byte) (*Plan, error) {
	p := &Plan{}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(p); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	address := func(field, text string) {
		if u, err := url.Parse(text); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			fault("%s: %q is no address", field, text)
		}
	}
	needed := func(field, text string) {
		if text == "" {
			fault("%s is missing", field)
		}
	}
	address("devlake", p.DevLake)
	needed("api_key.name", p.APIKey.Name)
	v := p.APIKey.Vault
	address("api_key.vault.url", v.URL)
	for field, text := range map[string]string{"role": v.Role, "mount": v.Mount, "path": v.Path, "field": v.Field, "token_file": v.TokenFile} {
		needed("api_key.vault."+field, text)
	}
	known := map[string]Connection{}
	for i, c := range p.Connections {
		at := fmt.Sprintf("connections[%d]", i)
		if known[c.Name].Name != "" {
			fault("%s.name: the connection %s is there twice", at, c.Name)
		}
		known[c.Name] = c
		needed(at+".name", c.Name)
		needed(at+".secret", c.Secret)
		address(at+".endpoint", c.Endpoint)
		if !strings.HasSuffix(c.Endpoint, "/") {
			fault("%s.endpoint: DevLake wants a slash at the end of %q", at, c.Endpoint)
		}
		if !slices.Contains([]string{pluginGitHub, pluginJenkins, pluginSonarQube}, c.Plugin) {
			fault("%s.plugin: there is no %q here; the plugins are github, jenkins and sonarqube", at, c.Plugin)
		}
		if (c.Plugin == pluginJenkins) != (c.User != "") {
			fault("%s.user: jenkins has a user, the others have none", at)
		}
	}
	var names []string
	for i, project := range p.Projects {
		at := fmt.Sprintf("projects[%d]", i)
		if !plainName.MatchString(project.Name) || slices.Contains(names, project.Name) {
			fault("%s.name: %q is there twice, or not of letters, digits, dots, lines and dashes", at, project.Name)
		}
		names = append(names, project.Name)
		for j, s := range project.Scopes {
			c, there := known[s.Connection]
			switch {
			case !there:
				fault("%s.scopes[%d]: there is no connection %q", at, j, s.Connection)
			case s.Name == "" || c.Plugin == pluginGitHub && !repository.MatchString(s.Name):
				fault("%s.scopes[%d]: %q is no name of that; github's are OWNER/NAME", at, j, s.Name)
			}
		}
	}
	return p, errors.Join(faults...)
}
