"""Metrics of a run that may grow: rows after a position, thinned for a chart without losing an extreme, and streamed."""

import http.client
import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from made_runs import made, write_rows

from gnomon.runs import Run
from gnomon.server import metrics_file
from gnomon.server import run_shapes as shapes
from gnomon.server.metrics_file import GrowingFile, MetricsFile, thinned
from gnomon.server.runs_folder import MOST_INDEXED, RunsFolder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The metrics of the run `one`, which are not there yet."""
    return made(tmp_path / "runs" / "one") / "metrics.jsonl"


def rows_of(count: int, **more: Callable[[int], Any]) -> list[dict[str, Any]]:
    return [{"step": n, "time": n / 2, **{name: value(n) for name, value in more.items()}} for n in range(count)]


def ask(client: TestClient, run: str = "one", **asked: Any) -> dict[str, Any]:
    answer = client.get(f"/api/runs/{run}/metrics", params=asked)
    assert answer.status_code == 200, answer.text
    shapes.Metrics.model_validate(answer.json())
    return answer.json()


# -- rows after a position --------------------------------------------------------------------------------------------


def test_all_rows_come_as_they_were_logged(client, path):
    rows = rows_of(20, loss=lambda n: n / 3, stage=lambda n: "rl", counts=lambda n: {"a": [n]})
    write_rows(path, rows)
    assert ask(client)["rows"] == rows


def test_a_run_without_metrics_has_no_rows_until_it_has(client, path):
    assert ask(client) == {"next": 0, "rows": []}
    assert ask(client, since=0, points=10, names="loss") == {"next": 0, "rows": []}
    write_rows(path, rows_of(2))
    assert len(ask(client)["rows"]) == 2


def test_names_choose_and_unknown_ones_are_absent(client, path):
    write_rows(
        path, [{"step": 1, "time": 2, "loss": 3, "reward": None, "stage": "rl"}, {"step": 2, "time": 3, "kl": 1}]
    )
    assert ask(client, names="reward,nothing,stage")["rows"] == [
        {"step": 1, "time": 2, "reward": None, "stage": "rl"},
        {"step": 2, "time": 3},
    ]
    assert ask(client, names="")["rows"] == [{"step": 1, "time": 2}, {"step": 2, "time": 3}]
    assert ask(client, names="nothing", points=1)["rows"] == [{"step": 1, "time": 2}, {"step": 2, "time": 3}]


def test_next_leads_to_what_was_appended_since_and_half_a_line_waits(client, path):
    write_rows(path, rows_of(3))
    first = ask(client)
    assert ask(client, since=first["next"]) == {"next": first["next"], "rows": []}
    with path.open("a") as file:
        file.write('{"step": 3, "time": 1.5}\n{"step": 4, "ti')
    second = ask(client, since=first["next"])
    assert second["rows"] == [{"step": 3, "time": 1.5}]
    with path.open("a") as file:
        file.write('me": 2}')
    assert ask(client, since=second["next"]) == {"next": second["next"], "rows": []}
    with path.open("a") as file:
        file.write("\n")
    assert ask(client, since=second["next"])["rows"] == [{"step": 4, "time": 2}]


def test_positions_are_whole_numbers_to_javascript_and_bytes_will_do(client, path):
    write_rows(path, rows_of(3))
    assert 0 < ask(client)["next"] < 2**53
    line = len(path.read_bytes().splitlines(keepends=True)[0])
    assert [row["step"] for row in ask(client, since=line)["rows"]] == [1, 2]


@pytest.mark.parametrize("since", ["1", "3", str(10**6), str(2**53), "-1", "x", "1.5"])
def test_a_position_that_nobody_was_given_is_refused(client, path, since):
    write_rows(path, rows_of(3))
    for call in ("metrics", "stream"):
        answer = client.get(f"/api/runs/one/{call}?since={since}")
        assert answer.status_code == 422
        assert answer.json()["error"]["field"] == "since"


def test_a_place_inside_a_line_of_this_very_file_is_refused(client, path):
    write_rows(path, rows_of(3))
    answer = client.get(f"/api/runs/one/metrics?since={ask(client)['next'] - 1}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "since")


def test_a_rewound_run_is_answered_from_its_start(client, path):
    run = Run.create(path.parent.with_name("two"), kind="posttrain", name="n", settings={}, seed=1)
    for step in range(10):
        run.log(step, loss=step)
    old = ask(client, "two", names="loss", points=100)["next"]
    run.rewind(4)
    assert ask(client, "two", since=old, names="loss")["reset"] is True
    for step in range(5, 30):
        run.log(step, loss=-step)  # longer than it was before
    again = ask(client, "two", since=old, names="loss")
    assert again["reset"] is True
    assert [row["loss"] for row in again["rows"]] == [0, 1, 2, 3, 4, *range(-5, -30, -1)]
    assert "reset" not in ask(client, "two", since=again["next"])


def test_a_file_cut_or_written_over_in_place_is_read_anew(client, path):
    write_rows(path, rows_of(9, loss=lambda n: n))
    old = ask(client, names="loss")["next"]
    with path.open("r+") as file:
        file.truncate(len(path.read_bytes().splitlines(keepends=True)[0]) * 2)
    cut = ask(client, since=old)
    assert (cut["reset"], len(cut["rows"])) == (True, 2)
    path.write_text(json.dumps({"step": 7, "time": 1, "other": 1}) + "\n" + path.read_text())
    over = ask(client, since=cut["next"])
    assert (over["reset"], [row["step"] for row in over["rows"]]) == (True, [7, 0, 1])
    path.unlink()
    gone = ask(client, since=over["next"])
    assert gone == {"next": 0, "reset": True, "rows": []}


def test_lines_that_are_no_objects_have_no_row_and_hide_no_other(client, path):
    path.write_text(
        '{"step": 1, "time": 1, "loss": 5}\ngarbage\n[1]\n\n3\n{"step": 2, "time": 2, "loss": NaN}\n{"step": 3}\n'
    )
    assert ask(client, names="loss")["rows"] == [
        {"step": 1, "time": 1, "loss": 5},
        {"step": 2, "time": 2, "loss": None},
        {"step": 3, "time": None},
    ]
    columns = MetricsFile(path).columns(["loss"])["loss"]
    assert np.array_equal(columns, [5, *[math.nan] * 6], equal_nan=True)


def test_bytes_that_are_no_text_hide_no_line(path):
    path.write_bytes(b'{"step": 1, "loss": 2}\n\xff\xfe{"step": 2}\n{"step": 3, "loss": 4}\n')
    assert np.array_equal(MetricsFile(path).columns(["loss"])["loss"], [2, math.nan, 4], equal_nan=True)


def test_numbers_are_numbers_and_nothing_else_is(path):
    values = ["3", "-2.5e-3", "true", "null", '"7"', "[1]", '{"a": 1}', "12345678901234567890123", "1e400"]
    path.write_text("".join(f'{{"step": {n}, "x": {value}}}\n' for n, value in enumerate(values)))
    # One line at a time, and all of them: a parser that gives up on a block must not change what is read.
    whole = MetricsFile(path).columns(["x"])["x"]
    assert whole[:2].tolist() == [3, -2.5e-3]
    assert np.isnan(whole[2:7]).all()
    assert whole[7] == 12345678901234567890123
    for value, found in list(zip(values, whole, strict=True))[:-1]:
        path.write_text(f'{{"step": 1, "x": {value}}}\n')
        alone = MetricsFile(path).columns(["x"])["x"]
        assert np.array_equal(alone, [found], equal_nan=True), value


def test_an_index_that_grew_with_the_file_is_that_of_the_whole_file(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics_file, "BLOCK", 64)
    path, rows = tmp_path / "metrics.jsonl", rows_of(200, loss=lambda n: n**2, late=lambda n: n if n > 150 else None)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text("")
    growing = MetricsFile(path)
    for begin in range(0, len(text), 137):
        with path.open("a") as file:
            file.write(text[begin : begin + 137])
        growing.columns(["loss"] if begin % 2 else ["loss", "late"])
        growing.names()
    whole = MetricsFile(path)
    names = ["step", "loss", "late", "nothing"]
    for name, column in whole.columns(names).items():
        assert np.array_equal(column, growing.columns(names)[name], equal_nan=True)
    assert whole.columns(["loss"])["loss"].tolist() == [row["loss"] for row in rows]
    assert growing.names() == whole.names() == ["loss", "late"]
    assert [json.loads(line) for line in growing.lines(0, 999)] == rows
    assert [json.loads(line) for line in growing.lines(57, 83)] == rows[57:83]


def test_only_what_was_appended_is_read_again(path, monkeypatch):
    write_rows(path, rows_of(5000, loss=lambda n: n, kl=lambda n: n))
    file = MetricsFile(path)
    file.answer(["loss"], 0, 10)
    read: list[int] = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *asked: read.append(len(found := pread(*asked))) or found)
    with path.open("a") as opened:
        opened.write('{"step": 5000, "time": 1, "loss": -1}\n')
    assert '"loss": -1' in file.answer(["loss"], 0, 10)
    assert sum(read) < 4000 < path.stat().st_size / 50


def test_the_names_of_rare_and_late_lines_are_found(path):
    rows = rows_of(3000, loss=lambda n: n / 7, learning_rate=lambda n: 10.0 ** -(n % 9))
    rows[1234] |= {"validation": 0.5}
    rows[2999] |= {"diverged": None, "ok": True, "note": "text", "layer.2/norm": 1, "layer.10/norm": 2}
    write_rows(path, rows)
    found = ["loss", "learning_rate", "validation", "diverged", "layer.2/norm", "layer.10/norm"]
    assert MetricsFile(path).names() == found


def test_columns_that_nobody_asks_for_are_dropped(path, monkeypatch):
    write_rows(path, rows_of(100, a=lambda n: n, b=lambda n: -n, c=lambda n: 2 * n))
    monkeypatch.setattr(metrics_file, "MOST_NUMBERS", 200)
    file = MetricsFile(path)
    file.columns(["a"])
    file.columns(["b"])
    assert file.columns(["a"])["a"][-1] == 99
    assert file.columns(["c"])["c"][-1] == 198
    assert set(file._columns) == {"a", "c"}
    assert set(file.columns(["a", "b", "c"])) == {"a", "b", "c"}


def test_few_files_are_kept_and_dropped_ones_are_read_again(tmp_path):
    for number in range(MOST_INDEXED + 2):
        write_rows(made(tmp_path / f"{number}") / "metrics.jsonl", rows_of(number + 1))
    folder = RunsFolder(tmp_path)
    for _ in range(2):
        for number in range(MOST_INDEXED + 2):
            assert folder.metrics(f"{number}").count() == number + 1
    assert len(folder._metrics) == MOST_INDEXED


# -- thinning ---------------------------------------------------------------------------------------------------------

values = st.one_of(st.just(math.nan), st.floats(-1e6, 1e6))


@st.composite
def columns(draw: st.DrawFn) -> list[np.ndarray]:
    rows = draw(st.integers(1, 120))
    return [
        np.array(draw(st.lists(values, min_size=rows, max_size=rows)), dtype=float)
        for _ in range(draw(st.integers(1, 3)))
    ]


@given(columns(), st.integers(1, 40))
def test_thinned_rows_are_few_in_order_and_keep_every_extreme(drawn, points):
    rows = len(drawn[0])
    kept = thinned(drawn, rows, points)
    filled = [column for column in drawn if np.isfinite(column).any()]
    assert len(kept) <= max(2 * points, 2 + 2 * len(filled))
    assert (np.diff(kept) > 0).all()
    assert 0 <= kept[0]
    assert kept[-1] < rows
    carrying = np.flatnonzero(np.any(np.isfinite(drawn), axis=0)) if filled else np.arange(rows)
    assert kept[0] == carrying[0]
    assert kept[-1] == carrying[-1]
    for column in filled:
        shown = column[kept]
        assert np.nanmin(shown) == np.nanmin(column)
        assert np.nanmax(shown) == np.nanmax(column)
    if len(carrying) <= 2 * points:
        assert kept.tolist() == carrying.tolist()


@given(st.data(), st.integers(1, 5), st.integers(7, 10), st.integers(0, 1))
def test_every_bucket_keeps_its_ends_and_extremes(data, buckets, size, gappy):
    rows, full = buckets * size, st.integers(-50, 50).map(float)
    drawn = [np.array(data.draw(st.lists(full, min_size=rows, max_size=rows)))]
    for _ in range(gappy):
        holes = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
        drawn.append(np.where(holes, np.nan, drawn[0] ** 2))
    filled = sum(np.isfinite(column).any() for column in drawn)
    kept = thinned(drawn, rows, buckets * (1 + filled))
    for begin in range(0, rows, size):
        here = kept[(begin <= kept) & (kept < begin + size)]
        assert (here[0], here[-1]) == (begin, begin + size - 1)
        assert len(here) <= 2 + 2 * filled
        for column in drawn:
            there = column[begin : begin + size]
            there = there[np.isfinite(there)]
            if len(there):
                assert np.nanmin(column[here]) == there.min()
                assert np.nanmax(column[here]) == there.max()


def test_a_chart_of_a_long_run_has_its_spikes(client, path):
    rows = rows_of(9000, loss=lambda n: math.sin(n / 500), kl=lambda n: abs(math.cos(n / 70)), stage=lambda n: "rl")
    rows[4321]["loss"], rows[77]["kl"], rows[8998]["kl"], rows[5000]["loss"] = 9.0, -9.0, None, None
    write_rows(path, rows)
    found = ask(client, names="loss,kl,stage", points=100)["rows"]
    assert 100 < len(found) <= 200
    assert found[0] == rows[0]
    assert found[-1] == rows[-1]
    assert [row["step"] for row in found] == sorted({row["step"] for row in found})
    assert rows[4321] in found
    assert rows[77] in found
    assert all(row == rows[row["step"]] for row in found)
    assert len(ask(client, points=100)["rows"]) <= 200
    assert len(ask(client, points=4500)["rows"]) == 9000


def test_only_rows_after_the_position_are_thinned(client, path):
    write_rows(path, rows_of(500, loss=lambda n: -n))
    middle = ask(client)["next"]
    with path.open("a") as file:
        file.writelines(json.dumps(row | {"step": row["step"] + 500}) + "\n" for row in rows_of(500, loss=lambda n: n))
    found = ask(client, names="loss", since=middle, points=20)["rows"]
    assert len(found) <= 40
    assert (found[0]["step"], found[-1]["step"]) == (500, 999)


def test_rows_without_the_asked_for_numbers_take_no_room_when_thinned(client, path):
    write_rows(path, rows_of(5000, loss=lambda n: n) + [{"step": 5000 + n, "time": 1, "reward": n} for n in range(50)])
    found = ask(client, names="reward", points=100)["rows"]
    assert [row["reward"] for row in found] == list(range(50))


def test_points_are_a_sensible_number(client, path):
    assert client.get("/api/runs/one/metrics?points=0").json()["error"]["field"] == "points"
    write_rows(path, rows_of(100, loss=lambda n: (n + 3) % 7))
    assert [row["step"] for row in ask(client, names="loss", points=1)["rows"]] == [0, 3, 4, 99]


# -- a file that somebody writes while it is read ---------------------------------------------------------------------


def test_a_growing_file_is_read_whole_however_its_writer_cuts_its_lines(path):
    rows = rows_of(600, loss=lambda n: n / 3)
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()

    def write() -> None:
        with path.open("ab", buffering=0) as file:
            for begin in range(0, len(text), 23):
                file.write(text[begin : begin + 23])

    writer = threading.Thread(target=write)
    file, position, found = GrowingFile(path), 0, []
    writer.start()
    while len(found) < len(rows):
        lines, reset = file.after(position, 50)
        assert not reset
        found += [json.loads(line) for _, line in lines]
        position = lines[-1][0] if lines else position
    writer.join()
    assert found == rows


# -- the stream -------------------------------------------------------------------------------------------------------


def events_in(text: str) -> list[tuple[str | None, int | None, Any]]:
    """A stream's events as (name, id, data); comments are none."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            number = int(fields["id"]) if "id" in fields else None
            found.append((fields.get("event"), number, json.loads(fields["data"])))
    return found


