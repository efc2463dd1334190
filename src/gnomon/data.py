"""The registry of public data sets: name, URL, sha256, licence, size; and how one is found.

A file is looked for in the folder of `GNOMON_DATA_DIR`, then in the user's cache, then at its public address. Whatever
is found is checked against the sha256 of the file as it was published (a gzipped copy is unpacked first).
"""

import gzip
import hashlib
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from gnomon.errors import UserError


@dataclass(frozen=True)
class DataFile:
    """One published file. `path` is where it lies below a data folder; `sha256` and `size` (bytes) are as published.

    `url` is None for a file that is used where it is at hand and cannot be fetched.
    """

    name: str
    path: str
    url: str | None
    sha256: str
    size: int
    licence: str


def _github(repository: str, commit: str, path: str) -> str:
    return f"https://raw.githubusercontent.com/{repository}/{commit}/{path}"


_GSM8K = ("openai/grade-school-math", "3101c7d50724")
_CMUDICT = ("cmusphinx/cmudict", "0f8072f81430")
_SCAN = ("brendenlake/SCAN", "c4b756cbc010")
_LITBANK = ("dbamman/litbank", "3e50db0ffc033d7ccbb94f4d88f6b99210328ed8")

FILES: dict[str, DataFile] = {
    entry.name: entry
    for entry in (
        DataFile(
            "gsm8k/train",
            "tasks/gsm8k/train.jsonl",
            _github(*_GSM8K, "grade_school_math/data/train.jsonl"),
            "17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465",
            4166206,
            "MIT",
        ),
        DataFile(
            "gsm8k/test",
            "tasks/gsm8k/test.jsonl",
            _github(*_GSM8K, "grade_school_math/data/test.jsonl"),
            "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14",
            749738,
            "MIT",
        ),
        DataFile(
            "cmudict",
            "tasks/cmudict/cmudict.dict",
            _github(*_CMUDICT, "cmudict.dict"),
            "81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22",
            3618488,
            "BSD-style (Carnegie Mellon University)",
        ),
        DataFile(
            "cmudict/phones",
            "tasks/cmudict/cmudict.phones",
            _github(*_CMUDICT, "cmudict.phones"),
            "ffb588a5e55684723582c7256e1d2f9fadb130011392d9e59237c76e34c2cfd6",
            382,
            "BSD-style (Carnegie Mellon University)",
        ),
        *(
            DataFile(
                f"scan/{variant}/{part}",
                f"tasks/scan/tasks_{part}_{stem}.txt",
                _github(*_SCAN, f"{folder}/tasks_{part}_{stem}.txt"),
                sha256,
                size,
                "BSD",
            )
            for variant, folder, stem, part, sha256, size in (
                ("simple", "simple_split", "simple", "train", "941bb8a088c5f53ceff12fde902dc008933cf0c4203cc672c47b5f79d73262dd", 3267938),
                ("simple", "simple_split", "simple", "test", "1fe1c8f5a19d0dc40e41bab94278f45f66f3dc415a978bd29855a23440610fc6", 812450),
                ("length", "length_split", "length", "train", "b034212dc7cf87ce62f3a067dd6ad49c4d5cd18d51d615d13825516bcb1ebbc2", 2723418),
                ("length", "length_split", "length", "test", "0760752ed34a75116ae11dcc1ee17526b7500060da1366540730fa24894d7db3", 1356970),
                ("addprim_jump", "add_prim_split", "addprim_jump", "train", "e3c78485692e028eed4205e1b8b3fd0e785ef2c12d45b5b89204dadf5b239e23", 2579619),
                ("addprim_jump", "add_prim_split", "addprim_jump", "test", "8147ae2651422c701162e174d9d66158daa57858a26b30317ac61797118ac7a5", 1531555),
            )
        ),
        *(
            DataFile(
                f"litbank/{name}", f"text/{file}.txt", _github(*_LITBANK, f"original/{file}.txt"), sha256, size, "public domain (Project Gutenberg)"
            )
            for name, file, sha256, size in (
                ("moby_dick", "2489_moby_dick", "080eaae430244e751b81c7ef34baf3b77010e89cf8312b5c053b422d04a4b642", 1219795),
                ("pride_and_prejudice", "1342_pride_and_prejudice", "aeab3887797bed30eecf8abd37bc45072a4289caa43df160cf96de0b037c62ad", 691804),
                ("sherlock_holmes", "1661_the_adventures_of_sherlock_holmes", "55ba0a68f8e696b866c0283ec11fbc6db3fb85123dc0d72a55a1f17fff3f9a6a", 561849),
            )
        ),
        DataFile(
            "cifar10",
            "nas/cifar-10-binary.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            170052171,
            "not stated; cite Krizhevsky 2009",
        ),
        DataFile(
            "cifar10/sample",
            "nas/cifar10_2000.npz",
            None,
            "83142133e436d2d41075bea579a59100d17bc3dbba30e848f458ec4038781d07",
            5696146,
            "not stated; 2,000 re-encoded images of CIFAR-10",
        ),
    )
}  # fmt: skip


