"""Closing the loop: what a search found is trained beside what chance draws, to see whether the ranking told anything.

Every architecture reads the same batches in the same order (common random numbers), and all are measured on the same
held-out windows. The unit of every comparison is an architecture: its loss is the mean over its trainings.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, field_validator, model_validator

from gnomon.compute import Call, WorkerHandle, executor
from gnomon.config import Settings
from gnomon.errors import UserError
from gnomon.runs.files import append_lines, keep_lines, read_lines
from gnomon.runs.interruption import Interruption
from gnomon.runs.progress import Progress
from gnomon.search.jobs import drawn
from gnomon.search.spaces import Space
from gnomon.seeds import derive
from gnomon.stats import Estimate
from gnomon.stats.correlation import kendall, partial_spearman, spearman
from gnomon.stats.intervals import mean

if TYPE_CHECKING:
    from gnomon.runs import Run

TRAINED = "trained.jsonl"
FINALIST, DRAWN = "finalist", "drawn"
PARAMS = "params"
CURVE_POINTS = 40
LOOK = 0.5  # seconds between looks for someone who asked to stop

Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class TrainSettings(Settings):
    """How the best `finalists` of a search and as many architectures drawn at random are trained, `seeds` times each.

    `text` names UTF-8 files or registered data sets such as `litbank/moby_dick`, read as bytes; without one a text is
    generated. The last tenth of each text is held out, and `windows` of the space's context are measured there. AdamW
    with betas (0.9, 0.95), `warmup` steps of linear warm-up, then a cosine to a tenth of `learning_rate`.
    """

    text: tuple[str, ...] = ()
    finalists: Annotated[int, Field(ge=4)] = 6
    seeds: Positive = 1
    steps: Positive = 600
    batch_size: Positive = 32
    learning_rate: Rate = 3e-3
    warmup: Annotated[int, Field(ge=0)] = 50
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    clip: Rate = 1.0
    windows: Positive = 256

    @field_validator("text", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _warmup_ends(self) -> "TrainSettings":
        if self.warmup >= self.steps:
            raise ValueError(
                f"warmup = {self.warmup} leaves nothing of steps = {self.steps}; fewer steps of warm-up would."
            )
        return self


@dataclass(frozen=True)
class Trained:
    """One training of one architecture. Losses are in nats per token.

    `repeat` numbers the trainings of an architecture and `seed` is what the weights follow from. `train_loss` is the
    mean over the last tenth of the updates, `curve` some updates' (step from 1, loss), `skipped` counts updates whose
    loss or gradient was not finite. A loss that is not finite is None.
    """

    arch: str
    groups: tuple[str, ...]
    repeat: int
    seed: int
    params: int
    params_non_embedding: int
    steps: int
    train_loss: float | None
    held_out_loss: float | None
    skipped: int
    curve: tuple[tuple[int, float | None], ...]
    seconds: float


def groups_of(space: Space, finalists: Sequence[str], *, seed: int) -> dict[str, list[str]]:
    """The groups of every architecture to train: `finalists`, and as many others drawn evenly from `space`.

    The drawn ones differ from each other; one that is a finalist too is in both groups, so that the drawn stay what
    chance gives. Raises UserError where the space has too few architectures.
    """
    groups = {arch: [FINALIST] for arch in finalists}
    for arch in drawn(space, len(finalists), seed, "trained"):
        groups.setdefault(arch, []).append(DRAWN)
    return groups


def verdict(
    trained: Sequence[Trained],
    scores: Mapping[str, Mapping[str, float]],
    *,
    ranker: str,
    level: float = 0.95,
) -> dict[str, Any]:
    """Whether the ranking by `ranker` told anything about the loss after training, ready for JSON.

    `scores` holds for every ranker that is to be judged the mean score of each trained architecture, of which larger
    ones are better (multiplied by the ranker's direction); NaN where it failed. Returned are

    - `n_trained`, `n_architectures`, `n_finalists`, `n_drawn`, `failed` (trainings without a loss, left out);
    - `difference`: median difference in held-out loss of finalists minus drawn architectures (Hodges-Lehmann, in nats
      per token), with the interval that inverts the exact Mann-Whitney test, and `decision`: `better`, `worse` or
      `undecided`, one-sided at (1 - level) / 2 each way, so that it agrees with the interval;
    - `correlations`: by ranker, `params` (those outside the embeddings) among them, `spearman` and `kendall` of score
      and minus loss over all trained architectures, and `beyond_params`, the partial rank correlation given `params`;
    - `spread`: standard deviation of the loss `between` architectures and, with several seeds, `within` one;
    - `sentence`: the answer in words.
    """
    from gnomon.stats.order import UndecidableDesign, compare, shift

    rows = [row for row in trained if row.held_out_loss is not None]
    losses: dict[str, list[float]] = {}
    for row in rows:
        losses.setdefault(row.arch, []).append(float(row.held_out_loss))  # type: ignore[arg-type]
    loss = {arch: float(np.mean(values)) for arch, values in losses.items()}
    groups = {row.arch: row.groups for row in rows}
    sides = {group: [loss[arch] for arch in loss if group in groups[arch]] for group in (FINALIST, DRAWN)}
    difference, decision = Estimate(None, None, None, 0, "hodges-lehmann", level), "undecided"
    if not all(sides.values()):
        difference = replace(difference, reason="one of the two groups has no training with a finite loss")
    else:
        try:
            compared = compare(sides[FINALIST], sides[DRAWN], alpha=(1 - level) / 2)
            decision = {"less": "better", "greater": "worse", "undecided": "undecided"}[compared.decision]
            difference = shift(sides[FINALIST], sides[DRAWN], level=level)
        except UndecidableDesign as fault:
            difference = replace(difference, reason=str(fault))
    params = {row.arch: float(row.params_non_embedding) for row in rows}
    judged = {**{name: scores[name] for name in (ranker, *scores) if name != PARAMS}, PARAMS: params}
    correlations = {name: _correlations(values, loss, params, level) for name, values in judged.items()}
    found = {
        "ranker": ranker,
        "n_trained": len(rows),
        "n_architectures": len(loss),
        "n_finalists": len(sides[FINALIST]),
        "n_drawn": len(sides[DRAWN]),
        "failed": len(trained) - len(rows),
        "held_out_loss": {group: mean(values).to_dict() for group, values in sides.items()},
        "difference": difference.to_dict(),
        "decision": decision,
        "correlations": {
            name: {key: estimate.to_dict() for key, estimate in each.items()} for name, each in correlations.items()
        },
        "spread": _spread(list(losses.values())),
    }
    return found | {"sentence": _in_words(found, correlations)}


def _correlations(
    scores: Mapping[str, float], loss: Mapping[str, float], params: Mapping[str, float], level: float
) -> dict[str, Estimate]:
    known = [arch for arch in loss if np.isfinite(scores.get(arch, np.nan))]
    x, y, z = (np.array([each[arch] for arch in known]) for each in (scores, loss, params))
    found = {"spearman": spearman(x, -y, level=level), "kendall": kendall(x, -y, level=level)}
    if scores is not params:
        found["beyond_params"] = partial_spearman(x, -y, z, level=level)
    return found


def _spread(losses: Sequence[Sequence[float]]) -> dict[str, float | None]:
    """Standard deviations of the loss: between architectures' means, and within architectures, pooled."""
    means = [float(np.mean(values)) for values in losses]
    freedom = sum(len(values) - 1 for values in losses)
    squares = sum(float(np.var(values)) * len(values) for values in losses)
    return {
        "between": float(np.std(means, ddof=1)) if len(means) > 1 else None,
        "within": float(np.sqrt(squares / freedom)) if freedom else None,
    }


def _in_words(found: Mapping[str, Any], correlations: Mapping[str, Mapping[str, Estimate]]) -> str:
    ranker, decision, difference = found["ranker"], found["decision"], found["difference"]
    own = correlations[ranker]
    helped = decision == "better" or _sign(own["spearman"]) > 0
    harmed = decision == "worse" or _sign(own["spearman"]) < 0
    answer = {
        (False, False): "told nothing that can be told from chance",
        (True, False): "told something",
        (False, True): "pointed the wrong way",
        (True, True): "contradicts itself",
    }[helped, harmed]
    if difference["value"] is None:
        apart = f"finalists and drawn architectures are not compared ({difference['reason']})"
    else:
        apart = (
            f"held-out loss of {found['n_finalists']} finalists minus that of {found['n_drawn']} drawn at random is"
            f" {difference['value']:+.4f} [{difference['low']:+.4f}, {difference['high']:+.4f}] nats per token"
        )
    words = (
        f"The ranking by {ranker} {answer}: {apart}, and over {found['n_architectures']} trained architectures the"
        f" rank correlation of {ranker} with minus the loss is {_shown(own['spearman'])}."
    )
    if ranker == PARAMS:
        return words
    beyond = {0: "cannot be told from nothing", 1: "is more than they say", -1: "runs against the loss"}
    return (
        f"{words} Counting parameters gives {_shown(correlations[PARAMS]['spearman'])}; what {ranker} says beyond"
        f" parameters, {_shown(own['beyond_params'])}, {beyond[_sign(own['beyond_params'])]}."
    )


def _sign(estimate: Estimate) -> int:
    """1 or -1 where the whole interval lies on that side of 0, else 0."""
    if estimate.low is None or estimate.high is None:
        return 0
    return int(estimate.low > 0) - int(estimate.high < 0)


def _shown(estimate: Estimate) -> str:
    if estimate.value is None:
        return f"undefined ({estimate.reason})"
    return f"{estimate.value:+.2f}" + ("" if estimate.low is None else f" [{estimate.low:+.2f}, {estimate.high:+.2f}]")


def check(space: Space, settings: TrainSettings, *, seed: int) -> None:
    """Raise UserError where `space` does not make models of text, or a text is not there or too short."""
    from gnomon.models.corpus import read_corpus
    from gnomon.models.tokenizers import byte_tokenizer

    if space.task != "tokens":
        raise UserError(f"train: the networks of space {space.name!r} do not read text; decoder-lm has ones that do.")
    bytes_and_marks = len(byte_tokenizer())
    if (size := getattr(space, "vocab_size", 0)) < bytes_and_marks:
        raise UserError(
            f"train: vocab_size = {size} of space {space.name!r} is too small for text as bytes; at least"
            f" {bytes_and_marks} is needed."
        )
    read_corpus(settings.text, getattr(space, "context", 0), seed)


class Trainer:
    """Trains architectures of one space on one text; a worker's class."""

    def __init__(self, space: Space, settings: TrainSettings, seed: int) -> None:
        import torch

        from gnomon.models.corpus import read_corpus
        from gnomon.models.tokenizers import byte_token_ids, byte_tokenizer

        self._space, self._settings, self._seed = space, settings, seed
        self._corpus = read_corpus(settings.text, getattr(space, "context", 0), seed)
        self._ids = torch.tensor(byte_token_ids(byte_tokenizer()))

    def train(self, text: str, repeat: int, watch: Callable[[int, float], None] | None = None) -> dict[str, Any]:
        """Training `repeat` of the architecture `text`: a row of `trained.jsonl` without its groups.

        Weights follow from seed, architecture and repeat, batches from seed, repeat and step. `watch` is called with
        the steps done and the loss after every update.
        """
        import time

        from gnomon.models import training

        settings, arch = self._settings, self._space.decode(text)
        seed = derive(self._seed, "train", "weights", text, repeat)
        batches = derive(self._seed, "train", "batches", repeat)
        began = time.perf_counter()
        with training.one_thread():
            model = self._space.build(arch, seed=seed).train()
            losses, skipped = [], 0
            for update in training.supervised(
                lambda step: self._ids[self._corpus.batch(step, settings.batch_size, batches)],
                lambda batch: training.example_losses(model, batch).mean(),
                training.optimizer_for(model, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay),
                first=0,
                steps=settings.steps,
                learning_rate=settings.learning_rate,
                warmup=settings.warmup,
                clip=settings.clip,
            ):
                losses.append(update.loss)
                skipped += update.skipped
                if watch is not None:
                    watch(update.step + 1, update.loss)
            windows, _ = self._corpus.held_out(settings.windows)
            held_out = float(training.window_losses(model.eval(), self._ids[windows]).mean())
        shown = np.unique(np.geomspace(1, settings.steps, CURVE_POINTS).round().astype(int))
        described = self._space.describe(arch)
        return {
            "arch": text,
            "repeat": repeat,
            "seed": seed,
            "params": int(described["params"]),
            "params_non_embedding": int(described.get("params_non_embedding", described["params"])),
            "steps": settings.steps,
            "train_loss": _finite(float(np.mean(losses[-max(1, settings.steps // 10) :]))),
            "held_out_loss": _finite(held_out),
            "skipped": skipped,
            "curve": [(int(step), _finite(losses[step - 1])) for step in shown],
            "seconds": round(time.perf_counter() - began, 3),
        }


def train_candidates(
    space: Space,
    groups: Mapping[str, Sequence[str]],
    settings: TrainSettings,
    *,
    seed: int,
    run: "Run | None" = None,
    workers: int = 1,
    progress: Progress | None = None,
    interruption: Interruption | None = None,
) -> list[Trained]:
    """Train every architecture of `groups` (text -> the groups it is in) `settings.seeds` times.

    Results are in the order of `groups`, repeat by repeat, and do not depend on `workers`. With a `run` each is kept in
    its `trained.jsonl` as it ends, and what is kept there is not trained again. Raises UserError as `check` does, and
    KeyboardInterrupt where `interruption` was asked for; only trainings under way are lost.
    """
    check(space, settings, seed=seed)
    shown = progress or Progress(quiet=True)
    stop = interruption or Interruption(shown.say)
    jobs = [(arch, repeat) for arch in groups for repeat in range(settings.seeds)]
    found: dict[tuple[str, int], dict[str, Any]] = {}
    if run is not None:
        keep_lines(run.path / TRAINED, lambda row: True)  # a killed run's torn last line must not grow a tail
        found = {(row["arch"], row["repeat"]): row for row in read_lines(run.path / TRAINED)}
    todo = [job for job in jobs if job not in found]
    ended = len(jobs) - len(todo)

    with shown.stage("training", len(jobs) * settings.steps, ended * settings.steps) as show:

        def watch(step: int, loss: float) -> None:
            stop.stop_if_asked()
            if step < settings.steps:
                show(ended * settings.steps + step, f"loss {loss:.3f}")

        for row in _results((space, settings, seed), todo, workers, stop, watch):
            row["groups"] = list(groups[row["arch"]])
            found[row["arch"], row["repeat"]] = row
            if run is not None:
                with (run.path / TRAINED).open("a", encoding="utf-8", newline="\n") as file:
                    append_lines(file, [row])
            ended += 1
            show(ended * settings.steps, row["arch"])
    return [_trained(found[job]) for job in jobs]


def _results(
    making: tuple[Space, TrainSettings, int],
    jobs: Sequence[tuple[str, int]],
    workers: int,
    stop: Interruption,
    watch: Callable[[int, float], None],
) -> Iterator[dict[str, Any]]:
    """What `Trainer.train` gives for each job, in the order in which they end."""
    if not jobs:
        return
    if workers == 1:
        trainer = Trainer(*making)
        yield from (trainer.train(arch, repeat, watch) for arch, repeat in jobs)
        return
    with executor("process", workers=workers) as pool:
        todo = list(jobs)
        free = [pool.start(Trainer, *making) for _ in range(min(workers, len(jobs)))]
        under_way: dict[Call, WorkerHandle] = {}
        while todo or under_way:
            while todo and free:
                handle = free.pop()
                under_way[handle.call("train", *todo.pop(0))] = handle
            for call in pool.wait(list(under_way), LOOK):
                free.append(under_way.pop(call))
                yield call.result()
            stop.stop_if_asked()


def _trained(row: Mapping[str, Any]) -> Trained:
    curve = tuple((int(step), loss) for step, loss in row["curve"])
    return Trained(**{**row, "groups": tuple(row["groups"]), "curve": curve})


def _finite(loss: float) -> float | None:
    return loss if np.isfinite(loss) else None
