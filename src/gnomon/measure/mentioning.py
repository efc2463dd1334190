"""Who is mentioned in texts: occurrences of a lexicon's terms, by text, axis and group, read as a stream.

What is counted is words, not people: "old" is counted in "old friend" and in "old house". `Mentioned.terms` says which
words made each count, so that a reader can judge them. A term is in a text where all its words stand there one after
the other, whole and without regard to case. A compound with a hyphen is one word of its own ("five-year-old" is not
"old"); an apostrophe parts words ("the woman's" mentions "woman"). Languages that write no spaces are not served.
"""

import csv
import gzip
import io
import json
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from gnomon import data
from gnomon.errors import UserError
from gnomon.measure.tables import as_levels, need_column, read_table

NAME = "mentions"
CUT = 5_000
"""Characters after which plain text is cut at the next empty line: about 900 English words."""

_TABLES = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz")
_PLAIN = (".txt", ".txt.gz")
_BLOCK = 1 << 20
_HYPHENS = "\u2010\u2011"
_ASCII = {code: " " for code in range(128) if not (chr(code).isalnum() or chr(code) == "-")}
_OTHER = re.compile(r"[^\w-]|_")

Watch = Callable[[int], None]
Texts = Iterator[tuple[str, str | None]]


@dataclass(frozen=True)
class Mentioned:
    """What was found. `mentions` has `text_id`, `axis`, `group`, `n` for what occurs, in the order of the texts and of
    the lexicon. `terms` has the lexicon's rows with `n`, 0 where a term never occurs.

    `texts` counts the ids, `empty` those rows that hold no text at all, `characters` what was read.
    """

    mentions: pl.DataFrame
    terms: pl.DataFrame
    texts: int
    empty: int
    characters: int


def mentions(texts: Any, lexicon: Any, *, text: str = "text", id: str | None = None, cut: int = CUT) -> pl.DataFrame:
    """How often each text mentions each group: `text_id`, `axis`, `group`, `n`, for the groups that it does mention.

    `texts`: a list of texts; a frame, lazy frame or mapping of columns, whose column `text` is read and whose column
    `id` names the texts (the row's number from 0 where None; rows of one id are one text); a path, a name of
    `gnomon data list`, or a list of them (in a list, a folder as a `Path`). A path is a table (.parquet, .csv, .jsonl,
    the last two also as .gz), plain text (.txt, .txt.gz), or a folder of plain texts. Files are read as a stream.
    Plain text is cut into documents at the first empty line after `cut` characters, or the first end of a line after
    twice as many; 0 makes each file one. A document's id is its file's name and number.

    `lexicon`: a table with columns `axis`, `group`, `term`; or a JSON file {axis: {group: [term, ...]}}, a term being
    text or an object with `descriptor`, as HolisticBias publishes it (Smith et al. 2022, EMNLP, arXiv 2205.09209), by
    its path or its name "holisticbias/descriptors".

    Where terms overlap the one that begins first counts, and of those the longest. A term of several axes counts in
    each.

    Raises UserError for a file or column that is not there, text that is not UTF-8, an empty lexicon, a term without a
    word, and a term that stands for two groups of one axis.
    """
    return count_mentions(texts, read_lexicon(lexicon), text=text, id=id, cut=cut).mentions


def read_lexicon(lexicon: Any) -> pl.DataFrame:
    """A lexicon as a frame: `axis`, `group`, `term`, and `level` where a table has it. Errors as in `mentions`."""
    if isinstance(lexicon, str) and lexicon in data.FILES:
        return _checked(_from_json(data.read_text(lexicon), lexicon))
    if isinstance(lexicon, str | Path) and Path(lexicon).suffix == ".json":
        try:
            return _checked(_from_json(Path(lexicon).read_text(encoding="utf-8"), str(lexicon)))
        except (OSError, UnicodeDecodeError) as fault:
            raise UserError(f"{NAME}: lexicon = {str(lexicon)!r} cannot be read ({fault}).") from fault
    if isinstance(lexicon, Mapping) and lexicon and all(isinstance(groups, Mapping) for groups in lexicon.values()):
        return _checked(_from_axes(lexicon, "lexicon"))
    frame = read_table(lexicon, function=NAME, argument="lexicon")
    for column in ("axis", "group", "term"):
        need_column(frame, column, function=NAME, argument="lexicon", where="the lexicon")
    kept = [column for column in ("axis", "group", "term", "level") if column in frame.columns]
    return _checked(frame.select(as_levels(frame[column]) for column in kept))


