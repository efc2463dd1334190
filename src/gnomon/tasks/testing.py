"""The contract every environment keeps, as checks to run on one's own: `check_environment(env)`."""

import json
import math
import random
from dataclasses import dataclass

from gnomon.tasks.environment import Environment, Episode, Step, Task, demonstrated

SPLITS = ("train", "validation", "test")
WRONG = ("", " ", "no", "0" * 300, "\x00", "±∞ 東京", "(" * 50, "__import__('os')")


@dataclass(frozen=True)
class Checked:
    """What `check_environment` looked at."""

    name: str
    tasks: dict[str, int]
    demonstrations_right: float


def check_environment(environment: Environment, *, n: int = 40, seed: int = 0) -> Checked:
    """Check `environment` on `n` tasks of each split; raises AssertionError naming what it breaks.

    Checked: splits exist, come out the same twice and share no task; ids are unique; payloads are JSON; prompts are not
    empty; rewards are finite numbers, the same again for the same text where the environment is `pure`; odd text is
    graded, never an exception; a teacher's demonstrations are as many as the episode has turns; symbols cover prompts,
    demonstrations and what is read between them. The share of episodes that end right under the teacher is returned,
    for a teacher may err on purpose.
    """
    name = environment.name
    owners: dict[str, str] = {}
    ids: set[str] = set()
    counts, right, shown = {}, 0, 0
    for split in SPLITS:
        tasks = environment.tasks(split)
        assert tasks, f"{name}: split {split!r} has no tasks"
        again = environment.tasks(split)
        assert [t.id for t in tasks] == [t.id for t in again], f"{name}: split {split!r} differs when asked for again"
        counts[split] = len(tasks)
        for task in tasks:
            assert task.split == split, f"{name}: task {task.id!r} of {split!r} says it is of {task.split!r}"
            other = owners.setdefault(task.hash, split)
            assert other == split, f"{name}: task {task.id!r} of {split!r} is also in {other!r}"
            assert task.id not in ids, f"{name}: the id {task.id!r} occurs twice"
            ids.add(task.id)
        for task in random.Random(seed).sample(list(tasks), min(n, len(tasks))):
            right += _check_task(environment, task)
            shown += 1
    return Checked(name, counts, right / shown)


def _check_task(environment: Environment, task: Task) -> bool:
    name = environment.name
    assert json.loads(json.dumps(task.payload)) == task.payload, f"{name}: payload of {task.id!r} does not survive JSON"
    prompt = environment.start(task, 0).prompt
    assert prompt, f"{name}: task {task.id!r} has an empty prompt"
    answer = environment.demonstration(task, 0)
    assert environment.demonstration(task, 0) == answer, f"{name}: a demonstration of {task.id!r} differs when repeated"
    if environment.symbols is not None:
        _check_symbols(environment, task, prompt + answer)
    for text in (answer, *WRONG):
        reward = _graded(environment, task, environment.start(task, 0), text).reward
        if environment.pure:
            repeated = environment.start(task, 1).step(text).reward
            assert repeated == reward, f"{name}: pure, but {text[:20]!r} on {task.id!r} earns {reward} and {repeated}"
    return _check_demonstrations(environment, task)


def _check_demonstrations(environment: Environment, task: Task) -> bool:
    """Play an episode as the teacher would; whether its last action was right."""
    episode = environment.start(task, 0)
    texts = demonstrated(environment, task, 0)
    for turn, text in enumerate(texts, start=1):
        step = _graded(environment, task, episode, text)
        assert step.done == (turn == len(texts)), (
            f"{environment.name}: task {task.id!r} has {len(texts)} demonstrations, but its episode"
            f" {'ends with' if step.done else 'goes on after'} turn {turn}"
        )
        if environment.symbols is not None:
            _check_symbols(environment, task, text + (step.observation or ""))
    return step.correct


def _graded(environment: Environment, task: Task, episode: Episode, text: str) -> Step:
    step = episode.step(text)
    reward = step.reward
    good = isinstance(reward, int | float) and not isinstance(reward, bool) and math.isfinite(reward)
    assert good, f"{environment.name}: task {task.id!r} rewards {text[:20]!r} with {reward!r}, not a finite number"
    return step


def _check_symbols(environment: Environment, task: Task, text: str) -> None:
    units = sorted(environment.symbols or (), key=len, reverse=True)
    rest = text
    while rest:
        unit = next((u for u in units if rest.startswith(u)), None)
        assert unit is not None, f"{environment.name}: no symbol covers {rest[:10]!r} in task {task.id!r}"
        rest = rest[len(unit) :]
