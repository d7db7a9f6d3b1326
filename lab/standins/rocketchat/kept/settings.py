"""Settings: defaults, what the environment says of them, and what people change."""

from __future__ import annotations

from collections.abc import Mapping

from lab.standins.rocketchat import ejson
from lab.standins.rocketchat.kept.setting_table import TABLE, Definition, SettingValue
from lab.standins.rocketchat.kept.store import Store, new_id

OVERWRITE = "OVERWRITE_SETTING_"


class Settings:
    """All settings; the values that were ever set lie in the store.

    `<SettingId>` in the environment is a default for the first start, `OVERWRITE_SETTING_<id>`
    is forced at every start. An id that this server does not know is kept when the environment
    overwrites it, so that it can be read back; it has no effect.
    """

    def __init__(self, store: Store, environment: Mapping[str, str]) -> None:
        self._store = store
        self._definitions = dict(TABLE)
        rows = store.all("SELECT id, value FROM settings")
        self._values: dict[str, SettingValue] = {row[0]: ejson.decode(row[1]) for row in rows}
        with store.transaction():
            self._read(environment, first_start=not rows)

    def __contains__(self, name: object) -> bool:
        return name in self._definitions

    def names(self, *, public: bool) -> list[str]:
        """Return the names of all settings, or of those that strangers may read."""
        return sorted(name for name, it in self._definitions.items() if it.public or not public)

    def is_public(self, name: str) -> bool:
        """Tell whether strangers may read a setting."""
        return name in self._definitions and self._definitions[name].public

    def value(self, name: str) -> SettingValue:
        """Return the value of a setting that exists."""
        return self._values.get(name, self._definitions[name].default)

    def text(self, name: str) -> str:
        """Return a setting that is a text."""
        return str(self.value(name))

    def number(self, name: str) -> int:
        """Return a setting that is a number."""
        return int(self.value(name))

    def flag(self, name: str) -> bool:
        """Return a setting that is a truth value."""
        return bool(self.value(name))

    def words(self, name: str) -> list[str]:
        """Return a setting that is a comma list."""
        return [word.strip() for word in self.text(name).split(",") if word.strip()]

    def why_not(self, name: str, value: object) -> str | None:
        """Return why a setting cannot have a value, or None."""
        default = self._definitions[name].default
        if isinstance(default, bool) or isinstance(value, bool):
            fits = isinstance(default, bool) and isinstance(value, bool)
        else:
            fits = isinstance(value, type(default))
        return None if fits else "Invalid setting value"

    def put(self, name: str, value: SettingValue) -> None:
        """Set a setting that exists."""
        self._values[name] = value
        self._store.write(
            "INSERT INTO settings (id, value) VALUES (?, ?) "
            "ON CONFLICT (id) DO UPDATE SET value = excluded.value",
            (name, ejson.encode(value)),
        )

    def _read(self, environment: Mapping[str, str], *, first_start: bool) -> None:
        if first_start:
            self.put("uniqueID", new_id())
            for name in TABLE.keys() & environment.keys():
                self.put(name, _cast(environment[name], TABLE[name].default))
        if "ROOT_URL" in environment:
            self.put("Site_Url", environment["ROOT_URL"].rstrip("/"))
        for key, text in environment.items():
            if key.startswith(OVERWRITE):
                name = key.removeprefix(OVERWRITE)
                self._definitions.setdefault(name, Definition(""))
                self.put(name, _cast(text, self._definitions[name].default))


def _cast(text: str, like: SettingValue) -> SettingValue:
    """Return an environment variable as the setting's type; nonsense leaves the default."""
    if isinstance(like, bool):
        return text.lower() == "true"
    if isinstance(like, int):
        return int(text) if text.lstrip("-").isdecimal() else like
    return text
