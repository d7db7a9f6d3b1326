"""Every template renders on the hosts it is for, and says who manages the file."""

from __future__ import annotations

import pytest

from tests.templates.conftest import Render, all_templates, banner_expected

# JSON has no comments, and a key file holds a key.
BARE = ("api_tokens.j2", "redis_password.j2", "rocketchat_token.j2", "mongodb/key.j2")
MODEL = {"name": "m", "sha256": "0" * 64, "template": "{{ .Prompt }}", "system": "Be brief."}


def test_there_are_templates() -> None:
    assert len(all_templates()) >= 18, "a glob that finds nothing proves nothing"


@pytest.mark.parametrize(("role", "template"), all_templates())
def test_renders_with_a_banner_and_nothing_left_open(
    render: Render, role: str, template: str
) -> None:
    text = render(role, template, item=MODEL)
    assert "{%" not in text, text
    assert "AnsibleUndefined" not in text, text
    if not template.endswith(BARE):
        assert banner_expected(role) in text, text[:300]
    assert text.endswith("\n"), text[-50:]
