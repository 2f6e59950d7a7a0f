// Package alertmanager reads the webhooks of Prometheus's Alertmanager
// (version 4) and of Grafana's alerting, which sends the same message with
// fields of its own, as incidents. It is pure.
//
// # Incidents
//
// An alert is an incident from its startsAt until it is resolved. Its id is the
// fingerprint and startsAt, so an alert that fires again later is another
// incident, and a message that is repeated tells nothing new. While an alert
// fires its endsAt is not believed: it is Go's zero time, or a guess. (It is a
// time all the same, and not before startsAt.) A resolved
// alert tells its beginning, too, so it is enough when the firing was missed; one
// without an endsAt ended when the message came.
//
// Grafana's versions that send no fingerprint are given one of the labels, as
// Alertmanager's is.
//
// # What an alert says
//
// Each is looked for in the labels and then in the annotations:
//
//	service      service, service_name, app, app_kubernetes_io_name, application
//	environment  environment, env, deployment_environment
//	severity     severity, priority
//	title        annotation summary or title, else alertname
//	sha          sha, git_sha, commit, commit_sha
//	digest       digest, image_digest
//	deployment   deployment_id, deployment (the id of the deployment that caused it)
//
// The label job is nobody's service: it names what was scraped. The label
// deployment beside a label namespace is Kubernetes's and names no deployment of
// ours. The URL may say more: ?service=, ?environment= for all alerts of a
// receiver, ?service_label=job for another label.
//
// # What is no incident
//
// An alert with the label or annotation fawkes_incident="false"; one of severity
// info or none; Watchdog, InfoInhibitor and DeadMansSwitch, which fire so that
// their silence is noticed; DatasourceNoData and DatasourceError, by which
// Grafana says that it does not know; and Grafana's TestAlert. With
// ?severities=critical,page only those severities are. fawkes_incident="true"
// makes an incident of any alert.
package alertmanager
