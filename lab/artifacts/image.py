"""The system image: made by debootstrap from the machine's own mirror, imported into the engine."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
from pathlib import Path

import docker
from docker.errors import ImageNotFound

from lab import catalog, packages
from lab.artifacts import mirror
from lab.cache import Recipe, sha256
from lab.problem import Problem
from lab.progress import Progress
from lab.shell import run

BUILD = Path(__file__).parent.parent / "image" / "build.sh"
TAR = "system.tar"
STATUS = "var/lib/dpkg/status"
PAIR = re.compile(r"^(Package|Version|Status): (.*)$", re.MULTILINE)
MACHINE_CERTIFICATES = Path("/usr/local/share/ca-certificates")


def recipe(extra: list[Path], progress: Progress) -> Recipe:
    """Return how to make `system.tar`; the version names everything that goes into it.

    extra: package files that the suite does not have, to be installed as well.
    """
    wanted = catalog.section("image")
    certificates = extra_certificates()
    names = [sha256(path) for path in extra]
    material = json.dumps([wanted, names, [path.read_text() for path in certificates]])
    version = hashlib.sha256((material + BUILD.read_text()).encode()).hexdigest()[:12]

    def make(into: Path) -> str:
        packages.require_root("building the system image")
        packages.install(["debootstrap"], progress)
        _build(into, certificates, extra)
        return "Debian packages"

    return Recipe("image", f"{wanted['suite']}-{version}", make, "about 1 to 2 min")


def load(client: docker.DockerClient, name: str, tar: Path) -> None:
    """Import the tar file under `name` unless the engine has it.

    Importing a name again gives it another id, which would replace every host that uses it.
    """
    try:
        client.images.get(name)
    except ImageNotFound:
        repository, _, tag = name.partition(":")
        run(
            ["docker", "import", "--change", 'CMD ["/sbin/init"]', tar, f"{repository}:{tag}"],
            timeout_seconds=300,
            what="the system image cannot be given to the Docker engine",
            todo="check the free disk space of the engine's data directory",
        )


def installed(tar: Path) -> dict[str, str]:
    """Return the versions of the packages that an image holds, by Debian's names."""
    with tarfile.open(tar, "r:") as archive:
        # It lies in the first half: asking for it by name would read all of them.
        member = next((one for one in archive if one.name.removeprefix("./") == STATUS), None)
        content = archive.extractfile(member) if member is not None else None
        paragraphs = content.read().decode().split("\n\n") if content is not None else []
    entries = [dict(PAIR.findall(one)) for one in paragraphs]
    return {
        entry["Package"]: entry["Version"]
        for entry in entries
        if entry.get("Status", "").endswith(" installed")
    }


def extra_certificates() -> list[Path]:
    """Return the CA certificates that hosts must trust too: the machine's own, and HEYKEN_EXTRA_CA.

    Raises Problem when HEYKEN_EXTRA_CA names no certificate.
    """
    found = sorted(MACHINE_CERTIFICATES.glob("*.crt"))
    named = os.environ.get("HEYKEN_EXTRA_CA")
    if named:
        path = Path(named).expanduser()
        if not path.is_file() or "BEGIN CERTIFICATE" not in path.read_text(errors="replace"):
            raise Problem(
                f"HEYKEN_EXTRA_CA={named} is no certificate",
                why="a PEM file with at least one certificate is expected",
                todo="name the file your proxy's administrator gave you, or unset it",
            )
        found.append(path)
    return found


def _build(into: Path, certificates: list[Path], extra: list[Path]) -> None:
    wanted = catalog.section("image")
    folder = into / "certificates"
    folder.mkdir()
    for number, path in enumerate(certificates):
        shutil.copy(path, folder / f"extra-{number}.crt")
    lists = [",".join(wanted["packages"]), ",".join(wanted["disabled_units"])]
    run(
        ["bash", BUILD, wanted["suite"], mirror.address(), *lists, folder, into / TAR, *extra],
        timeout_seconds=1200,
        what="the system image cannot be made",
        todo="check that the Debian mirror answers, then run make deploy again",
    )
    shutil.rmtree(folder)
