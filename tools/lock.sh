#!/bin/bash
# Solves the dependencies of pyproject.toml into locks/: exact versions and hashes, no addresses.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/.venv/bin:$PATH
options=(--universal --generate-hashes --quiet --no-header --upgrade)
uv pip compile pyproject.toml --python-version 3.11 "${options[@]}" --output-file locks/hosts.txt
uv pip compile pyproject.toml --extra control --extra dev --python-version 3.12 "${options[@]}" \
  --constraint locks/hosts.txt --output-file locks/control.txt
grep -A 99 '^uv==' locks/control.txt | sed '/^    # via/,$d' >locks/bootstrap.txt
