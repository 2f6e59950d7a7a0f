// Package cdevents reads CDEvents as delivery events, sent as CloudEvents over
// HTTP: in binary mode, in structured mode, in batches, or bare.
//
// Every version of the specification from 0.1 on is read by one reader: what the
// versions changed (the name of the version's own field, "url" or "uri", "type" of
// the subject) does not matter to delivery. Fields that a later version adds are
// passed over. The package is pure; see package intake for what the service does
// around it.
//
// # What becomes what
//
//	change created, updated, merged, abandoned   a pull_request
//	change reviewed                              a review
//	build, pipelinerun, taskrun                  a build, where repository and commit are told
//	artifact                                     an artifact, where repository and commit are told
//	service deployed, upgraded, rolledback       a deployment, finished
//	incident detected, reported, resolved        an incident
//	ticket of type incident                      an incident
//	anything else                                other: kept as it came, and counted
//
// CDEvents has no event for a deployment that began or failed, no commit, and no
// word on the commit of a build. Where the sender says more in customData, it is
// read; see [custom].
//
// # Identity
//
// The id of a subject is unique within its source (by default the event's own),
// so an incident or a build is "source#id". A deployment is none of its service's
// ids, because a service is deployed many times: it is its service in its
// environment at its time, so that an event that is sent again under another id is
// still the same deployment. A delivery is known by the source and id of its
// CloudEvent.
//
// # Artifacts
//
// An artifact is named by a package URL. One with a digest ("pkg:oci/api@sha256%3A…")
// is that digest, wherever it is stored; any other is its own name and version. One
// without a version names every version, and so no artifact.
//
// An incident opens when it is detected. One that was only reported opens when it
// was reported; that yields to a detection, whichever comes first. The artifact of
// a resolution is the one that runs by then, and no cause.
package cdevents
