"""`gnomon search run` as a job: the search in a run of its own, what parameters alone would say, the test by training.

`found.json` keeps what a report, or another comparator, needs; `summary.json` is the answer.
"""

import json
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.runs import Run
from gnomon.runs.files import to_json, write_atomic
from gnomon.runs.interruption import Interruption
from gnomon.runs.progress import Progress
from gnomon.search import spaces
from gnomon.search.evaluator import Evaluator
from gnomon.search.finding import Found, check, find
from gnomon.search.jobs import begin, resumable
from gnomon.search.recipe import Recipe
from gnomon.search.spaces import Space
from gnomon.search.table import Table, read
from gnomon.search.truth import BASELINE
from gnomon.stats.correlation import spearman

FOUND = "found.json"
PARAMS = ("params_non_embedding", "params")
"""What `describe` calls the parameters that stand beside every ranker: without embeddings where there are some."""


def run_search(recipe: Recipe, *, out: Path | None, resume: bool, workers: int, progress: Progress) -> Run:
    """Carry out `recipe` in a new run, or go on with the interrupted one in `out`.

    A search on networks that is resumed replays itself over the scores that are stored and goes on from there, so that
    its result is that of an uninterrupted one. What is impossible raises UserError before there is a run.
    """
    space = None if recipe.space is None else spaces.get(recipe.space.name, **recipe.space.options)
    table = None if recipe.table is None else _table(recipe)
    arguments = recipe.search.model_dump() | {"seed": recipe.seed, "looks": recipe.search.looks_or_default()}
    check(space, table or _evaluator(recipe, space, workers), **arguments)
    if recipe.train is not None and space is not None:
        from gnomon.search import training

        training.check(space, recipe.train, seed=recipe.seed)
    run = begin("run", recipe.model_dump(mode="json", exclude_none=True), out=out, resume=resume)
    with resumable(run), progress:
        scores = table or _evaluator(recipe, space, workers, run)
        with scores if isinstance(scores, Evaluator) else nullcontext():
            found = find(space, scores, **arguments, run=run, progress=progress)
        described = _described(space, table, list(found.samples))
        targets = {} if table is None else {arch: table.target(arch) for arch in found.samples}
        write_atomic(run.path / FOUND, to_json(_stored(found, described, targets)) + "\n")
        summary = found.to_dict() | {
            "repeats": recipe.search.repeats,
            "measured_less": sum(len(found.samples[arch]) < recipe.search.repeats for arch in found.indistinguishable),
            "failed": _failed(found, scores),
            **beside(found, described, targets, lower=bool(recipe.table and recipe.table.lower)),
            "trained": None if recipe.train is None else _trained(recipe, space, found, run, workers, progress),
        }
    run.finish(summary)
    from gnomon.search.report import write_report

    write_report(run)
    return run


def _table(recipe: Recipe) -> Table:
    asked = recipe.table
    assert asked is not None
    counted = [BASELINE] if BASELINE in read(asked.file, asked.where).columns else []
    return Table(
        asked.file,
        arch=asked.arch,
        scores=list(dict.fromkeys([recipe.search.ranker, *counted])),
        repeat=asked.repeat,
        target=asked.target,
        missing=asked.missing,
        where=asked.where,
    )


def _evaluator(
    recipe: Recipe, space: Space | None, workers: int, run: Run | None = None, progress: Progress | None = None
) -> Evaluator:
    assert space is not None
    asked = recipe.evaluate
    return Evaluator(
        space,
        [recipe.search.ranker],
        data=asked.data,
        vary=asked.vary,
        batch_size=asked.batch_size,
        seed=recipe.seed,
        workers=workers,
        run=run,
        progress=progress,
    )


def _described(space: Space | None, table: Table | None, archs: list[str]) -> dict[str, dict[str, float]]:
    """What is known of architectures without a score: a space's description, or a table's count of parameters."""
    if space is not None:
        return {arch: space.describe(space.decode(arch)) for arch in archs}
    if table is None or BASELINE not in table.rankers:
        return {}
    counted = {arch: {BASELINE: float(table.samples(arch, BASELINE, 1)[0])} for arch in archs}
    return counted if all(np.isfinite(each[BASELINE]) for each in counted.values()) else {}


