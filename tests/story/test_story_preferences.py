"""The preference log: what a line says, what is not in it, and that the task of the first floor reads it."""

import hashlib
import json
import re
from dataclasses import replace

import pytest
from handmade import Told
from hypothesis import given
from hypothesis import strategies as st

from gnomon import tasks
from gnomon.stats.edits import edit_distance
from gnomon.story import preferences
from gnomon.story.document import Story
from gnomon.story.edits import Hunk, Suggestion, propose
from gnomon.story.history import Decision
from gnomon.story.project import Project
from gnomon.story.providers.runs import prompt_of
from gnomon.tasks import Task

TEXT = (
    "# One\n\nThe harbour slept. Anna Moss met Marcus in Bath. Grace wept. Anna gave Marcus her ring. It shone.\n\n"
    "***\n\nZelda dreamt of a secret. ANNA laughed in Bath. Will you go, grace of mine? I will, said Grace.\n"
)


def told():
    made = Told(TEXT)
    made.person("Anna Moss", "Anna Moss", "Anna", "her", "ANNA", aliases=("Anna",), gender="f", id="anna-moss")
    made.person("Marcus", gender="m").place("Bath")
    return made.event("met", "meet", "anna-moss", "marcus", "bath").event("gave", "give", "anna-moss", "marcus")


TOLD = told()
STORY, READ = TOLD.story, TOLD.extraction
RENAME = {"op": "rename", "target": "anna-moss", "to": "Clara Reed"}


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "draft.gnomon", STORY) as project:
        project.keep_preferences(True)
        yield project


def hunk(text, word, after, id, number=0, **more):
    at = -1
    for _ in range(number + 1):
        at = text.index(word, at + 1)
    return Hunk(id, at, at + len(word), word, after, "", **more)


def two(**more):
    """Two hunks in the first scene, in its second and its fourth sentence."""
    hunks = (hunk(TEXT, "met", "missed", "a", **more), hunk(TEXT, "ring", "silver ring", "b"))
    return Suggestion("s", {"op": "change_event", "event": "meet"}, hunks)


SPAN = "Anna Moss met Marcus in Bath. Grace wept. Anna gave Marcus her ring."


def test_a_line_is_the_passage_what_was_proposed_and_what_became_of_it(project):
    project.suggest(two())
    assert list(project.preference_lines()) == []  # nothing is decided
    project.decide("s", accept=["a"])
    assert list(project.preference_lines()) == []
    project.decide("s", reject=["b"])
    (line,) = json.loads(json.dumps(list(project.preference_lines())))
    assert list(line) == ["schema", "task", "prompt", "candidates", "time", "story_sha256"]
    assert (line["schema"], line["story_sha256"]) == (1, hashlib.sha256(TEXT.encode()).hexdigest())
    payload = {
        "op": "change_event",
        "intent": {"op": "change_event", "event": "meet"},
        "span": SPAN,
        "before": "# One\n\nThe harbour slept. ",
        "after": " It shone.",
        "language": "en",
    }
    assert line["task"] == {"id": "s", "split": "train", "payload": payload, "hash": Task("", "", payload).hash}
    assert line["prompt"] == prompt_of(
        {"task": "edit", **{key: payload[key] for key in ("intent", "span", "before", "after")}, "cast": []}
    )
    changed = len("met" + "missed"), len("ring" + "silver ring")
    assert line["candidates"] == [
        {
            "text": SPAN.replace("met", "missed").replace("ring", "silver ring"),
            "provider": "builtin",
            "decision": "partial",
            "edited_to": None,
            "reward": changed[0] / sum(changed),
            "hunks": [
                {"before": "met", "after": "missed", "decision": "accepted", "unintended": False},
                {"before": "ring", "after": "silver ring", "decision": "rejected", "unintended": False},
            ],
            "turn": None,
        }
    ]
    assert line["time"] == project.proposal("s").decisions["b"].time


@pytest.mark.parametrize(
    ("decisions", "decision", "reward"),
    [
        ({"accept": ["a", "b"]}, "accepted", 1.0),
        ({"reject": "all"}, "rejected", 0.0),
        ({"accept": ["b"], "edited": {"a": "greeted"}}, "edited", None),
        ({"reject": ["b"], "edited": {"a": "met"}}, "edited", None),
    ],
)
@pytest.mark.parametrize("unintended", [False, True])
def test_rewards(project, decisions, decision, reward, unintended):
    project.suggest(two(unintended=unintended))
    project.decide("s", **decisions)
    (line,) = project.preference_lines()
    (candidate,) = line["candidates"]
    made = project.text[len("# One\n\nThe harbour slept. ") : project.text.index(" It shone.")]
    assert candidate["decision"] == decision
    assert candidate["edited_to"] == (made if decision == "edited" else None)
    if reward is None:
        proposed = candidate["text"]
        reward = 1 - edit_distance(proposed, made) / max(len(proposed), len(made))
    left_in = unintended and "met" not in made
    assert candidate["reward"] == pytest.approx(max(0.0, reward - 0.5 * left_in))
    assert candidate["hunks"][0]["unintended"] == unintended


