package main

import (
	"io"
	"net/http"
)

// alive answers whether the process should go on: 503 makes the platform restart it.
//
// With HEALTH=failing it says that it should not. Change that value in deploy/configmap.yaml, commit and push,
// and see the platform take the commit back.
func (a *app) alive(w http.ResponseWriter, _ *http.Request) {
	if !a.settings.healthy {
		unavailable(w, "HEALTH=failing")
		return
	}
	answer(w, "ok\n")
}

// ready answers whether requests should come here.
func (a *app) ready(w http.ResponseWriter, _ *http.Request) {
	switch {
	case a.draining.Load():
		unavailable(w, "stopping")
	case !a.settings.healthy:
		unavailable(w, "HEALTH=failing")
	default:
		answer(w, "ready\n")
	}
}

func unavailable(w http.ResponseWriter, why string) {
	http.Error(w, why, http.StatusServiceUnavailable)
}

func answer(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, text) // whoever asked has gone away
}
