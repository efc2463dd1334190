"""Measuring again and again: what is redrawn, what is shared, what is kept, and that nothing else matters."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny_rankers  # noqa: F401
import torch
from tiny_space import Tiny

from gnomon.errors import UserError
from gnomon.runs import Run
from gnomon.search import Evaluator, evaluate

ARCHS = ["width=2;activation=relu;depth=1", "width=3;activation=relu;depth=2", "width=4;activation=tanh;depth=1"]
PLAIN = ["weight_sum", "input_sum", "output_sum"]


def scores(table, ranker, n):
    return np.array([table.samples(arch, ranker, n) for arch in sorted(ARCHS)])


def new_run(path):
    return Run.create(path, kind="search-score", name="t", settings={"seed": 0}, seed=0)


@pytest.fixture(scope="module")
def both():
    return evaluate(Tiny(), ARCHS, PLAIN, repeats=4, batch_size=8)


def test_both_redraws_weights_of_each_and_a_batch_for_all(both):
    weights, inputs, outputs = (scores(both, name, 4) for name in PLAIN)
    assert len(np.unique(weights)) == len(np.unique(outputs)) == 12
    assert len(np.unique(inputs)) == 4
    assert (inputs == inputs[0]).all()  # repeat v shows every architecture the same batch


def test_init_keeps_one_batch():
    table = evaluate(Tiny(), ARCHS, PLAIN, repeats=4, vary="init", batch_size=8)
    assert len(np.unique(scores(table, "weight_sum", 4))) == 12
    assert len(np.unique(scores(table, "input_sum", 4))) == 1
    assert len(np.unique(scores(table, "output_sum", 4))) == 12
    assert table.rows.filter(table.rows["ranker"] == "input_sum").height == 3  # measured once each


def test_batch_keeps_the_weights_of_each():
    table = evaluate(Tiny(), ARCHS, PLAIN, repeats=4, vary="batch", batch_size=8)
    weights = scores(table, "weight_sum", 4)
    assert (weights == weights[:, :1]).all()
    assert len(np.unique(weights)) == 3
    inputs = scores(table, "input_sum", 4)
    assert (inputs == inputs[0]).all()
    assert len(np.unique(inputs)) == 4
    assert table.rows.filter(table.rows["ranker"] == "weight_sum").height == 3


def test_a_score_is_that_of_its_seeds_rebuilt_by_hand(both):
    from gnomon.search import inputs, rankers

    row = both.rows.filter((both.rows["ranker"] == "grad_norm") | (both.rows["ranker"] == "output_sum")).row(
        5, named=True
    )
    space = Tiny()
    network = space.build(space.decode(row["arch"]), seed=row["init_seed"])
    x, y = inputs.load(space, None, seed=0).batch(8, row["batch_seed"])
    assert rankers.score(["output_sum"], network, x, y)["output_sum"] == row["score"]


def test_neither_order_nor_company_nor_repeats_matter(both):
    other = evaluate(Tiny(), ARCHS[::-1], ["dice", "output_sum"], repeats=2, batch_size=8)
    assert (scores(other, "output_sum", 2) == scores(both, "output_sum", 2)).all()
    again = evaluate(Tiny(), ARCHS, ["dice"], repeats=2, batch_size=8)
    assert (scores(other, "dice", 2) == scores(again, "dice", 2)).all()
    assert len(np.unique(scores(again, "dice", 2))) == 6


def test_another_seed_another_score(both):
    other = evaluate(Tiny(), ARCHS, PLAIN, repeats=4, batch_size=8, seed=1)
    for name in PLAIN:
        assert not np.isin(scores(other, name, 4), scores(both, name, 4)).any()


def test_two_workers_write_the_same_bytes(tmp_path, both):
    two = evaluate(Tiny(), ARCHS, PLAIN, repeats=4, batch_size=8, workers=2)
    both.write_csv(tmp_path / "one.csv")
    two.write_csv(tmp_path / "two.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert (tmp_path / "one.csv").read_text().splitlines()[0] == "arch,ranker,repeat,score,status,init_seed,batch_seed"


def test_threads_of_the_caller_change_nothing(both):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        table = evaluate(Tiny(), ARCHS, ["output_sum"], repeats=4, batch_size=8)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert (scores(table, "output_sum", 4) == scores(both, "output_sum", 4)).all()


def test_failures_have_a_status_and_no_score_and_touch_nobody(both):
    hostile = ["spoiler", "raiser", "nothing", "boundless", "talker"]
    torch.manual_seed(3)
    state = torch.get_rng_state()
    table = evaluate(Tiny(), ARCHS, [*hostile, *PLAIN], repeats=4, batch_size=8)
    assert torch.equal(torch.get_rng_state(), state)
    for name in PLAIN:
        assert (scores(table, name, 4) == scores(both, name, 4)).all()
    status = {name: set(table.rows.filter(table.rows["ranker"] == name)["status"]) for name in hostile}
    assert status["raiser"] == {"failed: RuntimeError: not today nor tomorrow"}
    assert status["nothing"] == status["boundless"] == {"not finite"}
    assert len(status["spoiler"]) == len(status["talker"]) == 1
    assert "weights" in status["spoiler"].pop()
    assert status["talker"].pop().startswith("failed: ")
    assert table.failed == 5 * 3 * 4
    assert np.isnan(table.samples(ARCHS[0], "boundless", 4)).all()
    assert set(table.rows.filter(table.rows["score"].is_null())["ranker"]) == set(hostile)


def test_params_need_no_network_and_no_data():
    class Unbuilt(Tiny):
        def build(self, arch, *, seed):
            raise AssertionError("built")

    table = evaluate(Unbuilt(), ARCHS, ["params", "macs"], repeats=5)
    assert table.rows.height == 6
    assert table.samples(ARCHS[0], "params", 5).tolist() == [84.0] * 5


def test_a_network_that_cannot_be_built_is_a_failure_with_its_reason():
    class Broken(Tiny):
        def build(self, arch, *, seed):
            if arch[0] == 3:
                raise ValueError("three is too many")
            return super().build(arch, seed=seed)

    table = evaluate(Broken(), ARCHS, ["grad_norm"], repeats=1, batch_size=8)
    status = dict(zip(table.rows["arch"], table.rows["status"], strict=True))
    assert status[ARCHS[1]] == "failed: ValueError: three is too many"
    assert status[ARCHS[0]] == "ok"


def test_what_is_measured_is_kept_and_no_more_is_measured_than_asked():
    with Evaluator(Tiny(), PLAIN, batch_size=8) as evaluator:
        first = evaluator.samples(ARCHS[0], "output_sum", 2)
        assert evaluator.evaluated == 2
        assert (evaluator.samples((2, "relu", 1), "output_sum", 4)[:2] == first).all()
        assert evaluator.evaluated == 4
        evaluator.samples(ARCHS[0], "output_sum", 3)
        assert evaluator.evaluated == 4
        assert evaluator.direction("input_sum") == -1


def test_a_stored_run_goes_on_where_it_stood_torn_line_or_not(tmp_path, both):
    run = new_run(tmp_path / "run")
    evaluate(Tiny(), ARCHS[:1], PLAIN, repeats=4, batch_size=8, run=run)
    path = run.path / "scores.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:5]) + lines[5][:20])
    table = evaluate(Tiny(), ARCHS, PLAIN, repeats=4, batch_size=8, run=run)
    assert table.evaluated == table.rows.height - 5
    assert table.rows.drop("seconds").equals(both.rows.drop("seconds"))
    assert evaluate(Tiny(), ARCHS, PLAIN, repeats=4, batch_size=8, run=run).evaluated == 0


def test_killed_and_resumed_it_writes_the_same_bytes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, time\n"
        "from pathlib import Path\n"
        "from gnomon.runs import Run\n"
        "from gnomon.search import evaluate, rankers\n"
        "from tiny_space import Tiny\n"
        "class Own(Tiny):\n"
        "    name = 'own'\n"
        "@rankers.register('slow', direction=1)\n"
        "def slow(network, inputs, labels):\n"
        "    time.sleep(0.05)\n"
        "    return float(network(inputs).sum())\n"
        "if __name__ == '__main__':\n"
        "    folder, workers = Path(sys.argv[1]), int(sys.argv[2])\n"
        "    if folder.exists():\n"
        "        run = Run.resume(folder, settings={'seed': 0})\n"
        "    else:\n"
        "        run = Run.create(folder, kind='search-score', name='t', settings={'seed': 0}, seed=0)\n"
        f"    table = evaluate(Own(), {ARCHS}, ['slow', 'snip'], repeats=10, batch_size=4, workers=workers, run=run)\n"
        "    table.write_csv(folder / 'scores.csv')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}

    command = [sys.executable, str(script), str(tmp_path / "killed"), "2"]
    process = subprocess.Popen(command, env=environment)
    stored = tmp_path / "killed" / "scores.jsonl"
    end = time.monotonic() + 60
    while not (stored.exists() and stored.read_text().count("\n") >= 12):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "scores.csv").exists()
    assert subprocess.run(command, env=environment, timeout=120, check=False).returncode == 0
    evaluate(Tiny(), ARCHS, ["slow", "snip"], repeats=10, batch_size=4).write_csv(tmp_path / "whole.csv")
    assert (tmp_path / "killed" / "scores.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert (tmp_path / "whole.csv").read_bytes().count(b"\n") == 1 + 3 * 2 * 10


def test_what_cannot_be_sent_to_a_worker_is_said():
    class Local(Tiny):
        pass

    with pytest.raises(UserError, match=r"one of them cannot be .* at a module's top level"):
        Evaluator(Local(), ["snip"], batch_size=8, workers=2)
    Evaluator(Local(), ["snip"], batch_size=8)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"repeats": 0}, "repeats = 0 must be at least 1"),
        ({"archs": []}, "no architecture to evaluate"),
        ({"rankers": []}, "No ranker is asked for"),
        ({"rankers": ["nwott"]}, "'nwott'"),
        ({"vary": "weights"}, "vary = 'weights' is not known; 'init', 'batch' or 'both'"),
        ({"workers": 0}, "workers = 0 must be at least 1"),
        ({"batch_size": 1}, "batch_size = 1 must be at least 2"),
        ({"batch_size": 5000}, "batch_size = 5000 is more than the 1797 digits"),
        ({"data": "tokens"}, "data = 'tokens' is not for the space 'tiny'"),
        ({"archs": ["width=9;activation=relu;depth=1"]}, "width = '9' is not one of 2, 3, 4"),
    ],
)
def test_what_is_impossible_is_said_before_anything_is_measured(tmp_path, change, said):
    run = new_run(tmp_path / "run")
    given = {"archs": ARCHS, "rankers": ["grad_norm"], "run": run, **change}
    with pytest.raises(UserError) as caught:
        evaluate(Tiny(), given.pop("archs"), given.pop("rankers"), **given)
    assert said in str(caught.value)
    assert not (run.path / "scores.jsonl").exists()
