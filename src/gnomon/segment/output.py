"""Where a command's results go: a place that is free, and a folder that appears there whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gnomon.errors import UserError


def require_place(path: str | Path, option: str = "--out") -> None:
    """Raise UserError where nothing can be made at `path`: asked before the work whose results go there."""
    above = next(parent for parent in Path(path).absolute().parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        reason = "no folder" if not above.is_dir() else "a folder that may not be written to"
        raise UserError(f"{option} {path}: {above} is {reason}; another place is expected.")


def require_free(folder: str | Path) -> None:
    """Raise UserError where `folder` is taken, which an empty folder is not, or cannot be made."""
    path = Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{str(folder)!r} exists already; give another folder with --out.")
    require_place(path)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder beside the free `folder` to write to, which takes its name at the end and is gone after a fault."""
    making = folder.with_name(f".{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)  # what an earlier call left behind when it was killed
    making.mkdir(parents=True)
    try:
        yield making
        if folder.exists():
            folder.rmdir()
        making.rename(folder)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
