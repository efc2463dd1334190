"""`gnomon dynamics train`: a small decoder trained from nothing on bytes, with a probe looking on.

The loop is the one supervised loop of the house; the probe is its observer. Steps are counted from 1. What is written:
the loss of every update and the probe's events (`metrics.jsonl`), the deceleration of the loss curve (`fit.json`), what
the sources of the text do to each other at the end (`zero_sum.json`), the last checkpoint and the page.
"""

import json
import math
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from gnomon.dynamics.curves import Curve
from gnomon.dynamics.deceleration import fit
from gnomon.dynamics.gradients import zero_sum_matrix
from gnomon.dynamics.probe import Probe
from gnomon.dynamics.recipe import Recipe
from gnomon.models import build, training
from gnomon.models.corpus import Corpus, read_corpus
from gnomon.models.policy import Policy
from gnomon.models.tokenizers import byte_token_ids, byte_tokenizer
from gnomon.models.training import example_losses, window_losses
from gnomon.runs import Run
from gnomon.runs.files import to_json, write_atomic
from gnomon.runs.interruption import Interruption
from gnomon.runs.progress import Progress
from gnomon.seeds import derive
from gnomon.stats.intervals import mean


def run_recipe(
    recipe: Recipe, *, root: Path = Path("runs"), resume: Path | None = None, progress: Progress | None = None
) -> Run:
    """Carry out `recipe` in a new run below `root`, or go on with the interrupted run in the folder `resume`.

    A resumed run logs what an uninterrupted one would have logged (a `probe.budget` aside, which reads a clock).
    """
    seed = recipe.train.seed
    settings = {**recipe.model_dump(mode="json", exclude_none=True), "seed": seed}
    corpus = read_corpus(recipe.data.text, recipe.data.context, seed)
    policy = build.decoder(
        byte_tokenizer(),
        layers=recipe.model.layers,
        width=recipe.model.width,
        heads=recipe.model.heads,
        context=recipe.data.context,
        seed=derive(seed, "model"),
    )
    if resume is not None:
        run = Run.resume(resume, settings=settings)
    else:
        run = Run.create(None, kind="dynamics-train", name=recipe.name, settings=settings, seed=seed, root=root)
    try:
        _carry_out(recipe, run, policy, corpus, progress or Progress())
    except KeyboardInterrupt:
        run.mark("interrupted", "stopped by Ctrl-C")
        raise
    return run


def _carry_out(recipe: Recipe, run: Run, policy: Policy, corpus: Corpus, progress: Progress) -> None:
    train, size = recipe.train, recipe.train.batch_size
    ids = torch.tensor(byte_token_ids(policy.tokenizer))
    windows, sources = corpus.held_out(recipe.probe.sequences)
    held_out = ids[windows]
    optimizer = training.optimizer_for(policy.model, learning_rate=train.learning_rate, weight_decay=train.weight_decay)
    probe = Probe(
        policy.model,
        example_losses,
        unit=recipe.probe.unit,
        batch=held_out,
        every=recipe.probe.every,
        gradients=recipe.probe.gradients,
        groups=sources,
        budget=recipe.probe.budget,
        run=run,
    )
    done = 0
    if (found := run.latest_checkpoint()) is not None:
        done, folder = found
        policy.load_weights(Policy.load(folder / "policy").weights())
        training.load_optimizer(optimizer, folder / "optimizer.safetensors")
        probe.restore(load_file(folder / "probe.safetensors"))
    run.rewind(done)
    interruption = Interruption(progress.say)
    policy.model.train()
    with interruption.heeded(), progress, progress.stage("training", train.steps, done) as show:
        for update in training.supervised(
            lambda step: ids[corpus.batch(step, size, train.seed)],
            lambda batch: example_losses(policy.model, batch).mean(),
            optimizer,
            first=done,
            steps=train.steps,
            learning_rate=train.learning_rate,
            warmup=train.warmup,
            clip=train.clip,
            schedule=train.schedule,
            observers=[_FromOne(probe)],
        ):
            done = update.step + 1
            run.log(
                done,
                stage="train",
                loss=update.loss,
                gradient_norm=update.gradient_norm,
                learning_rate=update.learning_rate,
            )
            show(done, f"loss {update.loss:.3f}")
            if done < train.steps and (done % train.checkpoint_every == 0 or interruption.asked):
                _save(run, done, policy, optimizer, probe)
                interruption.stop_if_asked()
        probe.finish(train.steps)
        _save(run, train.steps, policy, optimizer, probe)
    _conclude(recipe, run, policy, corpus, held_out, sources, probe)


