"""The probe: what an update of a person's own training loop did to each example, live, without changing the run.

It takes the losses of a batch before and after a step (dt = 1 in arXiv 2506.05447); with "log2" it also keeps one
vector of validation losses and sets those after step t against those after step 2t (dt = t). The statistic, its null
and the groups are `interference.py`'s, gradients by example are `gradients.py`'s, and that nothing is disturbed is
`models/passive.py`'s. Where several processes train together, sums are exchanged, never losses, labelled ones aside.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from gnomon.dynamics.gradients import (
    GradientInterference,
    Include,
    ParameterSums,
    gradient_interference,
    interference_of,
    refuse_sharded,
    unwrapped,
)
from gnomon.dynamics.interference import Sums, Unit, by_group, check_unit, destructive_interference
from gnomon.dynamics.losses import ExampleLosses, batch_rows, entries
from gnomon.models.passive import undisturbed

SAMPLED = 4  # examples whose gradients are taken one by one with gradients="sampled"
GUESSED_COST = {"off": 1.0, "sampled": 2.0, "exact": 3.0}  # of a first probe, in mean steps of the loop


class Log(Protocol):
    """Where events can go as rows: a `gnomon.runs.Run`, or anything with this method."""

    def log(self, step: int, **values: Any) -> None:
        """One row of metrics at `step`."""
        ...


class Probe:
    """Measures, around chosen steps of a training loop, how far examples' changes of loss cancel.

        probe = Probe(model, example_losses, batch=validation_batch, unit="token", every="log2")
        for step, batch in enumerate(loader, 1):
            with probe.step(step, batch):
                loss = ...; loss.backward(); optimizer.step(); optimizer.zero_grad()
        probe.finish(step)

    `example_losses(model, batch)` gives losses (B,) or (B, T), or the pair (losses, mask); `unit` says what one change
    belongs to: a `"token"` (each unmasked position of (B, T)), a `"sequence"` (the mean over a row's unmasked
    positions) or an `"example"` (each entry by itself). `batch` is a fixed validation batch, the same at every probe.
    `every` is "log2" (steps 1, 2, 4, ...) or a number of steps. `groups` labels the rows or entries of `batch`, or
    is a function from any batch to its labels; then training batches are labelled too. `gradients` adds the
    interference of the examples' gradients at the weights before the step: "exact", or "sampled" with its denominator
    from four examples (only `D_pooled` then); gradients belong to whole rows, so they come by sequence where the unit
    is "token". `include` is `gradient_interference`'s. Events go to `events`, to `on_event`, and as rows with
    stage="probe" to `run`.

    It only looks: weights, optimizer, gradients, buffers, random states and train/eval flags are bitwise what they are
    without it. Its passes run in eval mode, uncompiled, and outside any autocast region around the step (a loss in
    half precision would be quantised; `example_losses` may open its own region, and should then return float32).

    `budget`, a share such as 0.02, leaves a wanted probe out while the time spent on probes and that of one more would
    exceed this share of the loop's own time so far. Both are wall-clock time, which is what a person waits for and what
    a GPU's work shows in; before the first probe its cost is guessed from the loop's steps. With "log2" a budget
    therefore leaves out the first powers of two. `skipped` counts what was left out, `overhead` is the share spent.

    Where `torch.distributed` is running, every process calls the probe alike, with its own share of the training and
    the validation examples, and gets the same events, of all processes' examples together; process 0 logs them.

    Raises ValueError for an unknown unit, `every`, `gradients`, `include` or budget, for labels without a batch, and
    for gradients of sharded parameters.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        example_losses: ExampleLosses,
        *,
        unit: Unit,
        batch: Any = None,
        every: int | Literal["log2"] = "log2",
        gradients: Literal["off", "sampled", "exact"] = "off",
        include: Include = "hidden",
        groups: Any = None,
        budget: float | None = None,
        run: Log | None = None,
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        check_unit(unit)
        if every != "log2" and (not isinstance(every, int) or isinstance(every, bool) or every < 1):
            raise ValueError(f"every = {every!r}: 'log2' or a whole number of steps of at least 1 is expected.")
        if gradients not in GUESSED_COST:
            raise ValueError(f"gradients = {gradients!r} is not known; 'off', 'sampled' or 'exact'.")
        if include not in ("hidden", "all") and not callable(include):
            raise ValueError(
                f"include = {include!r} is not known; 'hidden', 'all' or a function of a parameter's name."
            )
        if budget is not None and not 0 < budget < float("inf"):
            raise ValueError(f"budget = {budget!r}: a share of the loop's time above 0, such as 0.02, or None.")
        if groups is not None and not callable(groups) and batch is None:
            raise ValueError("groups labels the fixed batch and there is none; give batch=, or a function as groups=.")
        self.model = model
        self.example_losses = example_losses
        self.unit = unit
        self.batch = batch
        self.every = every
        self.gradients = gradients
        self.include = include
        self.groups = groups
        self.budget = budget
        self.run = run
        self.on_event = on_event
        self.events: list[dict[str, Any]] = []
        self.skipped = 0
        self._kept: tuple[int, Tensor] | None = None  # the step and its validation losses that the next "log2" compares
        self._open: int | None = None
        self._watched: _Watched | None = None
        self._begun: float | None = None
        self._elapsed = 0.0  # seconds of loop and probes in earlier processes
        self._spent = 0.0  # seconds in probes
        self._probes = 0
        self._steps = 0
        if gradients != "off":
            refuse_sharded(model)

    # -- around a step ---------------------------------------------------------------------------------------------

    @contextmanager
    def step(self, step: int, batch: Any = None) -> Iterator[None]:
        """Wrap the update number `step` (from 1) on `batch`; without `batch` only the validation batch is measured.

        With gradient accumulation wrap all micro-batches: `batch` is the first, `also` takes the others. An exception
        in the body passes through: no event, and nothing left behind. Raises ValueError for a step below 1, where there
        is no batch at all, and for losses of a wrong shape (`losses.py`); RuntimeError inside another step.
        """
        if step < 1:
            raise ValueError(f"step = {step}: the first step is number 1.")
        if batch is None and self.batch is None:
            raise ValueError("Probe.step: nothing to measure; give Probe(batch=...) or step(step, batch).")
        if self._open is not None:
            raise RuntimeError(f"Probe.step({step}): step {self._open} is still open; one step is watched at a time.")
        if self._begun is None:
            self._begun = perf_counter()
        self._open = step
        try:
            if not self._wanted(step):
                yield
            else:
                with self._timed():
                    watched = self._before(step, batch)
                self._watched = watched
                yield
                with self._timed():
                    self._publish(self._after(step, watched))
                self._probes += 1
        finally:
            self._open = self._watched = None
            self._steps += 1

    def also(self, batch: Any) -> None:
        """One more micro-batch of the update that the open step wraps, given before the weights move.

        A step's event is of all its micro-batches together, as if they had been one batch.
        """
        if self._open is None:
            raise RuntimeError("Probe.also: no step is open; it is called inside `with probe.step(...)`.")
        if self._watched is not None:
            with self._timed():
                self._take(self._watched, self._open, batch)

    def finish(self, step: int) -> None:
        """After the last step, number `step`: with "log2" the event from the last kept losses to these weights.

        Costs one pass, budget or not. Nothing happens where the last step was itself kept, or nothing was.
        """
        if self._kept is not None and step > self._kept[0]:
            with self._timed():
                with self._looking():
                    now = self._losses(self.batch, self.groups)
                self._publish([self._since_kept(step, now)])
                self._kept = (step, now.values)

    def _before(self, step: int, batch: Any) -> "_Watched":
        """What is seen at the weights before a step."""
        watched = _Watched()
        if self.batch is not None:
            with self._looking():
                watched.validation = self._losses(self.batch, self.groups)
        if batch is not None:
            self._take(watched, step, batch)
        elif self.gradients != "off":
            watched.gradients = self._gradients(step, self.batch)
        return watched

    def _take(self, watched: "_Watched", step: int, batch: Any) -> None:
        """Look at a training batch, or one more micro-batch."""
        with self._looking():
            losses = self._losses(batch, self.groups if callable(self.groups) else None)
        watched.training.append((batch, losses))
        if self.gradients != "off":
            seen = self._gradients(step, batch)
            watched.gradients = seen if watched.gradients is None else _joined(watched.gradients, seen)

    def _after(self, step: int, watched: "_Watched") -> list[dict[str, Any]]:
        """The events of a step whose body has ended well."""
        events = []
        with self._looking():
            trained = [self._losses(batch, None).values for batch, _ in watched.training]
            now = None if watched.validation is None else self._losses(self.batch, None).values
        if trained:
            before = [losses for _, losses in watched.training]
            changes = torch.cat([_change(b.values, a, step) for b, a in zip(before, trained, strict=True)])
            labels = None if before[0].labels is None else np.concatenate([b.labels for b in before])
            events.append(self._loss_event(step, "train", changes, labels))
        if watched.validation is not None and now is not None:
            changes = _change(watched.validation.values, now, step)
            events.append(self._loss_event(step, "eval", changes, watched.validation.labels))
            if self.every == "log2":
                if self._kept is not None:
                    events.append(self._since_kept(step, _Losses(now, watched.validation.labels)))
                self._kept = (step, now)
        if watched.gradients is not None:
            events.append(self._gradient_event(step, "train" if trained else "eval", watched.gradients))
        return events

    def _wanted(self, step: int) -> bool:
        due = step & (step - 1) == 0 if self.every == "log2" else step % int(self.every) == 0
        if not due or self.budget is None or self._affordable(self.budget):
            return due
        self.skipped += 1
        return False

    # -- looking ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _timed(self) -> Iterator[None]:
        self._settle()
        begun = perf_counter()
        try:
            yield
        finally:
            self._settle()
            self._spent += perf_counter() - begun

    @contextmanager
    def _looking(self, differentiable: bool = False) -> Iterator[None]:
        """One pass through the model that leaves no trace."""
        with ExitStack() as held:
            held.enter_context(undisturbed(self.model, evaluating=True))
            if "torch._dynamo" in sys.modules:  # else nothing is compiled, and importing it takes seconds
                # A compiled model would be compiled anew for eval mode and for other shapes, also for training.
                held.enter_context(torch.compiler.set_stance("force_eager"))
            for kind in {parameter.device.type for parameter in self.model.parameters()}:
                # Without its cache, which in a region around the whole step would still hold the weights before it.
                held.enter_context(torch.autocast(kind, enabled=False, cache_enabled=False))
            held.enter_context(torch.set_grad_enabled(differentiable))
            yield

    def _settle(self) -> None:
        """Wait for the device, so that its work counts where it was asked for."""
        device = self._device()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def _losses(self, batch: Any, groups: Any) -> "_Losses":
        result = self.example_losses(unwrapped(self.model), batch)
        values, index = entries(result, self.unit, batch_rows(batch))
        labels = None
        if groups is not None:
            given = groups(batch) if callable(groups) else groups
            losses = result[0] if isinstance(result, tuple | list) else result
            labels = _labels(given, tuple(losses.shape), self.unit)[index.cpu().numpy()]
        return _Losses(values.detach().cpu().double(), labels)

    def _gradients(self, step: int, batch: Any) -> GradientInterference:
        with self._looking(differentiable=True):
            return gradient_interference(
                self.model,
                self.example_losses,
                batch,
                unit="example" if self.unit == "example" else "sequence",
                include=self.include,
                sample=SAMPLED if self.gradients == "sampled" else None,
                seed=step,
            )

    # -- events ----------------------------------------------------------------------------------------------------

    def _loss_event(
        self, step: int, split: str, changes: Tensor, labels: np.ndarray | None, since: int | None = None
    ) -> dict[str, Any]:
        # Whether changes look rounded is asked in each process, of its own ones: it needs them all, not their sums.
        flags = destructive_interference(changes, unit=self.unit).flags
        *parts, quantised = self._over_processes([*Sums.of(changes).parts(), "quantised" in flags])
        n, total, absolute, squares, zeros, nonfinite = parts
        sums = Sums(round(n), total, absolute, squares, round(zeros), round(nonfinite))
        event: dict[str, Any] = {"step": step, "kind": "loss", "split": split}
        if since is not None:
            event["from"] = since
        event.update(sums.interference(self.unit, ["quantised"] if quantised else []).to_dict())
        if labels is not None:
            event["groups"] = [row.to_dict() for row in by_group(*_everyones(changes, labels), unit=self.unit)]
        return event

    def _gradient_event(self, step: int, split: str, here: GradientInterference) -> dict[str, Any]:
        if _distributed():
            for sums in here.parameters.values():
                for tensor in (sums.sum, sums.sum_abs, sums.sum_sq):
                    if tensor is not None:
                        torch.distributed.all_reduce(tensor)
            n, sample = self._over_processes([here.n, here.sample or 0])
            here = _of(here, here.parameters, round(n), round(sample) or None)
        row = here.to_dict()
        kept = ("unit", "n", "D", "D_pooled", "D_null", "A", "n_coordinates", "n_dead", "sample", "layers")
        return {"step": step, "kind": "gradient", "split": split, **{name: row[name] for name in kept}}

    def _since_kept(self, step: int, now: "_Losses") -> dict[str, Any]:
        assert self._kept is not None
        since, kept = self._kept
        return self._loss_event(step, "eval", _change(kept, now.values, step), now.labels, since)

    def _publish(self, events: Sequence[dict[str, Any]]) -> None:
        for event in events:
            self.events.append(event)
            if self.run is not None and (not _distributed() or torch.distributed.get_rank() == 0):
                rest = {name: value for name, value in event.items() if name != "step"}
                self.run.log(event["step"], stage="probe", **rest)
            if self.on_event is not None:
                self.on_event(event)

    # -- what it costs ---------------------------------------------------------------------------------------------

    @property
    def overhead(self) -> float:
        """Seconds spent in probes by seconds of the loop without them; 0 before the first step."""
        loop = self._loop_seconds()
        return self._spent / loop if loop > 0 else 0.0

    def _loop_seconds(self) -> float:
        here = 0.0 if self._begun is None else perf_counter() - self._begun
        return self._elapsed + here - self._spent

    def _affordable(self, budget: float) -> bool:
        loop = self._loop_seconds()
        if self._probes:
            expected = self._spent / self._probes
        else:
            expected = GUESSED_COST[self.gradients] * loop / self._steps if self._steps else float("inf")
        # Clocks differ between processes, and a probe is for all of them or none.
        return self._over_processes([self._spent + expected > budget * loop]) == [0.0]

    # -- going on after a resume -----------------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs to go on, as tensors (for safetensors); events are not in it. Each process its own."""
        state = {
            "counts": torch.tensor([self.skipped, self._probes, self._steps]),
            "seconds": torch.tensor([self._spent, self._loop_seconds() + self._spent], dtype=torch.float64),
        }
        if self._kept is not None:
            state["kept_step"], state["kept"] = torch.tensor(self._kept[0]), self._kept[1].clone()
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a `state`, in a probe that was made alike and has watched nothing yet."""
        self.skipped, self._probes, self._steps = (int(count) for count in state["counts"])
        self._spent, self._elapsed = (float(seconds) for seconds in state["seconds"])
        self._kept = (int(state["kept_step"]), state["kept"]) if "kept" in state else None

    # -- several processes -----------------------------------------------------------------------------------------

    def _over_processes(self, numbers: Sequence[float]) -> list[float]:
        """The sums of `numbers` over all processes of a distributed run, or `numbers` themselves."""
        if not _distributed():
            return [float(number) for number in numbers]
        sums = torch.tensor([float(number) for number in numbers], dtype=torch.float64, device=self._device())
        torch.distributed.all_reduce(sums)
        return [float(number) for number in sums]

    def _device(self) -> torch.device:
        return next((parameter.device for parameter in self.model.parameters()), torch.device("cpu"))


class _Losses:
    """Losses [n] (float64, CPU) with their labels, where there are any."""

    def __init__(self, values: Tensor, labels: np.ndarray | None) -> None:
        self.values = values
        self.labels = labels


class _Watched:
    """What was seen at the weights before a step: losses by batch, and gradients."""

    def __init__(self) -> None:
        self.validation: _Losses | None = None
        self.training: list[tuple[Any, _Losses]] = []
        self.gradients: GradientInterference | None = None


def _joined(one: GradientInterference, other: GradientInterference) -> GradientInterference:
    """The interference of two batches' examples together."""
    parameters = {}
    for name, a in one.parameters.items():
        b = other.parameters[name]
        squares = None if a.sum_sq is None or b.sum_sq is None else a.sum_sq + b.sum_sq
        parameters[name] = ParameterSums(a.sum + b.sum, a.sum_abs + b.sum_abs, squares)
    return _of(one, parameters, one.n + other.n, (one.sample or 0) + (other.sample or 0) or None)