def test_a_finished_run_is_sent_from_a_position_on_and_ends(client, path):
    rows = rows_of(4, loss=lambda n: n)
    write_rows(path, rows)
    answer = client.get("/api/runs/one/stream?since=0")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_in(answer.text)
    assert [(name, data) for name, _, data in events] == [
        *[(None, row) for row in rows],
        ("state", {"state": "finished"}),
        ("end", {}),
    ] or [(name, data) for name, _, data in events] == [
        ("state", {"state": "finished"}),
        *[(None, row) for row in rows],
        ("end", {}),
    ]
    ids = [number for name, number, _ in events if name is None]
    assert ask(client, since=ids[1])["rows"] == rows[2:]
    assert ids[-1] == ask(client)["next"]
    resumed = client.get("/api/runs/one/stream?since=0", headers={"Last-Event-ID": str(ids[2])}).text
    assert [data for name, _, data in events_in(resumed) if name is None] == rows[3:]
    from_now_on = client.get("/api/runs/one/stream").text
    assert [name for name, _, _ in events_in(from_now_on)] == ["state", "end"]


def test_what_a_running_run_logs_is_streamed_until_it_ends(client, path):
    run = Run.create(path.parent.with_name("live"), kind="posttrain", name="n", settings={}, seed=1)
    run.log(0, loss=0.5)

    def work() -> None:
        for step in range(1, 6):
            time.sleep(0.05)
            run.log(step, loss=1.0)
        (run.path / "metrics.jsonl").open("a").write('{"half')
        run.mark("interrupted")

    worker = threading.Thread(target=work)
    worker.start()
    events = events_in(client.get("/api/runs/live/stream?since=0").text)
    worker.join()
    assert [data["step"] for name, _, data in events if name is None] == list(range(6))
    assert [data["state"] for name, _, data in events if name == "state"][-1] == "interrupted"
    assert events[-1][0] == "end"


