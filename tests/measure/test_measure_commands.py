"""`gnomon measure` as a person types it: answers, exit codes, and that a mistake is one sentence and leaves nothing."""

import json
import os
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import hats
import polars as pl
import pytest

from gnomon.measure import report
from gnomon.measure.commands import app, card_app
from gnomon.runs.report import figure

RATINGS = "unit,rater,value,is_filler\n" + "".join(
    f"u{u},{r},{'yes' if (u + (r == 'c' and u % 3 == 0)) % 2 else 'no'},{'true' if u > 9 else 'false'}\n"
    for u in range(12)
    for r in "abc"
)
RULE = "P(abs(s_amb) < 0.30) > 0.95"
SET = ("--rationale", "limits of spring", "--set-by", "A. Name")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("GNOMON_API_KEY", "GNOMON_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(report, "picture", lambda scores: figure(1, 1)[0])
    hats.write(Path("hats.jsonl"))
    return tmp_path


def answer(result, code=0):
    """The one JSON object of a command."""
    assert result.exit_code == code, result.output
    assert result.stdout.count("\n") == 1
    return json.loads(result.stdout)


def ran(gnomon, model, out, *more):
    return answer(
        gnomon(
            "measure",
            "run",
            "bbq",
            "--items",
            "hats.jsonl",
            "--model",
            model,
            "--boot",
            "200",
            "--out",
            out,
            "--json",
            *more,
        )
    )


# -- the library -----------------------------------------------------------------------------------------------------


def test_list_and_card(gnomon):
    listed = {row["name"]: row for row in answer(gnomon("measure", "list", "--json"))["instruments"]}
    assert {"bbq", "crows_pairs", "winobias"} <= set(listed)
    assert listed["crows_pairs"]["share_alike"]
    only = answer(gnomon("measure", "list", "--licence", "cc by 4.0", "--json"))["instruments"]
    assert [row["name"] for row in only] == [n for n, row in listed.items() if row["licence"] == "CC BY 4.0"]
    assert answer(gnomon("measure", "list", "--licence", "none such", "--json"))["instruments"] == []
    assert "(share-alike)" in gnomon("measure", "list").stdout
    shown = answer(gnomon("measure", "card", "show", "bbq", "--json"))
    assert shown["metrics"]["s_amb"]["direction"] == "zero"
    text = gnomon("measure", "card", "show", "bbq").stdout
    for part in (
        "unsupported_uses:",
        "critiques:",
        "- certifying that a system is fair, unbiased or safe",
        "s_dis",
        "valid_until: 20",
    ):
        assert part in text, part


def card_text(**changed):
    values = {
        **{
            key: f'"{key}"'
            for key in ("construct", "systematization", "operationalization", "scope", "region", "licence")
        },
        **{
            key: f'["{key}"]'
            for key in ("groups", "harm_types", "languages", "critiques", "intended_uses", "unsupported_uses")
        },
        "name": '"mine"',
        "provenance": '{ source = "me", sha256 = "' + "a" * 64 + '" }',
        "valid_until": "2099-01-01",
        **changed,
    }
    return "".join(f"{key} = {value}\n" for key, value in values.items() if value is not None)


@pytest.mark.parametrize(
    ("changed", "strict", "code", "words"),
    [
        ({}, True, 0, None),
        ({"scope": None, "groups": None}, False, 1, ["groups", "scope"]),
        ({"valid_until": "2020-01-01"}, False, 0, ["valid_until"]),
        ({"valid_until": "2020-01-01"}, True, 1, ["valid_until"]),
    ],
)
def test_a_card_of_ones_own_is_checked(changed, strict, code, words, gnomon):
    Path("card.toml").write_text(card_text(**changed))
    arguments = ("measure", "card", "lint", "card.toml", *(["--strict"] if strict else []))
    found = answer(gnomon(*arguments, "--json"), code)["findings"]
    assert [row["field"] for row in found] == (words or [])
    text = gnomon(*arguments)
    assert text.exit_code == code
    assert all(word in text.stdout for word in words or ["nothing is missing"])


def test_lint_of_items(gnomon):
    clean = gnomon("measure", "lint", "bbq", "--items", "hats.jsonl", "--json")
    assert answer(clean) == {"counts": {}, "findings": []}
    hats.write(Path("unclear.jsonl"), unclear=3)
    found = answer(gnomon("measure", "lint", "bbq", "--items", "unclear.jsonl", "--json"), 1)
    assert found["counts"] == {"target-undeterminable": 6}
    assert {"item_id", "rule", "severity", "evidence"} == set(found["findings"][0])
    text = gnomon("measure", "lint", "bbq", "--items", "unclear.jsonl")
    assert text.exit_code == 1
    assert "target-undeterminable" in text.stdout


# -- run -------------------------------------------------------------------------------------------------------------


def test_a_run_of_a_model_and_its_replay(gnomon):
    result = ran(gnomon, "sim:bias=0.6,unknown=0.4,accuracy=0.9", "a")
    assert set(result) == {"instrument", "estimates", "counts", "run"}
    assert (result["instrument"], result["run"]) == ("bbq", "a")
    assert {"metric", "group", "value", "low", "high", "null", "minimum", "maximum", "direction", "reason", "n"} <= set(
        result["estimates"][0]
    )
    replay = ("measure", "run", "bbq", "--items", "a/items.parquet", "--boot", "200", "--json")
    again = answer(gnomon(*replay, "--responses", "a/responses.parquet", "--out", "b"))
    assert (again["estimates"], again["counts"]) == (result["estimates"], result["counts"])
    assert Path("a/draws.parquet").read_bytes() == Path("b/draws.parquet").read_bytes()
    shown = answer(gnomon("runs", "show", "a", "--json"))
    assert shown["kind"] == "measure-run"
    Path("a/report.html").unlink()
    assert gnomon("runs", "report", "a").stdout.strip().endswith("report.html")
    assert Path("a/report.html").exists()


def test_a_run_in_words_with_columns_of_ones_own(gnomon):
    rows = pl.DataFrame(
        [{"kind": row["category"], "n": row["example_id"], "said": row["reply"]} for row in hats.published()]
    )
    rows.write_csv("mine.csv")
    result = gnomon(
        "measure", "run", "bbq", "--items", "hats.jsonl", "--responses", "mine.csv", "--item", "kind,n", "--answer", "said",
        "--boot", "200", "--cluster", "question_index,context", "--seed", "5", "--level", "0.9",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "96 items: 96 answers read, 0 for a person to read, 0 missing; 0 items have no target" in result.stdout
    (run,) = Path("runs").iterdir()
    stored = json.loads((run / "scores.json").read_text())["settings"]
    assert stored == {
        "B": 200,
        "seed": 5,
        "level": 0.9,
        "cluster": ["category", "question_index", "context"],
        "without": None,
    }


def test_items_of_the_registry_are_read_where_they_lie_and_never_fetched(gnomon, monkeypatch):
    monkeypatch.setenv("GNOMON_DATA_DIR", "nowhere")
    monkeypatch.setenv("GNOMON_CACHE_DIR", "nowhere")
    result = gnomon("measure", "run", "bbq", "--model", "sim:bias=0", "--out", "a")
    assert result.exit_code == 2
    assert "gnomon data fetch bbq/preds_Age" in result.stderr


@pytest.mark.skipif(
    "GNOMON_DATA_DIR" not in os.environ or not (Path(os.environ["GNOMON_DATA_DIR"]) / "measure" / "bbq").is_dir(),
    reason="the folder of GNOMON_DATA_DIR does not hold BBQ",
)
def test_published_answers_from_the_registry(gnomon):
    """Parrish et al. 2022, figure 3: s_amb of Religion is 24.5, s_dis 3.5 (ARC format)."""
    source = Path(os.environ["GNOMON_DATA_DIR"]) / "measure" / "bbq" / "preds_Religion.jsonl.gz"
    given = ("--items", str(source), "--responses", str(source), "--answer", "unifiedqa-t5-11b_pred_arc")
    result = answer(gnomon("measure", "run", "bbq", *given, "--boot", "200", "--out", "a", "--json"))
    found = {row["metric"]: round(100 * row["value"], 1) for row in result["estimates"]}
    assert (found["s_amb"], found["s_dis"]) == (24.5, 3.5)


def test_a_run_through_a_server_by_command(gnomon, monkeypatch):
    monkeypatch.setenv("GNOMON_API_KEY", "sk-never-to-be-seen")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            content = json.dumps({"choices": [{"message": {"content": hats.UNKNOWN}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    result = ran(gnomon, address, "a", "--model-name", "tiny", "--concurrency", "2")
    server.shutdown()
    server.server_close()
    undefined = [row for row in result["estimates"] if row["metric"] == "s_dis"]
    assert all(row["value"] is None and row["reason"] for row in undefined)
    assert b"sk-never" not in b"".join(path.read_bytes() for path in Path("a").rglob("*") if path.is_file())


# -- decisions -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Finished runs: `run` and others on the same items, `shoes` on other ones."""
    from gnomon import measure as gm
    from gnomon.measure.running import run_instrument

    folder = tmp_path_factory.mktemp("prepared")
    ins = gm.load_instrument("bbq", items=hats.write(folder / "hats.jsonl"))
    shoes = gm.load_instrument("bbq", items=ins.items.with_columns(text=pl.format("{} or so", "text")).tail(40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "picture", lambda scores: figure(1, 1)[0])
        for name, of, model in (
            ("run", ins, "sim:bias=0.2"),
            ("shoes", shoes, "sim:bias=0.2"),
            ("fair", ins, "sim:bias=0,unknown=0.9,accuracy=1"),
            ("leaning", ins, "sim:bias=1,unknown=0,accuracy=0"),
            ("again", ins, "sim:bias=0.2,seed=1"),
            ("leaning-again", ins, "sim:bias=1,unknown=0,accuracy=0.1,seed=1"),
        ):
            run_instrument(of, model=model, out=folder / name, B=100, quiet=True)
    return folder


@pytest.fixture
def runs(prepared):
    """Those runs as if they lay here."""
    for path in prepared.iterdir():
        if path.is_dir():
            Path(path.name).symlink_to(path)


def test_the_gate_passes_fails_and_does_not_know(gnomon, runs):
    passed = answer(gnomon("measure", "gate", "fair", "--rule", RULE, *SET, "--json"), 0)
    assert set(passed) == {"verdict", "rules", "rationale", "set_by"}
    assert passed["verdict"] == "pass"
    assert (passed["rationale"], passed["set_by"]) == ("limits of spring", "A. Name")
    assert set(passed["rules"][0]) == {
        "rule", "metric", "group", "probability", "required", "value", "low", "high", "verdict", "reason",
    }  # fmt: skip
    failed = gnomon("measure", "gate", "leaning", "--rule", RULE, *SET, "--junit", "gate.xml")
    assert failed.exit_code == 1
    assert "fail: s_amb of Hats is" in failed.stdout
    suite = ET.parse("gate.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    undecided = gnomon(
        "measure", "gate", "fair", "--rule", "P(s_amb[Hats] < 0) > 0.95", "P(accuracy_dis > 0.5) > 0.95", *SET, "--junit", "u.xml", "--json"
    )  # fmt: skip
    assert answer(undecided, 3)["verdict"] == "undecided"
    assert {failure.get("type") for failure in ET.parse("u.xml").iter("failure")} == {"undecided"}


def test_comparing_two_systems(gnomon, runs):
    found = answer(gnomon("measure", "compare", "fair", "leaning", "--boot", "200", "--json"))
    assert set(found) == {"differences", "notes"}
    amb = next(row for row in found["differences"] if row["metric"] == "s_amb")
    assert amb["low"] <= amb["difference"] <= amb["high"]
    assert amb["difference"] > 0.5
    assert "s_amb" in gnomon("measure", "compare", "fair", "leaning", "--boot", "200").stdout
    same = answer(gnomon("measure", "compare", "fair", "fair", "--boot", "200", "--json"))["differences"]
    assert {row["difference"] for row in same} <= {0.0, None}
    by_kind = answer(gnomon("runs", "compare", "fair", "leaning", "--json"))["comparisons"]
    whole = answer(gnomon("measure", "compare", "fair", "leaning", "--json"))
    assert by_kind == [{"a": "fair", "b": "leaning", **whole}]
    assert (
        f"s_amb of Hats: leaning minus fair is {amb['difference']:+.3f} ["
        in gnomon("runs", "compare", "fair", "leaning").stdout
    )


def test_agreement_of_raters(gnomon):
    Path("ratings.csv").write_text(RATINGS)
    given = (
        "measure",
        "agreement",
        "ratings.csv",
        "--unit",
        "unit",
        "--rater",
        "rater",
        "--value",
        "value",
        "--boot",
        "100",
    )
    found = answer(gnomon(*given, "--json"))
    assert {"alpha", "fleiss_kappa", "gwet_ac1", "raw_agreement"} <= {row["statistic"] for row in found["statistics"]}
    assert any("is_filler" in note for note in found["notes"])
    without = answer(gnomon(*given, "--exclude", "is_filler", "--json"))
    alpha = [next(row for row in each["statistics"] if row["statistic"] == "alpha") for each in (found, without)]
    assert (alpha[0]["n"], alpha[1]["n"]) == (12, 10)
    assert "alpha" in gnomon(*given).stdout


def test_coverage_of_a_use_case(gnomon):
    given = ("measure", "coverage", "bbq", "--items", "hats.jsonl")
    found = answer(gnomon(*given, "--groups", "Hats=3,Shoes,Gloves", "--json"))["groups"]
    assert [(row["group"], row["n"], row["flag"]) for row in found][2] == ("Gloves", 0, "absent")
    Path("shop.toml").write_text('name = "shop"\ngroups = ["Hats", "Gloves"]\n')
    assert "absent" in gnomon(*given, "--profile", "shop.toml").stdout


def test_reliability_of_repeats_and_forms(gnomon, runs):
    systems = ("a=run,again", "b=leaning,leaning-again")
    found = answer(gnomon("measure", "reliability", *systems, "--json"))["figures"]
    amb = next(row for row in found if row["metric"] == "s_amb")
    assert (amb["design"], amb["n_systems"], amb["n_runs"]) == ("repeats", 2, 2)
    assert amb["sdc"] > 0
    forms = answer(gnomon("measure", "reliability", *systems, "--forms", "plain,formal", "--json"))["figures"]
    assert {row["design"] for row in forms} == {"forms"}
    assert "s_amb" in gnomon("measure", "reliability", "a=run,again").stdout


# -- mistakes --------------------------------------------------------------------------------------------------------

RUN = ("measure", "run", "bbq", "--items", "hats.jsonl")
SIM = ("--model", "sim:bias=0.3")
MISTAKES = {
    "no answers": (RUN, "--responses FILE"),
    "two sources of answers": ((*RUN, *SIM, "--responses", "hats.jsonl"), "both given"),
    "an unknown instrument": (("measure", "run", "bbqq", "--items", "hats.jsonl", *SIM), "bbqq"),
    "absent items": (("measure", "run", "bbq", "--items", "absent.jsonl", *SIM), "absent.jsonl"),
    "items of another shape": (("measure", "run", "bbq", "--items", "ratings.csv", *SIM), "ratings.csv"),
    "absent responses": ((*RUN, "--responses", "absent.csv"), "absent.csv"),
    "an absent column": ((*RUN, "--responses", "hats.jsonl", "--answer", "said"), "said"),
    "an absent key": ((*RUN, "--responses", "hats.jsonl", "--answer", "reply", "--item", "colour"), "colour"),
    "an empty key": ((*RUN, "--responses", "hats.jsonl", "--item", "a,,b"), "--item 'a,,b' holds an empty name"),
    "an item answered twice": ((*RUN, "--responses", "twice.csv"), "twice"),
    "an answer to no item": ((*RUN, "--responses", "strange.csv"), "Gloves/1"),
    "a key for a model": ((*RUN, *SIM, "--item", "a"), "--item names columns of --responses"),
    "a profile for responses": ((*RUN, "--responses", "hats.jsonl", "--answer", "reply", "--profile", "p.toml"), "--profile belongs to --model"),
    "a name for responses": ((*RUN, "--responses", "hats.jsonl", "--answer", "reply", "--model-name", "x"), "--model-name belongs to --model"),
    "an absent profile": ((*RUN, *SIM, "--profile", "absent.toml"), "absent.toml"),
    "no such system": ((*RUN, "--model", "oracle"), "names no system"),
    "a bias beyond 1": ((*RUN, "--model", "sim:bias=2"), "bias"),
    "no such folder": ((*RUN, "--model", "policy:absent"), "no such folder"),
    "a server offline": ((*RUN, "--model", "http://host/v1?model=x", "--offline"), "no server is asked"),
    "a server that is not there": ((*RUN, "--model", "http://127.0.0.1:9/v1?model=x"), "Nothing answers"),
    "no requests": ((*RUN, "--model", "http://host/v1?model=x", "--concurrency", "0"), "at least 1"),
    "no resamples": ((*RUN, *SIM, "--boot", "0"), "B"),
    "a level of 95": ((*RUN, *SIM, "--level", "95"), "level"),
    "a negative seed": ((*RUN, *SIM, "--seed", "-1"), "seed"),
    "an absent cluster": ((*RUN, *SIM, "--cluster", "colour"), "colour"),
    "a folder in use": ((*RUN, *SIM, "--out", "full"), "'full' exists already"),
    "resume of nothing": ((*RUN, *SIM, "--out", "absent", "--resume"), "There is no run 'absent'"),
    "resume of nowhere": ((*RUN, *SIM, "--resume"), "--resume needs --out"),
    "an absent card": (("measure", "card", "lint", "absent.toml"), "absent.toml"),
    "a card that is no TOML": (("measure", "card", "lint", "ratings.csv"), "not valid TOML"),
    "an unknown card": (("measure", "card", "show", "bbbq"), "did you mean 'bbq'"),
    "lint of absent items": (("measure", "lint", "bbq", "--items", "absent.jsonl"), "absent.jsonl"),
    "agreement without a file": (("measure", "agreement", "absent.csv", "--unit", "u", "--rater", "r", "--value", "v"), "absent.csv"),
    "agreement on an absent column": (("measure", "agreement", "ratings.csv", "--unit", "u", "--rater", "rater", "--value", "value"), "'u'"),
    "text on a ratio scale": (("measure", "agreement", "ratings.csv", "--unit", "unit", "--rater", "rater", "--value", "value", "--level", "ratio"), "ratio"),
    "an unknown scale": (("measure", "agreement", "ratings.csv", "--unit", "unit", "--rater", "rater", "--value", "value", "--level", "odd"), "odd"),
    "a gate on nothing": (("measure", "gate", "absent", "--rule", RULE, *SET), "There is no run 'absent'"),
    "a rule that is none": (("measure", "gate", "run", "--rule", "s_amb < 0.1", *SET), "'s_amb < 0.1'"),
    "a rule on an absent metric": (("measure", "gate", "run", "--rule", "P(x < 0.1) > 0.95", *SET), "'x'"),
    "a rule on an absent group": (("measure", "gate", "run", "--rule", "P(s_amb[Gloves] < 0.1) > 0.95", *SET), "Gloves"),
    "a probability below half": (("measure", "gate", "run", "--rule", "P(s_amb < 0.1) > 0.2", *SET), "0.2"),
    "no rationale": (("measure", "gate", "run", "--rule", RULE, "--rationale", " ", "--set-by", "me"), "rationale"),
    "nobody set it": (("measure", "gate", "run", "--rule", RULE, "--rationale", "x", "--set-by", ""), "set_by"),
    "JUnit into nowhere": (("measure", "gate", "run", "--rule", RULE, *SET, "--junit", "absent/gate.xml"), "no folder 'absent'"),
    "comparing with nothing": (("measure", "compare", "run", "absent"), "There is no run 'absent'"),
    "comparing other items": (("measure", "compare", "run", "shoes"), "item"),
    "coverage of nothing": (("measure", "coverage", "bbq", "--items", "hats.jsonl"), "--groups"),
    "a group twice": (("measure", "coverage", "bbq", "--items", "hats.jsonl", "--groups", "Hats,Hats"), "twice"),
    "a weight that is none": (("measure", "coverage", "bbq", "--items", "hats.jsonl", "--groups", "Hats=much"), "'much'"),
    "a weight of 0": (("measure", "coverage", "bbq", "--items", "hats.jsonl", "--groups", "Hats=0"), "Hats"),
    "a system without runs": (("measure", "reliability", "bot"), "bot=runs/a,runs/b"),
    "a system with one run": (("measure", "reliability", "bot=run"), "1 run"),
    "forms that do not match": (("measure", "reliability", "bot=run,run", "--forms", "a,b,c"), "--forms names 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_leaves_nothing(name, gnomon, runs, prepared):
    arguments, words = MISTAKES[name]
    Path("full").mkdir()
    Path("full/mine.txt").write_text("x")
    Path("ratings.csv").write_text(RATINGS)
    Path("twice.csv").write_text("item_id,answer\nHats/1,x\nHats/1,y\n")
    Path("strange.csv").write_text("item_id,answer\nGloves/1,x\n")
    before = sorted(Path().rglob("*")), sorted(prepared.rglob("*"))
    result = gnomon(*arguments, "--json")
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    message = result.stderr.strip()
    assert words in message
    assert len(message.splitlines()) == 1
    assert (sorted(Path().rglob("*")), sorted(prepared.rglob("*"))) == before


def test_help_says_what_and_shows_an_example(gnomon):
    described = {
        command.name: command.callback.__doc__ for command in [*app.registered_commands, *card_app.registered_commands]
    }
    assert {"list", "show", "lint", "run", "agreement", "gate", "compare", "coverage", "reliability"} <= set(described)
    for name, text in described.items():
        assert "Example: gnomon measure" in " ".join(text.split()), name
    assert "GNOMON_API_KEY" in gnomon("measure", "run", "--help").stdout


# -- no socket -------------------------------------------------------------------------------------------------------

WATCHED = """
import sys
opened = []
def hook(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        opened.append(event)
sys.addaudithook(hook)
from gnomon.cli import build
def gnomon(*arguments, codes=(0,)):
    try:
        build()([*arguments, "--json"], standalone_mode=False)
    except SystemExit as end:
        assert end.code in codes, (arguments, end.code)
from gnomon.models import build as models
from gnomon.models.tokenizers import byte_tokenizer
models.decoder(byte_tokenizer(), layers=1, width=16, heads=2, context=400, seed=0).save("tiny")
run = ("measure", "run", "bbq", "--items", "hats.jsonl", "--boot", "50")
gnomon("measure", "list")
gnomon("measure", "card", "show", "bbq")
gnomon("measure", "card", "lint", "bbq")
gnomon("measure", "lint", "bbq", "--items", "hats.jsonl")
gnomon(*run, "--model", "sim:bias=0.3", "--out", "a")
gnomon(*run, "--model", "policy:tiny", "--out", "b")
gnomon(*run, "--responses", "a/responses.parquet", "--out", "c")
gnomon("measure", "agreement", "ratings.csv", "--unit", "unit", "--rater", "rater", "--value", "value", "--boot", "50")
gnomon("measure", "gate", "a", "--rule", "P(s_amb < 0.9) > 0.5", "--rationale", "r", "--set-by", "s")
gnomon("measure", "compare", "a", "b", "--boot", "50")
gnomon("measure", "coverage", "bbq", "--items", "hats.jsonl", "--groups", "Hats,Shoes")
gnomon("measure", "reliability", "x=a,c")
print("without a server", opened, file=sys.stderr)
from gnomon.errors import UserError
try:
    gnomon(*run, "--model", "http://127.0.0.1:9/v1?model=x", "--out", "d")
except UserError as refusal:
    assert "Nothing answers" in str(refusal)
print("with a server", sorted(set(opened)), file=sys.stderr)
"""


def test_no_command_opens_a_socket_but_for_a_server():
    Path("ratings.csv").write_text(RATINGS)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "without a server []" in done.stderr
    assert "socket.connect" in done.stderr.split("with a server")[1]
