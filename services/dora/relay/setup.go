package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fawkes-idp/fawkes/services/dora/devlake"
)

const pluginWebhook = "webhook"

type connection struct {
	ID   uint64 `json:"id"`
	Name string `json:"name"`
}

type metric struct {
	Plugin string          `json:"pluginName"`
	Option json.RawMessage `json:"pluginOption"`
	Enable bool            `json:"enable"`
}

// remoteProject is a project as DevLake shows it, with its blueprint as it came.
type remoteProject struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Metrics     []metric       `json:"metrics"`
	Blueprint   map[string]any `json:"blueprint"`
}

// setUp makes sure that DevLake has a project of that name with its DORA metrics
// enabled, and of each name a webhook connection that belongs to it. It asks
// first and changes only what is not so, hence it can be repeated, and run by
// several at once. It returns the connections' ids in the order of the names.
func (c *client) setUp(ctx context.Context, project string, names []string) ([]uint64, error) {
	ids, err := c.connections(ctx, names)
	if err != nil {
		return nil, err
	}
	p, err := c.project(ctx, project)
	if err != nil {
		return nil, err
	}
	if err := c.enableDORA(ctx, p); err != nil {
		return nil, err
	}
	return ids, c.attach(ctx, p, ids)
}

// connections finds the webhook connections of some names, and makes those that
// are missing.
func (c *client) connections(ctx context.Context, names []string) ([]uint64, error) {
	for attempt := 0; ; attempt++ {
		ids, missing, err := c.listed(ctx, names)
		if err != nil || len(missing) == 0 {
			return ids, err
		}
		if attempt == 2 {
			return nil, fmt.Errorf("the webhook connection %q was made, but DevLake does not list it", missing[0])
		}
		for _, name := range missing {
			body, err := json.Marshal(map[string]string{"name": name})
			if err != nil {
				return nil, fmt.Errorf("write the connection %q: %w", name, err)
			}
			var no *refusal
			if err := c.do(ctx, http.MethodPost, "/plugins/webhook/connections", body, nil); errors.As(err, &no) && exists(no) {
				continue // somebody else was quicker: the list will show it
			} else if err != nil {
				return nil, fmt.Errorf("make the webhook connection %q: %w", name, err)
			}
		}
	}
}

func exists(r *refusal) bool {
	return (r.status == http.StatusBadRequest || r.status == http.StatusConflict) && strings.Contains(r.message, "already exists")
}

func (c *client) listed(ctx context.Context, names []string) (ids []uint64, missing []string, err error) {
	var all []connection
	if err := c.do(ctx, http.MethodGet, "/plugins/webhook/connections", nil, &all); err != nil {
		return nil, nil, fmt.Errorf("list DevLake's webhook connections: %w", err)
	}
	byName := map[string]uint64{}
	for _, v := range all {
		byName[v.Name] = v.ID
	}
	for _, name := range names {
		if byName[name] == 0 {
			missing = append(missing, name)
		}
		ids = append(ids, byName[name])
	}
	return ids, missing, nil
}

// project finds a project, or makes it as the user interface does.
func (c *client) project(ctx context.Context, name string) (*remoteProject, error) {
	for attempt := 0; ; attempt++ {
		p, err := c.find(ctx, name)
		if err != nil || p != nil {
			return p, err
		}
		if attempt == 2 {
			return nil, fmt.Errorf("the project %q was made, but DevLake does not find it", name)
		}
		body, err := json.Marshal(map[string]any{"name": name, "description": "", "metrics": []metric{doraMetric()}})
		if err != nil {
			return nil, fmt.Errorf("write the project %q: %w", name, err)
		}
		var no *refusal
		err = c.do(ctx, http.MethodPost, "/projects", body, nil)
		if err != nil && (!errors.As(err, &no) || !exists(no)) {
			return nil, fmt.Errorf("make the project %q in DevLake: %w", name, err)
		}
	}
}

// find looks for a project; nil when there is none.
func (c *client) find(ctx context.Context, name string) (*remoteProject, error) {
	if c.unaddressable(name) {
		return c.search(ctx, name)
	}
	var p remoteProject
	var no *refusal
	err := c.do(ctx, http.MethodGet, "/projects/"+url.PathEscape(name), nil, &p)
	if errors.As(err, &no) && no.status == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the project %q in DevLake: %w", name, err)
	}
	return &p, nil
}

// unaddressable says that the open API has no path for a project of that name:
// it takes /rest off the path, but not off the escaped path, which is the one
// that it routes by when there is a slash in a name.
func (c *client) unaddressable(name string) bool {
	return c.cfg.Token != "" && strings.Contains(name, "/")
}

const searchPage = 100 // projects of an answer

// search looks for a project in the list of those whose names hold its name.
func (c *client) search(ctx context.Context, name string) (*remoteProject, error) {
	for page, seen := 1, 0; ; page++ {
		var list struct {
			Projects []*remoteProject `json:"projects"`
			Count    int              `json:"count"`
		}
		q := url.Values{"keyword": {name}, "page": {strconv.Itoa(page)}, "pageSize": {strconv.Itoa(searchPage)}}
		if err := c.do(ctx, http.MethodGet, "/projects?"+q.Encode(), nil, &list); err != nil {
			return nil, fmt.Errorf("look for the project %q in DevLake: %w", name, err)
		}
		for _, p := range list.Projects {
			if p != nil && p.Name == name {
				return p, nil
			}
		}
		if seen += len(list.Projects); len(list.Projects) == 0 || seen >= list.Count {
			return nil, nil
		}
	}
}

func doraMetric() metric {
	return metric{Plugin: "dora", Option: json.RawMessage("{}"), Enable: true}
}

