"""A run on disk: whole or not there, resumable after any kill, written by one process, readable when torn."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from datetime import date
from pathlib import Path
from threading import Timer

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.runs import Run, list_runs, open_run, same_metrics
from gnomon.runs.files import read_lines, to_json, write_atomic
from gnomon.runs.store import is_written


def create(path, **changes):
    given_settings = {"name": "t", "seed": 3, "task": {"name": "multiply"}, "none": None, **changes}
    return Run.create(path, kind="posttrain", name="t", settings=given_settings, seed=3)


def test_a_new_run_has_its_settings_environment_and_state(tmp_path):
    run = create(tmp_path / "run")
    assert tomllib.loads((run.path / "recipe.toml").read_text()) == {
        "name": "t",
        "seed": 3,
        "task": {"name": "multiply"},
    }
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["seed"] == 3
    assert environment["versions"]["torch"]
    assert environment["machine"]["cores"] >= 1
    assert (run.state, run.kind) == ("running", "posttrain")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_folder_in_use_is_refused_and_an_empty_one_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    create(tmp_path / "empty")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        create(tmp_path / "full")
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["letter.txt"]


def test_runs_without_a_folder_get_names_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = create(None), create(None)
    assert first.path.parent == second.path.parent == Path("runs")
    assert first.path != second.path
    assert [r.path for r in list_runs()] == [first.path, second.path]
    assert open_run(first.path.name).path == first.path


@given(
    st.dictionaries(
        st.text("abcdefgh_", min_size=1, max_size=8).filter(lambda key: key not in ("name", "seed")),
        st.recursive(
            st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    )
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_settings_round_trip(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("s") / "run"
    run = Run.create(folder, kind="k", name="t", settings=values, seed=0)
    assert open_run(folder).settings == values
    run.mark("interrupted")
    Run.resume(folder, settings=values).mark("interrupted")


def test_resume_names_the_setting_that_differs(tmp_path):
    create(tmp_path / "run").mark("interrupted")
    with pytest.raises(UserError, match=r"task\.name = 'multiply', not 'add'"):
        Run.resume(tmp_path / "run", settings={"name": "t", "seed": 3, "task": {"name": "add"}})
    resumed = Run.resume(tmp_path / "run", settings={"name": "t", "seed": 3, "task": {"name": "multiply"}})
    assert resumed.state == "running"


def test_logs_append_and_a_torn_last_line_is_ignored(tmp_path):
    run = create(tmp_path / "run")
    run.log(1, loss=0.5, bad=float("nan"))
    run.log(2, loss=0.25)
    assert [(row["step"], row["loss"]) for row in run.metrics()] == [(1, 0.5), (2, 0.25)]
    assert run.metrics()[0]["bad"] is None
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    assert len(run.metrics()) == 2
    run.rewind(2)
    assert (run.path / "metrics.jsonl").read_text().endswith("}\n")
    run.log(3, loss=0.1)
    assert [row["step"] for row in run.metrics()] == [1, 2, 3]


def test_trajectories_are_capped(tmp_path, monkeypatch):
    monkeypatch.setattr("gnomon.runs.store.MOST_TRAJECTORIES", 10)
    run = create(tmp_path / "run")
    for step in range(20):
        run.log_trajectories([{"step": step, "k": k} for k in range(3)])
    kept = run.trajectories()
    assert 10 <= len(kept) <= 20
    assert kept == [{"step": s, "k": k} for s in range(20) for k in range(3)][-len(kept) :]


def test_a_checkpoint_is_whole_or_absent(tmp_path):
    run = create(tmp_path / "run")
    run.pinned.add(1)
    for step in range(5):
        with run.checkpoint(step) as folder:
            (folder / "x").write_text(str(step))
    with pytest.raises(RuntimeError, match="disk"), run.checkpoint(9) as folder:
        (folder / "x").write_text("half")
        raise RuntimeError("disk full")
    assert sorted(p.name for p in (run.path / "checkpoints").iterdir()) == ["1", "3", "4"]
    assert run.latest_checkpoint() == (4, run.path / "checkpoints" / "4")
    with run.checkpoint(4) as folder:
        (folder / "x").write_text("again")
    assert (run.path / "checkpoints" / "4" / "x").read_text() == "again"


def test_rewinding_forgets_what_came_after(tmp_path):
    run = create(tmp_path / "run")
    for step in range(6):
        run.log(step, loss=1.0)
        run.log_trajectories([{"step": step}])
        run.log_evaluation([{"step": step}])
    (run.path / "checkpoints").mkdir()
    (run.path / "checkpoints" / ".5.tmp").mkdir()
    (run.path / "checkpoints" / ".3.old").mkdir()  # killed between the two renames
    run.rewind(3)
    for rows in (run.metrics(), run.trajectories(), run.evaluations()):
        assert [row["step"] for row in rows] == [0, 1, 2, 3]
    assert [p.name for p in (run.path / "checkpoints").iterdir()] == ["3"]


def test_a_writer_waits_for_those_who_only_look(tmp_path):
    create(tmp_path / "run").mark("interrupted")
    settings = open_run(tmp_path / "run").settings
    with (tmp_path / "run" / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        Timer(0.2, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
        run = Run.resume(tmp_path / "run", settings=settings)
    assert run.state == "running"


def test_looking_whether_a_run_is_written_makes_nothing(tmp_path):
    run = create(tmp_path / "run")
    assert is_written(run.path)
    run.mark("interrupted")
    (run.path / ".lock").unlink()
    before = sorted(path.name for path in run.path.iterdir())
    assert not is_written(run.path)
    assert sorted(path.name for path in run.path.iterdir()) == before


def test_one_process_writes_at_a_time_and_a_dead_one_reads_as_interrupted(tmp_path):
    script = textwrap.dedent(
        f"""
        import time
        from pathlib import Path
        from gnomon.runs import Run
        run = Run.create(Path({str(tmp_path / "run")!r}), kind="k", name="t", settings={{"a": 1}}, seed=0)
        step = 0
        while True:
            step += 1
            run.log(step, value=step)
            if step % 50 == 0:
                with run.checkpoint(step) as folder:
                    (folder / "x").write_text("x" * 100000)
            if step == 200:
                print("going", flush=True)
        """
    )
    writer = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "going\n"
    assert open_run(tmp_path / "run").state == "running"
    with pytest.raises(UserError, match=f"written by process {writer.pid}"):
        Run.resume(tmp_path / "run", settings={"a": 1})
    time.sleep(0.3)
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    run = open_run(tmp_path / "run")
    assert run.state == "interrupted"
    steps = [row["step"] for row in run.metrics()]
    assert steps == list(range(1, len(steps) + 1))
    step, folder = run.latest_checkpoint()
    assert len((folder / "x").read_text()) == 100000
    resumed = Run.resume(tmp_path / "run", settings={"a": 1})
    resumed.rewind(step)
    assert resumed.metrics()[-1]["step"] == step


def test_clocks_are_no_difference(tmp_path):
    runs = [create(tmp_path / name) for name in "ab"]
    for index, run in enumerate(runs):
        run.log(1, loss=0.5, samples_per_second=index)
    assert same_metrics(*runs) == []
    runs[1].log(2, loss=1.0)
    assert same_metrics(*runs) == ["metrics: 1 rows against 2"]


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(UserError, match="There is no run"):
        open_run(tmp_path)


def test_atomic_writing_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "f"
    write_atomic(path, "old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_json_has_no_infinities():
    assert json.loads(to_json({"a": [float("inf"), {"b": float("nan")}], "c": 1.5})) == {
        "a": [None, {"b": None}],
        "c": 1.5,
    }
    assert list(read_lines(Path("/nowhere/at/all"))) == []


def test_tensorboard_gets_the_numbers(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    values = {"name": "t"}
    run = Run.create(tmp_path / "run", kind="k", name="t", settings=values, seed=0, outlets=("tensorboard",))
    for step in range(3):
        run.log(step, loss=step / 2, stage="rl")
    run.finish({"accuracy": 1})
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(0, 0.0), (1, 0.5), (2, 1.0)]


def test_an_outlet_that_is_not_installed_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"gnomon\[trackers\]"):
        Run.create(tmp_path / "run", kind="k", name="t", settings={}, seed=0, outlets=("wandb",))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="There is no outlet 'paper'"):
        Run.create(tmp_path / "run", kind="k", name="t", settings={}, seed=0, outlets=("paper",))


def test_json_of_dates_and_of_what_is_not_finite():
    assert (
        to_json({"until": date(2027, 12, 31), "x": [1.5, float("nan")]}) == '{"until": "2027-12-31", "x": [1.5, null]}'
    )
