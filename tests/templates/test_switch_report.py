"""What the playbook that moves the address says when it was refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

REPORT = Path(__file__).resolve().parents[2] / "ansible" / "playbooks" / "tasks"
WHY = "core2 cannot answer: model heyken-general is missing"


def said(code: str) -> str:
    task = yaml.safe_load((REPORT / "report_switch.yml").read_text())[0]
    answer = {"status": 409, "msg": "409", "json": {"success": False, "error": WHY, "code": code}}
    templar = Templar(loader=DataLoader(), variables={"switch_answer": answer})
    return str(templar.template(trust_as_template(task["ansible.builtin.fail"]["msg"])))


@pytest.mark.parametrize(
    ("code", "advice"), [("cooldown", "-e force=true"), ("not_capable", "heyken status")]
)
def test_a_refusal_is_told_with_its_reason_and_what_to_do(code: str, advice: str) -> None:
    told = said(code)
    assert WHY in told
    assert advice in told


def test_only_the_cool_down_can_be_forced() -> None:
    assert "force" not in said("not_capable")
