"""`gnomon dynamics probe BEFORE AFTER` as a person types it: two tables of losses, two checkpoints, and mistakes."""

import gzip
import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

ROWS = {"a": (1.0, 0.5, "en"), "b": (2.0, 2.25, "fr"), "c": (3.0, 2.0, "en"), "007": (1.5, 1.5, "fr")}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, rows, columns=("id", "loss")):
    """One table in whatever format the name says."""
    table = pl.DataFrame(rows, schema=list(columns), orient="row", strict=False)
    if path.endswith(".parquet"):
        table.write_parquet(path)
    elif path.endswith(".jsonl"):
        Path(path).write_text("".join(json.dumps(row) + "\n" for row in table.iter_rows(named=True)))
    else:
        text = table.write_csv(separator="\t" if ".tsv" in path else ",")
        data = gzip.compress(text.encode()) if path.endswith(".gz") else text.encode()
        Path(path).write_bytes(data)
    return path


def tables(ending=".csv"):
    before = write(f"before{ending}", [(key, row[0], row[2]) for key, row in ROWS.items()], ("id", "loss", "group"))
    after = write(f"after{ending}", [(key, row[1]) for key, row in reversed(ROWS.items())])
    return before, after


def answer(result):
    """The one JSON document of a command."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def refused(result, here, before, *parts):
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    message = result.stderr.strip()
    for part in parts:
        assert part in message
    assert sorted(here.rglob("*")) == before
    return message


# -- probe: two tables -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".tsv.gz", ".jsonl", ".parquet"])
def test_two_tables_by_hand(ending, gnomon, here):
    """Changes -0.5, +0.25, -1, 0: D = 1 - 1.25 / 1.75, worked out on paper."""
    result = answer(gnomon("dynamics", "probe", *tables(ending), "--unit", "sequence", "--no-run", "--json"))
    assert result["D"] == pytest.approx(1 - 1.25 / 1.75)
    assert result["M"] == pytest.approx(1.75 / 4)
    assert result["mean"] == pytest.approx(-1.25 / 4)
    null = 1 - math.sqrt(2 / math.pi) * math.sqrt(0.25 + 0.0625 + 1) / 1.75
    assert result["D_null"] == pytest.approx(null)
    assert result["A"] == pytest.approx((1.25 / 1.75) / (1 - null))
    assert (result["unit"], result["n"], result["n_zero"], result["n_nonfinite"]) == ("sequence", 4, 1, 0)
    assert result["run"] is None
    groups = {group["group"]: group for group in result["groups"]}
    assert list(groups) == ["en", "fr"]
    assert groups["en"]["sum"] == pytest.approx(-1.5)
    assert (groups["en"]["D"], groups["en"]["n"]) == (0.0, 2)
    assert groups["fr"]["mean"] == pytest.approx(0.125)
    assert groups["fr"]["share_of_loss"] == 1.0
    assert (result["loss_before"], result["loss_after"]) == (pytest.approx(1.875), pytest.approx(1.5625))
    assert list(here.glob("runs*")) == []


KEYS = {"unit", "n", "D", "M", "mean", "D_null", "A", "z", "n_zero", "n_nonfinite", "groups", "run"}


def test_a_probe_keeps_a_run_and_a_figure(gnomon, here):
    result = answer(
        gnomon("dynamics", "probe", *tables(), "--unit", "example", "--json", "--out", "kept", "--plot", "z.png")
    )
    assert result.keys() >= KEYS
    assert {"group", "n", "sum", "mean", "D"} <= result["groups"][0].keys()
    run = Path(result["run"])
    assert run.parent == Path("kept")
    names = {path.name for path in run.iterdir() if not path.name.startswith(".")}
    assert names >= {"recipe.toml", "metrics.jsonl", "probe.json", "changes.parquet", "figure.svg", "report.html"}
    assert Path("z.png").read_bytes()[:4] == b"\x89PNG"
    row = json.loads((run / "metrics.jsonl").read_text())
    assert (row["D"], row["unit"]) == (result["D"], "example")
    changes = pl.read_parquet(run / "changes.parquet")
    assert changes["id"].to_list() == list(ROWS)
    assert changes["change"].to_list() == [-0.5, 0.25, -1.0, 0.0]
    shown = gnomon("runs", "show", str(run))
    assert shown.exit_code == 0
    assert "D_null" in shown.stdout
    (run / "report.html").unlink()
    assert gnomon("runs", "report", str(run)).stdout.strip() == f"{run}/report.html"


def test_without_json_there_are_intervals_and_sentences(gnomon, here):
    rng = np.random.default_rng(0)
    n = 2000
    z = rng.normal(-0.2, 0.3, n)
    write("b.csv", [(i, 2.0, "ab"[i % 2]) for i in range(n)], ("id", "loss", "kind"))
    write("a.csv", [(i, 2.0 + z[i] + (0.5 if i % 2 else 0.0)) for i in range(n)])
    out = gnomon("dynamics", "probe", "b.csv", "a.csv", "--unit", "sequence", "--no-run", "--group", "kind").stdout
    result = answer(
        gnomon("dynamics", "probe", "b.csv", "a.csv", "--unit", "sequence", "--no-run", "--group", "kind", "--json")
    )
    D = result["estimates"]["D"]
    assert D["low"] < D["value"] < D["high"]
    assert D["value"] == pytest.approx(result["D"])
    assert f"[{D['low']:.2f}, {D['high']:.2f}]" in out or f"[{D['low']:.3f}, {D['high']:.3f}]" in out
    assert "1 got worse (b)" in out
    assert "random signs" in out
    assert "cannot be set beside a D of another unit" in out


def test_alignment_is_judged_against_random_signs(gnomon, here):
    """A = 0.88 of one set of changes is what random signs give half of the time: no verdict may be drawn from it."""
    from gnomon.dynamics.changes import Changes, measure
    from gnomon.dynamics.words import changes_found

    def found(z):
        result = measure(Changes([str(i) for i in range(len(z))], np.zeros(len(z)), z), unit="example")
        return result, " ".join(changes_found(result))

    n = 400
    magnitude = np.ones(n)
    alternating = magnitude * np.where(np.arange(n) % 2, 1, -1)
    result, text = found(alternating + 1e-3)
    assert "more opposed than chance" in text
    half = alternating.copy()
    half[: round(0.7 * math.sqrt(n))] = 1  # |sum z| = 0.7 sqrt(n): A = 0.88
    result, text = found(half)
    assert result["A"] == pytest.approx(0.88, abs=0.01)
    assert result["random_signs_below"] == pytest.approx(0.516, abs=0.01)
    assert "not to be told from chance" in text
    assert "opposed than chance" not in text
    result, text = found(magnitude + alternating / 2)
    assert "less opposed than chance" in text
    result, text = found(np.zeros(5))
    assert result["D"] is None
    assert "No loss changed" in text


def test_random_signs_are_those_of_whole_sequences_where_they_are_known():
    from gnomon.dynamics.changes import Changes, measure

    rng = np.random.default_rng(1)
    per, sequences = 50, 40
    shift = rng.normal(0, 1, sequences)
    z = np.repeat(shift, per)
    labels = np.repeat([str(i) for i in range(sequences)], per).tolist()
    known = measure(Changes(labels, np.zeros(len(z)), z, clusters=labels), unit="token")
    unknown = measure(Changes(labels, np.zeros(len(z)), z), unit="token")
    from scipy.special import erf

    assert known["random_signs_below"] == pytest.approx(erf(abs(shift.sum()) / np.sqrt((shift**2).sum()) / np.sqrt(2)))
    assert unknown["random_signs_below"] > known["random_signs_below"]
    width = [r["estimates"]["mean"]["high"] - r["estimates"]["mean"]["low"] for r in (known, unknown)]
    assert width[0] == pytest.approx(2 * 1.96 * shift.std() / np.sqrt(sequences), rel=0.15)
    assert width[0] > 4 * width[1]
    assert known["n_clusters"] == sequences


def test_the_interval_of_the_mean_holds_the_truth_as_often_as_it_says():
    """200 samples of 60 skewed changes: a 90 % interval holds the mean in 84 to 96 % of them."""
    from gnomon.dynamics import changes as module

    held = 0
    for seed in range(200):
        z = np.random.default_rng(seed).gamma(4, 0.1, 60) - 0.5
        result = module.measure(module.Changes([""] * 60, np.zeros(60), z), unit="example", level=0.9, seed=seed)
        mean = result["estimates"]["mean"]
        held += mean["low"] <= -0.1 <= mean["high"]
    assert 168 <= held <= 192


def test_many_rows_are_resampled_in_runs_of_neighbours(monkeypatch):
    """The interval of more rows than MOST_CLUSTERS is that of independent rows, at a bounded cost."""
    from gnomon.dynamics import changes as module

    monkeypatch.setattr(module, "MOST_CLUSTERS", 500)
    z = np.random.default_rng(0).normal(0.1, 1, 50_000)
    result = module.measure(module.Changes([""] * len(z), np.zeros(len(z)), z), unit="token")
    mean = result["estimates"]["mean"]
    assert mean["high"] - mean["low"] == pytest.approx(2 * 1.96 / np.sqrt(len(z)), rel=0.15)
    assert mean["n"] == 50_000
    assert result["n_clusters"] is None
    # Neighbours that move together stay together, so what they share is not taken for many observations.
    alike = np.repeat(np.random.default_rng(1).normal(0, 1, 1000), 50)
    mean = module.measure(module.Changes([""] * 50_000, np.zeros(50_000), alike), unit="token")["estimates"]["mean"]
    assert mean["high"] - mean["low"] == pytest.approx(2 * 1.96 / np.sqrt(1000), rel=0.15)


def test_a_group_of_one_has_no_interval(gnomon, here):
    write("b.csv", [(1, 1.0, "x"), (2, 1.0, "y"), (3, 1.0, "y")], ("id", "loss", "group"))
    write("a.csv", [(1, 1.5), (2, 0.5), (3, 0.7)])
    result = answer(gnomon("dynamics", "probe", "b.csv", "a.csv", "--unit", "example", "--json", "--no-run"))
    one = result["groups"][0]
    assert (one["group"], one["n"], one["sum"]) == ("x", 1, 0.5)
    assert one["estimates"]["mean"]["low"] is None
    assert one["estimates"]["mean"]["reason"] == "one row has no interval"
    assert gnomon("dynamics", "probe", "b.csv", "a.csv", "--unit", "example").exit_code == 0


def test_tokens_of_one_sequence_are_resampled_together(gnomon, here):
    rows = [(f"s{s}:{t}", 1.0, f"s{s}") for s in range(20) for t in range(10)]
    write("b.jsonl", rows, ("id", "loss", "sequence"))
    write("a.jsonl", [(key, 1.0 + (hash_of := int(s[1:]) % 3) - 1 + 0.01 * hash_of) for key, _, s in rows])
    result = answer(gnomon("dynamics", "probe", "b.jsonl", "a.jsonl", "--unit", "token", "--json", "--no-run"))
    assert result["n_clusters"] == 20
    assert result["estimates"]["mean"]["n_clusters"] == 20


# -- mistakes ----------------------------------------------------------------------------------------------------

PROBE_MISTAKES = {
    "different ids": (
        {"b.csv": "id,loss\na,1\nb,1\nc,1\nd,1\ne,1\n", "a.csv": "id,loss\na,1\n"},
        ["4 ids ('b', 'c', 'd', ...)", "b.csv", "not in a.csv"],
    ),
    "an id more after": ({"b.csv": "id,loss\na,1\n", "a.csv": "id,loss\na,1\nz,1\n"}, ["id 'z'", "a.csv is not in b.csv"]),
    "ids are text": ({"b.csv": "id,loss\n07,1\n", "a.csv": "id,loss\n7,1\n"}, ["id '07'", "not in a.csv"]),
    "repeated ids": (
        {"b.csv": "id,loss\nq,1\nq,2\nr,1\nr,1\ns,0\n", "a.csv": "id,loss\nq,1\n"},
        ["b.csv", "2 ids ('q', 'r')", "more than once"],
    ),
    "one NaN": ({"b.csv": "id,loss\na,1\nb,2\n", "a.csv": "id,loss\na,nan\nb,1\n"}, ["a.csv", "id 'a'", "finite"]),
    "words for losses": (
        {"b.csv": "id,loss\na,x\nb,\nc,inf\nd,-inf\n", "a.csv": "id,loss\na,1\n"},
        ["b.csv", "4 ids ('a', 'b', 'c', ...)", "finite"],
    ),
    "an id that is missing": ({"b.csv": "id,loss\n,1\na,2\n,3\n", "a.csv": "id,loss\na,1\n"}, ["b.csv", "2 rows", "row 1, 3"]),
    "no loss column": ({"b.csv": "id,value\na,1\n", "a.csv": "id,loss\na,1\n"}, ["b.csv", "'loss'", "'id', 'value'"]),
    "no id column": ({"b.csv": "key,loss\na,1\n", "a.csv": "id,loss\na,1\n"}, ["b.csv", "'id'", "'key', 'loss'"]),
    "empty": ({"b.csv": "", "a.csv": "id,loss\na,1\n"}, ["b.csv", "empty"]),
    "header only": ({"b.csv": "id,loss\n", "a.csv": "id,loss\na,1\n"}, ["b.csv", "no rows"]),
    "ragged": ({"b.csv": "id,loss\na,1,2\n", "a.csv": "id,loss\na,1\n"}, ["b.csv", "could not be read"]),
    "binary": ({"b.csv": b"\x89PNG\r\n\x1a\n\xff\xfe\x00", "a.csv": "id,loss\na,1\n"}, ["b.csv"]),
    "binary parquet": ({"b.parquet": b"PAR0nothing", "a.parquet": b"PAR0"}, ["b.parquet", "could not be read"]),
    "JSON that does not parse": (
        {"b.jsonl": '{"id": 1, "loss": 2}\n{"id": 2, "loss"\n', "a.jsonl": "{}"},
        ["b.jsonl:2", "not JSON"],
    ),
    "JSON that is no object": ({"b.jsonl": "[1, 2]\n", "a.jsonl": "{}"}, ["b.jsonl:1", "object"]),
    "JSON without a loss": ({"b.jsonl": '{"id": 1}\n', "a.jsonl": "{}"}, ["b.jsonl:1", "'loss'"]),
    "JSON with a list": ({"b.jsonl": '{"id": 1, "loss": [1]}\n', "a.jsonl": "{}"}, ["b.jsonl:1", "[1]", "no number"]),
    "empty JSON lines": ({"b.jsonl": "\n\n", "a.jsonl": "{}"}, ["b.jsonl", "empty"]),
    "another format": ({"b.xlsx": "x", "a.xlsx": "x"}, ["b.xlsx", ".parquet"]),
    "another unit": (
        {"b.csv": "id,loss,unit\na,1,token\n", "a.csv": "id,loss\na,1\n"},
        ["b.csv", "'token'", "--unit", "'sequence'", "never compared"],
    ),
    "two groups for one thing": (
        {"b.csv": "id,loss,group\na,1,x\nb,1,x\n", "a.csv": "id,loss,group\na,1,x\nb,1,y\n"},
        ["id 'b'", "group", "b.csv", "a.csv"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROBE_MISTAKES)
def test_a_mistaken_table_is_refused(name, gnomon, here):
    files, parts = PROBE_MISTAKES[name]
    for file, content in files.items():
        Path(file).write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(here.rglob("*"))
    result = gnomon("dynamics", "probe", *files, "--unit", "sequence", "--plot", "x.svg")
    message = refused(result, here, before, *parts)
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("before.csv", "after.csv"), ["--unit", "token, sequence, example"]),
        (("before.csv", "after.csv", "--unit", "word"), ["--unit word", "token, sequence, example"]),
        (("absent.csv", "after.csv", "--unit", "token"), ["'absent.csv'"]),
        (("before.csv", "folder", "--unit", "token"), ["before.csv", "folder", "not one of each"]),
        (("before.csv", "after.csv", "--unit", "token", "--data", "x.txt"), ["--data", "two checkpoints"]),
        (("before.csv", "after.csv", "--unit", "token", "--group", "colour"), ["--group colour", "'id', 'loss', 'group'"]),
        (("before.csv", "after.csv", "--unit", "token", "--level", "1"), ["--level 1", "between 0 and 1"]),
        (("before.csv", "after.csv", "--unit", "token", "--seed", "-1"), ["--seed -1"]),
        (("before.csv", "after.csv", "--unit", "token", "--plot", "x.pdf"), ["--plot x.pdf", ".svg or .png"]),
        (("before.csv", "after.csv", "--unit", "token", "--plot", "no/x.svg"), ["--plot", "no is no folder"]),
        (("before.csv", "after.csv", "--unit", "token", "--out", "before.csv"), ["--out before.csv", "folder"]),
        (("folder", "folder", "--unit", "token"), ["--data is missing"]),
        (("folder", "folder", "--unit", "example", "--data", "x.txt"), ["--unit example", "token or sequence"]),
        (("folder", "folder", "--unit", "token", "--data", "no.txt"), ["--data no.txt", "no such file"]),
        (("folder", "folder", "--unit", "token", "--data", "t.txt"), ["'folder' is not a model"]),
        (("folder", "folder", "--unit", "token", "--data", "t.txt", "--group", "g"), ["--group g", "no columns"]),
        (("folder", "folder", "--unit", "token", "--data", "t.csv"), ["--data t.csv", ".jsonl"]),
        (("folder", "folder", "--unit", "token", "--data", "blank.txt"), ["--data blank.txt", "no text"]),
        (("folder", "folder", "--unit", "token", "--data", "t.jsonl"), ["t.jsonl:1", "'text'"]),
    ],
)  # fmt: skip
def test_a_mistaken_probe_is_refused(arguments, parts, gnomon, here):
    tables()
    Path("folder").mkdir()
    Path("t.txt").write_text("some text\n")
    Path("t.csv").write_text("some text\n")
    Path("blank.txt").write_text(" \n\n")
    Path("t.jsonl").write_text('{"words": "x"}\n')
    before = sorted(here.rglob("*"))
    refused(gnomon("dynamics", "probe", *arguments), here, before, *parts)


# -- probe: two checkpoints ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Two small decoders over one tokenizer, one over another, and one encoder-decoder."""
    from gnomon.models import build
    from gnomon.models.tokenizers import symbol_tokenizer

    folder = tmp_path_factory.mktemp("checkpoints")
    letters = symbol_tokenizer("abcdefghijklmnopqrstuvwxyz .\n")
    shape = {"layers": 1, "width": 16, "heads": 2, "context": 8}
    build.decoder(letters, **shape, seed=0).save(folder / "one")
    build.decoder(letters, **shape, seed=1).save(folder / "two")
    build.decoder(symbol_tokenizer("abc"), **shape, seed=1).save(folder / "other")
    build.encoder_decoder(letters, **shape, seed=0).save(folder / "both")
    return folder


