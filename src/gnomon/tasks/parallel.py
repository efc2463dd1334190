"""Translation or summarisation from a parallel file of one's own: a source text in, a target text out."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from pydantic import Field, model_validator

from gnomon.config import Settings
from gnomon.errors import UserError
from gnomon.seeds import derive
from gnomon.stats.estimate import Estimate
from gnomon.tasks.environment import SingleTurn, Step, Task
from gnomon.tasks.text_scores import ROUGE_READS, Metric, corpus_scores, sentence_score

HELD_OUT = 500  # rows that each held-out split takes at most where nothing is said
SURROGATE = re.compile("[\ud800-\udfff]")


class Parallel(Settings):
    """A source text is answered by its target: pairs from a TSV or JSONL file of one's own. The reward is `metric`'s
    score of the one sentence, from 0 to 1; correct is the target itself, blanks around it aside.

    The file at `path` (relative to where the command is run) is UTF-8 and ends in `.tsv` (a header line; cells are
    taken as they stand, without quotes) or `.jsonl` (an object a line). `source` and `target` name the columns. The
    prompt is `instruction`, the source and `separator`; the answer begins with a blank, so that a tokenizer sees its
    first word like any other.

    `test_path` and `validation_path` are files of the same kind. Where one is missing, `n_test` or `n_validation` rows
    are cut from `path` (by default a tenth, 500 at most), in an order that follows from `seed` and the rows' contents,
    not from their place in the file. Equal rows count once. No source text is in two splits: what is tested is not
    validated on, and neither is trained on; `left_out` counts the rows that this and repetition cost.
    """

    name: ClassVar[str] = "parallel"
    pure: ClassVar[bool] = True
    symbols: ClassVar[None] = None

    path: str
    source: str = "source"
    target: str = "target"
    validation_path: str | None = None
    test_path: str | None = None
    metric: Metric = "bleu"
    instruction: str = ""
    separator: str = Field(" =>", min_length=1)
    n_validation: int | None = Field(None, ge=1)
    n_test: int | None = Field(None, ge=1)
    seed: int = 0

    @model_validator(mode="after")
    def _one_way_to_hold_out(self) -> "Parallel":
        for split, path, n in (
            ("test", self.test_path, self.n_test),
            ("validation", self.validation_path, self.n_validation),
        ):
            if path is not None and n is not None:
                raise ValueError(f"n_{split} cuts rows from path, and {split}_path gives them; leave one of them out.")
        return self

    def tasks(self, split: str) -> Sequence[Task]:
        """The rows of a split, each with an id that follows from its contents."""
        return self._divided[0][split]

    @property
    def left_out(self) -> dict[str, int]:
        """How many rows are in no split, as `repeated` ones or because their source is held out elsewhere."""
        return self._divided[1]

    def start(self, task: Task, seed: int) -> SingleTurn:
        """An episode of one answer."""
        target = task.payload["target"]

        def grade(action: str) -> Step:
            score = self._score(action, target)
            return Step(score, components={"correct": float(action.strip() == target), self.metric: score})

        return SingleTurn(f"{self.instruction}{task.payload['source']}{self.separator}", grade)

    def demonstration(self, task: Task, seed: int) -> str:
        """The file's own target."""
        return f" {task.payload['target']}"

    def corpus_scores(
        self, tasks: Sequence[Task], answers: Sequence[str], *, minus: Sequence[str] | None = None, seed: int = 0
    ) -> dict[str, Estimate]:
        """The metric's figures over all `answers` to `tasks`, as `text_scores.corpus_scores` has them."""
        return corpus_scores(self.metric, [t.payload["target"] for t in tasks], answers, minus=minus, seed=seed)

    @cached_property
    def _score(self) -> Callable[[str, str], float]:
        return sentence_score(self.metric)

    @cached_property
    def _divided(self) -> tuple[dict[str, tuple[Task, ...]], dict[str, int]]:
        """The splits, and how many rows are in none of them."""
        _ = self._score  # a package that is missing is missed before anything is trained
        pool, repeated = self._distinct(self.path)
        tenth = max(1, min(HELD_OUT, len(pool) // 10))
        cuts = {
            "test": (self.test_path, self.n_test or tenth),
            "validation": (self.validation_path, self.n_validation or tenth),
        }
        too_few = f"{self.path} has {_count(pool, 'distinct row')}, too few to hold out " + " and ".join(
            f"n_{split} = {n}" for split, (path, n) in cuts.items() if path is None
        )
        splits, asked, held_out = dict[str, list[Task]](), set[str](), 0
        for split, (path, n) in cuts.items():
            if path is None:
                splits[split], pool = pool[:n], pool[n:]
                if len(splits[split]) < n:
                    break
            else:
                given, again = self._distinct(path)
                splits[split] = _unasked(given, asked)
                repeated += again
                held_out += len(given) - len(splits[split])
                if not splits[split]:
                    raise UserError(f"{path}: all of its source texts are in the test split too; others are needed.")
            asked |= {task.payload["source"] for task in splits[split]}
            kept = _unasked(pool, asked)
            held_out, pool = held_out + len(pool) - len(kept), kept
        if not pool:
            if None not in (self.test_path, self.validation_path):
                raise UserError(f"{self.path}: all of its source texts are held out; others are needed to train on.")
            raise UserError(
                f"{too_few} and train on the rest, no source text being in two splits; more rows or a smaller number"
                " would do."
            )
        splits["train"] = pool
        divided = {split: tuple(replace(task, split=split) for task in tasks) for split, tasks in splits.items()}
        return divided, {"repeated": repeated, "held_out": held_out}

    def _distinct(self, path: str) -> tuple[list[Task], int]:
        """The rows of a file, and how many there were more of them.

        Their order follows from what they say: one more row moves no other two past each other.
        """
        rows = self._rows(path)
        tasks = [Task("", "", {"source": row.source, "target": row.target}) for row in rows]
        distinct = {task.hash: task for task in tasks}
        order = sorted(distinct, key=lambda key: derive(self.seed, "parallel", key))
        return [replace(distinct[key], id=key[:16]) for key in order], len(rows) - len(distinct)

    def _rows(self, path: str) -> list["_Row"]:
        """The pairs of the file at `path`. Raises UserError for whatever is wrong with it."""
        readers = {".tsv": _read_tsv, ".jsonl": _read_jsonl}
        reader = readers.get(Path(path).suffix.lower())
        if reader is None:
            raise UserError(f"task parallel: {path!r} ends in neither .tsv nor .jsonl, which say how it is to be read.")
        rows = reader(path, self.source, self.target)
        if self.metric == "rouge" and (mute := [row.line for row in rows if not ROUGE_READS.search(row.target)]):
            raise UserError(
                f"{path} has {_count(mute, 'target')} ({_lines(mute)}) without a letter from a to z or a digit, and"
                " ROUGE reads nothing else; metric = 'chrf' reads any script."
            )
        return rows


class _Row(NamedTuple):
    line: int
    source: str
    target: str


def _unasked(tasks: Sequence[Task], asked: set[str]) -> list[Task]:
    return [task for task in tasks if task.payload["source"] not in asked]


def _read_tsv(path: str, source: str, target: str) -> list[_Row]:
    lines = _read_lines(path)
    if not lines:
        raise UserError(f"{path}: the file is empty; a header line that names its columns is expected first.")
    header = lines[0][1].split("\t")
    for column in (source, target):
        if header.count(column) != 1:
            found = "is there more than once" if column in header else "is not there"
            raise UserError(f"{path}: a column {column!r} {found}; the header line has {', '.join(map(repr, header))}.")
    cells = [(line, text.split("\t")) for line, text in lines[1:]]
    if torn := [line for line, row in cells if len(row) != len(header)]:
        raise UserError(
            f"{path} has {_count(torn, 'row')} ({_lines(torn)}) without the header's {len(header)} cells; a tab ends a"
            " cell and a line end a row, so neither may stand in a text."
        )
    i, j = header.index(source), header.index(target)
    return _checked(path, source, target, [(line, row[i], row[j]) for line, row in cells])


def _read_jsonl(path: str, source: str, target: str) -> list[_Row]:
    rows: list[tuple[int, dict[str, Any]]] = []
    for line, text in _read_lines(path):
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as fault:
            raise UserError(
                f"{path}: line {line} is not valid JSON; an object with {source!r} and {target!r} is expected."
            ) from fault
        if not isinstance(row, dict):
            raise UserError(
                f"{path}: line {line} is {row!r:.40}; an object with {source!r} and {target!r} is expected."
            )
        rows.append((line, row))
    for column in (source, target):
        if rows and not any(column in row for _, row in rows):
            keys = ", ".join(map(repr, rows[0][1])) or "none"
            raise UserError(f"{path}: no line has a key {column!r}; the keys of line {rows[0][0]} are {keys}.")
    return _checked(path, source, target, [(line, row.get(source), row.get(target)) for line, row in rows])


def _checked(path: str, source: str, target: str, rows: Sequence[tuple[int, Any, Any]]) -> list[_Row]:
    if not rows:
        raise UserError(f"{path}: there are no rows; pairs of {source!r} and {target!r} are expected.")
    for place, column in ((1, source), (2, target)):
        if bad := [row[0] for row in rows if not _is_text(row[place])]:
            raise UserError(
                f"{path} has {_count(bad, 'row')} ({_lines(bad)}) without a text in {column!r}; every row needs both."
            )
    return [_Row(line, first.strip(), second.strip()) for line, first, second in rows]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and not SURROGATE.search(value)


def _read_lines(path: str) -> list[tuple[int, str]]:
    """The lines of a UTF-8 file that are not empty, with their numbers from 1."""
    try:
        content = Path(path).read_bytes()
    except OSError as fault:
        reason = "is a folder" if Path(path).is_dir() else "could not be read"
        if not Path(path).exists():
            reason = "does not exist"
        raise UserError(f"task parallel: {path!r} {reason}; the path of a TSV or JSONL file is expected.") from fault
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise UserError(f"{path}: line {line} is not UTF-8 text; the file has to be saved as UTF-8.") from fault
    # Not splitlines: that would end a line at characters which may stand in a text, such as U+2028.
    lines = ((number, line.removesuffix("\r")) for number, line in enumerate(text.split("\n"), start=1))
    return [(number, line) for number, line in lines if line]


def _count(things: Sequence[Any], what: str) -> str:
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"


def _lines(lines: Sequence[int]) -> str:
    shown = ", ".join(map(str, lines[:5]))
    more = f" and {len(lines) - 5} more" if len(lines) > 5 else ""
    return f"line{'' if len(lines) == 1 else 's'} {shown}{more}"
