package runner

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/httpapi"
	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// mostDelivery is the largest body of a webhook; GitHub sends at most 25 MB.
const mostDelivery = 25 << 20

// mostDeliveryID is the longest id of a delivery.
const mostDeliveryID = 128

// pushBody is what is read of GitHub's push webhook.
type pushBody struct {
	Ref        string `json:"ref"`
	After      string `json:"after"`
	Deleted    bool   `json:"deleted"`
	Repository struct {
		FullName      string `json:"full_name"`
		CloneURL      string `json:"clone_url"`
		DefaultBranch string `json:"default_branch"`
	} `json:"repository"`
	HeadCommit *struct {
		ID      string `json:"id"`
		Message string `json:"message"`
		Author  struct {
			Name     string `json:"name"`
			Username string `json:"username"`
		} `json:"author"`
	} `json:"head_commit"`
}

// readPush reads the body of a push. ignored says why it starts nothing; an error is about what the sender wrote.
func readPush(body []byte, now time.Time) (r Run, ignored string, err error) {
	var b pushBody
	if err := json.Unmarshal(body, &b); err != nil {
		return r, "", problem.New(problem.InvalidBody, "the body is not the JSON of a push").WithCause(err)
	}
	fault := func(field, format string, args ...any) error {
		return problem.New(problem.InvalidField, format, args...).WithField(field)
	}
	branch, isBranch := strings.CutPrefix(b.Ref, "refs/heads/")
	switch {
	case b.Ref == "":
		return r, "", fault("ref", "a push names the branch or tag that was pushed")
	case strings.HasPrefix(b.Ref, "refs/") && !isBranch:
		return r, "only branches are built", nil
	case b.Deleted || strings.Trim(b.After, "0") == "" && b.After != "":
		return r, "the branch was deleted", nil
	case !isBranch || !validBranch(branch):
		return r, "", fault("ref", "%q is no branch", clean(b.Ref, 100))
	case !shaForm.MatchString(b.After):
		return r, "", fault("after", "%q is no commit", clean(b.After, 100))
	case !repositoryForm.MatchString(b.Repository.FullName):
		return r, "", fault("repository.full_name", "%q is not owner/name", clean(b.Repository.FullName, 100))
	}
	if err := checkURL("repository.clone_url", b.Repository.CloneURL, true); err != nil {
		return r, "", fault("repository.clone_url", "%v", err)
	}
	r = newRun(Push, now)
	r.Repository, r.CloneURL, r.Branch, r.SHA = b.Repository.FullName, clean(b.Repository.CloneURL, 1000), branch, b.After
	if validBranch(b.Repository.DefaultBranch) {
		r.DefaultBranch = b.Repository.DefaultBranch
	}
	if h := b.HeadCommit; h != nil && h.ID == b.After {
		subject, _, _ := strings.Cut(strings.TrimSpace(h.Message), "\n")
		r.Subject, r.Author = clean(subject, mostSubject), clean(h.Author.Name, mostSubject)
		if r.Author == "" {
			r.Author = clean(h.Author.Username, mostSubject)
		}
	}
	return r, "", nil
}

// intakeAnswer says what became of a delivery.
type intakeAnswer struct {
	Run       string `json:"run,omitempty"`
	Duplicate bool   `json:"duplicate,omitempty"`
	Ignored   string `json:"ignored,omitempty"`
}

// handleGitHub takes a push. What is not known to be genuine leaves nothing behind.
func (s *Service) handleGitHub(w http.ResponseWriter, r *http.Request) {
	httpapi.Allow(r, httpapi.Limits{Body: mostDelivery, Timeout: 30 * time.Second})
	a, err := s.takeDelivery(r)
	result := "queued"
	switch {
	case err != nil:
		result = "refused"
	case a.Duplicate:
		result = "duplicate"
	case a.Ignored != "":
		result = "ignored"
	}
	s.count.deliveries.WithLabelValues(result).Inc()
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	s.writeJSON(w, r, http.StatusAccepted, a)
}

func (s *Service) takeDelivery(r *http.Request) (intakeAnswer, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return intakeAnswer{}, problem.New(problem.TooLarge, "the delivery is larger than %d bytes", large.Limit)
		}
		return intakeAnswer{}, err
	}
	c, err := s.store.Connections(r.Context())
	if err != nil {
		return intakeAnswer{}, err
	}
	if c.WebhookSecret == "" {
		return intakeAnswer{}, problem.New(problem.Unavailable, "the runner has no webhook secret yet").
			WithMend("set webhook_secret with PUT " + base + "/connections")
	}
	if !genuine(c.WebhookSecret, r.Header.Get("X-Hub-Signature-256"), body) {
		return intakeAnswer{}, problem.New(problem.BadSignature, "the delivery is not signed with the secret of the runner").
			WithField("X-Hub-Signature-256")
	}
	switch event := r.Header.Get("X-GitHub-Event"); event {
	case "push":
	case "ping":
		return intakeAnswer{Ignored: "pong"}, nil
	default:
		return intakeAnswer{Ignored: fmt.Sprintf("an event %q starts nothing", clean(event, 50))}, nil
	}
	id := r.Header.Get("X-GitHub-Delivery")
	if id == "" || len(id) > mostDeliveryID || clean(id, mostDeliveryID) != id {
		return intakeAnswer{}, problem.New(problem.InvalidField, "a delivery has an id").WithField("X-GitHub-Delivery")
	}
	if body, err = payload(r.Header.Get("Content-Type"), body); err != nil {
		return intakeAnswer{}, err
	}
	return s.takePush(r.Context(), id, body)
}

func (s *Service) takePush(ctx context.Context, id string, body []byte) (intakeAnswer, error) {
	run, ignored, err := readPush(body, s.clock.Now())
	if err != nil || ignored != "" {
		return intakeAnswer{Ignored: ignored}, err
	}
	again, gave, err := s.store.Enqueue(ctx, run, id, !s.config.KeepEveryPush)
	if err != nil {
		return intakeAnswer{}, err
	}
	if again {
		return intakeAnswer{Duplicate: true}, nil
	}
	for _, old := range gave {
		s.count.runs.WithLabelValues(string(Superseded)).Inc()
		s.hub.changed(old)
	}
	s.hub.changed(run.ID)
	s.poke()
	return intakeAnswer{Run: run.ID}, nil
}

// genuine checks the value of X-Hub-Signature-256, in a time that does not depend on where it differs.
func genuine(secret, signature string, body []byte) bool {
	text, ok := strings.CutPrefix(signature, "sha256=")
	given, err := hex.DecodeString(text)
	if !ok || err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hmac.Equal(given, mac.Sum(nil))
}

// payload is the JSON of a delivery; GitHub can send it as a form, too.
func payload(contentType string, body []byte) ([]byte, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if contentType == "" || err == nil && (media == "application/json" || strings.HasSuffix(media, "+json")) {
		return body, nil
	}
	return nil, problem.New(problem.UnsupportedType, "a delivery is read as application/json, not as %q", clean(contentType, 100)).
		WithMend("choose the content type application/json for the webhook")
}
