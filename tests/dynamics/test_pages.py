"""The pages of this room: well-formed, self-contained, small, and saying what was found and what was not."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gnomon.dynamics import words
from gnomon.dynamics.interference import Sums, by_group
from gnomon.dynamics.report import write_report
from gnomon.runs import Run
from gnomon.runs.files import to_json, write_atomic


class Strict(HTMLParser):
    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.tags, self.text = [], [], set(), []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)


def read(path, most=1_000_000):
    """The words of a page that is what every page must be."""
    page = Path(path).read_text()
    assert len(page) < most
    parser = Strict()
    parser.feed(page)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert not {"script", "img", "iframe", "link"} & parser.tags
    assert not re.search(r'(?:src|href)="(?!#)', re.sub(r'xmlns(:\w+)?="[^"]*"', "", page))
    text = " ".join(" ".join(parser.text).split())
    assert "nan" not in re.findall(r"[a-z]+", text.lower())
    assert "None" not in text
    return text


def curve_file(path, T=20_000, t_d=1500, r_d=0.03, L_d=3.0, noise=0.01, seed=0):
    x = np.arange(1, T + 1)
    f = 0.2
    log_y = np.log(L_d) - 0.2 * np.log(x / t_d) + (0.2 - r_d) * f * np.logaddexp(0, np.log(x / t_d) / f)
    loss = np.exp(log_y + np.random.default_rng(seed).normal(0, noise, T))
    pl.DataFrame({"step": x, "loss": loss}).write_csv(path)
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_of_a_fit(gnomon, here):
    curve_file("<a>.csv")
    done = gnomon("dynamics", "fit", "<a>.csv", "--json", "--bootstrap", "60", "--warmup", "1000")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    curve = document["curves"][0]
    text = read(Path(document["run"]) / "report.html", most=250_000)
    for sentence in [*words.fit_found(curve), *words.fit_cannot(curve)]:
        assert sentence in text
    assert f"decelerates at step {words.span(curve['t_d'], whole=True)}" in text
    assert "near the end of the warm-up" in text
    assert "What this cannot tell" in text
    for flag in curve["flags"]:
        assert flag["message"] in text
    assert words.selection_found(curve) in text


def test_the_page_of_many_long_logs_stays_small(gnomon, here):
    sources = [curve_file(f"run{seed}.csv", seed=seed, L_d=2 + seed / 10) for seed in range(7)]
    done = gnomon("dynamics", "fit", *sources, "--json", "--bootstrap", "20")
    text = read(Path(json.loads(done.stdout)["run"]) / "report.html")
    assert all(source in text for source in sources)


def test_the_page_of_a_comparison(gnomon, here):
    curve_file("a.csv")
    curve_file("b.csv", L_d=2.4, r_d=0.04, seed=1)
    done = gnomon("dynamics", "compare", "a.csv", "b.csv", "--json", "--bootstrap", "60")
    document = json.loads(done.stdout)
    text = read(Path(document["run"]) / "report.html", most=400_000)
    for sentence in [*words.attribution_found(document), *words.attribution_cannot(document)]:
        assert sentence in text
    assert "is a lower loss at the break" in text


def test_the_page_of_a_probe(gnomon, here):
    rng = np.random.default_rng(0)
    n = 6_000
    kinds = [f"kind {i % 26}" for i in range(n)]
    z = rng.standard_t(2, n) * 0.1 - 0.05
    pl.DataFrame({"id": range(n), "loss": np.full(n, 3.0), "group": kinds}).write_parquet("b.parquet")
    pl.DataFrame({"id": range(n), "loss": 3.0 + z}).write_parquet("a.parquet")
    done = gnomon("dynamics", "probe", "b.parquet", "a.parquet", "--unit", "token", "--json")
    document = json.loads(done.stdout)
    text = read(Path(document["run"]) / "report.html", most=300_000)
    for sentence in [*words.changes_found(document), *words.changes_cannot(document)]:
        assert sentence in text
    assert "random signs would cancel" in " ".join(text.split())
    assert str(np.argmin(z)) in text
    assert str(np.argmax(z)) in text
    assert "24 groups that moved most" in text


def event(z, labels=None, **more):
    found = {"kind": "loss", "split": "eval", **Sums.of(z).interference("token").to_dict(), **more}
    if labels is not None:
        found["groups"] = [row.to_dict() for row in by_group(z, labels, unit="token")]
    return found


def training(folder, *, gradients="exact", every="log2", fit=None, groups=True):
    """A run as `gnomon dynamics train` leaves it, with figures drawn from a generator."""
    rng = np.random.default_rng(0)
    T = 320
    settings = {"name": "toy", "train": {"steps": T, "warmup": 50}, "probe": {"every": every}}
    run = Run.create(folder, kind="dynamics-train", name="toy", settings=settings, seed=0)
    labels = np.array(["moby <dick>", "pride"])[np.arange(2000) % 2] if groups else None
    last = 1
    for step in range(1, T + 1):
        run.log(step, stage="train", loss=5.0 * step**-0.3 if step != 7 else None, gradient_norm=1.0, learning_rate=0.1)
        due = step & (step - 1) == 0 if every == "log2" else step % every == 0
        if not due and step != T:
            continue
        z = rng.normal(-1 / step, 0.3, 2000)
        if every == "log2" and step > 1:
            run.log(step, stage="probe", **event(z, labels, **{"from": last}))
            last = step
        run.log(step, stage="probe", **event(z / 10, labels))
        run.log(step, stage="probe", **{**event(z / 5), "split": "train"})
        if gradients != "off":
            exact = gradients == "exact"
            layer = {"layer": "model.layers.0.q_proj", "D": 0.8, "D_null": 0.82, "A": 1.1, "D_pooled": 0.7}
            dead = {**layer, "layer": "model.norm", "D": None, "D_null": None, "A": None}
            scalars = {"D": 0.8, "D_null": 0.82, "A": 1.11} if exact else dict.fromkeys(("D", "D_null", "A"))
            run.log(
                step,
                stage="probe",
                kind="gradient",
                split="train",
                unit="sequence",
                n=32,
                D_pooled=0.75,
                n_coordinates=1000,
                n_dead=5 if exact else None,
                layers=[layer, dead] if exact else [],
                **scalars,
            )
    write_atomic(run.path / "fit.json", to_json(fit))
    if groups:
        matrix = {"labels": ["moby <dick>", "pride"], "Z": [[-0.2, 0.1], [0.05, -0.1]], "lr": 0.002, "unit": "sequence"}
        write_atomic(run.path / "zero_sum.json", to_json(matrix))
    run.finish({"parameters": 1000, "probe_overhead": 0.03, "last_interference": None})
    return run


@pytest.fixture
def fitted(gnomon, here):
    """Fits as JSON by verdict: a training with a break near its warm-up, and one with none."""
    curve_file("break.csv", T=3000, t_d=60, L_d=2.0)
    pl.DataFrame({"step": range(1, 321), "loss": [5.0 * step**-0.3 for step in range(1, 321)]}).write_csv("none.csv")
    arguments = ("--json", "--no-run", "--bootstrap", "40", "--warmup", "50")
    found = {}
    for name in ("break", "none"):
        done = gnomon("dynamics", "fit", f"{name}.csv", *arguments)
        found[name] = json.loads(done.stdout)["curves"][0]
    assert found["none"]["verdict"] == "none"
    assert found["break"]["verdict"] != "none"
    return found


def test_the_page_of_a_training(fitted, here):
    run = training(here / "run", fit=fitted["break"])
    text = read(write_report(run), most=400_000)
    rows = run.metrics()
    for sentence in [*words.training_found(rows), *words.training_cannot(rows)]:
        assert sentence in text
    assert "near the end of the warm-up" in text
    assert "Changes of loss: held out, t to 2t" in text
    assert "Changes of loss: batch, one step" in text
    assert "Alignment of the gradients, layer by layer" in text
    assert "model.layers.0.q_proj" in Path(run.path / "report.html").read_text()
    assert "In conflict, each harming the other: moby <dick> and pride." in text


@pytest.mark.parametrize(
    ("options", "there", "missing"),
    [
        ({"gradients": "off"}, "t to 2t", "Gradients that oppose"),
        ({"gradients": "sampled"}, "Gradients that oppose", "layer by layer"),
        ({"every": 50}, "held out, one step", "t to 2t"),
        ({"groups": False}, "t to 2t", "What one group's step does"),
    ],
)
def test_the_page_of_a_training_holds_what_was_measured(options, there, missing, fitted, here):
    text = read(write_report(training(here / "run", fit=fitted["none"], **options)))
    assert there in text
    assert missing not in text
    assert "No deceleration is found" in text


def test_a_training_that_was_cut_off_has_a_page(gnomon, fitted, here):
    run = training(here / "run", fit=fitted["none"], groups=False)
    (run.path / "fit.json").unlink()
    (run.path / "summary.json").unlink()
    run.mark("interrupted")
    assert "has not finished (interrupted)" in read(write_report(run))
    (run.path / "metrics.jsonl").unlink()
    assert "saw no change of held-out losses" in read(write_report(run))


def test_random_signs_alone_scatter_as_the_page_says():
    """The quartiles of A of one set under random signs: |N(0, 1)| over its mean."""
    from scipy.stats import norm

    low, high = norm.ppf([0.625, 0.875]) / np.sqrt(2 / np.pi)
    text = " ".join(words.training_cannot([{"stage": "probe"}]))
    assert f"between {low:.1f} and {high:.1f} in half of all cases" in text


def test_no_page_promises_that_less_cancelling_lowers_the_loss():
    """Lowering D is not lowering loss; every page on D says so, and none says the contrary."""
    result = {"unit": "token", "n_clusters": None, "flags": ["quantised"]}
    assert "less cancelling is not a lower loss" in " ".join(words.changes_cannot(result))
    rows = [{"stage": "probe", "kind": "loss"}]
    assert "Less cancelling is not a lower loss" in " ".join(words.training_cannot(rows))


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (5877.4, 4933.2, 7011.9, "5,877 [4,933, 7,012]"),
        (4.05012, 3.98, 4.11, "4.050 [3.980, 4.110]"),
        (0.012517, 0.0111, 0.0139, "0.0125 [0.0111, 0.0139]"),
        (0.14, 0.046, 2.698, "0.14 [0.05, 2.70]"),
        (0.993, 0.867, 0.998, "0.993 [0.867, 0.998]"),
        (58.6, 41.0, 83.0, "59 [41, 83]"),
        (0.999, 0.99899946, 0.99900051, "0.99900 [0.99900, 0.99900]"),
        (12.0, 12.0, 12.0, "12.0000 [12.0000, 12.0000]"),
    ],
)
def test_estimates_are_written_with_the_digits_their_interval_leaves(value, low, high, text):
    assert words.span({"value": value, "low": low, "high": high}) == text


def test_an_attribution_in_words():
    """The published parameters of 14M and 144M (spec, section 2.4): 85 % a lower loss at the break, 15 % the slope."""

    def term(value):
        return {"value": value, "low": None, "high": None}

    terms = {"L_d": term(-0.22134), "r_d": term(-0.0397), "t_d": term(0.00059), "T": term(-0.000004)}
    result = {
        "a": {"verdict": "deceleration"},
        "b": {"verdict": "deceleration"},
        "attribution": {"delta_log_L_T_hat": term(-0.26046), "terms": terms},
    }
    text = " ".join(words.attribution_found(result))
    assert "B ends 22.9% lower than A" in text
    assert "Of the gain, 85% is a lower loss at the break, 15% is a steeper slope after the break" in text
    result["attribution"]["terms"] = {**terms, "t_d": term(0.05), "r_d": term(-0.08911)}
    assert "a later break takes 19% of it back" in " ".join(words.attribution_found(result))