def count_mentions(
    texts: Any,
    lexicon: pl.DataFrame,
    *,
    text: str = "text",
    id: str | None = None,
    cut: int = CUT,
    watch: Watch = lambda size: None,
) -> Mentioned:
    """`mentions` with the words behind them; `lexicon` as `read_lexicon` gives it. `watch` is told bytes read."""
    if not cut >= 0:
        raise UserError(f"{NAME}: cut = {cut} must be 0 or a number of characters.")
    finder = _Finder(lexicon)
    places = lexicon.select("axis", "group").unique(maintain_order=True)
    group_of = {key: at for at, key in enumerate(places.iter_rows())}
    of_term = [group_of[key] for key in lexicon.select("axis", "group").iter_rows()]
    of_terms: Counter[int] = Counter()
    numbers: dict[str, int] = {}
    found: Counter[tuple[int, int]] = Counter()
    empty = characters = 0
    for name, content in _texts(texts, text, id, cut, watch):
        number = numbers.setdefault(name, len(numbers))
        if not content:
            empty += 1
            continue
        characters += len(content)
        for term, count in finder.count(content).items():
            of_terms[term] += count
            found[number, of_term[term]] += count
    order = sorted(found)
    names = pl.Series("text_id", list(numbers), dtype=pl.String)
    frame = pl.DataFrame(
        {"at": [number for number, _ in order], "group_at": [group for _, group in order]},
        schema={"at": pl.Int64, "group_at": pl.Int64},
    )
    result = pl.DataFrame(
        [
            names.gather(frame["at"]),
            places["axis"].gather(frame["group_at"]),
            places["group"].gather(frame["group_at"]),
            pl.Series("n", [found[key] for key in order], dtype=pl.Int64),
        ]
    )
    counted = lexicon.with_columns(n=pl.Series([of_terms[at] for at in range(lexicon.height)], dtype=pl.Int64))
    return Mentioned(result, counted, len(numbers), empty, characters)


# -- finding -------------------------------------------------------------------------------------------------------


def words(text: str) -> list[str]:
    """The words of a text, case-folded; a hyphen inside belongs to its word."""
    text = text.casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
        for hyphen in _HYPHENS:
            text = text.replace(hyphen, "-")
    text = text.translate(_ASCII) if text.isascii() else _OTHER.sub(" ", text)
    if "-" in text:  # dashes, and hyphens at either end of a word, are no part of it
        text = f" {text} ".replace("--", " ").replace(" -", " ").replace("- ", " ")
    return text.split()


class _Finder:
    """Terms by their first word, the longest first."""

    def __init__(self, lexicon: pl.DataFrame) -> None:
        of_words: dict[tuple[str, ...], list[int]] = {}
        for at, term in enumerate(lexicon["term"]):
            of_words.setdefault(tuple(words(term)), []).append(at)
        self._starts: dict[str, list[tuple[tuple[str, ...], list[int]]]] = {}
        for term_words in sorted(of_words, key=len, reverse=True):
            # Spellings that read alike ("LGBTQ", "LGBTQ+") are one term of a group: the first of the lexicon counts.
            groups = {lexicon.row(at)[:2]: at for at in reversed(of_words[term_words])}
            self._starts.setdefault(term_words[0], []).append((term_words, list(groups.values())))

    def count(self, text: str) -> Counter[int]:
        """How often each term (by its row in the lexicon) occurs."""
        found: Counter[int] = Counter()
        starts, spoken = self._starts, words(text)
        free = 0
        for at in [at for at, word in enumerate(spoken) if word in starts]:
            if at < free:
                continue
            for term, rows in starts[spoken[at]]:
                if len(term) == 1 or tuple(spoken[at : at + len(term)]) == term:
                    found.update(rows)
                    free = at + len(term)
                    break
        return found


# -- the lexicon ---------------------------------------------------------------------------------------------------


