// The modules that hold definitions of the custom resources which the platform's manifests use.
module github.com/fawkes-idp/fawkes/tests/e2e/crds

go 1.26.0

require (
	github.com/cert-manager/cert-manager v1.21.1
	github.com/external-secrets/external-secrets v1.3.2
)