def test_a_reward_is_never_below_nothing():
    hunks = [(Hunk(str(n), n, n + 1, "a", "b", "", unintended=True), Decision("accepted", "b", "")) for n in range(3)]
    assert preferences.reward("accepted", "bbb", "bbb", hunks) == 0
    assert preferences.reward("accepted", "b", "b", hunks[:1]) == 0.5


@given(st.text("ab c", max_size=20), st.text("ab c", max_size=20))
def test_the_distance_is_that_of_levenshtein(a, b):
    assert preferences.distance(a, b) == edit_distance(a, b)


def test_nothing_is_kept_unless_the_writer_wants_it(tmp_path):
    def lines_in(project):
        return project._db.execute("SELECT count(*) FROM log").fetchone()[0]

    with Project.create(tmp_path / "draft.gnomon", STORY) as project:
        assert not project.preferences
        project.suggest(two())
        project.decide("s", accept="all")
        assert lines_in(project) == 0
        project.undo()
        project.keep_preferences(True)
        project.suggest(two())
        project.suggest(two())
        project.decide("s-2", reject="all")
        project.keep_preferences(False)  # s-3 is not decided: it goes
        project.decide("s-3", reject="all")
    with Project.open(tmp_path / "draft.gnomon") as project:
        assert not project.preferences
        assert [line["task"]["id"] for line in project.preference_lines()] == ["s-2"]
        project.forget_preferences()
        assert lines_in(project) == 0
        project.keep_preferences(True)
    with Project.open(tmp_path / "draft.gnomon") as project:
        assert project.preferences


def test_text_of_other_scenes_is_in_no_line(project):
    suggestion = propose(STORY, READ, RENAME)
    project.suggest(suggestion, extraction=READ)
    project.decide(suggestion.id, accept="all", reject="all")
    first, second = project.preference_lines()
    assert "secret" not in json.dumps(first)
    assert "harbour" not in json.dumps(second)
    assert "secret" in second["task"]["payload"]["before"]
    assert [line["task"]["id"] for line in (first, second)] == [f"{suggestion.id}.1", f"{suggestion.id}.2"]
    assert second["task"]["payload"]["span"] == "ANNA laughed in Bath."
    assert {each["id"] for each in json.loads(first["prompt"])["cast"]} == {"anna-moss", "marcus", "bath"}
    assert sum(len(line["candidates"][0]["hunks"]) for line in (first, second)) == len(suggestion.hunks)


def test_a_provider_s_request_is_the_line_s_prompt_and_its_turn_is_kept(project):
    start = TEXT.index("Anna gave")
    request = {
        "task": "edit",
        "intent": {"op": "swap_roles", "event": "give"},
        "span": "Anna gave Marcus her ring.",
        "before": "Grace wept. ",
        "after": " It shone.",
        "cast": [],
    }
    turn = {
        "prompt_ids": [1],
        "action_ids": [2],
        "behaviour_log_probs": [-0.5],
        "policy_version": 0,
        "temperature": 1.0,
    }
    usage = {"requests": 1, "prompts": [request], "prompt": "shorter\n", "turn": turn}
    one = Hunk("h", start, start + 16, "Anna gave Marcus", "Marcus gave Anna", "")
    project.suggest(Suggestion("s", request["intent"], (one,), "small", usage=usage))
    project.decide("s", accept="all")
    (line,) = project.preference_lines()
    assert line["prompt"] == "shorter\n"
    payload = line["task"]["payload"]
    assert {key: payload[key] for key in ("intent", "span", "before", "after")} == {
        key: request[key] for key in ("intent", "span", "before", "after")
    }
    candidate = line["candidates"][0]
    assert (candidate["turn"], candidate["provider"]) == (turn, "small")
    assert candidate["text"] == "Marcus gave Anna her ring."
    several = replace(
        project.proposal("s").suggestion, id="t", usage={**usage, "prompts": [request, request]},
        hunks=(hunk(project.text, "ring", "pin", "h"),),
    )  # fmt: skip
    project.suggest(several)
    project.decide("t", accept="all")
    line = list(project.preference_lines())[1]
    assert line["candidates"][0]["turn"] is None  # it belongs to the last request alone