TEXTS = [("abcdefghijklmnopqrst", "long"), ("abcd", "short"), ("xyz.", "short"), ("a", "short")]


def by_hand(folder, text):
    """Each token's loss, one window after the other, from the library's own model."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = AutoTokenizer.from_pretrained(folder)(text)["input_ids"]
    losses = []
    with torch.no_grad():
        for start in range(0, len(ids) - 1, 7):
            window = torch.tensor([ids[start : start + 8]])
            log_probs = model(window).logits[0, :-1].double().log_softmax(-1)
            losses += (-log_probs.gather(1, window[0, 1:, None])[:, 0]).tolist()
    return losses


@pytest.mark.parametrize("unit", ["token", "sequence"])
def test_two_checkpoints_give_the_losses_of_the_library(unit, checkpoints, gnomon, here):
    """A text of 20 tokens in a context of 8 is read in windows; each token but the first is predicted once."""
    rows = [json.dumps({"text": text, "kind": kind}) for text, kind in TEXTS]
    Path("t.jsonl").write_text("\n".join(rows))
    one, two = str(checkpoints / "one"), str(checkpoints / "two")
    done = gnomon(
        "dynamics", "probe", one, two, "--unit", unit, "--data", "t.jsonl", "--group", "kind", "--json", "--out", "r"
    )
    result = answer(done)
    losses = [[np.array(by_hand(folder, text)) for text, _ in TEXTS[:3]] for folder in (one, two)]
    if unit == "sequence":
        losses = [[np.array([each.mean()]) for each in part] for part in losses]
    before, after = (np.concatenate(part) for part in losses)
    z = after - before
    assert result["n"] == (25 if unit == "token" else 3)
    assert result["mean"] == pytest.approx(z.mean(), abs=1e-5)
    assert result["D"] == pytest.approx(1 - abs(z.sum()) / np.abs(z).sum(), abs=1e-4)
    assert result["skipped"] == 1
    assert [(group["group"], group["n"]) for group in result["groups"]] == [
        ("long", 19 if unit == "token" else 1),
        ("short", 6 if unit == "token" else 2),
    ]
    stored = pl.read_parquet(Path(result["run"]) / "changes.parquet")
    assert stored["before"].to_numpy() == pytest.approx(before, abs=1e-5)
    assert stored["after"].to_numpy() == pytest.approx(after, abs=1e-5)
    assert result["n_clusters"] == (3 if unit == "token" else None)
    assert "losses after: 5/5" in done.stderr


def test_a_text_file_is_read_by_blank_lines_or_by_lines(here):
    from gnomon.dynamics.checkpoints import read_texts

    Path("p.txt").write_text("one\ntwo\n\n\nthree\n\n")
    Path("l.txt").write_text("one\ntwo\nthree\n")
    Path("g.jsonl").write_text('{"text": "x", "group": "a"}\n{"text": "y"}\n')
    paragraphs, lines = read_texts(Path("p.txt")), read_texts(Path("l.txt"))
    assert paragraphs.texts == ["one\ntwo", "three"]
    assert paragraphs.names == ["line 1", "line 5"]
    assert lines.texts == ["one", "two", "three"]
    assert read_texts(Path("g.jsonl")).groups == ["a", "(none)"]


@pytest.mark.parametrize(
    ("pair", "text", "parts"),
    [
        (("one", "other"), "abcxyz", ["different tokens", "line 1"]),
        (("one", "both"), "abc", ["encoder-decoder", "causal"]),
        (("one", "two"), "a", ["one token or none"]),
    ],
)
def test_checkpoints_that_cannot_be_compared_are_refused(pair, text, parts, checkpoints, gnomon, here):
    Path("t.txt").write_text(text)
    before = sorted(here.rglob("*"))
    folders = [str(checkpoints / name) for name in pair]
    result = gnomon("dynamics", "probe", *folders, "--unit", "token", "--data", "t.txt")
    refused(result, here, before, *parts)


def test_a_broken_checkpoint_is_refused_with_the_texts(checkpoints, gnomon, here):
    import torch

    from gnomon.models.policy import Policy

    policy = Policy.load(checkpoints / "one")
    with torch.no_grad():
        policy.model.model.norm.weight.fill_(math.nan)
    policy.save("broken")
    Path("t.txt").write_text("abc\ndef\nghi\njkl\n")
    before = sorted(here.rglob("*"))
    result = gnomon("dynamics", "probe", str(checkpoints / "one"), "broken", "--unit", "token", "--data", "t.txt")
    refused(result, here, before, "broken", "not finite", "4 texts", "line 1, line 2, line 3")


def test_two_changes_do_not_make_a_group_better(gnomon, tmp_path):
    (tmp_path / "a.csv").write_text(
        "id,loss,group\n" + "".join(f"{i},3,{'few' if i < 2 else 'many'}\n" for i in range(20))
    )
    (tmp_path / "b.csv").write_text(
        "id,loss,group\n" + "".join(f"{i},{2 + i / 100},{'few' if i < 2 else 'many'}\n" for i in range(20))
    )
    shown = gnomon(
        "dynamics", "probe", str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), "--unit", "example", "--no-run"
    ).stdout
    assert "1 got better (many); 1 cannot be told (few)" in " ".join(shown.split())
