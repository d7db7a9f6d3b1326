"""Back ends: who is asked, when another one is, and what the circuits learn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest

from heyken_glue import errors
from heyken_glue.domain.turns import Role, Turn
from heyken_glue.gateway.backends import BackEnd, BackEnds, Circuit, CircuitLimits
from heyken_glue.gateway.metrics import CircuitState, Metrics
from tests.support.doors import PATIENCE_SECONDS, ScriptedModel, Step, eventually

TURNS = (Turn(Role.USER, "the capital?"),)
AWAY = errors.TransientError("nobody there")
REFUSED = errors.PermanentError("nonsense", status=400)
MISSING = errors.PermanentError("no such model", status=404)


class Stand:
    """Two back ends with scripts, a clock that is moved by hand, and reasons not to ask."""

    def __init__(self, local: tuple[Step, ...], peer: tuple[Step, ...] = ("peer",)) -> None:
        self.now = 1000.0
        self.metrics = Metrics()
        self.models = {"local": ScriptedModel(*local), "core2": ScriptedModel(*peer)}
        self.objections: dict[str, str] = {}
        self.circuits: dict[str, Circuit] = {}
        self.back_ends = BackEnds(
            [self._back_end(name) for name in self.models],
            metrics=self.metrics,
            clock=lambda: self.now,
            watch_seconds=0.005,
        )

    def _back_end(self, name: str) -> BackEnd:
        async def why_not() -> str | None:
            return self.objections.get(name)

        def changed(state: CircuitState) -> None:
            self.metrics.state(name, state)

        limits = CircuitLimits(failures_max=2, cooldown_seconds=10)
        self.circuits[name] = Circuit(limits, clock=lambda: self.now, changed=changed)
        return BackEnd(name, self.models[name], self.circuits[name], why_not)

    async def ask(self) -> str:
        """Return the whole answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return "".join([piece async for piece in self.back_ends.stream(TURNS)])

    @property
    def asked(self) -> tuple[int, int]:
        """How often each was asked."""
        local, peer = self.models.values()
        return len(local.conversations), len(peer.conversations)

    def sample(self, name: str, **labels: str) -> float | None:
        """Return a figure."""
        return self.metrics.registry.get_sample_value(f"heyken_gateway_{name}", labels)


async def test_the_own_model_is_asked_first_and_alone() -> None:
    stand = Stand(("War", "", "saw"))
    assert await stand.ask() == "Warsaw"
    assert stand.asked == (1, 0)
    assert stand.sample("tokens_total") == 2
    assert stand.sample("time_to_first_token_seconds_count") == 1
    assert stand.sample("backend_requests_total", backend="local", outcome="ok") == 1
    assert stand.sample("retries_total", backend="core2") is None


@pytest.mark.parametrize("failure", [AWAY, MISSING])
async def test_before_the_first_piece_the_other_one_is_asked(failure: Exception) -> None:
    stand = Stand(("", failure))
    assert await stand.ask() == "peer"
    assert stand.sample("retries_total", backend="core2") == 1
    assert stand.sample("backend_requests_total", backend="local", outcome="failed") == 1


async def test_after_the_first_piece_nobody_else_is_asked() -> None:
    stand = Stand(("War", AWAY))
    with pytest.raises(errors.TransientError, match="nobody there"):
        await stand.ask()
    assert stand.asked == (1, 0)


@pytest.mark.parametrize("refusal", [REFUSED, errors.TooLongError("too long")])
async def test_what_no_back_end_would_take_is_given_to_none_and_held_against_none(
    refusal: errors.PermanentError,
) -> None:
    stand = Stand((refusal,))
    for _ in range(5):
        with pytest.raises(errors.PermanentError):
            await stand.ask()
    assert stand.asked == (5, 0)
    assert stand.circuits["local"].state is CircuitState.CLOSED


async def test_a_core_that_cannot_answer_is_not_asked() -> None:
    stand = Stand(("local",))
    stand.objections["local"] = "its model is missing"
    assert await stand.ask() == "peer"
    assert stand.asked == (0, 1)
    stand.objections["core2"] = "the disk is full"
    with pytest.raises(errors.TransientError):
        await stand.ask()
    assert stand.asked == (0, 1)


async def test_a_model_that_hangs_is_left_as_soon_as_health_says_so() -> None:
    hanging = asyncio.Event()
    stand = Stand((hanging, "late"))
    asking = asyncio.create_task(stand.ask())
    await eventually(lambda: stand.asked == (1, 0))
    stand.objections["local"] = "it makes no progress"
    assert await asyncio.wait_for(asking, PATIENCE_SECONDS) == "peer"
    assert stand.models["local"].closed.is_set(), "its work is stopped"


