#!/usr/bin/env bash
# Builds Terraform and, for the providers of infra/, the stand-ins that serve their schemas, into the user's cache
# folder, and prints the folder: bin/terraform, and mirror/ as a filesystem mirror has it. Each is built once: the folder
# is named by the hash of the modules' files, the schemas, this script and the Go version.
#
#   scripts/infra.sh             prints the folder that holds them, when it is complete
#   scripts/infra.sh --check     builds nothing; fails when they are missing
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
module=$root/tests/terratest
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fawkes/infra

# stamp is the name of the folder that should be there.
stamp() {
  {
    cat "$module"/{go.mod,go.sum} "$module"/terraform/{go.mod,go.sum} "$module"/terraform/absent/*/*
    cat "$module"/{provider,schema}/*.go "$module"/schemas/provider-*.json "${BASH_SOURCE[0]}"
    go version
    go env GOARCH
  } | git hash-object --stdin | cut -c1-16
}

# field FILE NAME prints a text field of a schema's head.
field() { sed -n "s/^ \"$2\": \"\(.*\)\",\$/\1/p" "$1"; }

build() {
  local into=$1 schema at source name version started=$SECONDS
  echo "infra: building Terraform into $into; the first time takes some minutes" >&2
  mkdir -p "$into/bin"
  # The module holds replacements and no package of its own, so a change of go.mod is an error here too.
  (cd "$module/terraform" &&
    CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags '-s -w' -o "$into/bin/terraform" github.com/hashicorp/terraform) >&2
  (cd "$module" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags '-s -w' -o "$into/bin/provider" ./provider) >&2
  for schema in "$module"/schemas/provider-*.json; do
    source=$(field "$schema" source)
    version=$(field "$schema" version)
    name=${source##*/}
    at=$into/mirror/registry.terraform.io/$source/$version/$(go env GOOS)_$(go env GOARCH)
    mkdir -p "$at"
    cp "$into/bin/provider" "$at/terraform-provider-${name}_v$version"
    cp "$schema" "$at/schema.json"
    echo "infra: $source $version, its schema only" >&2
  done
  echo "infra: built in $((SECONDS - started)) s" >&2
}

main() {
  local into partial
  into=$cache/$(stamp)
  if [ -d "$into" ]; then
    echo "$into"
    return 0
  fi
  if [ "${1-}" = --check ]; then
    echo "infra: not built; run scripts/infra.sh" >&2
    return 1
  fi
  mkdir -p "$cache"
  # One build at a time. Who waited finds what the other has built.
  exec 9>"$cache/.lock"
  if ! flock -n 9; then
    echo "infra: waiting for another build" >&2
    flock 9
  fi
  rm -rf "$cache"/.partial.*
  if [ ! -d "$into" ]; then
    partial=$(mktemp -d "$cache/.partial.XXXXXX")
    # shellcheck disable=SC2064 # the name as it is now
    trap "rm -rf '$partial'" EXIT
    build "$partial"
    chmod 755 "$partial"
    mv "$partial" "$into"
  fi
  echo "$into"
}

case "${1-}" in
  '' | --check) main "$@" ;;
  *) echo "usage: scripts/infra.sh [--check]" >&2; exit 2 ;;
esac
