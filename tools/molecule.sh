#!/bin/bash
# Runs the molecule scenarios on a lab of the tests' own, then people's ways in with a real browser. The lab is
# removed afterwards, come what may. Usage: molecule.sh [SCENARIO...]; KEEP=1 leaves the lab for looking at it.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PWD/.venv/bin:$PATH
export HEYKEN_LAB=test HEYKEN_SYSTEM_SUBNET=10.78.0.0/24 HEYKEN_SANDBOX_SUBNET=10.78.1.0/24 CONFIRM=test
export TESTS_INVENTORY=$PWD/inventory/test ANSIBLE_CONFIG=$PWD/ansible.cfg
mitogen=$(python -c 'import ansible_mitogen, pathlib; print(pathlib.Path(ansible_mitogen.__file__).parent)')
export ANSIBLE_STRATEGY_PLUGINS=$mitogen/plugins/strategy ANSIBLE_STRATEGY=mitogen_linear
scenarios=("${@:-default}")
[[ $# -gt 0 ]] || scenarios=(default ha_failover)

remove() {
  [[ ${KEEP:-0} == 1 ]] || python -m tools destroy
}
trap remove EXIT
[[ ${KEEP:-0} == 1 ]] || python -m tools destroy
mkdir -p inventory/test # it is written by the first step, and must be there before
for scenario in "${scenarios[@]}"; do
  molecule reset --scenario-name "$scenario" # what it remembers of a lab that is gone
  molecule test --scenario-name "$scenario" --destroy never
done
if [[ $# -eq 0 ]]; then
  python -m tools equip
  pytest tests/e2e -m lab
fi
