package runtime

import (
	"context"
	"fmt"
	"hash/fnv"
	"net"
	"strconv"
	"sync"
)

// Ports are given out below those that the system takes for outgoing connections (32768 and above on Linux), so
// that one which is ours stays free while the platform is down.
const (
	instancePorts = 10000
	servicePorts  = 20000
	portsOfKind   = 10000
)

// ports knows which ports of this machine are promised.
type ports struct {
	mu   sync.Mutex
	held map[int]string
	next int
}

func newPorts(seed string) *ports {
	return &ports{held: map[int]string{}, next: int(sum(seed) % portsOfKind)}
}

func sum(text string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(text))
	return h.Sum32()
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func listen(ctx context.Context, port int) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", loopback(port))
}

// hold promises a port to an owner, false when another has it.
func (p *ports) hold(port int, owner string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if have, ok := p.held[port]; ok && have != owner {
		return false
	}
	p.held[port] = owner
	return true
}

func (p *ports) free(port int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, port)
}

// service opens the port of a Service: the one that it had, else one that follows from its name.
func (p *ports) service(ctx context.Context, owner string, had int) (net.Listener, int, error) {
	if had != 0 && p.hold(had, owner) {
		if l, err := listen(ctx, had); err == nil {
			return l, had, nil
		}
		p.free(had)
	}
	start := int(sum(owner) % portsOfKind)
	for i := range portsOfKind {
		port := servicePorts + (start+i)%portsOfKind
		if !p.hold(port, owner) {
			continue
		}
		l, err := listen(ctx, port)
		if err == nil {
			return l, port, nil
		}
		p.free(port)
	}
	return nil, 0, fmt.Errorf("no port from %d to %d is free", servicePorts, servicePorts+portsOfKind-1)
}

// instance promises a port on which nobody listens: the one that the instance had, else the next.
func (p *ports) instance(ctx context.Context, owner string, had int) (int, error) {
	try := func(port int) bool {
		if !p.hold(port, owner) {
			return false
		}
		l, err := listen(ctx, port)
		if err != nil {
			p.free(port)
			return false
		}
		return l.Close() == nil
	}
	if had != 0 && try(had) {
		return had, nil
	}
	for range portsOfKind {
		p.mu.Lock()
		port := instancePorts + p.next%portsOfKind
		p.next++
		_, taken := p.held[port]
		p.mu.Unlock()
		if !taken && try(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no port from %d to %d is free", instancePorts, instancePorts+portsOfKind-1)
}
