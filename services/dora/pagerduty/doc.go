// Package pagerduty reads PagerDuty's V3 webhooks as incidents. It is pure.
//
// # Incidents
//
// The entity is the incident's id; it is open from data.created_at.
// incident.resolved ends it when that event occurred, incident.reopened opens it
// again. Every other event whose data is an incident (acknowledged, escalated,
// priority_updated, title_updated …) tells its title, service and severity as
// they are then. An incident that was resolved by merging it into another is
// taken back: it lives on as the other.
//
// The severity is the priority's name (P1), else the urgency. The service is the
// name of PagerDuty's service unless the webhook's URL says ?service= (and the
// project may say whose name it is, by an alias); PagerDuty
// knows no environments, so without ?environment= an incident is one of
// production.
//
// incident.custom_field_values.updated links an incident: custom fields named
// service, environment, deployment (or deployment_id), sha (commit, git_sha) and
// digest (image_digest) say the same as those of the bulk format.
//
// pagey.ping tests the webhook. All other events are kept as they came.
//
// # Delivery
//
// PagerDuty numbers its events (event.id), and repeats a delivery with the same
// number. A delivery is signed, in X-PagerDuty-Signature, with the secret that
// PagerDuty shows when the webhook is made; while that is being changed the
// header holds several signatures, of which one must match.
package pagerduty