// enableDORA switches the metrics of a project on that somebody made without.
// All of its metrics go along, because DevLake replaces them.
func (c *client) enableDORA(ctx context.Context, p *remoteProject) error {
	found := false
	for i, m := range p.Metrics {
		if m.Plugin != "dora" {
			continue
		}
		if m.Enable {
			return nil
		}
		p.Metrics[i].Enable, found = true, true
	}
	if !found {
		p.Metrics = append(p.Metrics, doraMetric())
	}
	if c.unaddressable(p.Name) {
		return fmt.Errorf("DevLake's open API cannot change a project with a slash in its name: enable the DORA metrics of %q in DevLake's user interface", p.Name)
	}
	body, err := json.Marshal(map[string]any{"name": p.Name, "description": p.Description, "metrics": p.Metrics})
	if err != nil {
		return fmt.Errorf("write the project %q: %w", p.Name, err)
	}
	if err := c.do(ctx, http.MethodPatch, "/projects/"+url.PathEscape(p.Name), body, nil); err != nil {
		return fmt.Errorf("enable the DORA metrics of the project %q in DevLake: %w", p.Name, err)
	}
	return nil
}

// attach puts connections into the project's blueprint. Nothing but the
// connections is sent: of the rest DevLake shows some with its secrets masked.
// Another set-up may have changed the blueprint in between, so the result is
// looked at.
func (c *client) attach(ctx context.Context, p *remoteProject, ids []uint64) error {
	for attempt := 0; attempt < 3; attempt++ {
		if p.Blueprint == nil {
			return c.makeBlueprint(ctx, p.Name, ids)
		}
		connections, missing := attached(p.Blueprint, ids)
		if len(missing) == 0 {
			return nil
		}
		var err error
		if connections, err = c.living(ctx, connections); err != nil {
			return err
		}
		for _, id := range missing {
			connections = append(connections, blueprintConnection(id))
		}
		body, err := json.Marshal(map[string]any{"connections": connections})
		if err != nil {
			return fmt.Errorf("write the blueprint of %q: %w", p.Name, err)
		}
		path := fmt.Sprintf("/blueprints/%v", p.Blueprint["id"])
		if err := c.do(ctx, http.MethodPatch, path, body, nil); err != nil {
			return fmt.Errorf("add the webhook connections to the blueprint of %q: %w", p.Name, err)
		}
		if p, err = c.project(ctx, p.Name); err != nil {
			return err
		}
	}
	if _, missing := attached(p.Blueprint, ids); len(missing) > 0 {
		return fmt.Errorf("the blueprint of %q does not keep its webhook connections: somebody else changes it", p.Name)
	}
	return nil
}

// living leaves out the webhook connections that somebody deleted: DevLake keeps
// them in the blueprint, and refuses to store a blueprint that has one.
func (c *client) living(ctx context.Context, connections []any) ([]any, error) {
	var all []connection
	if err := c.do(ctx, http.MethodGet, "/plugins/webhook/connections", nil, &all); err != nil {
		return nil, fmt.Errorf("list DevLake's webhook connections: %w", err)
	}
	is := map[string]bool{}
	for _, v := range all {
		is[fmt.Sprint(v.ID)] = true
	}
	return slices.DeleteFunc(slices.Clone(connections), func(v any) bool {
		m, ok := v.(map[string]any)
		return ok && m["pluginName"] == pluginWebhook && !is[fmt.Sprint(m["connectionId"])]
	}), nil
}

func blueprintConnection(id uint64) map[string]any {
	return map[string]any{"pluginName": pluginWebhook, "connectionId": id, "scopes": []any{}}
}

// attached is what the blueprint holds, and which of the ids it lacks.
func attached(blueprint map[string]any, ids []uint64) (connections []any, missing []uint64) {
	connections, _ = blueprint["connections"].([]any)
	have := map[string]bool{}
	for _, v := range connections {
		if m, ok := v.(map[string]any); ok && m["pluginName"] == pluginWebhook {
			have[fmt.Sprint(m["connectionId"])] = true
		}
	}
	for _, id := range ids {
		if !have[fmt.Sprint(id)] {
			missing = append(missing, id)
		}
	}
	return connections, missing
}

// makeBlueprint gives a project a blueprint that somebody made without: the one
// that DevLake gives to new projects, which runs once a day.
func (c *client) makeBlueprint(ctx context.Context, project string, ids []uint64) error {
	connections := make([]any, len(ids))
	for i, id := range ids {
		connections[i] = blueprintConnection(id)
	}
	body, err := json.Marshal(map[string]any{
		"name": project + "-Blueprint", "projectName": project, "mode": "NORMAL", "enable": true,
		"cronConfig": "0 0 * * *", "isManual": false, "connections": connections,
	})
	if err != nil {
		return fmt.Errorf("write the blueprint of %q: %w", project, err)
	}
	if err := c.do(ctx, http.MethodPost, "/blueprints", body, nil); err != nil {
		return fmt.Errorf("make a blueprint for the project %q in DevLake: %w", project, err)
	}
	return nil
}

// post sends an item to its connection.
func (c *client) post(ctx context.Context, connection int64, path string, body []byte) error {
	return c.do(ctx, http.MethodPost, fmt.Sprintf("/plugins/webhook/connections/%d/%s", connection, path), body, nil)
}

// probe asks whether DevLake is there and takes the credential.
func (c *client) probe(ctx context.Context) error {
	return c.do(ctx, http.MethodGet, "/plugins/webhook/connections", nil, &[]connection{})
}

func connectionNames(project string, repos []string) []string {
	names := make([]string, len(repos))
	for i, r := range repos {
		names[i] = devlake.ConnectionFor(project, r)
	}
	return names
}
