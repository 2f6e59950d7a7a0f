package devlake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// remote is a connection, or an API key, as DevLake shows it.
type remote struct {
	ID       uint64 `json:"id"`
	Name     string `json:"name"`
	Endpoint string `json:"endpoint"`
	Username string `json:"username"`
	Token    string `json:"token"` // with its middle left out
}

func (s *setup) connections(ctx context.Context) error {
	for _, c := range s.plan.Connections {
		body, err := s.connectionBody(c)
		if err != nil {
			return err
		}
		id, err := s.connection(ctx, c, body)
		if err != nil {
			return fmt.Errorf("the connection %s: %w", c.Name, err)
		}
		s.ids[c.Name] = id
	}
	return nil
}

func (s *setup) connectionBody(c Connection) (map[string]any, error) {
	secret := s.env(c.Secret)
	if secret == "" {
		return nil, fmt.Errorf("the connection %s: the variable %s is empty", c.Name, c.Secret)
	}
	body := map[string]any{"name": c.Name, "endpoint": c.Endpoint, "proxy": "", "rateLimitPerHour": 0}
	switch c.Plugin {
	case pluginJenkins:
		user := s.env(c.User)
		if user == "" {
			return nil, fmt.Errorf("the connection %s: the variable %s is empty", c.Name, c.User)
		}
		body["username"], body["password"] = user, secret
	case pluginGitHub:
		body["authMethod"], body["token"], body["enableGraphql"] = "AccessToken", secret, true
	default:
		body["token"] = secret
	}
	return body, nil
}

// connection makes or mends one connection. Secrets cannot be compared: DevLake shows none. It is asked to try what it
// has, and where that fails the secret is given to it again.
func (s *setup) connection(ctx context.Context, c Connection, body map[string]any) (uint64, error) {
	path := "/plugins/" + c.Plugin + "/connections"
	var all []remote
	if err := s.api.do(ctx, http.MethodGet, path, nil, &all); err != nil {
		return 0, err
	}
	i := slices.IndexFunc(all, func(r remote) bool { return r.Name == c.Name })
	if i < 0 {
		var made remote
		if err := s.api.do(ctx, http.MethodPost, path, body, &made); err != nil {
			return 0, err
		}
		s.changed("connection made", c.Name)
		return made.ID, nil
	}
	there := all[i]
	own := path + "/" + strconv.FormatUint(there.ID, 10)
	user, _ := body["username"].(string)
	if there.Endpoint == c.Endpoint && there.Username == user {
		try := maps.Clone(body)
		delete(try, "password")
		try["token"] = there.Token // as it is shown: DevLake puts its own in the place
		err := s.api.do(ctx, http.MethodPost, own+"/test", try, nil)
		if err == nil {
			return there.ID, nil
		}
		s.log.Warn("DevLake cannot use a connection as it is; it is given its secret again", "name", c.Name, "error", err)
	}
	if err := s.api.do(ctx, http.MethodPatch, own, body, nil); err != nil {
		return 0, err
	}
	s.changed("connection changed", c.Name)
	return there.ID, nil
}

// allScopes makes sure that each connection knows the scopes that projects name.
func (s *setup) allScopes(ctx context.Context) error {
	for _, c := range s.plan.Connections {
		var wanted []string
		for _, p := range s.plan.Projects {
			for _, scope := range p.Scopes {
				if scope.Connection == c.Name && !slices.Contains(wanted, scope.Name) {
					wanted = append(wanted, scope.Name)
				}
			}
		}
		if len(wanted) == 0 {
			continue
		}
		known, err := s.known(ctx, c)
		if err != nil {
			return fmt.Errorf("the scopes of %s: %w", c.Name, err)
		}
		for _, name := range wanted {
			if known[name] != "" {
				continue
			}
			if known[name], err = s.addScope(ctx, c, name); err != nil {
				return fmt.Errorf("the scope %s of %s: %w", name, c.Name, err)
			}
			s.changed("scope added", name)
		}
		s.scopes[c.Name] = known
	}
	return nil
}

func (s *setup) scopesPath(c Connection) string {
	return "/plugins/" + c.Plugin + "/connections/" + strconv.FormatUint(s.ids[c.Name], 10) + "/scopes"
}

const pageSize = 100

// known lists the scopes that a connection has: their ids by name.
func (s *setup) known(ctx context.Context, c Connection) (map[string]string, error) {
	out := map[string]string{}
	for page, seen := 1, 0; ; page++ {
		var list struct {
			Count  int `json:"count"`
			Scopes []struct {
				Scope struct {
					GitHubID   int    `json:"githubId"`
					FullName   string `json:"fullName"`
					ProjectKey string `json:"projectKey"`
				} `json:"scope"`
			} `json:"scopes"`
		}
		if err := s.api.do(ctx, http.MethodGet, fmt.Sprintf("%s?page=%d&pageSize=%d", s.scopesPath(c), page, pageSize), nil, &list); err != nil {
			return nil, err
		}
		for _, v := range list.Scopes {
			switch c.Plugin {
			case pluginGitHub:
				out[v.Scope.FullName] = strconv.Itoa(v.Scope.GitHubID)
			case pluginJenkins:
				out[v.Scope.FullName] = v.Scope.FullName
			default:
				out[v.Scope.ProjectKey] = v.Scope.ProjectKey
			}
		}
		if seen += len(list.Scopes); len(list.Scopes) == 0 || seen >= list.Count {
			return out, nil
		}
	}
}

// addScope adds a scope and gives its id. What GitHub knows of a repository is asked through DevLake, with the
// connection's own credentials.
func (s *setup) addScope(ctx context.Context, c Connection, name string) (id string, err error) {
	row := map[string]any{"name": name}
	switch c.Plugin {
	case pluginGitHub:
		var repo struct {
			ID       int    `json:"id"`
			Name     string `json:"name"`
			FullName string `json:"full_name"`
			HTMLURL  string `json:"html_url"`
			CloneURL string `json:"clone_url"`
		}
		path := strings.TrimSuffix(s.scopesPath(c), "/scopes") + "/proxy/rest/repos/" + name
		if err := s.api.do(ctx, http.MethodGet, path, nil, &repo); err != nil {
			return "", fmt.Errorf("ask GitHub for it: %w", err)
		}
		if repo.ID == 0 {
			return "", errors.New("GitHub's answer has no id")
		}
		id = strconv.Itoa(repo.ID)
		row = map[string]any{"githubId": repo.ID, "name": repo.Name, "fullName": name, "HTMLUrl": repo.HTMLURL, "cloneUrl": repo.CloneURL}
	case pluginJenkins:
		id = name
		row["fullName"] = name
	default:
		id = name
		row["projectKey"] = name
	}
	return id, s.api.do(ctx, http.MethodPut, s.scopesPath(c), map[string]any{"data": []any{row}}, nil)
}
