"""How fast is a novel read for the first time, read again after an edit, edited, and opened?

The text is Moby-Dick and then The Adventures of Sherlock Holmes, cut to size; 300,000 words stand for a long novel.
Every size is read in a process of its own, whose peak of memory is that of the whole process. The peer is a spaCy
pipeline of the pack's own components and weights (two token-to-vector networks, morphologizer, parser, entity
recogniser; the same matrix products) with spaCy's own tokeniser and batches, over the same paragraphs, right after.
What is done again and again (a changed paragraph, a suggestion) is the median of 9 in one process, each at another
place of the book. An edit of a project is set against writing and syncing one page of a file beside it, in turn.

Times are CPU seconds of the process, which a busy machine stretches less than the clock, save where `wall` is said.
Data: `text/` of GNOMON_DATA_DIR.
"""

import argparse
import gzip
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from gnomon.story import Extraction, Project, Story, extract, propose
from gnomon.story.packs import Pack, load
from machine import machine, save

BOOKS = ("2489_moby_dick.txt.gz", "1661_the_adventures_of_sherlock_holmes.txt.gz")
SIZES = (50_000, 100_000, 150_000, 300_000)
DOUBLED = ((50_000, 100_000), (150_000, 300_000))
BOOK = 100_000
TIMES, EDITS = 9, 500
LIMITS = {
    "first extraction, CPU s per 100,000 words": 30,
    "own / bare spaCy, 100,000 words": 1.4,
    "own / bare spaCy, 300,000 words": 1.4,
    "peak memory, 100,000 words, GB": 1.5,
    "peak memory, 300,000 words, GB": 1.5,
    "changed paragraph, s": 0.3,
    "changed paragraph / full": 1 / 40,
    "rename / full": 1 / 100,
    "swap_roles / full": 1 / 100,
    "extraction, 100,000 / 50,000 words": 2.3,
    "extraction, 300,000 / 150,000 words": 2.3,
    "edit, 100,000 / 50,000 words": 2.3,
    "edit, 300,000 / 150,000 words": 2.3,
    "edit, p95 beyond a sync, wall ms": 20,
    "open to text, wall s": 1.5,
}


def text_of(words: int) -> str:
    """The first `words` words of the two books."""
    folder = Path(os.environ["GNOMON_DATA_DIR"]) / "text"
    parts = []
    for name in BOOKS:
        with gzip.open(folder / name, "rt", encoding="utf-8") as file:
            parts.append(file.read())
    text = "\n\n".join(parts)
    for number, match in enumerate(re.finditer(r"\S+", text), start=1):
        if number == words:
            return text[: match.end()] + "\n"
    raise SystemExit(f"The two books have fewer than {words:,} words.")


def cpu_seconds(function: Callable[[], Any]) -> float:
    """CPU time of one call."""
    begun = time.process_time()
    function()
    return time.process_time() - begun


def warm_pack() -> Pack:
    """The English pack, loaded and run once."""
    pack = load("en")
    extract(Story.from_text("Anna walked to the mill. “Come in,” said Tom.", language="en"))
    return pack


def bare(pack: Pack, texts: list[str]) -> None:
    """spaCy alone: its tokeniser and the pack's pipes over `texts`."""
    grammar, fiction = pack._grammar, pack._fiction
    assert grammar is not None
    assert fiction is not None
    for _ in fiction.pipe(grammar.pipe(texts)):
        pass


def first(words: int) -> dict[str, float]:
    """In a process of its own: read a story of `words` words for the first time, then let spaCy alone do it."""
    text, pack = text_of(words), warm_pack()
    begun = time.process_time()
    story = Story.from_text(text, language="en")
    extraction = extract(story)
    own = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    passes = cpu_seconds(lambda: extract(story, previous=extraction))
    found = {"own_s": own, "passes_s": passes, "peak_gb": peak, "paragraphs": len(story.paragraphs)}
    found |= {"characters": len(extraction.characters), "events": len(extraction.events)}
    if words in (BOOK, SIZES[-1]):
        texts = [story.paragraph_text(number) for number in range(len(story.paragraphs))]
        bare(pack, texts[:20])
        found["bare_s"] = cpu_seconds(lambda: bare(pack, texts))
    if words == BOOK:
        found |= again(story, extraction)
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            path = Path(folder) / "book.gnomon"
            with Project.create(path, story) as project:
                project.keep_analyses(extraction)
            found["project_mb"] = path.stat().st_size / 1e6
            found |= called("--open", str(path))
    return found


