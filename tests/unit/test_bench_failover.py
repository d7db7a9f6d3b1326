"""What the measurements of failover count, and that the scripted model keeps its script."""

from __future__ import annotations

import asyncio
import json
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bench import model_loss, plot, scripted_model, switchover
from bench.asking import KEPT, NEW, Asked
from bench.plot import Series, svg

GOOD = "200"


def asked(begun: float, took: float, outcome: str = GOOD, *, kind: str = NEW) -> Asked:
    return Asked(kind, begun, begun, took, outcome)


def test_requests_are_disturbed_when_a_kill_hits_them_or_came_just_before() -> None:
    seen = model_loss.around(
        [
            asked(0.0, 0.02),  # long before
            asked(8.0, 0.03),  # before
            asked(9.9, 0.30),  # hit
            asked(11.0, 0.04, "503"),  # after
            asked(20.0, 0.05),  # long after
        ],
        kills=[10.0],
    )
    assert seen.calm == [0.03]
    assert seen.disturbed == [0.30, 0.04]
    assert (seen.failed, seen.why) == (1, ["503"])
    assert seen.added_ms == pytest.approx(270)


def test_a_failed_or_slow_short_request_misses_the_target() -> None:
    moves = [10.0]
    good = [asked(9.0, 0.002), asked(10.1, 0.003), asked(15.0, 0.002)]
    assert switchover.short(good, "any", moves).reached
    slow = switchover.short([*good, asked(10.0, 0.051)], "any", moves)
    assert (slow.reached, slow.value) == (
        False,
        "0 failed, 1 over 50 ms of 4, longest 51 ms, in 1 switchovers",
    )
    assert slow.reference.startswith("0 over 50 ms of 2 that no switchover was near")
    assert not switchover.short(
        [*good, asked(10.0, 0.01, "closed", kind=KEPT)], "any", moves
    ).reached


@pytest.fixture
async def model(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "version.json").write_text('{"version": "0.24.0"}')
    server = await asyncio.start_server(
        scripted_model.Server(tmp_path).serve, scripted_model.ADDRESS, 0
    )
    async with server:
        yield f"http://{scripted_model.ADDRESS}:{server.sockets[0].getsockname()[1]}/api"


async def _said(url: str, *messages: dict[str, str]) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/chat", json={"messages": messages}) as response,
    ):
        lines = [json.loads(line) async for line in response.content]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    return "".join(line["message"]["content"] for line in lines)


async def test_the_scripted_model_counts_and_goes_on_in_the_middle_of_a_number(model: str) -> None:
    question = {"role": "user", "content": "Count to 12 every 1 ms"}
    whole = await _said(model, question)
    assert whole == "1 2 3 4 5 6 7 8 9 10 11 12 "
    for cut in range(len(whole)):
        rest = await _said(model, question, {"role": "assistant", "content": whole[:cut]})
        assert whole[:cut] + rest == whole


async def test_the_scripted_model_says_what_the_real_one_said_about_itself(model: str) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(2):  # over one connection
            async with session.get(f"{model}/version") as response:
                assert await response.json(content_type=None) == {"version": "0.24.0"}


def test_a_plot_holds_a_dot_for_each_value_in_its_order() -> None:
    rows = [Series("Heyken <1>", [3.0, 30.0], "2 kills"), Series("other", [3000.0])]
    root = ET.fromstring(svg("Gaps & more", rows))  # noqa: S314 - our own text
    dots = [float(one.get("cx", "")) for one in root.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(dots) == 3
    assert dots == sorted(dots)
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "median 16.5 ms, max 30 ms" in texts


def test_a_plot_is_shown_on_the_page_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n")
    monkeypatch.setattr(plot, "PAGE", page)
    for _ in range(2):
        plot.draw("gaps", "Gaps", [Series("Heyken", [1.0])])
    assert page.read_text() == "# Page\n\n![Gaps](images/gaps.svg)\n"
    assert (tmp_path / "images" / "gaps.svg").read_text().startswith("<svg")
