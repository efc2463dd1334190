"""Reports: one file, everything escaped, nothing fetched."""

import re
from html.parser import HTMLParser

from gnomon.runs.report import Report, figure


class Strict(HTMLParser):
    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.tags = [], [], set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_page_is_well_formed_self_contained_and_escaped(tmp_path):
    report = Report("<b>title</b>", "a & b")
    report.heading("Curves")
    report.sentence("x < y")
    report.table(["a", "<i>"], [[1, "<script>alert(1)</script>"]])
    report.facts({"k&": "<v>"})
    for _ in range(2):
        plot, axes = figure(4, 2)
        axes.plot([1, 2, 3])
        axes.set_title("a < b")
        report.figure(plot, "caption & more")
    report.examples([{"prompt": "1<2", "before": "", "before_correct": False, "after": "<x>", "after_correct": True}])
    report.write(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    parser = Strict()
    parser.feed(page)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert "script" not in parser.tags
    assert not re.search(r'(?:src|href)="(?!#)', re.sub(r'xmlns(:\w+)?="[^"]*"', "", page))
    assert "&lt;script&gt;" in page
    assert "@import" not in page


def test_the_same_report_twice_is_the_same_bytes(tmp_path):
    def write(name):
        report = Report("t")
        plot, axes = figure(3, 2)
        axes.plot([1, 3, 2])
        report.figure(plot, "c")
        report.write(tmp_path / name)
        return (tmp_path / name).read_bytes()

    assert write("a.html") == write("b.html")


def test_what_is_folded_is_closed_until_it_is_opened(tmp_path):
    report = Report("t")
    with report.folded("Offensive & hidden"):
        report.sentence("the text")
    report.sentence("after")
    report.write(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    parser = Strict()
    parser.feed(page)
    assert parser.open == []
    inside = page[page.index("<details>") : page.index("</details>")]
    assert inside.startswith("<details><summary>Offensive &amp; hidden</summary>")
    assert "the text" in inside
    assert "after" not in inside
    assert not re.search(r"<details[^>]*open", page)
