"""How often a token may call."""

from __future__ import annotations

import pytest

from heyken_glue.gateway.limits import Rate, RateLimiter, retry_after
from tests.support.doors import TOKENS, Plan, ScriptedModel
from tests.unit.gateway.conftest import OpenHouse


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    clock = Clock()
    limiter = RateLimiter(Rate(per_second=2, burst=3), clock=clock)
    assert [limiter.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    clock.now += 0.5
    assert [limiter.take("a") for _ in range(2)] == [0.0, 0.5]
    assert limiter.take("b") == 0.0, "others have buckets of their own"
    clock.now += 1000
    assert [limiter.take("a") for _ in range(4)].count(0.0) == 3, "a pause saves no more than that"


def test_a_caller_may_have_a_rate_of_its_own() -> None:
    limiter = RateLimiter(Rate(per_second=1, burst=2), clock=Clock())
    assert [limiter.take("a", per_second=10) for _ in range(21)].count(0.0) == 20


@pytest.mark.parametrize(
    ("seconds", "header"), [(0.0, "1"), (0.001, "1"), (1.2, "2"), (59.5, "60"), (1e9, "60")]
)
def test_retry_after_is_whole_seconds_and_never_none(seconds: float, header: str) -> None:
    assert retry_after(seconds) == header


async def test_a_token_that_calls_too_often_gets_429_and_others_do_not(
    open_with: OpenHouse,
) -> None:
    clock = Clock()
    house = await open_with(ScriptedModel(), Plan(rate=Rate(per_second=1, burst=2), clock=clock))
    client, other = await house.client(), await house.client(TOKENS["other"][0])
    statuses = []
    for _ in range(3):
        async with client.get("/api/v1/chat/none/events") as response:
            statuses.append(response.status)
            last = response.headers.get("Retry-After"), (await response.json())["code"]
    assert statuses == [404, 404, 429]
    assert last == ("1", "too_many_requests")
    async with other.get("/api/v1/chat/none/events") as response:
        assert response.status == 404
    async with client.get("/healthz") as response:
        assert response.status == 200, "watching costs nothing"
    clock.now += 1
    async with client.get("/api/v1/chat/none/events") as response:
        assert response.status == 404
