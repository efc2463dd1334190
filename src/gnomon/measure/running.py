"""`gnomon measure run` as a job: an instrument is answered and scored in a run of its own, which can be replayed.

    items.parquet        the items as they were asked
    card.toml            the instrument's card
    responses.jsonl      answers as they come; gone at the end
    responses.parquet    item_id, answer, in the items' order
    scores.json          the instrument, every estimate, the counts
    draws.parquet        metric, group, draw, value: what a gate decides by
    recipe.toml          settings, with the sha256 of every input
    summary.json         figures for `gnomon runs show`; and report.html

Scores follow from items, answers and settings alone, so `read_run` scores them again and has them to the bit, and
`responses.parquet` (or the same as CSV or JSON lines) as --responses gives another run the same estimates.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from gnomon.errors import UserError
from gnomon.measure import responding
from gnomon.measure.answers import read_answers
from gnomon.measure.instrument import Instrument, Source, load_instrument
from gnomon.measure.profiles import Profile, load_profile
from gnomon.measure.scoring import Scores, score
from gnomon.measure.tables import write_parquet
from gnomon.runs import Run, open_run
from gnomon.runs.files import append_lines, keep_lines, read_lines, sha256, to_json, write_atomic
from gnomon.runs.progress import Progress
from gnomon.runs.store import refuse_taken
from gnomon.runs.terminal import say

if TYPE_CHECKING:
    from gnomon.measure.library import Card

KIND = "measure-run"
ITEMS, CARD, ANSWERING, RESPONSES = "items.parquet", "card.toml", "responses.jsonl", "responses.parquet"
SCORES, DRAWS = "scores.json", "draws.parquet"


def run_instrument(
    ins: Instrument,
    *,
    responses: Any = None,
    item: str | Sequence[str] | None = None,
    answer: str = "answer",
    model: "str | responding.Responder | None" = None,
    profile: Profile | str | Path | None = None,
    cluster: str | Sequence[str] | None = None,
    B: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    out: str | Path | None = None,
    offline: bool = False,
    resume: bool = False,
    quiet: bool = False,
) -> Run:
    """Answer `ins`, score the answers, and keep everything in a finished run.

    Answers come from `responses` (a frame or file, read with `item` and `answer` as `scoring.score` does) or from a
    `model` (a SPEC of `responding.parse_model`, or a system); `profile` is what a model is told besides, a profile or
    its file. `cluster`, `B`, `seed` and `level` are those of `scoring.score`. The run is the folder `out`, a new one in
    `runs/` where that is None; `resume` goes on with the interrupted one that is there, and what it ends with is what
    it would have ended with uninterrupted. Raises UserError for what is impossible before there is a run; where a
    server fails on the way, what was answered is kept and the sentence says how to go on.
    """
    if (responses is None) == (model is None):
        both = "both responses and model are" if model is not None else "neither responses nor model is"
        raise UserError(f"run_instrument: {both} given; answers come either from a file or from a model.")
    if profile is not None and model is None:
        raise UserError("run_instrument: a profile is told to a model, so it says nothing beside recorded responses.")
    if resume and out is None:
        raise UserError("--resume needs --out with the folder of the interrupted run.")
    if out is not None and not resume:
        refuse_taken(Path(out))
    system = responding.parse_model(model, offline=offline) if isinstance(model, str) else model
    if isinstance(system, responding.Server):
        responding.refuse_offline(system.address, offline)
    told = profile if isinstance(profile, Profile) or profile is None else load_profile(profile)
    how: dict[str, Any] = {"B": B, "seed": seed, "level": level}
    if cluster is not None:
        how["cluster"] = cluster if isinstance(cluster, str) else list(cluster)
    settings: dict[str, Any] = {
        "name": ins.name,
        "seed": seed,
        "items": {"count": len(ins.items), "sources": {source.name: source.sha256 for source in ins.sources}},
        "scoring": how,
        "profile": None if told is None else _described(told, profile),
    }
    if system is None:
        answers = read_answers(ins, responses, item, answer)
        settings["responses"] = _recorded(responses, item, answer)
        scores = score(ins, answers.select("item_id", "answer"), **how)
        recorded = _resumed(ins, settings, out) if resume else _created(ins, settings, out)
        with _interruptible(recorded):
            _keep(recorded, ins, scores)
        return recorded
    settings["model"] = system.settings()
    run = _resumed(ins, settings, out) if resume else None
    done = {} if run is None else {row["item_id"]: row["answer"] for row in read_lines(run.path / ANSWERING)}
    with ExitStack() as held:
        if run is not None:
            held.enter_context(_interruptible(run))
        coming = held.enter_context(closing(system.respond(ins, told, done=done.keys())))
        # A system that cannot be asked, and settings that nothing can be scored with, are found out before there is a
        # run.
        first = next(coming, None)
        some = list(done.items()) + ([] if first is None else [first])
        score(ins, _table(some[:1]), **how)
        if run is None:
            run = held.enter_context(_interruptible(_created(ins, settings, out)))
        progress = held.enter_context(Progress(quiet))
        _record(run, ins, done, coming if first is None else chain([first], coming), progress)
        progress.say(f"scoring {len(done)} answers, {B} resamples")
        _keep(run, ins, score(ins, _table(list(done.items())), **how))
        (run.path / ANSWERING).unlink()
    return run


def read_run(folder: str | Path | Run) -> tuple[Instrument, Scores]:
    """The instrument and the scores of a run (its folder, or its id below `runs/`), exactly as scored.

    Raises UserError where there is no such run, it is of another kind, or it has no scores yet.
    """
    run = open_scored(folder)
    kept = load_instrument(run.path / CARD, items=run.path / ITEMS)
    sources = tuple(Source(name, sha256) for name, sha256 in run.settings["items"]["sources"].items())
    ins = replace(kept, sources=sources)
    return ins, score(ins, run.path / RESPONSES, **run.settings["scoring"])


def open_scored(folder: str | Path | Run) -> Run:
    """A run of this kind that has scores; errors are those of `read_run`."""
    run = folder if isinstance(folder, Run) else open_run(folder)
    if run.kind != KIND:
        raise UserError(f"{str(run.path)!r} is of kind {run.kind!r}; a run of gnomon measure run is expected.")
    if run.state == "finished" and (absent := [name for name in (SCORES, DRAWS) if not (run.path / name).is_file()]):
        raise UserError(f"{str(run.path)!r} has lost its {absent[0]}; run the instrument again.")
    if not (run.path / DRAWS).is_file():
        raise UserError(
            f"{str(run.path)!r} is {run.state} and has no scores yet; go on with it by gnomon measure run ... --out"
            f" {run.path} --resume."
        )
    return run


def _created(ins: Instrument, settings: dict[str, Any], out: str | Path | None) -> Run:
    """A new run that holds the items and the card."""
    folder = None if out is None else Path(out)
    run = Run.create(folder, kind=KIND, name=ins.name, settings=settings, seed=settings["seed"])
    write_parquet(run.path / ITEMS, ins.items)
    write_atomic(run.path / CARD, _card_toml(ins.card))
    return run


def _resumed(ins: Instrument, settings: dict[str, Any], out: str | Path | None) -> Run:
    """The interrupted run in `out`. Raises UserError where it was begun with other settings or other items."""
    run = Run.resume(str(out), settings=settings)
    if (run.path / ITEMS).is_file() and not pl.read_parquet(run.path / ITEMS).equals(ins.items):
        run.mark("interrupted", run.reason)
        raise UserError(f"{str(run.path)!r} was begun with other items; --resume needs the same.")
    write_parquet(run.path / ITEMS, ins.items)
    write_atomic(run.path / CARD, _card_toml(ins.card))
    return run


def _record(
    run: Run, ins: Instrument, done: dict[str, str], coming: Iterable[tuple[str, str]], progress: Progress
) -> None:
    """Write answers down as they come, and add them to `done`."""
    log = run.path / ANSWERING
    keep_lines(log, lambda row: True)  # what a kill left half written would spoil the next line
    with (
        log.open("a", encoding="utf-8", newline="\n") as file,
        progress.stage(f"{ins.name} answers", len(ins.items), len(done)) as show,
    ):
        for item_id, answer in coming:
            append_lines(file, [{"item_id": item_id, "answer": answer}])
            done[item_id] = answer
            show(len(done), "")


def _keep(run: Run, ins: Instrument, scores: Scores) -> None:
    """Everything of a run that its answers decide."""
    from gnomon.measure.report import write_report

    write_parquet(run.path / RESPONSES, scores.answers.select("item_id", "answer"))
    write_atomic(run.path / SCORES, to_json(scores.to_dict()) + "\n")
    keys = ["metric", "group", "draw", "value"]
    parts = [
        pl.DataFrame({"metric": metric, "group": group, "draw": pl.int_range(len(draws), eager=True), "value": draws})
        for (metric, group), draws in scores.draws.items()
    ]
    empty = pl.DataFrame(schema=dict(zip(keys, (pl.String, pl.String, pl.Int64, pl.Float64), strict=True)))
    write_parquet(run.path / DRAWS, pl.concat([empty, *(part.select(keys) for part in parts)]))
    write_report(run, scores)
    figures = {f"{metric} [{group}]": each.to_dict() for (metric, group), each in scores.estimates.items()}
    run.finish({"instrument": ins.name, **scores.counts, **figures})


@contextmanager
def _interruptible(run: Run) -> Iterator[Run]:
    """Mark `run` as interrupted where Ctrl-C, or a system that fails, ends the block."""
    try:
        yield run
    except KeyboardInterrupt:
        run.mark("interrupted", "stopped by Ctrl-C")
        say(f"stopped; the same command with --out {run.path} --resume goes on", warning=True)
        raise
    except UserError as mistake:
        run.mark("interrupted", str(mistake))
        raise UserError(
            f"{str(mistake).rstrip('.')}; the answers so far are kept, and the same command with --out {run.path}"
            " --resume goes on."
        ) from mistake


def _table(answers: Sequence[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(answers, schema={"item_id": pl.String, "answer": pl.String}, orient="row")


def _recorded(responses: Any, item: str | Sequence[str] | None, answer: str) -> dict[str, Any]:
    """Where recorded answers come from."""
    columns = {"item": item if item is None or isinstance(item, str) else list(item), "answer": answer}
    if isinstance(responses, str | Path):
        return {"file": str(responses), "sha256": sha256(responses), **columns}
    return {"file": f"a {type(responses).__name__} in memory", **columns}


def _described(profile: Profile, source: Any) -> dict[str, Any]:
    """A profile as part of a run's identity."""
    kept = {"file": str(source), "sha256": sha256(source)} if isinstance(source, str | Path) else {}
    return {**profile.model_dump(mode="json"), **kept}


def _card_toml(card: "Card") -> str:
    import tomli_w

    values = {key: value for key, value in asdict(card).items() if value is not None}
    values["metrics"] = {
        name: {key: value for key, value in metric.items() if key != "name"}
        for name, metric in values["metrics"].items()
    }
    return tomli_w.dumps({key: list(value) if isinstance(value, tuple) else value for key, value in values.items()})