def _from_json(content: str, name: str) -> pl.DataFrame:
    try:
        axes = json.loads(content)
    except json.JSONDecodeError as fault:
        raise UserError(f"{NAME}: lexicon = {name!r} is not JSON (line {fault.lineno}).") from fault
    return _from_axes(axes, name)


def _from_axes(axes: Any, name: str) -> pl.DataFrame:
    """{axis: {group: [term, ...]}} as rows."""
    rows = []
    for axis, groups in axes.items() if isinstance(axes, Mapping) else [(None, None)]:
        if not isinstance(groups, Mapping) or not all(isinstance(terms, list) for terms in groups.values()):
            raise UserError(
                f"{NAME}: lexicon = {name!r} must be {{axis: {{group: [term, ...]}}}}; axis {axis!r} is not."
            )
        for group, terms in groups.items():
            for term in terms:
                spelled = term.get("descriptor") if isinstance(term, Mapping) else term
                if not isinstance(spelled, str):
                    raise UserError(
                        f"{NAME}: lexicon = {name!r} has {term!r} in {axis!r}, {group!r}; text, or an object with a"
                        " text 'descriptor', is expected."
                    )
                rows.append((axis, group, spelled))
    return pl.DataFrame(rows, schema=["axis", "group", "term"], orient="row")


def _checked(lexicon: pl.DataFrame) -> pl.DataFrame:
    if lexicon.is_empty():
        raise UserError(f"{NAME}: the lexicon has no terms; rows of axis, group and term are expected.")
    group_of: dict[tuple[str, tuple[str, ...]], str] = {}
    for row, (axis, group, term) in enumerate(lexicon.select("axis", "group", "term").iter_rows()):
        if axis is None or group is None or term is None:
            raise UserError(
                f"{NAME}: the lexicon has no axis, group or term in row {row + 1}; each row needs all three."
            )
        if not (spelled := tuple(words(term))):
            raise UserError(f"{NAME}: the lexicon's term {term!r} of group {group!r} has no word in it.")
        if group_of.setdefault((axis, spelled), group) != group:
            raise UserError(
                f"{NAME}: the lexicon's term {term!r} stands for two groups of axis {axis!r},"
                f" {group_of[axis, spelled]!r} and {group!r}; a term belongs to one."
            )
    return lexicon


# -- the texts -----------------------------------------------------------------------------------------------------


def text_files(texts: Any) -> list[Path]:
    """The files that a path, a registered name or a list of them stands for; [] where `texts` are no files.

    Raises UserError for one that is not there or of a kind that is not read.
    """
    return [path for _, path in _files(texts)]


def _files(texts: Any) -> list[tuple[str, Path]]:
    """Files with the names that their documents get."""
    if isinstance(texts, str | Path):
        return _files_of(texts)
    if isinstance(texts, list | tuple) and texts and all(isinstance(each, Path) or _names_file(each) for each in texts):
        return [file for each in texts for file in _files_of(each)]
    return []


def _names_file(text: Any) -> bool:
    """Whether an entry of a list names a file by its ending, or a data set, and is not itself a text."""
    if not isinstance(text, str):
        return False
    return text in data.FILES or text.lower().endswith((*_PLAIN, *_TABLES))


def _files_of(text: str | Path) -> list[tuple[str, Path]]:
    if isinstance(text, str) and text in data.FILES:
        return [(text, data.fetch(text))]
    path = Path(text)
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if file.name.lower().endswith(_PLAIN))
        if not inside:
            raise UserError(f"{NAME}: the folder {str(path)!r} holds no plain text ({', '.join(_PLAIN)}).")
        return [(file.relative_to(path).as_posix(), file) for file in inside]
    if not path.name.lower().endswith((*_PLAIN, *_TABLES)):
        raise UserError(
            f"{NAME}: texts = {str(text)!r:.80} is neither a file ({', '.join((*_PLAIN, *_TABLES))}), nor a folder, nor"
            " a name of gnomon data list."
        )
    if not path.exists():
        raise UserError(
            f"{NAME}: there is no file {str(text)!r}; a file, a folder or a name of gnomon data list is expected."
        )
    return [(path.name, path)]


