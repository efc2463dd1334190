"""`gnomon tasks`: which tasks there are, what they look like, and how an answer is graded."""

import json
from typing import Annotated, Any

import typer

app = typer.Typer(help="Tasks with answers that can be checked.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="A setting of the task, as in --set digits=[2,1].")]


@app.command("list")
def list_command(as_json: Json = False) -> None:
    """List the built-in tasks. Example: gnomon tasks list"""
    import importlib

    from gnomon.tasks.registry import BUILT_IN

    rows = []
    for name, where in sorted(BUILT_IN.items()):
        module, _, member = where.partition(":")
        text = getattr(importlib.import_module(f"gnomon.tasks.{module}"), member).__doc__ or ""
        rows.append({"name": name, "about": " ".join(text.split()).split(". ")[0].rstrip(".") + "."})
    if as_json:
        print(json.dumps({"tasks": rows}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("task", "what it asks")
    for row in rows:
        table.add_row(row["name"], row["about"])
    console = Console()
    console.print(table)
    console.print(
        "besides: reasoning_gym:NAME (pip install 'gnomon[tasks]') and your own as module:Class", markup=False
    )


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A task's name.")],
    n: Annotated[int, typer.Option(min=1, help="How many problems.")] = 5,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Show a task's sizes, settings and a few problems with a teacher's answers. Example: gnomon tasks show multiply"""
    environment = _environment(name, overrides)
    _check_split(split)
    rows = [
        {
            "id": task.id,
            "prompt": environment.start(task, 0).prompt,
            "demonstration": environment.demonstration(task, 0),
        }
        for task in environment.tasks(split)[:n]
    ]
    sizes = {part: len(environment.tasks(part)) for part in ("train", "validation", "test")}
    left_out = {"left_out": environment.left_out} if hasattr(environment, "left_out") else {}
    if as_json:
        print(json.dumps({"task": name, "sizes": sizes, **left_out, "problems": rows}))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("task", "prompt", "a teacher's answer", title=f"{name}: {sizes}")
    for row in rows:
        table.add_row(*map(escape, (row["id"], row["prompt"], row["demonstration"])))
    console = Console()
    console.print(table)
    for reason, count in left_out.get("left_out", {}).items():
        console.print(f"left out, {reason.replace('_', ' ')}: {count}")


@app.command("verify")
def verify(
    name: Annotated[str, typer.Argument(help="A task's name.")],
    answer: Annotated[str, typer.Option(help="The text to grade.")],
    task: Annotated[str | None, typer.Option(help="The problem's id; by default the first test problem.")] = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Grade an answer. Example: gnomon tasks verify multiply --task '123*4' --answer 294"""
    from gnomon.errors import UserError

    environment = _environment(name, overrides)
    everything = [t for split in ("test", "validation", "train") for t in environment.tasks(split)]
    chosen = everything[0] if task is None else next((t for t in everything if t.id == task), None)
    if chosen is None:
        raise UserError(
            f"{name} has no problem {task!r}; gnomon tasks show {name} lists some, such as {everything[0].id!r}."
        )
    episode = environment.start(chosen, 0)
    step = episode.step(answer)
    result: dict[str, Any] = {
        "task": name,
        "id": chosen.id,
        "prompt": episode.prompt,
        "answer": answer,
        "reward": step.reward,
        "correct": step.correct,
        "components": step.components,
    }
    if as_json:
        print(json.dumps(result))
        return
    for key, value in result.items():
        print(f"{key}: {value}")


def _environment(name: str, overrides: list[str] | None) -> Any:
    from gnomon.config import apply_overrides
    from gnomon.tasks.registry import get

    return get(name, **apply_overrides({}, overrides or []))


def _check_split(split: str) -> None:
    from gnomon.errors import UserError

    if split not in ("train", "validation", "test"):
        raise UserError(f"--split {split}: train, validation and test are the splits.")
