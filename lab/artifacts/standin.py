"""Images of stand-ins, as files for `docker load`: made where a product itself cannot be had.

The lower layer (Debian, Python, packages) is an artefact of its own, so that a change of the
stand-in's code costs seconds.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from lab import catalog, packages
from lab.artifacts import bundle, mirror
from lab.cache import Artefact, Recipe
from lab.progress import Progress
from lab.settings import REPOSITORY
from lab.shell import run
from lab.standins.image import archive

BUILD = REPOSITORY / "lab" / "standins" / "image" / "build.sh"
BASE, FILE, ABOUT = "base.tar", "image.tar.gz", "image.json"
HOME = "opt/heyken"


def base_recipe(progress: Progress) -> Recipe:
    """Return how to make `base.tar`, the layer that all stand-ins share."""
    wanted = _shared()
    lock = locked(bundle.LOCK.read_text(), wanted["requirements"])
    material = json.dumps(wanted, sort_keys=True) + lock + BUILD.read_text()
    version = f"{wanted['suite']}-{hashlib.sha256(material.encode()).hexdigest()[:12]}"

    def make(into: Path) -> str:
        packages.require_root("building the stand-ins' image")
        packages.install(["debootstrap"], progress)
        _build_base(into, wanted, lock)
        return "Debian and locked packages"

    return Recipe("standin-base", version, make, "about 1 min")


def recipe(product: str, base: Artefact) -> Recipe:
    """Return how to make `image.tar.gz` and `image.json` (name, id) of a product's stand-in."""
    digest = hashlib.sha256(base.version.encode() + Path(archive.__file__).read_bytes())
    for path in sources(product):
        digest.update(str(path.relative_to(REPOSITORY)).encode() + path.read_bytes())
    digest.update(json.dumps(catalog.section("standin"), sort_keys=True).encode())
    version = digest.hexdigest()[:16]

    def make(into: Path) -> str:
        _compose(product, version, base, into)
        return "stand-in"

    return Recipe(f"standin-{product}", version, make, "seconds")


def described(made: Artefact) -> dict[str, str]:
    """Return what a role needs of a stand-in's image: file, name (`image`) and id."""
    about: dict[str, str] = json.loads(made.file(ABOUT).read_text())
    return {"file": str(made.file(FILE)), **about}


def sources(product: str) -> list[Path]:
    """Return the files of a stand-in, and of the packages it lies in, in a stable order."""
    folder = REPOSITORY / "lab" / "standins"
    inside = (path for path in (folder / product).rglob("*") if path.is_file())
    kept = [path for path in inside if "__pycache__" not in path.parts]
    return sorted([REPOSITORY / "lab" / "__init__.py", folder / "__init__.py", *kept])


def locked(lock: str, names: list[str]) -> str:
    """Return the part of a lock that is about `names`; KeyError for one that is not in it."""
    entries = re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE)
    found = {entry.partition("==")[0]: entry for entry in entries if "==" in entry}
    return "".join(found[name] for name in names)


def _shared() -> dict[str, Any]:
    """Return what the catalogue says of all stand-ins."""
    return {
        key: value for key, value in catalog.section("standin").items() if type(value) is not dict
    }


def _build_base(into: Path, wanted: dict[str, Any], lock: str) -> None:
    site, requirements = into / "site", into / "requirements.txt"
    requirements.write_text(lock)
    bundle.install(site, wanted["python"], requirements)
    words = [wanted["suite"], mirror.address(), ",".join(wanted["packages"])]
    run(
        ["bash", BUILD, *words, site, wanted["user"], into / BASE],
        timeout_seconds=900,
        what="the stand-ins' image cannot be made",
        todo="check that the Debian mirror answers, then run make deploy again",
    )
    shutil.rmtree(site)
    requirements.unlink()


def _compose(product: str, version: str, base: Artefact, into: Path) -> None:
    wanted = catalog.section("standin")
    about = wanted[product]
    code = _code_layer(product, into, data=about["data"], user=wanted["user"])
    image = archive.Image(
        f"heyken/standin-{product}:{version}",
        (base.file(BASE), code),
        {
            "User": wanted["user"],
            "Env": [
                f"PYTHONPATH=/{HOME}:/{HOME}/site",
                "PYTHONUNBUFFERED=1",
                "PYTHONDONTWRITEBYTECODE=1",
                "HOME=/tmp",
                "PATH=/usr/bin:/bin",
            ],
            "Cmd": ["/usr/bin/python3", "-m", f"lab.standins.{product}"],
            "WorkingDir": f"/{HOME}",
            "ExposedPorts": {f"{about['port']}/tcp": {}},
            "Volumes": {about["data"]: {}},
            "StopSignal": "SIGTERM",
        },
    )
    identifier = archive.write(image, into / FILE)
    (into / ABOUT).write_text(json.dumps({"image": image.name, "id": identifier}))
    code.unlink()


def _code_layer(product: str, into: Path, *, data: str, user: str) -> Path:
    """Pack the stand-in's code and the directory of its data.

    The code is not compiled: it is small, and bytecode differs each time it is made.
    """
    tree, layer = into / "tree", into / "code.tar"
    for path in sources(product):
        place = tree / HOME / path.relative_to(REPOSITORY)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    tar = ["tar", "--sort=name", "--mtime=@0", "--numeric-owner", "--mode=u=rwX,go=rX"]
    tar += ["-C", str(tree)]
    run([*tar, "--owner=0", "--group=0", "-cf", layer, HOME], timeout_seconds=60)
    place = Path(data.lstrip("/"))
    (tree / place).mkdir(parents=True)
    owner, _, group = user.partition(":")
    # Docker gives a new volume the owner that the directory has in the image.
    run(
        [*tar, f"--owner={owner}", f"--group={group}", "-rf", layer, place.parts[0]],
        timeout_seconds=60,
    )
    shutil.rmtree(tree)
    return layer
