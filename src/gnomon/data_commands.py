"""`gnomon data`: the public data sets, where they are, and whether they are as published."""

import json
from typing import Annotated

import typer

app = typer.Typer(help="Public data sets: list, fetch, verify.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.command("list")
def list_command(as_json: Json = False) -> None:
    """List the known data sets and where each is on this machine. Example: gnomon data list"""
    from gnomon import data

    rows = [{**entry.__dict__, "found": _where(name)} for name, entry in data.FILES.items()]
    if as_json:
        print(json.dumps({"data": rows}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "size", "licence", "on this machine")
    for row in rows:
        table.add_row(row["name"], f"{row['size'] / 2**20:.1f} MiB", row["licence"], row["found"] or "no")
    Console().print(table)


@app.command("fetch")
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of gnomon data list.")],
    as_json: Json = False,
) -> None:
    """Make sure data sets are on this machine and as published. Example: gnomon data fetch cmudict cmudict/phones"""
    from gnomon import data

    for name in names:
        data.locate(name)  # a name that is not known is refused before anything is fetched
    found = [{"name": name, "path": str(data.fetch(name))} for name in names]
    print(json.dumps({"data": found}) if as_json else "\n".join(each["path"] for each in found))


@app.command("verify")
def verify(as_json: Json = False) -> None:
    """Check every data set that is on this machine against its published sha256. Example: gnomon data verify"""
    from gnomon import data
    from gnomon.errors import UserError

    good, bad, absent = [], {}, []
    for name in data.FILES:
        if data.locate(name) is None:
            absent.append(name)
            continue
        try:
            data.fetch(name)
            good.append(name)
        except UserError as mistake:
            bad[name] = str(mistake)
    if as_json:
        print(json.dumps({"good": good, "bad": bad, "absent": absent}))
    else:
        print(f"{len(good)} as published, {len(absent)} not on this machine, {len(bad)} damaged")
    if bad:
        raise UserError("; ".join(bad.values()))


def _where(name: str) -> str | None:
    from gnomon import data

    path = data.locate(name)
    return None if path is None else str(path)
