#!/usr/bin/env bash
# Runs every fuzz target of the module, one after another, each for FUZZTIME (60s).
#
#   scripts/fuzz.sh [PACKAGE...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

time=${FUZZTIME-60s}
if [ $# -gt 0 ]; then packages=("$@"); else packages=(./...); fi
count=0

while IFS= read -r package; do
  targets=$(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true)
  for target in $targets; do
    echo "fuzz: $package $target for $time"
    nice go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package"
    count=$((count + 1))
  done
done < <(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' "${packages[@]}" | sed '/^$/d')

if [ "$count" -eq 0 ]; then
  echo "fuzz: no fuzz target found in ${packages[*]}" >&2
  exit 1
fi
echo "fuzz: $count targets, no failure"
