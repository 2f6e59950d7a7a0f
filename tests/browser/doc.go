// Package browser holds the journeys that a person makes through the console, clicked in a real Chromium against the
// whole platform in one process: signing in by the one-time link, seeing an import's metrics, opening a number down
// to a commit, changing the question, reading without JavaScript.
//
// Every journey fails on a request to another host and on anything the browser complains about. Each leaves pictures
// in the folder screenshots beside it, which git does not keep; they are there to be looked at.
//
// Chromium is needed: `apt-get install -y chromium`. Without it the tests fail and say so.
package browser
