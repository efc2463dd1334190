"""From a writer's choices to a model: a scripted writer decides on proposals, and a small model learns from her log.

The writer is a program with a taste of its own. Her draft is short sentences of three public-domain novels, a line
each; the built-in editor proposes another verb for one event a line, she takes, leaves or mends it in a project, and
the project's preference log is what `recipes/story-edit.toml` trains on. The measure is how often, on passages held
out, the model writes what she would have: before reinforcement learning, after it, and after supervised training alone
for the same CPU time. The test passages of every seed are the same, the training is not.
"""

import argparse
import json
import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import machine, save

if TYPE_CHECKING:
    from gnomon.story.edits import Suggestion
    from gnomon.story.project import Project
    from gnomon.tasks.story_edit import StoryEdit

NOVELS = ("litbank/sherlock_holmes", "litbank/pride_and_prejudice", "litbank/moby_dick")
LONGEST = 70  # characters of a line

PROPOSED = {
    "say": ("remark", "declare"),
    **dict.fromkeys(("cry", "reply", "answer", "remark", "exclaim", "observe", "return", "add", "ask"), ("say",)),
    **dict.fromkeys(("repeat", "whisper", "murmur", "continue", "shout", "mutter", "inquire"), ("say",)),
    "come": ("arrive", "appear"), "go": ("walk", "hurry"), "walk": ("stroll", "march"), "run": ("hurry", "dash"),
    "look": ("gaze", "glance"), "see": ("notice", "perceive"), "hear": ("notice", "perceive"),
    "think": ("believe", "suppose"), "know": ("understand", "believe"), "feel": ("sense", "perceive"),
    "make": ("form", "produce"), "find": ("discover", "obtain"), "get": ("obtain", "fetch"),
    "take": ("seize", "obtain"), "put": ("place", "lay"), "give": ("offer", "hand"), "hold": ("seize", "keep"),
    "turn": ("wheel", "swing"), "pass": ("cross", "walk"), "rise": ("spring", "start"), "enter": ("approach", "leave"),
    "sit": ("rest", "wait"), "stand": ("rest", "wait"), "leave": ("quit", "abandon"), "begin": ("start", "commence"),
    "laugh": ("chuckle", "smile"), "smile": ("grin", "laugh"), "tell": ("inform", "assure"),
    "call": ("summon", "shout"), "open": ("unlock", "close"), "fall": ("drop", "sink"), "draw": ("pull", "drag"),
    "throw": ("toss", "fling"),
    "shake": ("wave", "nod"), "follow": ("chase", "join"), "drop": ("lower", "fling"),
    "bring": ("carry", "fetch"), "meet": ("greet", "join"), "rush": ("dash", "hurry"), "spring": ("jump", "start"),
}  # fmt: skip
"""The verbs that may be proposed in the place of one: what the writer asks the editor to try."""

MENDED = {
    "perceived": "noticed", "obtained": "got", "commenced": "began", "informed": "told", "abandoned": "left",
    "seized": "caught", "supposed": "thought", "summoned": "called", "gazed": "stared", "retired": "withdrew",
}  # fmt: skip
"""Stiff words, and what she writes instead."""

STRONG = (
    "said|came|went|saw|took|made|knew|thought|told|left|sat|stood|gave|ran|rose|fell|got|held|put|began|heard|found"
    "|felt|drew|threw|shook|brought|met|sprang"
)
"""Past forms without -ed: a line has to have one or the other outside its quotation marks."""

SAYING = ("said", "remarked", "declared")


