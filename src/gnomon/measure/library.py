"""The library of instruments: their cards, and what a card must say before anything is measured with it.

A card is a TOML file that states what an instrument is meant to measure, how, of whom, for what use and until when, as
Harvey et al. ask for (Findings of ACL 2025, Understanding and Meeting Practitioner Needs When Measuring
Representational Harms Caused by LLM-Based Systems). Construct, systematization and operationalization are the levels
between a concept and a score of Adcock and Collier (2001, American Political Science Review 95:529). The cards of the
package lie beside this file in `cards`; a user's own are read from their path.
"""

import datetime
import difflib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl

from gnomon import data
from gnomon.config import line_of
from gnomon.errors import UserError

FAMILIES = ("bbq", "crows_pairs", "winobias")
"""Kinds of instrument that items can be read and scored for."""

DIRECTIONS = ("zero", "higher", "lower", "half")
"""Where a metric's best value lies: at zero, as high or as low as it goes, or at one half."""

REQUIRED = (
    "name",
    "construct",
    "systematization",
    "operationalization",
    "groups",
    "harm_types",
    "scope",
    "languages",
    "region",
    "licence",
    "provenance",
    "critiques",
    "intended_uses",
    "unsupported_uses",
    "valid_until",
)
TEXTS = ("name", "construct", "systematization", "operationalization", "scope", "region", "licence")
LISTS = ("groups", "harm_types", "languages", "critiques", "intended_uses", "unsupported_uses")
OPTIONAL = ("title", "family", "data", "share_alike", "content_warning", "checklist", "metrics")

_METRIC_FIELDS = ("null", "minimum", "maximum", "direction", "meaning")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Metric:
    """What a figure is read against: its value where there is no bias, its range, and where the best value lies.

    `direction` is one of "zero", "higher", "lower", "half"; `meaning` is one sentence for who has to act on it.
    """

    name: str
    null: float
    minimum: float
    maximum: float
    direction: str
    meaning: str


@dataclass(frozen=True)
class Card:
    """What an instrument is. Texts and lists of texts are for people; the rest is what Gnomon goes by.

    `provenance` holds `source`, `commit` where there is one, and `sha256`: one hash, or a table from file to hash, of
    the files as published. `family` says which rule reads and scores the items (None: nothing here does), `data` names
    the data sets of `gnomon.data` that hold them, `checklist` what a person has to judge because no rule can.
    """

    name: str
    construct: str
    systematization: str
    operationalization: str
    groups: tuple[str, ...]
    harm_types: tuple[str, ...]
    scope: str
    languages: tuple[str, ...]
    region: str
    licence: str
    provenance: Mapping[str, Any]
    critiques: tuple[str, ...]
    intended_uses: tuple[str, ...]
    unsupported_uses: tuple[str, ...]
    valid_until: datetime.date
    title: str = ""
    family: str | None = None
    data: tuple[str, ...] = ()
    share_alike: bool = False
    content_warning: str = ""
    checklist: tuple[str, ...] = ()
    metrics: Mapping[str, Metric] = field(default_factory=dict)


def list_instruments(licence: str | Sequence[str] | None = None) -> pl.DataFrame:
    """The instruments of the library, one a row, by name.

    Columns: name, title, construct, languages, region, licence, share_alike (whether the data must stay under their
    licence when passed on), valid_until, expired, family, metrics. `licence` keeps those under one licence, or one of a
    list, however it is written ("CC BY 4.0", "cc-by-4.0"); where there is none, the frame is empty.
    """
    allowed = (
        None if licence is None else {_plain(each) for each in ([licence] if isinstance(licence, str) else licence)}
    )
    cards = [card(name) for name in _names()]
    rows = [
        {
            "name": one.name,
            "title": one.title,
            "construct": one.construct,
            "languages": list(one.languages),
            "region": one.region,
            "licence": one.licence,
            "share_alike": one.share_alike,
            "valid_until": one.valid_until,
            "expired": one.valid_until < datetime.date.today(),
            "family": one.family,
            "metrics": list(one.metrics),
        }
        for one in cards
        if allowed is None or _plain(one.licence) in allowed
    ]
    schema: dict[str, Any] = {
        "name": pl.String,
        "title": pl.String,
        "construct": pl.String,
        "languages": pl.List(pl.String),
        "region": pl.String,
        "licence": pl.String,
        "share_alike": pl.Boolean,
        "valid_until": pl.Date,
        "expired": pl.Boolean,
        "family": pl.String,
        "metrics": pl.List(pl.String),
    }
    return pl.DataFrame(rows, schema=schema)


