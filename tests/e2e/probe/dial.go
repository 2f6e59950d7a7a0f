package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Attempt is one connection that was tried.
type Attempt struct {
	Address string `json:"address"`
	// Result is "connected", "prohibited" (a filter said so), "refused" (nobody listens), "unreachable" (no such host),
	// "timeout", or another error.
	Result string `json:"result"`
}

const (
	dialTimeout = 3 * time.Second
	atOnce      = 8 // connections that are tried at the same time
	tries       = 4 // of a connection that nobody answers: see [dial]
)

// dial tries every address of a JSON list and writes what became of each, in the same order. From is the address that
// the connections come from; empty: what the kernel chooses.
//
// What nobody answers is tried again. The kernel knows about a thousand neighbors, in all network namespaces together,
// and forgets one after five seconds at the earliest: pods that all talk with each other are more.
func dial(ctx context.Context, from string, in io.Reader, out io.Writer) error {
	var addresses []string
	if err := json.NewDecoder(in).Decode(&addresses); err != nil {
		return fmt.Errorf("read the addresses, a JSON list: %w", err)
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	if from != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	attempts := make([]Attempt, len(addresses))
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, address := range addresses {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			attempts[i].Address = address
			for range tries {
				attempts[i].Result = try(ctx, dialer, address)
				if r := attempts[i].Result; r != "timeout" && r != "unreachable" {
					return
				}
			}
		})
	}
	all.Wait()
	return json.NewEncoder(out).Encode(attempts)
}

func try(ctx context.Context, dialer net.Dialer, address string) string {
	conn, err := dialer.DialContext(ctx, "tcp", address)
	var late net.Error
	switch {
	case err == nil:
		conn.Close()
		return "connected"
	case errors.Is(err, syscall.ENETUNREACH):
		return "prohibited"
	case errors.Is(err, syscall.EHOSTUNREACH):
		return "unreachable"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.As(err, &late) && late.Timeout():
		return "timeout"
	}
	return err.Error()
}

// listenAlso takes connections at the ports of LISTEN, a list with commas, and closes them.
func listenAlso() error {
	for port := range strings.SplitSeq(os.Getenv("LISTEN"), ",") {
		if port == "" {
			continue
		}
		listener, err := net.Listen("tcp", ":"+port)
		if err != nil {
			return fmt.Errorf("listen at the ports of LISTEN: %w", err)
		}
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					fmt.Fprintln(os.Stderr, "probe:", err)
					os.Exit(1)
				}
				conn.Close()
			}
		}()
	}
	return nil
}