def decision(sentence: str, before: str, after: str) -> tuple[str, str]:
    """What the writer does with `after` in the place of `before`: accepted, rejected or edited, and what stands there.

    Who says something "said" it, and a question is "asked"; nobody "declared" anything, but "answered" or "cried" it.
    Other stiff words are put plainly. Where "I" act, the plain verb stays. Anything else is welcome.
    """
    if after in SAYING:
        if "?" in sentence:
            return ("rejected", before) if before == "asked" else ("edited", "asked")
        if after == "declared":
            return "edited", "cried" if "!" in sentence else "answered"
        return ("accepted", after) if after == "said" and "!" not in sentence else ("rejected", before)
    if after in MENDED:
        return "edited", MENDED[after]
    return ("rejected", before) if re.search(r"\bI\b", sentence) else ("accepted", after)


def lines_of(novel: str) -> list[str]:
    """Short sentences of a novel whose quotation marks are whole."""
    from gnomon.data import read_text
    from gnomon.story.document import Story

    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", read_text(novel)))
    found = (text[span.start : span.end] for span in Story.from_text(text, language="en").sentences)
    whole = re.compile(r"[“\"A-Z][^_\[\]*#\n‘]*[.!?][”\"]?")
    past = re.compile(rf"[a-z]ed\b|\b({STRONG})\b")
    return [
        line
        for line in found
        if 12 <= len(line) <= LONGEST
        and whole.fullmatch(line)
        and line.count("“") == line.count("”")
        and line.count('"') % 2 == 0
        and past.search(_outside(line))
    ]


def _outside(line: str) -> str:
    """The line without what is quoted."""
    return re.sub(r"[“\"][^”\"]*[”\"]", " ", line)


def write_log(path: Path) -> Counter[str]:
    """The preference log of three drafts, at `path`; how many decisions there are of each kind."""
    kinds: Counter[str] = Counter()
    seen: set[str] = set()
    with tempfile.TemporaryDirectory() as folder, path.open("w", encoding="utf-8") as out:
        for number, novel in enumerate(NOVELS):
            lines = [line for line in dict.fromkeys(lines_of(novel)) if line not in seen]
            seen.update(lines)
            for line in _decided(lines, Path(folder) / f"{number}.gnomon"):
                kinds[line["candidates"][0]["decision"]] += 1
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
    return kinds


def _decided(lines: list[str], path: Path) -> Iterator[dict[str, Any]]:
    """The log of one draft: every line a scene of its own, and one proposal for each line where there is an event."""
    from gnomon.story import Story, extract, propose
    from gnomon.story.project import Project

    text, scenes = "", []
    for line in lines:
        scenes.append((len(text), len(text) + len(line)))
        text += line + "\n\n"
    story = Story.from_text(text, language="en", scenes=scenes)
    extraction = extract(story)
    done: set[tuple[int, int]] = set()
    with Project.create(path, story) as project:
        project.keep_preferences(True)
        for event in extraction.events:
            verbs = PROPOSED.get(event.verb, ())
            sentence = text[slice(*event.sentence)]
            told = event.kind == "speech" and _outside(sentence) == sentence  # nothing is quoted
            if not verbs or told or event.sentence in done:
                continue
            verb = random.Random(sentence).choice(verbs)
            suggestion = propose(story, extraction, {"op": "change_event", "event": event.id, "verb": verb})
            if len(suggestion.hunks) == 1:
                done.add(event.sentence)
                decide(project, suggestion, sentence, revision=1)
        yield from project.preference_lines()


def decide(project: "Project", suggestion: "Suggestion", sentence: str, revision: int) -> None:
    """Keep a suggestion of one hunk in the project, and decide on it as the writer would."""
    (hunk,) = suggestion.hunks
    kind, text = decision(sentence, hunk.before, hunk.after)
    id = project.suggest(suggestion, revision=revision).suggestion.id
    if kind == "accepted":
        project.decide(id, accept=[hunk.id])
    elif kind == "rejected":
        project.decide(id, reject=[hunk.id])
    else:
        project.decide(id, edited={hunk.id: text})


def kind_of(environment: "StoryEdit", task: Any) -> str:
    """What the writer did with what was proposed for a passage."""
    return environment.candidates(task)[0].decision


