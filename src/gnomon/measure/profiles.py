"""A use case: what a system is told before each item, and the groups it serves, with an instrument's coverage of them.

A profile is a TOML file. It wraps any instrument, and it is part of a run's identity: figures of one system under two
profiles are figures of two systems.

    name = "clinic intake"
    system_prompt = "You help patients describe their symptoms before a visit."
    persona = "An adult patient who writes on a phone."
    locale = "en-CA"
    groups = { Age = 3, Religion = 1 }        # their weights, or a list: ["Age", "Religion"]
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pydantic

from gnomon import config
from gnomon.errors import UserError
from gnomon.measure.instrument import Instrument
from gnomon.measure.representation import representation_ratio
from gnomon.measure.scoring import clusters_of

NAMING = ("groups", "stereotyped_groups")
"""Columns of items that list the groups an item is about, in the families that have them."""


class Profile(config.Settings):
    """A use case.

    `system_prompt`: what the deployed system is told. `persona`: who asks. `locale`: language and region, as "en-CA".
    `groups`: the groups that the use case concerns, with the weight of each (a list gives equal weights). `notes`: for
    the reader only, never shown to a system.
    """

    name: str
    system_prompt: str = ""
    persona: str = ""
    locale: str = ""
    groups: dict[str, float] = pydantic.Field(default_factory=dict)
    notes: str = ""

    @pydantic.field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("a profile needs a name that is not blank.")
        return name

    @pydantic.field_validator("groups", mode="before")
    @classmethod
    def _weighed(cls, groups: Any) -> Any:
        if not isinstance(groups, list):
            return groups
        if len(set(map(str, groups))) < len(groups):
            raise ValueError("a group is listed twice; each is listed once.")
        return {str(group): 1.0 for group in groups}

    @pydantic.field_validator("groups")
    @classmethod
    def _usable(cls, groups: dict[str, float]) -> dict[str, float]:
        _check_groups(groups)
        return groups

    @property
    def system(self) -> str:
        """What a system is told before an item, apart from the item; empty where the profile says nothing to it."""
        parts = (
            self.system_prompt.strip(),
            f"Who is asking: {self.persona.strip()}" if self.persona.strip() else "",
            f"Answer for this language and region: {self.locale.strip()}" if self.locale.strip() else "",
        )
        return "\n\n".join(part for part in parts if part)

    def wrap(self, text: str) -> str:
        """An item's `text` as one prompt below `system`, for models that know no system message."""
        return f"{self.system}\n\n{text}" if self.system else text


def load_profile(path: str | Path) -> Profile:
    """Read a profile. Raises a UserError that names file, line and key for anything that is not one."""
    if not Path(path).is_file():
        raise UserError(f"load_profile: path = {str(path)!r} is not a file; the TOML file of a profile is expected.")
    return config.load(Profile, path)


def coverage(
    ins: Instrument, groups: Profile | Mapping[str, float] | Sequence[str], *, level: float = 0.95, seed: int = 0
) -> pl.DataFrame:
    """How an instrument's items spread over the groups of a use case: their representation ratio.

    `groups` maps each group of the use case to its weight (a list: equal weights), or is a profile that does. An item
    asks about its `category` and about the groups it names; names are compared without regard to case, and "_" and "-"
    are spaces. The ratio is n_g / n over the items that ask about any group of the use case, against the group's share
    of the weights; its interval resamples the instrument's independent units (templates, pairs), not its items.

    One row a group, in the order given: `group, n, share, target_share, rr, low, high, bin, flag`; `flag` is "under",
    "over", "none", or "absent" where no item asks about the group. Raises a UserError for no groups, a group twice, or
    a weight that is not above 0.
    """
    wanted = _wanted(groups)
    keys = [group_key(group) for group in wanted]
    asked = (
        _asked(ins)
        .filter(pl.col("key").is_in(keys))
        .with_columns(pl.col("key").replace_strict(keys, list(wanted), return_dtype=pl.String).alias("group"))
    )
    target = pl.DataFrame({"group": list(wanted), "n": list(wanted.values())})
    if asked.is_empty():
        share = pl.col("n") / pl.col("n").sum()
        nothing = [pl.lit(None, pl.Float64).alias(name) for name in ("share", "rr", "low", "high")]
        frame = target.with_columns(share.alias("target_share"), *nothing, pl.lit("undefined").alias("bin"))
        frame = frame.with_columns(n=pl.lit(0, pl.Int64), flag=pl.lit("none"))
    else:
        found = representation_ratio(asked, target, ["group"], cluster="cluster", level=level, seed=seed)
        frame = found.frame.rename({"sample_share": "share"})
    absent = pl.when(pl.col("n") == 0).then(pl.lit("absent")).otherwise(pl.col("flag"))
    columns = ["group", "n", "share", "target_share", "rr", "low", "high", "bin"]
    return frame.select(*columns, absent.alias("flag"))


def group_key(group: str) -> str:
    """A group's name as it is matched: without regard to case, "_" and "-" read as spaces."""
    return " ".join(group.casefold().replace("_", " ").replace("-", " ").split())


def _asked(ins: Instrument) -> pl.DataFrame:
    """One row for each group that an item asks about: `key` and `cluster`, the independent unit that the item is of."""
    items = ins.items.with_columns(cluster=pl.Series(clusters_of(ins.items, ins.rule.cluster)))
    named = [items.select("item_id", "cluster", group="category")]
    named += [
        items.select("item_id", "cluster", group=column).explode("group")
        for column in NAMING
        if column in items.columns
    ]
    keyed = pl.concat(named).drop_nulls("group")
    spelt = keyed["group"].unique().to_list()
    keys = pl.col("group").replace_strict(spelt, [group_key(group) for group in spelt], return_dtype=pl.String)
    return keyed.select("item_id", "cluster", key=keys).unique().sort("item_id", "key").drop("item_id")


def _wanted(groups: Profile | Mapping[str, float] | Sequence[str]) -> dict[str, float]:
    """Each group of a use case with its weight."""
    if isinstance(groups, Profile):
        wanted, where = groups.groups, f"profile {groups.name!r}"
    elif isinstance(groups, Mapping):
        wanted, where = dict(groups), "groups"
    else:
        listed = [groups] if isinstance(groups, str) else list(groups)
        if len(set(listed)) < len(listed):
            raise UserError("coverage: groups lists a group twice; each is listed once.")
        wanted, where = dict.fromkeys(listed, 1.0), "groups"
    if not wanted:
        raise UserError(f"coverage: {where} names no groups; the groups that the use case concerns are expected.")
    try:
        _check_groups(wanted)
    except ValueError as fault:
        raise UserError(f"coverage: {where}: {fault}") from fault
    return wanted


def _check_groups(groups: Mapping[str, float]) -> None:
    """Raise ValueError for a blank name, one name in two spellings, or a weight that is not above 0."""
    seen: dict[str, str] = {}
    for group, weight in groups.items():
        if not isinstance(group, str) or not group.strip():
            raise ValueError(f"the group {group!r} has no name.")
        if group_key(group) in seen:
            raise ValueError(f"the groups {seen[group_key(group)]!r} and {group!r} are one group; each is named once.")
        seen[group_key(group)] = group
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise ValueError(f"the weight of group {group!r} is {weight!r}; a number above 0 is expected.")
