"""A run small enough to be made many times: seconds, not minutes, from warm start to report."""

import textwrap
import tomllib

from gnomon.posttrain.recipe import Recipe

TEXT = textwrap.dedent(
    """
    name = "tiny"
    seed = 0

    [task]
    name = "multiply"
    digits = [1, 1]
    teacher_error = 0.4
    n_validation = 20
    n_test = 20

    [model]
    layers = 1
    width = 32
    heads = 2
    context = 16

    [warm_start]
    steps = 24
    batch_size = 64
    learning_rate = 2e-2
    checkpoint_every = 8

    [sampling]
    prompts = 6
    samples = 4
    max_tokens = 4

    [train]
    steps = 12
    learning_rate = 1e-3
    checkpoint_every = 4
    evaluate_every = 4

    [engine]
    name = "sync"

    [evaluation]
    n = 20
    n_curve = 20
    """
)


STAGED = {
    "attempts": {"count": 2, "instruction": "?", "offline_first_attempts": 0.4},
    "objective": {"name": "policy_gradient", "baseline": "leave_one_out"},
    "sampling": {"samples": 2, "branches": 2},
    "stages": [
        {"name": "I", "share": 0.4, "objective": {"turn_weights": [0, 1], "kl": [0.11, 0.01]}},
        {"name": "II", "share": 0.6, "objective": {"shaping": 10.0, "kl": [0.01, 0.01]}},
    ],
}
"""SCoRe on the same task: two attempts, two stages of 5 and 7 updates, some first attempts from the replay."""


def values(**sections):
    """The recipe as a dict with `section={key: value}` or `key=value` put over it; another task replaces `[task]`."""
    recipe = tomllib.loads(TEXT)
    for name, value in sections.items():
        other_task = name == "task" and value["name"] != recipe["task"]["name"]
        merge = isinstance(value, dict) and not other_task
        recipe[name] = {**recipe.get(name, {}), **value} if merge else value
    return recipe


def tiny(**sections):
    """The recipe as settings."""
    return Recipe.model_validate(values(**sections))
