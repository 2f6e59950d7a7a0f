#!/usr/bin/env bash
# Brings in what a target needs beside Go and git, from the system's packages.
#
#   scripts/prereqs.sh test|lint|bench|e2e
#
# Installs by apt when it may (root, or sudo without a password) and says so first;
# otherwise it stops and names the packages to install.
set -euo pipefail

has_postgres() {
  command -v initdb >/dev/null 2>&1 && return 0
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

has_chromium() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
    command -v "$name" >/dev/null 2>&1 && return 0
  done
  return 1
}

has_compiler() { command -v gcc >/dev/null 2>&1 || command -v cc >/dev/null 2>&1; }
has_shellcheck() { command -v shellcheck >/dev/null 2>&1; }
has_skopeo() { command -v skopeo >/dev/null 2>&1; }

# has_bridge_plugin says whether the network plugins of containers are where Debian, or where others, keep them.
has_bridge_plugin() { [ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ]; }

# node_programs names, of what a node of the test cluster runs, each program that is absent, by its package.
node_programs() {
  local program package
  while read -r program package; do
    # Programs of the system's administrator are not always on the PATH of others.
    PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null 2>&1 || echo "$package"
  done <<'PROGRAMS'
containerd containerd
runc runc
iptables iptables
nft nftables
conntrack conntrack
ip iproute2
nsenter util-linux
redis-check-rdb redis-tools
PROGRAMS
  has_bridge_plugin || echo containernetworking-plugins
}

# missing NEED... prints the Debian packages that provide what is absent.
missing() {
  local need
  for need in "$@"; do
    case "$need" in
      compiler) has_compiler || echo gcc libc6-dev ;;
      postgres) has_postgres || echo postgresql ;;
      chromium) has_chromium || echo chromium ;;
      shellcheck) has_shellcheck || echo shellcheck ;;
      skopeo) has_skopeo || echo skopeo ;;
      node) node_programs ;;
      *) echo "prereqs: no such need: $need" >&2; return 2 ;;
    esac
  done
}

needs_of() {
  case "${1-}" in
    test) echo compiler postgres chromium shellcheck skopeo ;;
    lint) echo shellcheck ;;
    bench) echo postgres ;;
    e2e) echo node postgres ;;
    *) echo "usage: scripts/prereqs.sh test|lint|bench|e2e" >&2; return 2 ;;
  esac
}

# toolchains names those of the templates' languages that are absent. They are heavy and are not installed here:
# a test that lacks one says so in its log, and fails when FAWKES_EVERY_TOOLCHAIN=1.
toolchains() {
  local program absent=()
  for program in node python3 javac kubectl; do
    command -v "$program" >/dev/null 2>&1 || absent+=("$program")
  done
  if [ "${#absent[@]}" -gt 0 ]; then
    echo "prereqs: NOT TESTED: ${absent[*]} not installed, so what the templates need of it is not run" >&2
  fi
}

# as_root prints the words to put before a command that needs root; it fails when there are none.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    echo env
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    echo sudo -n
  else
    return 1
  fi
}

install_packages() {
  local target=$1 root
  shift
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "prereqs: \`make $target\` needs these packages (Debian's names): $*" >&2
    echo "prereqs: there is no apt-get here; install them with your system's package manager and run it again." >&2
    return 1
  fi
  if ! root=$(as_root); then
    echo "prereqs: \`make $target\` needs packages that are not installed: $*" >&2
    echo "prereqs: not root, and sudo asks for a password. Run: sudo apt-get install $*" >&2
    return 1
  fi
  echo "prereqs: installing by apt for \`make $target\`: $*"
  # shellcheck disable=SC2086 # $root is one or two words
  $root apt-get update -q >/dev/null
  # shellcheck disable=SC2086
  $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null
}

main() {
  local target=${1-} needs packages
  needs=$(needs_of "$target")
  if [ "$target" = test ]; then toolchains; fi
  # shellcheck disable=SC2086 # words on purpose
  packages=$(missing $needs)
  if [ -z "$packages" ]; then
    return 0
  fi
  # shellcheck disable=SC2086
  install_packages "$target" $packages

  # shellcheck disable=SC2086
  packages=$(missing $needs)
  if [ -n "$packages" ]; then
    echo "prereqs: apt reported success, but these are still absent: $packages" >&2
    return 1
  fi
}

main "$@"
