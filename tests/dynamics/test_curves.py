"""Reading one curve through every format, refusing what is no curve, and cleaning."""

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.dynamics import Curve, read_curve
from gnomon.dynamics.curves import clean
from gnomon.errors import UserError
from gnomon.runs.store import Run

N = 300
LOSS = np.exp(np.random.default_rng(4).normal(1, 0.3, N))
STEPS = np.arange(1, N + 1)
POINTS = [(int(step), float(loss)) for step, loss in zip(STEPS, LOSS, strict=True)]


def write_table(path: Path, header: list[str], rows, separator: str = ",") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=separator, quoting=csv.QUOTE_NONNUMERIC if " - " in header[1] else 0)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_lines(path: Path, rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def zipped(path: Path) -> Path:
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    return target


def trainer_state(folder: Path, *, compact: bool = False) -> Path:
    folder.mkdir(parents=True)
    history = []
    for step, loss in POINTS:
        history.append({"epoch": step / 100, "grad_norm": 1.0, "learning_rate": 1e-3, "loss": loss, "step": step})
        if step % 50 == 0:
            history.append({"epoch": step / 100, "eval_loss": 9.0, "eval_runtime": 1.0, "step": step})
    history.append({"epoch": 3.0, "step": N, "total_flos": 1.0, "train_loss": 7.0, "train_runtime": 2.0})
    state = {"best_metric": None, "log_history": history, "max_steps": N}
    (folder / "trainer_state.json").write_text(json.dumps(state, indent=None if compact else 2))
    return folder / "trainer_state.json"


def our_run(folder: Path, rows, settings=None) -> Path:
    run = Run.create(folder, kind="dynamics-train", name="t", settings=settings or {"name": "t"}, seed=0)
    for row in rows:
        run.log(**row)
    run.mark("interrupted")
    return folder


def csv_file(tmp):
    return write_table(tmp / "a.csv", ["step", "loss"], POINTS)


def tsv_file(tmp):
    return write_table(tmp / "a.tsv", ["global_step", "lr", "train_loss"], [(s, 1, v) for s, v in POINTS], "\t")


def semicolons(tmp):
    return write_table(tmp / "a.csv", ["Step", "Loss"], POINTS, ";")


def byte_order_mark(tmp):
    path = csv_file(tmp)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\r\n", b"\n") + b"\n\n")
    return path


def csv_gz(tmp):
    return zipped(csv_file(tmp))


def no_ending(tmp):
    return csv_file(tmp).rename(tmp / "log")


def jsonl(tmp):
    rows = [{"_step": s, "_runtime": 0.5, "loss": v} for s, v in POINTS]
    return write_lines(tmp / "a.jsonl", [*rows[:9], {"_step": 9, "validation": 1.0}, *rows[9:]])


def jsonl_with_byte_order_mark(tmp):
    path = jsonl(tmp)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    return path


def jsonl_gz(tmp):
    return zipped(jsonl(tmp))


def json_lines_called_json(tmp):
    return jsonl(tmp).rename(tmp / "a.json")


def state_file(tmp):
    return trainer_state(tmp / "out")


def state_in_one_line(tmp):
    return trainer_state(tmp / "out", compact=True)


def checkpoint_folder(tmp):
    return trainer_state(tmp / "checkpoint-300").parent


def folder_of_checkpoints(tmp):
    state = trainer_state(tmp / "out" / "checkpoint-1000")
    earlier = tmp / "out" / "checkpoint-999"
    earlier.mkdir()
    (earlier / "trainer_state.json").write_text(json.dumps({"log_history": [{"loss": 5.0, "step": 1}]}))
    return state.parent.parent


def wandb_export(tmp):
    name = "swift-river-7 - train/loss"
    header = ["Step", name, f"{name}__MIN", f"{name}__MAX"]
    return write_table(tmp / "wandb.csv", header, [(s, v, v, v) for s, v in POINTS])


def wandb_lightning_axis(tmp):
    name = "a - b - loss"
    return write_table(
        tmp / "wandb.csv",
        ["trainer/global_step", name, f"{name}__MIN", f"{name}__MAX"],
        [(s, v, v, v) for s, v in POINTS],
    )


def run_folder(tmp):
    rows = [{"step": s, "stage": "train", "loss": v, "learning_rate": 0.1} for s, v in POINTS]
    probes = [{"step": s, "stage": "probe", "kind": "loss", "loss": 9.0, "D": 0.5} for s in (1, 2, 4)]
    return our_run(tmp / "run", [*rows[:4], *probes, *rows[4:]])


def run_file(tmp):
    return run_folder(tmp) / "metrics.jsonl"


def run_without_stages(tmp):
    return our_run(
        tmp / "run", [{"step": 1, "stage": "probe", "loss": 9.0}, *({"step": s, "loss": v} for s, v in POINTS)]
    )


TEXT_FORMATS = [
    csv_file,
    tsv_file,
    semicolons,
    byte_order_mark,
    csv_gz,
    no_ending,
    jsonl,
    jsonl_gz,
    jsonl_with_byte_order_mark,
    json_lines_called_json,
    state_file,
    state_in_one_line,
    checkpoint_folder,
    folder_of_checkpoints,
    wandb_export,
    wandb_lightning_axis,
    run_folder,
    run_file,
    run_without_stages,
]


@pytest.mark.parametrize("make", TEXT_FORMATS, ids=lambda make: make.__name__)
def test_one_curve_through_every_text_format(make, tmp_path):
    curve = read_curve(make(tmp_path))
    assert np.array_equal(curve.x, STEPS)
    assert np.array_equal(curve.loss, LOSS)  # exactly: text holds every digit
    assert curve.x.dtype == curve.loss.dtype == np.float64
    assert curve.unit == 1.0
    cleaned = clean(curve)
    assert cleaned.n_raw == N
    assert set(cleaned.dropped.values()) == {0}
    assert not cleaned.flags


# -- TensorBoard ---------------------------------------------------------------------------------------------------


def write_events(folder: Path, tag: str, points, *, new_style: bool = False, **options) -> Path:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder), **options)
    for step, loss in points:
        writer.add_scalar(tag, loss, step, new_style=new_style)
    writer.close()
    return folder


