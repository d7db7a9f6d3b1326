#!/bin/bash
# Makes .venv ready: uv, a Python that is new enough, the locked packages. Quick when nothing changed.
# Everything that is installed is said first. Exit codes: 0 ready, 1 something is in the way.
set -euo pipefail
cd "$(dirname "$0")/.."

python_min=3.12
export UV_SYSTEM_CERTS=1 # a company's proxy signs with an authority that only this machine trusts
cache=${HEYKEN_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/heyken}
# One stamp for everything that .venv is made from; a moved checkout counts as a change.
stamp=$(cat locks/control.txt locks/bootstrap.txt pyproject.toml "$0" <(pwd) | sha256sum | cut -c1-64)
[[ -x .venv/bin/heyken && $(cat .venv/.stamp 2>/dev/null) == "$stamp" ]] && exit 0

problem() { # what, why, what to do
  printf '✗ %s\n  why:  %s\n  do:   %s\n' "$1" "$2" "$3" >&2
  exit 1
}

interrupted() { # the trap runs before anything else hears that its program has failed
  printf '\n✗ interrupted\n  why:  .venv is not ready; what was fetched stays in %s\n  do:   %s\n' "$cache" "${TYPED:-tools/bootstrap.sh}" >&2
  exit 130
}
trap interrupted INT TERM HUP

# One at a time: two commands at once would clear each other's packages away. The lock ends with this script.
exec 9<"$0"
flock 9
[[ -x .venv/bin/heyken && $(cat .venv/.stamp 2>/dev/null) == "$stamp" ]] && exit 0

install_packages() {
  [[ $EUID == 0 ]] || problem "$* is missing" "installing it needs root" "sudo make, or apt-get install $*"
  echo "  installing Debian packages: $*"
  { apt-get install -y --no-install-recommends "$@" || { apt-get update && apt-get install -y --no-install-recommends "$@"; }; } \
    >/dev/null 2>"$cache/apt.log" || problem "$* cannot be installed" "$(tail -3 "$cache/apt.log")" "check the Debian mirror in /etc/apt"
}

find_python() { # prints the first Python that is new enough and really runs
  local candidate
  for candidate in python3.13 python3.12 python3.14 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3; do
    if "$candidate" -c "import sys, venv; sys.exit(sys.version_info[:2] < (${python_min/./, }))" 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
}

mkdir -p "$cache"
echo "· Python environment"
python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3 python3-venv
uv_home=$cache/uv/$(sha256sum locks/bootstrap.txt | cut -c1-12)
if ! "$uv_home/bin/uv" --version >/dev/null 2>&1; then
  echo "  fetching uv into $uv_home"
  rm -rf "$uv_home"
  python3 -m venv "$uv_home"
  "$uv_home/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r locks/bootstrap.txt ||
    problem "uv cannot be fetched" "pip did not reach its index" "check pip config list, and the proxy if there is one"
fi
python=$(find_python)
if [[ -z $python ]]; then
  echo "  no Python $python_min or newer here: uv fetches one"
  "$uv_home/bin/uv" python install --quiet 3.13 ||
    problem "Python $python_min or newer is missing" "none is installed, and none can be fetched" "install python3.13 (Debian 13 has it)"
  python=$("$uv_home/bin/uv" python find 3.13)
fi
"$uv_home/bin/uv" venv --quiet --clear --python "$python" .venv
# Compiled once here: a machine that writes no bytecode would compile all of it at each command.
"$uv_home/bin/uv" pip sync --quiet --compile-bytecode --require-hashes --python .venv/bin/python locks/control.txt ||
  problem "the Python packages cannot be installed" "see above" "check that the package index answers, then run make again"
"$uv_home/bin/uv" pip install --quiet --no-deps --no-build-isolation --python .venv/bin/python --editable .
.venv/bin/python -m compileall -q heyken_glue lab tools
echo "$stamp" >.venv/.stamp
