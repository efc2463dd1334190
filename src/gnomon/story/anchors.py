"""Where in a text something was said, kept through edits that are known, and found again after those that are not."""

import re
import unicodedata
from bisect import bisect_right
from collections import Counter
from functools import lru_cache
from typing import NamedTuple

_CONTEXT = 40
_SIMILAR = 0.8
_WINDOWS = 6  # places that an alignment is tried at
_EVERYWHERE = 20_000  # a text shorter than this is aligned as a whole


class Edit(NamedTuple):
    """`text` in the place of the characters from `start` to `end`."""

    start: int
    end: int
    text: str


class Anchor(NamedTuple):
    """The characters `start` to `end` of a text: what they are, and up to 40 characters on each side."""

    start: int
    end: int
    quote: str
    before: str
    after: str

    @classmethod
    def at(cls, text: str, start: int, end: int) -> "Anchor":
        """The anchor on `text[start:end]`."""
        return cls(start, end, text[start:end], text[max(0, start - _CONTEXT) : start], text[end : end + _CONTEXT])

    def moved(self, edit: Edit) -> "Anchor | None":
        """The anchor after `edit`: from its first to its last surviving character, or None where none survives.

        What is inserted strictly inside joins it; at its borders it does not.
        """
        start, end, text = edit
        shift = len(text) - (end - start)
        if self.start == self.end or (start <= self.start and self.end <= end):
            return None if self.start == self.end or end > start else self._beside(edit)
        if end <= self.start or self.end <= start:
            return self._beside(edit)
        left = max(0, start - self.start)  # surviving characters before and after the edit
        right = max(0, self.end - end)
        kept_left, kept_right = self.quote[:left], self.quote[len(self.quote) - right :] if right else ""
        if left and right:
            return self._replace(end=self.end + shift, quote=kept_left + text + kept_right)
        if left:
            after = (text + self.after[max(0, end - self.end) :])[:_CONTEXT]
            return self._replace(end=start, quote=kept_left, after=after)
        before = (self.before[: max(0, len(self.before) - (self.start - start))] + text)[-_CONTEXT:]
        new = start + len(text)
        return self._replace(start=new, end=new + right, quote=kept_right, before=before)

    def _beside(self, edit: Edit) -> "Anchor":
        start, end, text = edit
        shift = len(text) - (end - start)
        if end <= self.start:
            first = self.start - len(self.before)
            if end < first:
                return self._replace(start=self.start + shift, end=self.end + shift)
            before = self.before[: max(0, start - first)] + text + self.before[end - first :]
            return self._replace(start=self.start + shift, end=self.end + shift, before=before[-_CONTEXT:])
        last = self.end + len(self.after)
        if start > last:
            return self
        after = self.after[: start - self.end] + text + self.after[max(0, end - self.end) :]
        return self._replace(after=after[:_CONTEXT])

    def locate(self, text: str) -> tuple[int, int] | None:
        """Where the anchored characters are in `text`, which was changed in ways that are not known.

        The exact quote; of several, the one whose surroundings agree best, then the nearest. Otherwise the best
        alignment, if its similarity (1 - edit distance / the longer length) is at least 0.8. Otherwise None. Letters
        are compared after `fold`.
        """
        around = self.start - len(self.before)
        if self.quote and around >= 0 and text.startswith(self.before + self.quote + self.after, around):
            return self.start, self.end
        searched = _folded(text)
        folded = searched.text
        quote = fold(self.quote)
        if not quote:
            return None
        before, after = fold(self.before), fold(self.after)

        def fit(start: int, end: int) -> tuple[int, int]:
            return _common_end(folded, start, before) + _common_start(folded, end, after), -abs(start - self.start)

        found = [(start, start + len(quote)) for start in _occurrences(folded, quote)]
        if not found:
            found = self._aligned(folded, quote, before, after)
        if not found:
            return None
        start, end = max(found, key=lambda each: fit(*each))
        start, end = searched.origin(start), searched.origin(end)
        exact = text.find(self.quote, start, end)  # where white space at its ends was folded away
        return (start, end) if exact < 0 else (exact, exact + len(self.quote))

    def _aligned(self, text: str, quote: str, before: str, after: str) -> list[tuple[int, int]]:
        """The alignments of the greatest similarity, if that is enough."""
        slack = len(quote) // 4 + 8
        if len(text) <= _EVERYWHERE:
            windows = [(0, len(text))]
        else:
            starts = Counter[int]()
            for word in re.finditer(r"\w{3,}", quote):
                for place in _occurrences(text, word.group(), 200):
                    starts[(place - word.start()) // slack] += len(word.group())
            for part, offset in ((before[-20:], 0), (after[:20], len(quote))):
                if len(part) == 20:
                    for place in _occurrences(text, part, 200):
                        starts[(place + (20 if not offset else -offset)) // slack] += 20
            likely = [bin_ * slack for bin_, _ in starts.most_common(_WINDOWS)]
            windows = [
                (max(0, place - 2 * slack), min(len(text), place + len(quote) + 3 * slack))
                for place in [*likely, self.start]
            ]
        best: list[tuple[int, int]] = []
        highest = _SIMILAR
        for low, high in windows:
            for start, end, distance in _best_alignments(quote, text[low:high]):
                similarity = 1 - distance / max(len(quote), end - start)
                if similarity > highest or (similarity == highest and not best):
                    best, highest = [], similarity
                if similarity == highest:
                    best.append((low + start, low + end))
        return best


_CEDILLAS = str.maketrans("şŞţŢ", "șȘțȚ")


def fold(text: str) -> str:
    """`text` for matching only: composed, with commas for cedillas (ş, ţ), and one space for any white space."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", text).translate(_CEDILLAS))


# What changes its length when folded: runs of white space, and a letter with the marks that follow it.
_SHRINKS = re.compile(r"\s{2,}|[^\s\u0300-\u036f][\u0300-\u036f]+")


class _Folded(NamedTuple):
    """A folded text, and where its stretches begin: in it, and in the text it was made of."""

    text: str
    starts: list[int]
    origins: list[int]

    def origin(self, position: int) -> int:
        """The position in the original text."""
        index = bisect_right(self.starts, position) - 1
        following = self.origins[index + 1] if index + 1 < len(self.origins) else None
        moved = self.origins[index] + position - self.starts[index]
        return moved if following is None else min(moved, following)


@lru_cache(maxsize=2)
def _folded(text: str) -> _Folded:
    pieces: list[str] = []
    starts, origins = [0], [0]
    size = last = 0

    def add(piece: str, origin: int) -> None:
        nonlocal size
        pieces.append(piece)
        size += len(piece)
        starts.append(size)
        origins.append(origin)

    for found in _SHRINKS.finditer(text):
        add(_same_length(text[last : found.start()]), found.start())
        add(fold(found.group()), found.end())
        last = found.end()
    add(_same_length(text[last:]), len(text))
    return _Folded("".join(pieces), starts, origins)


def _same_length(text: str) -> str:
    folded = fold(text)
    return folded if len(folded) == len(text) else text.translate(_CEDILLAS)


def _occurrences(text: str, part: str, most: int | None = None) -> list[int]:
    found: list[int] = []
    place = text.find(part)
    while place >= 0 and (most is None or len(found) < most):
        found.append(place)
        place = text.find(part, place + 1)
    return found


def _common_end(text: str, end: int, part: str) -> int:
    """How many characters before `end` agree with the end of `part`."""
    count = 0
    while count < min(len(part), end) and text[end - 1 - count] == part[-1 - count]:
        count += 1
    return count


def _common_start(text: str, start: int, part: str) -> int:
    count = 0
    while count < min(len(part), len(text) - start) and text[start + count] == part[count]:
        count += 1
    return count


def _best_alignments(pattern: str, text: str) -> list[tuple[int, int, int]]:
    """(start, end, edit distance) of the substrings of `text` nearest to `pattern` (at most a few)."""
    distances = _distances(pattern, text)
    least = min(distances)
    if least > len(pattern) * (1 - _SIMILAR) / _SIMILAR:
        return []
    found: list[tuple[int, int, int]] = []
    for end, distance in enumerate(distances):
        if distance == least and len(found) < _WINDOWS:
            # From the end backwards: the start is where the reversed pattern fits best, the longest such.
            low = max(0, end - len(pattern) - least)
            back = _distances(pattern[::-1], text[low:end][::-1], anchored=True)
            fitting = [size for size, each in enumerate(back) if each == least]
            if fitting:
                size = min(fitting, key=lambda each: (abs(each - len(pattern)), -each))
                found.append((end - size, end, least))
    return found


def _distances(pattern: str, text: str, anchored: bool = False) -> list[int]:
    """For each end in `text` (0 to its length) the least edit distance of `pattern` to a substring that ends there.

    With `anchored` the substring begins at 0. Bit-parallel over the pattern: Myers, "A fast bit-vector algorithm for
    approximate string matching", J. ACM 46 (1999), with integers as long as the pattern.
    """
    size = len(pattern)
    masks: dict[str, int] = {}
    for index, character in enumerate(pattern):
        masks[character] = masks.get(character, 0) | 1 << index
    full, top = (1 << size) - 1, 1 << (size - 1)
    plus, minus, distance = full, 0, size
    found = [size]
    for character in text:
        equal = masks.get(character, 0)
        vertical = equal | minus
        horizontal = (((equal & plus) + plus) ^ plus) | equal
        up = minus | ~(horizontal | plus) & full
        down = plus & horizontal
        if up & top:
            distance += 1
        elif down & top:
            distance -= 1
        up = (up << 1 | anchored) & full
        down = (down << 1) & full
        plus = down | ~(vertical | up) & full
        minus = up & vertical
        found.append(distance)
    return found
