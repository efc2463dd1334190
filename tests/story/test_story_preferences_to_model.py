"""From a writer's choices to a model: decisions in a project, its exported log, an environment, a few updates."""

import json
from pathlib import Path

from handmade import Told

from gnomon import tasks
from gnomon.config import load
from gnomon.posttrain.recipe import Recipe
from gnomon.posttrain.stages import run_recipe
from gnomon.runs.progress import Progress
from gnomon.story.edits import propose
from gnomon.story.project import Project
from gnomon.tasks.testing import check_environment

RECIPE = Path(__file__).parents[2] / "recipes" / "story-edit.toml"
TINY = (
    "model.layers=1", "model.width=16", "model.heads=2", "model.vocabulary=300", "warm_start.steps=3",
    "warm_start.batch_size=4", "train.steps=2", "sampling.prompts=4", "sampling.samples=4", "sampling.max_tokens=12",
    "engine.name=sync", "engine.max_staleness=0", "evaluation.n=4", "evaluation.n_curve=4", "control.supervised=false",
)  # fmt: skip

NAMES = ("Anna", "Bela", "Clara", "Dora", "Emil", "Felix", "Grace", "Hugo", "Ivan", "Jonas", "Karl", "Lena")
TEXT = "".join(f"{name} called.\n\n" for name in NAMES)


def written(folder):
    """A draft in which every third call is taken as a shout, every third mended to a cry, and the others left."""
    told = Told(TEXT, [[f"{name}/PROPN/2/nsubj called/VERB/0/root/call;Tense=Past|VerbForm=Fin ./PUNCT/2/punct"]
                       for name in NAMES])  # fmt: skip
    story = told.story
    for number, name in enumerate(NAMES):
        told.person(name).event("called", f"call-{number}", name.lower(), number=number)
    with Project.create(folder / "draft.gnomon", story) as project:
        project.keep_preferences(True)
        for number in range(len(NAMES)):
            intent = {"op": "change_event", "event": f"call-{number}", "verb": "shout"}
            (hunk,) = (suggestion := propose(story, told.extraction, intent)).hunks
            id = project.suggest(suggestion, revision=1).suggestion.id
            decisions = ({"accept": [hunk.id]}, {"edited": {hunk.id: "cried"}}, {"reject": [hunk.id]})
            project.decide(id, **decisions[number % 3])
    return folder / "draft.gnomon"


def test_decisions_become_an_environment_and_the_recipe_runs_on_it(tmp_path, gnomon):
    log = tmp_path / "choices.jsonl"
    done = gnomon("story", "export", str(written(tmp_path)), "--format", "preferences", "--out", str(log))
    assert done.exit_code == 0
    for prompt in ("request", "passage"):
        environment = tasks.get("story_edit", path=str(log), prompt=prompt)
        checked = check_environment(environment)
        assert sum(checked.tasks.values()) == len(NAMES)
        for split in checked.tasks:
            for task in environment.tasks(split):
                name = task.payload["span"].split()[0]
                wanted = ("shouted", "cried", "called")[NAMES.index(name) % 3]
                step = environment.start(task, 0).step(f" {name} {wanted}.")
                assert step.reward == 1
                assert step.correct
    assert environment.start(task, 0).prompt == f"change_event shout: {name} called. =>"

    run = run_recipe(
        load(Recipe, RECIPE, [f"task.path={log}", *TINY]), out=tmp_path / "run", progress=Progress(quiet=True)
    )
    rows = [json.loads(row) for row in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["stage"] == "rl" and "reward" in row] == [
        4,
        5,
    ]  # after the 3 of the warm start
    summary = run.summary()
    assert all(0 <= summary[f"reward_{when}"]["value"] <= 1 for when in ("before", "after"))
    rescored = gnomon("runs", "rescore", str(run.path))
    assert rescored.exit_code == 0, rescored.stderr
