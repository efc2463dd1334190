"""What a command shows when it is done: sentences, tables, or one JSON object for a script."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from gnomon.runs.files import to_json


def say(sentence: str, *, warning: bool = False) -> None:
    """One line, as it is, however narrow the terminal; a warning goes to standard error."""
    print(sentence, file=sys.stderr if warning else sys.stdout)


def show_table(headers: Sequence[str], rows: Iterable[Iterable[Any]], *, narrow: bool = False) -> None:
    """Rows under headers, fitted to the terminal; None is an empty cell. `narrow` leaves out the lines between."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None if narrow else box.HEAVY_HEAD)
    for header in headers:
        shown.add_column(header, overflow="fold")
    for row in rows:
        shown.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    Console().print(shown)


def print_json(result: Any) -> None:
    """One JSON object on standard output; what is not finite is null."""
    print(to_json(result))
