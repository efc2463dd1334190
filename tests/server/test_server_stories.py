"""Stories over HTTP: made of texts, files and samples, listed without being opened, exported, saved and read again;
what is locked, damaged, strange or too large."""

import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from io import BytesIO
from urllib.parse import unquote

import pytest
from pydantic import TypeAdapter
from story_server import TEXT, Window, serving_stories

from gnomon.server import story_shapes as shapes
from gnomon.server.stories import Stories, count_words, warning_key
from gnomon.story.document import Story
from gnomon.story.exports import EXPORTS
from gnomon.story.extracting import extract
from gnomon.story.formats import FORMATS, read_bytes
from gnomon.story.project import Project
from gnomon.story.records import Warning
from gnomon.story.reports import REPORTS, make_report


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_stories(tmp_path_factory.mktemp("stories")) as running:
        yield running


@pytest.fixture
def window(server):
    return Window(server)


# -- made -------------------------------------------------------------------------------------------------------------


def test_a_story_of_a_text_has_the_name_of_its_title(window, server):
    made = window.post("/stories", {"title": "Țara lui Ion!", "text": TEXT, "language": "en"}, status=201)
    assert made == {"id": "țara-lui-ion", "revision": 1}
    assert (server.folder / "țara-lui-ion.gnomon").is_file()
    about = window.get("/stories/țara-lui-ion")
    scenes = about.pop("scenes")
    assert about == {
        "id": "țara-lui-ion", "title": "Țara lui Ion!", "language": "en", "revision": 1, "words": 22, "source": None,
        "source_changed": False, "preferences": False, "read_only": False,
    }  # fmt: skip
    assert scenes == [each._asdict() for each in Story.from_text(TEXT).scenes]
    assert window.get("/stories/țara-lui-ion/text") == {"text": TEXT, "revision": 1}
    again = window.post("/stories", {"title": "Țara lui Ion!", "text": ""}, status=201)
    assert again["id"] == "țara-lui-ion-2"


def test_a_title_is_no_path(window, server):
    for title in ("../../etc/passwd", "", "   ", "/", "...", "😀", "a" * 5000, ".hidden", "CON\n"):
        id = window.story("One.", title=title)
        assert (server.folder / f"{id}.gnomon").resolve().parent == server.folder.resolve()
        assert window.text(id) == "One."
    for id in ("..%2f..%2fetc%2fpasswd", "%00", "none", "%2e%2e"):
        assert window.http.get(f"/stories/{id}/text").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": "x"}, "text"),
        ({"title": "x", "text": "y", "sample": "z"}, "text"),
        ({"title": "x", "text": 7}, "text"),
        ({"title": 7, "text": "x"}, "title"),
        ({"title": "x", "text": "a\ud800"}, "text"),
        ({"title": "x\ud800", "text": "a"}, "title"),
        ({"title": "x\0", "text": "a"}, "title"),
        ({"title": "x", "text": "a\0b"}, "text"),
        ({"title": "x", "text": "a", "language": "../en"}, "language"),
        ({"title": "x", "text": "a", "colour": 1}, "colour"),
        ({"sample": "none"}, "sample"),
    ],
)
def test_a_story_that_cannot_be_names_its_field(window, server, body, field):
    before = sorted(server.folder.iterdir())
    answer = window.http.post("/stories", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field), answer.text
    assert sorted(server.folder.iterdir()) == before


