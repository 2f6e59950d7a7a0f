#!/usr/bin/env bash
# Builds the scanners of the golden path (gitleaks, gosec, staticcheck) into a folder, from the versions that
# tools/scanners/go.mod pins. What is there already and still fits is left alone: a stamp holds the hash of
# go.mod, go.sum, this script and the Go version.
#
#   scripts/scanners.sh [FOLDER]      the folder is bin/tools when none is named
#   scripts/scanners.sh --check [FOLDER]   builds nothing; fails when something is missing or stale
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
module=$root/tools/scanners

# program PACKAGE MODULE VARIABLE: what is built, the module that says its version, where the version goes.
scanners() {
  echo "gitleaks github.com/zricethezav/gitleaks/v8 github.com/zricethezav/gitleaks/v8 github.com/zricethezav/gitleaks/v8/version.Version"
  echo "gosec github.com/securego/gosec/v2/cmd/gosec github.com/securego/gosec/v2 main.Version"
  echo "staticcheck honnef.co/go/tools/cmd/staticcheck honnef.co/go/tools -"
}

# wanted is the stamp of what should be there.
wanted() {
  {
    cat "$module/go.mod" "$module/go.sum" "${BASH_SOURCE[0]}"
    go version
  } | git hash-object --stdin
}

fresh() {
  local into=$1 name rest
  [ "$(cat "$into/.stamp" 2>/dev/null)" = "$(wanted)" ] || return 1
  while read -r name rest; do
    [ -x "$into/$name" ] || return 1
  done < <(scanners)
}

version_of() { (cd "$module" && go list -m -f '{{.Version}}' "$1"); }

build() {
  local into=$1 name package from variable version flags started total=$SECONDS
  mkdir -p "$into"
  rm -f "$into/.stamp"
  echo "scanners: building gitleaks, gosec and staticcheck into $into; the first time takes some minutes" >&2
  while read -r name package from variable; do
    started=$SECONDS
    version=$(version_of "$from")
    flags="-s -w"
    if [ "$variable" != - ]; then flags="$flags -X $variable=${version#v}"; fi
    # Built aside and moved, so that a build that is cut off leaves no half program.
    (cd "$module" && CGO_ENABLED=0 go build -trimpath -ldflags "$flags" -o "$into/.$name.$$" "$package")
    mv -f "$into/.$name.$$" "$into/$name"
    printf 'scanners: %-12s %-10s %3d s\n' "$name" "$version" "$((SECONDS - started))" >&2
  done < <(scanners)
  warm "$into"
  wanted >"$into/.stamp"
  echo "scanners: ready in $((SECONDS - total)) s" >&2
}

# warm lets staticcheck look at the sample once. It keeps what it learns of the standard library beside Go's build
# cache, where the golden path looks, and a first push then does not wait for that.
warm() {
  local started=$SECONDS cache
  cache=$(go env GOCACHE)/staticcheck
  if (cd "$root" && CGO_ENABLED=0 STATICCHECK_CACHE="$cache" "$1/staticcheck" ./samples/hello >/dev/null 2>&1); then
    printf 'scanners: %-12s %-10s %3d s\n' "its cache" "warm" "$((SECONDS - started))" >&2
  else
    echo "scanners: staticcheck's cache was not warmed; the first push takes some seconds more" >&2
  fi
}

main() {
  local check=false into
  if [ "${1-}" = --check ]; then
    check=true
    shift
  fi
  if [ $# -gt 1 ] || [[ ${1-} == -* ]]; then
    echo "usage: scripts/scanners.sh [--check] [FOLDER]" >&2
    return 2
  fi
  into=${1-$root/bin/tools}
  case "$into" in /*) ;; *) into=$PWD/$into ;; esac
  if fresh "$into"; then return 0; fi
  if $check; then
    echo "scanners: missing or stale in $into; run scripts/scanners.sh" >&2
    return 1
  fi
  build "$into"
}

main "$@"
