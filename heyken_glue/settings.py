"""Settings of one host: `heyken.toml`, parsed once, every problem reported together.

Unknown keys are errors, values are not converted (a number in quotes is refused). Sections that
only cores have are optional; a unit that needs one fetches it with `section`.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from heyken_glue import errors

DEFAULT_FILE = Path("/etc/heyken/heyken.toml")


def _ip_address(value: str) -> str:
    ipaddress.ip_address(value)
    return value


IpAddress = Annotated[str, AfterValidator(_ip_address)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$", max_length=200)]
Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[int, Field(ge=1)]
CoreId = Annotated[int, Field(ge=1, le=99)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/]+$")]
T = TypeVar("T")


class Section(BaseModel):
    """What every section has in common: frozen, no unknown key, no conversion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Deployment(Section):
    """Which system this host belongs to, and the language of texts without a preference."""

    name: Name
    environment: Literal["lab", "hosts"]
    language: Literal["en", "pl"] = "en"
    stand_ins: tuple[str, ...] = ()


class Host(Section):
    """This host; only a core has a `core_id`."""

    name: Name
    address: IpAddress
    core_id: CoreId | None = None


class Peer(Section):
    """Another core."""

    name: Name
    address: IpAddress
    core_id: CoreId


class Vip(Section):
    """The virtual address, and how this host talks with keepalived."""

    address: IpAddress
    instance: Name = "heyken"
    verdict_file: Path = Path("/run/heyken/vip/verdict")
    notify_fifo: Path = Path("/run/heyken/vip/notify.fifo")
    cooldown_seconds: Annotated[float, Field(ge=0, le=86400)] = 10.0


class Tls(Section):
    """The deployment's CA and this host's certificate; the key is a credential."""

    ca_file: Path = Path("/etc/heyken/tls/ca.crt")
    certificate_file: Path = Path("/etc/heyken/tls/host.crt")


class Gateway(Section):
    """Limits of the data plane."""

    port: Port = 5000
    listen_addresses: Annotated[tuple[IpAddress, ...], Field(min_length=1)] = ("0.0.0.0",)  # noqa: S104 - the VIP comes and goes
    message_bytes_max: Positive = 65536
    conversation_bytes_max: Positive = 6000
    concurrent_answers_max: Positive = 8
    first_token_timeout_seconds: Seconds = 120.0
    token_gap_timeout_seconds: Seconds = 10.0
    answer_timeout_seconds: Seconds = 300.0
    heartbeat_seconds: Seconds = 0.1
    answer_keep_seconds: Seconds = 600.0
    resume: Literal["continue", "exact"] = "continue"
    answer_tokens_max: Annotated[int, Field(ge=0)] = 0
    answers_per_token_max: Positive = 6
    queue_length_max: Annotated[int, Field(ge=0)] = 64
    queue_length_per_token_max: Annotated[int, Field(ge=0)] = 32
    queue_wait_seconds: Seconds = 20.0
    requests_per_second_max: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] = 100.0
    requests_burst_max: Positive = 200
    circuit_failures_max: Positive = 3
    circuit_cooldown_seconds: Seconds = 2.0
    drain_seconds: Seconds = 8.0


class OllamaModel(Section):
    """A model that has to be there, and the digest of its manifest."""

    name: Name
    digest: Digest


