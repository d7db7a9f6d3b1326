"""Two gateways with two stores behind one address that moves, and a way to lose one of them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import pathlib
from collections.abc import AsyncIterator, Callable, Sequence

import aiohttp

from heyken_glue.adapters.redis.client import RedisCopies
from heyken_glue.cli.api import Api
from heyken_glue.cli.ask import Asking
from heyken_glue.cli.client import ClientFile
from heyken_glue.cli.output import Console
from heyken_glue.domain.continuing import Resume
from heyken_glue.domain.turns import Role, Turn
from heyken_glue.gateway.answers import StoreLimits
from heyken_glue.gateway.copies import Copies, Pace
from heyken_glue.gateway.handover import PeerAnswers
from heyken_glue.runtime import http
from tests.support.authority import Authority, Identity
from tests.support.doors import TOKENS, USUAL_QUEUE, House, Plan, open_house
from tests.support.stores import RedisServer, redis_server

CORES = (1, 2)
# numbered, and with the white space that models put at the ends of their pieces
PIECES = [f"{'' if number % 9 else chr(10)}n{number} " for number in range(120)]


class Relay:
    """A TCP address that leads to a port of the test's choice, or nowhere."""

    def __init__(self) -> None:
        self.target: int | None = None
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect one client with the target until one of the two ends."""
        if self.target is None:
            writer.transport.abort()
            return
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers |= {writer, inner_writer}
        ways = [
            asyncio.create_task(self._pump(reader, inner_writer)),
            asyncio.create_task(self._pump(inner_reader, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way, end in zip(ways, (writer, inner_writer), strict=True):
            way.cancel()
            end.transport.abort()
        self._writers -= {writer, inner_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()

    def cut(self, target: int | None = None) -> None:
        """Break every connection, and lead new ones elsewhere."""
        self.target = target
        for writer in self._writers:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def relay() -> AsyncIterator[Relay]:
    """Listen for as long as the context lasts."""
    found = Relay()
    server = await asyncio.start_server(found.forward, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        found.cut()


class CountingModel:
    """Counts: every piece is a number, so a repeated or a lost one shows.

    As a real model does, it goes on behind an open last message. From piece number `wavering` on
    it says something else when it begins from the question. With `instead` it says that whenever it
    goes on, as a model may that has nothing but the text.
    """

    name = "counting"

    def __init__(self, core: int, pieces: Sequence[str], *, pause_seconds: float = 0.001) -> None:
        self.core, self.pieces, self._pause = core, tuple(pieces), pause_seconds
        self.asked: list[tuple[Turn, ...]] = []
        self.wavering: int | None = None
        self.instead: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The whole of it."""
        return "".join(self.pieces)

    async def stream(self, turns: Sequence[Turn]) -> AsyncIterator[str]:
        """Say the pieces, from where the last message ends if it is an answer."""
        self.asked.append(tuple(turns))
        skipped, so_far = "", turns[-1].content if turns[-1].role is Role.ASSISTANT else ""
        if so_far and self.instead:
            for piece in self.instead:
                yield piece
            return
        said = 0
        for piece in self.pieces:
            if len(skipped) < len(so_far):
                skipped += piece
                rest = skipped[len(so_far) :] if len(skipped) > len(so_far) else ""
                if rest:
                    yield rest
                continue
            await asyncio.sleep(self._pause)
            wavers = self.wavering is not None and not so_far and said >= self.wavering
            yield "something else " if wavers else piece
            said += 1

    @property
    def continued(self) -> int:
        """How often it was given the beginning of its answer."""
        return sum(turns[-1].role is Role.ASSISTANT for turns in self.asked)


@dataclasses.dataclass
class Core:
    """One side of the pair."""

    house: House
    server: RedisServer
    copies: Copies
    model: CountingModel
    door: Relay  # what the other core reaches it by

    async def die(self, *, with_store: bool) -> None:
        """Lose this core as a power cut does: not another byte leaves it."""
        for loop in self.copies._loops:
            loop.cancel()
        self.door.cut()
        if with_store:
            self.server.kill()
        await self.house.store.close()


