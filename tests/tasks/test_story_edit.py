"""The preference log as an environment: rewards of judged and of other texts, the teacher, two attempts, bad files."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gnomon import tasks
from gnomon.errors import UserError
from gnomon.tasks import Task, TwoAttempt
from gnomon.tasks.testing import check_environment


def line(
    span: str, *candidates: tuple[str, str, float], edited_to: str | None = None, **changes: Any
) -> dict[str, Any]:
    payload = {"op": "rename", "intent": {}, "span": span, "before": "", "after": "", "language": "en"}
    judged = [
        {
            "text": text,
            "provider": "builtin",
            "decision": decision,
            "edited_to": edited_to,
            "reward": reward,
            "hunks": [],
            "turn": None,
        }
        for text, decision, reward in candidates
    ]
    task = {"id": "t", "split": "train", "payload": payload, "hash": Task("", "", payload).hash}
    return {
        "schema": 1,
        "task": task,
        "prompt": f"rename: {span}",
        "candidates": judged,
        "time": "",
        "story_sha256": "",
        **changes,
    }


def log(folder: Path, *lines: Any) -> str:
    file = folder / "log.jsonl"
    file.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines))
    return str(file)


FILLING = [line(f"Ann sat {n}.", (f"Eve sat {n}.", "accepted", 1.0)) for n in range(8)]


def find(environment: Any, span: str) -> Task:
    return next(
        t for split in ("train", "validation", "test") for t in environment.tasks(split) if t.payload["span"] == span
    )


def test_it_is_an_environment_like_any_other(tmp_path):
    environment = tasks.get("story_edit", path=log(tmp_path, *FILLING), n_test=2, n_validation=2)
    check_environment(environment)
    assert [len(environment.tasks(split)) for split in ("train", "validation", "test")] == [4, 2, 2]
    task = environment.tasks("test")[0]
    assert environment.start(task, 0).prompt == f"rename: {task.payload['span']}"  # the line's own, to the letter


def test_a_short_prompt_is_what_was_wanted_and_the_passage_without_ids_of_events(tmp_path):
    written = line("Ann ran.\n", ("Ann fled.", "accepted", 1.0))
    written["task"]["payload"]["intent"] = {"op": "change_event", "event": "8aeae98b98c1.0.0", "verb": "flee"}
    written["task"]["hash"] = Task("", "", written["task"]["payload"]).hash
    environment = tasks.get("story_edit", path=log(tmp_path, written, *FILLING), prompt="passage")
    check_environment(environment)
    assert environment.start(find(environment, "Ann ran.\n"), 0).prompt == "change_event flee: Ann ran. =>"


def test_where_nothing_proposed_was_taken_the_passage_as_it_stands_is_right(tmp_path):
    left = line("Ann ran.", ("Ann fled.", "rejected", 0.0))
    taken = line("Ann sat.", ("Ann fled.", "rejected", 0.0), ("Ann stood.", "partial", 0.25))
    environment = tasks.get("story_edit", path=log(tmp_path, left, taken, *FILLING))

    def reward(span: str, text: str) -> float:
        return environment.start(find(environment, span), 0).step(text).reward

    assert reward("Ann ran.", " Ann ran.") == 1
    assert reward("Ann ran.", "Ann ran!") == pytest.approx(1 - 1 / 8)
    assert reward("Ann ran.", "Ann fled.") == 0
    assert reward("Ann ran.", "Ann fled!") == 0  # nearer to what was rejected
    assert reward("Ann sat.", "Ann sat.") < 0.25


def test_judged_texts_earn_their_judgement_and_others_that_of_the_nearest_less_their_distance(tmp_path):
    written = line(
        "Ann ran.",
        ("Eve ran.", "accepted", 1.0),
        ("Eve fell.", "rejected", 0.0),
        ("Eve ran. She ran.", "partial", 0.25),
    )
    environment = tasks.get("story_edit", path=log(tmp_path, written, *FILLING))
    task = find(environment, "Ann ran.")

    def reward(text: str) -> float:
        return environment.start(task, 0).step(text).reward

    assert reward(" Eve ran. ") == 1
    assert reward("Eve fell.") == 0
    assert reward("Eve ran. She ran.") == 0.25
    assert reward("Eve ran!") == pytest.approx(1 - 1 / 8)  # of 8 letters one differs from the accepted text
    assert reward("Eve fell!") == 0  # nearest to the rejected one
    assert reward("") == 0
    assert environment.start(task, 0).step("Eve ran.").correct
    assert not environment.start(task, 0).step("Eve ran!").correct


def test_what_the_writer_made_of_a_text_is_right(tmp_path):
    written = line("Ann ran.", ("Eve run.", "edited", 0.875), edited_to="Eve ran.")
    environment = tasks.get("story_edit", path=log(tmp_path, written, *FILLING))
    task = find(environment, "Ann ran.")
    assert [candidate.reward for candidate in environment.candidates(task)] == [0.875, 1.0]
    assert environment.start(task, 0).step("Eve ran.").reward == 1


def test_the_teacher_says_each_text_as_often_as_its_reward_asks(tmp_path):
    written = line("Ann ran.", ("A", "partial", 0.25), ("B", "partial", 0.75), ("C", "rejected", 0.0))
    nothing = line("Ann fell.", ("D", "rejected", 0.0))
    environment = tasks.get("story_edit", path=log(tmp_path, written, nothing, *FILLING))
    drawn = Counter(environment.demonstration(find(environment, "Ann ran."), seed) for seed in range(2000))
    assert drawn.keys() == {" A", " B"}
    assert abs(drawn[" A"] - 500) < 4 * (2000 * 0.25 * 0.75) ** 0.5  # four standard errors
    assert environment.demonstration(find(environment, "Ann fell."), 0) == " Ann fell."


def test_lines_of_one_task_are_joined_and_a_rejection_before_an_acceptance_is_two_attempts(tmp_path):
    lines = [line("Ann ran.", ("A", "rejected", 0.0)), line("Ann ran.", ("B", "accepted", 1.0)), *FILLING]
    environment = tasks.get("story_edit", path=log(tmp_path, *lines))
    task = find(environment, "Ann ran.")
    assert [candidate.text for candidate in environment.candidates(task)] == ["A", "B"]
    twice = TwoAttempt(tasks.Binary(environment))
    assert TwoAttempt(environment).demonstrations(task, 0) == (" A", " B")
    assert twice.demonstrations(task, 0) == (" A", " B")
    other = find(environment, "Ann sat 3.")
    assert environment.tried(other) is None
    assert TwoAttempt(environment).demonstrations(other, 0) == (" Eve sat 3.", " Eve sat 3.")


def test_an_acceptance_before_a_rejection_is_no_second_attempt(tmp_path):
    written = line("Ann ran.", ("B", "accepted", 1.0), ("A", "rejected", 0.0))
    environment = tasks.get("story_edit", path=log(tmp_path, written, *FILLING))
    assert environment.tried(find(environment, "Ann ran.")) is None


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{", "line 1 is not valid JSON"),
        ("[1]", "schema None"),
        (line("x", ("y", "accepted", 1.0), schema=2), "schema 2; 1 is expected"),
        (line("x", ("y", "taken", 1.0)), "decision 'taken' is unknown"),
        (line("x", ("y", "accepted", 1.5)), "reward 1.5 must lie between 0 and 1"),
        (line("x", ("y", "accepted", True)), "reward a number"),
        (line("x"), "at least one candidate"),
        ({"schema": 1}, "has no 'task'"),
        ({**line("x", ("y", "accepted", 1.0)), "candidates": [3]}, "must be objects"),
        ({**line("x", ("y", "accepted", 1.0)), "task": {"payload": {"span": "x"}, "hash": "0"}}, "has no 'intent'"),
        (
            {**line("x", ("y", "accepted", 1.0)), "task": {"payload": {"span": "x", "intent": 1}, "hash": ""}},
            "an intent",
        ),
        (
            {**line("x", ("y", "accepted", 1.0)), "task": {"payload": {"span": "x", "intent": {}}, "hash": "0"}},
            "hash is",
        ),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path, bad, said):
    environment = tasks.get("story_edit", path=log(tmp_path, bad, *FILLING))
    with pytest.raises(UserError, match=r"log\.jsonl: line 1") as caught:
        environment.tasks("train")
    assert said in str(caught.value)


def test_a_file_that_is_none_or_too_small_is_refused(tmp_path):
    with pytest.raises(UserError, match="could not be read"):
        tasks.get("story_edit", path=str(tmp_path)).tasks("train")
    with pytest.raises(UserError, match="no decided suggestion"):
        tasks.get("story_edit", path=log(tmp_path)).tasks("train")
    with pytest.raises(UserError, match="has 1 distinct tasks; at least 3"):
        tasks.get("story_edit", path=log(tmp_path, FILLING[0])).tasks("train")
