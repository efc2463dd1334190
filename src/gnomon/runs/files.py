"""Files that are never half written: atomic replacement, and JSON lines whose torn last line is ignored."""

import datetime
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any


def write_atomic(path: str | Path, content: str | bytes) -> None:
    """Write `content` so that `path` holds either what it held before or all of this."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    data = content.encode() if isinstance(content, str) else content
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sha256(path: str | Path) -> str:
    """The sha256 of a file as it lies there."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_json(value: Any) -> str:
    """Compact JSON in which what is not finite is null, and dates are text."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def append_lines(file: IO[str], rows: Iterable[dict[str, Any]]) -> None:
    """Append rows as JSON lines and hand them to the operating system, so that a killed process loses none."""
    file.write("".join(to_json(row) + "\n" for row in rows))
    file.flush()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON-lines file; nothing where it does not exist. A last line without its end is ignored."""
    if not path.exists():
        return
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


def keep_lines(path: Path, keep: Any) -> None:
    """Rewrite a JSON-lines file atomically with the rows for which `keep(row)` is true."""
    if path.exists():
        write_atomic(path, "".join(to_json(row) + "\n" for row in read_lines(path) if keep(row)))
