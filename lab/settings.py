"""Which lab is meant: its name, its networks, and where its things lie."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from heyken_glue.cli import environment
from lab.files import write_private
from lab.problem import Problem

PRIVATE = [
    ipaddress.IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
]
SWITCHES = ("HEYKEN_OFFICIAL", "HEYKEN_MITOGEN")
REPOSITORY = Path(__file__).resolve().parent.parent
DEFAULTS = {"HEYKEN_SYSTEM_SUBNET": "10.77.0.0/24", "HEYKEN_SANDBOX_SUBNET": "10.77.1.0/24"}


@dataclass(frozen=True)
class Networks:
    """The two networks of a lab, as CIDR texts."""

    system_subnet: str
    sandbox_subnet: str


@dataclass(frozen=True)
class Lab:
    """One lab on this machine. `state` outlives the checkout, `cache` is shared by all labs."""

    name: str
    environment: str
    networks: Networks
    state: Path
    cache: Path

    @property
    def vip(self) -> str:
        """The virtual address: host number 10 of the system network."""
        return str(ipaddress.ip_network(self.networks.system_subnet)[10])

    @property
    def inventory(self) -> Path:
        """The directory that ansible takes as this lab's inventory."""
        return REPOSITORY / "inventory" / self.name

    @property
    def client_file(self) -> Path:
        """What the command line reads: addresses, CA, token."""
        return self.state / "client.toml"

    @property
    def is_default(self) -> bool:
        """Whether it is the one of its environment that commands mean when no name is said."""
        return self.name == self.environment

    @property
    def deployed(self) -> bool:
        """Whether Terraform has a state of it."""
        return (self.state / "terraform" / "terraform.tfstate").exists()

    def make(self, target: str) -> str:
        """Return the command that does this to this lab, for people to copy."""
        environment = "" if self.environment == "lab" else f" ENV={self.environment}"
        name = "" if self.is_default else f" LAB={self.name}"
        rights = "sudo " if os.geteuid() != 0 and self.environment == "lab" else ""
        return f"{rights}make {target}{environment}{name}"

    def remember(self) -> None:
        """Keep networks and environment, so that later commands need not be told again.

        Raises Problem when the state directory cannot be written to.
        """
        content = {**asdict(self.networks), "environment": self.environment}
        try:
            write_private(self.state / "networks.json", json.dumps(content))
        except OSError as error:
            raise Problem(
                f"nothing can be written to {self.state}",
                why=str(error),
                todo="free some space there, or name another place with HEYKEN_STATE_DIR",
            ) from error


def _directory(variable: str, fallback_variable: str, fallback: str) -> Path:
    own = os.environ.get(variable)
    if own:
        place = Path(own).expanduser()
        existing = next(path for path in (place, *place.parents) if path.exists())
        if not place.is_absolute() or not existing.is_dir():
            raise Problem(
                f"{variable}={own} is no place for a directory",
                why=f"{existing} is no directory" if place.is_absolute() else "it is relative",
                todo="write the whole path of a directory; it is made when it does not exist",
            )
        return place.resolve()
    base = os.environ.get(fallback_variable) or str(Path.home() / fallback)
    return Path(base) / "heyken"


def cache_directory() -> Path:
    """Where heavy artefacts are kept between labs and checkouts."""
    return _directory("HEYKEN_CACHE_DIR", "XDG_CACHE_HOME", ".cache")


def state_directory() -> Path:
    """Where the things of all labs lie that must outlive a checkout."""
    return _directory("HEYKEN_STATE_DIR", "XDG_STATE_HOME", ".local/state")


