"""What a writer took and left, as lines that a model can be post-trained on (`gnomon.tasks.story_edit` reads them).

A passage is kept when a suggestion is made, if the writer wants that: the sentences its hunks lie in, and what stands
around them in the same scene. Text of other scenes is never in it: a suggestion that reaches over several scenes
becomes one line for each.
"""

import hashlib
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gnomon.story.anchors import _distances
from gnomon.story.document import Story
from gnomon.story.edits import Hunk, Suggestion
from gnomon.story.history import Decision
from gnomon.story.inflection import name_forms, words_of
from gnomon.story.intents.asked import Asked
from gnomon.story.intents.passages import cast
from gnomon.story.providers.runs import prompt_of
from gnomon.story.records import Extraction
from gnomon.tasks.environment import Task

SCHEMA = 1

_CONTEXT = 1500
"""Characters of the same scene on each side of a passage, as many as a provider is sent."""

UNINTENDED = 0.5
"""What is taken off the reward for each hunk that nobody asked for and that was left in."""


# -- passages ---------------------------------------------------------------------------------------------------------


def passages(story: Story, suggestion: Suggestion, extraction: Extraction | None) -> list[dict[str, Any]]:
    """The passages of a suggestion on `story`, ready for JSON; `extraction` says who is named in them."""
    digest = hashlib.sha256(story.text.encode()).hexdigest()
    asked_for = _requested(story, suggestion)
    found: list[tuple[dict[str, Any], int, Sequence[Hunk], str]] = []
    if asked_for is not None:
        request, start = asked_for
        prompt = suggestion.usage.get("prompt")
        found.append((request, start, suggestion.hunks, prompt if isinstance(prompt, str) else prompt_of(request)))
    else:
        for low, high, hunks in _by_scene(story, suggestion.hunks):
            request, start = _request(story, suggestion, extraction, low, high, hunks)
            found.append((request, start, hunks, prompt_of(request)))
    return [
        {
            "span": request["span"],
            "before": request["before"],
            "after": request["after"],
            "language": story.language,
            "hunks": [[hunk.id, hunk.start - start, hunk.end - start] for hunk in hunks],
            "prompt": prompt,
            "turn": suggestion.usage.get("turn") if asked_for is not None else None,
            "cast": request["cast"],
            "names": _names(story, [request["span"], request["before"], request["after"], *(h.after for h in hunks)]),
            "story_sha256": digest,
        }
        for request, start, hunks, prompt in found
    ]


def _requested(story: Story, suggestion: Suggestion) -> tuple[dict[str, Any], int] | None:
    """The one request a provider was sent for a suggestion, and where its span is; None for several, or for none."""
    prompts = suggestion.usage.get("prompts")
    if not isinstance(prompts, list | tuple) or len(prompts) != 1:
        return None
    request = prompts[0]
    before, span = request["before"], request["span"]
    whole = before + span + request["after"]
    place = story.text.find(whole)
    while place >= 0:
        start = place + len(before)
        if all(start <= hunk.start and hunk.end <= start + len(span) for hunk in suggestion.hunks):
            return request, start
        place = story.text.find(whole, place + 1)
    return None


def _by_scene(story: Story, hunks: Sequence[Hunk]) -> list[tuple[int, int, list[Hunk]]]:
    """The hunks of each scene, with the scene's borders; those between scenes on their own, with their own."""
    found: list[tuple[int, int, list[Hunk]]] = []
    for hunk in hunks:
        number = story.scene_at(hunk.start)
        if number is None and hunk.start:
            number = story.scene_at(hunk.start - 1)  # at the end of a scene
        low, high = (hunk.start, hunk.end) if number is None else story.scenes[number][1:]
        if found and found[-1][0] == low and number is not None:
            found[-1][2].append(hunk)
        else:
            found.append((low, high, [hunk]))
    return found


def _request(
    story: Story, suggestion: Suggestion, extraction: Extraction | None, low: int, high: int, hunks: Sequence[Hunk]
) -> tuple[dict[str, Any], int]:
    """What a provider would be sent for whole sentences around the hunks of one scene, and where those begin."""
    start, end = hunks[0].start, hunks[-1].end
    sentences = story.sentences
    first = bisect_left(sentences, start, key=lambda span: span.end)
    if first < len(sentences) and sentences[first].start <= start:
        start = max(low, sentences[first].start)
    last = bisect_right(sentences, end, key=lambda span: span.start) - 1
    if last >= 0 and sentences[last].start < end <= sentences[last].end:
        end = max(end, min(high, sentences[last].end))
    high = max(high, end)
    request = {
        "task": "edit",
        "intent": dict(suggestion.intent),
        "span": story.text[start:end],
        "before": story.text[max(low, start - _CONTEXT) : start],
        "after": story.text[end : min(high, end + _CONTEXT)],
        "cast": [] if extraction is None else cast(Asked(story, extraction, suggestion.intent), low, high),
    }
    return request, start


