"""The SQLite file of a project: its tables, who may write it, what happens to an old, a newer and a damaged one.

One process at a time holds a project, by a lock of the operating system that dies with the process. The file is in WAL
mode and every transaction is on the disk when it ends (`synchronous=FULL`).
"""

import fcntl
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from gnomon.errors import UserError
from gnomon.runs.files import write_atomic

APPLICATION_ID = 0x676E6F6D
_HEADER = b"SQLite format 3\x00"

MIGRATIONS: list[tuple[str, ...]] = [
    (
        # The story's title, language, line ends; whether preferences are kept; the file it came from.
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE head (node INTEGER NOT NULL, revision INTEGER NOT NULL)",
        # The tree of what was done. `changes` is JSON, [start, removed, text] one after the other; `scenes` the
        # caller's own scenes after them; `redo` the child last left; `steps` and `weight` count from the last copy.
        "CREATE TABLE nodes (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES nodes, kind TEXT NOT NULL,"
        " time TEXT NOT NULL, changes TEXT NOT NULL, crc INTEGER NOT NULL, scenes TEXT, subject INTEGER,"
        " added INTEGER NOT NULL, removed INTEGER NOT NULL, redo INTEGER, steps INTEGER NOT NULL,"
        " weight INTEGER NOT NULL)",
        # Full copies, so that no text is ever more than some hundred changes away.
        "CREATE TABLE copies (node INTEGER PRIMARY KEY REFERENCES nodes, text BLOB NOT NULL, state BLOB NOT NULL,"
        " suggestions INTEGER NOT NULL)",
        "CREATE TABLE facts (id INTEGER PRIMARY KEY, fact TEXT NOT NULL)",
        "CREATE TABLE suggestions (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, node INTEGER NOT NULL"
        " REFERENCES nodes, time TEXT NOT NULL, suggestion TEXT NOT NULL, places TEXT NOT NULL)",
        "CREATE INDEX suggestions_by_node ON suggestions (node)",
        "CREATE TABLE decisions (node INTEGER NOT NULL REFERENCES nodes, suggestion TEXT NOT NULL, hunk TEXT NOT NULL,"
        " decision TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (node, suggestion, hunk)) WITHOUT ROWID",
        "CREATE TABLE snapshots (label TEXT PRIMARY KEY, node INTEGER NOT NULL REFERENCES nodes, time TEXT NOT NULL)"
        " WITHOUT ROWID",
        "CREATE TABLE analyses (pack TEXT NOT NULL, paragraph TEXT NOT NULL, analysis BLOB NOT NULL,"
        " PRIMARY KEY (pack, paragraph))",
        # What the preference log keeps of a suggestion, where the writer wants one: its passages as they were.
        "CREATE TABLE log (suggestion TEXT NOT NULL, number INTEGER NOT NULL, passage TEXT NOT NULL,"
        " PRIMARY KEY (suggestion, number)) WITHOUT ROWID",
    ),
]
"""The statements that lead from each version of the file to the next. What is released is never changed."""

_NOT_NOW = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_AUTH,
}  # fmt: skip


class DamagedProject(UserError):
    """A project that cannot be read whole: it lies in `copy`, and what text could be read in `recovered` (or None)."""

    def __init__(self, path: Path, copy: Path | None, recovered: Path | None) -> None:
        aside = f"it was copied to {copy}" if copy is not None else "there was no room to copy it aside"
        rest = (
            f"its text as far as it can be read lies in {recovered}, which can be opened instead"
            if recovered is not None
            else "no text could be read from it"
        )
        super().__init__(f"{path} is damaged: {aside}, and {rest}.")
        self.copy, self.recovered = copy, recovered


class Locked(UserError):
    """A project that another process holds, or this one under another name."""


class Lock:
    """The right to write one project, held by this process until `release`, or until it is dead."""

    def __init__(self, project: Path) -> None:
        self._path = project.with_name(project.name + "-lock")
        while True:
            try:
                file = self._path.open("a+")
            except OSError as fault:
                raise UserError(f"{project} cannot be opened: {fault.strerror}: {self._path}.") from fault
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as busy:
                file.seek(0)
                owner = file.read().strip() or "another process"
                file.close()
                raise Locked(f"{project} is open in process {owner}; close it there first.") from busy
            if self._same(file):
                break
            file.close()  # the one before removed the file between our opening and locking it
        file.truncate(0)
        file.write(f"{os.getpid()}")
        file.flush()
        self._file = file

    def _same(self, file: IO[str]) -> bool:
        try:
            return os.fstat(file.fileno()).st_ino == self._path.stat().st_ino
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let others open the project."""
        self._path.unlink(missing_ok=True)
        self._file.close()


def owner(path: Path) -> str | None:
    """Which process holds a project, None if none does. The right to write it is not taken."""
    try:
        with path.with_name(path.name + "-lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return file.read().strip() or "another"
    except FileNotFoundError:
        pass
    return None


def look(path: Path) -> sqlite3.Connection:
    """A connection to a project that nobody holds, for looking only: it makes no file beside it.

    Raises `sqlite3.Error` where that cannot be.
    """
    log = path.with_name(path.name + "-wal")  # of a process that was killed: what it wrote last is there
    how = "mode=ro" if log.exists() else "immutable=1"
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?{how}", uri=True, check_same_thread=False, timeout=2)


def connect(path: Path) -> sqlite3.Connection:
    """A connection to an existing file; transactions are begun by `transaction`."""
    address = f"file:{quote(str(path.absolute()))}?mode=rw"
    db = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False, timeout=2)
    db.execute("PRAGMA cache_size = -4096")
    return db


@contextmanager
def transaction(db: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All of what is written inside, on the disk, or none of it. A full disk is a `UserError`."""
    try:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("COMMIT")
    except sqlite3.OperationalError as fault:
        _back(db)
        raise UserError(f"{path} could not be written ({fault}); nothing was changed.") from fault
    except BaseException:
        _back(db)
        raise