NAMES = re.compile(r"anna|moss|marcus|bath|clara|reed|zelda|grace\b(?! of mine)|beatrix", re.IGNORECASE)


@pytest.mark.parametrize("extraction", [None, READ], ids=["names by capitals", "names as read"])
def test_redaction_leaves_no_name(project, extraction):
    rename = propose(STORY, READ, RENAME)
    project.suggest(rename, extraction=extraction)
    ids = [each.id for each in rename.hunks]
    project.decide(rename.id, accept=ids[1:-1], edited={ids[0]: "Beatrix"}, reject=ids[-1:])
    named = list(project.preference_lines())
    lines = list(project.preference_lines(redact=True))
    assert NAMES.search(json.dumps(named))
    found = NAMES.search(json.dumps(lines).replace(rename.id, ""))
    assert found is None, found
    for line, open_ in zip(lines, named, strict=True):
        assert line["task"]["hash"] == Task("", "", line["task"]["payload"]).hash != open_["task"]["hash"]
        request = json.loads(line["prompt"])
        assert request["span"] == line["task"]["payload"]["span"]
        assert request["intent"] == line["task"]["payload"]["intent"]
        assert line["candidates"][0]["reward"] == open_["candidates"][0]["reward"]
        assert line["candidates"][0]["turn"] is None
    first = lines[0]["task"]["payload"]
    if extraction is not None:
        assert (
            first["span"]
            == "CHARACTER_1 met CHARACTER_2 in PLACE_1. NAME_3 wept. CHARACTER_1 gave CHARACTER_2 her ring."
        )
        assert first["intent"] == {"op": "rename", "target": "CHARACTER_1", "to": "NAME_1"}
    assert first["before"] == "# One\n\nThe harbour slept. "
    assert "Will you go, grace of mine? I will, said NAME_" in lines[1]["task"]["payload"]["after"]


def test_romanian_names_are_hidden_in_their_cases(tmp_path):
    text = "Stanca plecase la râu. Mama Stancăi nu mai știa nimic și era tristă."
    story = Story.from_text(text, language="ro")
    read = Told(text, language="ro").person("Stanca", "Stanca", gender="f").extraction
    with Project.create(tmp_path / "draft.gnomon", story) as project:
        project.keep_preferences(True)
        project.suggest(
            Suggestion("s", {"op": "remove_event", "event": "e"}, (hunk(text, " la râu", "", "h"),)), extraction=read
        )
        project.decide("s", accept="all")
        (line,) = project.preference_lines(redact=True)
    assert "Stanc" not in json.dumps(line, ensure_ascii=False)
    assert line["task"]["payload"]["span"].startswith("CHARACTER_1 plecase la râu.")


def test_a_suggestion_for_an_older_text_is_kept_where_it_lies_now(project):
    project.edit(1, [(0, 0, "Preface.\n\n")])
    project.suggest(two(), revision=1, extraction=READ)
    project.decide("s", accept="all")
    (line,) = project.preference_lines()
    assert line["task"]["payload"]["span"] == SPAN
    assert json.loads(line["prompt"])["cast"] == []


def test_what_is_undone_is_not_told(project):
    project.suggest(two())
    project.decide("s", accept="all")
    project.undo()
    assert list(project.preference_lines()) == []
    project.redo()
    assert len(list(project.preference_lines())) == 1


def test_the_task_reads_it_and_two_candidates_for_one_passage_are_one_task(project, tmp_path):
    project.suggest(two())
    project.decide("s", reject="all")
    again = replace(two(), id="t", hunks=(hunk(TEXT, "met", "greeted", "a"), two().hunks[1]))
    project.suggest(again)
    project.decide("t", accept="all")
    for number, word in enumerate(("harbour", "shone", "wept")):
        text = project.text
        project.suggest(Suggestion(f"u{number}", {"op": "change_event"}, (hunk(text, word, "x", "a"),)))
        project.decide(f"u{number}", accept="all")
    file = tmp_path / "log.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in project.preference_lines()), encoding="utf-8")
    environment = tasks.get("story_edit", path=str(file), n_test=1, n_validation=1)
    every = [task for split in ("train", "validation", "test") for task in environment.tasks(split)]
    assert len(every) == 4
    (both,) = [task for task in every if task.payload["span"] == SPAN]
    assert [each.reward for each in environment.candidates(both)] == [0.0, 1.0]
    assert environment.tried(both)[1] == " " + SPAN.replace("met", "greeted").replace("ring", "silver ring")
    episode = environment.start(both, 0)
    assert episode.step(SPAN.replace("met", "greeted").replace("ring", "silver ring")).reward == 1
