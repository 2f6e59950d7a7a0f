// Package relay tells a DevLake what the delivery history holds: deployments,
// incidents and pull requests of all sources, so that DevLake's own dashboards
// work without a manual step.
//
// # How nothing is lost
//
// The relay follows the projections, which are made from the event log. Of each
// project it remembers the revision that it has taken in. A later one is
// compared with the outbox, entity by entity; what differs is written to the
// outbox, and only then the revision moves on. A crash at any point repeats work
// and loses none.
//
// # How nothing is doubled
//
// The outbox has one row for each entity, with what DevLake is to know of it
// now. A change takes the place of one that still waits; what DevLake has
// accepted is not sent again. DevLake itself keeps one row for each id, so that
// what is sent twice all the same (the answer was lost) changes nothing.
//
// # Who sends
//
// Of several processes on one database one holds the relay, by a lease with a
// fence that grows with each holder: every write to the outbox checks it. An
// item is claimed before it is sent, and a claim that has run out can be taken
// over; what the former holder then learns of it does not count.
//
// A request whose outcome nobody knows (a timeout, a crash) may still reach
// DevLake after later ones about the same entity. Where one of those differs from
// it, the last is therefore sent once more after a while.
package relay
