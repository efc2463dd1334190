"""Losses of one set of texts under two checkpoints of a language model, for `gnomon dynamics probe BEFORE AFTER`.

Texts come from a JSON-lines file (`text` in each row, and any column as a group), or from a text file: paragraphs
between blank lines, or, where it has no blank line, one text a line. A text longer than the model's context is read in
consecutive windows that overlap by one token, so that every token but the text's first is predicted exactly once.
Losses are -log p in nats, the softmax in float32. Nothing is cut off and no text is left out silently.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.dynamics.changes import Changes
from gnomon.dynamics.loss_tables import json_lines
from gnomon.errors import UserError
from gnomon.runs.progress import Progress

LOGITS_BYTES = 2**28  # logits of one forward pass stay below this
LARGEST_BATCH = 2**14  # tokens of one forward pass, however small the vocabulary


@dataclass(frozen=True)
class Texts:
    """Texts with names (their line or paragraph in the file, or their own `id`) and, where asked for, groups."""

    names: list[str]
    texts: list[str]
    groups: list[str] | None


def read_texts(path: Path, group: str | None = None) -> Texts:
    """The texts of a `.jsonl` or `.txt` file. Raises UserError where it holds none, or not what is expected."""
    if not path.is_file():
        raise UserError(
            f"--data {path}: there is no such file; a .txt or a .jsonl with 'text' in each row is expected."
        )
    if path.suffix.lower() == ".jsonl":
        found = _from_rows(path, group)
    elif path.suffix.lower() == ".txt":
        if group is not None:
            raise UserError(f"--group {group}: a text file has no columns; a .jsonl file with that column would.")
        found = _from_paragraphs(path)
    else:
        raise UserError(f"--data {path}: a .txt or a .jsonl with 'text' in each row is expected.")
    if not found.texts:
        raise UserError(f"--data {path}: the file holds no text.")
    return found


def _from_rows(path: Path, group: str | None) -> Texts:
    names, texts, groups = [], [], []
    column = group or "group"
    for number, row in json_lines(path):
        if not isinstance(row.get("text"), str):
            raise UserError(f"{path}:{number}: this row has no 'text'; its keys are {', '.join(row) or 'none'}.")
        names.append(str(row.get("id", f"line {number}")))
        texts.append(row["text"])
        groups.append(row.get(column))
    if all(label is None for label in groups):
        if group is not None and texts:
            raise UserError(f"--group {group}: no row of {path} has that column.")
        return Texts(names, texts, None)
    return Texts(names, texts, ["(none)" if label is None else str(label) for label in groups])


def _from_paragraphs(path: Path) -> Texts:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as fault:
        raise UserError(f"--data {path} is not text in UTF-8.") from fault
    while lines and not lines[-1].strip():
        lines.pop()
    apart = any(not line.strip() for line in lines)
    texts: list[tuple[int, list[str]]] = []
    fresh = True
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            fresh = True
        elif fresh or not apart:
            texts.append((number, [line]))
            fresh = False
        else:
            texts[-1][1].append(line)
    return Texts([f"line {number}" for number, _ in texts], ["\n".join(held) for _, held in texts], None)


def losses_of(before: Path, after: Path, texts: Texts, *, unit: str, progress: Progress) -> tuple[Changes, list[str]]:
    """Each token's loss, or each text's mean loss (`unit = "sequence"`), under both checkpoints, and the names of texts
    too short to have one (fewer than two tokens).

    Raises UserError where a folder holds no causal language model, the two split texts into different tokens, or a loss
    is not finite.
    """
    first, token_ids = _losses(before, texts, progress, "before")
    second, other_ids = _losses(after, texts, progress, "after")
    different = [name for name, a, b in zip(texts.names, token_ids, other_ids, strict=True) if a != b]
    if different:
        raise UserError(
            f"{before} and {after} split {len(different)} of {len(texts.names)} texts into different tokens (first:"
            f" {', '.join(different[:3])}); losses can be compared only over the same tokens."
        )
    kept = [index for index, losses in enumerate(first) if len(losses)]
    short = [name for name, losses in zip(texts.names, first, strict=True) if not len(losses)]
    if not kept:
        raise UserError("Every text is one token or none, so no token can be predicted; longer texts are needed.")
    for path, losses in ((before, first), (after, second)):
        wrong = [texts.names[index] for index in kept if not np.isfinite(losses[index]).all()]
        if wrong:
            raise UserError(f"{path} gives losses that are not finite for {len(wrong)} texts: {', '.join(wrong[:3])}.")
    groups = texts.groups
    if unit == "sequence":
        return Changes(
            ids=[texts.names[index] for index in kept],
            before=np.array([first[index].mean() for index in kept]),
            after=np.array([second[index].mean() for index in kept]),
            groups=None if groups is None else [groups[index] for index in kept],
        ), short
    counts = [len(first[index]) for index in kept]
    return Changes(
        ids=[f"{texts.names[index]}, token {token + 1}" for index in kept for token in range(len(first[index]))],
        before=np.concatenate([first[index] for index in kept]),
        after=np.concatenate([second[index] for index in kept]),
        groups=None if groups is None else list(np.repeat([groups[index] for index in kept], counts)),
        clusters=[str(index) for index, count in zip(kept, counts, strict=True) for _ in range(count)],
    ), short


def _losses(folder: Path, texts: Texts, progress: Progress, name: str) -> tuple[list[np.ndarray], list[list[int]]]:
    """The loss of every token after the first, by text, in float64, and the token ids of every text."""
    from gnomon.models.policy import Policy

    policy = Policy.load(folder)
    if policy.is_encoder_decoder:
        raise UserError(
            f"{folder} is an encoder-decoder; a causal language model is expected, which scores plain text."
        )
    token_ids = policy.encode_many(texts.texts)
    windows = [
        (index, start, ids[start : start + policy.context])
        for index, ids in enumerate(token_ids)
        for start in range(0, len(ids) - 1, policy.context - 1)
    ]
    losses = [np.zeros(max(0, len(ids) - 1)) for ids in token_ids]
    with progress, progress.stage(f"losses {name}", len(windows), 0) as show:
        done = 0
        for batch in _batches(windows, policy.model.config.vocab_size):
            scored = policy.log_probs([ids[:1] for _, _, ids in batch], [ids[1:] for _, _, ids in batch])
            for (index, start, ids), log_probs in zip(batch, scored, strict=True):
                losses[index][start : start + len(ids) - 1] = -log_probs.double().cpu().numpy()
            done += len(batch)
            show(done, "texts")
    return losses, token_ids


def _batches(windows: list[Any], vocabulary: int) -> list[list[Any]]:
    """Windows of like length together, so that little is padded, within the bound on logits."""
    most = max(1, min(LARGEST_BATCH, LOGITS_BYTES // (4 * vocabulary)))
    batches: list[list[Any]] = []
    for window in sorted(windows, key=lambda window: -len(window[2])):
        if batches and (len(batches[-1]) + 1) * len(batches[-1][0][2]) <= most:
            batches[-1].append(window)
        else:
            batches.append([window])
    return batches
