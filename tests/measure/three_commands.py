"""`gnomon represent`, `gnomon measure rake` and `gnomon data audit` without the rest of the command line, which takes a
quarter of a second to put together for each call: for tests of many small mistakes."""

import typer
from typer.testing import CliRunner, Result

from gnomon.errors import UserError
from gnomon.measure import represent_commands

app, measure, data = typer.Typer(), typer.Typer(), typer.Typer()
app.command("represent")(represent_commands.represent)
measure.command("rake")(represent_commands.rake)
data.command("audit")(represent_commands.audit)
app.add_typer(measure, name="measure")
app.add_typer(data, name="data")


def invoke(*arguments: str) -> Result:
    """A call that is refused: what the whole command line makes of a UserError is tested with it."""
    result = CliRunner().invoke(app, list(arguments))
    if not isinstance(result.exception, UserError | SystemExit):
        raise AssertionError(f"not refused: {result.output}") from result.exception
    return result
