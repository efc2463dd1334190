"""The library: its cards are whole and true to the registry, and a card that lacks something is told what."""

import datetime
import json
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest
import tomli_w

import gnomon.measure as gm
from gnomon import data
from gnomon.errors import UserError
from gnomon.measure.library import DIRECTIONS, FAMILIES, REQUIRED, card, lint_card, list_instruments

NAMES = ["bbq", "crows_pairs", "winobias"]

WHOLE = """
name = "gardens"
construct = "Whether answers favour tall gardeners."
systematization = "A lean towards the tall one of two gardeners."
operationalization = "Pairs of sentences."
groups = ["tall gardeners", "short gardeners"]
harm_types = ["stereotyping"]
scope = "Single sentences."
languages = ["en"]
region = "nowhere"
licence = "MIT"
critiques = ["None is published yet; its author knows of none."]
intended_uses = ["tests"]
unsupported_uses = ["everything else"]
valid_until = 2999-12-31
family = "crows_pairs"

[provenance]
source = "made up"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"

[metrics.stereotype_share]
null = 0.5
minimum = 0
maximum = 1
direction = "half"
meaning = "The share of pairs in which the tall gardener was preferred."
"""


def write(folder, **changes):
    """A card that says everything, with `changes` (None takes a field away)."""
    values = tomllib.loads(WHOLE) | changes
    path = folder / "gardens.toml"
    path.write_text(tomli_w.dumps({key: value for key, value in values.items() if value is not None}))
    return path


def errors(path):
    return lint_card(path).filter(pl.col("severity") == "error")


@pytest.mark.parametrize("name", NAMES)
def test_the_cards_of_the_library_say_everything(name):
    assert errors(name).is_empty()
    assert set(lint_card(name)["field"]) <= {"valid_until"}  # the day will come
    one = card(name)
    assert one.name == name
    assert one.family in FAMILIES
    assert one.metrics
    assert one.checklist
    assert one.content_warning
    assert any("Blodgett" in critique for critique in one.critiques)
    for metric in one.metrics.values():
        assert metric.direction in DIRECTIONS
        assert metric.meaning.endswith(".")
        assert "\n" not in metric.meaning
        assert {"half": 0.5, "zero": 0.0}.get(metric.direction, metric.null) == metric.null


@pytest.mark.parametrize("name", NAMES)
def test_provenance_is_that_of_the_registry(name):
    one = card(name)
    assert set(one.provenance["sha256"]) == set(one.data)
    for entry in one.data:
        assert data.FILES[entry].sha256 == one.provenance["sha256"][entry]
        assert data.FILES[entry].licence == one.licence
        assert one.provenance["commit"] in data.FILES[entry].url
    assert one.share_alike == ("SA" in one.licence)


def test_declared_metrics_are_those_of_the_specification():
    declared = {
        name: {key: (m.null, m.minimum, m.maximum, m.direction) for key, m in card(name).metrics.items()}
        for name in NAMES
    }
    accuracy, share = (1 / 3, 0, 1, "higher"), (0.5, 0, 1, "higher")
    score = (0, -1, 1, "zero")
    assert declared == {
        "bbq": {"s_amb": score, "s_dis": score, "accuracy_amb": accuracy, "accuracy_dis": accuracy},
        "crows_pairs": {"stereotype_share": (0.5, 0, 1, "half")},
        "winobias": {"accuracy_pro": share, "accuracy_anti": share, "gap": score},
    }


def test_list_and_its_licence_filter():
    frame = gm.list_instruments()
    assert frame["name"].to_list() == NAMES
    assert dict(zip(frame["name"], frame["share_alike"], strict=True)) == {
        "bbq": False,
        "crows_pairs": True,
        "winobias": False,
    }
    assert list_instruments(licence="MIT")["name"].to_list() == ["winobias"]
    assert list_instruments(licence="cc-by-4.0")["name"].to_list() == ["bbq"]
    assert list_instruments(licence=["CC BY 4.0", "mit"])["name"].to_list() == ["bbq", "winobias"]
    none = list_instruments(licence="Apache-2.0")
    assert none.is_empty()
    assert none.schema == frame.schema


