"""The text a small model is trained on, as bytes: windows drawn from one part, fixed windows held out of the other.

Where no text is named one is generated: three dialects over one vocabulary of made-up words. Word frequencies follow
Zipf's law and each dialect has habits of its own about which word follows which, so that a model first learns what
all share (letters, words) and then what sets them apart, where the dialects pull against each other.
"""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gnomon import data
from gnomon.errors import UserError
from gnomon.seeds import derive

HELD_OUT = 0.1
DIALECTS = ("hill", "river", "coast")
_WORDS, _FOLLOWERS, _GENERATED_BYTES = 800, 12, 1_000_000


@dataclass(frozen=True)
class Source:
    """One text, cut into what is trained on and what is held out (its last tenth), as bytes [n] of uint8."""

    name: str
    train: np.ndarray
    held_out: np.ndarray


class Corpus:
    """Sources with windows of `context` + 1 bytes: `context` inputs, and for each the byte that follows."""

    def __init__(self, sources: Sequence[Source], context: int) -> None:
        self.sources = sources
        self.width = context + 1
        for source in sources:
            if len(source.held_out) < self.width:
                needed = int(np.ceil(self.width / HELD_OUT))
                raise UserError(
                    f"text: {source.name!r} is too short: its last tenth has {len(source.held_out)} bytes and one"
                    f" window of context = {context} takes {self.width}; at least {needed} bytes of text are needed."
                )
        self._joined = np.concatenate([source.train for source in sources])
        # Where a window may start: not across the seam of two sources.
        ends = np.cumsum([len(source.train) for source in sources])
        starts = [
            np.arange(end - len(source.train), end - self.width + 1) for source, end in zip(sources, ends, strict=True)
        ]
        self._starts = np.concatenate(starts)

    @property
    def training_bytes(self) -> int:
        """How many bytes there are to train on."""
        return len(self._joined)

    def batch(self, step: int, size: int, seed: int) -> Tensor:
        """[size, context + 1] byte values of training text, a function of `seed` and `step` alone."""
        rng = np.random.default_rng(derive(seed, "batch", step))
        chosen = self._starts[rng.integers(len(self._starts), size=size)]
        return torch.from_numpy(self._joined[chosen[:, None] + np.arange(self.width)].astype(np.int64))

    def held_out(self, count: int) -> tuple[Tensor, list[str]]:
        """`count` windows spread evenly over the held-out text, [count, context + 1], and the source of each.

        They do not depend on any seed, so that runs over seeds are measured on the same bytes.
        """
        lengths = np.array([len(source.held_out) for source in self.sources])
        shares = _largest_remainders(lengths / lengths.sum() * count)
        rows, labels = [], []
        for source, share in zip(self.sources, shares, strict=True):
            starts = np.linspace(0, len(source.held_out) - self.width, num=share).astype(int)
            rows += [source.held_out[start : start + self.width] for start in starts]
            labels += [source.name] * share
        return torch.from_numpy(np.stack(rows).astype(np.int64)), labels


def read_corpus(texts: Sequence[str], context: int, seed: int) -> Corpus:
    """The corpus of the named files or registered data sets; a generated one where none is named.

    Raises UserError for a text that is not there, is not UTF-8, or is too short.
    """
    if texts:
        contents = [(_short_name(text), _read(text)) for text in texts]
    else:
        contents = list(zip(DIALECTS, _generate(derive(seed, "text")), strict=True))
    sources = []
    for name, content in contents:
        raw = np.frombuffer(content, dtype=np.uint8)
        cut = len(raw) - int(len(raw) * HELD_OUT)
        sources.append(Source(name, raw[:cut], raw[cut:]))
    return Corpus(sources, context)


def _short_name(text: str) -> str:
    return Path(text).name.removesuffix(".gz").removesuffix(".txt")


def _read(text: str) -> bytes:
    if text in data.FILES:
        return data.read_text(text).encode()
    path = Path(text)
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if path.suffix == ".gz" else raw
        content.decode("utf-8")
    except FileNotFoundError as fault:
        raise UserError(
            f"text: there is no file {text!r} and no registered data set of that name; `gnomon data list` shows"
            " those there are."
        ) from fault
    except UnicodeDecodeError as fault:
        raise UserError(f"text: {text!r} is not UTF-8 text (byte {fault.start}); plain text is expected.") from fault
    except (OSError, EOFError) as fault:
        raise UserError(f"text: {text!r} cannot be read ({fault}); a text file is expected.") from fault
    return content


def _largest_remainders(shares: np.ndarray) -> list[int]:
    """Whole numbers near `shares` with the same sum."""
    floor = np.floor(shares).astype(int)
    missing = round(float(shares.sum())) - int(floor.sum())
    floor[np.argsort(-(shares - floor), kind="stable")[:missing]] += 1
    return [int(share) for share in floor]


def _generate(seed: int) -> list[bytes]:
    """One text for each dialect."""
    rng = np.random.default_rng(seed)
    onsets = ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "sh", ""]
    vowels, codas = ["a", "e", "i", "o", "u", "ai", "ou"], ["", "", "n", "r", "s", "l", "m"]

    def syllable() -> str:
        return str(rng.choice(onsets)) + str(rng.choice(vowels)) + str(rng.choice(codas))

    words: list[str] = []
    while len(words) < _WORDS:
        word = "".join(syllable() for _ in range(rng.integers(1, 4)))
        if word not in words:
            words.append(word)
    words.sort(key=len)  # the frequent words of a language are its short ones
    frequency = 1 / np.arange(1, _WORDS + 1)
    frequency /= frequency.sum()
    share = _GENERATED_BYTES // len(DIALECTS)
    return [_dialect(rng, words, frequency, share) for _ in DIALECTS]


def _dialect(rng: np.random.Generator, words: list[str], frequency: np.ndarray, size: int) -> bytes:
    """Sentences in which each word is followed, three times in four, by one of its few followers in this dialect."""
    most = size // 2  # a word with its space takes two bytes at the least
    followers = rng.choice(len(words), size=(len(words), _FOLLOWERS), p=frequency)
    any_word = rng.choice(len(words), size=most, p=frequency)
    which, habit = rng.integers(_FOLLOWERS, size=most), rng.random(most) < 0.75
    last = np.cumsum(rng.integers(5, 14, size=most // 5))  # where sentences end
    text: list[str] = []
    length, begin = 0, 0
    for end in last:
        sentence = [int(any_word[begin])]
        for place in range(begin + 1, int(end)):
            sentence.append(int(followers[sentence[-1], which[place]] if habit[place] else any_word[place]))
        text.append(" ".join(words[word] for word in sentence).capitalize() + ". ")
        length += len(text[-1])
        begin = int(end)
        if length >= size:
            break
    return "".join(text)[:size].encode()
