package runtime

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestARequestAtHandIsAnsweredBeforeItsInstanceStops(t *testing.T) {
	w := newWorld(t)
	v1, v2 := w.image("v1", true), w.image("v2", true)
	w.apply("hello", "r1", manifests("hello", v1, 1, "", readyz))
	w.healthy("hello")
	answer := make(chan string, 1)
	go func() {
		status, text, err := fetch(client(true), w.service("hello")+"/slow?for=3s")
		answer <- fmt.Sprint(status, text, err)
	}()
	w.until("the request is at hand", 5*time.Second, func() (bool, any) {
		conns := established(w.only("hello").Port)
		return conns > 0, conns
	})
	w.apply("hello", "r2", manifests("hello", v2, 1, "", readyz))
	if got := <-answer; !strings.HasPrefix(got, "200v1") {
		t.Errorf("the answer is %q, want v1's", got)
	}
	w.healthy("hello")
}

// established counts connections to a port by asking whether the port's program has any.
func established(port int) int {
	n := 0
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		n += strings.Count(readAll(table), fmt.Sprintf(":%04X 01", port))
	}
	return n
}

func TestWebSocketsAndEventsPass(t *testing.T) {
	w := newWorld(t)
	v1, v2 := w.image("v1", true), w.image("v2", true)
	w.apply("hello", "r1", manifests("hello", v1, 1, "", readyz))
	w.healthy("hello")

	conn, err := net.Dial("tcp", w.Address("hello", "hello", 80))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the upgrade is answered %v, %v", resp, err)
	}
	fmt.Fprintln(conn, "hello there")
	if line, err := r.ReadString('\n'); err != nil || line != "hello there\n" {
		t.Fatalf("the echo is %q, %v", line, err)
	}

	events, err := client(true).Get(w.service("hello") + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	er := bufio.NewReader(events.Body)
	if line, err := er.ReadString('\n'); err != nil || line != "data: 0\n" {
		t.Fatalf("the first event is %q, %v", line, err)
	}

	// Streams have no end, so a roll-out does not wait for them longer than the program itself does.
	began := time.Now()
	w.apply("hello", "r2", manifests("hello", v2, 1, "", readyz))
	w.until("only v2 is left", 15*time.Second, func() (bool, any) {
		all := w.Instances("hello")
		return len(all) == 1 && strings.HasPrefix(all[0].Revision, "r2"), all
	})
	t.Logf("rolled out under open streams in %s", time.Since(began))
	if _, err := r.ReadString('\n'); err == nil {
		t.Error("the upgraded connection outlives its instance")
	}
}

func TestAPortThatSpeaksNoHTTPPassesBytes(t *testing.T) {
	w := newWorld(t)
	text := func(image string) string {
		out := manifests("hello", image, 2, "", readyz)
		out = strings.Replace(out, "ports: [{name: http, containerPort: 8080}]", "ports: [{name: http, containerPort: 8080}, {name: echo, containerPort: 7000}]", 1)
		return strings.Replace(out, "ports: [{name: http, port: 80, targetPort: http}]", "ports: [{name: http, port: 80, targetPort: http}, {name: echo, port: 7, targetPort: echo}]", 1)
	}
	w.apply("hello", "r1", text(w.image("v1", true)))
	w.healthy("hello")
	say := func(conn net.Conn, r *bufio.Reader) string {
		t.Helper()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(conn, "hi")
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	open := func() (net.Conn, *bufio.Reader) {
		t.Helper()
		conn, err := net.Dial("tcp", w.Address("hello", "hello", 7))
		if err != nil {
			t.Fatal(err)
		}
		return conn, bufio.NewReader(conn)
	}
	conn, r := open()
	if got := say(conn, r); got != "v1 hi" {
		t.Errorf("the answer is %q, want v1's", got)
	}
	w.apply("hello", "r2", text(w.image("v2", true)))
	if got := say(conn, r); got != "v1 hi" {
		t.Errorf("the connection at hand answers %q, want v1 still", got)
	}
	conn.Close()
	w.healthy("hello")
	for range 4 {
		conn, r := open()
		if got := say(conn, r); got != "v2 hi" {
			t.Errorf("a new connection answers %q, want v2", got)
		}
		conn.Close()
	}
}

func TestAServiceWithoutInstancesSaysSo(t *testing.T) {
	w := newWorld(t)
	w.apply("hello", "r1", manifests("hello", w.image("v1", true), 0, "", readyz))
	w.healthy("hello")
	status, text := w.get(w.service("hello"))
	if status != http.StatusServiceUnavailable || !strings.Contains(text, "no instance is ready") {
		t.Errorf("the answer is %d %q, want 503 and why", status, text)
	}
	w.apply("hello", "r2", manifests("hello", w.image("v1", true), 1, "", readyz))
	w.healthy("hello")
	if status, _ := w.get(w.service("hello")); status != http.StatusOK {
		t.Errorf("after scaling up the answer is %d", status)
	}
}
