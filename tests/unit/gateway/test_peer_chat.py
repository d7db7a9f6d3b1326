"""The other core's model, asked from gateway to gateway over mutual TLS."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from heyken_glue import errors
from heyken_glue.domain.turns import Role, Turn
from heyken_glue.gateway.backends import BackEnd, BackEnds, Circuit, CircuitLimits
from heyken_glue.gateway.metrics import Metrics
from heyken_glue.gateway.peer_model import PeerModel
from heyken_glue.gateway.ports import UnitReply
from heyken_glue.runtime import http
from tests.support.authority import Authority, Identity
from tests.support.doors import (
    PATIENCE_SECONDS,
    USUAL_QUEUE,
    House,
    Plan,
    ScriptedModel,
    Step,
    eventually,
    open_house,
    sse_events,
)

ASK = {"message": "What is the capital of Poland?"}
STREAM = {"Accept": "text/event-stream"}
TURNS = (Turn(Role.USER, "one"), Turn(Role.ASSISTANT, "two"), Turn(Role.USER, "three"))
BODY = {"messages": [{"role": "user", "content": "the capital?"}]}
AWAY = errors.TransientError("nobody there")
OpenPair = Callable[..., Awaitable["Pair"]]


class Pair:
    """The other core's house, and its model as this core asks it."""

    def __init__(self, other: House, model: PeerModel) -> None:
        self.other, self.model = other, model

    async def ask(self) -> str:
        """Return a whole answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return "".join([piece async for piece in self.model.stream(TURNS)])


@pytest.fixture
async def open_pair(authority: Authority) -> AsyncIterator[OpenPair]:
    """Open the other core's house with a script; `identity` is what this core shows there."""
    async with contextlib.AsyncExitStack() as stack:

        async def enter(
            *script: Step, plan: Plan | None = None, identity: Identity | None = None
        ) -> Pair:
            other = await stack.enter_async_context(
                open_house(authority, ScriptedModel(*script), plan)
            )
            shown = identity or authority.issue("core2")
            tls = http.client_tls(
                ca_file=authority.file, certificate_file=shown.certificate, key_file=shown.key
            )
            session = await stack.enter_async_context(http.session(tls=tls, total_seconds=5))
            url = f"https://127.0.0.1:{other.port}"
            return Pair(other, PeerModel(session, url, name="scripted", silence_seconds=0.5))

        yield enter


async def test_a_conversation_goes_over_and_the_pieces_come_back(open_pair: OpenPair) -> None:
    script = ("War", "sza", "wa\n\n", "\u2028\x00ż")
    pair = await open_pair(*script)
    assert tuple([piece async for piece in pair.model.stream(TURNS)]) == script
    assert pair.other.model.conversations == [TURNS]


async def test_heartbeats_tell_thinking_from_silence(open_pair: OpenPair) -> None:
    thinking = asyncio.Event()
    pair = await open_pair(thinking, "late")
    asking = asyncio.create_task(pair.ask())
    await asyncio.sleep(0.7)  # longer than the silence that is allowed
    assert not asking.done()
    thinking.set()
    assert await asking == "late"


async def test_a_silent_gateway_is_given_up(open_pair: OpenPair) -> None:
    times = replace(Plan().times, heartbeat=60)
    pair = await open_pair("one", asyncio.Event(), plan=Plan(times=times))
    with pytest.raises(errors.TransientError, match="silent"):
        await pair.ask()
    await asyncio.wait_for(pair.other.model.closed.wait(), PATIENCE_SECONDS)


async def test_leaving_stops_the_model_over_there(open_pair: OpenPair) -> None:
    pair = await open_pair("one", asyncio.Event())
    pieces = pair.model.stream(TURNS)
    assert await anext(pieces) == "one"
    assert not pair.other.model.closed.is_set()
    await pieces.aclose()
    await asyncio.wait_for(pair.other.model.closed.wait(), PATIENCE_SECONDS)
    await eventually(lambda: pair.other.doors.admission.queue.running == 0)


async def test_leaving_before_the_first_piece_stops_it_too(open_pair: OpenPair) -> None:
    pair = await open_pair(asyncio.Event())
    asking = asyncio.create_task(pair.ask())
    await eventually(lambda: bool(pair.other.model.conversations))
    asking.cancel()
    await asyncio.wait_for(pair.other.model.closed.wait(), PATIENCE_SECONDS)


@pytest.mark.parametrize("script", [(AWAY,), ("one", AWAY)])
async def test_a_failure_over_there_is_one_here(
    open_pair: OpenPair, script: tuple[Step, ...]
) -> None:
    pair = await open_pair(*script)
    with pytest.raises(errors.TransientError, match="nobody there"):
        await pair.ask()


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after heartbeats"])
async def test_a_question_too_long_over_there_is_too_long_here(
    open_pair: OpenPair, *, waits: bool
) -> None:
    thinking = asyncio.Event()
    pair = await open_pair(thinking, errors.TooLongError("too long"))
    asyncio.get_running_loop().call_later(0.5 if waits else 0.0, thinking.set)
    with pytest.raises(errors.TooLongError):
        await pair.ask()


