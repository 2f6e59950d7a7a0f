package devlake

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/fawkes-idp/fawkes/services/dora/event"
)

// Connection is what DevLake answers about a webhook connection.
type Connection struct {
	Name                           string    `json:"name"`
	ID                             uint64    `json:"id"`
	CreatedAt                      time.Time `json:"createdAt"`
	UpdatedAt                      time.Time `json:"updatedAt"`
	PostIssuesEndpoint             string    `json:"postIssuesEndpoint"`
	CloseIssuesEndpoint            string    `json:"closeIssuesEndpoint"`
	PostPullRequestsEndpoint       string    `json:"postPullRequestsEndpoint"`
	PostPipelineTaskEndpoint       string    `json:"postPipelineTaskEndpoint"`
	PostPipelineDeployTaskEndpoint string    `json:"postPipelineDeployTaskEndpoint"`
	ClosePipelineEndpoint          string    `json:"closePipelineEndpoint"`
	APIKey                         *APIKey   `json:"apiKey,omitempty"`
}

// APIKey describes the key of a connection. The key itself is shown once, in
// the answer to its creation.
type APIKey struct {
	ID          uint64     `json:"id"`
	CreatedAt   time.Time  `json:"createdAt"`
	UpdatedAt   time.Time  `json:"updatedAt"`
	Name        string     `json:"name"`
	Key         string     `json:"apiKey,omitempty"`
	ExpiredAt   *time.Time `json:"expiredAt"`
	AllowedPath string     `json:"allowedPath"`
	Type        string     `json:"type"`
	Extra       string     `json:"extra"`
}

// NewConnection fills in a connection's endpoints.
func NewConnection(id uint64, name string, created, updated time.Time) Connection {
	at := "/rest/plugins/webhook/connections/" + strconv.FormatUint(id, 10)
	return Connection{
		Name: name, ID: id, CreatedAt: created.UTC(), UpdatedAt: updated.UTC(),
		PostIssuesEndpoint:             at + "/issues",
		CloseIssuesEndpoint:            at + "/issue/:issueKey/close",
		PostPullRequestsEndpoint:       at + "/pull_requests",
		PostPipelineTaskEndpoint:       at + "/cicd_tasks",
		PostPipelineDeployTaskEndpoint: at + "/deployments",
		ClosePipelineEndpoint:          at + "/cicd_pipeline/:pipelineName/finish",
	}
}

// WithKey adds the key as DevLake describes it; key is "" but in the answer to
// the creation.
func (c Connection) WithKey(id uint64, key string) Connection {
	n := strconv.FormatUint(c.ID, 10)
	c.APIKey = &APIKey{
		ID: id, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt, Name: "webhook-" + n, Key: key,
		AllowedPath: "/plugins/webhook/connections/" + n + "/.*", Type: "plugin:webhook", Extra: "connectionId:" + n,
	}
	return c
}

// ConnectionName reads the body of POST …/connections, {"name":"…"}. The error
// is always a *event.FieldError.
func ConnectionName(body []byte) (string, error) {
	o, err := parse(body)
	if err != nil {
		return "", err
	}
	name := o.need("name", "what the connection is called")
	if len(name) > 100 {
		o.fault("name", "is %d bytes long, at most 100 are taken", len(name))
	}
	if clean(name, len(name)) != name {
		o.fault("name", "holds a control character")
	}
	return name, *o.err
}

// Messages of DevLake for a request whose key is at fault, which clients show.
const (
	MessageNoToken      = "token is missing"                      // 401
	MessageBadToken     = "token is not present or malformed"     // 401
	MessageUnknownKey   = "api key is invalid"                    // 403
	MessageExpiredKey   = "api key has expired"                   // 403
	MessageOtherPath    = "path doesn't match api key's scope"    // 403
	MessageNoIssue      = "issue not found (404)"                 // 404
	MessageNoConnection = "record not found (404)"                // 404
	MessageBadInput     = "input json error (400)"                // 400, with the fault among the causes
	MessageBadID        = "invalid connectionId (400)"            // 400
	MessageNameTaken    = "A webhook with name %s already exists" // 400
)

// Answer is the body of an error.
type Answer struct {
	Code    int      `json:"code"`
	Success bool     `json:"success"`
	Message string   `json:"message"`
	Causes  []string `json:"causes"`
	Data    any      `json:"data"`
}

// Failure is the status and the body that answer an error: 400 for a
// *event.FieldError, whose field and detail are in the message and the causes,
// else 500 without detail.
func Failure(err error) (int, Answer) {
	var fault *event.FieldError
	if errors.As(err, &fault) {
		return http.StatusBadRequest, Answer{Message: MessageBadInput + ": " + fault.Error(), Causes: []string{fault.Error()}}
	}
	return http.StatusInternalServerError, Answer{Message: "internal error (500)", Causes: []string{}}
}

// Refuse is the body of an error with a message of its own.
func Refuse(message string) Answer { return Answer{Message: message, Causes: []string{}} }
