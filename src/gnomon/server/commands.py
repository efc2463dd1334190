"""`gnomon serve` and `gnomon story open`: the page over stories and runs, on this machine's loopback address only."""

import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnomon.errors import UserError
from gnomon.runs.terminal import print_json, say

if TYPE_CHECKING:
    from gnomon.server.access import Access
    from gnomon.server.stories import Stories

PROJECT = ".gnomon"
RUNS, STORIES = Path("runs"), Path("stories")

NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print the page's address and open no browser.")]
Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON line when the server answers: url, open (the page with a code), token."),
]


def serve(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port; 0 takes one that is free: --port 8712.")
    ] = 8712,
    runs: Annotated[Path, typer.Option(help="The folder of runs that is shown: --runs runs.")] = RUNS,
    stories: Annotated[
        Path, typer.Option(help="The folder of stories, made with the first of them: --stories stories.")
    ] = STORIES,
    no_browser: NoBrowser = False,
    as_json: Json = False,
) -> None:
    """Open the page for stories and runs in the browser, until Ctrl-C. Nobody else on this machine can use it.

    Example: gnomon serve --runs runs
    """
    for name, folder in (("--runs", runs), ("--stories", stories)):
        _look(folder, f"{name} ")
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{name} {folder} is a file; name a folder.")
    _run(port, runs, stories, None, no_browser, as_json)


def open_story(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A story, .md .txt .docx .epub .fountain .html, or a .gnomon project."),
    ],
    project: Annotated[
        Path | None,
        typer.Option(help="The project, in the place of one beside FILE: --project drafts/second.gnomon."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes one that is free: --port 8712.")] = 0,
    no_browser: NoBrowser = False,
    as_json: Json = False,
    encoding: Annotated[
        str | None, typer.Option(help="The encoding of a text file that is not UTF-8: --encoding windows-1250.")
    ] = None,
) -> None:
    """Revise a story in the browser, until Ctrl-C. FILE is read into a project, and written only when you save to it.

    Example: gnomon story open draft.md
    """
    for path in (file, *([] if project is None else [project])):
        _look(path)
    if file.is_dir():
        raise UserError(f"{file} is a folder; a story is a file.")
    if file.suffix == PROJECT:
        if project is not None:
            raise UserError(f"{file} is a project itself; leave out --project.")
        if encoding is not None:
            raise UserError(f"{file} is a project, whose text needs no --encoding; leave it out.")
    elif project is not None and project.suffix != PROJECT:
        raise UserError(f"--project {project}: a project's name ends in {PROJECT}.")
    _run(port, RUNS, STORIES, lambda stories: _opened(stories, file, project, encoding), no_browser, as_json)


def _look(path: Path, named: str = "") -> None:
    """Refuse a path that this user may not even ask about, or that is none. That nothing is there may be well."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as fault:
        raise UserError(f"{named}{path}: {(fault.strerror or str(fault)).lower()}; name another.") from fault


def _opened(stories: "Stories", file: Path, project: Path | None, encoding: str | None) -> str:
    """The id of the story in `file`: of its project, which is made where there is none."""
    from gnomon.story.formats import read

    if file.suffix == PROJECT:
        return stories.open_path(file)
    if project is None:
        project = file.with_suffix(PROJECT)
    if not project.exists():
        return stories.create_at(project, read(file, encoding), source=file)
    if not file.exists():
        raise UserError(f"{file}: there is no such file; its project can be opened without it: {project}.")
    id = stories.open_path(project)
    source = stories.get(id).project.source
    if source is None or source.name != file.name:
        made_from = "no file" if source is None else str(source)
        raise UserError(f"{project} was made from {made_from} and not from {file}; name another with --project.")
    return id


def _run(
    port: int,
    runs: Path,
    folder: Path,
    opened: "Callable[[Stories], str] | None",
    no_browser: bool,
    as_json: bool,
) -> None:
    """Serve until a signal. What cannot be done is said before anybody could connect."""
    from gnomon.server.access import Access
    from gnomon.server.app import create_app
    from gnomon.server.listening import bound, listen
    from gnomon.server.stories import Stories

    with bound(port) as listening, closing(Stories(folder)) as stories:
        story = opened(stories) if opened is not None else None
        access = Access(listening.getsockname()[1])
        app = create_app(stories=stories, runs=runs, access=access)
        listen(app, listening, lambda: _announce(access, story, no_browser, as_json))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # all is on the disk and closed; to take apart what has been imported would take a second more


def _announce(access: "Access", story: str | None, no_browser: bool, as_json: bool) -> None:
    """Say where the page is, with a code for one browser, and open one."""
    url = f"http://{access.hosts[0]}"
    path = "/" if story is None else f"/story/{story}"
    address = f"{url}{path}#code={access.new_code()}"
    if as_json:
        print_json({"url": url, "open": address, "token": access.token} | ({} if story is None else {"story": story}))
    elif no_browser or not _open_browser(address):
        say(f"Open {address} in a browser; Ctrl-C ends it.")
    else:
        say(f"The page is open in your browser; if it is not, open {address} there. Ctrl-C ends it.")
    sys.stdout.flush()


def _open_browser(address: str) -> bool:
    """Whether a browser was opened. One that would take this terminal is none."""
    import webbrowser

    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    return webbrowser.open(address)