class _FromOne:
    """The probe as an observer of a loop whose steps count from 0."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    def step(self, step: int, batch: Any) -> AbstractContextManager[None]:
        return self._probe.step(step + 1, batch)


def _save(run: Run, step: int, policy: Policy, optimizer: torch.optim.Optimizer, probe: Probe) -> None:
    with run.checkpoint(step) as folder:
        policy.save(folder / "policy")
        training.save_optimizer(optimizer, folder / "optimizer.safetensors")
        save_file(probe.state(), folder / "probe.safetensors")


def _conclude(
    recipe: Recipe, run: Run, policy: Policy, corpus: Corpus, held_out: Tensor, sources: list[str], probe: Probe
) -> None:
    """The figures of the whole run, and its page."""
    from gnomon.dynamics.report import write_report

    rows = [row for row in run.metrics() if row["stage"] == "train"]
    curve = Curve(
        x=np.array([row["step"] for row in rows], dtype=float),
        loss=np.array([math.nan if row["loss"] is None else row["loss"] for row in rows]),
        x_name="step",
        metric="loss",
        unit=1.0,
        source=str(run.path),
        settings=run.settings,
    )
    deceleration = fit(curve, warmup=recipe.train.warmup, seed=recipe.train.seed)
    write_atomic(run.path / "fit.json", to_json(deceleration.to_dict()) + "\n")
    policy.model.eval()
    if len(corpus.sources) > 1:
        matrix = zero_sum_matrix(
            policy.model, _by_sequence, held_out, sources, lr=recipe.train.learning_rate, method="first-order"
        )
        write_atomic(run.path / "zero_sum.json", to_json(matrix.to_dict()) + "\n")
    losses = window_losses(policy.model, held_out)
    events = [row for row in run.metrics() if row["stage"] == "probe"]
    spans = [row for row in events if row["kind"] == "loss" and row.get("from")]
    run.finish(
        {
            "parameters": policy.parameters,
            "tokens": recipe.train.steps * recipe.train.batch_size * recipe.data.context,
            "training_bytes": corpus.training_bytes,
            "verdict": deceleration.verdict,
            "t_d": _estimate(deceleration.t_d),
            "L_d": _estimate(deceleration.L_d),
            "r_d": _estimate(deceleration.r_d),
            "L_T": deceleration.L_T,
            "validation_loss": mean(losses).to_dict(),
            "last_interference": {key: spans[-1][key] for key in ("from", "step", "unit", "n", "D", "D_null", "A", "M")}
            if spans
            else None,
            "probes_skipped": probe.skipped,
            "probe_overhead": probe.overhead,
        }
    )
    write_report(run)


def _estimate(estimate: Any) -> dict[str, Any] | None:
    return None if estimate is None else estimate.to_dict()


def _by_sequence(model: torch.nn.Module, batch: Tensor) -> Tensor:
    return example_losses(model, batch).mean(1)


def result(run: Run) -> dict[str, Any]:
    """What `gnomon dynamics train --json` prints: the run's folder, the fit and the probe's events."""
    events = [
        {key: value for key, value in row.items() if key not in ("stage", "time")}
        for row in run.metrics()
        if row["stage"] == "probe"
    ]
    return {
        "run": str(run.path),
        "fit": json.loads((run.path / "fit.json").read_text(encoding="utf-8")),
        "probe": events,
        "summary": run.summary(),
    }
