"""What a core says about itself, for the comparison with the other one."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path

import heyken_glue
from heyken_glue import errors
from heyken_glue.adapters.ollama.client import OllamaClient
from heyken_glue.domain import checks, parity
from heyken_glue.services.health_looks import Findings
from heyken_glue.settings import Settings, section

LOOK_SECONDS, FIRST_LOOK_SECONDS = 5.0, 0.5
# our own files are looked at once in so many looks
PACKAGE_EVERY = 6
PACKAGE = Path(heyken_glue.__file__).parent
# where a core differs from its twin by right, or what says the same as another fact
_OWN = {"gateway": {"listen_addresses"}, "ollama": {"models"}}
_SHARED = ("gateway", "ollama", "health", "vip", "rocketchat")


class FactFinder:
    """Finds out what this core is made of; what needs work is done again only when it changed."""

    def __init__(
        self,
        settings: Settings,
        *,
        client: OllamaClient,
        findings: Findings,
        package: Path = PACKAGE,
    ) -> None:
        self._settings, self._client, self._findings = settings, client, findings
        self._ollama = section(settings.ollama, "[ollama]")
        self._recipes: dict[tuple[str, str], Mapping[str, str]] = {}
        self._fixed: dict[str, str] = {}
        self._package, self._stamp, self._looks = package, 0, 0
        self.facts: Mapping[str, str] = {}

    @property
    def pause_seconds(self) -> float:
        """Time until the next look."""
        return LOOK_SECONDS if self.facts else FIRST_LOOK_SECONDS

    async def look(self) -> None:
        """Bring the facts up to date; what cannot be found out now stays as it was."""
        if self._looks % PACKAGE_EVERY == 0:
            await self._look_at_package()
        self._looks += 1
        models = self._findings.models
        if not models:
            return  # asked too early; facts with every model missing would be no facts
        found = {**self._fixed, "ollama": await self._build()}
        for model in self._ollama.models:
            digest = _digest_of_model(model.name, models)
            found.update(parity.facts_of_model(model.name, digest, await self._recipe(
                model.name, digest)))  # fmt: skip
        self.facts = found

    async def _look_at_package(self) -> None:
        """Read our own files where one changed: by hand, to be run from the next restart on."""
        stamp = await asyncio.to_thread(_stamp_of, self._package)
        if stamp != self._stamp:
            self._stamp, glue = stamp, await asyncio.to_thread(_digest_of, self._package)
            self._fixed = {"glue": glue, "settings": _digest_of_settings(self._settings)}

    async def _build(self) -> str:
        """Return the build that is installed; where role ollama does not, the version."""
        try:
            return (self._ollama.release_directory / "current").readlink().name
        except OSError:
            return await self._client.version()

    async def _recipe(self, name: str, digest: str) -> Mapping[str, str]:
        if digest == parity.MISSING:
            return {}
        if (name, digest) not in self._recipes:
            try:
                recipe = await self._client.recipe(name)
            except errors.PermanentError:
                return {}  # removed this very moment
            self._recipes = {key: text for key, text in self._recipes.items() if key[0] != name}
            self._recipes[name, digest] = recipe
        return self._recipes[name, digest]


def _digest_of_model(name: str, models: Mapping[str, str]) -> str:
    for stored, digest in models.items():
        if checks.same_model(stored, name):
            return digest
    return parity.MISSING


def _stamp_of(package: Path) -> int:
    """Return what changes whenever a source file is written, added or removed."""
    seen = (path.stat() for path in package.rglob("*.py"))
    return hash(tuple(sorted((one.st_ino, one.st_mtime_ns, one.st_size) for one in seen)))


def _digest_of(package: Path) -> str:
    """Return the digest of our own sources as they are installed."""
    total = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        total.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def _digest_of_settings(settings: Settings) -> str:
    """Return the digest of what both cores have to be told alike."""
    content = settings.model_dump(mode="json", include=set(_SHARED))
    for name, keys in _OWN.items():
        for key in keys:
            (content[name] or {}).pop(key, None)
    return parity.digest_of(content)