@pytest.mark.parametrize("new_style", [False, True])
def test_tensorboard_gives_every_scalar_as_float32(tmp_path, new_style):
    """More than the 10,000 that are kept by default; the file stores float32, so equal to the curve rounded to it."""
    losses = np.exp(np.random.default_rng(0).normal(1, 0.3, 10_500))
    folder = write_events(tmp_path / "runs" / "one", "train/loss", enumerate(losses, 1), new_style=new_style)
    for source in (folder, folder.parent, next(folder.glob("*tfevents*"))):
        curve = read_curve(source)
        assert np.array_equal(curve.x, np.arange(1, 10_501))
        assert np.array_equal(curve.loss, losses.astype(np.float32))
        assert (curve.metric, curve.unit) == ("train/loss", 1.0)


def test_tensorboard_texts_and_images_are_no_scalars(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        writer.add_text("loss/notes", "words")
        writer.add_histogram("loss/weights", np.arange(9.0))
        writer.add_scalar("loss", 2.0, 1, new_style=True)
        writer.add_scalar("accuracy", 0.5, 1)
    assert read_curve(tmp_path).metric == "loss"
    assert read_curve(tmp_path, metric="accuracy").loss.tolist() == [0.5]
    with pytest.raises(UserError, match="no column 'words'.*'accuracy', 'loss' with --metric"):
        read_curve(tmp_path, metric="words")
    with pytest.raises(UserError, match="no column 'tokens'.*'step' with --x"):
        read_curve(tmp_path, x="tokens")


def test_tensorboard_several_runs_are_listed(tmp_path):
    for name in ("a", "b"):
        write_events(tmp_path / name, "loss", POINTS[:9])
    write_events(tmp_path / "hparams", "hp_metric", [(0, -1.0)])
    with pytest.raises(UserError, match="several runs.*/a', .*/b' as the source") as refused:
        read_curve(tmp_path)
    assert "hparams'" not in str(refused.value)
    (second,) = (tmp_path / "b").iterdir()
    second.unlink()
    assert read_curve(tmp_path).x.size == 9  # the other folder has no loss


def test_tensorboard_restart_is_one_run_and_a_second_start_is_another(tmp_path):
    write_events(tmp_path, "loss", [(s, 3.0) for s in range(1, 41)], filename_suffix=".1")
    for path in tmp_path.iterdir():
        path.rename(tmp_path / "events.out.tfevents.1000.first")
    write_events(tmp_path, "loss", [(s, 2.0) for s in range(31, 61)])
    cleaned = clean(read_curve(tmp_path))
    assert cleaned.dropped["repeated"] == 10
    assert cleaned.loss[:30].tolist() == [3.0] * 30
    assert cleaned.loss[30:].tolist() == [2.0] * 30
    write_events(tmp_path, "loss", [(s, 1.0) for s in range(1, 5)], filename_suffix=".again")
    with pytest.raises(UserError, match="begins anew at step 1.*several runs.*tfevents.1000.first"):
        read_curve(tmp_path)


def test_tensorboard_package_is_named_where_it_is_missing(tmp_path, monkeypatch):
    (tmp_path / "events.out.tfevents.1").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing.event_accumulator", None)
    with pytest.raises(UserError, match=r"gnomon\[trackers\]"):
        read_curve(tmp_path)


# -- a real training -------------------------------------------------------------------------------------------------

HF_STEPS, HF_WARMUP = 80, 16


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The output folder of the Hugging Face Trainer, and the losses that its callbacks saw."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments
    from transformers.integrations import TensorBoardCallback

    folder = tmp_path_factory.mktemp("trained")
    torch.manual_seed(0)
    tokens = torch.randint(0, 17, (64, 12))
    tokens[:, 1::2] = tokens[:, ::2]
    seen = []

    class Remember(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **_):
            if "loss" in logs:
                seen.append((state.global_step, float(logs["loss"])))

    model = GPT2LMHeadModel(GPT2Config(vocab_size=17, n_positions=12, n_embd=16, n_layer=1, n_head=2))
    arguments = TrainingArguments(
        output_dir=str(folder / "out"),
        max_steps=HF_STEPS,
        per_device_train_batch_size=8,
        learning_rate=1e-2,
        lr_scheduler_type="cosine",
        warmup_steps=HF_WARMUP,
        logging_steps=1,
        save_steps=40,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    from torch.utils.tensorboard import SummaryWriter

    board = TensorBoardCallback(SummaryWriter(str(folder / "board")))
    rows = [{"input_ids": row, "labels": row} for row in tokens]
    trainer = Trainer(model=model, args=arguments, train_dataset=rows, callbacks=[Remember(), board])
    trainer.train()
    trainer.save_state()
    return folder, seen


def test_trainer_state_of_a_real_training(trained):
    folder, seen = trained
    assert [step for step, _ in seen] == list(range(1, HF_STEPS + 1))
    for source in (folder / "out", folder / "out" / "trainer_state.json", folder / "out" / f"checkpoint-{HF_STEPS}"):
        curve = read_curve(source)
        assert list(zip(curve.x, curve.loss, strict=True)) == seen
        assert (curve.metric, curve.x_name, curve.unit) == ("loss", "step", 1.0)
        assert curve.settings["train"]["steps"] == HF_STEPS
        assert abs(curve.settings["train"]["warmup"] - HF_WARMUP) <= 1  # the rate is logged before or after its step
    half = read_curve(folder / "out" / "checkpoint-40")
    assert list(zip(half.x, half.loss, strict=True)) == seen[:40]
    assert clean(curve).loss[-10:].mean() < clean(curve).loss[:10].mean()
    with_epochs = clean(read_curve(folder / "out", x="epoch"))
    assert with_epochs.unit_guessed
    assert with_epochs.x[-1] / with_epochs.unit == pytest.approx(HF_STEPS)


@pytest.mark.parametrize(
    ("rates", "train"),
    [
        ([1, 2, 3, 3, 2], {"steps": 50, "warmup": 30}),
        ([3, 3, 3, 2, 1], {"steps": 50, "warmup": 0}),
        ([1, 3, 1, 3, 1], {"steps": 50, "warmup": 20}),
        ([None] * 5, {"steps": 50}),
    ],
)
def test_warmup_ends_where_the_learning_rate_is_first_highest(tmp_path, rates, train):
    history = [{"step": 10 * n, "loss": 1.0, "learning_rate": rate} for n, rate in enumerate(rates, 1)]
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"max_steps": 50, "log_history": history}))
    assert read_curve(path).settings == {"train": train}
    path.write_text(json.dumps({"log_history": [{"step": 1, "loss": 1.0}]}))
    assert read_curve(path).settings == {}


