#!/usr/bin/env bash
# Every check that reads the code without running it. All of them run; the script fails if one did.
#
#   scripts/lint.sh
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# Nothing here needs a C compiler, and without cgo the results are shared with `make build`.
export CGO_ENABLED=0
tool=(go tool -modfile=tools/go.mod)
failed=()

listed() { git ls-files --cached --others --exclude-standard -- "$@" | while IFS= read -r f; do [ -f "$f" ] && echo "$f"; done; }

# step NAME COMMAND... runs a check and says how long it took.
step() {
  local name=$1 started=$SECONDS
  shift
  if "$@"; then
    printf 'lint: %-16s ok    %3d s\n' "$name" "$((SECONDS - started))"
  else
    printf 'lint: %-16s FAILED %2d s\n' "$name" "$((SECONDS - started))"
    failed+=("$name")
  fi
}

formatted() {
  local files unformatted
  mapfile -t files < <(listed '*.go')
  unformatted=$(gofmt -l "${files[@]}") || return 1
  if [ -n "$unformatted" ]; then
    printf 'not formatted (run make fmt):\n%s\n' "$unformatted"
    return 1
  fi
}

shell_scripts() {
  local files
  mapfile -t files < <(listed '*.sh' '.ci/run')
  shellcheck -x "${files[@]}"
}

# Known vulnerabilities are looked up in a public database. A machine that cannot reach it says so and
# goes on; any other failure, and any vulnerability found, fails the check.
vulnerabilities() {
  local out status=0
  out=$("${tool[@]}" govulncheck ./... 2>&1) || status=$?
  if [ "$status" -ne 0 ] && grep -q '^govulncheck: fetching vulnerabilities:' <<<"$out"; then
    echo "lint: govulncheck: its database is not reachable from here; this check, govulncheck, is skipped"
    return 0
  fi
  [ "$status" -eq 0 ] || printf '%s\n' "$out"
  return "$status"
}

step gofmt formatted
# The scenarios of `make e2e` have a tag of their own, and are read here like all else.
step vet go vet -tags e2e ./...
step golangci-lint "${tool[@]}" golangci-lint run ./...
step shellcheck shell_scripts
step drift scripts/drift.sh
step govulncheck vulnerabilities

if [ "${#failed[@]}" -gt 0 ]; then
  echo "lint: failed: ${failed[*]}"
  exit 1
fi
echo "lint: clean"
