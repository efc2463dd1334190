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
_BBQ = ("nyu-mll/BBQ", "bea11bd97d79217245b5871acd247b9d6eb24598")
_CROWS_PAIRS = ("nyu-mll/crows-pairs", "8aaac11c485473159ec9328a65253a5be9a479dc")
_WINOBIAS = ("uclanlp/corefBias", "0bce984dd081bbc10b0622f326727a024c607895")
_HOLISTICBIAS = ("facebookresearch/ResponsibleNLP", "0ec714eb084217f44cd9ac466d9e988c795302f9")
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
        *(
            DataFile(f"litbank/annotated/{part}", f"story/litbank/{part}.jsonl", None, sha256, size, "CC BY 4.0 (D. Bamman)")
            for part, sha256, size in (
                ("train", "cfed5110030638e3e4b3779d44fc168049dc8f3d7f4e8eb7cd515c929353db92", 8071160),
                ("dev", "aa8e39e45b1609d4b02884ff2038c3d0f8f996346d6c49c213fec04b98b99ece", 988533),
            )
        ),
        *(
            DataFile(f"ud/{bank}/{part}", f"story/{file}-ud-{part}.conllu.xz", None, sha256, size, "CC BY-SA 4.0 (Universal Dependencies)")
            for bank, file, part, sha256, size in (
                ("ewt", "ud_en_ewt/en_ewt", "train", "f78d31a1903b33056c9dad7f6a471925e6afd36053a30458aea9b38daa5697b5", 1491448),
                ("ewt", "ud_en_ewt/en_ewt", "dev", "d1f268760e85964e41ab080918da8fb7d1349bbd7f8ee1359f1d1d371ed18179", 221152),
                ("ewt", "ud_en_ewt/en_ewt", "test", "567ee1f64be1f2acdc439bba8ccc49a2ac415cca9fead4de04f57578d044efdf", 219988),
                ("rrt", "ud_ro/ro_rrt", "dev", "4e7f71fa44d7fc01c320ab3ec0023fa573170fb3057cffa6c564f19acf4da6cc", 157520),
                ("rrt", "ud_ro/ro_rrt", "test", "5c5d58556f348a386eac578eb5e83d5fe07631d9cd36fedaeb51ba6e0d7637d3", 149392),
                ("nonstandard", "ud_ro/ro_nonstandard", "dev", "e1560eea7d98431ee6052abbd0c6bdf9afcf787e688dc4ede380ec94b097882b", 176228),
                ("nonstandard", "ud_ro/ro_nonstandard", "test", "7c5e2bc2c8454f32d7a20c56ccdd1fce5f957d0092f618a6eaab3faba182b72e", 201972),
            )
        ),
        *(
            DataFile(
                f"bbq/preds_{category}", f"measure/bbq/preds_{category}.jsonl",
                _github(*_BBQ, f"results/UnifiedQA/preds_{category}.jsonl"), sha256, size, "CC BY 4.0",
            )
            for category, sha256, size in (
                ("Age", "a8c959958e1dc9701cb28df8e2d7e8ab3df2879e9cb1a8ca12bc9fb07a97339d", 3636971),
                ("Religion", "6322499fca1afeb30d00f0ff87949f777ad44e24c2d0c2ecda2a3a76f16ffde3", 1296288),
                ("Physical_appearance", "fe826a7dbb5be7491fc377270cbcae999b215a09f719709956d9350b970fd0f6", 1603322),
            )
        ),
        *(
            DataFile(
                f"bbq/templates/{name}", f"measure/bbq/templates/{name}.csv",
                _github(*_BBQ, f"templates/{prefix}{name}.csv"), sha256, size, "CC BY 4.0",
            )
            for prefix, name, sha256, size in (
                ("new_templates_-_", "Age", "bf7b0d47514ddf4df73ccfc7598499887d74ab15565e0526ab9030b5defedaa5", 34664),
                ("new_templates_-_", "Religion", "0b5091c3f2da84028bb676aacb36fb90de2f334fd5cfc7581ac99029730ef314", 16347),
                ("new_templates_-_", "Physical_appearance", "9110eedc41f63639e79604c9a3f48f12361de0b58c7be5a19d854c9683192397", 35941),
                ("", "vocabulary", "c60c02768e0a3406d4367d5bfe84cd526458712bfcf208f7bb350ab4928b1dbd", 10844),
                ("", "vocabulary_proper_names", "17009b2c9d086c19c25b5107aa4792712fdf5024270e62f40bd4818ecb2e9c5d", 14401),
            )
        ),
        DataFile(
            "bbq/ratings",
            "measure/bbq/mturk_validations_finalval.csv",
            _github(*_BBQ, "supplemental/MTurk_validation/data/mturk_validations_finalval.csv"),
            "688b5311b71497e81b13e35312678e743fca2f2528248710f352bc30f5dc7302",
            628761,
            "CC BY 4.0",
        ),
        DataFile(
            "crows_pairs",
            "measure/crows_pairs/crows_pairs_anonymized.csv",
            _github(*_CROWS_PAIRS, "data/crows_pairs_anonymized.csv"),
            "dfb36986ce0502abbaf7055b9176da3d08d48e07df1251991b5dfbcbceab9d0c",
            437764,
            "CC BY-SA 4.0",
        ),
        *(
            DataFile(
                f"winobias/{name}", f"measure/winobias/{condition}_stereotyped_{kind}.txt.dev",
                _github(*_WINOBIAS, f"WinoBias/wino/data/{condition}_stereotyped_{kind}.txt.dev"), sha256, size, "MIT",
            )
            for name, condition, kind, sha256, size in (
                ("pro_type1", "pro", "type1", "dd55a0d220fe4c0ceb63dd4648223fb4fe1a58d5ad95c116a002ad24b0e292a5", 32786),
                ("anti_type1", "anti", "type1", "a4e0ebae344e78b56f657a42e8ae684b9db7747d177c5e7149c0907ebb7f3bf6", 32782),
                ("pro_type2", "pro", "type2", "8f0250de723cea9328e3eaf7169e07936f01aa5909ce7aa580db66eb803f4e86", 30884),
                ("anti_type2", "anti", "type2", "763ad829ad724f9a85ead689ba8ca69072020cb1238def6210f0fc6a47b97e59", 30875),
            )
        ),
        DataFile(
            "holisticbias/descriptors",
            "measure/holisticbias/v1.1_descriptors.json",
            _github(*_HOLISTICBIAS, "holistic_bias/dataset/v1.1/descriptors.json"),
            "c1328f0edfdeefb76302d360a01878df3db55f18026f4ea1956b4a0f52daf943",
            23463,
            "CC BY-SA 4.0",
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