# -- lines ------------------------------------------------------------------------------------------------------------


def line(
    task: str,
    suggestion: Suggestion,
    decisions: Mapping[str, Decision],
    passage: Mapping[str, Any],
    *,
    redact: bool = False,
) -> dict[str, Any]:
    """One passage of a suggestion whose hunks are all decided, and what the writer made of it, ready for JSON."""
    hunks = {hunk.id: hunk for hunk in suggestion.hunks}
    chosen = [(hunks[name], decisions[name], start, end) for name, start, end in passage["hunks"]]
    span = passage["span"]
    proposed = _with(span, [(start, end, hunk.after) for hunk, _, start, end in chosen])
    made = _with(span, [(start, end, decision.text) for _, decision, start, end in chosen])
    verdict = verdict_of(decision.decision for _, decision, _, _ in chosen)
    hide = _Redaction(suggestion, decisions, passage) if redact else None

    def shown(text: str) -> str:
        return text if hide is None else hide.text(text)

    intent = dict(suggestion.intent)
    payload = {
        "op": intent["op"],
        "intent": intent if hide is None else hide.intent(intent),
        "span": shown(span),
        "before": shown(passage["before"]),
        "after": shown(passage["after"]),
        "language": passage["language"],
    }
    candidate = {
        "text": shown(proposed),
        "provider": suggestion.provider,
        "decision": verdict,
        "edited_to": shown(made) if verdict == "edited" else None,
        "reward": reward(verdict, proposed, made, [(hunk, decision) for hunk, decision, _, _ in chosen]),
        "hunks": [
            {
                "before": shown(hunk.before),
                "after": shown(hunk.after),
                "decision": decision.decision,
                "unintended": hunk.unintended,
            }
            for hunk, decision, _, _ in chosen
        ],
        "turn": passage["turn"] if hide is None else None,  # its token ids are the text
    }
    return {
        "schema": SCHEMA,
        "task": {"id": task, "split": "train", "payload": payload, "hash": Task(task, "train", payload).hash},
        "prompt": passage["prompt"] if hide is None else hide.prompt(passage["prompt"]),
        "candidates": [candidate],
        "time": max(decision.time for _, decision, _, _ in chosen),
        "story_sha256": passage["story_sha256"],
    }


def _with(span: str, pieces: Iterable[tuple[int, int, str]]) -> str:
    """The span with pieces of it, in order and apart, replaced."""
    text, position = [], 0
    for start, end, new in pieces:
        text += [span[position:start], new]
        position = end
    return "".join([*text, span[position:]])


def verdict_of(decisions: Iterable[str]) -> str:
    """One word for the decisions on all hunks: `edited` if one was, `partial` if some were accepted and some not."""
    kinds = set(decisions)
    if "edited" in kinds:
        return "edited"
    return kinds.pop() if len(kinds) == 1 else "partial"


def reward(verdict: str, proposed: str, made: str, hunks: Sequence[tuple[Hunk, Decision]]) -> float:
    """What a proposal was worth to the writer, from 0 to 1.

    Accepted 1, rejected 0; edited 1 - (edit distance of what was proposed to what the writer made of it) / (the longer
    length); partial the accepted share of the characters that were to go or to come. For each unintended hunk that was
    left in, `UNINTENDED` is taken off.
    """
    if verdict == "edited":
        longer = max(len(proposed), len(made))
        value = 1 - distance(proposed, made) / longer if longer else 1.0
    elif verdict == "partial":
        sizes = [(len(hunk.before) + len(hunk.after), decision.decision) for hunk, decision in hunks]
        total = sum(size for size, _ in sizes)
        value = sum(size for size, decision in sizes if decision == "accepted") / total
    else:
        value = float(verdict == "accepted")
    left_in = sum(hunk.unintended and decision.text != hunk.before for hunk, decision in hunks)
    return max(0.0, value - UNINTENDED * left_in)


def distance(a: str, b: str) -> int:
    """The Levenshtein distance, in time that whole scenes can be compared in."""
    return _distances(a, b, anchored=True)[-1] if a and b else max(len(a), len(b))


# -- names ------------------------------------------------------------------------------------------------------------

_WORD = re.compile(r"[^\W\d_]+")
_WITHIN = re.compile(r"(?<=[\w,] )[^\W\d_]+")
_ENDED = re.compile(r"(^|[.!?…:;\n“”\"'‘«»„—–*#(])[\s“”\"'‘«»„—–*#(]*$")
_NO_NAMES = words_of("""
    a an the and but or nor so yet for in on at to of by with from as if when while then there here this that these
    those he it she they we you i his her its their our my your him them us me not no now after before once one two
    every each all some any who what where why how which mr mrs ms miss dr st sir lady lord chapter part
    un o unul una și dar sau în la pe de cu din el ea ei ele lui nu da apoi când acum aici acolo atunci după domnul
    doamna dl dna capitolul
""")
_NAMING = ("target", "agent", "patient", "place", "to")
"""Keys of an intent whose values are ids or names."""


