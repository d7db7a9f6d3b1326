"""Terraform's Docker provider: the official release where it can be had, else built from source."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab import catalog
from lab.artifacts import golang
from lab.cache import Recipe
from lab.problem import Problem
from lab.progress import Progress
from lab.shell import run

SOURCE = Path(__file__).with_name("provider")
MODULE = "github.com/terraform-providers/terraform-provider-docker"
PLATFORM = "linux_amd64"


def recipe(terraform: Path, cache: Path, progress: Progress) -> Recipe:
    """Return how to fill a directory that Terraform takes as a filesystem mirror."""

    def make(into: Path) -> str:
        if _mirrored(terraform, into):
            return "official release"
        _build(into, golang.find(cache, progress))
        return "built from source"

    version = catalog.section("provider")["version"]
    return Recipe("provider", version, make, "official: seconds; built from source: 3 to 5 min")


def _mirrored(terraform: Path, into: Path) -> bool:
    """Let Terraform itself fetch the signed release into `into`; False if it is out of reach."""
    wanted = catalog.section("provider")
    if os.environ.get("HEYKEN_OFFICIAL") == "no":
        return False
    root = into / ".root"
    root.mkdir()
    (root / "main.tf").write_text(
        "terraform {\n  required_providers {\n    docker = {\n"
        f'      source  = "{wanted["source"]}"\n      version = "{wanted["version"]}"\n'
        "    }\n  }\n}\n"
    )
    try:
        run(
            [terraform, f"-chdir={root}", "providers", "mirror", f"-platform={PLATFORM}", into],
            timeout_seconds=300,
            env={"TF_CLI_CONFIG_FILE": os.devnull, "TF_REGISTRY_CLIENT_TIMEOUT": "10"},
        )
    except Problem:
        return False
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return True


def _build(into: Path, go: Path) -> None:
    wanted = catalog.section("provider")
    version = wanted["version"]
    place = into / "registry.terraform.io" / wanted["source"] / version / PLATFORM
    place.mkdir(parents=True)
    program = place / f"terraform-provider-docker_v{version}"
    run(
        [str(go), "build", "-trimpath", "-ldflags", f"-s -w -X main.version={version}"]
        + ["-o", str(program), MODULE],
        timeout_seconds=1800,
        cwd=SOURCE,
        env=golang.environment(),
        what="Terraform's Docker provider cannot be built from source",
        todo="check that Go reaches its module proxy (go env GOPROXY), then run make deploy again",
    )
