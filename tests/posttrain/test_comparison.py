"""Comparisons: arms that share a warm start, any number at a time, resumed, failed, and the page they end in."""

import json
import math
from pathlib import Path

import pytest
import tomli_w
from tiny import STAGED, tiny, values

from gnomon.errors import UserError
from gnomon.posttrain import stages
from gnomon.posttrain.comparison import compare_recipes, figures
from gnomon.runs import open_run, same_metrics
from gnomon.runs.progress import Progress
from gnomon.stats.intervals import mean

SHORT = {"train": {"steps": 4}, "warm_start": {"steps": 8}}


def write_recipes(folder):
    """Three arms on two attempts that extend one base: `arms` (SCoRe), `plain` (no stages), `single` (one attempt)."""
    (folder / "tasks").mkdir(parents=True)
    base = {key: value for key, value in values(**{**STAGED, **SHORT}).items() if key != "stages"}
    (folder / "tasks" / "base.toml").write_text(tomli_w.dumps(base))
    extends = 'extends = "tasks/base.toml"\n'
    (folder / "arms.toml").write_text(extends + 'about = "two stages"\n' + tomli_w.dumps({"stages": STAGED["stages"]}))
    (folder / "plain.toml").write_text(extends + 'about = "both attempts"\n')
    (folder / "single.toml").write_text(
        extends + "[attempts]\ntrained = 1\noffline_first_attempts = 0.0\n[sampling]\nbranches = 1\n"
    )
    return folder


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A comparison of two seeds, one arm at a time."""
    root = tmp_path_factory.mktemp("compared")
    folder = write_recipes(root / "arms")
    return folder, root / "out", compare_recipes(folder, seeds=2, out=root / "out", resume=False)


def test_figures_are_means_over_seeds_with_every_seed_beside(compared):
    _, out, result = compared
    assert set(result["recipes"]) == {"arms", "plain", "single"}
    assert result["failed"] == {}
    for name, found in result["recipes"].items():
        summaries = [json.loads((out / name / str(seed) / "summary.json").read_text()) for seed in range(2)]
        for figure in ("t1", "t2", "delta", "i_to_c", "c_to_i"):
            seeds = [summary["attempts_after"][figure]["value"] for summary in summaries]
            assert found[figure]["seeds"] == seeds
            expected = mean(seeds)
            assert (found[figure]["value"], found[figure]["low"]) == (expected.value, expected.low)
        assert found["delta"]["value"] == pytest.approx(found["i_to_c"]["value"] - found["c_to_i"]["value"])
    assert json.loads((out / "comparison.json").read_text()) == result


def test_the_arm_called_like_the_folder_is_set_against_the_others_seed_by_seed(compared):
    folder, _, result = compared
    assert result["against"] == folder.name == "arms"
    assert set(result["differences"]) == {"plain", "single"}
    own, other = (result["recipes"][name]["t2"]["seeds"] for name in ("arms", "plain"))
    expected = mean([a - b for a, b in zip(own, other, strict=True)])
    assert result["differences"]["plain"]["t2"]["value"] == pytest.approx(expected.value)
    assert result["differences"]["plain"]["t2"]["low"] == pytest.approx(expected.low)


def test_sharing_a_warm_start_changes_no_figure(compared, tmp_path):
    """`plain` and `single` took theirs over from `arms`; made alone, `plain` is the same run."""
    _, out, _ = compared
    staged = {key: value for key, value in STAGED.items() if key != "stages"}
    alone = stages.run_recipe(
        tiny(**staged, **SHORT, about="both attempts", seed=1), out=tmp_path / "alone", progress=Progress(quiet=True)
    )
    assert same_metrics(alone, open_run(out / "plain" / "1")) == []


def test_two_at_a_time_give_the_same_figures(compared, tmp_path):
    folder, _, result = compared
    parallel = compare_recipes(folder, seeds=1, out=tmp_path / "out", resume=False, jobs=2)
    for name, found in result["recipes"].items():
        other = parallel["recipes"][name]
        assert found.keys() == other.keys()
        for figure in found.keys() - {"cpu_seconds"}:
            assert other[figure]["seeds"] == found[figure]["seeds"][:1], figure


def test_finished_arms_are_kept_and_lost_ones_made_again(compared, tmp_path):
    folder, out, result = compared
    with pytest.raises(UserError, match="exists already"):
        compare_recipes(folder, seeds=2, out=out, resume=False)
    kept = out / "plain" / "0" / "summary.json"
    before = kept.stat().st_mtime_ns
    (out / "single" / "1" / "summary.json").unlink()  # as if it had been killed just before its end
    again = compare_recipes(folder, seeds=2, out=out, resume=True)
    assert kept.stat().st_mtime_ns == before
    assert again["recipes"]["single"]["t1"] == result["recipes"]["single"]["t1"]


def test_an_arm_that_fails_is_reported_and_the_others_go_on(tmp_path):
    folder = write_recipes(tmp_path / "arms")
    (folder / "broken.toml").write_text(
        'extends = "tasks/base.toml"\n[sampling]\nmax_tokens = 9\n[model]\ncontext = 12\n'
    )
    (folder / "single.toml").unlink()
    (folder / "plain.toml").unlink()
    result = compare_recipes(folder, seeds=1, out=tmp_path / "out", resume=False)
    assert list(result["failed"]) == ["broken/0"]
    assert "context" in result["failed"]["broken/0"]
    assert result["recipes"]["broken"] == {}
    assert result["recipes"]["arms"]["t1"]["n"] == 1
    assert "did not finish" in (tmp_path / "out" / "report.html").read_text()


def test_the_page_shows_tables_flows_ratios_and_curves(compared):
    _, out, _ = compared
    page = (out / "report.html").read_text()
    for words in ("Attempts", "From the first attempt to the last", "How much a second attempt changes", "Curves",
                  "arms minus the others", "two stages", "95 % t intervals"):  # fmt: skip
        assert words in page, words
    assert page.count("<svg") >= 3
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_base_takes_the_place_of_what_the_arms_extend(tmp_path):
    folder = write_recipes(tmp_path / "arms")
    other = (folder / "tasks" / "base.toml").read_text().replace("digits = [\n    1,\n    1,\n]", "digits = [2, 1]")
    assert "digits = [2, 1]" in other
    Path(tmp_path / "other.toml").write_text(other)
    overrides = ["train.steps=0", "evaluation.n=4"]
    result = compare_recipes(folder, seeds=1, out=tmp_path / "out", resume=False, base=tmp_path / "other.toml",
                             overrides=overrides)  # fmt: skip
    assert open_run(tmp_path / "out" / "plain" / "0").settings["task"]["digits"] == [2, 1]
    assert result["recipes"]["plain"]["accuracy_after"]["n"] == 1


def test_bad_comparisons_say_what_would_be_right(tmp_path):
    with pytest.raises(UserError, match="not a folder with recipes"):
        compare_recipes(tmp_path / "absent", seeds=1, out=None, resume=False)
    folder = write_recipes(tmp_path / "arms")
    with pytest.raises(UserError, match="no such recipe"):
        compare_recipes(folder, seeds=1, out=tmp_path / "out", resume=False, against="scre")
    (folder / "wrong.toml").write_text('extends = "tasks/base.toml"\n[train]\nstepps = 3\n')
    with pytest.raises(UserError, match=r"wrong\.toml:3.*stepps"):
        compare_recipes(folder, seeds=1, out=tmp_path / "out", resume=False)
    assert not (tmp_path / "out").exists()


def test_only_what_every_seed_has_is_averaged():
    summaries = [{"accuracy_after": {"value": 0.5}, "steps": 3}, {"accuracy_after": {"value": None}, "steps": 3}]
    found = figures(summaries)
    assert set(found) == {"steps"}
    assert math.isclose(found["steps"]["value"], 3.0)


def test_the_command_prints_one_json_object(compared, gnomon):
    folder, out, result = compared
    done = gnomon("posttrain", "compare", str(folder), "--seeds", "2", "--out", str(out), "--resume", "--json")
    assert json.loads(done.stdout)["recipes"].keys() == result["recipes"].keys()
    shown = gnomon("posttrain", "compare", str(folder), "--seeds", "2", "--out", str(out), "--resume")
    assert "delta: " in shown.stdout
    assert gnomon("posttrain", "compare", str(folder), "--against", "x").exit_code == 2