def test_tensorboard_folder_of_a_real_training(trained):
    folder, seen = trained
    with pytest.raises(UserError, match="several columns have 'loss'.*'train/loss'.*--metric"):
        read_curve(folder / "board")
    curve = read_curve(folder / "board", metric="train/loss")
    steps, losses = zip(*seen, strict=True)
    assert curve.x.tolist() == list(steps)
    assert np.array_equal(curve.loss, np.array(losses, dtype=np.float32))


# -- a run of ours ---------------------------------------------------------------------------------------------------

POSTTRAIN = {"name": "p", "warm_start": {"steps": 2, "warmup": 1}, "train": {"steps": 2, "warmup": 7}}


def posttrain_run(tmp):
    return our_run(
        tmp / "p",
        [
            {"step": 1, "stage": "warm_start", "loss": 3.0},
            {"step": 2, "stage": "warm_start", "loss": 2.0},
            {"step": 3, "stage": "rl", "loss": -0.5, "reward": 0.25},
            {"step": 3, "stage": "probe", "D": 0.5},
            {"step": 4, "stage": "control", "loss": 1.0},
        ],
        POSTTRAIN,
    )


def test_several_stages_with_a_loss_are_not_guessed_between(tmp_path):
    run = posttrain_run(tmp_path)
    with pytest.raises(UserError, match="'warm_start/loss', 'rl/loss', 'control/loss' with --metric"):
        read_curve(run)
    warm = read_curve(run, metric="warm_start/loss")
    assert (warm.x.tolist(), warm.loss.tolist(), warm.metric) == ([1, 2], [3, 2], "warm_start/loss")
    assert warm.settings["train"] == POSTTRAIN["warm_start"]
    assert read_curve(run, metric="rl/loss").settings["train"] == POSTTRAIN["train"]
    assert read_curve(run, metric="control/loss").settings["train"] == {}
    assert read_curve(run, metric="reward").metric == "rl/reward"
    with pytest.raises(UserError, match="logged no 'accuracy'.*'warm_start/loss'.*'rl/reward', 'probe/D'.*--metric"):
        read_curve(run, metric="accuracy")


