"""What people chose, in memory."""

from __future__ import annotations

from heyken_glue import errors


class FakeLanguages:
    """Keeps choices in memory, as both cores' etcd."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.away = False

    async def get(self, user_id: str) -> str | None:
        """Return a choice."""
        self._check()
        return self.kept.get(user_id)

    async def put(self, user_id: str, language: str) -> None:
        """Keep a choice."""
        self._check()
        self.kept[user_id] = language

    def _check(self) -> None:
        if self.away:
            raise errors.TransientError("etcd is away")
