"""A process that is killed while it edits and decides loses nothing that it had been told is done."""

import json
import random
import signal
import subprocess
import sys
import time

from gnomon.story.project import Project

WRITER = """
import hashlib, json, random, sys
from gnomon.story.document import Story
from gnomon.story.edits import Hunk, Suggestion
from gnomon.story.project import Project
from pathlib import Path

path, draw = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
if path.exists():
    project = Project.open(path)
else:
    project = Project.create(path, Story.from_text("One day Ana left. " * 200))
print(json.dumps({"ready": True}), flush=True)
while True:
    told = {}
    at = draw.randrange(len(project.text) - 20)
    if draw.random() < 0.6:
        size = draw.randrange(8)
        project.edit(project.revision, [(at, at + size, "words "[:draw.randrange(7)] * (size > 0) or "word")])
    elif draw.random() < 0.7:
        hunks = tuple(
            Hunk(f"h{n}", at + 6 * n, at + 6 * n + 4, project.text[at + 6 * n : at + 6 * n + 4], "Maria", "")
            for n in range(3)
        )
        name = project.suggest(Suggestion("s", {"op": "rename"}, hunks)).suggestion.id
        project.decide(name, accept=["h0"], reject=["h1"])
        told = {"suggestion": name}
    else:
        project.undo()
    where = project.history().current
    digest = hashlib.sha256(project.text.encode()).hexdigest()
    print(json.dumps({"node": where, "revision": project.revision, "text": digest, **told}), flush=True)
"""


def digest(text):
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def test_every_edit_that_was_acknowledged_is_there_after_kill_9(tmp_path):
    path, script = tmp_path / "draft.gnomon", tmp_path / "writer.py"
    script.write_text(WRITER)
    draw = random.Random(11)
    acknowledged: dict[int, str] = {}
    decided: list[str] = []
    for round in range(3):
        writer = subprocess.Popen([sys.executable, script, path, str(round)], stdout=subprocess.PIPE, text=True)
        assert json.loads(writer.stdout.readline())["ready"]
        lines = [writer.stdout.readline() for _ in range(draw.randrange(3, 25))]
        time.sleep(draw.random() / 20)  # somewhere in a transaction
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.read().splitlines()
        writer.wait()
        done = []
        for line in lines:
            try:
                done.append(json.loads(line))
            except json.JSONDecodeError:
                assert line is lines[-1]  # killed while it was printing
        acknowledged |= {each["node"]: each["text"] for each in done}
        decided += [each["suggestion"] for each in done if "suggestion" in each]
        with Project.open(path) as project:
            known = {node.id for node in project.history().nodes}
            assert known >= acknowledged.keys()
            assert known <= {*range(1, max(acknowledged) + 2)}
            last = done[-1]
            assert project.revision in (last["revision"], last["revision"] + 1)
            if project.revision == last["revision"] and "node" in last:
                assert digest(project.text) == last["text"]
            assert project.story.text == project.text
    with Project.open(path) as project:
        for node, text in acknowledged.items():
            project.restore(node)
            assert digest(project.text) == text
        rows = project._db.execute("SELECT suggestion, hunk, decision FROM decisions").fetchall()
        assert {name for name, _, _ in rows} >= set(decided)
        for name in decided:
            assert {(hunk, decision) for each, hunk, decision in rows if each == name} == {
                ("h0", "accepted"),
                ("h1", "rejected"),
            }
