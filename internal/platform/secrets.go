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

// externalSecret is what the operator makes a Secret of.
const externalSecret = "ExternalSecret.external-secrets.io"

// secretsApplication is the Application of a project that holds its ExternalSecrets.
func secretsApplication(project string) string { return project + "-secrets" }

// secretsOf lists by namespace the Secrets that the operator makes for the components of a project; none in a profile that has no operator.
func (p Profile) secretsOf(project string) map[string][]Secret {
	out := map[string][]Secret{}
	if !slices.ContainsFunc(p.Components, func(c Component) bool { return c.Name == p.inv.Wiring.Secrets.Operator }) {
		return out
	}
	for _, c := range p.Components {
		if p.inv.projectOf(c.Namespace) != project {
			continue
		}
		for _, s := range p.secrets(c) {
			if s.Made == "" && !slices.ContainsFunc(out[c.Namespace], func(other Secret) bool { return other.Name == s.Name }) {
				out[c.Namespace] = append(out[c.Namespace], s)
			}
		}
	}
	return out
}

// secrets lists the Secrets that a component reads in the profile.
func (p Profile) secrets(c Component) []Secret {
	return slices.DeleteFunc(slices.Clone(c.Secrets), func(s Secret) bool {
		return len(s.Profiles) > 0 && !slices.Contains(s.Profiles, p.Name)
	})
}

// renderSecrets adds for each project a folder of its ExternalSecrets, a file for each namespace.
func (p Profile) renderSecrets(files map[string][]byte) error {
	for _, project := range p.projects() {
		secrets := p.secretsOf(project.Name)
		if len(secrets) == 0 {
			continue
		}
		at := folderOf(files, path.Join(profileFolder(p.Name), secretsFolder, project.Name))
		for _, namespace := range slices.Sorted(maps.Keys(secrets)) {
			var objects []object
			for _, s := range secrets[namespace] {
				objects = append(objects, p.externalSecret(namespace, s))
			}
			if err := at.add(namespace+".yaml", objects...); err != nil {
				return err
			}
		}
		if err := at.kustomize(); err != nil {
			return err
		}
	}
	return nil
}

// secretApplications are the Applications of ExternalSecrets, one a project.
func (p Profile) secretApplications() []object {
	var out []object
	for _, project := range p.projects() {
		if len(p.secretsOf(project.Name)) == 0 {
			continue
		}
		source := p.inv.folder(path.Join(profileFolder(p.Name), secretsFolder, project.Name))
		out = append(out, p.application(secretsApplication(project.Name), project.Name, p.firstNamespace(project.Name), nil,
			map[string]string{waveOf: strconv.Itoa(p.inv.waveNumber(p.inv.Wiring.Secrets.Wave))}, source))
	}
	return out
}

// externalSecret is what brings one Secret. The Secret goes with it; a value that changes in the store arrives within the hour.
func (p Profile) externalSecret(namespace string, s Secret) object {
	var data []object
	for _, key := range s.Keys {
		data = append(data, object{"secretKey": key, "remoteRef": object{"key": namespace + "/" + s.Name, "property": key}})
	}
	return object{
		"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
		"metadata": metadata(s.Name, namespace, partOf(), nil),
		"spec": object{
			"refreshInterval": "1h",
			"secretStoreRef":  object{"kind": "ClusterSecretStore", "name": p.inv.Wiring.Secrets.Store},
			"target":          object{"name": s.Name, "creationPolicy": "Owner"},
			"data":            data,
		},
	}
}

// namesSecret finds keys of Helm values that hold the name of a Secret.
var namesSecret = regexp.MustCompile(`(?i)^(existing[a-z]*secret[a-z]*|[a-z]*secretname|[a-z]*passwordsecret|existingsecret)$`)

// secretNames lists the Secrets that values name, each with the way to it.
func secretNames(at string, v any) map[string]string {
	out := map[string]string{}
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			way := at + "." + key
			if name, ok := value.(string); ok && name != "" && namesSecret.MatchString(key) {
				out[way] = name
				continue
			}
			if key == "secretKeyRef" || key == "secretRef" {
				if ref, ok := value.(map[string]any); ok {
					if name, ok := ref["name"].(string); ok {
						out[way+".name"] = name
						continue
					}
				}
			}
			maps.Copy(out, secretNames(way, value))
		}
	case []any:
		for i, value := range v {
			maps.Copy(out, secretNames(fmt.Sprintf("%s[%d]", at, i), value))
		}
	}
	return out
}

// secrets sees that every Secret that values name is one of the component's, and is one of one kind.
func (c *checker) secrets(component Component) {
	at := "components[" + component.Name + "]"
	var known []string
	for _, s := range component.Secrets {
		c.unique(&known, s.Name, at+".secrets["+s.Name+"]", "Secret")
		c.profileNames(at+".secrets["+s.Name+"].profiles", s.Profiles)
		if s.Made != "" {
			c.known(at+".secrets["+s.Name+"].made", "component", s.Made, c.components)
		}
	}
	sources := map[string]Source{at + ".source": component.Source}
	for profile, s := range component.Instead {
		sources[at+".instead."+profile] = s
	}
	for where, s := range sources {
		named := secretNames(where+".values", any(s.Values))
		for _, way := range slices.Sorted(maps.Keys(named)) {
			if name := named[way]; !slices.Contains(known, name) {
				c.add(way, "add it to "+at+".secrets with its keys; there are: "+strings.Join(known, ", "), "nobody makes the Secret %s", name)
			}
		}
	}
}
