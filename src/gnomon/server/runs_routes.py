"""The calls about runs. They only read: nothing in a run's folder is written, made, or locked as for writing."""

import json
import shlex
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from gnomon.errors import UserError
from gnomon.posttrain import over_seeds
from gnomon.runs import Run
from gnomon.runs.files import to_json
from gnomon.server import run_shapes as shapes
from gnomon.server.failures import Failure
from gnomon.server.run_curves import band, curve, on_common_places, repeats
from gnomon.server.run_samples import staleness
from gnomon.server.runs_folder import RunsFolder
from gnomon.server.sse import HEARTBEAT, EventStream, encode
from gnomon.stats.order.design import UndecidableDesign

router = APIRouter(tags=["runs"])

SHORTEST, LONGEST = 0.1, 1.0  # seconds between two looks at a run that is followed: right after news, and in silence
AT_ONCE = 1000  # lines that are sent between two looks

REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:;"
    " font-src data:; frame-ancestors 'self'"
)
"""What a report may do: draw itself. It is nobody's page, so it can neither read this server nor the page around it."""

RESUMABLE = ("posttrain", "segment-train", "measure-run", "story-extractor", "search-")
"""How the kinds of runs begin whose commands know --resume."""

Position = Annotated[int, Query(ge=0, lt=2**53, description="`next` of an earlier answer; 0 is the start.")]


@router.get("/runs", responses={200: {"model": shapes.Runs}})
def list_runs(request: Request) -> Response:
    """Every run of the folder, the newest first, and every folder there that is none, with what is wrong in it."""
    return _json({"runs": _folder(request).rows()})


@router.post("/runs", status_code=201)
def begin_run(request: Request, body: shapes.NewRun) -> shapes.Begun:
    """Begin a run in a process of its own, which ends with the server and can be resumed. One at a time: 409."""
    return shapes.Begun(id=_folder(request).launcher.begin(body.recipe))


@router.get("/runs/compare", responses={200: {"model": shapes.Comparison}})
def compare(
    request: Request,
    a: Annotated[list[str], Query(min_length=1)],
    b: Annotated[list[str], Query(min_length=1)],
    figure: str | None = None,
    paired: bool = False,
    lower: bool = False,
) -> Response:
    """Is a figure larger in the finished runs of `a` or of `b`, or can they not be told apart? `lower`: less is better.

    `figure` may be left out where the runs share only one; `paired` matches the runs by their seeds. 422 `undecidable`
    where so few runs could never decide.
    """
    folder = _folder(request)
    groups = [[folder.open(run) for run in group] for group in (a, b)]
    ids = dict(zip((str(run.path) for group in groups for run in group), [*a, *b], strict=True))
    for field, group in zip(("a", "b"), groups, strict=True):
        for run in group:
            if run.summary() is None:
                sentence = f"{ids[str(run.path)]!r} is {run.state} and has no figures; finished runs are needed."
                raise Failure(422, "invalid", f"{field}: {sentence}", field)
    shared = _shared([run for group in groups for run in group])
    if figure is None and len(shared) == 1:
        figure = shared[0]
    if figure not in shared:
        listed = f"these runs share {', '.join(shared)}" if shared else "these runs share none"
        asked = "a figure is needed" if figure is None else f"there is no {figure!r} in all of them"
        raise Failure(422, "invalid", f"figure: {asked}; {listed}.", "figure")
    try:
        found = over_seeds.compare_groups(*groups, figure=figure, paired=paired)
    except UndecidableDesign:
        raise
    except UserError as mistake:
        sentence = str(mistake).removeprefix("--")
        raise Failure(422, "invalid", sentence, "paired" if sentence.startswith("paired") else None) from mistake
    for name in ("a", "b"):
        found[name] = [{**row, "run": ids[row["run"]]} for row in found[name]]
    return _json({**found, "verdict": over_seeds.verdict(found, lower=lower)})