async def test_a_model_that_hangs_in_the_middle_is_left_too_so_that_the_rest_is_asked_for() -> None:
    stand = Stand(("some of it", asyncio.Event(), "late"))
    pieces = stand.back_ends.stream(TURNS)
    assert await anext(pieces) == "some of it"
    rest = asyncio.ensure_future(anext(pieces))
    stand.objections["local"] = "it makes no progress"
    with pytest.raises(errors.TransientError, match="it makes no progress"):
        await asyncio.wait_for(rest, PATIENCE_SECONDS)
    assert stand.models["local"].closed.is_set(), "its work is stopped"
    assert stand.asked == (1, 0), "what was read is never taken back"


async def test_a_circuit_opens_after_failures_in_a_row_and_tries_once_after_the_pause() -> None:
    stand = Stand((AWAY,))
    for _ in range(4):
        assert await stand.ask() == "peer"
    assert stand.asked == (2, 4), "the third time it was not asked"
    assert stand.sample("backend_state", backend="local", state="open") == 1
    stand.now += 10
    assert await stand.ask() == "peer"
    assert stand.asked == (3, 5), "one trial"
    assert await stand.ask() == "peer"
    assert stand.asked == (3, 6), "the trial failed, so the pause begins again"
    stand.now += 10
    stand.models["local"].script = ("local",)
    assert await stand.ask() == "local"
    assert await stand.ask() == "local"
    assert stand.sample("backend_state", backend="local", state="closed") == 1
    assert stand.sample("backend_state", backend="local", state="open") == 0


async def test_a_success_in_between_forgives_failures() -> None:
    stand = Stand(())
    for script in ((AWAY,), ("local",), (AWAY,), ("local",)):
        stand.models["local"].script = script
        await stand.ask()
    assert stand.asked[0] == 4


async def test_breaking_off_in_the_middle_counts_as_a_failure() -> None:
    stand = Stand(("War", AWAY))
    for _ in range(2):
        with pytest.raises(errors.TransientError):
            await stand.ask()
    assert await stand.ask() == "peer"


async def test_only_one_tries_at_a_time_and_one_that_leaves_frees_the_trial() -> None:
    stand = Stand((AWAY,))
    for _ in range(2):
        await stand.ask()
    stand.now += 10
    hanging = asyncio.Event()
    stand.models["local"].script = (hanging, "local")
    trial = asyncio.create_task(stand.ask())
    await eventually(lambda: stand.asked[0] == 3)
    assert stand.sample("backend_state", backend="local", state="half_open") == 1
    assert await stand.ask() == "peer"
    assert stand.asked[0] == 3
    trial.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await trial
    hanging.set()
    assert await stand.ask() == "local"


async def test_while_one_tries_the_others_do_too_where_nobody_else_answers() -> None:
    stand = Stand((AWAY,))
    for _ in range(2):
        await stand.ask()
    stand.now += 10
    hanging = asyncio.Event()
    stand.models["local"].script, stand.models["core2"].script = (hanging, "local"), (AWAY,)
    trial = asyncio.create_task(stand.ask())
    await eventually(lambda: stand.asked[0] == 3)
    other = asyncio.create_task(stand.ask())
    await eventually(lambda: stand.asked == (4, 3))
    hanging.set()
    assert (await trial, await other) == ("local", "local")


async def test_when_all_circuits_are_open_the_refusal_comes_at_once() -> None:
    stand = Stand((AWAY,), (AWAY,))
    for _ in range(3):
        with pytest.raises(errors.TransientError):
            await stand.ask()
    assert stand.asked == (2, 2)


async def test_closing_the_stream_stops_the_model_and_is_nobodys_failure() -> None:
    stand = Stand(("War", asyncio.Event()))
    for _ in range(3):
        pieces = stand.back_ends.stream(TURNS)
        assert await anext(pieces) == "War"
        await pieces.aclose()
        assert stand.models["local"].closed.is_set()
        stand.models["local"].closed.clear()
    assert stand.circuits["local"].state is CircuitState.CLOSED
    assert stand.sample("backend_requests_total", backend="local", outcome="left") == 3


async def test_an_answer_without_a_word_is_an_answer() -> None:
    stand = Stand(("",))
    assert await stand.ask() == ""
    assert stand.asked == (1, 0)


def test_it_has_the_name_of_the_preferred_model() -> None:
    assert Stand(()).back_ends.name == "scripted"
    assert isinstance(Stand(()).back_ends.stream(TURNS), AsyncGenerator)
