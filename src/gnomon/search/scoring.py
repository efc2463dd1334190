"""`gnomon search score`: architectures scored again and again in a run of their own, and what the scores say."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.runs import Run
from gnomon.runs.progress import Progress
from gnomon.search import rankers, spaces
from gnomon.search.evaluator import Evaluator, ScoreTable
from gnomon.search.finding import choose
from gnomon.search.jobs import begin, drawn, resumable
from gnomon.search.recipe import Scoring
from gnomon.search.spaces import Space
from gnomon.search.variation import coefficient_of_variation
from gnomon.stats.order import UndecidableDesign

CSV = "scores.csv"


def run_scoring(
    settings: Scoring, *, out: Path | None, resume: bool, workers: int, progress: Progress
) -> tuple[Run, int]:
    """Carry out `settings` in a new run, or go on with the interrupted one in `out`; and how many scores that measured.

    What is impossible raises UserError before there is a run.
    """
    space = spaces.get(settings.space.name, **settings.space.options)
    archs = [space.encode(space.decode(text)) for text in settings.archs] or drawn(
        space, settings.sample or 0, settings.seed
    )
    asked = settings.evaluate
    making: dict[str, Any] = {
        "data": asked.data,
        "vary": asked.vary,
        "batch_size": asked.batch_size,
        "seed": settings.seed,
        "workers": workers,
    }
    Evaluator(space, settings.rankers, **making)  # says what is impossible
    run = begin("score", settings.model_dump(mode="json", exclude_none=True), out=out, resume=resume)
    with (
        resumable(run),
        progress,
        Evaluator(space, settings.rankers, **making, run=run, progress=progress) as evaluator,
    ):
        table = evaluator.table(archs, settings.repeats)
    table.write_csv(run.path / CSV)
    run.finish(summary(space, table, settings))
    from gnomon.search.report import write_report

    write_report(run)
    return run, table.evaluated


def summary(space: Space, table: ScoreTable, settings: Scoring) -> dict[str, Any]:
    """What the scores say, ranker by ranker: variation, the winner, who cannot be told from it, what failed."""
    archs = sorted(set(table.rows["arch"]))
    figures: dict[str, Any] = {}
    for name in settings.rankers:
        samples = {arch: table.samples(arch, name, settings.repeats) for arch in archs}
        rows = table.rows.filter(table.rows["ranker"] == name)
        failed = Counter(status for status in rows["status"] if status != "ok")
        figures[name] = {
            "direction": rankers.get(name).direction,
            "cv": coefficient_of_variation(list(samples.values())).to_dict(),
            "failed": dict(sorted(failed.items())),
            **_choice(samples, name, settings),
        }
    return {
        "scores": table.rows.height,
        "failed": table.failed,
        "archs": len(archs),
        "repeats": settings.repeats,
        "rankers": figures,
        "described": {arch: dict(space.describe(space.decode(arch))) for arch in archs},
    }


def _choice(samples: dict[str, np.ndarray], ranker: str, settings: Scoring) -> dict[str, Any]:
    """The winner and its set, or why they cannot be had from these repeats."""
    try:
        choice = choose(samples, direction=rankers.get(ranker).direction, seed=settings.seed)
    except UndecidableDesign as refusal:
        return {
            "winner": None,
            "indistinguishable": [],
            "contradictions": [],
            "stability": {},
            "undecidable": str(refusal),
        }
    return {
        "winner": choice.winner,
        "indistinguishable": list(choice.indistinguishable),
        "contradictions": list(choice.contradictions),
        "stability": dict(choice.stability),
        "undecidable": None,
    }
