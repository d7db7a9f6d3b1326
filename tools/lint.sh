#!/bin/bash
# Every linter over every file; all are run, and one finding fails the whole.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
export PATH=$PWD/.venv/bin:$PATH
failed=0
step() { # name, command
  local name=$1 out
  shift
  if out=$("$@" 2>&1); then echo "✓ $name"; else
    printf '✗ %s\n%s\n' "$name" "$out"
    failed=1
  fi
}
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard '*.sh' .ci/run ansible/vault-key)
step "ruff format" ruff format --check --quiet .
step "ruff" ruff check --quiet .
step "mypy" mypy
step "shellcheck" shellcheck "${scripts[@]}"
step "yamllint" yamllint --config-file .config/yamllint.yml --strict .
step "ansible-lint" ansible-lint --config-file .config/ansible-lint.yml --offline -q
step "terraform fmt" python -m tools.terraform_fmt -check -recursive terraform
step "sizes" python -m tools.check_sizes
step "words" python -m tools.check_words
step "inventory" python -m tools.check_inventory
step "role tables" python -m tools.role_docs --check
exit "$failed"