def test_only_stage_with_a_loss_is_taken(tmp_path):
    rows = [{"step": 1, "stage": "warm_start", "loss": 3.0}, {"step": 2, "stage": "rl", "loss": float("nan")}]
    assert read_curve(our_run(tmp_path / "r", rows)).metric == "warm_start/loss"


def test_run_keeps_its_settings_and_forgives_a_torn_last_line(tmp_path):
    settings = {"name": "t", "train": {"steps": 320, "warmup": 50, "schedule": "cosine"}}
    rows = [
        {"step": 1, "stage": "train", "loss": 3.0},
        {"step": 2, "stage": "train", "loss": float("inf")},
        {"step": 3, "stage": "train", "loss": 2.0},
    ]
    run = our_run(tmp_path / "r", rows, settings)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "sta')
    curve = read_curve(run)
    assert curve.settings == settings
    assert curve.metric == "loss"
    assert curve.x.tolist() == [1, 2, 3]
    assert np.array_equal(curve.loss, [3, np.nan, 2], equal_nan=True)


def test_run_by_its_id_and_without_metrics(tmp_path, monkeypatch):
    our_run(tmp_path / "runs" / "mine", [{"step": 1, "stage": "train", "loss": 3.0}])
    our_run(tmp_path / "runs" / "new", [])
    monkeypatch.chdir(tmp_path)
    assert read_curve("mine").loss.tolist() == [3.0]
    with pytest.raises(UserError, match="logged no 'loss', nor anything else"):
        read_curve("new")


