"""A story's project: edits, history, facts and decisions against plain oracles; who may open it; what is damaged."""

import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.story import history, storage
from gnomon.story.analysis import Analysis, Token
from gnomon.story.anchors import Anchor, Edit
from gnomon.story.document import Story
from gnomon.story.edits import Hunk, Suggestion
from gnomon.story.extracting import Cache, Record
from gnomon.story.formats import read
from gnomon.story.history import Change
from gnomon.story.project import Conflict, EditError, NotThere, Project
from gnomon.story.records import Extraction, Fact
from gnomon.story.storage import DamagedProject

TEXT = "# Unu\n\nAna și Ștefan 😀 plecaseră. Ana râse.\n\n***\n\n“Go,” said Mr. Moss. He left\n"


@pytest.fixture
def folder():
    """A folder in memory where there is one: the disk's fsync is not what is tested."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as path:
        yield Path(path)


def made(folder, text=TEXT, **more):
    return Project.create(folder / "draft.gnomon", Story.from_text(text, **more))


def hunk(text, word, after, id="h1", number=0, **more):
    at = -1
    for _ in range(number + 1):
        at = text.index(word, at + 1)
    return Hunk(id, at, at + len(word), word, after, "because", **more)


def suggestion(*hunks, id="s", **more):
    return Suggestion(id, {"op": "rename"}, tuple(hunks), **more)


def plain(text, edits):
    for start, end, new in edits:
        text = text[:start] + new + text[end:]
    return text


# -- edits ------------------------------------------------------------------------------------------------------------


def test_what_is_kept_of_a_story(folder):
    text = "Era seară și Ana nu mai știa dacă el va veni, iar Ștefan spuse că a fost la moară cu ea."
    story = Story.from_text(text, title="Unu", language="auto", newline="\r\n", encoding="cp1250")
    assert story.language == "ro"
    with Project.create(folder / "draft.gnomon", story) as project:
        assert project.story is story
    with Project.open(folder / "draft.gnomon") as project:
        assert (project.story, project.text, project.title, project.revision) == (story, text, "Unu", 1)
        project.edit(1, [(0, len(text), "She was not there and he knew that it was the end of all of this.")])
        assert project.story.language == "en"  # found anew, as it was before
        assert [node.kind for node in project.history().nodes] == ["start", "edit"]
    assert [each.name for each in folder.iterdir()] == ["draft.gnomon"]


@given(
    st.text("ab\n", max_size=30),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6), st.text("xyz\n", max_size=12)), max_size=12),
)
def test_changes_are_made_one_after_the_other_and_taken_back(text, drawn):
    changes, expected = [], text
    for start, size, new in drawn:
        start = min(start, len(expected))
        changes.append(Change(start, expected[start : start + size], new))
        expected = plain(expected, [(start, start + len(changes[-1].removed), new)])
    part, history._PART = history._PART, 4
    try:
        assert history.applied(text, changes) == expected
        assert history.applied(expected, history.undone(changes)) == text
        apart = [change for number, change in enumerate(changes) if history._from_the_end([*changes[:number], change])]
        if apart and history._from_the_end(apart):
            once = history.applied(text, apart)
            assert once == plain(text, [change.edit for change in apart])
    finally:
        history._PART = part


def test_what_a_deleted_project_left_behind_is_not_taken_for_the_new_ones(folder):
    path = folder / "draft.gnomon"
    first = Project.create(path, Story.from_text("First."))
    first.edit(1, [(0, 5, "Changed")])
    left = path.with_name("draft.gnomon-wal").read_bytes()
    assert left
    first.close()
    path.unlink()
    path.with_name("draft.gnomon-wal").write_bytes(left)
    with Project.create(path, Story.from_text("Second.")) as second:
        assert second.text == "Second."


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_edits_undos_redos_and_restores_against_an_oracle(data, folder, monkeypatch):
    monkeypatch.setattr(history, "COPY_AFTER", data.draw(st.sampled_from([1, 3, 400])))
    path = Path(tempfile.mkdtemp(dir=folder)) / "draft.gnomon"
    project = Project.create(path, Story.from_text("One. Two.\n\nThree."))
    nodes = {1: ("One. Two.\n\nThree.", None)}
    redo: dict[int, int] = {}
    current, revision, labels = 1, 1, {}
    for _ in range(data.draw(st.integers(1, 14))):
        text = nodes[current][0]
        op = data.draw(
            st.sampled_from(["edit", "edit", "edit", "undo", "redo", "restore", "snapshot", "open", "story"])
        )
        if op == "edit":
            edits, new = [], text
            for _ in range(data.draw(st.integers(1, 3))):
                start = data.draw(st.integers(0, len(new)))
                end = data.draw(st.integers(start, min(len(new), start + 6)))
                edits.append((start, end, data.draw(st.sampled_from(["", "x", "Yes. ", "\n\n", "😀", "ș"]))))
                new = plain(new, edits[-1:])
            changes = [edit for edit in edits if edit[0] != edit[1] or edit[2]]
            number = project.edit(revision, edits)
            if len(project.history().nodes) > len(nodes):
                redo[current] = len(nodes) + 1
                nodes[len(nodes) + 1] = (new, current)
                current, revision = len(nodes), revision + 1
            else:
                assert new == text or not changes
            assert number == revision
        elif op == "undo" and nodes[current][1] is not None:
            redo[nodes[current][1]] = current
            current = nodes[current][1]
            revision += nodes[current][0] != text
            assert project.undo() == revision
        elif op == "redo":
            current = redo.get(current, current)
            revision += nodes[current][0] != text
            assert project.redo() == revision
        elif op == "restore":
            current = data.draw(st.sampled_from(sorted(nodes)))
            revision += nodes[current][0] != text
            assert project.restore(current) == revision
        elif op == "snapshot":
            labels[f"draft {len(labels)}"] = current
            assert project.snapshot(f"draft {len(labels) - 1}") == current
        elif op == "open":
            project.close()
            project = Project.open(path)
        else:
            assert project.story == Story.from_text(nodes[current][0])
        assert (project.text, project.revision) == (nodes[current][0], revision)
    assert project.story == Story.from_text(nodes[current][0])
    told = project.history()
    assert told.current == current
    assert [(node.id, node.parent) for node in told.nodes] == [(id, parent) for id, (_, parent) in nodes.items()]
    assert {label: node.id for node in told.nodes for label in node.labels} == labels
    json.dumps(told.to_dict())
    for id, (text, _) in nodes.items():
        project.restore(id)
        assert project.text == text
    project.close()


@pytest.mark.parametrize(
    ("edits", "field"),
    [
        ([(0, 1, "x"), (90, 91, "x")], "edits[1].start"),
        ([(0, 4, ""), (75, 79, "x")], "edits[1].end"),  # there before the first edit, and not after it
        ([(0, 1, "x"), (5, 4, "x")], "edits[1].end"),
        ([(-1, 1, "x")], "edits[0].start"),
        ([(True, 1, "x")], "edits[0].start"),
        ([(0, 1, "a\ud800")], "edits[0].text"),
        ([(0, 1, "a\0")], "edits[0].text"),
        ([(0, 1, None)], "edits[0].text"),
        ([(0, 1)], "edits[0]"),
    ],
)
def test_an_edit_outside_the_text_applies_nothing(folder, edits, field):
    assert len(TEXT) == 79
    with made(folder) as project:
        with pytest.raises(EditError, match=r"^edits\[\d\]") as fault:
            project.edit(1, edits)
        assert fault.value.field == field
        assert (project.text, project.revision, len(project.history().nodes)) == (TEXT, 1, 1)


def test_an_edit_of_another_revision_is_refused(folder):
    with made(folder) as project:
        assert project.edit(1, [(0, 1, "##")]) == 2
        for revision in (1, 3):
            with pytest.raises(Conflict) as fault:
                project.edit(revision, [(0, 1, "")])
            assert fault.value.revision == 2
        assert project.edit(2, []) == project.edit(2, [(0, 2, "##")]) == 2  # changes nothing: no step
        assert len(project.history().nodes) == 2
        project.undo()
        assert (project.revision, project.text) == (3, TEXT)
        assert project.undo() == 3  # there is nothing before
        assert project.redo() == 4
        assert project.redo() == 4
        for node in (0, 3, "1", True):
            with pytest.raises(NotThere):
                project.restore(node)


def test_snapshots_have_names(folder):
    with made(folder) as project:
        project.snapshot(" before ")
        for label in ("before", "", "  ", "a\0", None):
            with pytest.raises(UserError, match="snapshot"):
                project.snapshot(label)
        assert project.history().nodes[0].labels == ("before",)


def test_scenes_of_the_callers_own_come_back(folder):
    scenes = [(0, 5), (7, 20), (20, 70)]
    with made(folder, scenes=scenes) as project:
        first = project.story
        project.edit(1, [(3, 12, "x")])
        expected = first.edit(3, 12, "x")
        assert project.story.scenes == expected.scenes
        project.undo()
        assert project.story == first
    with Project.open(folder / "draft.gnomon") as project:
        assert project.story == first
        project.redo()
        assert project.story == expected


def test_no_text_is_far_from_a_copy_and_the_file_grows_by_what_is_edited(folder):
    text = "".join(f"Paragraph {n} is told.\n\n" for n in range(4000))
    sizes = []
    with made(folder, text) as project:
        for number in range(1, 1001):
            at = number * 61 % len(project.text)
            project.edit(project.revision, [(at, at, "word ")])
            if number in (500, 1000):
                project._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                sizes.append(project.path.stat().st_size)
        steps = [steps for (steps,) in project._db.execute("SELECT steps FROM nodes")]
        assert max(steps) == history.COPY_AFTER
        assert steps.count(0) == 3
        assert sizes[1] <= 2 * sizes[0]
        assert sizes[1] - sizes[0] < 2 * len(text)  # five hundred texts would be 25 million characters
        assert len(project._states) <= 64


# -- facts ------------------------------------------------------------------------------------------------------------


def test_facts_move_with_the_text_are_lost_with_it_and_come_back(folder):
    at = TEXT.index("Ștefan")
    with made(folder) as project:
        first = project.add_fact(Fact("gender", project.story.anchor(at, at + 6), "m"))
        second = project.add_fact(Fact("merge", "ana", "stefan"))
        assert (first, second, project.revision) == (1, 2, 1)
        project.edit(1, [(0, 0, "😀😀")])
        assert project.facts[first].subject == Anchor.at(project.text, at + 2, at + 8)
        project.edit(2, [(at, at + 12, "")])
        assert (list(project.facts), list(project.lost_facts)) == ([second], [first])
        assert project.lost_facts[first].subject.quote == "Ștefan"
        project.remove_fact(second)
        assert not project.facts
        with pytest.raises(NotThere):
            project.remove_fact(second)
    with Project.open(folder / "draft.gnomon") as project:
        assert (list(project.facts), list(project.lost_facts)) == ([], [first])
        project.undo()
        assert (list(project.facts), list(project.lost_facts)) == ([second], [first])
        project.undo()
        assert project.facts[first].subject == Anchor.at(project.text, at + 2, at + 8)
        project.restore(1)
        assert not project.facts
        assert project.add_fact(Fact("ignore", "moss")) == 3


def test_what_is_no_fact(folder):
    with made(folder) as project:
        with pytest.raises(UserError, match="no kind of fact"):
            project.add_fact(Fact("mood", "ana"))
        with pytest.raises(UserError, match="anchor, an id or a name"):
            project.add_fact(Fact("alias", "ana", 3))
        with pytest.raises(Conflict):
            project.add_fact(Fact("ignore", Anchor(0, 3, "Ana", "", "")))
        assert (len(project.history().nodes), dict(project.facts)) == (1, {})


# -- proposals --------------------------------------------------------------------------------------------------------


@given(st.integers(0, 12), st.integers(1, 6), st.integers(0, 20), st.integers(0, 8), st.text("xy", max_size=3))
def test_a_span_is_carried_as_an_anchor_is(start, size, first, length, new):
    text = "abcdefghijklmnopqrstuvwxyz"
    edit = Edit(first, first + length, new)
    moved = Anchor.at(text, start, start + size).moved(edit)
    assert history.carried(start, start + size, edit) == (None if moved is None else (moved.start, moved.end))


def test_an_empty_span_is_lost_with_both_its_neighbours():
    assert history.carried(5, 5, Edit(0, 5, "ab")) == (2, 2)
    assert history.carried(5, 5, Edit(5, 9, "ab")) == (5, 5)
    assert history.carried(5, 5, Edit(5, 5, "ab")) == (7, 7)
    assert history.carried(5, 5, Edit(4, 6, "ab")) is None


def test_undecided_hunks_stay_open_and_move(folder):
    hunks = [hunk(TEXT, "Ana", "Ioana", "a"), hunk(TEXT, "Ana", "Ioana", "b", 1), hunk(TEXT, "Moss", "Reed", "c")]
    with made(folder) as project:
        proposal = project.suggest(suggestion(*hunks))
        assert proposal.remaining.hunks == tuple(hunks)
        assert project.revision == 1
        project.edit(1, [(0, 0, "Foreword.\n\n")])
        assert project.decide("s", accept=["a"]) == 3
        assert project.text == "Foreword.\n\n" + TEXT.replace("Ana", "Ioana", 1)
        left = project.proposal("s")
        assert [
            (each.id, each.start - was.start) for each, was in zip(left.remaining.hunks, hunks[1:], strict=True)
        ] == [("b", 13), ("c", 13)]
        assert not left.decided
        assert project.decide("s", edited={"b": "Maria"}, reject=["c"]) == 4
        assert project.text == "Foreword.\n\n" + TEXT.replace("Ana", "Ioana", 1).replace("Ana", "Maria")
        told = project.proposals()[0]
        assert told.decided
        assert {name: each.decision for name, each in told.decisions.items()} == {
            "a": "accepted",
            "b": "edited",
            "c": "rejected",
        }
        shown = told.to_dict()
        assert [each["decision"] for each in shown["hunks"]] == ["accepted", "edited", "rejected"]
        assert (shown["state"], shown["hunks"][1]["edited_to"]) == ("decided", "Maria")
        json.dumps(shown)
    with Project.open(folder / "draft.gnomon") as project:
        assert project.proposals() == (told,)
        project.undo()
        again = project.proposal("s")
        assert again.places == left.places
        assert list(again.decisions) == ["a"]
        project.undo()
        assert project.text == "Foreword.\n\n" + TEXT
        assert not project.proposal("s").decisions


def test_a_hunk_whose_text_has_changed_can_only_be_rejected(folder):
    hunks = [
        hunk(TEXT, "Ana", "Ioana", "a"),
        Hunk("new", 79, 79, "", "The end.\n", ""),
        hunk(TEXT, "left", "went", "c"),
    ]
    hunks = sorted(hunks, key=lambda each: each.start)
    with made(folder) as project:
        project.suggest(suggestion(*hunks))
        at = TEXT.index("Ana")
        left = TEXT.index("left") + 1  # the first edit makes one letter more
        project.edit(1, [(at + 1, at + 2, "nn"), (left, left + 4, "stayed")])
        assert project.proposal("s").changed == {"a", "c"}
        for id in "ac":
            with pytest.raises(Conflict, match="has changed") as fault:
                project.decide("s", accept=[id, "new"])
            assert fault.value.revision == project.revision == 2
        with pytest.raises(Conflict, match="has changed"):
            project.decide("s", edited={"a": "Ana"})
        text = project.text
        project.decide("s", accept=["new"], reject=["a", "c"])
        assert project.text == text + "The end.\n"
        assert project.proposal("s").decided


def test_a_hunk_between_letters_that_went_is_not_accepted(folder):
    with made(folder) as project:
        project.suggest(suggestion(Hunk("h", 20, 20, "", "x", "")))
        project.edit(1, [(18, 22, "")])
        assert project.proposal("s").changed == {"h"}
        project.undo()
        assert not project.proposal("s").changed


def test_what_can_be_decided(folder):
    hunks = [
        hunk(TEXT, "Ana", "Ioana", "a"),
        hunk(TEXT, "Ana", "Ioana", "b", 1, optional=True),
        hunk(TEXT, "Moss", "Reed", "c", unintended=True),
    ]
    with made(folder) as project:
        project.suggest(suggestion(*hunks))
        for asked, match in (
            ({"accept": ["d"]}, "no hunk 'd'; it has a, b, c"),
            ({"accept": ["a"], "reject": ["a"]}, "named twice"),
            ({"accept": ["a"], "edited": {"a": "x"}}, "named twice"),
            ({"edited": {"a": "x\0"}}, "edited.a"),
            ({"accept": ["a"], "revision": 2}, "revision 1 and not 2"),
        ):
            with pytest.raises(UserError, match=match):
                project.decide("s", **asked)
        with pytest.raises(NotThere):
            project.decide("t", accept="all")
        assert project.decide("s") == 1
        assert len(project.history().nodes) == 1
        project.decide("s", accept="all")
        assert project.text == TEXT.replace("Ana", "Ioana", 1)
        with pytest.raises(UserError, match="accepted already"):
            project.decide("s", reject=["a"])
        assert project.decide("s", reject="all") == 2  # no text has changed
        assert project.proposal("s").decided
        assert project.suggest(suggestion(hunk(project.text, "Moss", "X"))).suggestion.id == "s-2"
        with pytest.raises(UserError, match="no hunks"):
            project.suggest(suggestion())


def test_a_suggestion_for_an_older_text_is_moved_or_refused(folder):
    with made(folder) as project:
        project.edit(1, [(0, 0, "ab")])
        project.edit(2, [(2, 3, "")])
        ours = suggestion(hunk(TEXT, "Moss", "Reed"))
        with pytest.raises(Conflict, match="not there"):
            project.suggest(ours)
        assert not project.proposals()
        proposal = project.suggest(ours, revision=1)
        assert proposal.remaining.hunks[0].start == ours.hunks[0].start + 1
        assert not proposal.changed
        project.restore(1)
        with pytest.raises(Conflict, match="not known"):
            project.suggest(ours, revision=2)
        with pytest.raises(Conflict, match="not known"):
            project.suggest(ours, revision=9)


def test_a_suggestion_belongs_to_the_step_it_was_made_at_and_what_follows(folder, monkeypatch):
    monkeypatch.setattr(history, "COPY_AFTER", 0)  # every step after it has a full copy already
    with made(folder) as project:
        project.edit(1, [(0, 0, "x")])
        project.edit(2, [(0, 0, "x")])
        project.undo()
        project.undo()
        project.suggest(suggestion(hunk(TEXT, "Moss", "Reed")))
        project.redo()
        project.redo()
        start = TEXT.index("Moss")
        assert project.proposal("s").places == {"h1": (start + 2, start + 6)}
        project.suggest(suggestion(hunk(project.text, "Ana", "Ioana"), id="t"))
        project.undo()
        with pytest.raises(NotThere, match="later step"):
            project.proposal("t")
        assert [each.suggestion.id for each in project.proposals()] == ["s"]
    with Project.open(folder / "draft.gnomon") as project:
        project.redo()
        assert [each.suggestion.id for each in project.proposals()] == ["s", "t"]


def random_suggestion(draw, text, id):
    """Hunks at random, sorted and apart."""
    marks = sorted({draw.randrange(len(text) + 1) for _ in range(2 * draw.randint(1, 5))})
    hunks = []
    for number, (start, end) in enumerate(zip(marks[::2], marks[1::2], strict=False)):
        end = start if draw.random() < 0.3 else min(end, start + 8)
        after = draw.choice(["", "x", "Ana ", "\n\n", "ștț 😀"])
        if after != text[start:end]:
            hunks.append(Hunk(f"h{number}", start, end, text[start:end], after, ""))
    return suggestion(*(hunks or [Hunk("h0", 0, 0, "", "x", "")]), id=id)


def test_a_hundred_edits_proposed_partly_accepted_and_undone_to_the_byte(folder):
    draw = random.Random(20)
    with made(folder, TEXT * 3) as project:
        for number in range(100):
            before = project.text
            encoded = before.encode()
            ours = random_suggestion(draw, before, f"s{number}")
            project.suggest(ours)
            assert project.text.encode() == encoded
            accepted = [each for each in ours.hunks if draw.random() < 0.6]
            expected = plain(before, [(each.start, each.end, each.after) for each in reversed(accepted)])
            ids = [each.id for each in accepted]
            if draw.random() < 0.5:  # one by one, in any order
                draw.shuffle(ids)
                for id in ids:
                    project.decide(f"s{number}", accept=[id])
            else:
                project.decide(f"s{number}", accept=ids)
            assert project.text == expected
            open_ = project.proposal(f"s{number}")
            assert [each.id for each in open_.remaining.hunks] == [
                each.id for each in ours.hunks if each not in accepted
            ]
            assert not open_.changed
            while project.proposal(f"s{number}").decisions:
                project.undo()
            assert project.text.encode() == encoded
            assert project.proposal(f"s{number}").remaining.hunks == ours.hunks
            if draw.random() < 0.5:
                project.decide(f"s{number}", accept=[each.id for each in accepted], reject="all")


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_facts_and_decisions_of_every_step_are_had_again(seed, folder, monkeypatch):
    """What was seen at a step when it was made is what a fresh process sees when it goes back there."""
    draw = random.Random(seed)
    monkeypatch.setattr(history, "COPY_AFTER", draw.choice([1, 2, 5, 400]))
    path = folder / "draft.gnomon"
    path.unlink(missing_ok=True)
    seen = {}

    def look(project):
        told = {each.suggestion.id: (each.places, each.decisions, each.changed) for each in project.proposals()}
        return project.text, dict(project.facts), dict(project.lost_facts), told

    with Project.create(path, Story.from_text(TEXT)) as project:
        for number in range(16):
            open_ = [each for each in project.proposals() if not each.decided]
            op = draw.choice(
                ["edit", "edit", "fact", "no_fact", "suggest", "decide", "decide", "undo", "redo", "restore"]
            )
            if op == "edit":
                start = draw.randrange(len(project.text) + 1)
                end = min(len(project.text), start + draw.randrange(12))
                project.edit(project.revision, [(start, end, draw.choice(["", "y", "ab "]))])
            elif op == "fact" and len(project.text) > 8:
                start = draw.randrange(len(project.text) - 4)
                project.add_fact(Fact("ignore", project.story.anchor(start, start + 3)))
            elif op == "no_fact" and project.facts:
                project.remove_fact(draw.choice(list(project.facts)))
            elif op == "suggest":
                project.suggest(random_suggestion(draw, project.text, f"s{number}"))
            elif op == "decide" and open_:
                some = draw.choice(open_)
                ids = [id for id in some.places if id not in some.changed]
                project.decide(some.suggestion.id, accept=ids[: draw.randint(0, 2)], reject=list(some.changed))
            elif op == "undo":
                project.undo()
            elif op == "redo":
                project.redo()
            elif op == "restore":
                project.restore(draw.choice(project.history().nodes).id)
            seen[project.history().current] = look(project)
    with Project.open(path) as project:
        for node, (text, facts, lost, told) in seen.items():
            project.restore(node)
            now = look(project)
            assert now[:3] == (text, facts, lost)
            assert {name: now[3][name] for name in told} == told


# -- who may open it --------------------------------------------------------------------------------------------------


def test_what_is_present_belongs_together_while_another_thread_writes(folder):
    with made(folder, "Base. " * 200) as project:

        def write():
            for number in range(150):
                project.edit(project.revision, [(0, 0, "x")])
                if number % 10 == 0:
                    project.add_fact(Fact("alias", "ana", f"Name {number}"))

        writer = threading.Thread(target=write)
        writer.start()
        seen = 0
        while writer.is_alive() or not seen:
            story, revision, facts = project.present()
            assert story.text == "x" * (revision - 1) + "Base. " * 200
            assert (revision - 2) // 10 <= len(facts) <= (revision - 2) // 10 + 1
            assert story.sentences[0].start == 0
            seen += 1
        writer.join()
        assert project.present() == (Story.from_text(project.text), 151, tuple(project.facts.values()))
        assert project.node == project.history().current


def test_a_project_that_is_still_is_not_changed_by_another_thread(folder):
    with made(folder, "Base.") as project:
        writer = threading.Thread(target=lambda: project.edit(1, [(0, 0, "x")]))
        with project.still():
            writer.start()
            writer.join(0.05)
            assert (writer.is_alive(), project.text, project.revision) == (True, "Base.", 1)
        writer.join()
        assert (project.text, project.revision) == ("xBase.", 2)


def test_who_holds_a_project_is_known_without_taking_it(folder):
    path = folder / "draft.gnomon"
    assert storage.owner(path) is None
    with made(folder):
        assert storage.owner(path) == str(os.getpid())
    before = sorted(folder.iterdir())
    with closing(storage.look(path)) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'title'").fetchone() == ("",)
    assert sorted(folder.iterdir()) == before


def test_one_process_at_a_time(folder):
    path = folder / "draft.gnomon"
    with made(folder):
        with pytest.raises(UserError, match=f"draft.gnomon is open in process {os.getpid()}"):
            Project.open(path)
        code = f"from gnomon.story.project import Project\ntry:\n    Project.open({str(path)!r})\nexcept ValueError as fault:\n    print(fault)"
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert str(path) in told
        assert f"process {os.getpid()}" in told
        with pytest.raises(UserError, match="open in process"):
            made(folder)
    with Project.open(path) as project:
        assert project.text == TEXT
    with pytest.raises(UserError, match="exists already"):
        made(folder)
    with Project.open(path) as project:
        assert project.text == TEXT


def test_a_lock_that_a_dead_process_left_is_taken_over(folder):
    made(folder).close()
    (folder / "draft.gnomon-lock").write_text("1")
    with Project.open(folder / "draft.gnomon") as project:
        assert (folder / "draft.gnomon-lock").read_text() == str(os.getpid())
        assert project.text == TEXT


def test_a_closed_project_says_so(folder):
    project = made(folder)
    project.close()
    project.close()
    for act in (lambda: project.edit(1, []), project.undo, project.history, project.proposals, lambda: project.facts):
        with pytest.raises(UserError, match="closed"):
            act()


def test_no_project(folder):
    with pytest.raises(UserError, match="no project at"):
        Project.open(folder / "none.gnomon")
    with pytest.raises(UserError, match="No such file"):
        Project.create(folder / "none" / "draft.gnomon", Story.from_text("x"))
    (folder / "empty.gnomon").touch()
    with pytest.raises(UserError, match="empty"):
        Project.open(folder / "empty.gnomon")
    sqlite3.connect(folder / "other.gnomon").execute("CREATE TABLE t (a)").connection.close()
    with pytest.raises(UserError, match="another program"):
        Project.open(folder / "other.gnomon")
    assert not list(folder.glob("*-lock"))


# -- versions, damage, full disks -------------------------------------------------------------------------------------


def test_an_older_program_refuses_and_a_newer_one_copies_first(folder, monkeypatch):
    path = folder / "draft.gnomon"
    with made(folder) as project:
        project.edit(1, [(0, 0, "x")])
    content = path.read_bytes()
    with monkeypatch.context() as later:
        later.setattr(storage, "MIGRATIONS", [*storage.MIGRATIONS, ("ALTER TABLE meta ADD COLUMN more TEXT",)])
        with Project.open(path) as project:
            assert project.text == "x" + TEXT
            columns = [row[1] for row in project._db.execute("PRAGMA table_info(meta)")]
        assert columns == ["key", "value", "more"]
    newer = path.read_bytes()
    with pytest.raises(UserError, match="newer Gnomon .version 2 of the file; this one knows up to 1."):
        Project.open(path)
    assert path.read_bytes() == newer
    copy = folder / "draft.version-1.gnomon"
    assert sorted(each.name for each in folder.iterdir()) == ["draft.gnomon", copy.name]
    assert len(copy.read_bytes()) == len(content)
    with Project.open(copy) as project:
        assert project.text == "x" + TEXT


def test_a_migration_that_fails_leaves_the_file_as_it_was(folder, monkeypatch):
    made(folder).close()
    with monkeypatch.context() as later:
        later.setattr(storage, "MIGRATIONS", [*storage.MIGRATIONS, ("CREATE TABLE more (a)", "CREATE TABLE meta (a)")])
        with pytest.raises(UserError, match="nothing was changed"):
            Project.open(folder / "draft.gnomon")
    with Project.open(folder / "draft.gnomon") as project:
        assert project.text == TEXT


def long_project(folder):
    text = "".join(f"Paragraph {n}: {random.Random(n).random()}\n\n" for n in range(3000))
    with made(folder, text) as project:
        for _ in range(30):
            project.edit(project.revision, [(100, 104, "word")])
            project.edit(project.revision, [(100, 104, "Word")])
        return project.text


def harm(path, how):
    content = bytearray(path.read_bytes())
    if how == "header":
        content[:60] = b"\0" * 60
    elif how == "cut":
        del content[len(content) // 2 :]
    elif how == "pages":
        for at in range(8192, len(content), 4096 * 3):
            content[at : at + 2048] = b"\xee" * 2048
    elif how == "all":
        content[:] = random.Random(1).randbytes(len(content))
    else:  # a letter of the last change: the page is sound, and what is in it is not
        at = content.rindex(b'[[100, "word", "Word"]]')
        content[at + 16 : at + 20] = b"Ward"
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["header", "cut", "pages", "all", "letter"])
def test_a_damaged_project_is_copied_aside_and_what_can_be_read_is_offered(folder, how):
    text = long_project(folder)
    path = folder / "draft.gnomon"
    harm(path, how)
    content = path.read_bytes()
    for _ in range(2):
        with pytest.raises(DamagedProject) as fault:
            Project.open(path)
        assert path.read_bytes() == fault.value.copy.read_bytes() == content
        assert str(fault.value).startswith(f"{path} is damaged: it was copied to {fault.value.copy}")
        assert "\n" not in str(fault.value)
    if how == "header":
        assert fault.value.recovered.read_text() == text
    elif how == "letter":
        assert fault.value.recovered.read_text() == text.replace("Word", "word")  # one step before
    elif fault.value.recovered is None:
        assert "no text could be read" in str(fault.value)
        assert how in ("all", "cut", "pages")
    else:
        assert how != "all"
        assert fault.value.recovered.read_text().startswith("Paragraph 0")
    left = [each for each in folder.iterdir() if not each.name.endswith(("-wal", "-shm"))]
    assert len(left) == 2 + (fault.value.recovered is not None)


def test_text_is_recovered_where_only_later_pages_are_harmed(folder):
    text = long_project(folder)
    path = folder / "draft.gnomon"
    content = bytearray(path.read_bytes())
    content[-3000:] = b"\xee" * 3000
    path.write_bytes(content)
    with pytest.raises(DamagedProject) as fault:
        Project.open(path)
    recovered = fault.value.recovered.read_text()
    assert recovered[:100] == text[:100]
    assert recovered[104:] == text[104:]


def test_a_full_disk_changes_nothing(folder):
    with made(folder) as project:
        project.suggest(suggestion(hunk(TEXT, "Moss", "Reed")))
        fact = project.add_fact(Fact("ignore", "moss"))
        before = (project.text, project.revision, project.history(), project.proposals(), dict(project.facts))
        (pages,) = project._db.execute("PRAGMA page_count").fetchone()
        project._db.execute(f"PRAGMA max_page_count = {pages}")
        long = "".join(random.Random(1).choices("abcdefgh ", k=200_000))
        for act in (
            lambda: project.edit(1, [(0, 0, long)]),
            lambda: project.decide("s", edited={"h1": long}),
            lambda: project.suggest(suggestion(hunk(TEXT, "Moss", long))),
            lambda: project.set_setting("long", long),
            lambda: project.add_fact(Fact("alias", "moss", long)),
        ):
            with pytest.raises(UserError, match="full.; nothing was changed"):
                act()
            assert (
                project.text,
                project.revision,
                project.history(),
                project.proposals(),
                dict(project.facts),
            ) == before
        assert project.setting("long") is None
        project._db.execute("PRAGMA max_page_count = 100000")
        assert project.edit(1, [(0, 0, long)]) == 2
        assert list(project.facts) == [fact]
    with Project.open(folder / "draft.gnomon") as project:
        assert project.text == long + TEXT


# -- beside the text --------------------------------------------------------------------------------------------------


def test_the_storys_own_file_is_written_by_save_alone(folder):
    source = folder / "draft.md"
    source.write_bytes(b"\xef\xbb\xbfOne.\r\n\r\nTwo.\r\n")
    with Project.create(folder / "draft.gnomon", read(source), source=source) as project:
        project.edit(1, [(0, 3, "Three")])
        assert source.read_bytes() == b"\xef\xbb\xbfOne.\r\n\r\nTwo.\r\n"
        assert not project.source_changed()
        assert project.save() == source
        assert source.read_bytes() == b"\xef\xbb\xbfThree.\r\n\r\nTwo.\r\n"
    with Project.open(folder / "draft.gnomon") as project:
        project.save()
        source.write_text("Somebody else's.")
        assert project.source_changed()
        with pytest.raises(UserError, match="changed by another program"):
            project.save()
        assert source.read_text() == "Somebody else's."
        project.save(overwrite=True)
        assert source.read_bytes() == b"\xef\xbb\xbfThree.\r\n\r\nTwo.\r\n"
    with (
        Project.create(folder / "other.gnomon", Story.from_text("x")) as project,
        pytest.raises(UserError, match="export"),
    ):
        project.save()


def test_what_another_program_made_of_the_file_is_one_step(folder):
    source = folder / "draft.txt"
    source.write_bytes("Ana şi Ion.\r\nElla left.".encode("cp1250"))
    with Project.create(folder / "draft.gnomon", read(source, "cp1250"), source=source) as project:
        fact = project.add_fact(Fact("ignore", project.story.anchor(12, 16)))
        lost = project.add_fact(Fact("ignore", project.story.anchor(7, 10)))
        assert project.reread() == 1
        source.write_bytes("Once, Ana şi Ioan.\nElla has left.".encode("cp1250"))
        assert project.source_changed()
        assert project.reread() == 2
        assert not project.source_changed()
        assert (project.text, project.story.newline) == ("Once, Ana şi Ioan.\nElla has left.", "\n")
        subject = project.facts[fact].subject
        assert project.text[subject.start : subject.end] == "Ella"
        assert list(project.lost_facts) == [lost]
        project.undo()
        assert project.text == "Ana şi Ion.\nElla left."
        assert list(project.facts) == [fact, lost]


def test_analyses_are_kept_for_the_text_and_pack_there_is(folder):
    def extraction(pack, **records):
        kept = {key: Record(value, (), (), (), (), (), ()) for key, value in records.items()}
        return Extraction("en", cache=Cache(pack, "en", kept))

    one, two = (Analysis((Token(0, 3, word, "NOUN", "", 0, "root"),), (), ()) for word in ("one", "două"))
    with made(folder) as project:
        project.keep_analyses(extraction("p", a=one, b=two))
        assert project.analyses("p") == {"a": one, "b": two}
        assert project.analyses("q") == {}
        project.keep_analyses(extraction("p", b=two))
    with Project.open(folder / "draft.gnomon") as project:
        assert project.analyses("p") == {"b": two}
        project.keep_analyses(extraction("q", b=one))
        assert (project.analyses("p"), project.analyses("q")) == ({}, {"b": one})


def test_settings_are_kept_beside_the_history(folder):
    with made(folder) as project:
        project.set_setting("dismissed", ["day_night:12"])
        assert project.setting("cap", 5) == 5
    with Project.open(folder / "draft.gnomon") as project:
        assert project.setting("dismissed") == ["day_night:12"]
        assert len(project.history().nodes) == 1
