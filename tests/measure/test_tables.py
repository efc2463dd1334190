"""Tables from every source: one table gives the same frame and levels however it comes, and bad ones one sentence."""

import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.measure import tables

ROWS = {"age": ["0-9", None, "10+", "10+"], "sex": [1, 2, None, 1], "share": [0.5, 1.0, 2.25, None]}
FRAME = pl.DataFrame(ROWS)
CSV = 'age,sex,share\n0-9,1,0.5\nNA,2,1.0\n"10+",,2.25\n10+,1,NA\n'
LINES = (
    '{"age":"0-9","sex":1,"share":0.5}\n{"age":"NA","sex":2,"share":1.0}\n'
    '{"age":"10+","sex":null,"share":2.25}\n{"age":"10+","sex":1}\n'
)


class ArrowTable:
    """What an Arrow table of any maker offers."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.frame.__arrow_c_stream__(requested_schema)


class PandasLike:
    """The part of a pandas frame that is read: `columns` and a column with `dtype`, by name."""

    def __init__(self, **columns: np.ndarray) -> None:
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> np.ndarray:
        return self._columns[name]


PandasLike.__module__ = "pandas.core.frame"


def read(source):
    return tables.read_table(source, function="measure", argument="sample")


def write(folder: Path, name: str) -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        FRAME.write_parquet(path)
        return path
    content = (CSV if ".csv" in name else LINES).encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "T.CSV", "t.csv.gz", "t.jsonl", "t.jsonl.gz", "t.json"])
def test_files_of_every_kind_hold_the_same_table(tmp_path, name):
    path = write(tmp_path, name.lower() if name != "T.CSV" else "t.csv")
    if name == "T.CSV":
        path = path.rename(tmp_path / name)
    assert read(path).equals(FRAME)
    assert read(str(path)).equals(FRAME)


def test_frames_of_every_maker_hold_the_same_table():
    pandas = PandasLike(
        age=np.array(["0-9", float("nan"), "10+", "10+"], dtype=object),
        sex=np.array([1, 2, None, 1], dtype=object),
        share=np.array([0.5, 1.0, 2.25, np.nan]),
    )
    for source in (FRAME, FRAME.lazy(), ArrowTable(FRAME), ROWS, dict(FRAME.to_dict()), pandas):
        found = read(source)
        assert found.with_columns(pl.col("share").fill_nan(None)).equals(FRAME), type(source)


def test_missing_marks_are_null_wherever_they_come_from():
    for source in ({"x": ["a", "NA", ""]}, pl.DataFrame({"x": ["a", "NA", ""]}), {"x": np.array(["a", "NA", ""])}):
        assert read(source)["x"].to_list() == ["a", None, None]
    assert read({"x": [["NA", ""], ["b"]]})["x"].to_list() == [["NA", ""], ["b"]]


def test_csv_keeps_text_as_text_and_numbers_as_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("\ufeffcode, n ,mixed,empty,e\n01,10,1,,1e3\n35,-2,x,,2\n")
    found = read(path)
    assert found.columns == ["code", "n", "mixed", "empty", "e"]
    assert found["code"].to_list() == ["01", "35"]
    assert found["n"].to_list() == [10, -2]
    assert found["mixed"].to_list() == ["1", "x"]
    assert found["empty"].to_list() == [None, None]
    assert found["e"].to_list() == [1000.0, 2.0]


@pytest.mark.parametrize(
    ("column", "levels"),
    [
        (pl.Series([1, 2, None]), ["1", "2", None]),
        (pl.Series([1.0, 2.5, float("nan"), None, -0.0, float("inf")]), ["1", "2.5", None, None, "0", "inf"]),
        (pl.Series(["1", "NA", "", None, " "]), ["1", None, None, None, " "]),
        (pl.Series([0.1, 3.0], dtype=pl.Float32), ["0.1", "3"]),
        (pl.Series([Decimal("1.50"), Decimal("2.00")]), ["1.5", "2"]),
        (pl.Series([True, None]), ["true", None]),
        (pl.Series(["b", "a"], dtype=pl.Enum(["b", "a"])), ["b", "a"]),
        (pl.Series(["b", "NA"], dtype=pl.Categorical), ["b", None]),
        (pl.Series([date(2020, 1, 2)]), ["2020-01-02"]),
        (pl.Series([None, None]), [None, None]),
        (pl.Series([2**60 + 1]), [str(2**60 + 1)]),
    ],
)
def test_levels(column, levels):
    assert tables.as_levels(column).to_list() == levels
    assert tables.as_levels(column).dtype == pl.String
    assert (tables.is_missing(column) | tables.as_levels(column).is_null()).to_list() == [x is None for x in levels]


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1))
def test_whole_numbers_are_one_level_however_written(numbers):
    whole = tables.as_levels(pl.Series(numbers)).to_list()
    assert whole == [str(number) for number in numbers]
    assert whole == tables.as_levels(pl.Series([str(number) for number in numbers])).to_list()
    small = [number for number in numbers if abs(number) < 2**53]
    assert tables.as_levels(pl.Series([float(n) for n in small], dtype=pl.Float64)).to_list() == [str(n) for n in small]


def test_numbers_among_text_are_the_same_levels():
    assert tables.as_levels(read({"x": [1, 1.0, "1", "a"]})["x"]).to_list() == ["1", "1", "1", "a"]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"a": [1], "b": [1, 2]}, "sample must map names to columns of one length; it has 'a' 1, 'b' 2"),
        ({"a": 3, "b": [1, 2]}, "'a' = 3"),
        ([1, 2], "sample is of type list"),
        (None, "sample is of type NoneType"),
        ("absent.csv", "sample = 'absent.csv' is not a file"),
    ],
)
def test_what_is_not_a_table_is_refused(source, says):
    with pytest.raises(UserError, match="^measure: ") as refused:
        read(source)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.xlsx", b"x", "must be one of .parquet, .csv, .csv.gz, .jsonl, .jsonl.gz, .json"),
        ("t.csv", b"", "is empty"),
        ("t.csv", b"a,b\n1,2,3\n", "cannot be read as csv"),
        ("t.csv.gz", b"a,b\n1,2\n", "cannot be read as csv"),
        ("t.parquet", b"PAR1", "cannot be read as parquet"),
        ("t.jsonl", b'{"a": 1}\n{"a"\n', "cannot be read as JSON lines"),
        ("t.jsonl", b"[1, 2]\n", "cannot be read as JSON lines"),
    ],
)
def test_what_is_not_the_file_it_says_is_refused(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as refused:
        read(path)
    assert str(path) in str(refused.value)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_near_file_is_named(tmp_path):
    write(tmp_path, "census.csv")
    with pytest.raises(UserError, match="near it lies census.csv"):
        read(tmp_path / "cencus.csv")


def test_pandas_columns_of_one_name_are_refused():
    twice = PandasLike(a=np.array([1]))
    twice.columns = ["a", "a"]
    with pytest.raises(UserError, match="column 'a' twice"):
        read(twice)


def test_an_absent_column_lists_the_ones_there_are():
    with pytest.raises(UserError) as refused:
        tables.need_column(FRAME, "agee", function="measure", argument="by", where="target")
    assert str(refused.value) == (
        "measure: by names column 'agee', which target does not have; it has 'age', 'sex', 'share' (did you mean 'age'?)."
    )
    tables.need_column(FRAME.lazy(), "age", function="measure", argument="by", where="target")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([1, -1], "is -1 in row 2"),
        ([1.0, None], "is missing in row 2"),
        ([float("nan"), 1.0], "is nan in row 1"),
        ([float("inf"), 1.0], "is inf in row 1"),
        (["many", "few"], "holds 'many'; numbers"),
        ([0, 0], "is 0 everywhere"),
    ],
)
def test_amounts_are_numbers_of_nought_or_more(values, says):
    with pytest.raises(UserError) as refused:
        tables.need_amounts(pl.DataFrame({"w": values}), "w", function="measure", argument="weight", where="sample")
    assert "column 'w' of sample (weight)" in str(refused.value)
    assert says in str(refused.value)
    good = tables.need_amounts(pl.DataFrame({"w": [0, 2]}), "w", function="f", argument="weight", where="sample")
    assert good.to_list() == [0, 2]
