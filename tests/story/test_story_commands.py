"""`gnomon story` as a person types it: what is printed and written, and that every mistake is one sentence."""

import csv
import json
from xml.etree import ElementTree

import pytest

from gnomon.story import commands, training
from gnomon.story.document import Story
from gnomon.story.extracting import extract
from gnomon.story.formats import read
from gnomon.story.project import Project
from gnomon.story.records import Fact

TEXT = (
    "# One\n\nAnna Marsh walked to the harbour. Anna met Tom Reed in the harbour.\n\n"
    "“Where is the boat?” asked Tom Reed. Tom Reed killed Anna Marsh.\n\n# Two\n\nAnna Marsh opened the door.\n"
)


@pytest.fixture
def story(gnomon):
    """Run `gnomon story` in this process."""
    return lambda *arguments: gnomon("story", *map(str, arguments))


@pytest.fixture
def draft(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "draft.md"
    path.write_text(TEXT, encoding="utf-8")
    return path


def refused(result):
    """The sentence of a mistake."""
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") <= 1
    return result.stderr


def test_extract_prints_tables(story, draft):
    result = story("extract", draft)
    assert result.exit_code == 0
    assert "draft: 32 words, 2 scenes, language en" in result.stdout
    for word in ("Anna Marsh", "Tom Reed", "harbour", "events (", "1 speech, 1 with a known speaker"):
        assert word in result.stdout


def test_extract_as_json_is_the_extraction(story, draft):
    result = story("extract", draft, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == extract(read(draft)).to_dict()


def test_extract_writes_tables(story, draft):
    assert story("extract", draft, "--csv", "tables/all").exit_code == 0
    found = extract(read(draft))
    folder = draft.parent / "tables" / "all"
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.csv" for name in ("characters", "places", "mentions", "events", "speeches", "positions", "warnings")
    }
    with (folder / "mentions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            assert TEXT[int(row["start"]) : int(row["end"])] == row["text"]
    with (folder / "events.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [event.id for event in found.events]
    draft.with_name("taken").write_text("")
    assert "taken: cannot be written" in refused(story("extract", draft, "--csv", "taken"))


def test_a_project_keeps_its_facts_and_what_was_parsed(story, draft):
    with Project.create(draft.with_suffix(".gnomon"), read(draft)) as project:
        project.add_fact(Fact("ignore", "tom-reed"))
    result = story("extract", "draft.gnomon", "--json")
    assert "tom-reed" not in {each["id"] for each in json.loads(result.stdout)["characters"]}
    with Project.open(draft.with_suffix(".gnomon")) as project:
        pack_hash = extract(project.story).cache.pack_hash
        assert len(project.analyses(pack_hash)) == len(project.story.paragraphs)
    assert "needs no --encoding" in refused(story("extract", "draft.gnomon", "--encoding", "utf-8"))


@pytest.mark.parametrize("format", ["md", "txt", "docx", "shunn", "epub", "fountain", "html"])
def test_export_of_the_text(story, draft, format):
    out = draft.with_name({"md": "out.md", "shunn": "out.docx"}.get(format, f"out.{format}"))
    assert story("export", draft, "--format", format, "--out", out).exit_code == 0
    if format in ("md", "txt"):
        assert out.read_bytes() == draft.read_bytes()
    else:
        assert "Anna met Tom Reed in the harbour." in read(out).text


def test_export_of_what_was_found(story, draft):
    found = extract(read(draft))
    for format in ("json", "graphml", "timeline-csv"):
        assert story("export", draft, "--format", format, "--out", f"out.{format}").exit_code == 0
    assert json.loads(draft.with_name("out.json").read_text(encoding="utf-8")) == found.to_dict()
    name = "{http://graphml.graphdrawing.org/xmlns}"
    graph = ElementTree.parse(draft.with_name("out.graphml")).getroot().find(f"{name}graph")
    nodes = {node.get("id") for node in graph.iter(f"{name}node")}
    assert nodes == {f"character:{each.id}" for each in found.characters} | {
        f"place:{each.id}" for each in found.places
    }
    edges = list(graph.iter(f"{name}edge"))
    assert {edge.get(end) for edge in edges for end in ("source", "target")} <= nodes
    told = [each for each in found.events if each.agent and each.patient]
    verbs = [data.text for edge in edges for data in edge if data.get("key") == "verb"]
    assert verbs == [each.verb for each in told]
    with draft.with_name("out.timeline-csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["story"]) for row in rows] == list(range(len(found.events)))
    assert {int(row["narrated"]): row["id"] for row in rows} == {each.narrated: each.id for each in found.events}


def test_a_name_that_xml_cannot_hold_does_not_break_the_graph(draft):
    from gnomon.story.exports import graphml

    text = "Anna\x0b met Tom & <Karl>."
    told = Story.from_text(text, language="en")
    found = extract(told)
    ElementTree.fromstring(graphml(told, found).encode())


def test_preferences_come_from_a_project(story, draft):
    Project.create(draft.with_suffix(".gnomon"), read(draft)).close()
    result = story("export", "draft.gnomon", "--format", "preferences", "--out", "log.jsonl", "--redact")
    assert result.exit_code == 0
    assert "0 decided suggestions" in result.stdout
    assert draft.with_name("log.jsonl").read_text() == ""
    shown = refused(story("export", draft, "--format", "preferences", "--out", "log.jsonl"))
    assert "kept in a .gnomon project" in shown


def test_reports(story, draft):
    result = story("report", draft, "viewpoint", "--json")
    assert json.loads(result.stdout)["name"] == "viewpoint"
    for name in ("passive_characters", "lulls", "order_of_telling"):
        assert story("report", draft, name).exit_code == 0
    audit = story("report", draft, "cast_audit", "--group", "Anna Marsh=women", "Tom Reed=men", "--json")
    assert [row["values"]["group"] for row in json.loads(audit.stdout)["rows"]] == ["men", "women"]
    shown = story("report", draft, "cast_audit", "--group", "Anna Marsh=women", "--group", "Tom Reed=men")
    assert "The cast by group" in shown.stdout


def test_mistakes(story, draft, tmp_path):
    assert "missing.md" in refused(story("extract", "missing.md"))
    assert "missing.gnomon" in refused(story("extract", "missing.gnomon"))
    (tmp_path / "old.txt").write_bytes("Ștefan a plecat. ".encode("utf-16-le") + b"\xff\xfe\x00")
    refused(story("extract", "old.txt"))
    (tmp_path / "latin.txt").write_bytes("Zoë went. Zoë ran.".encode("latin-1"))
    assert "--encoding" in refused(story("extract", "latin.txt"))
    assert json.loads(story("extract", "latin.txt", "--encoding", "latin-1", "--json").stdout)["language"]
    assert "there are md, txt" in refused(story("export", draft, "--format", "pdf", "--out", "x.pdf"))
    assert "--redact is for" in refused(story("export", draft, "--format", "md", "--out", "x.md", "--redact"))
    assert "is the story itself" in refused(story("export", draft, "--format", "md", "--out", draft))
    assert draft.read_text(encoding="utf-8") == TEXT
    assert "no-such-folder" in refused(story("export", draft, "--format", "json", "--out", "no-such-folder/x"))
    assert "there is no report lull" in refused(story("report", draft, "lull"))
    assert "no option groups" in refused(story("report", draft, "lulls", "--group", "Anna=women"))
    assert "cast_audit needs the groups" in refused(story("report", draft, "cast_audit"))
    assert "--language fr" in refused(story("train-extractor", "--language", "fr", "--out", "x"))
    assert "pack" in refused(story("extract", draft, "--pack", tmp_path))


def test_how_far_the_reading_is_shown_only_where_it_takes_long(story, draft, monkeypatch):
    assert story("extract", draft).stderr == ""
    text = "\n\n".join(f"Anna saw {number} ships." for number in range(600))
    draft.write_text(text, encoding="utf-8")
    monkeypatch.setattr(commands, "PATIENCE", 0.0)
    assert "reading draft.md: 600/600" in story("extract", draft, "--json").stderr


def test_training_is_asked_for_as_typed(story, draft, monkeypatch):
    asked = {}

    class Run:
        path = draft.parent / "runs" / "mine"

        def summary(self):
            return {"language": "en", "events": {"f1": {"value": 0.5, "low": 0.4, "high": 0.6}}}

    def train(recipe, **arguments):
        asked.update(arguments, recipe=recipe)
        return Run()

    monkeypatch.setattr(training, "train_extractor", train)
    settings = ["--language", "en", "--out", "runs/mine", "--seed", "7", "--set", "fiction.epochs=2"]
    result = story("train-extractor", *settings)
    assert result.exit_code == 0
    assert (asked["recipe"].seed, asked["recipe"].fiction.epochs, str(asked["out"])) == (7, 2, "runs/mine")
    assert "0.500 [0.400, 0.600]" in result.stdout
    assert json.loads(story("train-extractor", *settings, "--json").stdout)["language"] == "en"
