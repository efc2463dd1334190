"""The providers that a writer has set up: a file of theirs without keys, and how one is opened."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gnomon.errors import UserError
from gnomon.models.chat import sendable
from gnomon.runs.files import to_json, write_atomic
from gnomon.story.intents.asked import IntentError, listed
from gnomon.story.providers import keys
from gnomon.story.providers.openai import OpenAI
from gnomon.story.providers.protocol import Provider
from gnomon.story.providers.replay import Replay
from gnomon.story.providers.runs import Runs

KINDS = ("openai", "runs", "replay")
_KNOWN = ("kind", "base_url", "model", "key", "timeout_s", "prices")


def settings_folder() -> Path:
    """GNOMON_CONFIG_DIR, or `gnomon` in the user's folder for settings."""
    given = os.environ.get("GNOMON_CONFIG_DIR")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "gnomon"


class Providers:
    """What `folder`/providers.json holds, by name. `base_url` is an address, a run's folder, or a recording's file."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = settings_folder() if folder is None else Path(folder)
        self._path = self.folder / "providers.json"

    def _read(self) -> dict[str, dict[str, Any]]:
        if not self._path.exists():
            return {}
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(name): dict(each) for name, each in stored.items()}
        except (ValueError, AttributeError, TypeError) as fault:
            raise UserError(f"{str(self._path)!r} holds no settings of providers: {fault}.") from fault

    def list(self) -> list[dict[str, Any]]:
        """`name`, `kind`, `base_url`, `model`, `has_key`, `timeout_s` of each; never a key."""
        builtin = {
            "name": "builtin",
            "kind": "builtin",
            "base_url": "",
            "model": "",
            "has_key": False,
            "timeout_s": 0.0,
        }
        return [
            builtin,
            *(
                {
                    "name": name,
                    "kind": each["kind"],
                    "base_url": each.get("base_url", ""),
                    "model": each.get("model", ""),
                    "has_key": bool(keys.find(name, self.folder)),
                    "timeout_s": each.get("timeout_s", 120.0),
                }
                for name, each in sorted(self._read().items())
            ),
        ]

    def put(self, name: str, settings: Mapping[str, Any]) -> None:
        """Set a provider up. `settings`: `kind`, `base_url`, `model`, and perhaps `key`, `timeout_s`, `prices`.

        Without `key`, one that is kept stays, unless the address changes: a key goes to the address it was given for.
        Without `prices`, those that are kept stay while address and model do; `prices` of None takes them away.
        Raises IntentError with `field` for what cannot be.
        """
        if not re.fullmatch(r"[\w-]{1,40}", name) or name == "builtin":
            raise IntentError("name", f"{name!r} is no name for a provider; letters, digits, - and _ are expected.")
        if unknown := sorted(set(settings) - set(_KNOWN)):
            raise IntentError(unknown[0], f"a provider has no such setting; {listed(_KNOWN)}.")
        kind = settings.get("kind")
        if kind not in KINDS:
            raise IntentError("kind", f"{kind!r} is no kind of provider; {listed(KINDS)}.")
        kept = {key: settings[key] for key in _KNOWN if key != "key" and settings.get(key) is not None}
        for key, shape in (("base_url", str), ("model", str), ("key", str), ("timeout_s", (int, float))):
            if settings.get(key) is not None and (
                not isinstance(settings[key], shape) or isinstance(settings[key], bool)
            ):
                raise IntentError(key, f"{type(settings[key]).__name__} is not what is expected here.")
        key = str(settings.get("key") or "")
        if not sendable(key):
            raise IntentError("key", "what was given holds spaces or characters that no key has.")
        if kind == "runs" and not Path(str(kept.get("base_url", ""))).expanduser().is_dir():
            raise IntentError("base_url", f"{kept.get('base_url', '')!r} is no folder of a run or a model.")
        stored = self._read()
        before = stored.get(name, {})
        if "prices" not in settings and "prices" in before and _same_model(before, kept):
            kept["prices"] = before["prices"]
        try:
            _opened(name, kept, key)
        except IntentError:
            raise
        except UserError as fault:
            field = str(fault).partition(":")[0]
            raise IntentError(field if field in _KNOWN else "base_url", str(fault).removeprefix(f"{field}: ")) from None
        if key:
            keys.keep(name, key, self.folder)
        elif before and before.get("base_url") != kept.get("base_url"):
            keys.forget(name, self.folder)
        self._write({**stored, name: kept})

    def delete(self, name: str) -> None:
        """Forget a provider and its key. Raises IntentError for an unknown one."""
        stored = self._read()
        if name not in stored:
            raise IntentError("provider", f"there is no provider {name!r}; {listed(stored)}.")
        keys.forget(name, self.folder)
        self._write({other: each for other, each in stored.items() if other != name})

    def _write(self, stored: Mapping[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, to_json(dict(stored)) + "\n")

    def open(self, name: str) -> Provider | None:
        """The provider, with its key; None for `builtin`. Raises IntentError for an unknown one."""
        if name == "builtin":
            return None
        stored = self._read()
        if name not in stored:
            raise IntentError("provider", f"there is no provider {name!r}; {listed(['builtin', *stored])}.")
        return _opened(name, stored[name], keys.find(name, self.folder))


def _same_model(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(key) == other.get(key) for key in ("kind", "base_url", "model"))


def _opened(name: str, settings: Mapping[str, Any], key: str) -> Provider:
    kind = settings["kind"]
    where = str(settings.get("base_url", ""))
    if kind == "runs":
        return Runs(where, name=name)
    if kind == "replay":
        return Replay(where, name=name)
    prices = settings.get("prices")
    if prices is not None:
        try:
            first, second = (float(each) for each in prices)
        except (TypeError, ValueError):
            raise IntentError("prices", f"{prices!r} is no pair of prices for a million tokens in and out.") from None
        prices = first, second
    return OpenAI(where, str(settings.get("model", "")), name, key, float(settings.get("timeout_s", 120.0)), prices)
