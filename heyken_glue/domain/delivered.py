"""What a reader of an answer got, as the reader itself tells whoever goes on with the answer."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass

HEADER = "Heyken-Delivered"
TOKENS_MAX = 64
# of the header's value; a whole head may have twice as many
BYTES_MAX = 8192


@dataclass(frozen=True)
class Delivered:
    """The texts of the newest tokens that a reader has; the last one is token `number` (from 1)."""

    number: int
    texts: tuple[str, ...]

    def beyond(self, stored: Sequence[str]) -> tuple[str, ...]:
        """Return the tokens that follow the stored ones; none if the two do not fit together.

        They fit when no token is missing in between and those that both have are equal.
        """
        first = self.number - len(self.texts)  # so many tokens came before these
        if not 0 <= first <= len(stored) < self.number:
            return ()
        known = len(stored) - first
        return self.texts[known:] if self.texts[:known] == tuple(stored[first:]) else ()


def encoded(texts: Sequence[str]) -> str:
    """Return the header's value for all tokens of a reader: of the newest, as many as it holds.

    Empty if it does not even hold the newest one.
    """
    for count in range(min(TOKENS_MAX, len(texts)), 0, -1):
        content = json.dumps(list(texts[-count:]), ensure_ascii=False, separators=(",", ":"))
        value = base64.urlsafe_b64encode(content.encode(errors="replace")).decode().rstrip("=")
        if len(value) <= BYTES_MAX:
            return value
    return ""


def decoded(value: str) -> tuple[str, ...]:
    """Return the texts in the header's value, none if it is too long or they are too many.

    Raises ValueError when it is not what `encoded` makes.
    """
    if len(value) > BYTES_MAX:
        return ()
    try:
        content = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        texts = json.loads(content.decode("utf-8"))
    except (binascii.Error, RecursionError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("it is no list of texts")
    for text in texts:
        text.encode("utf-8")  # half a pair of surrogates, escaped, is no text
    return tuple(texts) if len(texts) <= TOKENS_MAX else ()
