"""Any body at all: it is answered, and never with a 5xx."""

from __future__ import annotations

import asyncio
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heyken_glue.gateway.bodies import message_of, parse_object
from heyken_glue.gateway.problems import Problem
from tests.support.authority import Authority
from tests.support.doors import PATIENCE_SECONDS, ScriptedModel, open_house

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
BODIES = (
    st.binary()
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries({"message": JSON_VALUES}, optional={"stream": JSON_VALUES}).map(
        lambda value: json.dumps(value).encode()
    )
)


@given(body=BODIES)
def test_no_body_raises_anything_but_a_problem(body: bytes) -> None:
    assert _status_of(body) in {200, 400, 413}


def _status_of(body: bytes) -> int:
    try:
        message = message_of(parse_object(body), limit_bytes=100)
    except Problem as problem:
        return problem.failure.status
    return 200 if 0 < len(message.encode()) <= 100 else 0


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    bodies=st.lists(BODIES, min_size=1, max_size=5),
    path=st.sampled_from(["/api/v1/chat", "/switch_core", "/send"]),
)
def test_no_body_makes_a_5xx_over_the_wire(
    authority: Authority, bodies: list[bytes], path: str
) -> None:
    asyncio.run(_knock_with(authority, bodies, path))


async def _knock_with(authority: Authority, bodies: list[bytes], path: str) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), open_house(authority, ScriptedModel()) as house:
        client = await house.client()
        for body in bodies:
            headers = {"Content-Type": "application/json"}
            async with client.post(path, data=body, headers=headers) as response:
                text = await response.text()
            assert response.status < 500, f"{body!r} gave {response.status} {text}"
            assert "Traceback" not in text
