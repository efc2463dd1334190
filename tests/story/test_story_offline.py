"""Without a provider nothing is sent anywhere: a story is read, revised, kept and exported while no socket can be made."""

import socket

import pytest

from gnomon.story import Project, Story, apply, extract, propose, write
from gnomon.story.reports import make_report

TEXT = "Anna opened the door. Tom walked to the harbour.\n\n“Come back!” cried Anna. Two years earlier Tom had left."


def test_reading_revising_keeping_and_exporting_need_no_socket(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise AssertionError("a socket was asked for")

    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(socket, "create_connection", refused)
    story = Story.from_text(TEXT)
    found = extract(story)
    assert {character.name for character in found.characters} == {"Anna", "Tom"}
    suggestion = propose(story, found, {"op": "rename", "target": "anna", "to": "Maria"})
    renamed = apply(story, suggestion, accept="all")
    assert renamed.text.count("Maria") == 2
    make_report("viewpoint", renamed, extract(renamed, previous=found))
    with Project.create(tmp_path / "draft.gnomon", story) as project:
        kept = project.suggest(suggestion)
        project.decide(kept.suggestion.id, accept=[hunk.id for hunk in suggestion.hunks])
        assert project.text == renamed.text
    write(renamed, tmp_path / "out.epub")
    assert (tmp_path / "out.epub").stat().st_size