def _of(
    like: GradientInterference, parameters: dict[str, ParameterSums], n: int, sample: int | None
) -> GradientInterference:
    return interference_of(parameters, n=n, unit=like.unit, method=like.method, sample=sample, excluded=like.excluded)


def _change(before: Tensor, after: Tensor, step: int) -> Tensor:
    if before.shape != after.shape:
        raise ValueError(
            f"Probe: step {step} has {len(after)} losses where there were {len(before)} before it; example_losses is"
            " expected to give the same entries for the same batch."
        )
    return after - before


def _labels(given: Any, shape: tuple[int, ...], unit: str) -> np.ndarray:
    """Labels, flat, for every place that `losses.entries` counts: rows with "sequence", else entries."""
    labels = np.asarray(given.cpu() if isinstance(given, Tensor) else given)
    rows = shape[:1]
    wanted = rows if unit == "sequence" else shape
    if labels.shape == rows != wanted:
        return np.repeat(labels, shape[1])
    if labels.shape != wanted:
        expected = f"{rows}" if wanted == rows else f"{rows} or {wanted}"
        raise ValueError(f"groups: labels of shape {expected} are expected for unit {unit!r}; got {labels.shape}.")
    return labels.reshape(-1)


def _distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _everyones(changes: Tensor, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Changes and labels of all processes, in the order of their ranks."""
    here = (changes.numpy(), labels)
    if not _distributed():
        return here
    gathered: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(gathered, here)
    return np.concatenate([each[0] for each in gathered]), np.concatenate([each[1] for each in gathered])
