"""What Ollama says, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StoredModel:
    """A model on disk; `digest` is the SHA-256 of its manifest in hex."""

    name: str
    digest: str


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory; sizes in bytes, `vram_bytes` 0 means that it runs on the CPU."""

    name: str
    digest: str
    size_bytes: int
    vram_bytes: int


@dataclass(frozen=True)
class ChatMessage:
    """One turn of a conversation; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Timeouts:
    """Seconds to wait for the first token, and between one token and the next."""

    first_token: float
    gap: float
