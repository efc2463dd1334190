"""Public data sets: where they are looked for, and that nothing but the published file is accepted."""

import gzip
import hashlib
import io
import json

import pytest

from gnomon import data
from gnomon.errors import UserError

CONTENT = b"one\ntwo\n"
ENTRY = data.DataFile(
    "toy", "toys/toy.txt", "https://example.org/toy.txt", hashlib.sha256(CONTENT).hexdigest(), 8, "MIT"
)


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """A registry with one entry, an empty data folder and cache, and no network."""
    monkeypatch.setattr(data, "FILES", {"toy": ENTRY})
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path / "given"))
    monkeypatch.setenv("GNOMON_CACHE_DIR", str(tmp_path / "cache"))
    fetched = []

    def urlopen(url, timeout):
        fetched.append(url)
        return io.BytesIO(CONTENT)

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return tmp_path, fetched


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("where", ["given", "cache"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_at_hand_is_used_and_nothing_fetched(toy, where, packed):
    root, fetched = toy
    name = "toys/toy.txt.gz" if packed else "toys/toy.txt"
    put(root / where / name, gzip.compress(CONTENT) if packed else CONTENT)
    assert data.read_text("toy") == CONTENT.decode()
    assert fetched == []


def test_what_is_absent_is_fetched_once_into_the_cache(toy, capsys):
    root, fetched = toy
    assert data.locate("toy") is None
    assert data.read_text("toy") == data.read_text("toy") == CONTENT.decode()
    assert fetched == [ENTRY.url]
    assert [p.name for p in (root / "cache" / "toys").iterdir()] == ["toy.txt"]
    assert "fetching toy" in capsys.readouterr().err


def test_another_file_is_refused_wherever_it_comes_from(toy, monkeypatch):
    root, _ = toy
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: io.BytesIO(b"other"))
    with pytest.raises(UserError, match="something else than the published"):
        data.read_text("toy")
    assert not (root / "cache" / "toys").exists()
    put(root / "given" / "toys" / "toy.txt", b"other")
    with pytest.raises(UserError, match="is not the published 'toy'") as caught:
        data.fetch("toy")
    assert ENTRY.sha256[:16] in str(caught.value)
    put(root / "given" / "toys" / "toy.txt", b"")
    (root / "given" / "toys" / "toy.txt").unlink()
    put(root / "given" / "toys" / "toy.txt.gz", b"not gzip")
    with pytest.raises(UserError, match="cannot be read"):
        data.fetch("toy")


def test_no_network_is_said_with_what_to_do(toy, monkeypatch):
    def refuse(url, timeout):
        raise OSError("unreachable")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(UserError, match="GNOMON_DATA_DIR"):
        data.read_text("toy")
    with pytest.raises(UserError, match="known are toy"):
        data.read_text("tyo")


def test_by_command(toy, gnomon):
    assert json.loads(gnomon("data", "list", "--json").stdout)["data"][0]["found"] is None
    assert json.loads(gnomon("data", "verify", "--json").stdout) == {"good": [], "bad": {}, "absent": ["toy"]}
    assert json.loads(gnomon("data", "fetch", "toy", "--json").stdout)["data"][0]["path"].endswith("toy.txt")
    assert gnomon("data", "fetch", "toy", "toy").stdout.split()[1].endswith("toy.txt")
    assert gnomon("data", "fetch", "toy", "absent").stdout == ""
    put(toy[0] / "given" / "toys" / "toy.txt", b"damaged")
    result = gnomon("data", "verify")
    assert result.exit_code == 2
    assert "not the published" in result.stderr


def test_every_entry_has_a_hash_a_commit_and_a_licence():
    for entry in data.FILES.values():
        assert len(entry.sha256) == 64
        assert entry.url is None or entry.url.startswith("https://")
        assert entry.size > 0
        assert entry.licence


def test_what_is_on_this_machine_is_as_published():
    here = [name for name in data.FILES if data.locate(name) is not None]
    if not here:
        pytest.skip("no data set of the registry is on this machine")
    for name in here:
        data.fetch(name)


def test_a_file_published_as_gzip_is_not_unpacked(toy, monkeypatch):
    root, _ = toy
    packed = gzip.compress(CONTENT, mtime=0)
    entry = data.DataFile("tar", "toys/toy.tar.gz", None, hashlib.sha256(packed).hexdigest(), len(packed), "MIT")
    monkeypatch.setattr(data, "FILES", {"tar": entry})
    put(root / "given" / "toys" / "toy.tar.gz", packed)
    assert data.read_bytes("tar") == packed
    put(root / "given" / "toys" / "toy.tar.gz.gz", gzip.compress(packed))
    (root / "given" / "toys" / "toy.tar.gz").unlink()
    assert data.read_bytes("tar") == packed


def test_a_file_without_an_address_says_where_it_belongs(toy, monkeypatch):
    _, fetched = toy
    monkeypatch.setattr(data, "FILES", {"own": data.DataFile("own", "toys/own.npz", None, "0" * 64, 1, "none")})
    with pytest.raises(UserError, match=r"no public address; set GNOMON_DATA_DIR .* toys/own.npz"):
        data.read_bytes("own")
    assert fetched == []
