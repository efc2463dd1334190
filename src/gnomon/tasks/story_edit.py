"""Edits of a story as a writer took or left them: the preference log of `gnomon story export --format preferences`.

Every task is a passage and what was wanted of it; the candidates are texts that were proposed for the passage, each
with the reward that the writer's decision makes. So a model can be post-trained on one writer's own choices.
"""

import json
import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from gnomon.config import Settings
from gnomon.errors import UserError
from gnomon.seeds import derive
from gnomon.stats.edits import edit_distance
from gnomon.tasks.environment import SingleTurn, Step, Task, divide

SCHEMA = 1
DECISIONS = ("accepted", "rejected", "edited", "partial")

POINTERS = ("event", "scene", "before", "after", "scope")
"""Keys of an intent that hold ids of events and scenes, which are made of hashes: a short prompt is without them."""


def short_prompt(intent: Mapping[str, Any], span: str) -> str:
    """What is wanted and the passage, and nothing around it: `change_event say: “Yes,” cried Anna. =>`."""
    wanted = " ".join(str(value) for key, value in intent.items() if key not in POINTERS)
    return f"{wanted}: {span.strip()}{StoryEdit.separator}"


class Candidate(NamedTuple):
    """A text for a passage, and what the writer's decision is worth: 1 as it stands, 0 not at all."""

    text: str
    reward: float
    decision: str


class StoryEdit(Settings):
    """A decided suggestion a line, in the file at `path` (relative to where the command is run). The answer is the
    passage's new text. The prompt is the whole request as the line has it (`prompt = "request"`: what the editor sends
    a checkpoint), or `short_prompt` of it (`"passage"`), which a small model made from nothing can learn to read.

    A text that the writer judged earns the reward of that judgement: 1 accepted, 0 rejected, and between for one taken
    in part or mended; what the writer made of a mended one earns 1, and so does the passage as it stands where nothing
    that was proposed for it was taken. Any other text earns the reward of the one of these it is nearest to, times how
    near it is: 1 - (edit distance)/(longer length). Correct is a reward of 1.

    The teacher says each candidate as often as its reward asks for, which is weighted likelihood; where none has any,
    the writer kept the passage, and so does the teacher. With two attempts, a rejected candidate and one accepted after
    it are the teacher's first and second. Lines with equal `task` are one task. `n_test` and `n_validation` tasks are
    held out, a quarter at most, in an order that follows from `seed` and their contents.
    """

    name: ClassVar[str] = "story_edit"
    pure: ClassVar[bool] = True
    symbols: ClassVar[None] = None

    separator: ClassVar[str] = " =>"

    path: str
    prompt: Literal["request", "passage"] = "request"
    n_validation: int = Field(100, ge=1)
    n_test: int = Field(100, ge=1)
    seed: int = 0

    def tasks(self, split: str) -> Sequence[Task]:
        """The passages of a split, each with what was wanted of it."""
        return self._splits[split]

    def candidates(self, task: Task) -> tuple[Candidate, ...]:
        """The judged texts of a task, in the order in which they were judged."""
        return self._log[task.hash].candidates

    def start(self, task: Task, seed: int) -> SingleTurn:
        """An episode of one answer."""
        known = {candidate.text.strip(): candidate.reward for candidate in self.candidates(task)}
        if not any(known.values()):
            known.setdefault(task.payload["span"].strip(), 1.0)

        def grade(action: str) -> Step:
            text = action.strip()
            if text in known:
                nearness, reward = 1.0, known[text]
            else:
                nearness, reward = max((_nearness(text, other), known[other]) for other in known)
            return Step(nearness * reward, components={"nearness": nearness, "correct": float(nearness * reward >= 1)})

        if self.prompt == "request":
            return SingleTurn(self._log[task.hash].prompt, grade)
        return SingleTurn(short_prompt(task.payload["intent"], task.payload["span"]), grade)

    def demonstration(self, task: Task, seed: int) -> str:
        """A judged text, drawn in proportion to rewards; the passage itself where nothing proposed for it was taken."""
        candidates = self.candidates(task)
        rewards = [candidate.reward for candidate in candidates]
        if not any(rewards):
            return f" {task.payload['span'].strip()}"
        (drawn,) = random.Random(derive(seed, "story_edit", task.hash)).choices(candidates, rewards)
        return f" {drawn.text.strip()}"

    def tried(self, task: Task) -> tuple[str, str] | None:
        """The text that was rejected first and the one accepted after it, where there are both."""
        candidates = self.candidates(task)
        for first, candidate in enumerate(candidates):
            if candidate.reward == 0:
                later = [other.text for other in candidates[first + 1 :] if other.reward == 1]
                return (f" {candidate.text.strip()}", f" {later[0].strip()}") if later else None
        return None

    @cached_property
    def _splits(self) -> dict[str, tuple[Task, ...]]:
        entries = sorted(self._log, key=lambda key: derive(self.seed, "story_edit", key))
        if len(entries) < 3:
            raise UserError(f"{self.path} has {len(entries)} distinct tasks; at least 3 are needed to hold some out.")
        payloads = [self._log[key].payload for key in entries]
        return divide(payloads, lambda payload: _hash(payload)[:16], self.n_validation, self.n_test)

    @cached_property
    def _log(self) -> dict[str, "_Entry"]:
        """What the file says of each task, by the hash of its payload. Raises UserError for whatever is wrong in it."""
        found: dict[str, _Entry] = {}
        for number, line in _lines(self.path):
            entry = _entry(line, f"{self.path}: line {number}")
            key = _hash(entry.payload)
            if key in found:
                entry = found[key]._replace(candidates=found[key].candidates + entry.candidates)
            found[key] = entry
        if not found:
            raise UserError(f"{self.path}: no decided suggestion is in it; gnomon story export writes them.")
        return found


