"""Tables of scores: what is read, what is missing, what is refused."""

import gzip
import math
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.search import Table

NAS = Path(os.environ.get("GNOMON_DATA_DIR", "/nowhere"), "nas")
given_tables = pytest.mark.skipif(not NAS.is_dir(), reason="the tables (nas/) are not in GNOMON_DATA_DIR")

SMALL = """net,acc,v,snip,nwot
a,90,1,1.5,7
b,80,0,2,-1e8
a,90,0,1,6
b,80,1,,NaN
"""


def write(folder: Path, text: str = SMALL, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_repeats_come_in_the_order_of_their_column_or_of_the_file(tmp_path):
    path = write(tmp_path)
    numbered = Table(path, arch="net", scores=["snip", "nwot"], repeat="v", target="acc")
    assert numbered.samples("a", "snip", 2).tolist() == [1, 1.5]
    assert numbered.samples("a", "snip", 1).tolist() == [1]
    assert (numbered.archs(), numbered.rankers, numbered.target("b")) == (["a", "b"], ["snip", "nwot"], 80)
    as_they_come = Table(path, arch="net", scores=["snip"])
    assert as_they_come.samples("a", "snip", 2).tolist() == [1.5, 1]
    assert as_they_come.target("a") is None
    assert "a" in numbered
    assert "c" not in numbered


def test_repeats_are_numbers_where_they_can_be(tmp_path):
    rows = "".join(f"a,{v},{v}\n" for v in (10, 9, 2, 1))
    table = Table(write(tmp_path, "net,v,s\n" + rows), arch="net", scores=["s"], repeat="v")
    assert table.samples("a", "s", 4).tolist() == [1, 2, 9, 10]
    words = Table(write(tmp_path, "net,v,s\na,second,2\na,first,1\n"), arch="net", scores=["s"], repeat="v")
    assert words.samples("a", "s", 2).tolist() == [1, 2]


def test_empty_nan_and_the_sentinel_are_missing(tmp_path):
    table = Table(write(tmp_path), arch="net", scores=["snip", "nwot"], repeat="v")
    assert np.isnan(table.samples("b", "nwot", 2)).all()
    assert np.isnan(table.samples("b", "snip", 2)).tolist() == [False, True]
    assert table.repeats("b", "snip") == 2  # a missing score is a repeat that failed
    kept = Table(write(tmp_path), arch="net", scores=["nwot"], repeat="v", missing=())
    assert kept.samples("b", "nwot", 1).tolist() == [-1e8]
    other = Table(write(tmp_path), arch="net", scores=["nwot"], repeat="v", missing=(7,))
    assert np.isnan(other.samples("a", "nwot", 2)).tolist() == [False, True]


def test_byte_order_mark_spaces_and_gzip(tmp_path):
    text = "\ufeff net , s 1 \n a , 1 \nb,  2e0\n"
    plain = Table(write(tmp_path, text), arch="net", scores=["s 1"])
    packed = tmp_path / "table.csv.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    for table in (plain, Table(packed, arch="net", scores=["s 1"])):
        assert table.archs() == ["a", "b"]
        assert table.samples("b", "s 1", 1).tolist() == [2]


def test_where_chooses_rows(tmp_path):
    path = write(tmp_path, "task,net,s\nx,a,1\ny,a,2\nx,b,3\n")
    table = Table(path, arch="net", scores=["s"], where={"task": "x"})
    assert [table.samples(arch, "s", 1)[0] for arch in table.archs()] == [1, 3]


def test_directions(tmp_path):
    path = write(tmp_path, "net,ntk_condition,mine\na,1,2\n")
    table = Table(path, arch="net", scores=["ntk_condition", "mine"])
    assert (table.direction("ntk_condition"), table.direction("mine")) == (-1, 1)
    table = Table(path, arch="net", scores={"ntk_condition": 1, "mine": -1})
    assert (table.direction("ntk_condition"), table.direction("mine")) == (1, -1)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_the_order_of_rows_is_irrelevant_where_repeats_are_numbered(tmp_path_factory, data):
    counts = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    score = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))
    scores = [[data.draw(score) for _ in range(count)] for count in counts]
    rows = [(f"net {i}", v, value) for i, of in enumerate(scores) for v, value in enumerate(of)]
    shuffled = data.draw(st.permutations(rows))
    text = "net,v,s\n" + "".join(f"{net},{v},{'' if value is None else repr(value)}\n" for net, v, value in shuffled)
    table = Table(write(tmp_path_factory.mktemp("t"), text), arch="net", scores=["s"], repeat="v", missing=())
    for i, of in enumerate(scores):
        expected = [math.nan if value is None else value for value in of]
        np.testing.assert_array_equal(table.samples(f"net {i}", "s", len(of)), expected)


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        (SMALL, {"arch": "nets"}, "no column 'nets'; did you mean 'net'?"),
        (SMALL, {"scores": ["snap"]}, "no column 'snap'; did you mean 'snip'?"),
        (SMALL, {"target": "val"}, "no column 'val'"),
        (SMALL, {"repeat": "w"}, "no column 'w'; there are 'net', 'acc', 'v', 'snip', 'nwot'."),
        (SMALL, {"where": {"vv": "1"}}, "no column 'vv'; did you mean 'v'?"),
        (SMALL, {"where": {"v": "2"}}, "no row has v = '2'; there are '1', '0'."),
        (SMALL, {"scores": "snip"}, "must list"),
        (SMALL, {"scores": []}, "must list"),
        (SMALL, {"scores": {"snip": 2}}, "direction of 'snip' is 2"),
        ("net,snip\na,1\nb,high\n", {}, "snip = 'high' in row 2"),
        ("net,snip\na,1\n,2\n", {}, "row 2 of the chosen rows has no 'net'"),
        ("net,v,snip\na,0,1\na,0.0,2\n", {"repeat": "v"}, "'a' with v = 0 stands more than once: choose rows with --where"),
        ("net,v,snip\na,,1\n", {"repeat": "v"}, "has no 'v'"),
        ("net,acc,snip\na,1,1\na,2,2\n", {"target": "acc"}, "'a' stands more than once with different 'acc': choose rows with --where"),
        ("net,snip\n", {}, "no rows"),
        ("", {}, "is empty"),
        ("net,snip\na,1,2,3\n", {}, "could not be read"),
    ],
)  # fmt: skip
def test_what_is_not_a_table_is_refused_in_one_sentence(tmp_path, text, arguments, words):
    with pytest.raises(UserError) as refusal:
        Table(write(tmp_path, text), **{"arch": "net", "scores": ["snip"], **arguments})
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_or_not_a_table(tmp_path):
    write(tmp_path, name="scores.csv")
    with pytest.raises(UserError, match=r"near it lies scores\.csv"):
        Table(tmp_path / "score.csv", arch="net", scores=["snip"])
    with pytest.raises(UserError, match=r"\.csv or \.csv\.gz"):
        Table(tmp_path / "scores.xlsx", arch="net", scores=["snip"])
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(gzip.compress(SMALL.encode())[:-20])
    with pytest.raises(UserError, match="could not be read|is empty"):
        Table(broken, arch="net", scores=["snip"])


