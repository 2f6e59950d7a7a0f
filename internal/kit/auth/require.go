package auth

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/fawkes-idp/fawkes/internal/kit/problem"
)

// The names of the security schemes in every OpenAPI document.
const (
	SchemeBearer  = "bearer"
	SchemeSession = "session"
)

// Needs is the Operation.Security of an operation that needs scope, by token or by session. An empty scope asks
// only for an authenticated caller.
func Needs(scope string) []map[string][]string {
	scopes := []string{}
	if scope != "" {
		scopes = append(scopes, scope)
	}
	return []map[string][]string{{SchemeBearer: scopes}, {SchemeSession: scopes}}
}

// Open is the Operation.Security of an operation that anyone may call.
func Open() []map[string][]string { return []map[string][]string{{}} }

// Describe adds the security schemes that Needs refers to to an OpenAPI document.
func Describe(doc *huma.OpenAPI) {
	if doc.Components == nil {
		doc.Components = &huma.Components{}
	}
	if doc.Components.SecuritySchemes == nil {
		doc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{}
	}
	doc.Components.SecuritySchemes[SchemeBearer] = &huma.SecurityScheme{
		Type: "http", Scheme: "bearer", Description: "An API token (fwk_…), or a JWT made by identity for this service.",
	}
	doc.Components.SecuritySchemes[SchemeSession] = &huma.SecurityScheme{
		Type: "apiKey", In: "cookie", Name: CookieName, Description: "A person's session in a browser.",
	}
}

// Require lets a request through when its caller holds scope, and puts the caller into the context.
// An empty scope asks only for an authenticated caller.
func (v *Verifier) Require(scope string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, err := v.admit(r, scope)
			if err != nil {
				refuse(w, r, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// Operations is huma middleware that enforces what each operation states in its Security, so that the OpenAPI
// document and the gate cannot differ. An operation that states nothing is refused.
func (v *Verifier) Operations() func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		scope, open, stated := wanted(c.Operation().Security)
		if open {
			next(c)
			return
		}
		r, w := humago.Unwrap(c)
		if !stated {
			v.log.Error("an operation states no security and is refused", "operation", c.Operation().OperationID)
			refuse(w, r, problem.New(problem.Forbidden, "this operation is open to nobody"))
			return
		}
		ctx, err := v.admit(r, scope)
		if err != nil {
			refuse(w, r, err)
			return
		}
		next(huma.WithContext(c, ctx))
	}
}

// wanted reads an operation's security. All alternatives of Needs name the same scope.
func wanted(security []map[string][]string) (scope string, open, stated bool) {
	if len(security) == 0 {
		return "", false, false
	}
	for _, alternative := range security {
		if len(alternative) == 0 {
			return "", true, true
		}
		for _, scopes := range alternative {
			if len(scopes) > 0 {
				scope = scopes[0]
			}
		}
	}
	return scope, false, true
}

// admit authenticates r and checks the scope; the context it returns carries the caller and the credential.
func (v *Verifier) admit(r *http.Request, scope string) (context.Context, error) {
	p, c, err := v.authenticate(r)
	if err != nil {
		return nil, err
	}
	if scope != "" && !p.Can(scope) {
		return nil, problem.New(problem.Forbidden, "this needs the scope %s, which %s does not have", scope, caller(p)).
			WithMend("use a token that has it: `fawkes token create --scope " + scope + "`, or ask an admin for the role")
	}
	return context.WithValue(NewContext(r.Context(), p), credentialKey, c), nil
}

func caller(p Principal) string {
	switch p.Kind {
	case KindToken:
		return "the token"
	case KindWorkload:
		return "the workload " + p.Subject
	}
	return "your role"
}

func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if problem.From(err).GetStatus() == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="fawkes"`)
	}
	w.Header().Set("Cache-Control", "no-store")
	problem.Write(w, r, err)
}

func crossOrigin() error {
	return problem.New(problem.Forbidden, "the request changes something and comes from another site's page").
		WithMend("call the API with a token instead of the browser's session")
}
