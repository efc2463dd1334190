"""Recipe files: TOML in, validated settings out, and every mistake named by file, line and key.

A room describes its settings as a pydantic model that derives from `Settings`; `load` reads a recipe file into it,
with `--set a.b=c` overrides from the command line applied on top.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from gnomon.errors import UserError


class Settings(pydantic.BaseModel):
    """Base of every recipe's settings: frozen, and unknown keys are errors."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), validate_default=True)


S = TypeVar("S", bound=Settings)


def load(
    model: type[S],
    path: str | Path | None,
    overrides: Sequence[str] = (),
    *,
    base: str | Path | None = None,
    given: dict[str, Any] | None = None,
) -> S:
    """Read the recipe at `path` with `overrides` (`a.b=c`, values in TOML) and validate it as `model`.

    A recipe with `extends = "other.toml"` (relative to itself) is laid over that one, table by table; `base` takes that
    file's place. `given` are settings from a command's own options, which count more than the file's; where they say
    everything there need be no file. Raises UserError naming file, line and key for anything that is not as `model`
    says.
    """
    values, texts = ({}, []) if path is None else _read(Path(path), None if base is None else Path(base), ())
    values = apply_overrides(_merge(values, given or {}), overrides)
    return validate(model, values, texts=texts, overrides=overrides, given=given)


def _read(file: Path, base: Path | None, seen: tuple[Path, ...]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """A recipe's values over those it extends, and the texts they come from, its own first."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        reason = "is a folder" if file.is_dir() else "could not be read"
        if not file.exists():
            reason = "does not exist"
        raise UserError(f"The recipe {str(file)!r} {reason}; the path of a TOML file is expected.") from fault
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise UserError(f"{file}: this is not valid TOML: {fault}.") from fault
    extended = values.pop("extends", None)
    if extended is None:
        if base is not None:
            raise UserError(f"{file} extends no other recipe, so none can take its place.")
        return values, [(str(file), text)]
    other = base if base is not None else file.parent / str(extended)
    if file in seen:
        raise UserError(f"{file}: extends = {extended!r} leads back to itself.")
    below, texts = _read(other, None, (*seen, file))
    return _merge(below, values), [(str(file), text), *texts]


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def apply_overrides(values: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A copy of `values` with each `a.b=c` set. What reads as TOML is that value; other text is itself."""
    result: dict[str, Any] = _copy(values)
    for override in overrides:
        key, separator, raw = override.partition("=")
        parts = key.strip().split(".")
        if not separator or not all(parts):
            raise UserError(f"--set {override}: expected key=value, as in --set train.steps=200.")
        table = result
        for part in parts[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise UserError(f"--set {override}: {part!r} is a value, not a table, so nothing can be set below it.")
        table[parts[-1]] = _parse_value(raw.strip())
    return result


def validate(
    model: type[S],
    values: dict[str, Any],
    *,
    source: str = "settings",
    texts: Sequence[tuple[str, str]] = (),
    overrides: Sequence[str] = (),
    given: dict[str, Any] | None = None,
) -> S:
    """`values` as `model`; the first mistake is raised as a UserError that says where it stands.

    `texts` are the files the values come from, as (name, text); what is set in an earlier one counts. What `given`
    holds comes from no file.
    """
    try:
        return model.model_validate(values)
    except pydantic.ValidationError as fault:
        error = fault.errors(include_url=False)[0]
        location = [str(part) for part in error["loc"] if not str(part).startswith("function-")]
        raise UserError(_explain(model, error, location, texts or [(source, "")], overrides, given or {})) from fault


def _explain(
    model: type[Settings],
    error: Any,
    location: list[str],
    texts: Sequence[tuple[str, str]],
    overrides: Sequence[str],
    given: dict[str, Any],
) -> str:
    key = ".".join(location)
    source, text = max(texts, key=lambda named: _depth(named[1], location))
    if any(override.split("=")[0].strip() == key for override in overrides):
        where = f"--set {key}"
    elif location and _holds(given, location):
        where = key
    else:
        line = line_of(text, location)
        where = f"{source}:{line}: {key}" if line else f"{source}: {key}" if key else source
    kind = error["type"]
    if kind == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        near = difflib.get_close_matches(location[-1], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "known keys here are " + ", ".join(sorted(known)) + "."
        return f"{where} is not a known key; {hint}"
    if kind == "missing":
        return f"{where} is missing; it must be given."
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "value_error":
        return f"{where}: {message}" if key else f"{source}: {message}"
    return f"{where} = {error['input']!r}, but it should be {message}."


def _holds(values: Any, location: Sequence[str]) -> bool:
    for part in location:
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


def _keys_at(model: type[Settings], path: list[str]) -> list[str]:
    current: Any = model
    for part in path:
        annotation = current.model_fields[part].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        current = next((o for o in options if isinstance(o, type) and issubclass(o, pydantic.BaseModel)), None)
        if current is None:
            return []
    return list(current.model_fields)


def line_of(text: str, location: Sequence[str]) -> int | None:
    """The line (from 1) of a TOML text on which the key at `location` is set, its table's line failing that."""
    return _nearest(text, location)[1]


def _depth(text: str, location: Sequence[str]) -> int:
    return _nearest(text, location)[0]


def _nearest(text: str, location: Sequence[str]) -> tuple[int, int | None]:
    """How many parts of the key at `location` are found in a TOML text, and the line of the last of them."""
    table: list[str] = []
    best: tuple[int, int | None] = (0, None)
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?", line):
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            here = table
        elif assignment := re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", line):
            here = [*table, *(part.strip("\"'") for part in assignment[1].split("."))]
        else:
            continue
        if here == list(location[: len(here)]) and len(here) > best[0]:
            best = (len(here), number)
    return best


def _parse_value(raw: str) -> Any:
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw


def _copy(value: Any) -> Any:
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, dict) else value
