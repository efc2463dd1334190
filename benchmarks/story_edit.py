"""From a writer's choices to a model: a scripted writer decides on proposals, and a small model learns from her log.

The writer is a program with a taste of its own. Her draft is who says what in three public-domain novels, a line each:
the last word of a speech and the words that tell whose it is. The built-in editor proposes another verb for each,
she takes, leaves or mends it in a project, and the project's preference log is what `recipes/story-edit.toml` trains a
model from nothing on. Whole sentences were tried first: some hundred of them teach such a model none but themselves.

The measure is how often, on passages held out, the model writes what the writer would have: before reinforcement
learning, after it, and after supervised training alone for the same CPU time. The test passages of every seed are the
same, the training is not.
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
    from gnomon.story.project import Project
    from gnomon.tasks.story_edit import StoryEdit

NOVELS = ("litbank/sherlock_holmes", "litbank/pride_and_prejudice", "litbank/moby_dick")

VERBS = (
    "said|cried|replied|exclaimed|answered|asked|returned|observed|whispered|muttered|remarked|inquired|shouted"
    "|continued|added|repeated|murmured"
)
_WORD = r"(?:(?:Mr|Mrs|Dr)\.|[A-Za-z'’-]+)"
SPEECH = re.compile(
    r"[“\"][^“”\"]*?([\w'’-]+[,?!])[”\"] "  # its last word
    rf"({_WORD}(?: {_WORD}){{1,3}})(?=[.,;:?!—-])"
)


def decision(line: str, before: str, after: str) -> tuple[str, str]:
    """What the writer does with `after` in the place of `before`: accepted, rejected or edited, and what stands there.

    She writes that somebody "said" something and that a question is "asked". Nobody "declares" in her book: they
    "answer", or "cry" what has an exclamation mark. To "remark" is for the one who says "I".
    """
    if "?" in line:
        return ("rejected", before) if before == "asked" else ("edited", "asked")
    if after == "declared":
        return "edited", "cried" if "!" in line else "answered"
    if "!" in line or (after == "remarked" and not re.search(r"” .*\bI\b", line)):
        return "rejected", before
    return "accepted", after


def lines_of(novel: str) -> list[str]:
    """Who says what in a novel, each once: `“… that?” asked Holmes.`"""
    from gnomon.data import read_text

    text = " ".join(read_text(novel).split())
    found = (f"“… {match[1]}” {match[2]}." for match in SPEECH.finditer(text) if re.search(rf"\b({VERBS})\b", match[2]))
    return list(dict.fromkeys(found))


def write_log(path: Path) -> None:
    """The preference log of a draft for each novel, at `path`."""
    seen: set[str] = set()
    with tempfile.TemporaryDirectory() as folder, path.open("w", encoding="utf-8") as out:
        for number, novel in enumerate(NOVELS):
            lines = [line for line in lines_of(novel) if line not in seen]
            seen.update(lines)
            for line in _decided(lines, Path(folder) / f"{number}.gnomon"):
                out.write(json.dumps(line, ensure_ascii=False) + "\n")


def _decided(lines: list[str], path: Path) -> Iterator[dict[str, Any]]:
    """The log of one draft, every line of which is a scene: a proposal and a decision where it has an event."""
    from gnomon.story import Story, extract, propose
    from gnomon.story.project import Project

    text, scenes = "", []
    for line in lines:
        scenes.append((len(text), len(text) + len(line)))
        text += line + "\n\n"
    story = Story.from_text(text, language="en", scenes=scenes)
    extraction = extract(story)
    with Project.create(path, story) as project:
        project.keep_preferences(True)
        done = set()
        for event in extraction.events:
            told = text[event.start : event.end]
            line = text[slice(*event.sentence)]
            if event.sentence in done or not line.startswith("“") or not re.fullmatch(VERBS, told):
                continue
            done.add(event.sentence)
            verb = random.Random(line).choice(("remark", "declare")) if told == "said" else "say"
            suggestion = propose(story, extraction, {"op": "change_event", "event": event.id, "verb": verb})
            if len(suggestion.hunks) == 1:
                _decide(project, project.suggest(suggestion, revision=1).suggestion, line)
        yield from project.preference_lines()


def _decide(project: "Project", suggestion: Any, line: str) -> None:
    """What the writer does with a suggestion of one hunk."""
    (hunk,) = suggestion.hunks
    kind, text = decision(line, hunk.before, hunk.after)
    if kind == "accepted":
        project.decide(suggestion.id, accept=[hunk.id])
    elif kind == "rejected":
        project.decide(suggestion.id, reject=[hunk.id])
    else:
        project.decide(suggestion.id, edited={hunk.id: text})


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


def told_with(text: str) -> list[str]:
    """The verbs that tell who speaks."""
    return re.findall(rf"\b(?:{VERBS}|declared)\b", text.partition("”")[2])


def right_verbs(run: Any, environment: "StoryEdit", stage: str) -> float:
    """The share of greedy answers with the verb that the writer wanted, whatever became of the other words."""
    wanted = {}
    for task in environment.tasks("test"):
        best = max(environment.candidates(task), key=lambda candidate: candidate.reward)
        wanted[task.id] = told_with(best.text if best.reward else task.payload["span"])
    rows = [row for row in run.evaluations() if (row["stage"], row["mode"]) == (stage, "greedy")]
    return sum(told_with(row["answer"]) == wanted[row["task_id"]] for row in rows) / len(rows)


def control_reward(run: Any) -> float:
    """The mean reward of the supervised control's greedy answers."""
    rewards = [row["reward"] for row in run.evaluations() if (row["stage"], row["mode"]) == ("control", "greedy")]
    return float(sum(rewards) / len(rewards))


def main() -> None:
    """Write the log unless it is there, run the recipe over seeds unless that is done, and print what came out."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument(
        "--folder", type=Path, default=Path("runs/benchmark/story-edit"), help="where log and runs are kept"
    )
    given = arguments.parse_args()

    import torch

    from gnomon import tasks
    from gnomon.config import load
    from gnomon.posttrain.recipe import Recipe
    from gnomon.posttrain.stages import run_recipe
    from gnomon.runs import Run, open_run
    from gnomon.runs.progress import Progress
    from gnomon.stats import mean

    torch.set_num_threads(1)
    about, recipe = machine(), Path(__file__).parent.parent / "recipes" / "story-edit.toml"

    def run(folder: Path, *changes: str) -> Run:
        """The run in a folder, made unless it is there."""
        if not (folder / "summary.json").exists():
            settings = load(Recipe, recipe, changes)
            run_recipe(settings, out=folder, resume=folder.exists(), progress=Progress(quiet=True))
        return open_run(folder)

    given.folder.mkdir(parents=True, exist_ok=True)
    log = given.folder / "choices.jsonl"
    if not log.exists():
        part = log.with_suffix(".part")
        write_log(part)
        part.rename(log)
    path = f"task.path={log}"
    runs = [run(given.folder / str(seed), path, f"seed={seed}") for seed in range(given.seeds)]
    environment = tasks.get(**load(Recipe, recipe, [path]).task.model_dump())
    summaries = [run.summary() or {} for run in runs]
    figures = {}
    for key, value in summaries[0].items():
        estimate = isinstance(value, dict) and "value" in value
        if estimate or key in ("seconds", "cpu_seconds", "warm_start_cpu_seconds"):
            figures[key] = mean([each[key]["value"] if estimate else each[key] for each in summaries])
    for stage in ("before", "after", "control"):
        figures[f"right_verb_{stage}"] = mean([right_verbs(run, environment, stage) for run in runs])
    figures["reward_control"] = mean([control_reward(run) for run in runs])
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