def _back(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")


def create(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """A new project at `path`, filled by `fill`: all of it or nothing. The caller holds the lock."""
    if path.exists():
        raise UserError(f"{path} exists already; open it, or choose another path.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        temporary.touch()
        db = connect(temporary)
        try:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            with transaction(db, path):
                _migrate(db)
                fill(db)
        finally:
            db.close()
        for rest in ("-wal", "-shm"):  # of a project that was deleted without them: SQLite would take them for ours
            path.with_name(path.name + rest).unlink(missing_ok=True)
        temporary.replace(path)
        folder = os.open(path.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as fault:
        raise UserError(f"{path} could not be written: {fault.strerror}.") from fault
    finally:
        temporary.unlink(missing_ok=True)


def open_database(path: Path) -> sqlite3.Connection:
    """The connection to a sound project of this version; an older one is copied aside and brought up to it.

    The caller holds the lock. Raises `UserError` for what is no project or newer than this program, and
    `sqlite3.DatabaseError` for a damaged one (see `is_damage`).
    """
    if path.stat().st_size == 0:
        raise UserError(f"{path} is empty and no project; gnomon story open makes one from a story's file.")
    db = connect(path)
    try:
        (owner,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if owner != APPLICATION_ID:
            raise UserError(f"{path} is a database of another program, not a project of Gnomon.")
        if version > len(MIGRATIONS):
            raise UserError(
                f"{path} was written by a newer Gnomon (version {version} of the file; this one knows up to"
                f" {len(MIGRATIONS)}); update Gnomon to open it."
            )
        verdict = [row[0] for row in db.execute("PRAGMA quick_check(1)")]
        if verdict != ["ok"]:
            fault = sqlite3.DatabaseError(verdict[0])
            fault.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise fault
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        if version < len(MIGRATIONS):
            _copy_before(db, path, version)
            with transaction(db, path):
                _migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def _migrate(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _copy_before(db: sqlite3.Connection, path: Path, version: int) -> None:
    """The project as the older version wrote it, beside it, as `draft.version-1.gnomon`."""
    target = path.with_name(f"{path.stem}.version-{version}{path.suffix}")
    temporary = path.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        copy = sqlite3.connect(temporary)
        try:
            db.backup(copy)
        finally:
            copy.close()
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except (OSError, sqlite3.Error) as fault:
        raise UserError(f"{path} is of an older version and could not be copied to {target} first: {fault}.") from fault
    finally:
        temporary.unlink(missing_ok=True)


def is_damage(fault: sqlite3.Error) -> bool:
    """Whether a fault of SQLite says that the file's content is wrong, and not that it cannot be had just now."""
    code = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code == sqlite3.SQLITE_IOERR_SHORT_READ or code & 0xFF not in _NOT_NOW


# -- damage -----------------------------------------------------------------------------------------------------------


def set_aside(path: Path, read: Callable[[sqlite3.Connection], str | None]) -> DamagedProject:
    """Copy a damaged project, write what text `read` finds in it beside it, and say so in the exception returned.

    The names follow from the content, so that trying again makes no further copies. The file itself is not touched.
    """
    content = path.read_bytes()
    mark = hashlib.sha256(content).hexdigest()[:8]
    copy: Path | None = path.with_name(f"{path.stem}.damaged-{mark}{path.suffix}")
    log = path.with_name(path.name + "-wal")
    assert copy is not None
    try:
        if not copy.exists():
            if log.exists() and log.stat().st_size:
                shutil.copyfile(log, copy.with_name(copy.name + "-wal"))
            write_atomic(copy, content)
    except OSError:
        copy = None
    text = _recovered(path, content, read)
    recovered: Path | None = None
    if text is not None:
        recovered = path.with_name(f"{path.stem}.recovered-{mark}.md")
        try:
            write_atomic(recovered, text)
        except OSError:
            recovered = None
    return DamagedProject(path, copy, recovered)


def _recovered(path: Path, content: bytes, read: Callable[[sqlite3.Connection], str | None]) -> str | None:
    """What `read` makes of the file, with and without its log, in a copy where SQLite may do as it likes."""
    with tempfile.TemporaryDirectory() as folder:
        log = path.with_name(path.name + "-wal")
        for with_log in (True, False) if log.exists() else (False,):
            trial = Path(folder) / f"{with_log}.gnomon"
            trial.write_bytes(
                content if content[:16] == _HEADER else _header(Path(folder), len(content)) + content[100:]
            )
            if with_log:
                shutil.copyfile(log, trial.with_name(trial.name + "-wal"))
            try:
                db = connect(trial)
            except sqlite3.Error:
                continue
            try:
                text = read(db)
            except sqlite3.Error:
                text = None
            finally:
                with suppress(sqlite3.Error):
                    db.close()
            if text is not None:
                return text
    return None


def _header(folder: Path, size: int) -> bytes:
    """The first 100 bytes of a sound project of `size` bytes: with them one that lost its own can be read."""
    sound = folder / "sound.gnomon"
    sound.touch()
    db = connect(sound)
    _migrate(db)
    db.close()
    header = bytearray(sound.read_bytes()[:100])
    page = int.from_bytes(header[16:18], "big")
    header[28:32] = (size // page).to_bytes(4, "big")  # how many pages there are
    return bytes(header)