def _texts(texts: Any, text: str, id: str | None, cut: int, watch: Watch) -> Texts:
    """(id, text) of every document, in order."""
    if files := _files(texts):
        several = len(files) > 1
        for name, path in files:
            try:
                if path.name.lower().endswith(_PLAIN):
                    yield from _plain(name, path, cut, watch)
                else:
                    yield from _numbered(_rows(path, text, id, watch), id, f"{name}:" if several and id is None else "")
            except UnicodeDecodeError as fault:
                raise UserError(f"{NAME}: {str(path)!r} is not UTF-8 text ({fault.reason}).") from fault
            except (OSError, EOFError, zlib.error, csv.Error) as fault:
                raise UserError(f"{NAME}: {str(path)!r} cannot be read ({fault}).") from fault
        return
    if isinstance(texts, list | tuple):
        if wrong := [each for each in texts if each is not None and not isinstance(each, str)]:
            raise UserError(
                f"{NAME}: texts holds a {type(wrong[0]).__name__}; a list of texts, or a table, is expected."
            )
        yield from _numbered(((None, each) for each in texts), None, "")
        return
    lazy = texts if isinstance(texts, pl.LazyFrame) else read_table(texts, function=NAME, argument="texts").lazy()
    yield from _numbered(_batches(lazy, text, id, "texts"), id, "")


def _numbered(rows: Iterable[tuple[Any, str | None]], id: str | None, prefix: str) -> Texts:
    for number, (name, content) in enumerate(rows):
        if id is not None and (name is None or name == ""):
            raise UserError(f"{NAME}: column {id!r} (id) is missing in row {number + 1}; every text needs its name.")
        yield (f"{prefix}{number}" if id is None else str(name)), content


def _batches(lazy: pl.LazyFrame, text: str, id: str | None, where: str) -> Iterator[tuple[Any, str | None]]:
    for column, argument in ((text, "text"), *(((id, "id"),) if id is not None else ())):
        need_column(lazy, column, function=NAME, argument=argument, where=where)
    if (kind := lazy.collect_schema()[text]) not in (pl.String, pl.Categorical, pl.Null):
        raise UserError(f"{NAME}: column {text!r} (text) holds {kind}; text is expected.")
    chosen = [text] if id is None else [id, text]
    for batch in lazy.select(chosen).collect_batches(chunk_size=10_000, maintain_order=True):
        yield from (row if id is not None else (None, row[0]) for row in batch.iter_rows())


def _rows(path: Path, text: str, id: str | None, watch: Watch) -> Iterator[tuple[Any, str | None]]:
    """(id, text) of a table's rows."""
    name = path.name.lower()
    if name.endswith(".parquet"):
        try:
            yield from _batches(pl.scan_parquet(path), text, id, repr(str(path)))
        except pl.exceptions.PolarsError as fault:
            reason = str(fault).splitlines()[0]
            raise UserError(f"{NAME}: {str(path)!r} cannot be read as parquet ({reason}).") from fault
        watch(path.stat().st_size)
        return
    with _open(path, watch) as lines:
        if name.endswith((".csv", ".csv.gz")):
            csv.field_size_limit(1 << 30)  # a text may be longer than the 128 KiB that the module allows a cell
            reader = csv.DictReader(lines)
            _need_columns(reader.fieldnames or [], text, id, path)
            for row in reader:
                yield (None if id is None else row[id]), row[text]
            return
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                read = json.loads(line)
            except json.JSONDecodeError:
                read = None
            if not isinstance(read, dict):
                raise UserError(f"{NAME}: line {number} of {str(path)!r} is not a JSON object; one a line is expected.")
            _need_columns(list(read), text, id, path)
            if read[text] is not None and not isinstance(read[text], str):
                raise UserError(f"{NAME}: {text!r} in line {number} of {str(path)!r} is no text.")
            yield (None if id is None else read[id]), read[text]


def _need_columns(there: Sequence[str], text: str, id: str | None, path: Path) -> None:
    for column, argument in ((text, "text"), (id, "id")):
        if column is not None and column not in there:
            raise UserError(
                f"{NAME}: {argument} names column {column!r}, which {str(path)!r} does not have; it has"
                f" {', '.join(map(repr, there)) or 'none'}."
            )


