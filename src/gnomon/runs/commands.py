"""`gnomon runs`: list runs, look at one, write a report again. Comparing and rescoring are added from upstairs."""

import json
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from gnomon.runs.terminal import show_table

app = typer.Typer(help="Look at runs, compare them, and check them.", no_args_is_help=True)

REPORTS: dict[str, str] = {}
"""Kind of run -> "module:function" that writes its report; the command line fills it, for reports live upstairs."""

COMPARISONS: dict[str, str] = {}
"""Kind of run -> "module:function" that compares two runs of it: a document for --json, and sentences."""

Root = Annotated[Path, typer.Option(help="The folder that holds the runs.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.command("list")
def list_command(root: Root = Path("runs"), as_json: Json = False) -> None:
    """List the runs of a folder, the oldest first. Example: gnomon runs list"""
    import time

    from gnomon.runs.store import list_runs

    rows = []
    for run in list_runs(root):
        summary = run.summary() or {}
        rows.append(
            {
                "id": run.path.name,
                "kind": run.kind,
                "state": run.state,
                "started": time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started)),
                "task": run.settings.get("task", {}).get("name") or run.settings.get("name"),
                "accuracy": summary.get("accuracy_after"),
                "seed": run.settings.get("seed"),
            }
        )
    if as_json:
        print(json.dumps({"runs": rows}))
        return
    if not rows:
        print(f"No runs in {root}/; gnomon quickstart makes one.")
        return
    show_table(
        ["run", "kind", "state", "started", "task or name", "accuracy after", "seed"],
        [[r["id"], r["kind"], r["state"], r["started"], r["task"], _figure(r["accuracy"]), r["seed"]] for r in rows],
    )


@app.command("show")
def show(run: Annotated[str, typer.Argument(help="A run's folder or id.")], as_json: Json = False) -> None:
    """Show a run's state, settings and figures. Example: gnomon runs show quickstart-20260101-120000"""
    from gnomon.runs.store import open_run

    opened = open_run(run)
    environment = json.loads((opened.path / "environment.json").read_text(encoding="utf-8"))
    whole = {
        "run": str(opened.path),
        "kind": opened.kind,
        "state": opened.state,
        "reason": opened.reason,
        "settings": opened.settings,
        "environment": environment,
        "summary": opened.summary(),
    }
    if as_json:
        print(json.dumps(whole))
        return
    print(f"{opened.path}: {opened.kind}, {opened.state}" + (f" ({opened.reason})" if opened.reason else ""))
    summary = whole["summary"] or {}
    show_table(["figure", "value"], [[key, _figure(value)] for key, value in summary.items()])


@app.command("report")
def report(run: Annotated[str, typer.Argument(help="A run's folder or id.")], as_json: Json = False) -> None:
    """Write a run's report.html again and print its path. Example: gnomon runs report runs/first"""
    from gnomon.errors import UserError
    from gnomon.runs.store import open_run

    opened = open_run(run)
    if opened.kind not in REPORTS:
        raise UserError(f"{str(opened.path)!r} is of kind {opened.kind!r}, for which there is no report.")
    module, function = REPORTS[opened.kind].split(":")
    path = getattr(import_module(module), function)(opened)
    print(json.dumps({"report": str(path)}) if as_json else path)


def _figure(value: Any) -> str:
    """A figure of a summary as text: estimates with their intervals."""
    if isinstance(value, dict) and "low" in value:
        if value["value"] is None:
            return f"undefined ({value['reason']})"
        interval = "" if value["low"] is None else f" [{value['low']:.3f}, {value['high']:.3f}]"
        return f"{value['value']:.3f}{interval}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_figure(item)}" for key, item in list(value.items())[:8])
    return "" if value is None else str(value)
