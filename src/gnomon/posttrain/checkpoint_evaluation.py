"""Grading a checkpoint by command: on a task as its run had it, or on any other, with one attempt or several."""

from pathlib import Path
from typing import Any

from gnomon.config import validate
from gnomon.errors import UserError
from gnomon.models.policy import Policy
from gnomon.posttrain.attempts import attempt_figures
from gnomon.posttrain.evaluation import accuracy, grade, held_out
from gnomon.posttrain.recipe import Recipe
from gnomon.posttrain.searcher import observe
from gnomon.posttrain.warmups import Study
from gnomon.runs import open_run

LONGEST = 256  # tokens an answer may have where neither command nor run says so


def as_trained(
    checkpoint: str,
    task: str,
    settings: dict[str, Any],
    *,
    attempts: int | None = None,
    instruction: str | None = None,
    n_warmups: int | None = None,
    max_tokens: int | None = None,
) -> Recipe:
    """How to grade `checkpoint` on `task`: as the recipe of its run says where it is of a run on this very task, with
    everything that is given here put over it. A graded reward is made a verdict, for attempts are right or wrong.

    Raises UserError for settings that cannot be, such as an instruction without a second attempt.
    """
    theirs = _recipe_of(checkpoint, task)
    if attempts is None and theirs.get("attempts"):
        attempts = theirs["attempts"]["count"]
    if instruction is not None and (attempts or 1) < 2:
        raise UserError("--instruction is read before a second attempt; give --attempts 2 as well.")
    values: dict[str, Any] = {"task": {**theirs.get("task", {}), "name": task, **settings}}
    if attempts is not None and attempts > 1:
        values["attempts"] = {**_kept(theirs.get("attempts"), "instruction"), "count": attempts, "binary": True}
        if instruction is not None:
            values["attempts"]["instruction"] = instruction
    elif "latent" in theirs:
        values["latent"] = theirs["latent"] if n_warmups is None else {**theirs["latent"], "n_warmups": n_warmups}
    if n_warmups is not None and "latent" not in values:
        raise UserError(
            f"--n-warmups is for a policy trained to write warmups, and {checkpoint!r} is of no run with [latent] on"
            f" {task!r}."
        )
    values["evaluation"] = theirs.get("evaluation", {})
    values["sampling"] = {**_kept(theirs.get("sampling"), "max_tokens"), "max_turns": max(8, attempts or 1)}
    if max_tokens is not None:
        values["sampling"]["max_tokens"] = max_tokens
    return validate(Recipe, values, source="gnomon evaluate")


def _kept(section: dict[str, Any] | None, *names: str) -> dict[str, Any]:
    return {name: section[name] for name in names if section and name in section}


def _recipe_of(checkpoint: str, task: str) -> dict[str, Any]:
    """The settings of the post-training run on `task` that a checkpoint belongs to, none where there is no such run."""
    for folder in (Path(checkpoint), *Path(checkpoint).parents):
        if (folder / "recipe.toml").is_file() and (folder / "state.json").is_file():
            run = open_run(folder)
            of_task = run.kind == "posttrain" and run.settings["task"]["name"] == task
            return run.settings if of_task else {}
    return {}


def evaluate_policy(policy: Policy, recipe: Recipe, *, n: int, seed: int) -> dict[str, Any]:
    """Grade `policy` on the first `n` held-out problems of the recipe's task: estimates by name, JSON-ready.

    With several attempts: t1 .. tN, delta, i_to_c, c_to_i, fix_rate, edit_ratio and unchanged, of greedy answers.
    Otherwise: accuracy and sampled_accuracy, and accuracy_n where several warmups are to be tried.
    """
    environment = recipe.environment()
    problems = held_out(environment, "test", n)
    tokens = recipe.sampling.max_tokens
    if "max_tokens" not in recipe.sampling.model_fields_set:
        prompts = [policy.encode(environment.start(problem, seed).prompt) for problem in problems]
        tokens = _room(policy, recipe, max(map(len, prompts)))

    def graded(mode: str) -> Any:
        return grade(
            policy,
            environment,
            problems,
            max_tokens=tokens,
            mode=mode,
            seed=seed,
            max_turns=recipe.sampling.max_turns,
            beams=recipe.evaluation.beams,
        )

    result: dict[str, Any] = {"task": recipe.task.name, "n": len(problems)}
    greedy = graded("greedy")
    if recipe.attempts is not None:
        figures = attempt_figures(greedy, attempts=recipe.attempts.count, seed=seed)
    else:
        figures = {"accuracy": accuracy(greedy), "sampled_accuracy": accuracy(graded("sampled"))}
    if recipe.latent is not None and recipe.latent.n_warmups > 1:
        study = Study(policy, environment, problems, max_tokens=tokens, beams=recipe.evaluation.beams, seed=seed)
        figures["accuracy_n"] = accuracy(study.answers(recipe.latent.n_warmups))
    if (corpus_scores := getattr(environment, "corpus_scores", None)) is not None:
        figures |= corpus_scores(problems, [g.answer for g in greedy], seed=seed)
    result |= {name: figure.to_dict() for name, figure in figures.items()}
    if cut := sum(g.too_long for g in greedy):
        result["too_long"] = cut
    return {**result, "seed": seed}


def _room(policy: Policy, recipe: Recipe, prompt: int) -> int:
    """How many tokens each answer may have so that all attempts at a prompt of this many tokens fit the context."""
    count = 1 if recipe.attempts is None else recipe.attempts.count
    between = 0
    if recipe.attempts is not None:
        between = len(observe(policy, recipe.environment().instruction)) * (count - 1)
    left = policy.context - between - (0 if policy.is_encoder_decoder else prompt)
    return max(1, min(LONGEST, left // count))
