#!/usr/bin/env bash
# Builds the programs of the test cluster (Kubernetes with etcd, CoreDNS, Argo CD) from the versions that the go.mod files
# below tests/e2e pin, into the user's cache folder, and prints the folder. Each program is built once for its go.mod, go.sum,
# source, flags and the Go version; the folder is named by the hash of all of these.
#
#   scripts/cluster.sh             prints the folder that holds them, when it is complete
#   scripts/cluster.sh --check     builds nothing; fails when a program is missing
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/fawkes/e2e

# programs lists what is built: its name; the folder of its module in tests/e2e, whose go.mod says every version; the package, as
# that module knows it; and the module whose version is told.
programs() {
  echo "kube      cluster/kube    .                                      k8s.io/kubernetes"
  echo "coredns   cluster/coredns .                                      github.com/coredns/coredns"
  echo "argocd    argocd/program  github.com/argoproj/argo-cd/v3/cmd     github.com/argoproj/argo-cd/v3"
  echo "helm      argocd/tools    helm.sh/helm/v4/cmd/helm               helm.sh/helm/v4"
  echo "kustomize argocd/tools    sigs.k8s.io/kustomize/kustomize/v5     sigs.k8s.io/kustomize/kustomize/v5"
  echo "prometheus images/programs github.com/prometheus/prometheus/cmd/prometheus github.com/prometheus/prometheus"
}

# stamp is what a program was built from, as a hash.
stamp() {
  local name=$1 module=$2 package=$3 from=$4
  {
    cat "$root/tests/e2e/$module/"{go.mod,go.sum}
    find "$root/tests/e2e/$module" -name '*.go' -print0 | LC_ALL=C sort -z | xargs -0r cat
    echo "$name $package $(flags "$name" "$from" VERSION)"
    go version
    go env GOARCH
  } | git hash-object --stdin | cut -c1-16
}

# stamps is the name of the folder that should be there.
stamps() {
  local name module package from
  while read -r name module package from; do
    echo "$name $(stamp "$name" "$module" "$package" "$from")"
  done < <(programs) | git hash-object --stdin | cut -c1-16
}

version_of() { go list -m -f '{{.Version}}' "$1"; }

# flags are the linker's: Kubernetes and Argo CD take the version that they report from there.
flags() {
  local name=$1 from=$2 version=$3 minor package
  printf '%s' '-s -w'
  case "$name" in
    kube)
      minor=${version#v1.}
      for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        printf ' -X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s' \
          "$package" "$version" "$package" "$package" "${minor%%.*}"
      done
      ;;
    argocd) printf ' -X %s/common.version=%s' "$from" "${version#v}" ;;
    helm) printf ' -X %s/internal/version.version=%s' "$from" "$version" ;;
    prometheus) printf ' -X github.com/prometheus/common/version.Version=%s' "${version#v}" ;;
    kustomize) printf ' -X sigs.k8s.io/kustomize/api/provenance.version=%s' "$version" ;;
  esac
}

# build fills a folder. What was built before of a program that has not changed since is taken as it is.
build() {
  local into=$1 name module package from version started kept total=$SECONDS
  while read -r name module package from; do
    kept=$cache/built/$name-$(stamp "$name" "$module" "$package" "$from")
    if [ ! -e "$kept" ]; then
      started=$SECONDS
      version=$(cd "$root/tests/e2e/$module" && version_of "$from")
      printf 'cluster: %-10s %-10s ...\n' "$name" "$version" >&2
      (cd "$root/tests/e2e/$module" &&
        CGO_ENABLED=0 GOWORK=off go build -trimpath -ldflags "$(flags "$name" "$from" "$version")" -o "$into/$name" "$package") >&2
      printf 'cluster: %-10s %-10s %4d s\n' "$name" "$version" "$((SECONDS - started))" >&2
      mkdir -p "$cache/built"
      ln "$into/$name" "$kept"
    else
      ln "$kept" "$into/$name"
    fi
  done < <(programs)
  echo "cluster: built in $((SECONDS - total)) s" >&2
}

main() {
  local into partial
  into=$cache/$(stamps)
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
    echo "cluster: building the programs of the test cluster; the first time takes about fifteen minutes on two cores" >&2
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
