"""A run that is begun from the page: the command of a terminal, in a process of its own beside the server."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from gnomon.server.failures import Failure

COMMANDS = {"quickstart": ("quickstart",)}
"""What each recipe that can be begun is on the command line."""

LAST_WAIT_S = 20.0  # that a run has to stop after a checkpoint when the server ends


class Launcher:
    """Begins runs in the folder `root`, one at a time, and ends them with the server so that they can be resumed.

    What a run says goes to a hidden file beside it, `.ID.log`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._latest = ""
        self._begun: dict[str, float] = {}  # id -> when, until its folder was seen

    def begin(self, recipe: str) -> str:
        """Begin a run and return its id. Raises Failure (409) where one that was begun here still runs."""
        with self._guard:
            if self._process is not None and self._process.poll() is None:
                raise Failure(409, "busy", f"{self._latest!r} still runs; one run at a time is begun from the page.")
            self._root.mkdir(parents=True, exist_ok=True)
            name = self._new_name(recipe)
            command = [sys.executable, "-m", "gnomon", *COMMANDS[recipe], "--out", str((self._root / name).absolute())]
            with self._log(name).open("wb") as log:
                self._process = subprocess.Popen(
                    command,
                    cwd=self._root,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C in the server's terminal is not for it
                )
            self._begun[name], self._latest = time.time(), name
            return name

    def began(self, name: str) -> bool:
        """Whether a run was begun here under this name, and its folder was not seen yet."""
        return name in self._begun

    def without_folder(self) -> list[tuple[str, float, str | None]]:
        """The runs that have no folder, since they are only starting or died before: id, start, and why they died."""
        with self._guard:
            starting = self._latest if self._process is not None and self._process.poll() is None else None
            self._begun = {name: at for name, at in self._begun.items() if not (self._root / name).exists()}
            return [
                (name, at, None if name == starting else self._last_words(name)) for name, at in self._begun.items()
            ]

    def close(self) -> None:
        """Ask the run that was begun here to stop as Ctrl-C does, and wait a while for its checkpoint."""
        with self._guard:
            if self._process is None or self._process.poll() is not None:
                return
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(LAST_WAIT_S)
            except subprocess.TimeoutExpired:
                self._process.terminate()  # at once; it can be resumed from its last checkpoint

    def _new_name(self, recipe: str) -> str:
        stem = f"{recipe}-{time.strftime('%Y%m%d-%H%M%S')}"
        name, count = stem, 1
        while (self._root / name).exists() or self._log(name).exists():
            count += 1
            name = f"{stem}-{count}"
        return name

    def _log(self, name: str) -> Path:
        return self._root / f".{name}.log"

    def _last_words(self, name: str) -> str:
        try:
            said = self._log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except FileNotFoundError:
            said = []
        return f"It ended before it began: {said[-1].rstrip('.') if said else 'it said nothing'}."
