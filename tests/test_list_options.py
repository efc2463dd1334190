"""Options that take several values: given again, or followed by all of them; never at an argument's expense."""

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from gnomon.list_options import ListOptions


def parsed(*words, variadic=False):
    """What a command with an argument, a list, a list of numbers, a plain option and a flag makes of `words`."""
    app = typer.Typer()
    found = {}
    kind = list[str] if variadic else str

    @app.command(cls=ListOptions)
    def command(
        file: Annotated[kind, typer.Argument()],
        score: Annotated[list[str], typer.Option()] = [],  # noqa: B006
        missing: Annotated[list[float], typer.Option()] = [],  # noqa: B006
        arch: Annotated[str, typer.Option()] = "",
        flag: Annotated[bool, typer.Option("--flag")] = False,
    ):
        found.update(file=file, score=list(score), missing=list(missing), arch=arch, flag=flag)

    result = CliRunner().invoke(app, list(words))
    return found if result.exit_code == 0 else result.exit_code


@pytest.mark.parametrize(
    "words",
    [
        ("f", "--score", "a", "b", "--arch", "n", "--missing", "-1e8", "-1", "--flag"),
        ("f", "--score", "a", "--score", "b", "--flag", "--arch", "n", "--missing", "-1e8", "--missing", "-1"),
        ("--score", "a", "--arch", "n", "f", "--score", "b", "--missing", "-1e8", "-1", "--flag"),
        ("--flag", "f", "--missing=-1e8", "-1", "--arch=n", "--score", "a", "b"),
        ("--flag", "--arch", "n", "--score", "a", "--score=b", "--missing", "-1e8", "--missing", "-1", "--", "f"),
    ],
)
def test_both_ways_of_writing_a_list(words):
    assert parsed(*words) == {"file": "f", "score": ["a", "b"], "missing": [-1e8, -1], "arch": "n", "flag": True}


def test_an_argument_that_is_still_needed_is_not_swallowed():
    assert parsed("--score", "a", "f")["file"] == "f"
    assert parsed("--score", "a") == 2
    assert parsed("--score") == 2
    assert parsed("f", "g") == 2
    assert parsed("f", "--arch", "n", "g") == 2


def test_an_argument_of_any_number_stands_before():
    assert parsed("f", "g", "--score", "a", "b", variadic=True)["file"] == ["f", "g"]
    assert parsed("--score", "a", "b", variadic=True) == 2
