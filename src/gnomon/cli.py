"""The command line: puts the rooms' commands together and turns a person's mistake into one sentence."""

import sys

import typer

from gnomon.errors import UserError
from gnomon.list_options import ListOptions

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""A wrong option or argument. Its home differs between versions of Typer."""


def build() -> typer.Typer:
    """The `gnomon` command with every room's commands below it. Imports no heavy package."""
    import gnomon.data_commands
    import gnomon.dynamics.commands
    import gnomon.measure.commands
    import gnomon.measure.represent_commands
    import gnomon.models.commands
    import gnomon.posttrain.commands
    import gnomon.runs.commands
    import gnomon.search.commands
    import gnomon.segment.commands
    import gnomon.server.commands
    import gnomon.story.commands
    import gnomon.tasks.commands

    app = typer.Typer(
        name="gnomon",
        help="A lab for small models: train, post-train asynchronously, and measure with intervals.\n\n"
        "Start with: gnomon quickstart",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode="markdown",
    )
    gnomon.posttrain.commands.PROBE = "gnomon.dynamics:Probe"
    app.command("quickstart")(gnomon.posttrain.commands.quickstart)
    app.add_typer(gnomon.posttrain.commands.app, name="posttrain")
    app.command("evaluate")(gnomon.posttrain.commands.evaluate)
    app.command("sample")(gnomon.models.commands.sample)
    app.add_typer(gnomon.tasks.commands.app, name="tasks")
    app.add_typer(gnomon.dynamics.commands.app, name="dynamics")
    app.add_typer(gnomon.search.commands.app, name="search")
    app.add_typer(gnomon.segment.commands.app, name="segment")
    gnomon.story.commands.app.command("open")(gnomon.server.commands.open_story)
    app.add_typer(gnomon.story.commands.app, name="story")
    app.command("serve")(gnomon.server.commands.serve)
    app.command("represent", cls=ListOptions)(gnomon.measure.represent_commands.represent)
    gnomon.measure.commands.app.command("rake")(gnomon.measure.represent_commands.rake)
    app.add_typer(gnomon.measure.commands.app, name="measure")
    gnomon.runs.commands.REPORTS["posttrain"] = "gnomon.posttrain.report:write_report"
    for kind in ("fit", "compare", "probe", "train"):
        gnomon.runs.commands.REPORTS[f"dynamics-{kind}"] = "gnomon.dynamics.report:write_report"
    for kind in ("run", "score"):
        gnomon.runs.commands.REPORTS[f"search-{kind}"] = "gnomon.search.report:write_report"
    gnomon.runs.commands.REPORTS["measure-run"] = "gnomon.measure.report:write_report"
    gnomon.runs.commands.REPORTS["measure-represent"] = "gnomon.measure.representation_report:write_report"
    gnomon.runs.commands.REPORTS["segment-train"] = "gnomon.segment.report:write_report"
    gnomon.runs.commands.COMPARISONS["measure-run"] = "gnomon.measure.comparing:compare_runs"
    gnomon.runs.commands.COMPARISONS["segment-train"] = "gnomon.segment.evaluating:compare_runs"
    compare = gnomon.runs.commands.app.command("compare", cls=ListOptions)
    compare(gnomon.posttrain.commands.compare_runs)
    gnomon.runs.commands.app.command("rescore")(gnomon.posttrain.commands.rescore)
    app.add_typer(gnomon.runs.commands.app, name="runs")
    gnomon.data_commands.app.command("audit")(gnomon.measure.represent_commands.audit)
    app.add_typer(gnomon.data_commands.app, name="data")
    return app


def main() -> None:
    """Run the command line. Exit code 2 and one sentence for a person's mistake, 130 after Ctrl-C."""
    try:
        code = build()(prog_name="gnomon", standalone_mode=False) or 0
    except UserError as mistake:
        print(f"error: {mistake}", file=sys.stderr)
        code = 2
    except UsageError as mistake:
        sentence = mistake.format_message()  # type: ignore[attr-defined]
        where = mistake.ctx.command_path if mistake.ctx else "gnomon"  # type: ignore[attr-defined]
        if sentence.strip():  # a group without a command has shown its help already
            print(f"error: {sentence.rstrip('.')}; see {where} --help.", file=sys.stderr)
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    if code == 130:
        print("interrupted", file=sys.stderr)
    sys.exit(code)