async def test_a_core_that_cannot_answer_says_so_at_once(open_pair: OpenPair) -> None:
    pair = await open_pair("one")
    verdict = {"capable": False, "sentence": "the model is missing"}
    pair.other.health.replies["GET", "/verdict"] = UnitReply(200, verdict)
    with pytest.raises(errors.TransientError, match="the model is missing"):
        await pair.ask()
    assert not pair.other.model.questions


async def test_a_full_core_says_so_at_once(open_pair: OpenPair) -> None:
    limits = replace(USUAL_QUEUE, at_once=1, length=0)
    pair = await open_pair("one", asyncio.Event(), plan=Plan(queue=limits))
    pieces = pair.model.stream(TURNS)
    assert await anext(pieces) == "one"
    with pytest.raises(errors.TransientError, match="429"):
        await pair.ask()
    await pieces.aclose()


async def test_nobody_listening_is_a_transient_error(open_pair: OpenPair) -> None:
    pair = await open_pair("one")
    pair.model._url = "https://127.0.0.1:1/peer/chat"
    with pytest.raises(errors.TransientError):
        await pair.ask()


@pytest.mark.parametrize("name", ["core1", "hub"])
async def test_another_certificate_of_our_authority_does_not_get_in(
    open_pair: OpenPair, authority: Authority, name: str
) -> None:
    pair = await open_pair("one", identity=authority.issue(name))
    with pytest.raises(errors.PermanentError, match="403"):
        await pair.ask()
    assert not pair.other.model.questions


async def test_a_certificate_of_another_authority_does_not_even_connect(
    open_pair: OpenPair, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "other CA")
    pair = await open_pair("one", identity=stranger.issue("core2"))
    with pytest.raises(errors.HeykenError):
        await pair.ask()
    assert not pair.other.model.questions


async def test_a_server_of_another_authority_gets_no_question(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> None:
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "other CA")
    mine = authority.issue("core1")
    async with contextlib.AsyncExitStack() as stack:
        other = await stack.enter_async_context(open_house(stranger, ScriptedModel("one")))
        tls = http.client_tls(
            ca_file=authority.file, certificate_file=mine.certificate, key_file=mine.key
        )
        session = await stack.enter_async_context(http.session(tls=tls, total_seconds=5))
        model = PeerModel(session, f"https://127.0.0.1:{other.port}", name="m", silence_seconds=0.5)
        with pytest.raises(errors.PermanentError, match="trust"):
            await Pair(other, model).ask()
        assert not other.model.questions


@pytest.mark.parametrize(
    ("hops", "status"), [(None, 200), ("1", 200), ("2", 400), ("0", 400), ("x", 400), ("", 400)]
)
async def test_one_hop_and_no_further(house: House, hops: str | None, status: int) -> None:
    peer = await house.client(None, identity=house.authority.issue("core2"))
    headers = {} if hops is None else {"Heyken-Hops": hops}
    async with peer.post("/peer/chat", json=BODY, headers=headers) as response:
        text = await response.text()
    assert response.status == status, text
    assert len(house.model.questions) == (status == 200)


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": [{"role": "x"}]}])
async def test_nonsense_from_the_peer_is_400(house: House, body: dict[str, object]) -> None:
    peer = await house.client(None, identity=house.authority.issue("core2"))
    async with peer.post("/peer/chat", json=body) as response:
        assert (response.status, (await response.json())["code"]) == (400, "messages_invalid")


def back_ends(local: ScriptedModel, peer: PeerModel) -> BackEnds:
    """Return this core's model followed by the other core's."""
    limits = CircuitLimits(failures_max=3, cooldown_seconds=2)
    parts = [
        BackEnd(name, model, Circuit(limits, clock=lambda: 0.0, changed=lambda _state: None))
        for name, model in (("local", local), ("core2", peer))
    ]
    return BackEnds(parts, metrics=Metrics(), clock=lambda: 0.0)


async def test_a_client_whose_core_lost_its_model_gets_the_answer_from_the_other(
    open_pair: OpenPair, authority: Authority
) -> None:
    pair = await open_pair("Warsaw", " is it.")
    model = back_ends(ScriptedModel(AWAY), pair.model)
    async with open_house(authority, model) as house:
        client = await house.client()
        async with client.post("/api/v1/chat", json=ASK) as response:
            body = await response.json()
    assert (response.status, body["response"]) == (200, "Warsaw is it.")


async def test_a_client_that_leaves_stops_the_model_on_the_other_core(
    open_pair: OpenPair, authority: Authority
) -> None:
    pair = await open_pair("one", asyncio.Event())
    model = back_ends(ScriptedModel(AWAY), pair.model)
    store = replace(Plan().store, abandon_seconds=0.01)
    async with open_house(authority, model, Plan(store=store)) as house:
        client = await house.client()
        async with client.post("/api/v1/chat", json=ASK, headers=STREAM) as response:
            stream = sse_events(response)
            while (await anext(stream)).name != "token":
                pass
            response.close()
        await asyncio.wait_for(pair.other.model.closed.wait(), PATIENCE_SECONDS)