class Ollama(Section):
    """The model server of this core."""

    url: HttpUrl = "http://127.0.0.1:11500"
    unit: Name = "ollama.service"
    release_directory: Path = Path("/usr/local/lib/heyken/ollama")
    general_model: Name
    models: Annotated[tuple[OllamaModel, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _general_model_is_listed(self) -> Self:
        names = [model.name for model in self.models]
        if self.general_model not in names:
            raise ValueError(f"general_model {self.general_model!r} is not among models {names}")
        return self


class Health(Section):
    """How often the health unit looks, and when it believes what it sees."""

    interval_seconds: Seconds = 0.2
    model_interval_seconds: Seconds = 1.0
    probe_interval_seconds: Seconds = 10.0
    probe_timeout_seconds: Seconds = 2.0
    probe_patience_seconds: Seconds = 30.0
    load_timeout_seconds: Seconds = 300.0
    conversation_seconds: Seconds = 300.0
    stall_seconds: Seconds = 0.25
    recover_looks: Positive = 3
    recover_looks_max: Positive = 150
    relapse_seconds: Seconds = 600.0
    peer_interval_seconds: Seconds = 0.2
    peer_stale_seconds: Seconds = 1.0
    disk_free_mib_min: Annotated[int, Field(ge=0)] = 256

    @model_validator(mode="after")
    def _peer_may_be_late_once(self) -> Self:
        if self.peer_stale_seconds < 2 * self.peer_interval_seconds:
            raise ValueError("peer_stale_seconds has to be at least twice peer_interval_seconds")
        return self


class RocketChat(Section):
    """The chat server, and how the assistant behaves there; its token is a credential."""

    url: HttpUrl
    bot_username: Name = "heyken_bot"
    system_channel: Name = "heyken-system"
    logs_channel: Name = "heyken-logs"
    digest_seconds: Seconds = 600.0
    edit_seconds: Seconds = 1.0
    look_back_seconds: Seconds = 3600.0
    answers_max: Positive = 4
    queue_max: Positive = 200


class Redis(Section):
    """The cores' stores of answers in flight: each at its core's address, the own on loopback."""

    port: Port = 6379
    user: Name = "heyken"
    timeout_seconds: Seconds = 0.1


class Etcd(Section):
    """The members that keep epoch and lease; a lease lives so long without its holder."""

    endpoints: Annotated[tuple[HttpUrl, ...], Field(min_length=1)]
    lease_seconds: Annotated[int, Field(ge=2, le=60)] = 5


class Spool(Section):
    """Where events wait; the limit holds for all units of the host together."""

    directory: Path = Path("/var/spool/heyken")
    limit_mib: Positive = 64


class Drills(Section):
    """What drills may cost, and for how long one proves something."""

    proof_days_max: Annotated[float, Field(gt=0, le=366, allow_inf_nan=False)] = 7.0
    rto_seconds_max: Seconds = 5.0
    history_max: Annotated[int, Field(ge=1, le=500)] = 100


class Paths(Section):
    """Parents of each unit's runtime and state directory."""

    runtime_directory: Path = Path("/run/heyken")
    state_directory: Path = Path("/var/lib/heyken")


class Settings(Section):
    """Everything in one host's `heyken.toml`."""

    deployment: Deployment
    host: Host
    peers: tuple[Peer, ...] = ()
    vip: Vip | None = None
    tls: Tls = Tls()
    gateway: Gateway | None = None
    ollama: Ollama | None = None
    health: Health | None = None
    redis: Redis | None = None
    etcd: Etcd | None = None
    rocketchat: RocketChat | None = None
    spool: Spool = Spool()
    drills: Drills = Drills()
    paths: Paths = Paths()

    @model_validator(mode="after")
    def _hosts_differ(self) -> Self:
        members: tuple[Host | Peer, ...] = (self.host, *self.peers)
        for key in ("name", "address", "core_id"):
            values = [v for v in (getattr(member, key) for member in members) if v is not None]
            if len(set(values)) != len(values):
                raise ValueError(f"host and peers have to differ in {key}, got {values}")
        return self


def load(path: Path) -> Settings:
    """Read and check a settings file; ConfigError names every problem at once."""
    hint = "Correct the input of role glue and deploy again"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise errors.ConfigError(
            f"Cannot read the settings: {error.strerror}", against=str(path), hint=hint
        ) from error
    except ValueError as error:
        raise errors.ConfigError(
            f"The settings are no valid TOML: {error}", against=str(path), hint=hint
        ) from error
    try:
        # By way of JSON: strictly checked JSON may give tuples and paths, Python values may not
        return Settings.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        problems = tuple(_explain(problem) for problem in error.errors())
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        raise errors.ConfigError(
            f"The settings have {count}", against=str(path), hint=hint, problems=problems
        ) from error


def section(value: T | None, name: str) -> T:
    """Return a section that a unit cannot do without, or say which one is missing."""
    if value is None:
        raise errors.ConfigError(
            f"The settings have no {name}",
            against=str(DEFAULT_FILE),
            hint="This unit runs on hosts that have it: add it, or disable the unit on this host",
        )
    return value


def _explain(problem: ErrorDetails) -> str:
    location = problem["loc"]
    where = ".".join(str(part) for part in location) or "the file"
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), _known_keys(location[:-1]), n=1)
        return f"{where}: unknown key" + (f"; did you mean {close[0]!r}?" if close else "")
    if problem["type"] == "missing":
        return f"{where}: missing, and it has no default"
    message = problem["msg"].removeprefix("Value error, ")
    value = problem["input"]
    return f"{where}: {message}" + ("" if isinstance(value, dict) else f", got {value!r}")


_SECTION_OF_KEY: Mapping[str, type[Section]] = {
    **{model.__name__.lower(): model for model in Section.__subclasses__()},
    "peers": Peer,
    "models": OllamaModel,
}


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    names = [part for part in location if isinstance(part, str)]
    return list(_SECTION_OF_KEY[names[-1]].model_fields if names else Settings.model_fields)