def _plain(name: str, path: Path, cut: int, watch: Watch) -> Texts:
    """A plain text as documents that end at an empty line; where there is none for long, at the end of a line or, in a
    line that is longer still, at a space."""
    number, size = 0, 0
    held: list[str] = []
    with _open(path, watch) as lines:
        for line in iter(lambda: lines.readline(2 * cut or -1), ""):
            held.append(line)
            size += len(line)
            rest = ""
            if not cut or size < cut or (line.strip() and size < 2 * cut):
                continue
            if line.strip() and not line.endswith("\n"):
                before, space, rest = line.rpartition(" ")
                if not space:
                    continue
                held[-1] = before
            yield f"{name}:{number}", "".join(held)
            number, size, held = number + 1, len(rest), [rest]
    if size:
        yield (f"{name}:{number}" if cut else name), "".join(held)


@contextmanager
def _open(path: Path, watch: Watch) -> Iterator[TextIO]:
    """A text file, gzipped or not, that tells `watch` how many of its bytes have been read since the last time."""
    with path.open("rb") as raw:
        counted = io.BufferedReader(_Watched(raw, watch), _BLOCK)
        unpacked = gzip.GzipFile(fileobj=counted) if path.name.lower().endswith(".gz") else counted
        with io.TextIOWrapper(unpacked, encoding="utf-8-sig", newline="") as lines:  # csv parts lines by itself
            yield lines


class _Watched(io.RawIOBase):
    """A raw file that tells how much of it is read."""

    def __init__(self, raw: Any, watch: Watch) -> None:
        self._raw, self._watch = raw, watch

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size: int = self._raw.readinto(buffer)
        self._watch(size)
        return size


# -- from groups to a population's levels --------------------------------------------------------------------------


def with_levels(lexicon: pl.DataFrame, axis: str, mapping: Any = None) -> pl.DataFrame:
    """The lexicon's groups of `axis` and the population's level that each stands for: `group`, `level`, null where a
    group stands for none and is left out.

    The level comes from `mapping` (a table with columns `group`, `level`, and `axis` where it serves several), from the
    lexicon's column `level`, or is the group's own name. Raises UserError for an axis that the lexicon does not have, a
    mapping that leaves a group out or names one that is not there, and a group with two levels.
    """
    axes = lexicon["axis"].unique(maintain_order=True).to_list()
    if axis not in axes:
        raise UserError(f"{NAME}: the lexicon has no axis {axis!r}; it has {', '.join(map(repr, axes))}.")
    rows = lexicon.filter(pl.col("axis") == axis)
    groups = rows["group"].unique(maintain_order=True)
    if mapping is None:
        level = "level" if "level" in rows.columns else "group"
        pairs = rows.select("group", pl.col(level).alias("level")).unique(maintain_order=True)
    else:
        if "level" in rows.columns:
            raise UserError(
                f"{NAME}: the lexicon has a column 'level' and there is a mapping too; one of them is enough."
            )
        table = read_table(mapping, function=NAME, argument="mapping")
        for column in ("group", "level"):
            need_column(table, column, function=NAME, argument="mapping", where="the mapping")
        if "axis" in table.columns:
            table = table.filter(as_levels(table["axis"]) == axis)
        pairs = pl.DataFrame([as_levels(table["group"]), as_levels(table["level"])]).unique(maintain_order=True)
        if unknown := [group for group in pairs["group"] if group not in set(groups)]:
            raise UserError(
                f"{NAME}: the mapping names group {unknown[0]!r}, which axis {axis!r} does not have; it has"
                f" {', '.join(map(repr, groups))}."
            )
        if left := [group for group in groups if group not in set(pairs["group"])]:
            raise UserError(
                f"{NAME}: the mapping does not say which level group {left[0]!r} of axis {axis!r} stands for; give it"
                " one, or an empty level to leave its mentions out."
            )
    if (twice := pairs.filter(pairs["group"].is_duplicated())).height:
        levels = ", ".join(map(repr, twice.filter(pl.col("group") == twice["group"][0])["level"]))
        raise UserError(f"{NAME}: group {twice['group'][0]!r} stands for several levels, {levels}; one is expected.")
    if pairs["level"].null_count() == pairs.height:
        raise UserError(f"{NAME}: no group of axis {axis!r} stands for a level, so there is nothing to compare.")
    return pairs