def card(name: str | Path) -> Card:
    """The card of an instrument of the library, or of the card file at a path (it ends in `.toml`).

    Raises UserError for a name that is unknown and for a card with an error that `lint_card` finds.
    """
    where, text, values = _read(name)
    for key, severity, message in _check(values):
        if severity == "error":
            line = line_of(text, key.split("."))
            at = f"{where}:{line}" if line else where
            raise UserError(f"{at}: {message}; gnomon measure card lint names everything that is wrong.")
    texts: dict[str, Any] = {key: _flow(values[key]) for key in TEXTS}
    lists: dict[str, Any] = {key: _as_list(values[key]) for key in LISTS}
    metrics = {
        key: Metric(
            key,
            float(metric["null"]),
            float(metric["minimum"]),
            float(metric["maximum"]),
            metric["direction"],
            _flow(metric["meaning"]),
        )
        for key, metric in values.get("metrics", {}).items()
    }
    return Card(
        **texts,
        **lists,
        provenance=values["provenance"],
        valid_until=_as_date(values["valid_until"]),
        title=_flow(values.get("title", values["name"])),
        family=values.get("family"),
        data=_as_list(values.get("data", [])),
        share_alike=values.get("share_alike", False),
        content_warning=_flow(values.get("content_warning", "")),
        checklist=_as_list(values.get("checklist", [])),
        metrics=metrics,
    )


def lint_card(path: str | Path) -> pl.DataFrame:
    """What is wrong with the card at `path` (or of that name in the library): a frame of field, severity, message.

    "error": a required field is missing or empty, or a value is not what it should be. "warning": the card has expired,
    or has a field that no card has. Nothing wrong: no rows. Raises UserError where there is no such file, and for one
    that is not TOML.
    """
    _, _, values = _read(path)
    schema = {"field": pl.String, "severity": pl.String, "message": pl.String}
    return pl.DataFrame(list(_check(values)), schema=schema, orient="row")


def _names() -> list[str]:
    return sorted(entry.name.removesuffix(".toml") for entry in _cards().iterdir() if entry.name.endswith(".toml"))


def _cards() -> Any:
    return files("gnomon.measure").joinpath("cards")


