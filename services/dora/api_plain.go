package dora

import (
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/fawkes-idp/fawkes/internal/kit/auth"
	"github.com/fawkes-idp/fawkes/services/dora/intake"
)

// describePlain adds to the specification what plain handlers answer: the bulk
// format and the paths that belong to other systems.
func describePlain(doc *huma.OpenAPI, kinds []intake.Kind) {
	plain := func(id, path, tag, summary, text, media string, security []map[string][]string, answers map[string]string, params ...*huma.Param) {
		op := &huma.Operation{
			OperationID: id, Method: http.MethodPost, Path: path, Tags: []string{tag}, Summary: summary, Description: text,
			Security: security, Parameters: params, Responses: map[string]*huma.Response{},
			RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{media: {Schema: &huma.Schema{Type: "object", AdditionalProperties: true}}}},
		}
		if media == "application/x-ndjson" {
			op.RequestBody.Content[media].Schema = &huma.Schema{Type: "string"}
		}
		for status, text := range answers {
			op.Responses[status] = &huma.Response{Description: text}
		}
		if doc.Paths == nil {
			doc.Paths = map[string]*huma.PathItem{}
		}
		item := doc.Paths[path]
		if item == nil {
			item = &huma.PathItem{}
			doc.Paths[path] = item
		}
		item.Post = op
	}
	projectParam := &huma.Param{Name: "project", In: "query", Description: "Project of events that name none", Schema: &huma.Schema{Type: "string"}}
	strict := &huma.Param{Name: "strict", In: "query", Description: "Stop at the first line that is wrong", Schema: &huma.Schema{Type: "boolean"}}
	pathParam := func(name, text string) *huma.Param {
		return &huma.Param{Name: name, In: "path", Required: true, Description: text, Schema: &huma.Schema{Type: "string"}}
	}
	plain("add-event", base+"/events", "events", "Report one event",
		"One JSON object of the bulk format. Answered when it is durable.", "application/json", auth.Needs(auth.ScopeDoraWrite),
		map[string]string{"202": "It was new, and is stored", "200": "It was in the log already", "400": "It is not JSON; it is kept in quarantine",
			"413": "It is larger than 1 MiB", "422": "A field is at fault; the event is kept in quarantine", "503": "Too much waits; come again after Retry-After"}, projectParam)
	plain("add-events", base+"/events:batch", "events", "Report many events",
		"One JSON object of the bulk format a line; gzip is read. A line that is wrong is reported with its number and does not stop the rest.",
		"application/x-ndjson", auth.Needs(auth.ScopeDoraWrite), map[string]string{"200": "What became of the lines", "400": "The body broke off, or is not gzip; the lines before are stored",
			"413": "The body is larger than 64 MiB, or unpacks to more than 512 MiB; the lines before are stored", "503": "Too much waits; come again after Retry-After"}, projectParam, strict)
	for _, k := range kinds {
		who, security := "Authenticated by the token of a source (Bearer, the password of Basic, or ?token=), or by a token of the platform.", auth.Needs(auth.ScopeDoraWrite)
		switch {
		case k.Verify != nil && k.Signature == "":
			who, security = "Authenticated by a signature under the secret of a source.", auth.Open()
		case k.Verify != nil:
			who += " A delivery with the header " + k.Signature + " is authenticated by that signature."
		}
		plain(k.Name+"-webhook", k.Path, "webhooks", "A delivery of "+k.Title, who+" A redelivery changes nothing.", "application/json", security,
			map[string]string{"202": "Taken, or nothing to take", "401": "It is not known to be genuine; nothing was stored", "400": "It is not JSON; it is kept in quarantine",
				"413": fmt.Sprintf("It is larger than %d MiB", k.MaxBody>>20), "422": "A field is at fault; the delivery is kept in quarantine", "503": "Too much waits; come again after Retry-After"})
	}
	devlake := "/api/rest/plugins/webhook/connections/{connection}"
	connection := pathParam("connection", "Id of the connection")
	ok := map[string]string{"200": "Stored", "400": "A field is at fault; the body is kept in quarantine", "401": "No key", "403": "The key is not for this connection", "404": "No such connection"}
	plain("devlake-connect", "/api/rest/plugins/webhook/connections", "webhooks", "DevLake: make a connection",
		"Its name is the project's; the answer shows the key once. GET lists the connections, and GET and DELETE of connections/{connection} show and remove one.",
		"application/json", auth.Needs(auth.ScopeDoraAdmin), map[string]string{"200": "The connection with its key", "400": "The name is taken, or missing", "403": "The token is not for this"})
	plain("devlake-deployment", devlake+"/deployments", "webhooks", "DevLake: a deployment",
		"The body of Apache DevLake's incoming webhook. The same paths answer under /rest/plugins/webhook and /plugins/webhook, and under connections/by-name/{name}; deployments also under projects/{name}.",
		"application/json", auth.Needs(auth.ScopeDoraWrite), ok, connection)
	plain("devlake-issue", devlake+"/issues", "webhooks", "DevLake: an issue", "An issue of type INCIDENT is an incident.", "application/json", auth.Needs(auth.ScopeDoraWrite), ok, connection)
	plain("devlake-close-issue", devlake+"/issue/{issue_key}/close", "webhooks", "DevLake: close an issue", "The incident is resolved now; closing it again changes nothing.",
		"application/json", auth.Needs(auth.ScopeDoraWrite), ok, connection, pathParam("issue_key", "Key of the issue"))
	plain("devlake-pull-request", devlake+"/pull_requests", "webhooks", "DevLake: a pull request", "", "application/json", auth.Needs(auth.ScopeDoraWrite), ok, connection)
}