@dataclasses.dataclass
class Twins:
    """The pair, its address, and what a client is told."""

    cores: dict[int, Core]
    vip: Relay
    authority: Authority

    def move_vip(self, to: int, *, cut: bool = True) -> None:
        """Let the address lead to another core; without `cut`, open connections stay."""
        if cut:
            self.vip.cut(self.cores[to].house.port)
        else:
            self.vip.target = self.cores[to].house.port

    @property
    def client_file(self) -> ClientFile:
        """What `heyken ask` needs."""
        url = f"https://127.0.0.1:{self.vip.port}"
        # a cut is seen at once; silence says little on a machine that others use too
        return ClientFile("test", url, self.authority.file, TOKENS["operator"][0], {}, 10.0)

    async def ask(self, listener: Callable[[int], None], question: str = "count") -> Asking:
        """Ask as the command line does; `listener` hears how many pieces have come."""
        console = Listening("en", listener)
        async with Api(self.client_file, language="en", connect_timeout_seconds=10.0) as api:
            asking = Asking(api, console, question)
            await asking.run()
        return asking

    def client(self, token: str = TOKENS["operator"][0]) -> aiohttp.ClientSession:
        """Return a plain client of the address."""
        return aiohttp.ClientSession(
            f"https://127.0.0.1:{self.vip.port}",
            headers={"Authorization": f"Bearer {token}"},
            connector=aiohttp.TCPConnector(ssl=self.cores[1].house.tls()),
            timeout=aiohttp.ClientTimeout(total=20),
        )


class Listening(Console):
    """A console that tells how many pieces it was given, and keeps them."""

    def __init__(self, language: str, listener: Callable[[int], None]) -> None:
        super().__init__(language)
        object.__setattr__(self, "heard", [])
        object.__setattr__(self, "listener", listener)

    heard: list[str]
    listener: Callable[[int], None]

    def piece(self, text: str) -> None:
        """Take a piece."""
        self.heard.append(text)
        self.listener(len(self.heard))


@contextlib.asynccontextmanager
async def twins(
    authority: Authority,
    directory: pathlib.Path,
    pieces: Sequence[str],
    *,
    resume: Resume = Resume.CONTINUE,
    copying: bool = True,
    models: Sequence[str] = ("counting@1", "counting@1"),
    answers_max: int = 8,
) -> AsyncIterator[Twins]:
    """Run the pair; the address leads to core 1. Without `copying` nothing is protected."""
    async with contextlib.AsyncExitStack() as stack:
        servers = {
            core: stack.enter_context(redis_server(authority, directory, f"core{core}"))
            for core in CORES
        }
        doors = {core: await stack.enter_async_context(relay()) for core in CORES}
        cores = {}
        for core, other in (CORES, CORES[::-1]):
            places = [servers[core], servers[other]] if copying else []
            copies = await _copies(authority.issue(f"core{core}"), places, stack)
            plan = Plan(
                core_id=core,
                copies=copies,
                peer_answers={other: await _way(authority, core, doors[other], stack)},
                resume=resume,
                model_id=models[core - 1],
                store=StoreLimits(answers_max, keep_seconds=600),
                queue=dataclasses.replace(
                    USUAL_QUEUE, at_once=answers_max, at_once_per_owner=answers_max
                ),
            )
            model = CountingModel(core, pieces)
            house = await stack.enter_async_context(open_house(authority, model, plan))
            doors[core].target = house.port
            cores[core] = Core(house, servers[core], copies, model, doors[core])
        vip = await stack.enter_async_context(relay())
        vip.target = cores[1].house.port
        yield Twins(cores, vip, authority)


async def _copies(
    identity: Identity, servers: Sequence[RedisServer], stack: contextlib.AsyncExitStack
) -> Copies:
    stores = []
    for server in servers:
        access = dataclasses.replace(
            server.access, certificate_file=identity.certificate, key_file=identity.key
        )
        stores.append(RedisCopies(access))
        stack.push_async_callback(stores[-1].close)
    copies = Copies(stores, Pace(accept=10.0, read_own=10.0))
    copies.start()
    return copies


async def _way(
    authority: Authority, core: int, door: Relay, stack: contextlib.AsyncExitStack
) -> PeerAnswers:
    identity = authority.issue(f"core{core}")
    tls = http.client_tls(
        ca_file=authority.file, certificate_file=identity.certificate, key_file=identity.key
    )
    session = await stack.enter_async_context(
        http.session(tls=tls, total_seconds=20, connect_seconds=1)
    )
    return PeerAnswers(session, f"https://127.0.0.1:{door.port}")
