// Command probe is the application of the cluster's scenarios: a server that says what it is, and a client.
//
//	probe serve ADDRESS    answers every request with who and where it is; takes connections at the ports of LISTEN too
//	probe get URL          prints what a URL answers
//	probe lookup NAME      prints the addresses of a name
//	probe dial ADDRESS     tries the addresses of a JSON list (standard input), from ADDRESS or "any", and prints the results
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// Answer is what a server says of itself.
type Answer struct {
	Pod, Node    string // as the manifest handed them in
	UID          int
	RootWritable bool // whether a file could be made in the root folder
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), limit(os.Args[1:]))
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

// limit is how long the program may take for all; a list of connections takes longer than one.
func limit(args []string) time.Duration {
	if len(args) > 0 && args[0] == "dial" {
		return time.Minute
	}
	return 10 * time.Second
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: probe serve ADDRESS | get URL | lookup NAME | dial ADDRESS")
	}
	switch verb, what := args[0], args[1]; verb {
	case "serve":
		if err := listenAlso(); err != nil {
			return err
		}
		server := &http.Server{Addr: what, Handler: http.HandlerFunc(answer), ReadHeaderTimeout: 5 * time.Second}
		return server.ListenAndServe()
	case "get":
		return get(ctx, what)
	case "lookup":
		addresses, err := net.DefaultResolver.LookupHost(ctx, what)
		fmt.Println(strings.Join(addresses, "\n"))
		return err
	case "dial":
		if what == "any" {
			what = ""
		}
		return dial(ctx, what, os.Stdin, os.Stdout)
	default:
		return fmt.Errorf("no such verb: %s", verb)
	}
}

func answer(w http.ResponseWriter, _ *http.Request) {
	a := Answer{Pod: os.Getenv("POD"), Node: os.Getenv("NODE"), UID: os.Getuid()}
	if file, err := os.Create("/written"); err == nil {
		file.Close()
		a.RootWritable = true
	}
	if err := json.NewEncoder(w).Encode(a); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
	}
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	_, err = io.Copy(os.Stdout, resp.Body)
	return err
}