@router.get("/runs/figures", responses={200: {"model": shapes.Figures}})
def figures(request: Request, run: Annotated[list[str], Query(min_length=1)]) -> Response:
    """The figures that all these runs have; a run that has not finished has none."""
    return _json({"figures": _shared([_folder(request).open(each) for each in run])})


@router.get("/runs/curves", responses={200: {"model": shapes.Curves}})
def curves(
    request: Request,
    run: Annotated[list[str], Query(min_length=1)],
    name: str,
    by: Literal["step", "time", "samples"] = "step",
    points: Annotated[int, Query(ge=2, le=10_000)] = 400,
) -> Response:
    """One metric of several runs at common places: each run's curve, and the mean with a 95 % t interval over runs.

    Places lie evenly from the least to the greatest at which any of the runs logged it (or are those very places,
    where all runs have the same few); in between, a curve is interpolated linearly and not smoothed. The mean at a
    place is over the runs that reach it: of all, and of each group of runs that differ in seed and names only. The
    interval holds for one place, not for the whole curve.
    """
    folder = _folder(request)
    found = [curve(folder.metrics(each), name, by) for each in run]
    if not any(len(x) for x, _ in found):
        raise Failure(422, "invalid", f"name: none of these runs has a metric {name!r} by {by}.", "name")
    places, values = on_common_places(found, points)
    groups = [
        {"runs": [run[number] for number in group], **band(values[group])}
        for group in repeats([_settings(folder, each) for each in run], [folder.row(each)["seed"] for each in run])
    ]
    drawn = [{"id": each, "y": own} for each, own in zip(run, values.tolist(), strict=True)]
    whole = {"name": name, "by": by, "x": places.tolist(), "runs": drawn, **band(values), "groups": groups}
    return _json(whole)


@router.get("/runs/{run}", responses={200: {"model": shapes.RunDetail}})
def one_run(request: Request, run: str) -> Response:
    """One run: its row, its settings and figures, and what else there is of it."""
    folder = _folder(request)
    row = folder.row(run)
    opened = None if row["kind"] is None else folder.open(run)
    environment = None
    if opened is not None and (path := folder.file(run, "environment.json")) is not None:
        environment = _object(path.read_bytes())
    more = {
        "settings": {} if opened is None else opened.settings,
        "summary": None if opened is None else opened.summary(),
        "environment": environment,
        "metrics": folder.metrics(run).names(),
        "checkpoints": folder.checkpoints(run),
        "reason": None if opened is None else opened.reason,
        "resume": None if opened is None or environment is None else _resume(opened, row["state"], environment),
        "has_report": folder.file(run, "report.html") is not None,
        "samples": folder.samples(run).total,
    }
    return _json({**row, **more})


@router.get("/runs/{run}/metrics", responses={200: {"model": shapes.Metrics}})
def metrics(
    request: Request,
    run: str,
    names: Annotated[str | None, Query(description="Separated by commas; all where left out.")] = None,
    since: Position = 0,
    points: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
) -> Response:
    """The complete lines after a position, each with `step`, `time` and those of `names` that it has.

    With `points`, more than twice as many rows are thinned to at most that: into buckets of equal count, of which the
    first and last row and those with the least and greatest value of each name are kept (`points` / (1 + names)
    buckets: ask for few names at a time). Names whose values are text cost nothing. Where the file was replaced since,
    as a resumed run does, all is answered anew with `reset`. 422 for a position that nobody was given.
    """
    wanted = None if names is None else [name for name in dict.fromkeys(names.split(",")) if name]
    return _answer(_folder(request).metrics(run).answer(wanted, since, points))