def test_what_a_table_does_not_hold(tmp_path):
    table = Table(write(tmp_path), arch="net", scores=["snip"], repeat="v")
    with pytest.raises(UserError, match="holds 2 repeats of 'a' by 'snip', fewer than the 3"):
        table.samples("a", "snip", 3)
    with pytest.raises(UserError, match="holds 2 repeats"):
        table.require_repeats("snip", 3)
    table.require_repeats("snip", 2)
    with pytest.raises(UserError, match="no architecture 'aa'; did you mean 'a'"):
        table.samples("aa", "snip", 1)
    with pytest.raises(UserError, match="no scores by 'nwot'; there are 'snip'"):
        table.samples("a", "nwot", 1)


def rows(*entries) -> pl.DataFrame:
    return pl.DataFrame(
        entries,
        schema={"arch": pl.String, "ranker": pl.String, "repeat": pl.Int64, "score": pl.Float64, "status": pl.String},
        orient="row",
    )


def test_rows_of_an_evaluator():
    frame = rows(
        ("b", "snip", 1, 4.0, "ok"),
        ("a", "params", 0, 100.0, "ok"),
        ("a", "snip", 1, None, "not finite"),
        ("a", "snip", 0, 1.0, "ok"),
        ("b", "params", 0, 200.0, "ok"),
        ("b", "snip", 0, 3.0, "ok"),
    )
    table = Table.from_rows(frame)
    assert sorted(table.rankers) == ["params", "snip"]
    np.testing.assert_array_equal(table.samples("a", "snip", 2), [1, math.nan])
    assert table.samples("b", "snip", 2).tolist() == [3, 4]
    assert table.samples("b", "params", 5).tolist() == [200] * 5  # measured once, since nothing moves it
    assert (table.varies("snip"), table.varies("params")) == (True, False)
    with pytest.raises(UserError, match="repeat"):
        table.samples("a", "snip", 3)
    np.testing.assert_array_equal(Table.from_rows(frame.reverse()).samples("a", "snip", 2), [1, math.nan])


def test_one_row_of_a_ranker_that_varies_is_one_repeat():
    table = Table.from_rows(rows(("a", "snip", 0, 1.0, "ok"), ("a", "params", 0, 9.0, "ok")))
    assert table.samples("a", "params", 3).tolist() == [9, 9, 9]
    with pytest.raises(UserError, match="holds 1 repeat of 'a'"):
        table.samples("a", "snip", 3)


@given_tables
def test_given_tables():
    table = Table(NAS / "nb201_repeats.csv.gz", arch="net", scores=["nwot", "snip"], repeat="v", target="val_acc")
    assert len(table.archs()) == 75
    assert table.samples("(0, 0, 0, 0, 3, 2)", "snip", 2).tolist() == [7.8964816, 8.83132508]
    assert table.target("(0, 0, 0, 0, 3, 2)") == 88.76
    with pytest.raises(UserError, match=r"stands more than once .* choose rows with --where"):
        Table(NAS / "nb201_suite_zero.csv.gz", arch="arch", scores=["nwot"], target="val_accuracy")
    one = Table(
        NAS / "nb201_suite_zero.csv.gz", arch="arch", scores=["nwot"], target="val_accuracy", where={"task": "cifar100"}
    )
    assert len(one.archs()) == 725
    cells = Table(NAS / "rnn_nlp.csv.gz", arch="log name", scores=["Jacobian Covariance"], target="perplexity")
    assert len(cells.archs()) == 8794
