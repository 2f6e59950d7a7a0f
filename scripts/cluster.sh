#!/usr/bin/env bash
# Builds the programs of the test cluster (Kubernetes with etcd, CoreDNS) from the versions that
# tests/e2e/cluster/*/go.mod pin, into the user's cache folder, and prints the folder. Each is built once: its folder is
# named by the hash of go.mod, go.sum, the source, this script and the Go version.
#
#   scripts/cluster.sh             prints the folder that holds them, when it is complete
#   scripts/cluster.sh --check     builds nothing; fails when a program is missing
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fawkes/e2e

# programs lists what is built: its name, which is that of its folder too, and the module that says its version.
programs() {
  echo "kube k8s.io/kubernetes"
  echo "coredns github.com/coredns/coredns"
}

# stamp is the name of the folder that should be there.
stamp() {
  local name rest
  {
    while read -r name rest; do
      cat "$root/tests/e2e/cluster/$name/"{go.mod,go.sum,main.go}
    done < <(programs)
    cat "${BASH_SOURCE[0]}"
    go version
    go env GOARCH
  } | git hash-object --stdin | cut -c1-16
}

version_of() { go list -m -f '{{.Version}}' "$1"; }

# flags are the linker's: Kubernetes takes the version that it reports from there.
flags() {
  local name=$1 version=$2 minor package
  printf '%s' '-s -w'
  [ "$name" = kube ] || return 0
  minor=${version#v1.}
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf ' -X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s' \
      "$package" "$version" "$package" "$package" "${minor%%.*}"
  done
}

build() {
  local into=$1 name from version started total=$SECONDS
  echo "cluster: building Kubernetes and CoreDNS into $into; the first time takes about ten minutes on two cores" >&2
  while read -r name from; do
    started=$SECONDS
    version=$(cd "$root/tests/e2e/cluster/$name" && version_of "$from")
    printf 'cluster: %-10s %-10s ...\n' "$name" "$version" >&2
    (cd "$root/tests/e2e/cluster/$name" &&
      CGO_ENABLED=0 go build -trimpath -ldflags "$(flags "$name" "$version")" -o "$into/$name" .) >&2
    printf 'cluster: %-10s %-10s %4d s\n' "$name" "$version" "$((SECONDS - started))" >&2
  done < <(programs)
  echo "cluster: built in $((SECONDS - total)) s" >&2
}

main() {
  local into partial
  into=$cache/$(stamp)
  if [ -d "$into" ]; then
    echo "$into"
    return 0
  fi
  if [ "${1-}" = --check ]; then
    echo "cluster: not built; run scripts/cluster.sh" >&2
    return 1
  fi
  mkdir -p "$cache"
  # One build at a time. Who waited finds what the other has built.
  exec 9>"$cache/.lock"
  if ! flock -n 9; then
    echo "cluster: waiting for another build" >&2
    flock 9
  fi
  # Under the lock nobody else builds, so what is partial here was cut off by a kill.
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
  *) echo "usage: scripts/cluster.sh [--check]" >&2; exit 2 ;;
esac
