"""Rocket.Chat for a lab: the official images where they can be had and would work, else a stand-in.

Since version 7 a workspace without a licence, a registration or reports to its vendor refuses every
message. Official images are no use without one of these, and none of them is ours to give.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab import cache, catalog
from lab.artifacts import registry, standin
from lab.progress import Progress
from lab.settings import Lab

PRODUCT = "rocketchat"
KEPT = "images.json"


@dataclass(frozen=True)
class Chat:
    """Either `official` holds both images by digest, or there is a stand-in and the reason why."""

    official: dict[str, str]
    standin: cache.Artefact | None
    reason: str


def choose(
    lab: Lab,
    *,
    may_be_official: bool,
    obtain: Callable[[cache.Recipe], cache.Artefact],
    progress: Progress,
) -> Chat:
    """Ask the registries if that makes sense; make the stand-in if there is nothing else."""
    wanted = catalog.section(PRODUCT)
    reason = "no licence, registration or leave to report is given, and without it Rocket.Chat"
    reason += " refuses messages"
    if may_be_official:
        names = {"rocketchat": wanted["image"], "mongodb": wanted["mongodb_image"]}
        images = registry.pinned(names, lab.state / KEPT)
        if images:
            return Chat(images, None, "")
        reason = "the image registries do not answer"
    progress.say(f"Rocket.Chat: a stand-in, because {reason}")
    base = obtain(standin.base_recipe(progress))
    return Chat({}, obtain(standin.recipe(PRODUCT, base)), reason)
