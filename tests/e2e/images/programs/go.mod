// Programs of the platform that the test cluster runs, which are built from their Go modules.
module github.com/fawkes-idp/fawkes/tests/e2e/images/programs

go 1.26.0

tool (
	github.com/prometheus/prometheus/cmd/prometheus
	k8s.io/kube-state-metrics/v2
)

require github.com/prometheus/prometheus v0.316.0