def without_a_model(environment: "StoryEdit") -> dict[str, Any]:
    """Reward and accuracy on the held-out passages of keeping every passage and of taking every proposal."""
    from gnomon.stats import mean, wilson

    found = {}
    tasks = environment.tasks("test")
    for name, texts in (
        ("keep", [task.payload["span"] for task in tasks]),
        ("take", [environment.candidates(task)[0].text for task in tasks]),
    ):
        steps = [environment.start(task, 0).step(text) for task, text in zip(tasks, texts, strict=True)]
        found[f"{name}_reward"] = mean([step.reward for step in steps]).to_dict()
        found[f"{name}_accuracy"] = wilson(sum(step.correct for step in steps), len(steps)).to_dict()
    return found


def by_decision(run: Any, environment: "StoryEdit") -> dict[str, dict[str, Any]]:
    """Greedy accuracy of a run at each stage, apart for passages whose proposal was accepted, rejected and mended."""
    from gnomon.stats import wilson

    kinds = {task.id: kind_of(environment, task) for task in environment.tasks("test")}
    found: dict[str, dict[str, Any]] = {}
    rows = [
        row for row in run.evaluations() if row["mode"] == "greedy" and row["stage"] in ("before", "after", "control")
    ]
    for stage in dict.fromkeys(row["stage"] for row in rows):
        for kind in sorted(set(kinds.values())):
            right = [row["correct"] for row in rows if row["stage"] == stage and kinds.get(row["task_id"]) == kind]
            if right:
                found.setdefault(kind, {})[stage] = wilson(sum(right), len(right)).to_dict()
    return found


def main() -> None:
    """Write the log unless it is there, run the recipe over seeds unless that is done, and print what came out."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--folder", type=Path, default=Path("runs/benchmark"), help="where log and runs are kept")
    given = arguments.parse_args()

    import torch

    from gnomon import tasks
    from gnomon.config import load
    from gnomon.posttrain.recipe import Recipe
    from gnomon.posttrain.stages import run_recipe
    from gnomon.runs import open_run
    from gnomon.runs.progress import Progress
    from gnomon.stats import mean

    torch.set_num_threads(1)
    about, recipe = machine(), Path(__file__).parent.parent / "recipes" / "story-edit.toml"
    given.folder.mkdir(parents=True, exist_ok=True)
    log = given.folder / "story-edit.jsonl"
    if not log.exists():
        part = log.with_suffix(".part")
        print(dict(write_log(part)))
        part.rename(log)
    runs = []
    for seed in range(given.seeds):
        folder = given.folder / f"story-edit-{seed}"
        if not (folder / "summary.json").exists():
            settings = load(Recipe, recipe, [f"task.path={log}", f"seed={seed}"])
            run_recipe(settings, out=folder, resume=folder.exists(), progress=Progress(quiet=True))
        runs.append(open_run(folder))
    environment = tasks.get(**load(Recipe, recipe, [f"task.path={log}"]).task.model_dump())
    summaries = [run.summary() or {} for run in runs]
    figures = {}
    for key, value in summaries[0].items():
        estimate = isinstance(value, dict) and "value" in value
        if estimate or key in ("seconds", "cpu_seconds", "warm_start_cpu_seconds"):
            figures[key] = mean([each[key]["value"] if estimate else each[key] for each in summaries])
    result = {
        "machine": about,
        "seeds": given.seeds,
        "decisions": {
            split: dict(Counter(kind_of(environment, task) for task in environment.tasks(split)))
            for split in ("train", "validation", "test")
        },
        "without_a_model": without_a_model(environment),
        "figures": {key: estimate.to_dict() for key, estimate in figures.items()},
        "by_decision": [by_decision(run, environment) for run in runs],
        "runs": summaries,
    }
    for key, estimate in figures.items():
        print(f"  {key}: {estimate}")
    save("story_edit", result)


if __name__ == "__main__":
    main()