# -- columns ---------------------------------------------------------------------------------------------------------


def test_axis_is_found_by_name_in_order(tmp_path):
    path = write_table(tmp_path / "a.csv", ["tokens", "loss", "Step"], [(100 * s, v, s) for s, v in POINTS])
    assert read_curve(path).x_name == "Step"
    tokens = read_curve(path, x="tokens")
    assert tokens.unit is None
    assert clean(tokens).unit == 100
    assert [flag.code for flag in clean(tokens).flags] == ["unit_guessed"]
    given = clean(read_curve(path, x="tokens", tokens_per_step=50))
    assert (given.unit, given.unit_guessed, given.flags) == (50, False, [])


def test_wandb_export_of_several_runs(tmp_path):
    header = ["Step"] + [f"{run} - train/loss{end}" for run in "ab" for end in ("", "__MIN", "__MAX")]
    path = write_table(tmp_path / "a.csv", header, [(s, v, v, v, 2 * v, v, v) for s, v in POINTS])
    for metric in (None, "train/loss"):
        with pytest.raises(
            UserError, match="several runs; name one of 'a - train/loss', 'b - train/loss' with --metric"
        ):
            read_curve(path, metric=metric)
    assert np.array_equal(read_curve(path, metric="b - train/loss").loss, 2 * LOSS)


def test_wandb_run_called_loss_is_no_loss(tmp_path):
    path = write_table(tmp_path / "a.csv", ["Step", "loss-study - accuracy", "x - loss"], [(1, 2, 3)])
    assert read_curve(path).metric == "x - loss"
    assert read_curve(path, metric="accuracy").loss.tolist() == [2]


def test_run_name_with_the_separators_in_it(tmp_path):
    path = write_table(tmp_path / "a.csv", ["Step", "loss, a - b - accuracy", "x, y - z - loss"], [(1, 2, 3)], ";")
    assert read_curve(path).metric == "x, y - z - loss"
    assert read_curve(path, metric="accuracy").loss.tolist() == [2]
    assert read_curve(path, metric="loss").loss.tolist() == [3]


def test_column_that_only_looks_like_a_band_is_kept(tmp_path):
    path = write_table(tmp_path / "a.csv", ["step", "loss__MIN"], [(1, 2.0)])
    assert read_curve(path).loss.tolist() == [2.0]


@pytest.mark.parametrize("write", ["csv", "jsonl"])
def test_cells_without_a_finite_number_are_counted(tmp_path, write):
    cells = [3.0, "NaN", "inf", "-Infinity", "", " 2.5 ", "null", None, "n/a", "1e-3"]
    if write == "csv":
        path = write_table(tmp_path / "a.csv", ["step", "loss"], enumerate(cells, 1))
    else:
        path = write_lines(
            tmp_path / "a.jsonl", [{"step": s, "loss": v} for s, v in enumerate([*cells, float("nan")], 1)]
        )
    cleaned = clean(read_curve(path))
    assert cleaned.x.tolist() == [1, 6, 10]
    assert cleaned.loss.tolist() == [3, 2.5, 1e-3]
    assert cleaned.dropped["nonfinite"] == cleaned.n_raw - 3
    assert [flag.code for flag in cleaned.flags] == ["nonfinite_dropped"]


def test_header_written_again_by_a_restart_is_no_word(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("step,loss\n1,3\n2,2\nstep,loss\n2,2.5\n")
    cleaned = clean(read_curve(path))
    assert (cleaned.loss.tolist(), cleaned.dropped["nonfinite"], cleaned.dropped["repeated"]) == ([3, 2.5], 1, 1)


def test_an_integer_beyond_float64_is_infinite(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"step": 1, "loss": 10**400}, {"step": 2, "loss": 2.0}])
    assert read_curve(path).loss.tolist() == [np.inf, 2.0]


