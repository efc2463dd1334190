"""Loading an instrument: from files, frames and the registry, what is recorded of it, and every refusal."""

import gzip
import hashlib

import polars as pl
import pytest

import gnomon.measure as gm
from gnomon import data
from gnomon.errors import UserError

HEADER = ",sent_more,sent_less,stereo_antistereo,bias_type,annotations\n"
FIRST = """0,The tall gardener was late.,The short gardener was late.,stereo,height,"[['height'], ['height'], ['height'], [], []]"\n"""
SECOND = """1,"A loud cook, again.","A quiet cook, again.",antistereo,voice,"[['voice'], ['voice'], ['voice'], ['voice'], []]"\n"""

ITEMS = {
    "item_id": ["a", "b"],
    "category": ["x", "x"],
    "text": ["?", "?"],
    "options": [["yes", "no"], ["yes", "no"]],
    "label": [0, None],
    "target": [None, 1],
}


def held(**changes):
    return pl.DataFrame(ITEMS | changes, strict=False)


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text(HEADER + FIRST + SECOND)
    return path


def test_a_path_plain_or_gzipped_a_list_and_a_frame_give_the_same_items(pairs, tmp_path):
    ins = gm.load_instrument("crows_pairs", items=pairs)
    assert ins.name == "crows_pairs"
    assert ins.items["item_id"].to_list() == ["0", "1"]
    packed = tmp_path / "pairs.csv.gz"
    packed.write_bytes(gzip.compress(pairs.read_bytes()))
    frame = pl.read_csv(pairs)
    for items in (str(pairs), [pairs], packed, frame, frame.lazy(), frame.to_dict(as_series=False)):
        assert gm.load_instrument("crows_pairs", items=items).items.equals(ins.items)
    again = tmp_path / "items.parquet"
    ins.items.write_parquet(again)
    for items in (ins.items, again, ins.items.to_arrow()) if _has_arrow() else (ins.items, again):
        assert gm.load_instrument("crows_pairs", items=items).items.equals(ins.items)


def _has_arrow():
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None