def _read(name: str | Path) -> tuple[str, str, dict[str, Any]]:
    """Where a card is, its text, and what it says."""
    if isinstance(name, str) and name in _names():
        where, raw = f"cards/{name}.toml", _cards().joinpath(f"{name}.toml").read_bytes()
    elif str(name).endswith(".toml") or Path(name).is_file():
        where = str(name)
        try:
            raw = Path(name).read_bytes()
        except OSError as fault:
            raise UserError(
                f"The card {where!r} cannot be read ({fault.strerror}); a TOML file is expected."
            ) from fault
    else:
        near = difflib.get_close_matches(str(name), _names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "or give the path of a card file, which ends in .toml."
        raise UserError(f"There is no instrument {str(name)!r} in the library; known are {', '.join(_names())}; {hint}")
    try:
        text = raw.decode("utf-8")
        return where, text, tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise UserError(f"{where}: this is not valid TOML: {fault}.") from fault


def _check(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Findings about a card's values, as (field, severity, message); required fields first."""
    for key in REQUIRED:
        if key not in values:
            yield key, "error", f"{key} is missing; every card states it"
        elif key in TEXTS and not _is_text(values[key]):
            yield key, "error", f"{key} = {_shown(values[key])}, but a text is expected"
        elif key in LISTS and not (_is_text(values[key]) or _is_texts(values[key])):
            yield key, "error", f"{key} = {_shown(values[key])}, but a list of one text or more is expected"
        elif key == "provenance":
            yield from _check_provenance(values[key])
        elif key == "valid_until":
            until = _as_date(values[key])
            if until is None:
                yield key, "error", f"valid_until = {_shown(values[key])}, but a date such as 2027-12-31 is expected"
            elif until < datetime.date.today():
                yield key, "warning", f"valid_until = {until}: the card has expired; review it and set a new date"
    if "family" in values and values["family"] not in FAMILIES:
        yield "family", "error", f"family = {_shown(values['family'])}, but one of {', '.join(FAMILIES)} is expected"
    for key in ("data", "checklist"):
        if key in values and not (values[key] == [] or _is_text(values[key]) or _is_texts(values[key])):
            yield key, "error", f"{key} = {_shown(values[key])}, but a list of texts is expected"
    for key in ("title", "content_warning"):
        if key in values and not isinstance(values[key], str):
            yield key, "error", f"{key} = {_shown(values[key])}, but a text is expected"
    for entry in (
        _as_list(values.get("data", [])) if _is_text(values.get("data")) or _is_texts(values.get("data")) else ()
    ):
        if entry not in data.FILES:
            yield "data", "error", f"data names {entry!r}, which is no data set of the registry (gnomon data list)"
    if "share_alike" in values and not isinstance(values["share_alike"], bool):
        yield "share_alike", "error", f"share_alike = {_shown(values['share_alike'])}, but true or false is expected"
    yield from _check_metrics(values.get("metrics", {}))
    known = (*REQUIRED, *OPTIONAL)
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            yield key, "warning", f"{key} is not a field of a card{hint}"


def _check_provenance(provenance: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(provenance, Mapping):
        yield "provenance", "error", f"provenance = {_shown(provenance)}, but a table of source and sha256 is expected"
        return
    if not _is_text(provenance.get("source")):
        yield "provenance.source", "error", "provenance.source is missing; it says where the items come from"
    hashes = provenance.get("sha256")
    if hashes is None or hashes == {}:
        yield "provenance.sha256", "error", "provenance.sha256 is missing; it holds the hash of every file of items"
        return
    named = hashes if isinstance(hashes, Mapping) else {"": hashes}
    for name, value in named.items():
        if not (isinstance(value, str) and _SHA256.fullmatch(value)):
            of = f" of {name!r}" if name else ""
            yield (
                "provenance.sha256",
                "error",
                f"provenance.sha256{of} = {_shown(value)}, but 64 hexadecimal digits are expected",
            )


def _check_metrics(metrics: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(metrics, Mapping):
        yield "metrics", "error", f"metrics = {_shown(metrics)}, but one table for every metric is expected"
        return
    for name, metric in metrics.items():
        at = f"metrics.{name}"
        if not isinstance(metric, Mapping):
            yield at, "error", f"{at} = {_shown(metric)}, but a table of {', '.join(_METRIC_FIELDS)} is expected"
            continue
        missing = [key for key in _METRIC_FIELDS if key not in metric]
        if missing:
            yield at, "error", f"{at} declares no {', '.join(missing)}; a number is not printed without them"
            continue
        wrong = [key for key in _METRIC_FIELDS[:3] if not _is_number(metric[key])]
        for key in wrong:
            yield f"{at}.{key}", "error", f"{at}.{key} = {_shown(metric[key])}, but a number is expected"
        if not wrong and not metric["minimum"] < metric["maximum"]:
            yield at, "error", f"{at} runs from {metric['minimum']} to {metric['maximum']}; minimum is below maximum"
        elif not wrong and not metric["minimum"] <= metric["null"] <= metric["maximum"]:
            yield at, "error", f"{at}.null = {metric['null']} lies outside {metric['minimum']} to {metric['maximum']}"
        if metric["direction"] not in DIRECTIONS:
            expected = ", ".join(DIRECTIONS)
            yield (
                f"{at}.direction",
                "error",
                f"{at}.direction = {_shown(metric['direction'])}, but one of {expected} is expected",
            )
        if not _is_text(metric["meaning"]):
            yield f"{at}.meaning", "error", f"{at}.meaning = {_shown(metric['meaning'])}, but a sentence is expected"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _as_list(value: Any) -> tuple[str, ...]:
    return tuple(_flow(each) for each in ([value] if isinstance(value, str) else value))


def _flow(text: str) -> str:
    """A text without the line breaks of the file that holds it."""
    return " ".join(text.split())


def _as_date(value: Any) -> Any:
    """A date from TOML's own, or from text as it writes one; None for anything else."""
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    try:
        return datetime.date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


def _plain(licence: str) -> str:
    return re.sub(r"[^a-z0-9]", "", licence.casefold())
