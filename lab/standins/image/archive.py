"""Writes images as `docker load` reads them: a configuration, its layers, and a list of both.

No engine is needed for it, and the same content always gives the same identifier.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Any fixed time will do: the time of making would give the same content another identifier.
CREATED = "2000-01-01T00:00:00Z"


@dataclass(frozen=True)
class Image:
    """An image to write. `name` is repository:tag, `settings` what `docker inspect` calls Config.

    layers: tar files, not compressed, the lowest first.
    """

    name: str
    layers: tuple[Path, ...]
    settings: Mapping[str, Any]


def write(image: Image, output: Path) -> str:
    """Write the archive, compressed, and return the image's identifier, `sha256:…`."""
    digests = [_sha256(layer) for layer in image.layers]
    config = _configuration(image, digests)
    identifier = hashlib.sha256(config).hexdigest()
    listing = [
        {
            "Config": f"{identifier}.json",
            "RepoTags": [image.name],
            "Layers": [f"{digest}/layer.tar" for digest in digests],
        }
    ]
    with tarfile.open(output, "w:gz", compresslevel=1) as archive:
        _add(archive, f"{identifier}.json", config)
        for layer, digest in zip(image.layers, digests, strict=True):
            archive.add(layer, f"{digest}/layer.tar", filter=_anonymous)
        _add(archive, "manifest.json", json.dumps(listing).encode())
    return f"sha256:{identifier}"


def _configuration(image: Image, digests: list[str]) -> bytes:
    content = {
        "architecture": "amd64",
        "os": "linux",
        "created": CREATED,
        "config": dict(image.settings),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{"created": CREATED, "created_by": "heyken"} for _ in digests],
    }
    return json.dumps(content, sort_keys=True).encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member