def test_a_whole_card_has_no_findings_and_reads_as_written(tmp_path):
    path = write(tmp_path)
    assert lint_card(path).is_empty()
    one = card(path)
    assert one.groups == ("tall gardeners", "short gardeners")
    assert one.valid_until == datetime.date(2999, 12, 31)
    assert (one.title, one.data, one.share_alike) == ("gardens", (), False)
    assert card(write(tmp_path, groups="one text for a list", valid_until="2999-12-31")).groups == (
        "one text for a list",
    )


@pytest.mark.parametrize("field", REQUIRED)
def test_every_missing_field_is_named(tmp_path, field):
    path = write(tmp_path, **{field: None})
    assert errors(path)["field"].to_list() == [field]
    with pytest.raises(UserError, match=f"{field} is missing"):
        card(path)


def test_all_that_is_missing_is_named_at_once(tmp_path):
    path = tmp_path / "empty.toml"
    path.write_text("")
    assert errors(path)["field"].to_list() == list(REQUIRED)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"construct": "  "}, "construct", "a text is expected"),
        ({"scope": 3}, "scope", "a text is expected"),
        ({"groups": []}, "groups", "a list of one text or more"),
        ({"critiques": ["one", 2]}, "critiques", "a list of one text or more"),
        ({"languages": ["en", ""]}, "languages", "a list of one text or more"),
        ({"valid_until": "next year"}, "valid_until", "a date such as"),
        ({"valid_until": 2027}, "valid_until", "a date such as"),
        ({"provenance": "the web"}, "provenance", "a table of source and sha256"),
        ({"provenance": {"sha256": "0" * 64}}, "provenance.source", "missing"),
        ({"provenance": {"source": "x"}}, "provenance.sha256", "missing"),
        ({"provenance": {"source": "x", "sha256": {}}}, "provenance.sha256", "missing"),
        ({"provenance": {"source": "x", "sha256": "0" * 63}}, "provenance.sha256", "64 hexadecimal digits"),
        ({"provenance": {"source": "x", "sha256": {"a.csv": 7}}}, "provenance.sha256", "'a.csv' = 7"),
        ({"family": "stereoset"}, "family", "one of bbq, crows_pairs, winobias"),
        ({"data": ["crows_pears"]}, "data", "no data set of the registry"),
        ({"data": 4}, "data", "a list of texts"),
        ({"checklist": [1]}, "checklist", "a list of texts"),
        ({"title": 1}, "title", "a text is expected"),
        ({"share_alike": "yes"}, "share_alike", "true or false"),
        ({"metrics": [1]}, "metrics", "one table for every metric"),
        ({"metrics": {"m": 1}}, "metrics.m", "a table of null"),
        ({"metrics": {"m": {"null": 0}}}, "metrics.m", "declares no minimum, maximum, direction, meaning"),
    ],
)
def test_malformed_values_are_named(tmp_path, changes, field, said):
    path = write(tmp_path, **changes)
    found = errors(path)
    assert found["field"].to_list() == [field]
    assert said in found["message"][0]
    with pytest.raises(UserError, match="card lint names everything") as caught:
        card(path)
    assert found["message"][0] in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"null": "half"}, "metrics.m.null"),
        ({"null": True}, "metrics.m.null"),
        ({"maximum": float("inf")}, "metrics.m.maximum"),
        ({"minimum": 1}, "metrics.m"),
        ({"null": 2}, "metrics.m"),
        ({"direction": "up"}, "metrics.m.direction"),
        ({"meaning": ""}, "metrics.m.meaning"),
    ],
)
def test_malformed_metrics_are_named(tmp_path, changes, field):
    metric = {"null": 0.5, "minimum": 0, "maximum": 1, "direction": "half", "meaning": "A share."} | changes
    assert errors(write(tmp_path, metrics={"m": metric}))["field"].to_list() == [field]


