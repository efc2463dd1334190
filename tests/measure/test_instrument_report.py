"""The page of a measurement: what must stand on it, what must be folded away, and that it opens without anything else."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import hats
import polars as pl
import pytest

import gnomon.measure as gm
from gnomon.errors import UserError
from gnomon.measure.report import picture, write_report
from gnomon.measure.running import run_instrument
from gnomon.runs import Run


class Text(HTMLParser):
    """The text of a page, inside and outside of what is folded."""

    def __init__(self):
        super().__init__()
        self.shown, self.folded, self.tags, self._depth, self._skip = [], [], set(), 0, False

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self._depth += tag == "details"
        self._skip = tag in ("style", "svg")
        assert tag != "details" or "open" not in dict(attributes)

    def handle_endtag(self, tag):
        self._depth -= tag == "details"

    def handle_data(self, data):
        if not self._skip:
            (self.folded if self._depth else self.shown).append(data)


def read(path):
    parser = Text()
    parser.feed(Path(path).read_text())
    return " ".join(parser.shown), " ".join(parser.folded), parser.tags


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run on items of which some have no target, with answers of every kind."""
    folder = tmp_path_factory.mktemp("report")
    ins = gm.load_instrument("bbq", items=hats.write(folder / "hats.jsonl", unclear=3))
    answers = gm.SimModel(0.8, unknown=0.2, accuracy=0.6).respond(ins)
    odd = pl.when(pl.int_range(pl.len()) == 5).then(pl.lit("both of them left")).otherwise("answer")
    run = run_instrument(
        ins, responses=answers.with_columns(answer=odd).slice(2), out=folder / "run", B=200, quiet=True
    )
    return run, *read(run.path / "report.html")


def test_the_page_opens_by_itself(made):
    run, *_, tags = made
    page = (run.path / "report.html").read_text()
    assert "script" not in tags
    assert "details" in tags
    assert not re.search(r'(?:src|href)="(?!#)', re.sub(r'xmlns(:\w+)?="[^"]*"', "", page))


def test_purpose_scores_denominators_and_provenance_are_shown(made):
    run, shown, _, _ = made
    words = " ".join(shown.split())
    card = gm.card("bbq")
    for part in (
        "Meant for", "Not meant for", card.unsupported_uses[0], " ".join(card.construct.split()), "Scores", "What a value means",
        "equivalent bias b", "Where it leans most", "Counts", "Lint", "What it rests on", "CC BY 4.0",
        "96 items: 93 answers were read, 1 are for a person to read and stand in no figure, 2 are missing",
        "6 items have no target that can be told", "target-undeterminable", "without the 6 that a rule flags",
        "200 resamples", *run.settings["items"]["sources"].values(),
    ):  # fmt: skip
        assert part in words, part
    for metric in card.metrics.values():
        assert " ".join(metric.meaning.split()) in words


def test_every_figure_stands_there_with_interval_null_and_range(made):
    run, shown, _, _ = made
    _, scores = gm_read(run)
    for row in scores.frame.iter_rows(named=True):
        assert f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" in shown
    assert "-1 to 1, best at 0" in shown
    assert "0 to 1, the higher the better" in shown


def gm_read(run):
    from gnomon.measure.running import read_run

    return read_run(run)


def test_texts_of_items_are_folded_behind_a_warning(made):
    run, shown, folded, _ = made
    ins, scores = gm_read(run)
    worst = scores.examples(10).row(0, named=True)
    assert worst["text"] in folded
    assert worst["pair_text"] in folded
    assert "both of them left" in folded
    for text in ins.items["text"]:
        assert text not in shown
    assert "may offend" in folded
    assert worst["template"] in shown


def test_the_picture_has_every_metric_on_its_range_with_its_null(made):
    _, scores = gm_read(made[0])
    plot = picture(scores)
    axes = [each for each in plot.axes if each.get_visible()]
    assert [each.get_title(loc="left").split()[0] for each in axes] == [
        "s_amb",
        "s_dis",
        "accuracy_amb",
        "accuracy_dis",
    ]
    for each in axes:
        metric = scores.instrument.card.metrics[each.get_title(loc="left").split()[0]]
        low, high = each.get_xlim()
        assert low < metric.minimum < metric.maximum < high
        assert [line.get_xdata()[0] for line in each.lines if line.get_linestyle() == "--"] == [metric.null]
        assert [label.get_text() for label in each.get_yticklabels()] == ["Hats", "Shoes"]
        dots = [line.get_xdata()[0] for line in each.lines if line.get_marker() == "o"]
        expected = [scores.estimates[metric.name, group].value for group in ("Hats", "Shoes")]
        assert dots == expected


def test_the_same_page_is_written_again(made):
    run = made[0]
    page = (run.path / "report.html").read_bytes()
    (run.path / "report.html").unlink()
    assert write_report(run) == run.path / "report.html"
    assert (run.path / "report.html").read_bytes() == page


def test_undefined_figures_and_an_expired_card_are_said(tmp_path):
    ins = gm.load_instrument("bbq", items=hats.write(tmp_path / "hats.jsonl", categories=("Hats",)))
    ins = replace(ins, card=replace(ins.card, valid_until=ins.card.valid_until.replace(year=2020)))
    silent = ins.items.select("item_id", answer=pl.lit(hats.UNKNOWN))
    run = run_instrument(ins, responses=silent, out=tmp_path / "run", B=50, quiet=True)
    shown, _, _ = read(run.path / "report.html")
    assert "every answer is UNKNOWN" in shown
    assert "undefined" in shown
    assert "Its card expired on 2020-" in shown
    assert "No template leans either way" in shown
    assert "No rule finds fault with the items" in shown


def test_a_family_without_pairs_or_right_answers_has_a_page_too(tmp_path):
    rows = [
        f'{at},The red one is mine number {at}.,The blue one is mine number {at}.,stereo,{("age", "gender")[at % 2]},"{[[("age", "gender")[at % 2]]] * 5}",a,b'
        for at in range(8)
    ]
    header = ",sent_more,sent_less,stereo_antistereo,bias_type,annotations,anon_writer,anon_annotators"
    (tmp_path / "pairs.csv").write_text("\n".join([header, *rows]) + "\n")
    ins = gm.load_instrument("crows_pairs", items=tmp_path / "pairs.csv")
    run = run_instrument(ins, model="sim:bias=0.5", out=tmp_path / "run", B=50, quiet=True)
    shown, folded, _ = read(run.path / "report.html")
    assert "stereotype_share" in shown
    assert "best at 0.5" in shown
    assert "stays under it" in shown
    assert "The red one" in folded
    assert "The red one" not in shown


def test_only_a_measurement_has_this_page(tmp_path):
    run = Run.create(tmp_path / "other", kind="posttrain", name="x", settings={"a": 1}, seed=0)
    with pytest.raises(UserError, match="a run of gnomon measure run is expected"):
        write_report(run)