@router.get("/runs/{run}/stream", response_class=EventStream)
async def stream(
    request: Request,
    run: str,
    since: Annotated[int | None, Query(ge=0, lt=2**53, description="`next` of /metrics; else from now on.")] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventStream:
    """Each new complete line of the metrics as it is written, its `id` being the position after it.

    `event: state` says {"state"} at first and whenever it changes; `rewound` that the file was replaced, and lines
    come anew from its start; `gone` that the run was removed; `end` that it runs no more and everything was sent.
    """
    folder = _folder(request)
    await run_in_threadpool(folder.locate, run)
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdecimal():
        since = int(last_event_id)  # a browser that lost the connection
    if since is not None:
        await run_in_threadpool(folder.metrics(run).after, since, 0)  # refuses a position that nobody was given
    return EventStream(_follow(request, run, since))


async def _follow(request: Request, run: str, position: int | None) -> AsyncIterator[bytes]:
    folder, closing = _folder(request), request.app.state.closing
    said, pause, silent = None, SHORTEST, 0.0
    try:
        metrics = await run_in_threadpool(folder.metrics, run)
        if position is None:
            position = await run_in_threadpool(metrics.end)
        while True:
            state = (await run_in_threadpool(folder.row, run))["state"]
            lines, rewound = await run_in_threadpool(metrics.after, position, AT_ONCE)
            if rewound:
                yield encode("rewound", {})
                position = 0
            for position, line in lines:
                if (row := _object(line)) is not None:
                    yield f"id: {position}\n".encode() + encode(None, row)
            if state != said and (said is None or not lines):
                yield encode("state", {"state": state})
                said = state
            if not lines and state != "running":
                yield encode("end", {})
                return
            silent = 0.0 if lines else silent + pause
            pause = SHORTEST if lines else min(pause * 1.5, LONGEST)
            if silent >= HEARTBEAT:
                silent = 0.0
                yield b": \n\n"
            if await closing.wait(pause):
                return
    except Failure:
        yield encode("gone", {})


@router.get("/runs/{run}/samples", responses={200: {"model": shapes.Samples}})
def samples(
    request: Request,
    run: str,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    correct: bool | None = None,
) -> Response:
    """What the policy wrote, the oldest first; with `correct`, only what was so, or was not. Zero for other kinds."""
    return _json(_folder(request).samples(run).page(offset, limit, correct))


@router.get("/runs/{run}/staleness", responses={200: {"model": shapes.Staleness}})
def stale(request: Request, run: str) -> Response:
    """How many updates old the samples were when they were trained on."""
    folder = _folder(request)
    summary = None if folder.row(run)["kind"] is None else folder.open(run).summary()
    return _json(staleness(summary or {}, folder.samples(run), folder.metrics(run)))


@router.get("/runs/{run}/report", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def report(request: Request, run: str) -> Response:
    """The run's own report, to be shown in a frame."""
    path = _folder(request).file(run, "report.html")
    if path is None:
        raise Failure(404, "not_found", f"The run {run!r} has no report.html; it is written when a run ends.")
    return Response(path.read_bytes(), media_type="text/html", headers={"Content-Security-Policy": REPORT_POLICY})


def _folder(request: Request) -> RunsFolder:
    found: RunsFolder = request.app.state.runs
    return found


def _json(document: dict[str, Any]) -> Response:
    return _answer(to_json(document))


def _answer(text: str) -> Response:
    # Half a surrogate pair, which a JSON file can hold, is no text and cannot be sent.
    return Response(text.encode("utf-8", "replace"), media_type="application/json")


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _settings(folder: RunsFolder, run: str) -> dict[str, Any]:
    return {"id": run} if folder.row(run)["kind"] is None else folder.open(run).settings


def _shared(runs: list[Run]) -> list[str]:
    """The figures that every one of some runs has, in the order of the first; the seed is none."""
    first, *others = [over_seeds.figures_of(run.summary() or {}) for run in runs]
    return [name for name in first if name != "seed" and all(name in other for other in others)]


def _resume(run: Run, state: str, environment: dict[str, Any]) -> str | None:
    """The command that goes on with an interrupted run: the one that it was begun with, and --resume."""
    command = environment.get("command")
    if state not in ("interrupted", "failed") or not run.kind.startswith(RESUMABLE) or not command:
        return None
    out = [] if "--out" in command else ["--out", str(run.path.absolute())]
    again = [] if "--resume" in command else ["--resume"]
    return shlex.join([*command, *out, *again])
