"""What the unit `gateway` needs so that answers outlive a core: stores, the other gateways."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping

from heyken_glue.adapters.redis.client import Access, RedisCopies
from heyken_glue.credentials import Credentials
from heyken_glue.domain.continuing import Resume
from heyken_glue.gateway.copies import Copies, Pace
from heyken_glue.gateway.handover import PeerAnswers
from heyken_glue.runtime import http
from heyken_glue.settings import Settings, section

LOOPBACK = "127.0.0.1"
# a reply may take so many times what a new answer waits for: then the store counts as down anyway
PATIENCE = 5
# the same for every answer, so that it can be made once more
GREEDY = {"temperature": 0, "seed": 1}
CONNECT_SECONDS = 0.1
# as clients do: three heartbeats without a byte, and the stream is broken
SILENT_BEATS = 3


async def copies(
    settings: Settings, credentials: Credentials, stack: contextlib.AsyncExitStack
) -> Copies:
    """Return what copies answers to all cores' stores; without the section, to none."""
    if settings.redis is None:
        return Copies()
    stores = []
    for address in (LOOPBACK, *(peer.address for peer in settings.peers)):
        store = RedisCopies(_access(settings, credentials, address))
        stack.push_async_callback(store.close)
        stores.append(store)
    found = Copies(stores, Pace(accept=settings.redis.timeout_seconds))
    found.start()
    return found


def _access(settings: Settings, credentials: Credentials, address: str) -> Access:
    gateway, redis = section(settings.gateway, "[gateway]"), section(settings.redis, "[redis]")
    return Access(
        address=address,
        port=redis.port,
        user=redis.user,
        password=credentials.redis_password(),
        ca_file=settings.tls.ca_file,
        certificate_file=settings.tls.certificate_file,
        key_file=credentials.path("tls_key"),
        prefix=f"heyken:{settings.deployment.name}",
        timeout_seconds=PATIENCE * redis.timeout_seconds,
        ttl_seconds=math.ceil(gateway.answer_timeout_seconds + gateway.answer_keep_seconds),
    )


async def peer_answers(
    settings: Settings, credentials: Credentials, stack: contextlib.AsyncExitStack
) -> Mapping[int, PeerAnswers]:
    """Return the ways to the other cores' gateways."""
    gateway = section(settings.gateway, "[gateway]")
    tls = http.client_tls(
        ca_file=settings.tls.ca_file,
        certificate_file=settings.tls.certificate_file,
        key_file=credentials.path("tls_key"),
    )
    session = await stack.enter_async_context(
        http.session(
            tls=tls,
            total_seconds=gateway.answer_timeout_seconds,
            connect_seconds=CONNECT_SECONDS,
            connections_max=0,  # one for each answer that is followed: the other core limits them
        )
    )
    silence = SILENT_BEATS * gateway.heartbeat_seconds
    return {
        peer.core_id: PeerAnswers(
            session, f"https://{peer.address}:{gateway.port}", silence_seconds=silence
        )
        for peer in settings.peers
    }


def resume_of(settings: Settings) -> Resume:
    """Return how answers go on."""
    return Resume(section(settings.gateway, "[gateway]").resume)


def options_of(settings: Settings) -> Mapping[str, object]:
    """Return the model's options: none of our own, or those that make it repeat itself."""
    return GREEDY if resume_of(settings) is Resume.EXACT else {}


def model_id_of(settings: Settings) -> str:
    """Return name and digest of the general model."""
    ollama = section(settings.ollama, "[ollama]")
    digests = {model.name: model.digest for model in ollama.models}
    return f"{ollama.general_model}@{digests[ollama.general_model]}"
