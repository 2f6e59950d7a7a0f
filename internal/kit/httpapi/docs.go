package httpapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"sort"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

//go:embed docs.html
var docsPage string

//go:embed docs.css
var docsStyle string

// docsPolicy lets the page's one style through, by its hash, and nothing else.
func docsPolicy() string {
	sum := sha256.Sum256([]byte(docsStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}

type docsView struct {
	Style   template.CSS
	Title   string
	Version string
	Text    string
	Spec    string
	Groups  []docsGroup
	Schemas []docsSchema
}

type docsGroup struct {
	Name       string
	Operations []docsOperation
}

type docsOperation struct {
	ID, Method, Path, Summary, Text string
	Needs                           string
	Params                          []docsParam
	Body                            string
	Responses                       []docsResponse
}

type docsParam struct {
	Name, In, Type, Text string
	Required             bool
}

type docsResponse struct{ Status, Text, Type string }

type docsSchema struct{ Name, Text string }

func (a *API) serveDocs(w http.ResponseWriter, r *http.Request) {
	page, err := a.page()
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	Page(w.Header())
	w.Header().Set("Content-Security-Policy", docsPolicy())
	w.Header().Set("Cache-Control", "no-cache")
	write(w, r, a.opts.Log, page)
}

// document renders the specification as one page without a single further
// request.
func (a *API) document() ([]byte, error) {
	spec := a.huma.OpenAPI()
	view := docsView{
		Style: template.CSS(docsStyle), Title: spec.Info.Title, Version: spec.Info.Version,
		Text: spec.Info.Description, Spec: "/api/" + a.opts.Service + "/openapi.yaml",
	}
	groups := map[string][]docsOperation{}
	for path, item := range spec.Paths {
		for _, op := range operations(item) {
			tag := "Operations"
			if len(op.Tags) > 0 {
				tag = op.Tags[0]
			}
			groups[tag] = append(groups[tag], describe(path, op))
		}
	}
	for name, ops := range groups {
		sort.Slice(ops, func(i, j int) bool {
			return ops[i].Path < ops[j].Path || ops[i].Path == ops[j].Path && ops[i].Method < ops[j].Method
		})
		view.Groups = append(view.Groups, docsGroup{name, ops})
	}
	sort.Slice(view.Groups, func(i, j int) bool { return view.Groups[i].Name < view.Groups[j].Name })
	for name, schema := range spec.Components.Schemas.Map() {
		text, err := json.MarshalIndent(schema, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("describe the schema %s: %w", name, err)
		}
		view.Schemas = append(view.Schemas, docsSchema{name, string(text)})
	}
	sort.Slice(view.Schemas, func(i, j int) bool { return view.Schemas[i].Name < view.Schemas[j].Name })

	t, err := template.New("docs").Parse(docsPage)
	if err != nil {
		return nil, fmt.Errorf("read the page of the documentation: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, view); err != nil {
		return nil, fmt.Errorf("write the page of the documentation: %w", err)
	}
	return out.Bytes(), nil
}

func operations(item *huma.PathItem) []*huma.Operation {
	var ops []*huma.Operation
	for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete, item.Head, item.Options} {
		if op != nil && !op.Hidden {
			ops = append(ops, op)
		}
	}
	return ops
}

func describe(path string, op *huma.Operation) docsOperation {
	d := docsOperation{ID: op.OperationID, Method: strings.ToUpper(op.Method), Path: path, Summary: op.Summary, Text: op.Description}
	var needs []string
	for _, alternative := range op.Security {
		for _, scopes := range alternative {
			needs = append(needs, scopes...)
		}
	}
	if len(needs) > 0 {
		d.Needs = needs[0]
	}
	for _, p := range op.Parameters {
		d.Params = append(d.Params, docsParam{p.Name, p.In, typeName(p.Schema), p.Description, p.Required})
	}
	if op.RequestBody != nil {
		d.Body = contentType(op.RequestBody.Content)
	}
	for status, r := range op.Responses {
		d.Responses = append(d.Responses, docsResponse{status, r.Description, contentType(r.Content)})
	}
	sort.Slice(d.Responses, func(i, j int) bool { return d.Responses[i].Status < d.Responses[j].Status })
	return d
}

func contentType(content map[string]*huma.MediaType) string {
	var all []string
	for media, c := range content {
		text := media
		if c != nil && c.Schema != nil {
			text += " · " + typeName(c.Schema)
		}
		all = append(all, text)
	}
	sort.Strings(all)
	return strings.Join(all, ", ")
}

func typeName(s *huma.Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	case s.Type == huma.TypeArray:
		return "list of " + typeName(s.Items)
	case len(s.Enum) > 0:
		words := make([]string, len(s.Enum))
		for i, e := range s.Enum {
			words[i] = fmt.Sprint(e)
		}
		return strings.Join(words, " | ")
	case s.Format != "":
		return s.Type + " (" + s.Format + ")"
	}
	return s.Type
}
