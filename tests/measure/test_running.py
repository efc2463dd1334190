"""A measurement as a run: what it keeps, that it replays to the bit, and that a killed one goes on as if nothing was."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import hats
import numpy as np
import polars as pl
import pytest

import gnomon.measure as gm
from gnomon.errors import UserError
from gnomon.measure import report
from gnomon.measure.report import write_report
from gnomon.measure.responding import LocalPolicy
from gnomon.measure.running import read_run, run_instrument
from gnomon.models import build
from gnomon.models.tokenizers import byte_tokenizer
from gnomon.runs import open_run
from gnomon.runs.report import figure

SECRET = "sk-never-to-be-seen-91"
RESULTS = (
    "items.parquet",
    "card.toml",
    "responses.parquet",
    "scores.json",
    "draws.parquet",
    "summary.json",
    "report.html",
)
FAST = {"B": 200, "quiet": True}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("GNOMON_API_KEY", raising=False)
    monkeypatch.delenv("GNOMON_OFFLINE", raising=False)


@pytest.fixture(autouse=True)
def _small_picture(monkeypatch):
    """Drawing the page's figure is half of a small run's time; test_instrument_report looks at the figure itself."""
    monkeypatch.setattr(report, "picture", lambda scores: figure(1, 1)[0])


@pytest.fixture
def ins(_here):
    return gm.load_instrument("bbq", items=hats.write(Path("hats.jsonl")))


def results(folder):
    return {name: (Path(folder) / name).read_bytes() for name in RESULTS}


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@contextmanager
def serving(answer):
    """An OpenAI-compatible server on this machine; `answer(number, question)` gives a text, or a status code."""
    asked, lock = [], threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(asked)
                asked.append(body["messages"][-1]["content"])
            said = answer(number, asked[number])
            content = json.dumps(
                {"choices": [{"message": {"content": said}}]} if isinstance(said, str) else {}
            ).encode()
            try:
                self.send_response(200 if isinstance(said, str) else said)
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                pass  # the client was killed

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1?model=tiny", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def by_content(number, question):
    """An answer that depends on the question alone, not all of them readable."""
    options = [line.removeprefix("- ") for line in question.splitlines() if line.startswith("- ")]
    return [*options, "I would rather not say"][hashlib.sha256(question.encode()).digest()[0] % 4]


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_a_run_keeps_everything_that_it_rests_on(ins):
    run = run_instrument(ins, responses="hats.jsonl", answer="reply", out="a", **FAST)
    kept = {path.name for path in run.path.iterdir()}
    assert set(RESULTS) | {"recipe.toml", "environment.json", "state.json"} <= kept
    assert "responses.jsonl" not in kept
    assert (run.kind, run.state) == ("measure-run", "finished")
    assert run.settings["items"] == {"count": 96, "sources": {str(ins.sources[0].name): sha256("hats.jsonl")}}
    assert run.settings["responses"] == {"file": "hats.jsonl", "sha256": sha256("hats.jsonl"), "answer": "reply"}
    responses = pl.read_parquet("a/responses.parquet")
    assert responses.columns == ["item_id", "answer"]
    assert responses["item_id"].equals(ins.items["item_id"])
    stored = json.loads(Path("a/scores.json").read_text())
    assert stored["instrument"] == "bbq"
    assert stored["counts"] == {"n_items": 96, "n_answered": 96, "n_missing": 0, "n_manual": 0, "n_no_target": 0}
    draws = pl.read_parquet("a/draws.parquet")
    assert draws.columns == ["metric", "group", "draw", "value"]
    assert draws.group_by("metric", "group").len()["len"].unique().to_list() == [200]
    assert open_run("a").summary()["s_amb [Hats]"]["n_clusters"] == 6


def test_reading_a_run_gives_what_was_scored(ins):
    run = run_instrument(ins, model="sim:bias=0.4,seed=3", out="a", **FAST)
    scored = gm.score(ins, gm.SimModel(0.4, seed=3).respond(ins), B=200)
    read, scores = read_run("a")
    assert read.items.equals(ins.items)
    assert read.card == ins.card
    assert read.sources == ins.sources
    assert scores.frame.equals(scored.frame)
    assert scores.counts == scored.counts
    assert scores.draws.keys() == scored.draws.keys()
    assert all(np.array_equal(scores.draws[key], scored.draws[key], equal_nan=True) for key in scored.draws)
    page = (run.path / "report.html").read_bytes()
    assert write_report(run).read_bytes() == page
    assert read_run(run)[1].frame.equals(scored.frame)


def test_responses_of_a_run_replay_to_the_bit(ins):
    def said(number):
        return ['odd, "quoted"\nand broken', "", "NA", "the TALL guest 0.", "None"][number % 5]

    answers = [
        (item, said(at)) if at % 3 else (item, "The tall guest 0") for at, item in enumerate(ins.items["item_id"])
    ]
    table = pl.DataFrame(answers, schema=["item_id", "answer"], orient="row").head(80)
    run_instrument(ins, responses=table, out="a", **FAST)
    kept = pl.read_parquet("a/responses.parquet")
    kept.sample(fraction=1, shuffle=True, seed=1).write_csv("again.csv")
    kept.write_ndjson("again.jsonl")
    stored = json.loads(Path("a/scores.json").read_text())
    assert stored["counts"]["n_missing"] >= 16
    assert stored["counts"]["n_manual"] > 0
    for source in ("a/responses.parquet", "again.csv", "again.jsonl"):
        run = run_instrument(ins, responses=source, out=f"from-{Path(source).suffix[1:]}", **FAST)
        assert json.loads((run.path / "scores.json").read_text())["estimates"] == stored["estimates"]
        assert (run.path / "draws.parquet").read_bytes() == Path("a/draws.parquet").read_bytes()


def test_a_run_without_a_folder_is_named_by_the_store(ins):
    run = run_instrument(ins, model="sim:bias=0", **FAST)
    assert run.path.parent == Path("runs")
    assert run.path.name.startswith("bbq-")


def test_a_profile_is_part_of_the_run(ins):
    Path("shop.toml").write_text('name = "shop"\nsystem_prompt = "You sell things."\ngroups = ["Hats"]\n')
    with serving(by_content) as (address, _):
        run = run_instrument(ins, model=address, profile="shop.toml", out="a", **FAST)
    assert run.settings["profile"] == {
        "name": "shop", "system_prompt": "You sell things.", "persona": "", "locale": "", "groups": {"Hats": 1.0},
        "notes": "", "file": "shop.toml", "sha256": sha256("shop.toml"),
    }  # fmt: skip
    assert run.settings["model"]["address"] == address.removesuffix("?model=tiny")


def test_a_policy_answers_a_run_and_its_files_are_named(ins):
    build.decoder(byte_tokenizer(), layers=1, width=16, heads=2, context=400, seed=0).save("tiny")
    run = run_instrument(ins, model="policy:tiny", out="a", **FAST)
    answers = dict(pl.read_parquet("a/responses.parquet").rows())
    assert answers == dict(LocalPolicy(Path("tiny")).respond(ins))
    assert run.settings["model"]["sha256"]["model.safetensors"] == sha256("tiny/model.safetensors")
    assert read_run(run)[1].counts["n_answered"] == 96


# -- killed, failed, interrupted ---------------------------------------------------------------------------------------

RUN = """
import sys
import gnomon.measure as gm
from gnomon.measure.running import run_instrument
run_instrument(gm.load_instrument("bbq", items="hats.jsonl"), model=sys.argv[1], out="killed", B=200)
"""


def settled(asked):
    """How many requests the server had, once those that were under way have come."""
    count = -1
    while len(asked) != count:
        count = len(asked)
        time.sleep(0.3)
    return count


def test_a_killed_run_goes_on_with_the_same_bytes_and_the_key_is_nowhere(ins, monkeypatch):
    monkeypatch.setenv("GNOMON_API_KEY", SECRET)

    def slowly(number, question):
        time.sleep(0.02)
        return by_content(number, question)

    with serving(slowly) as (address, asked):
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        log = Path("killed/responses.jsonl")
        until = time.monotonic() + 60
        while not (log.exists() and log.read_bytes().count(b"\n") >= 20):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        printed = "".join(process.communicate())
        assert open_run("killed").state == "interrupted"
        with log.open("a") as file:
            file.write('{"item_id": "Hats/3", "ans')  # as a kill within a write leaves it
        before, answered = settled(asked), log.read_bytes().count(b"\n")
        assert 20 <= answered < 96
        with pytest.raises(UserError, match="killed' is interrupted and has no scores yet"):
            read_run("killed")
        resumed = run_instrument(ins, model=address, out="killed", resume=True, **FAST)
        assert len(asked) - before == 96 - answered
        whole = run_instrument(ins, model=address, out="whole", **FAST)
    assert results("killed") == results("whole")
    assert (resumed.path / "recipe.toml").read_bytes() == (whole.path / "recipe.toml").read_bytes()
    assert not log.exists()
    for path in Path("killed").rglob("*"):
        assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in printed


def test_a_policy_and_a_simulation_go_on_with_the_same_bytes(ins):
    build.decoder(byte_tokenizer(), layers=1, width=16, heads=2, context=400, seed=0).save("tiny")
    for name, model in (("sim", "sim:bias=0.5"), ("policy", "policy:tiny")):
        run_instrument(ins, model=model, out=f"{name}-whole", **FAST)
        begun = Path(f"{name}-cut")
        run_instrument(ins, model=model, out=begun, **FAST)
        for made in (*RESULTS[2:], "items.parquet"):
            (begun / made).unlink()
        state = json.loads((begun / "state.json").read_text())
        (begun / "state.json").write_text(json.dumps({**state, "state": "running"}))
        answered = list(pl.read_parquet(f"{name}-whole/responses.parquet").rows())[:29]
        lines = [json.dumps({"item_id": item_id, "answer": answer}) for item_id, answer in answered]
        (begun / "responses.jsonl").write_text("\n".join(lines) + "\n")
        run_instrument(ins, model=model, out=begun, resume=True, **FAST)
        assert results(begun) == results(f"{name}-whole")


def test_a_server_that_fails_on_the_way_leaves_a_run_to_go_on_with(ins):
    well = threading.Event()

    def behave(number, question):
        return by_content(number, question) if number < 30 or well.is_set() else 403

    with serving(behave) as (address, asked):
        with pytest.raises(
            UserError, match=r"asks for a key.*the answers so far are kept.*--out a --resume goes on\.$"
        ):
            run_instrument(ins, model=address, out="a", **FAST)
        stopped = open_run("a")
        assert stopped.state == "interrupted"
        assert "asks for a key" in stopped.reason
        answered = Path("a/responses.jsonl").read_text().count("\n")
        assert 20 <= answered <= 30
        with pytest.raises(UserError, match="--resume goes on"):
            run_instrument(ins, model=address, out="a", resume=True, **FAST)
        before = settled(asked)
        well.set()
        run_instrument(ins, model=address, out="a", resume=True, **FAST)
        assert len(asked) - before == 96 - answered
        with pytest.raises(UserError, match="has finished"):
            run_instrument(ins, model=address, out="a", resume=True, **FAST)
        run_instrument(ins, model=address, out="b", **FAST)
    assert results("a") == results("b")


def test_a_run_is_resumed_only_as_it_was_begun(ins, tmp_path):
    with serving(lambda number, question: by_content(number, question) if number < 30 else 400) as (address, _):
        with pytest.raises(UserError):
            run_instrument(ins, model=address, out="a", **FAST)
        with pytest.raises(UserError, match="was begun with seed = 0, not 1|scoring.seed = 0, not 1"):
            run_instrument(ins, model=address, out="a", resume=True, seed=1, **FAST)
        other = gm.load_instrument("bbq", items=ins.items.with_columns(text=pl.lit("another text")))
        same_sources = type(ins)(other.card, other.items, other.rule, ins.sources)
        with pytest.raises(UserError, match="begun with other items"):
            run_instrument(same_sources, model=address, out="a", resume=True, **FAST)
    assert open_run("a").state == "interrupted"


def test_ctrl_c_marks_the_run(ins, monkeypatch):
    with serving(by_content) as (address, _):
        from gnomon.measure import running

        monkeypatch.setattr(running, "append_lines", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_instrument(ins, model=address, out="a", **FAST)
    assert (open_run("a").state, open_run("a").reason) == ("interrupted", "stopped by Ctrl-C")


# -- mistakes leave nothing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "neither responses nor model"),
        ({"responses": "hats.jsonl", "model": "sim:bias=0"}, "both responses and model"),
        ({"responses": "absent.csv"}, "absent.csv"),
        ({"responses": "hats.jsonl", "answer": "nothing"}, "nothing"),
        ({"responses": "hats.jsonl", "answer": "reply", "profile": "p.toml"}, "a profile is told to a model"),
        ({"responses": "hats.jsonl", "answer": "reply", "B": 0}, "B"),
        ({"responses": "hats.jsonl", "answer": "reply", "level": 1.0}, "level"),
        ({"model": "sim:bias=0", "B": 0}, "B"),
        ({"model": "sim:bias=0", "level": 95}, "level"),
        ({"model": "sim:bias=0", "cluster": "colour"}, "colour"),
        ({"model": "sim:bias=0", "profile": "absent.toml"}, "absent.toml"),
        ({"model": "sim:bias=0", "resume": True}, "--resume needs --out"),
        ({"model": "sim:bias=0", "resume": True, "out": "a"}, "There is no run 'a'"),
        ({"model": "sim:bias=0", "out": "full"}, "'full' exists already"),
        ({"model": "policy:absent"}, "no such folder"),
        ({"model": "http://127.0.0.1:9/v1?model=x"}, "Nothing answers"),
        ({"model": "http://127.0.0.1:9/v1?model=x", "offline": True}, "--offline was given"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(ins, given, words):
    Path("full").mkdir()
    Path("full/letter.txt").write_text("mine")
    before = sorted(Path().rglob("*"))
    with pytest.raises(UserError) as caught:
        run_instrument(ins, **{"quiet": True, **given})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(Path().rglob("*")) == before


def test_other_folders_are_no_measurements(ins):
    from gnomon.runs import Run

    Run.create(Path("other"), kind="posttrain", name="x", settings={"a": 1}, seed=0)
    with pytest.raises(UserError, match="kind 'posttrain'; a run of gnomon measure run is expected"):
        read_run("other")
    with pytest.raises(UserError, match="There is no run 'absent'"):
        read_run("absent")
