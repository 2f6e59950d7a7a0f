package auth

import "net/http"

// Basic lets clients of protocols that know only passwords in: git, and those of image registries. The password
// of HTTP Basic is taken for a token, whatever the user's name is, and handed on as a Bearer credential; an answer
// of 401 asks for Basic, so that the client asks its user. Wrap it around handlers that use Require.
func Basic(realm string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, secret, ok := r.BasicAuth(); ok {
			r = r.Clone(r.Context())
			r.Header.Del("Authorization")
			if secret != "" {
				r.Header.Set("Authorization", "Bearer "+secret)
			}
		}
		next.ServeHTTP(&challenger{ResponseWriter: w, realm: realm}, r)
	})
}

// challenger asks for Basic where the answer is 401.
type challenger struct {
	http.ResponseWriter
	realm string
}

func (c *challenger) WriteHeader(status int) {
	if status == http.StatusUnauthorized {
		c.Header().Set("WWW-Authenticate", `Basic realm="`+c.realm+`"`)
	}
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (c *challenger) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// Flush sends what was written so far, for handlers that ask for http.Flusher.
func (c *challenger) Flush() { _ = http.NewResponseController(c.ResponseWriter).Flush() }