def test_a_stream_says_that_a_run_was_rewound(client, path):
    write_rows(path, rows_of(5))
    old = ask(client)["next"]
    path.unlink()
    write_rows(path, rows_of(2))
    events = events_in(client.get(f"/api/runs/one/stream?since={old}").text)
    names = [name for name, _, _ in events if name != "state"]
    assert names == ["rewound", None, None, "end"]


def read_events(answer: http.client.HTTPResponse) -> Iterator[tuple[str | None, int | None, Any]]:
    block = b""
    while line := answer.readline():
        block += line
        if line == b"\n":
            yield from events_in(block.decode())
            block = b""


def test_the_real_server_streams_line_by_line_says_when_a_run_goes_and_ends_with_its_streams(start, tmp_path):
    runs = tmp_path / "runs"
    runs.mkdir()
    first = Run.create(runs / "first", kind="posttrain", name="n", settings={}, seed=1)
    second = Run.create(runs / "second", kind="posttrain", name="n", settings={}, seed=1)
    served = start("serve", "--port", "0", "--runs", str(runs), "--stories", str(tmp_path / "stories"))
    token, host = {"Authorization": f"Bearer {served.said['token']}"}, served.url.removeprefix("http://")

    def get(path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("GET", path, headers=token)
        return connection.getresponse()

    streams = {name: read_events(get(f"/api/runs/{name}/stream")) for name in ("first", "second")}
    assert [next(events)[2] for events in streams.values()] == [{"state": "running"}] * 2
    for step in range(3):
        first.log(step, loss=step)
        assert next(streams["first"])[2]["step"] == step
    second.mark("interrupted")
    for file in second.path.iterdir():
        file.unlink()
    second.path.rmdir()
    assert [name for name, _, _ in streams["second"]][-1] in ("gone", "end")
    # Paths that a client library would have tidied before sending.
    for path in ("/api/runs/..", "/api/runs/../metrics", "/api/runs/%2e%2e/metrics", "/api/runs/..%2f..%2fetc/report"):
        assert get(path).status == 404
    assert served.end() == 0
    assert list(streams["first"]) == []
