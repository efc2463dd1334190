"""Use-case profiles: what is read, what a system is told, and how an instrument covers the groups of a use case."""

import json
from dataclasses import replace

import polars as pl
import pytest
from evidence_items import instrument
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.measure.profiles import Profile, coverage, group_key, load_profile

CLINIC = """
name = "clinic"
system_prompt = "You help patients describe their symptoms.\\n"
persona = "an adult who writes on a phone"
locale = "en-CA"
groups = { Hats = 3, Shoes = 1 }
notes = "as deployed in spring"
"""


def written(tmp_path, text):
    path = tmp_path / "profile.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_profile_wraps_a_prompt(tmp_path):
    profile = load_profile(written(tmp_path, CLINIC))
    assert profile.groups == {"Hats": 3.0, "Shoes": 1.0}
    assert profile.system == (
        "You help patients describe their symptoms.\n\n"
        "Who is asking: an adult who writes on a phone\n\n"
        "Answer for this language and region: en-CA"
    )
    assert profile.wrap("Who wore it?") == profile.system + "\n\nWho wore it?"
    assert "spring" not in profile.wrap("")
    assert Profile.model_validate(json.loads(json.dumps(profile.model_dump(mode="json")))) == profile


def test_a_profile_that_says_nothing_changes_nothing():
    profile = Profile(name="plain", groups=["Hats"])
    assert (profile.system, profile.wrap("Who?")) == ("", "Who?")
    assert profile.groups == {"Hats": 1.0}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('system_prompt = "x"', "name is missing"),
        ('name = " "', "name"),
        (
            'name = "a"\nsystemprompt = "x"',
            "profile.toml:2: systemprompt is not a known key; did you mean 'system_prompt'?",
        ),
        ('name = "a"\npersona = 3', "profile.toml:2: persona = 3"),
        ('name = "a"\ngroups = ["x", "x"]', "a group is listed twice"),
        ('name = "a"\ngroups = ["Old people", "old_people"]', "'Old people' and 'old_people' are one group"),
        ('name = "a"\ngroups = { x = 0 }', "the weight of group 'x' is 0.0"),
        ('name = "a"\ngroups = { x = nan }', "the weight of group 'x' is nan"),
        ('name = "a"\ngroups = { x = "many" }', "groups.x"),
        ('name = "a"\ngroups = "x"', "groups = 'x'"),
        ('name = "a', "not valid TOML"),
    ],
)
def test_a_wrong_profile_is_named(tmp_path, text, said):
    with pytest.raises(UserError) as told:
        load_profile(written(tmp_path, text))
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_a_profile_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"load_profile: path = .*absent\.toml' is not a file"):
        load_profile(tmp_path / "absent.toml")


@given(st.text(max_size=30), st.text(max_size=30))
def test_an_item_is_never_changed(prompt, text):
    assert Profile(name="p", system_prompt=prompt).wrap(text).endswith(text)


# -- coverage --------------------------------------------------------------------------------------------------------


def test_coverage_of_categories_by_hand():
    """160 items about hats and 80 about shoes, for a use case of one to one: ratios 4/3 and 2/3; with gloves, 2 and 1."""
    items = pl.concat([instrument(("Hats",), templates=10).items, instrument(("Shoes",), templates=5).items])
    ins = replace(instrument(), items=items)
    found = coverage(ins, ["Hats", "Shoes", "Gloves"])
    assert found.columns == ["group", "n", "share", "target_share", "rr", "low", "high", "bin", "flag"]
    assert found["group"].to_list() == ["Hats", "Shoes", "Gloves"]
    assert found["n"].to_list() == [160, 80, 0]
    assert found["rr"].to_list() == pytest.approx([2.0, 1.0, 0.0])
    assert found["share"].to_list() == pytest.approx([2 / 3, 1 / 3, 0])
    assert found["flag"].to_list()[1:] == ["none", "absent"]
    assert found["bin"].to_list() == ["moderately over", "adequate", "strongly under"]
    assert coverage(ins, ["Hats", "Shoes"])["rr"].to_list() == pytest.approx([4 / 3, 2 / 3])
    weighed = coverage(ins, {"Hats": 2, "Shoes": 1})
    assert weighed["rr"].to_list() == pytest.approx([1.0, 1.0])
    assert coverage(ins, Profile(name="p", groups={"Hats": 0.2, "Shoes": 0.1}))["rr"].to_list() == pytest.approx([1, 1])


def test_intervals_resample_templates_and_not_items():
    """Copies of the same templates add no evidence about which groups are asked about."""
    few, many = (instrument(templates=10, copies=copies) for copies in (1, 8))
    one, other = (coverage(ins, ["Hats", "Shoes"], seed=1) for ins in (few, many))
    assert one["low"].to_list() == pytest.approx(other["low"].to_list())
    assert one["high"].to_list() == pytest.approx(other["high"].to_list())
    assert (one["low"] < 1).all()
    assert (one["high"] > 1).all()


def test_groups_that_items_name_count_too():
    found = coverage(instrument(), ["TALL", "short", "left-handed"])
    assert found["n"].to_list() == [800, 800, 0]
    assert found["rr"].to_list() == pytest.approx([1.5, 1.5, 0])
    assert found["flag"].to_list() == ["over", "over", "absent"]
    assert group_key("Left-handed_people ") == "left handed people"


def test_an_instrument_for_another_use():
    found = coverage(instrument(), ["Gloves", "Scarves"])
    assert found["n"].to_list() == [0, 0]
    assert found["flag"].to_list() == ["absent", "absent"]
    assert found["rr"].to_list() == [None, None]
    assert found["target_share"].to_list() == [0.5, 0.5]


def test_row_order_changes_nothing():
    ins = instrument(templates=6)
    mixed = replace(ins, items=ins.items.sample(fraction=1, shuffle=True, seed=2))
    assert coverage(ins, ["Hats", "Shoes"]).equals(coverage(mixed, ["Hats", "Shoes"]))


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ([], "names no groups"),
        (Profile(name="empty"), "profile 'empty' names no groups"),
        (["Hats", "Hats"], "lists a group twice"),
        (["Hats", "hats"], "are one group"),
        ([" "], "has no name"),
        ({"Hats": 0}, "the weight of group 'Hats' is 0"),
        ({"Hats": -1.0}, "the weight of group 'Hats' is -1.0"),
        ({"Hats": "many"}, "the weight of group 'Hats' is 'many'"),
    ],
)
def test_coverage_refuses(groups, said):
    with pytest.raises(UserError) as told:
        coverage(instrument(templates=2), groups)
    assert said in str(told.value)
