package relay

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/fawkes-idp/fawkes/internal/kit/config"
)

// Config is what can be set. Without a URL there is no relay.
type Config struct {
	URL            string   // of DevLake, as people open it or as its API is reached
	Token          string   // API key, sent as Bearer
	User, Password string   // instead of a token: what the proxy before DevLake asks for
	Projects       []string // which to relay; empty: all
	Timeout        time.Duration

	Pace Pace
	// Transport carries the requests; nil is the network, without a proxy.
	Transport http.RoundTripper
}

// Pace is how patient the relay is. Zero values are replaced by the defaults.
type Pace struct {
	Poll      time.Duration // between looks at what is new: 1s
	Backoff   time.Duration // after the first failure of an item, doubling: 1s
	Most      time.Duration // the longest such pause: 5m
	Probe     time.Duration // after DevLake was found to be down, doubling up to a minute: 1s
	Age       time.Duration // an item that failed for so long is given up: 7 days
	Attempts  int           // and not before so many attempts: 10
	Confirm   time.Duration // before what may have been overtaken is sent again: 2 × Timeout
	Lease     time.Duration // of the process that runs the relay: Timeout + 5s
	Margin    time.Duration // by which a claim on an item outlasts its request: 5s
	RetryMost time.Duration // the longest Retry-After that is believed: 1h
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&c.Timeout, 10*time.Second)
	set(&c.Pace.Poll, time.Second)
	set(&c.Pace.Backoff, time.Second)
	set(&c.Pace.Most, 5*time.Minute)
	set(&c.Pace.Probe, time.Second)
	set(&c.Pace.Age, 7*24*time.Hour)
	set(&c.Pace.Confirm, 2*c.Timeout)
	set(&c.Pace.Margin, 5*time.Second)
	set(&c.Pace.Lease, c.Timeout+c.Pace.Margin)
	set(&c.Pace.RetryMost, time.Hour)
	if c.Pace.Attempts <= 0 {
		c.Pace.Attempts = 10
	}
	return c
}

// Keys are the settings of the relay.
func Keys() []config.Key {
	return []config.Key{
		{Name: "dora.devlake_url", Check: config.CheckFunc(isURL), Doc: "Address of an Apache DevLake that is told of deployments, incidents and pull requests, for example https://devlake.example; empty: none."},
		{Name: "dora.devlake_token", Secret: true, Check: config.CheckFunc(isOneLine), Doc: "API key of that DevLake, allowed for all of its paths."},
		{Name: "dora.devlake_user", Check: config.CheckFunc(isOneLine), Doc: "Instead of an API key: the user of basic authentication, where a proxy before DevLake asks for it."},
		{Name: "dora.devlake_password", Secret: true, Check: config.CheckFunc(isOneLine), Doc: "The password of that user."},
		{Name: "dora.devlake_projects", Doc: "Projects, separated by commas, of which DevLake is told; empty: all."},
		{Name: "dora.devlake_timeout", Default: "10s", Check: config.IsDuration(time.Second, 5*time.Minute), Doc: "How long a request to DevLake may take."},
	}
}

// FromSection reads the settings.
func FromSection(s *config.Section) Config {
	c := Config{
		URL: strings.TrimSpace(s.String("devlake_url")), Token: s.String("devlake_token"), User: s.String("devlake_user"),
		Password: s.String("devlake_password"), Timeout: s.Duration("devlake_timeout"),
	}
	for _, p := range strings.Split(s.String("devlake_projects"), ",") {
		if p = strings.TrimSpace(p); p != "" {
			c.Projects = append(c.Projects, p)
		}
	}
	return c
}

// Relays reports whether a project is one of those that are relayed.
func (c Config) Relays(project string) bool {
	return len(c.Projects) == 0 || slices.Contains(c.Projects, project)
}

// fault is what keeps the settings from being of use, nil when nothing does.
func (c Config) fault() error {
	switch {
	case c.Token != "" && c.User != "":
		return errors.New("both dora.devlake_token and dora.devlake_user are set, and a request carries only one of them: remove one")
	case c.Token == "" && c.User == "":
		return errors.New("no API key is configured: make one in DevLake (API Keys, allowed path .*) and set dora.devlake_token")
	}
	return isURL(c.URL)
}

func isURL(v string) error {
	if v = strings.TrimSpace(v); v == "" {
		return nil
	}
	u, err := url.Parse(v)
	switch {
	case err != nil:
		return fmt.Errorf("it is not an address; write it as https://devlake.example")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Hostname() == "":
		return fmt.Errorf("%q is not an address; write it as https://devlake.example", u.Redacted())
	case u.User != nil:
		return errors.New("it holds a user or a password, which would show in logs; set dora.devlake_user and dora.devlake_password")
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("%q has more than a path; write it as https://devlake.example", u.Redacted())
	}
	return nil
}

func isOneLine(v string) error {
	if strings.ContainsAny(v, "\r\n\x00") {
		return errors.New("it holds a line break; give it on one line")
	}
	return nil
}