def test_what_warns_and_what_does_not_stop(tmp_path):
    path = write(tmp_path, valid_until=datetime.date(1999, 12, 31), critique="of one")
    found = lint_card(path)
    assert found.select("field", "severity").rows() == [("valid_until", "warning"), ("critique", "warning")]
    assert "expired" in found["message"][0]
    assert "did you mean 'critiques'" in found["message"][1]
    assert card(path).valid_until.year == 1999


def test_errors_name_the_line(tmp_path):
    path = tmp_path / "gardens.toml"
    path.write_text(WHOLE.replace('direction = "half"', 'direction = "up"'))
    line = WHOLE.splitlines().index('direction = "half"') + 1
    with pytest.raises(UserError, match=f"gardens.toml:{line}: metrics.stereotype_share.direction = 'up'"):
        card(path)


def test_names_and_files_that_are_not_there(tmp_path):
    with pytest.raises(UserError, match="known are bbq, crows_pairs, winobias; did you mean 'crows_pairs'"):
        card("crowspairs")
    with pytest.raises(UserError, match="ends in .toml"):
        card("nothing like it")
    with pytest.raises(UserError, match="cannot be read"):
        lint_card(tmp_path / "absent.toml")
    with pytest.raises(UserError, match="cannot be read"):
        (tmp_path / "folder.toml").mkdir()
        card(tmp_path / "folder.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(UserError, match="not valid TOML"):
        lint_card(broken)
    broken.write_bytes(b"name = '\xff'")
    with pytest.raises(UserError, match="not valid TOML"):
        lint_card(broken)


@pytest.mark.parametrize("name", NAMES)
def test_a_card_written_out_and_read_again_is_the_same(tmp_path, name):
    """A run keeps its instrument's card this way."""
    values = {key: value for key, value in asdict(card(name)).items() if value is not None}
    path = tmp_path / "card.toml"
    path.write_text(tomli_w.dumps(values))
    assert card(path) == card(name)


def test_cards_are_found_inside_an_archive(tmp_path):
    """As a package that is not unpacked: what is read by path alone would not be there."""
    package = Path(str(files("gnomon")))
    archive = tmp_path / "gnomon.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in package.rglob("*"):
            if path.suffix in (".py", ".toml"):
                packed.write(path, Path("gnomon") / path.relative_to(package))
    code = (
        "import gnomon.measure as gm, gnomon; assert '.zip' in gnomon.__file__; print(*gm.list_instruments()['name'])"
    )
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(archive)!r}); {code}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.stdout.split() == NAMES, ran.stderr


def test_by_command(gnomon, tmp_path):
    whole = str(write(tmp_path))
    assert gnomon("measure", "card", "lint", whole).exit_code == 0
    assert gnomon("measure", "card", "lint", whole, "--strict").exit_code == 0
    expired = str(write(tmp_path, valid_until="1999-12-31"))
    assert gnomon("measure", "card", "lint", expired).exit_code == 0
    assert gnomon("measure", "card", "lint", expired, "--strict").exit_code == 1
    lacking = gnomon("measure", "card", "lint", str(write(tmp_path, construct=None, critiques=None)), "--json")
    assert lacking.exit_code == 1
    assert [finding["field"] for finding in json.loads(lacking.stdout)["findings"]] == ["construct", "critiques"]
    found = gnomon("measure", "list", "--licence", "MIT", "--json")
    assert [each["name"] for each in json.loads(found.stdout)["instruments"]] == ["winobias"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["card", "lint", "absent.toml"], "'absent.toml' cannot be read"),
        (["card", "show", "crowspairs"], "did you mean 'crows_pairs'"),
        (["card", "show", "absent.toml"], "'absent.toml' cannot be read"),
    ],
)
def test_mistakes_by_command(gnomon, arguments, said):
    result = gnomon("measure", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""
