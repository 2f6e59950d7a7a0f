#!/usr/bin/env bash
# Generates everything again in a copy of the tree and compares: a generated file that is not what its
# source gives is named, and the check fails. The tree itself is not touched.
#
#   scripts/drift.sh [FOLDER]
set -euo pipefail

tree=$(cd "${1-$(dirname "${BASH_SOURCE[0]}")/..}" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

# files lists what is committed or would be, or everything where there is no git.
files() {
  if [ -e "$tree/.git" ]; then
    git -C "$tree" ls-files -z --cached --others --exclude-standard
  else
    (cd "$tree" && find . -type f -print0)
  fi
}

# A file deleted but not yet committed is still listed; the copy goes without it.
present() {
  local name
  while IFS= read -r -d '' name; do
    if [ -f "$tree/$name" ]; then printf '%s\0' "$name"; fi
  done
}

mkdir "$copy/before" "$copy/after"
files | present | tar -C "$tree" --null -T - -cf "$copy/tree.tar"
tar -C "$copy/before" -xf "$copy/tree.tar"
tar -C "$copy/after" -xf "$copy/tree.tar"

# -trimpath lets the copy use what was already built elsewhere.
if ! (cd "$copy/after" && GOFLAGS="${GOFLAGS-} -trimpath" CGO_ENABLED=0 go generate ./... >"$copy/log" 2>&1); then
  cat "$copy/log" >&2
  echo "drift: go generate failed" >&2
  exit 1
fi

if ! difference=$(cd "$copy" && diff -rq before after); then
  echo "drift: these generated files are not what their source gives; run \`make generate\`:" >&2
  sed -E \
    -e 's#^Files before/(.*) and after/.* differ$#  \1 is stale#' \
    -e 's#^Only in after/?(.*): (.*)$#  \1/\2 is missing#' \
    -e 's#^Only in before/?(.*): (.*)$#  \1/\2 is no longer generated#' <<<"$difference" >&2
  (cd "$copy" && diff -ru before after | head -n 40) >&2 || true
  exit 1
fi