def load() -> Lab:
    """Read the environment and what an earlier run remembered.

    Raises Problem for an unknown HEYKEN_ variable, a bad name or network, and for an environment or
    networks that differ from those the lab was made with.
    """
    _refuse_unknown()
    _refuse_unclear()
    kind = os.environ.get("HEYKEN_ENV") or "lab"
    if kind not in {"lab", "hosts"}:
        raise Problem(
            f"HEYKEN_ENV={kind} is no environment",
            why="there are two: lab (containers on this machine) and hosts (machines you have)",
            todo="leave it out, or set ENV=hosts",
        )
    name = os.environ.get("HEYKEN_LAB") or kind
    # Both environments have an inventory of their own name, which is nobody else's.
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,15}", name) or name in {"lab", "hosts"} - {kind}:
        raise Problem(
            f"HEYKEN_LAB={name} cannot name a lab of the environment {kind}",
            why="a name has 1 to 16 of a-z, 0-9 and -, begins with a letter, and 'lab' and 'hosts' "
            "belong to the environments of these names",
            todo="choose another name: make deploy LAB=second",
        )
    state = state_directory() / name
    kept = _kept(state / "networks.json")
    if kept.get("environment", kind) != kind:
        raise Problem(
            f"{name} was made with ENV={kept['environment']}, not with ENV={kind}",
            why="one name stands for one deployment in one environment",
            todo=f"say ENV={kept['environment']}, or choose another name with LAB=",
        )
    return Lab(name, kind, _networks(kept, name), state, cache_directory())


def _refuse_unknown() -> None:
    for variable in environment.unknown(os.environ):
        close = environment.meant(variable)
        raise Problem(
            f"{variable} is not a setting",
            why="no part of the deployment reads a variable of this name",
            todo=f"unset {variable}" + (f"; did you mean {close}?" if close else ""),
        )


def _refuse_unclear() -> None:
    for variable in SWITCHES:
        value = os.environ.get(variable) or "yes"
        if value not in {"yes", "no"}:
            raise Problem(
                f"{variable}={value} is neither yes nor no",
                why="any other value would have to be guessed",
                todo=f"set {variable}=no, or unset it",
            )


def _kept(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        content = error
    if not isinstance(content, dict) or not all(isinstance(one, str) for one in content.values()):
        raise Problem(
            f"{file} cannot be used",
            why=f"it should name the networks of the lab: {str(content) or 'it is empty'}",
            todo=f"rm {file}, and name the networks again if the lab has its own "
            "(make deploy SYSTEM_SUBNET=… SANDBOX_SUBNET=…)",
        )
    return content


def _networks(kept: dict[str, str], name: str) -> Networks:
    values = {}
    for variable, default in DEFAULTS.items():
        key = variable.removeprefix("HEYKEN_").lower()
        given = os.environ.get(variable)
        wanted = _subnet(variable, given) if given else None
        if wanted and key in kept and kept[key] != wanted:
            raise Problem(
                f"lab {name} has {key} {kept[key]}, not {wanted}",
                why="the networks of a lab cannot change under its hosts",
                todo=f"leave {key.upper()} out, or make destroy LAB={name} first",
            )
        values[key] = wanted or _subnet(variable, kept.get(key) or default)
    one, other = (ipaddress.IPv4Network(text) for text in values.values())
    if one.overlaps(other):
        raise Problem(
            f"the two networks of lab {name} overlap",
            why=f"the system network is {one}, the sandbox network {other}",
            todo="give each its own: make deploy SYSTEM_SUBNET=10.90.0.0/24 "
            "SANDBOX_SUBNET=10.90.1.0/24",
        )
    return Networks(**values)


def _subnet(variable: str, text: str) -> str:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise Problem(
            f"{variable}={text} is no network",
            why=str(error),
            todo="write it as 10.77.0.0/24",
        ) from error
    private = any(network.subnet_of(one) for one in PRIVATE)
    if not private or not 16 <= network.prefixlen <= 26:  # noqa: PLR2004 - /26 holds 60 hosts
        raise Problem(
            f"{variable}={text} does not fit a lab",
            why="a lab needs a network between /16 and /26 out of 10.0.0.0/8, 172.16.0.0/12 or "
            "192.168.0.0/16",
            todo="write it as 10.77.0.0/24",
        )
    return str(network)
