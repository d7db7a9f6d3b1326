"""Brings together what a deployment needs before Terraform runs: engine, programs, artefacts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab import cache, catalog, engine, packages
from lab.artifacts import bundle, compose, image, model, ollama, provider, rocketchat, terraform
from lab.progress import Progress
from lab.settings import Lab


@dataclass(frozen=True)
class Prepared:
    """What was found or made. `image` is empty where no containers are wanted.

    system: what `image` was imported from; compose: a package file; chat: how Rocket.Chat comes to
    its host.
    """

    terraform: Path
    provider: cache.Artefact | None
    ollama: cache.Artefact
    model: cache.Artefact
    bundles: dict[str, Path]
    image: str
    system: cache.Artefact | None
    compose: Path | None
    chat: rocketchat.Chat


def prepare(lab: Lab, progress: Progress, *, chat_may_be_official: bool = False) -> Prepared:
    """Find, fetch or build everything; what is there already is only checked.

    chat_may_be_official: whether the official Rocket.Chat would work, as it needs a licence,
    a registration or leave to report.
    """

    def obtain(recipe: cache.Recipe) -> cache.Artefact:
        return cache.obtain(recipe, cache=lab.cache, progress=progress)

    wanted = catalog.section("debian")["packages"]
    if packages.missing(wanted):
        with progress.phase("Debian packages"):
            packages.install(wanted, progress)
    program = terraform.find(lab.cache, progress)
    in_containers = lab.environment == "lab"
    name, chat = "", rocketchat.Chat({}, None, "")
    system, found_provider, package = None, None, None
    if in_containers:
        package = obtain(compose.recipe()).file(compose.FILE)
        system = obtain(image.recipe([package], progress))
        name = _image(system, progress)
        found_provider = obtain(provider.recipe(program, lab.cache, progress))
        chat = rocketchat.choose(
            lab, may_be_official=chat_may_be_official, obtain=obtain, progress=progress
        )
    return Prepared(
        terraform=program,
        provider=found_provider,
        ollama=obtain(ollama.recipe(lab.cache, progress)),
        model=obtain(model.recipe()),
        bundles={
            version: obtain(bundle.recipe(version)).file("bundle.tar.gz")
            for version in bundle.VERSIONS
        },
        image=name,
        system=system,
        compose=package,
        chat=chat,
    )


def equip_tests(lab: Lab, progress: Progress) -> None:
    """Bring the programs that the tests check our templates with."""
    packages.install_idle(catalog.section("tests")["packages"], progress)
    cache.obtain(compose.recipe(), cache=lab.cache, progress=progress)


def _image(made: cache.Artefact, progress: Progress) -> str:
    with progress.phase("Docker engine"):
        client = engine.ensure(progress)
        name = f"heyken/system:{made.version}"
        image.load(client, name, made.file(image.TAR))
    return name