def test_what_is_no_json_is_refused(window):
    for content in (b"", b"{", b"[1]", b"\xff\xfe", b"7", b"[" * 100_000):
        answer = window.http.post("/stories", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, content[:10]
        assert answer.json()["error"]["code"] == "invalid"


def test_who_leaves_amid_a_body_leaves_no_traceback(window, server, caplog):
    before = len(window.get("/stories")["stories"])
    host, port = server.url.removeprefix("http://").split(":")
    for kind in ("application/json", "multipart/form-data; boundary=z"):
        with socket.create_connection((host, int(port))) as leaving:
            leaving.sendall(
                f"POST /api/stories HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {server.token}\r\n"
                f'Content-Type: {kind}\r\nContent-Length: 500\r\n\r\n{{"title":'.encode()
            )
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        assert len(window.get("/stories")["stories"]) == before
    assert not [each for each in caplog.records if each.exc_info]


@pytest.mark.parametrize(
    "text",
    [
        "", "word", "x", " \n\n ", "“”‘’«»„”", '"' * 500, "— – —", "a " * 3000, "مرحبا يا آنا. ذهبت إلى السوق.",
        "😀👩‍👩‍👧 Anna 😀", "ŢŞ ţş ȚȘ țș", "Ana e\u0301 a\u0306", "x" * 20_000, "\r\n\r\n", "# \n\n***\n\n#",
        "\u2028\u2029\x0b\x0c\x85", "ﬁ\ufeff\u200b",
    ],
)  # fmt: skip
def test_any_text_works_and_comes_back_as_it_was(window, text):
    id = window.story(text)
    assert window.text(id) == text
    found = window.extraction(id)
    assert found["state"] == "ready"
    expected = extract(Story.from_text(text)).to_dict()
    assert {name: found[name] for name in expected} == json.loads(json.dumps(expected))
    assert window.get(f"/stories/{id}")["words"] == count_words(text)
    assert window.edit(id, (0, 0, "Anna left. ")) == 2
    assert window.extraction(id)["revision"] == 2
    for format in (*FORMATS, *EXPORTS):
        assert window.http.get(f"/stories/{id}/export?format={format}").status_code == 200, format


def test_a_file_becomes_a_story(window):
    story = Story.from_text("# One\n\nȘtefan *left*.\n\n***\n\nAnna stayed.\n", title="The Mill")
    from gnomon.story.formats import rendered

    for format, name in (("md", "a.md"), ("txt", "b.TXT"), ("docx", "c.docx"), ("epub", "d.epub"), ("html", "e.html"),
                         ("fountain", "f.fountain")):  # fmt: skip
        data = rendered(story, format)
        made = window.call("POST", "/stories", files={"file": (name, data)}, status=201)
        assert window.text(made["id"]) == read_bytes(data, name).text, format
        assert "Ștefan *left*" in window.text(made["id"])
    made = window.call(
        "POST",
        "/stories",
        files={"file": ("../../x.md", b"Salut.")},
        data={"title": "Altul", "language": "ro"},
        status=201,
    )
    about = window.get(f"/stories/{made['id']}")
    assert (about["id"], about["title"], about["language"], about["source"]) == ("altul", "Altul", "ro", None)


def test_a_file_in_another_encoding_needs_its_name(window):
    data = "Ștefan plecase.".encode("iso8859-16")

    def send(**fields):
        return window.http.post("/stories", files={"file": ("a.txt", data)}, data=fields)

    def error(answer):
        found = answer.json()["error"]
        assert answer.status_code == 422
        assert "--" not in found["message"], "a request has no options"
        return found["field"]

    assert error(send()) == "file"
    assert error(send(encoding="klingon")) == "encoding"
    assert error(send(encoding="ascii")) == "encoding"
    made = send(encoding="iso8859-16")
    assert made.status_code == 201, made.text
    assert window.text(made.json()["id"]) == "Ștefan plecase."


def test_a_form_that_is_none_is_refused_in_the_words_of_the_others(window):
    many = [("file", ("a.md", b"x")), ("file", ("b.md", b"y"))]
    assert window.error("POST", "/stories", files=many) == (422, "invalid", "file")
    for boundary in ("", "; boundary=z"):
        answer = window.http.post(
            "/stories", content=b"nothing", headers={"Content-Type": f"multipart/form-data{boundary}"}
        )
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["field"]) == (422, "invalid", "file"), answer.text
        assert ".." not in error["message"]