class _Entry(NamedTuple):
    payload: dict[str, Any]
    prompt: str
    candidates: tuple[Candidate, ...]


def _hash(payload: dict[str, Any]) -> str:
    return Task("", "", payload).hash


def _nearness(a: str, b: str) -> float:
    """1 for equal texts, 0 for texts without anything in common."""
    longer = max(len(a), len(b))
    return 1 - edit_distance(a, b) / longer if longer else 1.0


def _lines(path: str) -> list[tuple[int, str]]:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise UserError(
            f"task story_edit: {path!r} could not be read as UTF-8 text; a preference log written by"
            " gnomon story export --format preferences is expected."
        ) from fault
    return [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _entry(line: str, where: str) -> _Entry:
    """One line of the log."""
    try:
        row = json.loads(line)
    except ValueError as fault:
        raise UserError(f"{where} is not valid JSON; a decided suggestion is expected.") from fault
    if not isinstance(row, dict) or row.get("schema") != SCHEMA:
        schema = row.get("schema") if isinstance(row, dict) else None
        raise UserError(f"{where} has the schema {schema!r}; {SCHEMA} is expected.")
    try:
        payload, prompt, told = dict(row["task"]["payload"]), row["prompt"], row["task"]["hash"]
        intent, span = payload["intent"], payload["span"]
        candidates = tuple(each for candidate in row["candidates"] for each in _judged(candidate, where))
    except KeyError as fault:
        raise UserError(
            f"{where} has no {fault}; task, prompt and candidates as in a preference log are expected."
        ) from fault
    except (TypeError, AttributeError) as fault:
        raise UserError(f"{where}: task and candidates must be objects as in a preference log.") from fault
    if not isinstance(prompt, str) or not isinstance(span, str) or not isinstance(intent, dict) or not candidates:
        raise UserError(f"{where}: a prompt, an intent, a span and at least one candidate are expected.")
    if (found := _hash(payload)) != told:
        raise UserError(f"{where}: the payload's hash is {found[:12]}, not {str(told)[:12]} as it says.")
    return _Entry(payload, prompt, candidates)


def _judged(candidate: dict[str, Any], where: str) -> list[Candidate]:
    """A candidate, and what the writer made of it where it was mended."""
    text, reward, decision = candidate["text"], candidate["reward"], candidate["decision"]
    if decision not in DECISIONS:
        raise UserError(f"{where}: the decision {decision!r} is unknown; one of {', '.join(DECISIONS)} is expected.")
    if not isinstance(text, str) or isinstance(reward, bool) or not isinstance(reward, int | float):
        raise UserError(f"{where}: a candidate's text must be a text and its reward a number.")
    if not 0 <= reward <= 1:
        raise UserError(f"{where}: the reward {reward!r} must lie between 0 and 1.")
    judged = [Candidate(text, float(reward), decision)]
    if decision == "edited" and isinstance(candidate.get("edited_to"), str):
        judged.append(Candidate(candidate["edited_to"], 1.0, "accepted"))
    return judged
