// Server is the application that the runtime's tests run. Its environment makes it misbehave.
package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "check" { // an exec probe
		if _, err := os.Stat(os.Args[2]); err != nil {
			fmt.Println("no", os.Args[2])
			os.Exit(1)
		}
		return
	}
	fmt.Println("hello from", os.Getenv("VERSION"))
	if os.Getenv("CRASH") != "" {
		fmt.Println("crashing")
		os.Exit(3)
	}
	port := os.Getenv("PORT")
	if p := os.Getenv("IGNORE_PORT"); p != "" {
		port = p
	}
	if d, err := time.ParseDuration(os.Getenv("START_AFTER")); err == nil {
		time.Sleep(d)
	}
	var sick atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s\n", os.Getenv("VERSION"), os.Getenv("HOSTNAME"))
	})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if os.Getenv("READY") == "never" || sick.Load() {
			http.Error(w, "the database is away", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/sick", func(w http.ResponseWriter, r *http.Request) { sick.Store(true) })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.FormValue("for"))
		time.Sleep(d)
		fmt.Fprintln(w, os.Getenv("VERSION"))
	})
	mux.HandleFunc("/eat", func(w http.ResponseWriter, r *http.Request) {
		var all [][]byte
		for range 512 {
			b := make([]byte, 1<<20)
			for i := range b {
				b[i] = byte(i)
			}
			all = append(all, b)
			time.Sleep(2 * time.Millisecond)
		}
		fmt.Fprintln(w, len(all))
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, strings.Join(os.Environ(), "\n"))
	})
	mux.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		b, err := os.ReadFile(r.FormValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Write(b)
	})
	mux.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		if err := os.WriteFile(r.FormValue("path"), []byte("written"), 0o644); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 1000 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	mux.HandleFunc("/upgrade", func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		rw.Flush()
		for {
			line, err := rw.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(rw, line)
			rw.Flush()
		}
	})
	srv := &http.Server{Addr: ":" + port, Handler: mux}
	if tcp := os.Getenv("PORT_ECHO"); tcp != "" {
		go echo(tcp)
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	if os.Getenv("DEAF") != "" {
		signal.Ignore(syscall.SIGTERM)
		stop = context.Background()
	}
	go func() {
		<-stop.Done()
		fmt.Println("told to stop")
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		srv.Shutdown(ctx)
		fmt.Println("bye")
		os.Exit(0)
	}()
	if n, _ := strconv.Atoi(port); n == 0 {
		fmt.Println("no port; waiting")
		<-stop.Done()
		select {}
	}
	fmt.Println(srv.ListenAndServe())
	select {
	case <-stop.Done():
		select {}
	default:
	}
}

func echo(port string) {
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		fmt.Println(err)
		return
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			r := bufio.NewReader(c)
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				fmt.Fprintf(c, "%s %s", os.Getenv("VERSION"), line)
			}
		}()
	}
}