def _names(story: Story, texts: Sequence[str]) -> list[str]:
    """The words of some texts that may be names: with a capital within a sentence of the story, or never small."""
    capitals = {word for text in texts for word in _WORD.findall(text) if _capital(word)}
    if not capitals:
        return []
    small = {word for word in _WORD.findall(story.text) if word.islower()}
    within = {word for word in _WITHIN.findall(story.text) if not word.isupper() and word.casefold() not in _NO_NAMES}
    return sorted(_may_be_names(texts, small) | (capitals & within))


def _may_be_names(texts: Iterable[str], small: set[str]) -> set[str]:
    found = set()
    for text in texts:
        for match in _WORD.finditer(text):
            word = match.group()
            low = word.casefold()
            if not _capital(word) or low in _NO_NAMES:
                continue
            opens = word.isupper() or _ENDED.search(text[max(0, match.start() - 12) : match.start()]) is not None
            if not opens or low not in small:
                found.add(word)
    return found


def _capital(word: str) -> bool:
    return word[0].isupper() and word != "I"


class _Redaction:
    """Names of one passage and the placeholders for them: CHARACTER_1, PLACE_1, and NAME_1 for what may be a name."""

    def __init__(self, suggestion: Suggestion, decisions: Mapping[str, Decision], passage: Mapping[str, Any]) -> None:
        self._ids: dict[str, str] = {}
        self._words: dict[str, str] = {}
        self._whole: dict[str, str] = {}
        self._romanian = passage["language"] == "ro"
        counts: dict[str, int] = {}
        for each in passage["cast"]:
            kind = str(each["kind"]).upper()
            counts[kind] = counts.get(kind, 0) + 1
            self._learn(f"{kind}_{counts[kind]}", [each["name"], *each["aliases"]])
            self._ids[each["id"]] = f"{kind}_{counts[kind]}"
        self._unnamed = 0
        for key in _NAMING:
            value = suggestion.intent.get(key)
            if isinstance(value, str) and value not in self._ids and _WORD.search(value):
                placeholder = self._whole.get(value) or self._next()
                self._ids[value] = placeholder
                words = value.split("-") if value == value.casefold() else []  # an id is a name in small letters
                self._learn(placeholder, [value, *(word.capitalize() for word in words)])
        texts = [passage["span"], passage["before"], passage["after"]]
        small = {word for text in texts for word in _WORD.findall(text) if word.islower()}
        mended = [each.text for each in decisions.values() if each.decision == "edited"]
        for word in sorted({*passage["names"], *_may_be_names(mended, small)}):
            if word not in self._words and word.capitalize() not in self._words:
                self._learn(self._next(), [word])
        whole = sorted(self._whole, key=len, reverse=True)
        self._pattern = re.compile("|".join([*(rf"(?<!\w){re.escape(each)}(?!\w)" for each in whole), _WORD.pattern]))

    def _next(self) -> str:
        self._unnamed += 1
        return f"NAME_{self._unnamed}"

    def _learn(self, placeholder: str, names: Iterable[str]) -> None:
        """Names and the words of them, in the cases of Romanian too; the first to have a word keeps it."""
        for name in names:
            words = [word for word in _WORD.findall(name) if _capital(word) and word.casefold() not in _NO_NAMES]
            if not words:
                continue
            self._whole.setdefault(name, placeholder)
            for word in words:
                self._words.setdefault(word, placeholder)
                for form in name_forms(word) if self._romanian else ():
                    self._words.setdefault(form.text, placeholder)

    def text(self, text: str) -> str:
        """A text without its names."""

        def shown(match: re.Match[str]) -> str:
            word = match.group()
            known = self._whole.get(word) or self._words.get(word)
            if known is None and word.isupper():
                known = self._words.get(word.capitalize())
            return word if known is None else known

        return self._pattern.sub(shown, text)

    def intent(self, value: Any) -> Any:
        """An intent, or a part of one, without names and without the ids that are made of them."""
        if isinstance(value, str):
            return self._ids.get(value) or self.text(value)
        if isinstance(value, Mapping):
            return {key: self.intent(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.intent(each) for each in value]
        return value

    def prompt(self, prompt: str) -> str:
        """A prompt, the parts of its request each without names."""
        try:
            request = json.loads(prompt)
        except ValueError:
            return self.text(prompt)
        return prompt_of(self.intent(request)) if isinstance(request, dict) else self.text(prompt)