def _stored(found: Found, described: dict[str, Any], targets: dict[str, Any]) -> dict[str, Any]:
    return {
        "samples": {arch: scores.tolist() for arch, scores in found.samples.items()},
        "described": described,
        "targets": targets,
    }


def read_found(run: Run) -> dict[str, Any]:
    """The stored samples (arrays, NaN where a score failed), descriptions and targets, in the order seen."""
    stored: dict[str, Any] = json.loads((run.path / FOUND).read_text(encoding="utf-8"))
    stored["samples"] = {
        arch: np.array([np.nan if score is None else score for score in scores], dtype=float)
        for arch, scores in stored["samples"].items()
    }
    return stored


def _failed(found: Found, scores: Table | Evaluator) -> dict[str, int]:
    """How many scores of the search there are not, by status."""
    if isinstance(scores, Evaluator):
        statuses = Counter(row["status"] for row in scores.rows() if row["arch"] in found.samples)
        del statuses["ok"]
        return dict(sorted(statuses.items()))
    missing = sum(int(np.isnan(sample).sum()) for sample in found.samples.values())
    return {"missing": missing} if missing else {}


def beside(
    found: Found, described: dict[str, dict[str, float]], targets: dict[str, float | None], *, lower: bool = False
) -> dict[str, Any]:
    """What the truth and the number of parameters say about the architectures seen; better is up in all figures.

    `ranker_target` is the rank correlation of the ranker's mean score with the target, None where no target is known.
    `parameters`, None where they cannot be counted, has the correlation of the score with them (`spearman`), the
    architecture with most of them (`largest`), and with targets `params_target` and `largest_target`.
    """
    scores = {
        arch: found.direction * float(sample[np.isfinite(sample)].mean())
        for arch, sample in found.samples.items()
        if np.isfinite(sample).any()
    }
    archs = list(scores)
    known = {arch: float(t) * (-1 if lower else 1) for arch, t in targets.items() if t is not None}
    both = [arch for arch in archs if arch in known]

    def with_target(values: dict[str, float]) -> dict[str, Any]:
        return spearman([values[a] for a in both], [known[a] for a in both]).to_dict()

    ranker_target = with_target(scores) if known else None
    if not described:
        return {"ranker_target": ranker_target, "parameters": None}
    counted = {arch: float(next(each[key] for key in PARAMS if key in each)) for arch, each in described.items()}
    parameters: dict[str, Any] = {
        "spearman": spearman([scores[a] for a in archs], [counted[a] for a in archs]).to_dict(),
        "largest": max(counted, key=lambda arch: counted[arch]),
        "winner_params": counted[found.winner],
        "largest_params": max(counted.values()),
    }
    if known:
        parameters |= {"params_target": with_target(counted), "largest_target": targets.get(parameters["largest"])}
    return {"ranker_target": ranker_target, "parameters": parameters}


def _trained(
    recipe: Recipe, space: Space | None, found: Found, run: Run, workers: int, progress: Progress
) -> dict[str, Any]:
    """Train the finalists and as many drawn architectures, and say whether the ranking told anything."""
    from gnomon.search import training

    assert space is not None
    assert recipe.train is not None
    groups = training.groups_of(space, found.finalists(recipe.train.finalists), seed=recipe.seed)
    interruption = Interruption(progress.say)
    with interruption.heeded():
        trained = training.train_candidates(
            space,
            groups,
            recipe.train,
            seed=recipe.seed,
            run=run,
            workers=workers,
            progress=progress,
            interruption=interruption,
        )
    ranker = recipe.search.ranker
    with _evaluator(recipe, space, workers, run, progress) as evaluator:
        # The drawn ones are scored after the search, which has not seen them: they are outside its budget.
        evaluator.prefetch(list(groups), ranker, recipe.search.repeats)
        samples = {arch: evaluator.samples(arch, ranker, recipe.search.repeats) for arch in groups}
    means = {arch: found.direction * _mean(scores) for arch, scores in samples.items()}
    return training.verdict(trained, {ranker: means}, ranker=ranker) | {"scores": means}


def _mean(scores: np.ndarray) -> float:
    """The mean of the scores that there are, NaN where there is none."""
    known = scores[np.isfinite(scores)]
    return float(known.mean()) if len(known) else float("nan")
