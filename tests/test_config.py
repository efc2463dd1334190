"""Recipes: what is valid is read, and every mistake is named by file, line and key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.config import apply_overrides, line_of, load
from gnomon.errors import UserError
from gnomon.posttrain.recipe import Recipe

GOOD = """
name = "x"

[task]
name = "multiply"
digits = [3, 1]

[objective]
name = "trajectory_balance"
beta = 0.2
"""


def read(tmp_path, text, *overrides):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return load(Recipe, path, overrides)


def test_reads_settings_and_task_settings(tmp_path):
    recipe = read(tmp_path, GOOD, "objective.beta=0.5", "task.digits=[2,1]", "model.kind=encoder_decoder")
    assert recipe.objective.beta == 0.5
    assert recipe.task.model_extra == {"digits": [2, 1]}
    assert recipe.model.kind == "encoder_decoder"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (GOOD.replace("beta = 0.2", "betta = 0.2"), ["recipe.toml:10", "objective.betta", "'beta'"]),
        (
            GOOD.replace("beta = 0.2", 'beta = "high"'),
            ["recipe.toml:10", "objective.beta", "'high'", "number"],
        ),
        (GOOD.replace("beta = 0.2", "beta = 0"), ["recipe.toml:10", "objective.beta", "greater than 0"]),
        (GOOD.replace("beta = 0.2", "beta = -1.5"), ["recipe.toml:10", "objective.beta = -1.5"]),
        (
            GOOD.replace('"trajectory_balance"', '"ppo"'),
            ["recipe.toml:9", "objective.name", "policy_gradient"],
        ),
        (GOOD + "\n[sampling]\nsamples = 1\n", ["recipe.toml:12", "samples = 1", "at least 2"]),
        (GOOD.replace("beta = 0.2", "beta = = 2"), ["recipe.toml", "TOML", "line 10"]),
        (GOOD.replace("[task]", "[tusk]"), ["recipe.toml", "task"]),
        (
            GOOD + "\n[train]\nsync_every = 4\n[engine]\nmax_staleness = 1\n",
            ["recipe.toml:14", "max_staleness = 1", "4"],
        ),
        (
            GOOD + "\n[train]\nsync_every = 3\ncheckpoint_every = 50\n",
            ["engine", "multiple", "checkpoint_every"],
        ),
    ],
)
def test_mistakes_are_named(tmp_path, text, parts):
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    for part in parts:
        assert part in str(caught.value)


def test_groups_of_one_are_fine_without_a_group_baseline(tmp_path):
    text = GOOD.replace('"trajectory_balance"', '"policy_gradient"\nbaseline = "none"') + "[sampling]\nsamples = 1\n"
    assert read(tmp_path, text).sampling.samples == 1


def test_a_mistake_in_an_override_names_the_override(tmp_path):
    with pytest.raises(UserError, match=r"--set objective\.beta"):
        read(tmp_path, GOOD, "objective.beta=-1")
    with pytest.raises(UserError, match="key=value"):
        read(tmp_path, GOOD, "objective.beta")
    with pytest.raises(UserError, match="'name' is a value"):
        read(tmp_path, GOOD, "name.x=1")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load(Recipe, tmp_path / "no.toml")
    with pytest.raises(UserError, match="is a folder"):
        load(Recipe, tmp_path)


@given(st.integers(min_value=-(10**6), max_value=10**6) | st.floats(allow_nan=False, allow_infinity=False))
def test_override_numbers_round_trip(number):
    assert apply_overrides({"a": {"b": 0}}, [f"a.b={number!r}"]) == {"a": {"b": number}}


def test_overrides_leave_their_input_alone():
    values = {"a": {"b": 1}}
    apply_overrides(values, ["a.b=2"])
    assert values == {"a": {"b": 1}}


def test_line_of_falls_back_to_the_table():
    text = "x = 1\n[a]\n[a.b]\nc = 2\n"
    assert line_of(text, ["a", "b", "c"]) == 4
    assert line_of(text, ["a", "b", "missing"]) == 3
    assert line_of(text, ["nowhere"]) is None


# -- recipes that extend others ------------------------------------------------------------------------------------


def write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


def test_a_recipe_is_laid_over_the_one_it_extends_table_by_table(tmp_path):
    write(tmp_path, base=GOOD, arm='extends = "base.toml"\n[objective]\nbeta = 0.7\nlog_z = "log_mean_exp"\n')
    recipe = load(Recipe, tmp_path / "arm.toml")
    assert (recipe.name, recipe.objective.beta, recipe.objective.log_z) == ("x", 0.7, "log_mean_exp")
    assert recipe.task.model_extra == {"digits": [3, 1]}
    assert load(Recipe, tmp_path / "arm.toml", ["objective.beta=0.1"]).objective.beta == 0.1


def test_a_recipe_may_extend_one_that_extends(tmp_path):
    write(tmp_path, base=GOOD, middle='extends = "base.toml"\nname = "y"\n', top='extends = "middle.toml"\nseed = 4\n')
    recipe = load(Recipe, tmp_path / "top.toml")
    assert (recipe.name, recipe.seed, recipe.objective.beta) == ("y", 4, 0.2)


def test_another_base_may_stand_in(tmp_path):
    write(tmp_path, base=GOOD, other=GOOD.replace("[3, 1]", "[2, 2]"), arm='extends = "base.toml"\nseed = 1\n')
    assert load(Recipe, tmp_path / "arm.toml", base=tmp_path / "other.toml").task.model_extra == {"digits": [2, 2]}
    with pytest.raises(UserError, match="extends no other recipe"):
        load(Recipe, tmp_path / "base.toml", base=tmp_path / "other.toml")


@pytest.mark.parametrize(
    ("arm", "base", "words"),
    [
        ("[objective]\nbeta = -1\n", GOOD, ["arm.toml:3", "objective.beta = -1"]),
        ("seed = 1\n", GOOD.replace("beta = 0.2", "beta = -2"), ["base.toml:10", "objective.beta = -2"]),
        ("[objective]\nclip = 0.2\n", GOOD.replace("beta = 0.2", "betta = 1"), ["base.toml:10", "betta"]),
    ],
)
def test_a_mistake_is_named_in_the_file_it_stands_in(arm, base, words, tmp_path):
    write(tmp_path, base=base, arm='extends = "base.toml"\n' + arm)
    with pytest.raises(UserError) as caught:
        load(Recipe, tmp_path / "arm.toml")
    assert all(word in str(caught.value) for word in words), caught.value


def test_circles_and_missing_bases_are_refused(tmp_path):
    write(tmp_path, a='extends = "b.toml"\n', b='extends = "a.toml"\n', lone='extends = "gone.toml"\n')
    with pytest.raises(UserError, match="leads back to itself"):
        load(Recipe, tmp_path / "a.toml")
    with pytest.raises(UserError, match=r"gone\.toml.*does not exist"):
        load(Recipe, tmp_path / "lone.toml")


def test_a_commands_own_settings_count_more_than_the_files_and_need_none(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(GOOD)
    recipe = load(Recipe, path, ["objective.beta=0.9"], given={"name": "y", "objective": {"beta": 0.5}})
    assert (recipe.name, recipe.objective.beta, recipe.task.name) == ("y", 0.9, "multiply")
    assert load(Recipe, None, given={"task": {"name": "sort"}, "objective": {"name": "trajectory_balance"}}).name
    with pytest.raises(UserError) as caught:
        load(Recipe, path, given={"objective": {"beta": -1}})
    assert str(caught.value).startswith("objective.beta = -1, but it should be")  # not a line of the file
    with pytest.raises(UserError, match=r"^recipe.toml|recipe.toml:9"):
        load(Recipe, _with(path, GOOD.replace('"trajectory_balance"', '"ppo"')), given={"objective": {"beta": 1}})


def _with(path, text):
    path.write_text(text)
    return path