def again(story: Story, extraction: Extraction) -> dict[str, float]:
    """Median seconds of one changed paragraph, from the edit to the extraction, and of two kinds of suggestion."""
    long = [span for span in story.paragraphs if span.end - span.start > 200]
    paragraphs = [long[len(long) * number // TIMES] for number in range(TIMES)]
    people = sorted(extraction.characters, key=lambda each: -len(each.mentions))
    people = [each for each in people if each.kind == "person"][:TIMES]
    told = [each for each in extraction.events if each.agent and each.patient]
    told = [told[len(told) * number // TIMES] for number in range(TIMES)]

    def change(at: int) -> None:
        extract(story.edit(at, at, " He walked to the harbour."), previous=extraction)

    changes = [cpu_seconds(lambda at=span.end: change(at)) for span in paragraphs]
    names = [{"op": "rename", "target": each.id, "to": "Zora Quill"} for each in people]
    swaps = [{"op": "swap_roles", "event": each.id} for each in told]
    return {
        "changed_s": median(changes),
        "changed_most_s": max(changes),
        "rename_s": median(cpu_seconds(lambda intent=each: propose(story, extraction, intent)) for each in names),
        "swap_roles_s": median(cpu_seconds(lambda intent=each: propose(story, extraction, intent)) for each in swaps),
    }


def opened(path: str) -> dict[str, float]:
    """In a process of its own: from the file to its text, to the story, and to its extraction."""
    begun, spent = time.perf_counter(), time.process_time()
    with Project.open(path) as project:
        assert project.text
        text, text_cpu = time.perf_counter() - begun, time.process_time() - spent
        story = project.story
        extraction = extract(story, known=project.analyses(load("en").hash))
        if extraction.stats["parsed"]:
            raise SystemExit("The language pack was changed while this ran; run it again.")
    return {
        "open_text_wall_s": text,
        "open_text_s": text_cpu,
        "open_extraction_wall_s": time.perf_counter() - begun,
        "open_extraction_s": time.process_time() - spent,
    }


def edits(words: int) -> dict[str, float]:
    """In a process of its own: edits all over a project of `words` words, and a sync of one page before each."""
    text = text_of(words)
    wall, sync, cpu = [], [], []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        page = os.open(Path(folder) / "page", os.O_CREAT | os.O_WRONLY)
        with Project.create(Path(folder) / "book.gnomon", Story.from_text(text, language="en")) as project:
            for number in range(EDITS + 10):
                at = number * 7919 * 101 % len(text)
                begun = time.perf_counter()
                os.pwrite(page, bytes(4096), 4096 * number)
                os.fsync(page)
                between, spent = time.perf_counter(), time.process_time()
                project.edit(project.revision, [(at, at, "x")])
                cpu.append(time.process_time() - spent)
                wall.append(time.perf_counter() - between)
                sync.append(between - begun)
        os.close(page)

    def p95(values: list[float]) -> float:
        return 1000 * quantiles(values[10:], n=20)[-1]

    return {"p95_wall_ms": p95(wall), "sync_p95_wall_ms": p95(sync), "median_ms": 1000 * median(cpu[10:])} | {
        "p95_ms": p95(cpu)
    }


def called(*arguments: str) -> dict[str, float]:
    """What this script prints in another process."""
    done = subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def summary(read: dict[int, dict[str, float]], edited: dict[int, dict[str, float]]) -> dict[str, float]:
    """The figures that have limits."""
    book, long = read[BOOK], read[SIZES[-1]]
    return {
        "first extraction, CPU s per 100,000 words": book["own_s"],
        "own / bare spaCy, 100,000 words": book["own_s"] / book["bare_s"],
        "own / bare spaCy, 300,000 words": long["own_s"] / long["bare_s"],
        "peak memory, 100,000 words, GB": book["peak_gb"],
        "peak memory, 300,000 words, GB": long["peak_gb"],
        "changed paragraph, s": book["changed_s"],
        "changed paragraph / full": book["changed_s"] / book["own_s"],
        "rename / full": book["rename_s"] / book["own_s"],
        "swap_roles / full": book["swap_roles_s"] / book["own_s"],
        **{f"extraction, {2 * n:,} / {n:,} words": read[m]["own_s"] / read[n]["own_s"] for n, m in DOUBLED},
        **{f"edit, {2 * n:,} / {n:,} words": edited[m]["median_ms"] / edited[n]["median_ms"] for n, m in DOUBLED},
        "edit, p95 beyond a sync, wall ms": edited[BOOK]["p95_wall_ms"] - edited[BOOK]["sync_p95_wall_ms"],
        "open to text, wall s": book["open_text_wall_s"],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--edits", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--open", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.first or chosen.edits or chosen.open:
        found = first(chosen.first) if chosen.first else edits(chosen.edits) if chosen.edits else opened(chosen.open)
        print(json.dumps(found))
        return
    about = machine()
    pack = load("en").hash
    print(f"{about['processor']}, {about['cores']} cores, load {about['load']}; pack {pack[:12]}")
    read: dict[int, dict[str, float]] = {}
    edited: dict[int, dict[str, float]] = {}
    for words in SIZES:
        for name, found in (("edits", edited), ("first", read)):
            found[words] = called(f"--{name}", str(words))
            figures = ", ".join(f"{figure} {value:.4g}" for figure, value in found[words].items())
            print(f"{name}, {words:,} words: {figures}", flush=True)
    load_after = [round(each, 2) for each in os.getloadavg()]
    summed = summary(read, edited)
    print(f"\n{'':<44}{'found':>9}{'limit':>9}")
    for name, value in summed.items():
        print(f"{name:<44}{value:>9.4f}{LIMITS[name]:>9.4g}  {'met' if value <= LIMITS[name] else 'MISSED'}")
    print(f"load after: {load_after}")
    save(
        "story_speed",
        {
            "machine": about,
            "load_after": load_after,
            "pack": pack,
            "found": summed,
            "limits": LIMITS,
            "read": {str(words): figures for words, figures in read.items()},
            "edits": {str(words): figures for words, figures in edited.items()},
        },
    )


if __name__ == "__main__":
    main()
