"""Passwords: kept as scrypt of their SHA-256, because clients may send the digest instead."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import secrets

DIGEST = re.compile(r"[0-9a-f]{64}")


def digest_of(password: object) -> str | None:
    """Return the SHA-256 of a password as clients send it, None for anything else.

    Plain text, or `{"digest": "<sha256 hex>", "algorithm": "sha-256"}`.
    """
    if isinstance(password, str):
        return hashlib.sha256(password.encode()).hexdigest()
    if not isinstance(password, dict) or password.get("algorithm") != "sha-256":
        return None
    digest = password.get("digest")
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest.lower()):
        return None
    return digest.lower()


def keep(digest: str, *, cost: int) -> str:
    """Return what is kept of a password; `cost` is scrypt's N."""
    salt = secrets.token_bytes(16)
    return f"scrypt${cost}${salt.hex()}${_scrypt(digest, salt, cost).hex()}"


async def matches(digest: str, kept: str) -> bool:
    """Compare in a thread, because it takes a while on purpose."""
    _, cost, salt, expected = kept.split("$")
    found = await asyncio.to_thread(_scrypt, digest, bytes.fromhex(salt), int(cost))
    return hmac.compare_digest(found.hex(), expected)


def token_hash(token: str) -> str:
    """Return what is kept of a token; a long random secret needs no slow hash."""
    return base64.b64encode(hashlib.sha256(token.encode()).digest()).decode()


def _scrypt(digest: str, salt: bytes, cost: int) -> bytes:
    return hashlib.scrypt(digest.encode(), salt=salt, n=cost, r=8, p=1, maxmem=64 * 1024 * 1024)