def read_text(name: str) -> str:
    """The text of data file `name`, found and checked. Raises UserError where it is absent or not as published."""
    return read_bytes(name).decode("utf-8")


def read_bytes(name: str) -> bytes:
    """The content of data file `name`, as `read_text`."""
    return _content(_entry(name))


def locate(name: str) -> Path | None:
    """Where `name` lies on this machine (plain or gzipped), None where it would have to be fetched."""
    entry = _entry(name)
    for root in _roots():
        for path in (root / entry.path, root / f"{entry.path}.gz"):
            if path.is_file():
                return path
    return None


def fetch(name: str) -> Path:
    """Make sure `name` is on this machine and as published; returns where."""
    found = locate(name)
    if found is None:
        _download(_entry(name))
        found = locate(name)
        assert found is not None
    else:
        _checked(_entry(name), found)
    return found


def _entry(name: str) -> DataFile:
    if name not in FILES:
        raise UserError(f"There is no data set {name!r}; known are " + ", ".join(sorted(FILES)) + ".")
    return FILES[name]


def _roots() -> list[Path]:
    given = os.environ.get("GNOMON_DATA_DIR")
    return [*([Path(given)] if given else []), _cache()]


def _cache() -> Path:
    base = os.environ.get("GNOMON_CACHE_DIR")
    return Path(base) if base else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "gnomon"


def _content(entry: DataFile) -> bytes:
    found = locate(entry.name)
    return _checked(entry, found) if found is not None else _download(entry)


def _checked(entry: DataFile, path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if path.name == f"{Path(entry.path).name}.gz" else raw
    except (OSError, EOFError) as fault:
        raise UserError(f"{path}: data file {entry.name!r} cannot be read ({fault}); fetch it again.") from fault
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise UserError(
            f"{path} is not the published {entry.name!r}: its sha256 is {found[:16]}…, expected {entry.sha256[:16]}…;"
            " remove it and run gnomon data fetch."
        )
    return content


def _download(entry: DataFile) -> bytes:
    if entry.url is None:
        raise UserError(
            f"The data set {entry.name!r} is not on this machine and has no public address; set GNOMON_DATA_DIR to a"
            f" folder that holds it as {entry.path}."
        )
    print(f"fetching {entry.name} ({entry.size / 2**20:.1f} MiB) from {entry.url}", file=sys.stderr)
    try:
        with urllib.request.urlopen(entry.url, timeout=60) as answer:
            content: bytes = answer.read()
    except (urllib.error.URLError, OSError) as fault:
        raise UserError(
            f"The data set {entry.name!r} is not on this machine and cannot be fetched from {entry.url} ({fault});"
            " set GNOMON_DATA_DIR to a folder that holds it."
        ) from fault
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise UserError(
            f"{entry.url} gave something else than the published {entry.name!r}: sha256 {found[:16]}…, expected"
            f" {entry.sha256[:16]}…."
        )
    target = _cache() / entry.path
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(target)
    return content