def test_sources_are_the_files_as_they_lie_there(pairs, tmp_path):
    other = tmp_path / "more.csv.gz"
    other.write_bytes(gzip.compress((HEADER + FIRST).encode()))
    ins = gm.load_instrument("crows_pairs", items=[pairs, other])
    assert [(source.name, source.sha256) for source in ins.sources] == [
        (str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in (pairs, other)
    ]
    assert ins.items["item_id"].to_list() == ["0", "1", "2"]  # rows are numbered on
    assert gm.load_instrument("crows_pairs", items=held()).sources == ()


@pytest.mark.parametrize("name", ["bbq", "crows_pairs", "winobias"])
def test_the_registry_is_read_where_no_items_are_given(name):
    card = gm.card(name)
    if any(data.locate(entry) is None for entry in card.data):
        pytest.skip(f"the data of {name} ({', '.join(card.data)}) are not in GNOMON_DATA_DIR")
    ins = gm.load_instrument(name)
    assert [source.name for source in ins.sources] == list(card.data)
    assert len(ins.items) == {"bbq": 3680 + 1200 + 1576, "crows_pairs": 1508, "winobias": 4 * 396}[name]
    assert ins.items["item_id"].n_unique() == len(ins.items)
    assert [source.sha256 for source in ins.sources] == [
        hashlib.sha256(data.locate(entry).read_bytes()).hexdigest() for entry in card.data
    ]


def test_a_card_of_ones_own(pairs, tmp_path):
    text = gm_card_text()
    own = tmp_path / "own.toml"
    own.write_text(text)
    assert len(gm.load_instrument(own, items=pairs).items) == 2
    assert len(gm.load_instrument(str(own), items=pairs).items) == 2
    with pytest.raises(UserError, match="names no data to read; give items"):
        gm.load_instrument(own)
    own.write_text(text.replace('family = "crows_pairs"\n', ""))
    with pytest.raises(UserError, match="names no family.*bbq, crows_pairs, winobias"):
        gm.load_instrument(own, items=pairs)


def gm_card_text():
    from importlib.resources import files

    text = (files("gnomon.measure") / "cards" / "crows_pairs.toml").read_text(encoding="utf-8")
    return text.replace('data = ["crows_pairs"]\n', "").replace('name = "crows_pairs"', 'name = "own"')


def test_unknown_names_and_absent_files(tmp_path):
    with pytest.raises(UserError, match="no instrument 'bbp'.*did you mean 'bbq'"):
        gm.load_instrument("bbp")
    with pytest.raises(UserError, match="absent.csv', which is not a file"):
        gm.load_instrument("crows_pairs", items=tmp_path / "absent.csv")
    with pytest.raises(UserError, match="which is not a file"):
        gm.load_instrument("crows_pairs", items=tmp_path)
    for items in ([], [3]):
        with pytest.raises(UserError, match="a list of one path or more is expected"):
            gm.load_instrument("crows_pairs", items=items)
    with pytest.raises(UserError, match="items is of type int"):
        gm.load_instrument("crows_pairs", items=3)
    torn = tmp_path / "torn.csv.gz"
    whole = gzip.compress(b"sent_more")
    for content in (whole[:-4], whole[:12] + b"\xff\xff" + whole[14:]):
        torn.write_bytes(content)
        with pytest.raises(UserError, match="torn.csv.gz: the file cannot be read"):
            gm.load_instrument("crows_pairs", items=torn)
    torn = tmp_path / "latin.csv"
    torn.write_bytes("sent_more\né".encode("latin-1"))
    with pytest.raises(UserError, match="latin.csv: byte 10 is not UTF-8"):
        gm.load_instrument("crows_pairs", items=torn)
    broken = tmp_path / "items.parquet"
    broken.write_bytes(b"PAR1 not")
    with pytest.raises(UserError, match="items.parquet"):
        gm.load_instrument("crows_pairs", items=broken)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"item_id": ["a", "a"]}, "item_id 'a' is there twice"),
        ({"item_id": ["a", None]}, "'item_id' is empty in row 1"),
        ({"category": [None, "x"]}, "'category' is empty in row 0"),
        ({"options": ["yes", "no"]}, "lists of text are expected"),
        ({"options": [["yes", "no"], ["yes"]]}, "item 'b' has fewer than two options"),
        ({"options": [["yes", None], ["yes", "no"]]}, "item 'a' has fewer than two options, or an empty one"),
        ({"label": [0, 2]}, "item 'b' has label = 2, but its options are numbered from 0 to 1"),
        ({"target": [-1, 0]}, "item 'a' has target = -1"),
        ({"label": ["yes", "no"]}, "column 'label' is String"),
        ({"target": [0.5, 1.0]}, "column 'target' is Float64"),
    ],
)
def test_items_that_are_none_are_refused(changes, said):
    with pytest.raises(UserError, match="the frame of items") as caught:
        gm.load_instrument("crows_pairs", items=held(**changes))
    assert said in str(caught.value)


def test_an_absent_column_and_no_rows():
    with pytest.raises(UserError, match="no column 'options'; its columns are item_id, category"):
        gm.load_instrument("crows_pairs", items=held().drop("options"))
    with pytest.raises(UserError, match="there are no items"):
        gm.load_instrument("crows_pairs", items=held().clear())
    with pytest.raises(UserError, match="no column 'sent_more'; its columns are a"):
        gm.load_instrument("crows_pairs", items=pl.DataFrame({"a": [1]}))


def test_ids_that_are_numbers_become_text():
    ins = gm.load_instrument("crows_pairs", items=held(item_id=[7, 8], label=[None, None]))
    assert ins.items["item_id"].to_list() == ["7", "8"]
    assert ins.items["label"].dtype == pl.Int64