def test_a_row_without_the_axis_is_counted(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"step": 1, "loss": 3.0}, {"loss": 2.0}])
    assert clean(read_curve(path)).dropped["nonfinite"] == 1


# -- bad input -------------------------------------------------------------------------------------------------------

BAD = {
    "empty": ("a.csv", b"", "a.csv: this file is empty"),
    "blank": ("a.jsonl", b"\n \n", "a.jsonl: this file is empty"),
    "header only": ("a.csv", b"step,loss\n", "a.csv: there is a header and no row"),
    "header and blank lines": ("a.csv", b"step,loss\n\n\n", "a.csv: there is a header and no row"),
    "no header": ("a.csv", b"1,2.5\n2,2.4\n", "a.csv: the first line holds numbers; a header"),
    "binary": ("a.csv", b"PAR1\x00\x00\xff\xfe", "a.csv: this is a binary file, not UTF-8"),
    "zeros": ("a.log", b"step\x00loss", "a.log: this is a binary file, not UTF-8"),
    "torn gzip": ("a.csv.gz", gzip.compress(b"step,loss\n1,2\n" * 99)[:-12], "a.csv.gz: this file could not be read"),
    "no gzip": ("a.jsonl.gz", b"\x1f\x8bnonsense", "a.jsonl.gz: this file could not be read"),
    "bad JSON line": ("a.jsonl", b'{"step": 1, "loss": 2}\n\n{"step": 2, "lo\n', "a.jsonl:3: this line is not valid JSON"),
    "torn JSON line": ("a.jsonl", b'{"step": 1, "loss": 2}\n{"st', "a.jsonl:2: this line is not valid JSON"),
    "JSON line no object": ("a.jsonl", b'{"step": 1, "loss": 2}\n[1, 2]\n', "a.jsonl:2: an object"),
    "bad state": ("trainer_state.json", b'{\n"log_history": [\n', "trainer_state.json: this is not valid JSON.*line"),
    "other JSON": ("a.json", b'{\n"a": 1}', "a.json: this JSON has no log_history"),
    "list": ("a.json", b"[1, 2]", "a.json: this JSON has no log_history"),
    "empty history": ("trainer_state.json", b'{"log_history": []}', "its log_history is empty"),
    "no loss": ("a.csv", b"step,accuracy\n1,2\n", "no column has 'loss' in its name; name one of 'step', 'accuracy' with --metric"),
    "two losses": ("a.csv", b"step,loss,val_loss\n1,2,3\n", "several columns.*'loss', 'val_loss' with --metric"),
    "two losses in lines": ("a.jsonl", b'{"step":1,"loss":2,"val_loss":3}', "several columns.*'loss', 'val_loss' with --metric"),
    "no axis": ("a.csv", b"epoch,loss\n1,2\n", "no column is called step.*name one of 'epoch', 'loss' as the axis with --x"),
    "words": ("a.csv", b"step,loss\n1,high\n2,low\n", "row 1 of 'loss' holds 'high', which is no number; 0 of its 2 cells.*30"),
    "word": ("a.csv", b"step,loss\n1,2.5\n2,\"1,5\"\n", "row 2 of 'loss' holds '1,5'.*1 of its 2 cells"),
    "word in lines": ("a.jsonl", b'{"step":1,"loss":[2]}', r"row 1 of 'loss' holds '\[2\]'"),
    "truth": ("a.jsonl", b'{"step":1,"loss":true}', "row 1 of 'loss' holds 'true'"),
    "dates": ("a.csv", b"step,loss\n2024-01-01,2\n", "row 1 of 'step' holds '2024-01-01'"),
    "ragged": ("a.csv", b"step,loss\n1,2\n2,3,4\n", "line 3 has 3 cells under a header of 2 columns"),
    "open quote": ("a.csv", b'step,loss\n1,"2\n2,3\n', "a.csv: could not parse"),
    "long line": ("a.csv", b"step,loss\n1," + b"x" * 10**6, "row 1 of 'loss' holds 'xxx"),
    "long quote": ("a.csv", b'step,loss\n1,"' + b"x" * 10**6, "a.csv: could not parse"),
    "no events": ("events.out.tfevents.1", b"not an event file at all", "there is no scalar"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "content", "sentence"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_read_is_refused_in_one_sentence(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=sentence) as refused:
        read_curve(tmp_path / name)
    assert str(tmp_path / name) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_no_such_file_and_folders_without_a_curve(tmp_path):
    with pytest.raises(UserError, match=r"no\.csv: there is no such file or folder"):
        read_curve(tmp_path / "no.csv")
    with pytest.raises(UserError, match="is no run.*it is empty"):
        read_curve(tmp_path)
    csv_file(tmp_path)
    with pytest.raises(UserError, match=r"is no run.*it holds 'a\.csv', and a single file can be given"):
        read_curve(tmp_path)


def test_unknown_metric_and_axis_list_the_columns(tmp_path):
    path = csv_file(tmp_path)
    with pytest.raises(UserError, match="no column 'lossy'; name one of 'step', 'loss' with --metric"):
        read_curve(path, metric="lossy")
    with pytest.raises(UserError, match="no column 'tokens'; name one of 'step', 'loss' with --x"):
        read_curve(path, x="tokens")
    wide = write_table(tmp_path / "b.csv", ["step", *(f"c{i}" for i in range(99))], [range(100)])
    with pytest.raises(UserError, match="'c18' and 80 more with"):
        read_curve(wide)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_tokens_per_step_is_above_zero(tmp_path, value):
    with pytest.raises(UserError, match="--tokens-per-step = .* above 0"):
        read_curve(csv_file(tmp_path), tokens_per_step=value)


def test_a_loss_that_is_not_positive_is_refused_with_its_row():
    for keep_order in (False, True):
        for bad, after in ((-0.5, 0), (0, -1)):
            with pytest.raises(UserError, match=rf"mine: .*must be positive.*row 2 \(step 20\) loss is {bad}\."):
                clean(Curve([10, 20, 30], [1, bad, after], source="mine"), keep_order=keep_order)


def test_nothing_finite_is_refused_with_the_counts():
    with pytest.raises(UserError, match="none of the 3 values of 'loss' is a finite number; at least 30"):
        clean(Curve([1, 2, 3], [np.nan, np.inf, np.nan]))
    with pytest.raises(UserError, match="none of the 2 values of 'loss' is a finite number with step > 0"):
        clean(Curve([0, 0], [1, 2]))
    with pytest.raises(UserError, match="none of the 0 values"):
        clean(Curve([], []))


@pytest.mark.parametrize(("x", "loss"), [([1, 2], [1]), ([[1]], [[1]]), (1, 1)])
def test_a_curve_is_two_vectors(x, loss):
    with pytest.raises(ValueError, match="two vectors of one length"):
        Curve(x, loss)


# -- cleaning --------------------------------------------------------------------------------------------------------

rows = st.tuples(
    st.one_of(st.integers(-3, 12).map(float), st.sampled_from([np.nan, np.inf])),
    st.one_of(st.floats(1e-3, 1e3), st.sampled_from([np.nan, np.inf, -np.inf])),
)


def expected(pairs) -> dict[float, float]:
    """The cleaned curve by the plainest means: a dictionary, written in file order."""
    return {x: loss for x, loss in pairs if np.isfinite(x) and np.isfinite(loss) and x > 0}


@settings(deadline=None)
@given(st.lists(rows, max_size=30))
def test_last_in_file_order_wins_and_counts_add_up(pairs):
    curve = Curve([x for x, _ in pairs], [loss for _, loss in pairs])
    kept = expected(pairs)
    if not kept:
        with pytest.raises(UserError, match="none of the"):
            clean(curve)
        return
    cleaned = clean(curve)
    assert dict(zip(cleaned.x, cleaned.loss, strict=True)) == kept
    assert (np.diff(cleaned.x) > 0).all()
    assert cleaned.n_raw == len(pairs) == cleaned.x.size + sum(cleaned.dropped.values())
    assert cleaned.dropped["nonfinite"] == sum(not (np.isfinite(x) and np.isfinite(y)) for x, y in pairs)
    codes = {flag.code for flag in cleaned.flags}
    assert ("nonfinite_dropped" in codes) == (cleaned.dropped["nonfinite"] > 0)
    assert ("repeated_steps" in codes) == (cleaned.dropped["repeated"] > 0)


@settings(deadline=None)
@given(st.data())
def test_order_of_rows_does_not_matter(data):
    steps = data.draw(st.lists(st.integers(1, 500), min_size=2, max_size=30, unique=True))
    losses = data.draw(st.lists(st.floats(1e-3, 1e3), min_size=len(steps), max_size=len(steps)))
    order = data.draw(st.permutations(range(len(steps))))
    one = clean(Curve(steps, losses, unit=None))
    other = clean(Curve([steps[i] for i in order], [losses[i] for i in order], unit=None))
    assert np.array_equal(one.x, other.x)
    assert np.array_equal(one.loss, other.loss)
    assert one.unit == other.unit == np.diff(sorted(steps)).min()
    assert ("unsorted" in {flag.code for flag in one.flags}) == (steps != sorted(steps))


@settings(deadline=None)
@given(st.lists(rows, min_size=1, max_size=30))
def test_keep_order_drops_what_is_not_finite_and_nothing_else(pairs):
    kept = [(x, loss) for x, loss in pairs if np.isfinite(x) and np.isfinite(loss)]
    curve = Curve([x for x, _ in pairs], [loss for _, loss in pairs])
    if kept:
        cleaned = clean(curve, keep_order=True)
        assert list(zip(cleaned.x, cleaned.loss, strict=True)) == kept
        assert cleaned.dropped == {"nonfinite": len(pairs) - len(kept), "repeated": 0, "nonpositive_step": 0}
        repeats = len({x for x, _ in kept}) < len(kept)
        assert ("repeated_steps" in {flag.code for flag in cleaned.flags}) == repeats


def test_guessed_unit_ignores_rounding():
    x = np.array([0.1, 0.2, 0.1 + 0.2, 0.3, 0.4])
    assert clean(Curve(x, np.ones(5), x_name="epoch", unit=None)).unit == pytest.approx(0.1)
    assert clean(Curve([7.0], [1.0], unit=None)).unit == 1.0


def codes(steps) -> set[str]:
    return {flag.code for flag in clean(Curve(steps, np.full(len(steps), 2.0))).flags}


@pytest.mark.parametrize("length", [1000, 20_000, 262_144])
@pytest.mark.parametrize("size", [500, 1500])
def test_a_random_sample_of_a_log_is_flagged(length, size):
    drawn = np.random.default_rng(size).choice(length, min(size, length // 2), replace=False) + 1
    assert codes(np.sort(drawn)) == {"downsampled"}


@pytest.mark.parametrize(
    "grid",
    [
        np.arange(1, 501),
        np.arange(10, 5010, 10),
        np.unique(np.round(np.logspace(0, 5.4, 620))),
        np.r_[10:100, 100:1000:10, 1000:10_000:100, 10_000:262_001:1000, 262_144],
        np.random.default_rng(0).choice(20_000, 5000, replace=False) + 1.0,
    ],
    ids=["every step", "every tenth", "log-spaced", "the published grid", "5000 drawn"],
)
def test_a_log_on_a_grid_or_with_many_points_is_not_flagged(grid):
    assert "downsampled" not in codes(np.sort(grid))


def test_flags_are_ready_for_json():
    (flag,) = clean(Curve([1, 2], [1, np.nan])).flags
    assert flag.to_dict() == {"code": "nonfinite_dropped", "message": flag.message}
    assert flag.message.startswith("1 of 2 rows")


# -- weight ----------------------------------------------------------------------------------------------------------


def test_reading_a_table_imports_no_torch(tmp_path):
    code = (
        "import sys, gnomon.dynamics.curves as c; assert not {'torch', 'scipy', 'polars'} & set(sys.modules);"
        f" c.clean(c.read_curve({str(csv_file(tmp_path))!r})); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
