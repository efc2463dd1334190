"""A post-training run from start to report: warm start, grading, the recipe's stages, grading, control.

Each stage ends in a checkpoint, and a run that was killed goes on from its last one. Steps count the optimiser
updates of the whole run, so warm start and reinforcement learning never share a number.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

from gnomon.compute import Executor, executor
from gnomon.errors import UserError
from gnomon.models import training
from gnomon.models.policy import Policy
from gnomon.posttrain import evaluation, warmups
from gnomon.posttrain.attempts import attempt_figures
from gnomon.posttrain.engine import Engine
from gnomon.posttrain.recipe import Recipe
from gnomon.posttrain.searcher import Rollout
from gnomon.posttrain.summary import summarise
from gnomon.posttrain.trainer import Trainer
from gnomon.posttrain.warm_start import initial_policy, supervised_control, warm_start
from gnomon.posttrain.watching import MakeProbe, Watch, watch_demonstrations, watch_tasks
from gnomon.runs import Run
from gnomon.runs.files import write_atomic
from gnomon.runs.interruption import Interruption
from gnomon.runs.progress import Progress
from gnomon.seeds import derive
from gnomon.stats.intervals import wilson

PREFLIGHT = 128  # training tasks on which the base's second attempts are looked at before anything is trained
EXAMPLES = 12  # trajectories kept per update, and problems shown side by side in the report


def run_recipe(
    recipe: Recipe,
    *,
    out: Path | None,
    resume: bool = False,
    progress: Progress | None = None,
    start_of: Run | None = None,
    probe: MakeProbe | None = None,
) -> Run:
    """Carry out `recipe` in the run folder `out` (a new one below `runs/` where None) and return the finished run.

    With `resume` an interrupted run in `out` is continued; its settings must be these. `start_of` is a run whose recipe
    has the same `base`: its warm start, and how that was graded, are taken over instead of made again. `probe` makes
    the probe that a recipe with a `[probe]` section asks for: `gnomon.dynamics.Probe`, or a class that is called alike.
    """
    if recipe.probe is not None and probe is None:
        raise ValueError("the recipe has a [probe] section; run_recipe(..., probe=gnomon.dynamics.Probe) serves it.")
    environment = recipe.environment()
    _check_splits(environment, recipe)
    settings = recipe.model_dump(mode="json", exclude_none=True)
    # Before anything is written, so that a mistake leaves nothing behind: the model, and where work is to run.
    policy = initial_policy(recipe, environment)
    workers = executor(
        "inline" if recipe.engine.name == "sync" else recipe.engine.name, workers=recipe.engine.searchers
    )
    if resume:
        if out is None:
            raise UserError("--resume needs --out with the folder of the run to continue.")
        run = Run.resume(out, settings=settings, outlets=recipe.trackers)
    else:
        run = Run.create(
            out,
            kind="posttrain",
            name=recipe.name,
            settings=settings,
            seed=recipe.seed,
            outlets=recipe.trackers,
        )
    job = _Job(recipe, environment, policy, run, workers, progress or Progress(), start_of, probe)
    try:
        job.carry_out()
    except KeyboardInterrupt:
        run.mark("interrupted", "stopped by Ctrl-C")
        _report(run)
        raise
    except UserError as mistake:
        run.mark("failed", str(mistake))
        raise
    return run


def _check_splits(environment: Any, recipe: Recipe) -> None:
    held_out = {task.hash: task.id for split in ("validation", "test") for task in environment.tasks(split)}
    for task in environment.tasks("train"):
        if task.hash in held_out:
            raise UserError(
                f"task.name = {recipe.task.name!r}: training task {task.id!r} is also held out as"
                f" {held_out[task.hash]!r}; the splits must share no task."
            )
    if not held_out or not environment.tasks("train"):
        raise UserError(f"task.name = {recipe.task.name!r}: the task has no training or no held-out tasks.")


def _report(run: Run) -> None:
    from gnomon.posttrain.report import write_report

    write_report(run)


class _Job:
    """One run under way."""

    def __init__(
        self,
        recipe: Recipe,
        environment: Any,
        policy: Policy,
        run: Run,
        workers: Executor,
        progress: Progress,
        start_of: Run | None,
        probe: MakeProbe | None,
    ) -> None:
        self.recipe = recipe
        self.environment = environment
        self.policy = policy
        self.run = run
        self.workers = workers
        self.progress = progress
        self.start_of = start_of
        self.make_probe = probe
        self.watch: Watch | None = None  # over the part of the run that is under way
        self.interruption = Interruption(progress.say)
        self.warm_steps = recipe.warm_start.steps
        self.state: dict[str, Any] = {
            "stage": "warm_start",
            "part": 0,  # which of the recipe's stages is under way
            "step": 0,
            "engine": None,
            "warm_cpu_seconds": 0.0,
        }

    def carry_out(self) -> None:
        """Every stage that is not behind this run yet, then summary and report."""
        recipe, run = self.recipe, self.run
        if (found := run.latest_checkpoint()) is not None:
            self.state = json.loads((found[1] / "state.json").read_text())
            run.rewind(found[0])
        else:
            run.rewind(-1)
            if self.start_of is not None:
                self._take_over(self.start_of)
        run.pinned.add(self.warm_steps)
        with self.interruption.heeded(), self.progress, self.workers:
            engine = Engine(recipe, self.workers, self.environment.tasks("train"))
            if self.state["stage"] in ("warm_start", "rl") and recipe.train.steps:
                engine.launch(self.policy.weights())
            if self.state["stage"] == "warm_start":
                self._warm_start()
            if self.state["stage"] == "rl":
                self._reinforce(engine)
        with self.interruption.heeded(), self.progress:
            if recipe.control.supervised:
                self._control()
        run.finish(self._summary())
        _report(run)

    # -- stages ----------------------------------------------------------------------------------------------

    def _warm_start(self) -> None:
        settings = self.recipe.warm_start
        optimizer = training.optimizer_for(
            self.policy.model, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay
        )
        first = self.state["step"]
        if self.make_probe is not None and self.recipe.probe is not None:
            self.watch = watch_demonstrations(self.make_probe, self.recipe, self.environment, self.policy, self.run)
        if first:
            self._load(first, optimizer)
        observers = [] if self.watch is None else [self.watch]
        cpu, spent = time.process_time() - self._watching, self.state["warm_cpu_seconds"]
        with self.progress.stage("warm start", settings.steps, first) as show:
            for update in warm_start(self.recipe, self.environment, self.policy, optimizer, first, observers):
                done = update.step + 1
                self.state["warm_cpu_seconds"] = spent + time.process_time() - self._watching - cpu
                self.run.log(
                    done,
                    stage="warm_start",
                    loss=update.loss,
                    gradient_norm=update.gradient_norm,
                    learning_rate=update.learning_rate,
                )
                show(done, f"loss {update.loss:.3f}")
                if self.interruption.asked or (done % settings.checkpoint_every == 0 and done < settings.steps):
                    self.state["step"] = done
                    self._save(done, optimizer)
                    self.interruption.stop_if_asked()
        if self.watch is not None:
            self.watch.finish(settings.steps)
        self._grade("before", self.warm_steps)
        self.state.update(stage="rl", part=0, step=0)
        self._save(self.warm_steps, None)
        self.watch = None

    @property
    def _watching(self) -> float:
        """CPU seconds that watching has taken."""
        return 0.0 if self.watch is None else self.watch.cpu_seconds

    def _take_over(self, other: Run) -> None:
        """Begin where another run's warm start ended: with its policy, its curve and its grades."""
        theirs = other.path / "checkpoints" / str(self.warm_steps)
        self.run.pinned.add(self.warm_steps)
        for row in other.metrics():
            watched = row["stage"] == "probe" and row["watched"] == "warm_start" and self.recipe.probe is not None
            if row["stage"] == "warm_start" or watched:
                self.run.log(**{key: value for key, value in row.items() if key != "time"})
        self.run.log_evaluation(row for row in other.evaluations() if row["stage"] == "before")
        if self.recipe.latent is not None:
            warmups.store(self.run, "before", warmups.stored(other, "before"))
        with self.run.checkpoint(self.warm_steps) as folder:
            shutil.copytree(theirs, folder, dirs_exist_ok=True)
        self.state = json.loads((theirs / "state.json").read_text())

    def _reinforce(self, engine: Engine) -> None:
        recipe = self.recipe
        start = self.run.path / "checkpoints" / str(self.warm_steps) / "policy"
        reference = Policy.load(start, dtype=recipe.model.dtype)
        self.policy = Policy.load(start, dtype=recipe.model.dtype)
        if self.state["step"] == 0:
            self._preflight()
        else:
            folder = self.run.path / "checkpoints" / str(self.warm_steps + self.state["step"])
            self.policy.load_weights(Policy.load(folder / "policy", dtype=recipe.model.dtype).weights())
            engine.restore(self.state["engine"], folder / "replay.jsonl")
        validation = evaluation.held_out(self.environment, "validation", recipe.evaluation.n_curve)
        behind = 0
        for part, (name, stage) in enumerate(recipe.parts()):
            self.run.pinned.add(self.warm_steps + behind)
            if part >= self.state["part"] and stage.train.steps:
                self._stage(engine, part, name, stage, start, reference, behind, validation)
            behind += stage.train.steps
        done = self.warm_steps + recipe.train.steps
        self._grade("after", done)
        self.state.update(stage="after", step=recipe.train.steps, engine=engine.state())
        if recipe.train.steps:
            self._save(done, None)
        self.interruption.stop_if_asked()

    def _stage(
        self,
        engine: Engine,
        part: int,
        name: str,
        stage: Recipe,
        start: Path,
        reference: Policy,
        first: int,
        validation: Any,
    ) -> None:
        """The updates of one of the recipe's stages, `first` of the others' being behind it."""
        train = stage.train
        trainer = Trainer(stage, self.policy, reference)
        trainer.skipped = engine.counters.skipped_updates
        done = self.state["step"] - first
        if self.make_probe is not None and self.recipe.probe is not None:
            behind = self.warm_steps + first
            began = self.run.path / "checkpoints" / str(behind) / "policy"
            trained_in = self.recipe.environment(training=True)
            self.watch = watch_tasks(self.make_probe, name, stage, trained_in, self.policy, began, self.run, behind)
        if done:
            folder = self.run.path / "checkpoints" / str(self.warm_steps + self.state["step"])
            training.load_optimizer(trainer.optimizer, folder / "optimizer.safetensors")
            self._watch_on(folder)
        label = "post-training" if name == "rl" else f"stage {name}"
        with self.progress.stage(label, train.steps, done) as show:
            for step, metrics in engine.updates(trainer, start, part, first, done, self.watch):
                here, whole = step - first, self.warm_steps + step
                if here % train.evaluate_every == 0 and validation:
                    metrics |= self._validate(validation)
                self.run.log(whole, stage=name, **metrics)
                self._keep_examples(engine, whole)
                show(here, _status(metrics))
                boundary = here % train.sync_every == 0
                due = here % train.checkpoint_every == 0 and here < train.steps
                if boundary and (due or (self.interruption.asked and here < train.steps)):
                    self.state.update(step=step, engine=engine.state())
                    self._save(whole, trainer.optimizer, engine)
                    self.interruption.stop_if_asked()
        if self.watch is not None:
            self.watch.finish(train.steps)
        if part + 1 < len(self.recipe.parts()):
            self.state.update(part=part + 1, step=first + train.steps, engine=engine.state())
            self._save(self.warm_steps + first + train.steps, None, engine)
            self.interruption.stop_if_asked()

    def _validate(self, validation: Any) -> dict[str, float]:
        graded = self._answers(validation, "greedy")
        figures = {
            "validation_accuracy": sum(g.correct for g in graded) / len(graded),
            "validation_reward": sum(g.reward for g in graded) / len(graded),
        }
        if self.recipe.attempts is not None:
            tries = attempt_figures(graded, attempts=self.recipe.attempts.count)
            named = ("t1", "delta", "i_to_c", "c_to_i", "unchanged")
            figures |= {f"validation_{name}": float(tries[name].value or 0.0) for name in named}
        return figures

    def _preflight(self) -> None:
        """Refuse to begin where a second attempt never mends a first one: there would be nothing to reinforce."""
        recipe = self.recipe
        stages = [stage for _, stage in recipe.parts()]
        if recipe.attempts is None or recipe.attempts.trained == 1 or not recipe.train.steps:
            return
        if stages[0].sampling.answer == "teacher":
            return
        rollout = Rollout(self.policy, self.environment, stages[0], 0)
        tasks = self.environment.tasks("train")[:PREFLIGHT]
        groups = rollout.groups(tasks, 0, derive(recipe.seed, "preflight"))
        if stages[0].sampling.answer == "paired":
            if not groups and not rollout.too_long:
                raise UserError(
                    f"The base answered none of {len(tasks)} training tasks right in {stages[0].sampling.samples}"
                    " attempts each, so there is nothing to pair wrong ones with. A longer warm start"
                    " (warm_start.steps), easier tasks or more sampling.samples would give something."
                )
            return
        tries = [t for group in groups for t in group]
        wrong = [t for t in tries if t.turns[0].reward < 1]
        fixed = sum(t.turns[-1].reward >= 1 for t in wrong)
        rate = wilson(fixed, len(wrong))
        self.state["preflight"] = {
            "fix_rate": rate.to_dict(),
            "right_first": wilson(len(tries) - len(wrong), len(tries)).to_dict(),
        }
        if wrong and fixed == 0:
            raise UserError(
                f"The base never mended one of {len(wrong)} wrong first attempts on training tasks (sampled at"
                f" temperature {stages[0].sampling.temperature:g}), so there is nothing to reinforce. A longer warm"
                " start (warm_start.steps), easier tasks or a higher sampling.temperature would give it something."
            )
        self.progress.say(f"before training, sampled: {fixed} of {len(wrong)} wrong first attempts are mended")

    def _control(self) -> None:
        """Supervised training alone, from the same start, for the CPU time that post-training took."""
        start = self.run.path / "checkpoints" / str(self.warm_steps) / "policy"
        policy = Policy.load(start, dtype=self.recipe.model.dtype)
        done = self.warm_steps + self.recipe.train.steps
        budget = self._cpu_seconds()
        with self.progress.stage("supervised control", 100, 0) as show:
            for spent, update in supervised_control(self.recipe, self.environment, policy, budget):
                done += 1
                self.run.log(done, stage="control", loss=update.loss)
                show(int(100 * spent), f"loss {update.loss:.3f}")
                self.interruption.stop_if_asked()
        self.policy = policy
        self._grade("control", done)

    # -- grading -------------------------------------------------------------------------------------------------

    def _answers(self, tasks: Any, mode: str) -> list[evaluation.Graded]:
        return evaluation.grade(
            self.policy,
            self.environment,
            tasks,
            max_tokens=self.recipe.sampling.max_tokens,
            mode=mode,
            seed=derive(self.recipe.base_seed, "evaluation"),
            max_turns=self.recipe.sampling.max_turns,
            beams=self.recipe.evaluation.beams,
        )

    def _grade(self, stage: str, step: int) -> None:
        tasks = evaluation.held_out(self.environment, "test", self.recipe.evaluation.n)
        for mode in ("greedy", "sampled"):
            self.run.log_evaluation(graded.to_row(step, stage) for graded in self._answers(tasks, mode))
        if self.recipe.latent is not None and stage in warmups.STAGES:
            self._study_warmups(stage, step, tasks, self.recipe.latent.n_warmups)

    def _study_warmups(self, stage: str, step: int, tasks: Any, n_warmups: int) -> None:
        study = warmups.Study(
            self.policy,
            self.environment,
            tasks,
            max_tokens=self.recipe.sampling.max_tokens,
            beams=self.recipe.evaluation.beams,
            seed=derive(self.recipe.base_seed, "evaluation"),
        )
        graded = [answer for answers in study.replaced().values() for answer in answers]
        if n_warmups > 1:
            graded += study.answers(n_warmups)
        self.run.log_evaluation(answer.to_row(step, stage) for answer in graded)
        warmups.store(self.run, stage, study.weighed())

    def _keep_examples(self, engine: Engine, step: int) -> None:
        rows = []
        for trajectory in engine.last_batch_examples(EXAMPLES):
            turns = [
                {
                    "prompt": self.policy.tokenizer.decode(list(turn.prompt_ids)),
                    "action": self.policy.decode(turn.action_ids),
                    "reward": turn.reward,
                    "components": turn.components,
                    "policy_version": turn.policy_version,
                    "finish_reason": turn.finish_reason,
                    "behaviour_log_prob": sum(turn.behaviour_log_probs),
                }
                for turn in trajectory.turns
            ]
            rows.append(
                {
                    "step": step,
                    "task_id": trajectory.task_id,
                    "group_id": trajectory.group_id,
                    "seed": trajectory.seed,
                    "turns": turns,
                }
            )
        self.run.log_trajectories(rows)

    # -- checkpoints -----------------------------------------------------------------------------------------------

    def _save(self, step: int, optimizer: Any, engine: Engine | None = None) -> None:
        with self.run.checkpoint(step) as folder:
            self.policy.save(folder / "policy")
            if optimizer is not None:
                training.save_optimizer(optimizer, folder / "optimizer.safetensors")
            if engine is not None:
                engine.replay.save(folder / "replay.jsonl")
            if self.watch is not None:
                self.state.setdefault("watched", {})[self.watch.name] = self.watch.figures()
                self.watch.save(folder)
            write_atomic(folder / "state.json", json.dumps(self.state))

    def _load(self, step: int, optimizer: Any) -> None:
        folder = self.run.path / "checkpoints" / str(step)
        stored = Policy.load(folder / "policy", dtype=self.recipe.model.dtype)
        self.policy.load_weights(stored.weights())
        training.load_optimizer(optimizer, folder / "optimizer.safetensors")
        self._watch_on(folder)

    def _watch_on(self, folder: Path) -> None:
        if self.watch is not None:
            self.watch.load(folder, self.state["watched"][self.watch.name])

    # -- summary -----------------------------------------------------------------------------------------------------

    def _cpu_seconds(self) -> float:
        counters = self.state["engine"]["counters"]
        return float(counters["trainer_cpu"] + counters["searcher_cpu"])

    def _summary(self) -> dict[str, Any]:
        return summarise(self.run, self.recipe, self.state)


def _status(metrics: dict[str, float]) -> str:
    parts = [f"reward {metrics['reward']:.3f}", f"stale {metrics['staleness']:.1f}"]
    if "validation_accuracy" in metrics:
        parts.append(f"validation {metrics['validation_accuracy']:.3f}")
    parts.append("no signal" if metrics["no_signal"] == 1 else f"no signal in {metrics['no_signal']:.0%}")
    return "  ".join(parts)
