"""`gnomon segment train`: a network trained on a prepared data set, and measured on the fold that was held out.

The loop is the one supervised loop of the house, called step by step since the learning rate falls along a cosine to 0.
Steps are counted from 1. What is written: the loss of every step (`metrics.jsonl`), the Dice of the held fold now and
then (`eval.jsonl`), checkpoints, and at the end the model (`model.safetensors`, `model.json`), the scores of every held
case (`per_case.csv`) and `summary.json`.

A training over all folds is a run that holds a run for each fold, in `folds/0`, `folds/1`, ...; it has the scores of
all their cases and predicts with the mean of their networks.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gnomon.errors import UserError
from gnomon.models import training
from gnomon.models.training import Observer
from gnomon.runs import Run, open_run
from gnomon.runs.files import to_json, write_atomic
from gnomon.runs.interruption import Interruption
from gnomon.runs.progress import Progress, Show
from gnomon.runs.report import flat
from gnomon.segment import networks
from gnomon.segment.batches import Batch, Batches, made_ahead
from gnomon.segment.evaluating import Row, read_rows, score_case, summarise, write_rows
from gnomon.segment.losses import LOSSES
from gnomon.segment.output import require_place
from gnomon.segment.predict import Segmenter, save_members, save_model
from gnomon.segment.prepare import Dataset, load_dataset
from gnomon.segment.reading import Case, read_mask
from gnomon.segment.recipe import Fold, Recipe, TrainSettings, to_settings

KIND = "segment-train"

MOST_SKIPPED = 3  # steps in a row without a finite loss and gradient, which end a run

Observe = Callable[[nn.Module, Run], Sequence[Observer]]
"""Makes those who watch a training, from its network and its run."""


def train(
    recipe: Recipe,
    *,
    fold: Fold = 0,
    out: Path | None = None,
    resume: bool = False,
    root: Path = Path("runs"),
    progress: Progress | None = None,
    observe: Observe | None = None,
) -> Run:
    """Carry out `recipe` in the new folder `out` (None: one below `root`), or go on with the interrupted run there.

    `fold` is held out and measured; `all` trains once for each fold, `none` trains on everything and measures nothing.
    A resumed run ends with the weights of an uninterrupted one, bit for bit; a finished one is left as it is. `observe`
    may let a `dynamics.Probe` look on. The page of a finished run is `report.write_report`'s.

    Raises UserError for data that were not prepared, a fold that does not exist, a folder that is taken, settings that
    differ from those the run was begun with, and a training whose loss stays infinite or undefined.
    """
    settings = to_settings(recipe, fold)
    if out is not None:
        require_place(out)
    if resume:
        if out is None:
            raise UserError("--resume needs --out with the folder of the interrupted run.")
        found = open_run(out)
        _require_same(found, settings)
        if found.summary() is not None:
            return found
    dataset = _dataset(recipe, fold)
    run = _begin(out, settings, resume=resume, root=root)
    shown = progress or Progress()
    if fold == "all":
        with _resumable(run):
            _train_folds(recipe, dataset, run, shown, observe)
    else:
        _train_one(recipe, dataset, fold, run, shown, observe)
    return run


def members(run: Run) -> list[Run]:
    """The runs of single folds that `run` is made of: itself, unless it went over all folds."""
    if run.settings["fold"] != "all":
        return [run]
    folders = [path for path in (run.path / "folds").glob("*") if path.name.isdigit()]
    return [open_run(folder) for folder in sorted(folders, key=lambda folder: int(folder.name))]


# -- before the first step -----------------------------------------------------------------------------------------


def _dataset(recipe: Recipe, fold: Fold) -> Dataset:
    """The data, once it is known that the training can begin."""
    settings = recipe.train
    path = Path(recipe.data.path)
    if not (path / "dataset.json").is_file():
        raise UserError(
            f"data.path = {recipe.data.path!r} holds no dataset.json; a folder made by gnomon segment prepare is"
            " expected."
        )
    dataset = load_dataset(path)
    if isinstance(fold, int) and not 0 <= fold < dataset.folds:
        raise UserError(
            f"--fold {fold}: {recipe.data.path} has the folds 0 to {dataset.folds - 1}; one of them, 'all' or 'none' is"
            " expected."
        )
    if fold == "none" and settings.keep == "best":
        raise UserError("train.keep = 'best' chooses by the held fold, but --fold none holds none out; 'last' would.")
    if settings.device.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"train.device = {settings.device!r}: torch finds no GPU here; 'auto' or 'cpu' is expected.")
    for case in dataset.cases:
        if fold == "all" or case.fold == fold:
            for file in (*case.image, case.label):
                if file is None or not file.exists():
                    raise UserError(
                        f"{file} does not exist, but the held case {case.id!r} is measured on it; prepare the data"
                        " again from where they are now."
                    )
    return dataset


def _begin(out: Path | None, settings: dict[str, Any], *, resume: bool, root: Path) -> Run:
    if resume and out is not None:
        return Run.resume(out, settings=settings)
    name = f"segment-{settings['model']['name']}"
    return Run.create(out, kind=KIND, name=name, settings=settings, seed=settings["seed"], root=root)


def _require_same(run: Run, settings: dict[str, Any]) -> None:
    """Refuse to go on with a run, or to take a finished one, under other settings than it was begun with."""
    stored, given = flat(run.settings), flat(settings)
    for key in sorted((stored.keys() | given.keys()) - {"seed"}):  # which is train.seed once more
        if stored.get(key) != given.get(key):
            raise UserError(
                f"{str(run.path)!r} was begun with {key} = {stored.get(key)!r}, not {given.get(key)!r}; --resume needs"
                " the same settings."
            )


def _train_folds(recipe: Recipe, dataset: Dataset, run: Run, progress: Progress, observe: Observe | None) -> None:
    """One training for each fold, in folders of their own, and the figures over all of them."""
    rows: list[Row] = []
    summaries = []
    for fold in range(dataset.folds):
        folder = run.path / "folds" / str(fold)
        member = _member(folder, to_settings(recipe, fold))
        if member.summary() is None:
            _train_one(recipe, dataset, fold, member, progress, observe)
        rows += read_rows(folder / "per_case.csv")
        summaries.append(member.summary() or {})
    save_members(run.path, [f"folds/{fold}" for fold in range(dataset.folds)])
    write_rows(rows, run.path / "per_case.csv")
    run.finish(
        {
            **{key: summaries[0][key] for key in ("model", "params", "steps", "seed")},
            "seconds": sum(each["seconds"] for each in summaries),
            "loading_share": sum(each["loading_share"] for each in summaries) / len(summaries),
            "fold": "all",
            "skipped_steps": sum(each["skipped_steps"] for each in summaries),
            **_figures(rows, dataset, recipe.train.seed),
        }
    )


def _member(folder: Path, settings: dict[str, Any]) -> Run:
    """The run of one fold: a new one, the interrupted one, or the finished one."""
    if not (folder / "state.json").is_file():
        return _begin(folder, settings, resume=False, root=folder.parent)
    found = open_run(folder)
    return found if found.summary() is not None else Run.resume(folder, settings=settings)


# -- one training --------------------------------------------------------------------------------------------------


def _train_one(
    recipe: Recipe, dataset: Dataset, fold: Fold, run: Run, progress: Progress, observe: Observe | None
) -> None:
    with _resumable(run):
        _Training(recipe, dataset, fold, run, progress, observe).carry_out()


@contextmanager
def _resumable(run: Run) -> Iterator[None]:
    """Marks `run` as what it is where Ctrl-C or a mistake in the data or settings ends the block."""
    try:
        yield
    except KeyboardInterrupt:
        run.mark("interrupted", "stopped by Ctrl-C")
        raise
    except UserError as fault:
        run.mark("failed", str(fault))
        raise


class _Training:
    """One network from its first step to its figures."""

    def __init__(
        self, recipe: Recipe, dataset: Dataset, fold: Fold, run: Run, progress: Progress, observe: Observe | None
    ) -> None:
        self.recipe, self.dataset, self.fold, self.run, self.progress = recipe, dataset, fold, run, progress
        settings = recipe.train
        self.device = torch.device(_device(settings.device))
        self.held = [case for case in dataset.cases if case.fold == fold]
        self.batches = Batches(
            dataset, [case.id for case in dataset.cases if case.fold != fold], settings, recipe.data.slice_axis
        )
        self.network = networks.build(
            recipe.model, in_channels=dataset.channels, classes=len(dataset.labels), seed=settings.seed
        ).to(self.device)
        self.optimizer = _optimizer(self.network, settings)
        self.segmenter = Segmenter(
            network=self.network,
            labels=dataset.labels,
            channels=(dataset.channels,),
            intensity=dataset.intensity,
            spacing=dataset.spacing,
            slice_axis=recipe.data.slice_axis if dataset.dims == 3 else None,
            patch_size=(settings.patch_size[0], settings.patch_size[1]),
            overlap=recipe.predict.overlap,
            flip_axes=settings.flips,
            keep_largest=recipe.predict.keep_largest,
        )
        self.observers = () if observe is None else observe(self.network, run)
        self.threads = settings.threads or torch.get_num_threads()
        self.best: dict[str, Tensor] = {}
        self.best_step, self.best_dice = 0, -math.inf
        self.earlier = self.loading = 0.0  # seconds: in processes before this one, and waiting for batches in all
        self.began = perf_counter()

    def carry_out(self) -> None:
        """Train from the last checkpoint on, measure, and finish the run."""
        done = self._restore()
        interruption = Interruption(self.progress.say)
        with interruption.heeded(), _torch_threads(self.threads):
            self._train(done, interruption)
            self._conclude()

    @property
    def seconds(self) -> float:
        """What the training took so far, in all processes."""
        return self.earlier + perf_counter() - self.began

    def _train(self, done: int, interruption: Interruption) -> None:
        settings, run = self.recipe.train, self.run
        name = f"training, fold {self.fold}" if isinstance(self.fold, int) else "training"
        lost = [_is_lost(row) for row in run.metrics()]
        self.network.train()
        with (
            self.progress,
            self.progress.stage(name, settings.steps, done) as show,
            made_ahead(self.batches, last=settings.steps) as next_batch,
        ):
            for step in range(done + 1, settings.steps + 1):
                update = self._update(step, next_batch)
                run.log(step, loss=update.loss, lr=update.learning_rate, grad_norm=update.gradient_norm)
                lost.append(update.skipped)
                if len(lost) >= MOST_SKIPPED and all(lost[-MOST_SKIPPED:]):
                    raise self._hopeless(step)
                if step == done + 1:  # the first step is slow, and says nothing about the others
                    began = perf_counter()
                    show(step, f"loss {update.loss:.3f}")
                else:
                    left = (perf_counter() - began) / (step - done - 1) * (settings.steps - step)
                    show(step, f"loss {update.loss:.3f}, {_in_words(left)} left")
                if step < settings.steps:
                    if self.held and step % settings.validate_every == 0:
                        show(step, f"measuring {len(self.held)} held cases")
                        self._validate(step)
                    if step % settings.checkpoint_every == 0 or interruption.asked:
                        self._save(step)
                        interruption.stop_if_asked()
            if done < settings.steps:
                self._save(settings.steps)

    def _update(self, step: int, next_batch: Callable[[int], Batch]) -> training.Update:
        """The update number `step`; where it is skipped the norms' running statistics stay what they were, too."""
        settings = self.recipe.train
        buffers = list(self.network.buffers())
        before = [buffer.clone() for buffer in buffers]
        (update,) = training.supervised(
            lambda number: self._placed(next_batch, number),
            self._loss,
            self.optimizer,
            first=step,
            steps=step + 1,
            learning_rate=settings.lr * (1 + math.cos(math.pi * (step - 1) / settings.steps)) / 2,
            warmup=0,
            clip=math.inf,
            schedule="constant",
            observers=self.observers,
        )
        if update.skipped:
            for buffer, value in zip(buffers, before, strict=True):
                buffer.copy_(value)
        return update

    def _placed(self, next_batch: Callable[[int], Batch], step: int) -> Batch:
        began = perf_counter()
        images, labels = next_batch(step)
        placed = images.to(self.device), labels.to(self.device)
        self.loading += perf_counter() - began
        return placed

    def _loss(self, batch: Batch) -> Tensor:
        images, labels = batch
        half = self.device.type == "cuda"
        with torch.autocast("cuda", torch.bfloat16) if half else nullcontext():
            logits = self.network(images)
        return LOSSES[self.recipe.train.loss](logits, labels)

    def _hopeless(self, step: int) -> UserError:
        """Why the run ends after `step`."""
        found = self.run.latest_checkpoint()
        kept = "no checkpoint yet" if found is None else f"its checkpoint of step {found[0]}"
        return UserError(
            f"Loss or gradient was not finite in the {MOST_SKIPPED} steps up to {step}, so {str(self.run.path)!r} ended"
            f" with {kept}; train.lr below {self.recipe.train.lr:g}, or data without extreme intensities, is needed."
        )

    # -- measuring the held fold

    def _validate(self, step: int, show: Show | None = None) -> list[Row]:
        """The scores of the held fold after `step`; the weights are kept where they are the best and asked for."""
        rows = self._scores(show)
        figures = _figures(rows, self.dataset, self.recipe.train.seed)
        if not any(row["step"] == step for row in self.run.evaluations()):  # a resumed run may end a second time
            self.run.log_evaluation([{"step": step, **figures}])
        dice = figures["mean_dice"]["value"]
        if self.recipe.train.keep == "best" and (not self.best or (dice is not None and dice > self.best_dice)):
            self.best = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}
            self.best_step, self.best_dice = step, -math.inf if dice is None else dice
        return rows

    def _scores(self, show: Show | None = None) -> list[Row]:
        rows: list[Row] = []
        for number, case in enumerate(self.held, start=1):
            rows += self._score(case)
            if show is not None:
                show(number, case.id)
        return rows

    def _score(self, case: Case) -> list[Row]:
        """One held case, predicted from its file and compared on the file's own grid."""
        assert case.label is not None
        truth, frame = read_mask(case.label)
        predicted = self.segmenter.predict(case.image).labels
        return score_case(
            case.id, predicted, truth, labels=self.dataset.labels, group=case.group, spacing=frame.spacing
        )

    def _conclude(self) -> None:
        settings, run = self.recipe.train, self.run
        rows: list[Row] = []
        if self.held:
            with self.progress, self.progress.stage("measuring", len(self.held), 0) as show:
                rows = self._validate(settings.steps, show)
        else:
            self.progress.say("nothing is held out to measure")
        if self.best and self.best_step != settings.steps:
            self.network.load_state_dict(self.best)
            rows = self._scores()
        save_model(run.path, self.segmenter, self.recipe.model)
        write_rows(rows, run.path / "per_case.csv")
        run.finish(
            {
                "model": self.recipe.model.name,
                "params": networks.count_parameters(self.network),
                "steps": settings.steps,
                "seconds": round(self.seconds, 3),
                "seed": settings.seed,
                "fold": self.fold,
                "skipped_steps": sum(_is_lost(row) for row in run.metrics()),
                "loading_share": round(self.loading / self.seconds, 4),
                "kept_step": self.best_step if self.best else settings.steps,
                **_figures(rows, self.dataset, settings.seed),
            }
        )

    # -- checkpoints

    def _save(self, step: int) -> None:
        with self.run.checkpoint(step) as folder:
            save_file(_stored(self.network.state_dict()), folder / "network.safetensors")
            training.save_optimizer(self.optimizer, folder / "optimizer.safetensors")
            if self.best:
                save_file(_stored(self.best), folder / "best.safetensors")
            state = {
                "threads": self.threads,
                "seconds": self.seconds,
                "loading": self.loading,
                "best_step": self.best_step,
                "best_dice": self.best_dice,
            }
            write_atomic(folder / "training.json", to_json(state) + "\n")

    def _restore(self) -> int:
        """The step of the last checkpoint, whose state this training now has; 0 where there is none."""
        done = 0
        if (found := self.run.latest_checkpoint()) is not None:
            done, folder = found
            self.network.load_state_dict(load_file(folder / "network.safetensors"))
            training.load_optimizer(self.optimizer, folder / "optimizer.safetensors")
            state = json.loads((folder / "training.json").read_text(encoding="utf-8"))
            self.threads, self.earlier, self.loading = state["threads"], state["seconds"], state["loading"]
            if (folder / "best.safetensors").is_file():
                self.best = load_file(folder / "best.safetensors")
                self.best_step = state["best_step"]
                self.best_dice = -math.inf if state["best_dice"] is None else state["best_dice"]
        self.run.rewind(done)
        return done


def _figures(rows: Sequence[Row], dataset: Dataset, seed: int) -> dict[str, Any]:
    """Dice of each class and their mean, with intervals over groups; None where nothing was measured."""
    if not rows:
        return {"dice": None, "mean_dice": None}
    names = list(dataset.labels)[1:]
    found = summarise(rows, classes=names, seed=seed, unit="pixels" if dataset.dims == 2 else "mm")
    return {"dice": {name: found["classes"][name]["dice"] for name in names}, "mean_dice": found["mean_dice"]}


def _is_lost(row: dict[str, Any]) -> bool:
    """Whether the step of a row of metrics was skipped: what is not finite is stored as null."""
    return row["loss"] is None or row["grad_norm"] is None


def _stored(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state as safetensors takes it: weights that are views with their channels last are made contiguous."""
    return {name: tensor.contiguous() for name, tensor in state.items()}


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def _optimizer(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True)
    return torch.optim.SGD(
        network.parameters(), lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay
    )


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
