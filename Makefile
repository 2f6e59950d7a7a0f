# Everything is done by two commands: `make up` and `make test`. The rest is listed by `make help`.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# The program needs no C compiler; only the race detector of `make test` does.
BUILD := CGO_ENABLED=0 go build -trimpath

# `make up ARGS="--ephemeral -o json"` passes flags on; `make test PKG=./services/dora/...` narrows the run.
ARGS ?=
PKG ?= ./...

.PHONY: help up build image test e2e infra lint fmt generate bench soak fuzz mutate clean

help: ## show this list
	@awk -F':.*## ' '/^[a-z0-9]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: ## build and start the whole platform in one process (needs Go and git)
	@$(BUILD) -o bin/fawkes ./cmd/fawkes
	@scripts/scanners.sh bin/tools || echo "make: the scanners could not be built; each push says which scan was not done" >&2
	@exec bin/fawkes up $(ARGS)

build: ## build bin/fawkes, bin/fawkes-service and the scanners of the golden path in bin/tools
	$(BUILD) -o bin/fawkes ./cmd/fawkes
	$(BUILD) -o bin/fawkes-service ./cmd/fawkes-service
	@scripts/scanners.sh bin/tools

image: ## make the cluster's image in bin/image, an OCI layout (ARGS="--push --repository HOST/NAME"; FAWKES_SIGNING_KEY signs)
	go run ./internal/release $(ARGS)

# The race detector makes each process wait a second at its exit; nothing here needs that. Nor the debugger's tables,
# which take half of the time of linking. `make lint` vets.
test: export GORACE := atexit_sleep_ms=0
test: ## install and build what the tests need, then run all of them with the race detector
	@scripts/prereqs.sh test
	@scripts/scanners.sh bin/tools
	go test -race -vet=off -ldflags=-w -timeout 20m $(PKG)

e2e: ## a two-node Kubernetes from its Go modules, and the scenarios on it (needs root; the first build takes long)
	@scripts/prereqs.sh e2e
	@scripts/cluster.sh >/dev/null
	go test -tags e2e -timeout 45m -count=1 -v $(ARGS) ./tests/e2e

infra: ## Terraform from its module, and the stacks of infra/ against the schemas of their providers
	@scripts/infra.sh >/dev/null
	CGO_ENABLED=0 go -C tests/terratest test -count=1 -v $(ARGS) ./...

lint: ## formatting, vet, linters, layer rules, shell scripts, generated files, known vulnerabilities
	@scripts/prereqs.sh lint
	@scripts/lint.sh

fmt: ## format every Go file
	gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

generate: ## write the generated files again (templates, specifications, clients, API surface)
	go generate ./...

bench: ## measure, each row beside a baseline of the same run
	@scripts/prereqs.sh bench
	go test ./tests/bench -run '^$$' -bench . -benchtime 1x -count=1 -timeout 60m $(ARGS)

soak: ## the property and crash tests, ten times as long
	@scripts/prereqs.sh test
	FAWKES_SOAK=1 go test -timeout 60m -count=1 ./services/... ./internal/local/... ./tests/...

fuzz: ## fuzz every fuzz target for FUZZTIME (60s each)
	@scripts/fuzz.sh

mutate: ## change one formula at a time; each change must make a test fail
	go run ./tests/mutation $(ARGS)

clean: ## remove what was built (state under ~/.fawkes is kept)
	rm -rf bin .cache