def test_a_folder_that_cannot_be_made_is_said_and_no_fault(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with serving_stories(tmp_path / "file" / "stories") as server:
        window = Window(server)
        answer = window.http.post("/stories", json={"title": "x", "text": "y"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk"), answer.text
        assert "not a directory" in answer.json()["error"]["message"]
        assert window.get("/stories") == {"stories": []}


def bomb():
    held = BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"0" * 300_000_000)
    return held.getvalue()


def test_a_file_that_is_no_story_is_refused(window, server):
    before = len(window.get("/stories")["stories"])
    for name, data, status in (
        ("a.docx", bomb(), 413),
        ("a.docx", b"no zip", 422),
        ("a.epub", b"PK\x03\x04 cut", 422),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"0" * 600, 422),  # encrypted
        ("a.md", b"a\0b", 422),
        ("a.md", b"caf\xe9", 422),
        ("a.exe", b"MZ", 422),
        ("noname", b"text", 422),
    ):
        answer = window.http.post("/stories", files={"file": (name, data)})
        error = answer.json()["error"]
        assert (answer.status_code, error["field"]) == (status, "file"), answer.text
        assert error["code"] == ("too_large" if status == 413 else "invalid")
    assert window.error("POST", "/stories", data={"title": "x"}, files={"other": b"x"}) == (422, "invalid", "file")
    answer = window.http.post("/stories", files={"file": ("a.md", b"x" * (21 * 2**20))})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    answer = window.http.post("/stories", json={"title": "x", "text": "x" * (21 * 2**20)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert len(window.get("/stories")["stories"]) == before


def test_samples_are_stories_that_come_along(window):
    samples = window.get("/samples")["samples"]
    assert len(samples) == 3
    assert {each["language"] for each in samples} == {"en", "ro"}
    for sample in samples:
        made = window.post("/stories", {"sample": sample["name"]}, status=201)
        about = window.get(f"/stories/{made['id']}")
        assert (about["title"], about["language"], about["words"]) == (
            sample["title"], sample["language"], sample["words"],
        )  # fmt: skip
        assert window.extraction(made["id"])["characters"]


# -- listed and opened ------------------------------------------------------------------------------------------------


def test_the_list_opens_nothing_and_leaves_no_file_behind(tmp_path):
    (tmp_path / "bad.gnomon").write_bytes(b"SQLite format 3\0 and no more")
    (tmp_path / "empty.gnomon").write_bytes(b"")
    for number in range(3):
        with Project.create(
            tmp_path / f"s{number}.gnomon", Story.from_text("Anna left. " * number, title=f"S {number}")
        ):
            pass
    held = Project.open(tmp_path / "s1.gnomon")
    (tmp_path / "s0.damaged-0123abcd.gnomon").write_bytes(b"x")  # what was copied aside is no story
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    rows = {row["path"]: row for row in Stories(tmp_path).list()}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert sorted(rows) == ["bad.gnomon", "empty.gnomon", "s0.gnomon", "s1.gnomon", "s2.gnomon"]
    assert (rows["s2.gnomon"]["title"], rows["s2.gnomon"]["words"], rows["s2.gnomon"]["language"]) == ("S 2", 4, "en")
    assert str(os.getpid()) in rows["s1.gnomon"]["error"]
    assert "damaged" in rows["bad.gnomon"]["error"]
    assert "error" not in rows["s2.gnomon"]
    held.close()
    with Project.open(tmp_path / "s2.gnomon"):
        pass
    TypeAdapter(list[shapes.Row]).validate_python(list(rows.values()))


def test_a_project_whose_process_was_killed_is_listed_with_what_it_wrote_last(tmp_path):
    script = (
        "import os, sys\nfrom gnomon.story import Project, Story\n"
        "p = Project.create(sys.argv[1], Story.from_text('One.'))\np.edit(1, [(0, 0, 'Two three. ')])\nos._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "draft.gnomon"])
    assert (tmp_path / "draft.gnomon-lock").exists()
    (row,) = Stories(tmp_path).list()
    assert (row["words"], "error" in row) == (3, False)


def test_a_hundred_projects_are_listed_at_once(tmp_path):
    for number in range(100):
        (tmp_path / f"copy{number}.gnomon").touch()
    source = tmp_path / "source.gnomon"
    with Project.create(source, Story.from_text("Anna walked to the mill. " * 1500)):
        pass
    data = source.read_bytes()
    for number in range(100):
        (tmp_path / f"copy{number}.gnomon").write_bytes(data)
    stories = Stories(tmp_path)
    begun = time.perf_counter()
    rows = stories.list()
    assert len(rows) == 101
    assert time.perf_counter() - begun < 5
    while any(row["words"] is None for row in rows):  # counted little by little, once each
        assert time.perf_counter() - begun < 60
        rows = stories.list()
    assert {row["words"] for row in rows} == {7500}


def test_ids_stay_the_same_and_are_never_shared(tmp_path):
    for name in ("Draft.gnomon", "draft.gnomon", "My Novel.gnomon", "my-novel.gnomon", "ș.gnomon"):
        with Project.create(tmp_path / name, Story.from_text(name)):
            pass
    first = {row["path"]: row["id"] for row in Stories(tmp_path).list()}
    assert len(set(first.values())) == 5
    assert (first["draft.gnomon"], first["my-novel.gnomon"], first["ș.gnomon"]) == ("draft", "my-novel", "ș")
    assert {row["path"]: row["id"] for row in Stories(tmp_path).list()} == first
    stories = Stories(tmp_path)
    for path, id in first.items():
        assert stories.get(id).project.text == path
    stories.close()


def test_what_is_locked_or_damaged_says_so_in_a_sentence(window, server):
    held = Project.create(server.folder / "held.gnomon", Story.from_text("One."))
    assert window.error("GET", "/stories/held/text")[:2] == (409, "locked")
    held.close()
    assert window.text("held") == "One."
    (server.folder / "worse.gnomon").write_bytes(b"SQLite format 3\0" + b"\1" * 5000)
    assert window.error("GET", "/stories/worse/text")[:2] == (422, "damaged")
    assert list(server.folder.glob("worse.damaged-*.gnomon"))
    (server.folder / "foreign.gnomon").write_bytes(b"")
    assert window.error("GET", "/stories/foreign/text")[:2] == (422, "not_opened")


def test_a_story_is_opened_once_however_many_ask_at_once(server):
    with Project.create(server.folder / "asked.gnomon", Story.from_text("One.")):
        pass
    import threading

    found = []
    asking = [threading.Thread(target=lambda: found.append(server.stories.get("asked"))) for _ in range(20)]
    [each.start() for each in asking]
    [each.join() for each in asking]
    assert len({id(each) for each in found}) == 1


def test_projects_from_elsewhere_have_an_id_and_are_listed(server, window, tmp_path):
    with Project.create(tmp_path / "away.gnomon", Story.from_text("Away.", title="Away")):
        pass
    id = server.stories.open_path(tmp_path / "away.gnomon")
    assert server.stories.open_path(tmp_path / "away.gnomon") == id
    assert window.text(id) == "Away."
    assert id in {row["id"] for row in window.get("/stories")["stories"]}


def test_closing_gives_every_project_back_even_amid_a_long_reading(tmp_path):
    stories = Stories(tmp_path)
    text = "\n\n".join(f"Anna number {number} walked to the mill and gave Tom a ring." for number in range(1500))
    long = stories.create(Story.from_text(text, title="Long"))
    short = stories.create(Story.from_text("One.", title="Short"))
    waiting = long.newest()
    short.newest().result()
    begun = time.perf_counter()
    stories.close()
    assert time.perf_counter() - begun < 8
    assert waiting.exception() is not None or waiting.result()
    for name in ("long", "short"):
        with Project.open(tmp_path / f"{name}.gnomon") as project:
            assert project.text
    with Project.open(tmp_path / "short.gnomon") as project:
        (pack,) = project._db.execute("SELECT DISTINCT pack FROM analyses").fetchone()
        assert project.analyses(pack)  # what was read need not be read again


def test_a_story_opened_again_is_not_parsed_again(tmp_path):
    with serving_stories(tmp_path) as server:
        id = Window(server).story()
        assert Window(server).extraction(id)["stats"]["parsed"] > 0
    with serving_stories(tmp_path) as server:
        assert Window(server).extraction(id)["stats"]["parsed"] == 0


# -- what was found ---------------------------------------------------------------------------------------------------


def test_a_warning_keeps_its_key_while_the_text_changes_elsewhere(window):
    text = "Anna died in the mill. Anna walked to the mill. Anna left the mill."
    id = window.story(text)
    window.call("PUT", f"/stories/{id}/settings", {"dismissed": ["0" * 12]})
    before = window.extraction(id)
    assert len(before["warnings"]) == len(before["warning_keys"]) >= 1
    assert before["dismissed"] == ["0" * 12]
    window.edit(id, (0, 0, "It rained.\n\n"))
    assert window.extraction(id)["warning_keys"] == before["warning_keys"]
    one = Warning("kind", "message", ((0, 4), (5, 9)))
    assert warning_key(one, "Anna died in") == warning_key(one._replace(spans=((4, 8), (9, 13))), "Oh, Anna died")
    assert warning_key(one, "Anna died in") != warning_key(one, "Anna lied in")


def test_reports_are_those_of_python(window):
    id = window.story()
    story = Story.from_text(TEXT, title="Draft")
    found = extract(story)
    names = [each["name"] for each in window.get("/reports")["reports"]]
    assert names == list(REPORTS)
    for name in names:
        if name != "cast_audit":
            assert window.get(f"/stories/{id}/reports/{name}") == json.loads(
                json.dumps(make_report(name, story, found).to_dict())
            )
    assert window.error("GET", f"/stories/{id}/reports/cast_audit") == (422, "invalid", "groups")
    window.call("PUT", f"/stories/{id}/settings", {"groups": {"anna": "women", "marcus": "men"}})
    audit = window.get(f"/stories/{id}/reports/cast_audit")
    assert [row["values"]["group"] for row in audit["rows"]] == ["men", "women"]
    assert window.error("GET", f"/stories/{id}/reports/none") == (404, "not_found", None)
    path = f"/stories/{id}/reports/only_protagonist_knows?protagonist="
    assert window.get(f"{path}Anna")["title"] == "What only Anna knows"
    assert window.error("GET", f"{path}Nobody") == (422, "invalid", "protagonist")
    window.call("PUT", f"/stories/{id}/settings", {"groups": {"nobody": "women"}})
    assert window.error("GET", f"/stories/{id}/reports/cast_audit") == (422, "invalid", "groups")


# -- settings and files -----------------------------------------------------------------------------------------------


def test_a_group_may_outlive_its_character(window):
    id = window.story()
    audit = f"/stories/{id}/reports/cast_audit"
    assert window.error("GET", audit) == (422, "invalid", "groups")
    window.call("PUT", f"/stories/{id}/settings", {"groups": {"nobody": "x", "marcus": ""}})
    assert window.error("GET", audit) == (422, "invalid", "groups")
    window.call("PUT", f"/stories/{id}/settings", {"groups": {"nobody": "x", "anna": "women", "marcus": "men"}})
    assert window.get(audit)["rows"]


def test_settings_are_kept_and_what_is_not_named_stays(tmp_path):
    with serving_stories(tmp_path) as server:
        window = Window(server)
        id = window.story()
        path = f"/stories/{id}/settings"
        nothing = {"max_tokens": None, "max_cost": None, "spent_tokens": 0, "spent_cost": 0.0}
        assert window.get(path) == {
            "preferences": False, "dismissed": [], "groups": {}, "budget": nothing, "layout": None,
        }  # fmt: skip
        layout = {"anna": {"x": 1.5, "y": [None, True, "ș😀"]}}
        window.call("PUT", path, {"layout": layout, "dismissed": ["a", "b"], "preferences": True})
        window.call("PUT", path, {"groups": {"anna": "women"}, "budget": {"max_cost": 2.5}})
        kept = {
            "preferences": True, "dismissed": ["a", "b"], "groups": {"anna": "women"}, "layout": layout,
            "budget": {**nothing, "max_cost": 2.5},
        }  # fmt: skip
        assert window.get(path) == kept
        for body, field in (
            ({"layout": "x" * 70_000}, "layout"),
            ({"dismissed": [1]}, "dismissed[0]"),
            ({"groups": {"a": 1}}, "groups.a"),
            ({"preferences": "yes"}, "preferences"),
            ({"budget": {"max_cost": "x"}}, "budget.max_cost"),
            ({"spent_tokens": 0}, "spent_tokens"),
            ({"budget": {"spent_tokens": 0}}, "budget.spent_tokens"),
        ):
            assert window.error("PUT", path, body) == (422, "invalid", field)
        assert window.get(path) == kept
    with serving_stories(tmp_path) as server:
        assert Window(server).get(path) == kept


def test_a_story_is_exported_in_every_format_under_its_name(window):
    id = window.story(title='Țara: "Ion"/\\ 😀')
    for format in (*FORMATS, *EXPORTS, "preferences"):
        answer = window.http.get(f"/stories/{id}/export?format={format}")
        assert answer.status_code == 200, answer.text
        said = answer.headers["content-disposition"]
        assert said.isascii()
        name = unquote(said.partition("filename*=UTF-8''")[2])
        assert name.startswith("Țara- -Ion- 😀.")
        if format in ("md", "txt"):
            assert answer.text == TEXT
        elif format in FORMATS:
            assert answer.content
            if format in ("docx", "epub", "html"):
                assert "Ștefan" in read_bytes(answer.content, f"x.{format}").text
    graph = window.http.get(f"/stories/{id}/export?format=graphml")
    story = Story.from_text(TEXT)
    assert graph.text == EXPORTS["graphml"](story, extract(story))
    assert json.loads(window.http.get(f"/stories/{id}/export?format=json").text) == json.loads(
        EXPORTS["json"](story, extract(story))
    )
    assert window.error("GET", f"/stories/{id}/export?format=pdf") == (422, "invalid", "format")
    assert window.error("GET", f"/stories/{id}/export") == (422, "invalid", "format")


def test_an_author_whose_name_cannot_be_shown_is_refused(window):
    id = window.story()
    for format in ("docx", "shunn", "epub", "html", "md"):
        export = f"/stories/{id}/export?format={format}&author="
        for name in ("%00", "A%01", "%EF%BF%BF"):
            assert window.error("GET", export + name) == (422, "invalid", "author")
        assert window.http.get(export + "Ana%20%3CȘ%3E%20%26%0A%F0%9F%98%80").status_code == 200


def test_the_file_is_written_only_when_the_writer_says_so(server, window, tmp_path):
    file = tmp_path / "draft.md"
    file.write_bytes(b"Anna left.\r\n")
    id = server.stories.create_at(tmp_path / "draft.gnomon", read_bytes(file.read_bytes(), "draft.md"), file)
    assert window.get(f"/stories/{id}")["source"] == "draft.md"
    window.edit(id, (0, 4, "Ștefan"))
    assert file.read_bytes() == b"Anna left.\r\n"
    assert window.post(f"/stories/{id}/save", {}) == {"path": str(file)}
    assert file.read_bytes() == "Ștefan left.\r\n".encode()
    file.write_bytes("Ștefan left. Rain.\r\n".encode())
    assert window.get(f"/stories/{id}")["source_changed"] is True
    assert window.error("POST", f"/stories/{id}/save", {}) == (409, "source_changed", None)
    assert window.post(f"/stories/{id}/reread", {}) == {"revision": 3}
    assert window.text(id) == "Ștefan left. Rain.\n"
    file.write_text("Another")
    window.post(f"/stories/{id}/save", {"overwrite": True})
    assert file.read_bytes() == "Ștefan left. Rain.\r\n".encode()
    other = window.story()
    assert window.error("POST", f"/stories/{other}/save", {}) == (409, "no_source", None)
    assert window.error("POST", f"/stories/{other}/reread", {}) == (409, "no_source", None)


# -- what is described is what is answered ----------------------------------------------------------------------------


def test_the_answers_are_what_the_schema_says(window):
    id = window.story()
    described = window.http.get("/../openapi.json").json()
    made = window.propose(id, {"op": "rename", "target": "anna", "to": "Eva"})
    window.post(f"/stories/{id}/facts", {"kind": "event", "subject": {"start": 12, "end": 18}, "revision": 1})
    for path, shape in (
        ("/stories", shapes.Rows),
        ("/samples", shapes.SampleRows),
        ("/reports", shapes.ReportList),
        ("/providers", shapes.Providers),
        (f"/stories/{id}", shapes.StoryAbout),
        (f"/stories/{id}/text", shapes.Text),
        (f"/stories/{id}/extraction?wait=true", shapes.Extraction),
        (f"/stories/{id}/suggestions", shapes.Suggestions),
        (f"/stories/{id}/suggestions/{made['id']}", shapes.Suggestion),
        (f"/stories/{id}/facts", shapes.FactRows),
        (f"/stories/{id}/history", shapes.History),
        (f"/stories/{id}/settings", shapes.Settings),
        (f"/stories/{id}/reports/viewpoint", shapes.Report),
    ):
        shape.model_validate_json(window.http.get(path).content)
        template = "/api" + path.partition("?")[0].replace(id, "{id}").replace(made["id"], "{suggestion}")
        template = template.replace("viewpoint", "{name}")
        answer = described["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer == {"$ref": f"#/components/schemas/{shape.__name__}"}
