// Package balance passes connections and requests on to the instances that are ready.
//
// A [Pool] holds the instances behind one port of a Service. A [Front] is the listener of that port: where the
// port speaks HTTP, every request is placed anew, so that a client that keeps its connection for hours never
// notices that instances come and go; other ports pass bytes, connection by connection. A [Router] serves the
// rules of Ingresses from one listener.
//
// An instance is taken out of its pools before it is told to stop, and [Backend.Drain] waits until what it has
// at hand is answered. An instance that dies without warning costs no request that may be sent twice: it goes
// to another one, and waits a moment where there is none.
package balance
