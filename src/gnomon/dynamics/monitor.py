"""Deceleration while a run goes on: `update(step, loss)` says when the loss has decelerated, and what that leads to.

It keeps sums in bins of equal width in log steps, never the losses themselves, and refits as bins fill: most updates
cost microseconds, a refit about 20 ms, and as a bin holds 4 % of the steps so far, refits thin out as the run goes on.
"""

import math
from typing import Any

import numpy as np

from gnomon.dynamics.curves import FEWEST_POINTS
from gnomon.dynamics.deceleration import (
    AFTER,
    Points,
    Selection,
    decelerates_at,
    default_skip,
    estimate,
    judge,
    resample,
    select,
)
from gnomon.errors import UserError
from gnomon.seeds import derive

WIDTH = 0.04  # of a bin, in log steps: 200 bins from step 100 to 300,000
RESAMPLES = 200  # for the intervals of an event
LEVEL = 0.95


class DecelerationMonitor:
    """Watch one loss. `update` returns an event, a plain dict, when there is something new, else None:

        {"step", "kind", "t_d", "L_d", "r_d", "T", "L_T_hat", "flags"}

    `kind` is "deceleration" (the first time that the verdict of `fit` on the bins so far is that) or "revised" (a later
    refit puts t_d outside the interval that was last told, or finds no break any more: then the estimates are None).
    Estimates are those of `fit`, as dicts with their intervals; `L_T_hat` is the loss projected to step `T` along the
    slope after the break: `steps`, the planned length of the run, where it was given, else the step of the event. It
    knows of no cooldown.

    A break is told after 3 t_d at the earliest. `every` bins fill between two refits (by default 3, in which the steps
    grow by 13 %). `warmup` (steps) raises the flag `near_warmup`. Steps count from 1. Losses that are not finite or not
    above 0, and steps below 1, are left out and counted in `skipped`: a spike of NaN does not end a training. A step
    that comes again replaces its loss; an earlier one (a restart) begins its bins anew from there. The same updates
    give the same events. Raises UserError for impossible settings.
    """

    def __init__(self, every: int = 3, warmup: float | None = None, *, steps: int | None = None, seed: int = 0) -> None:
        if every < 1:
            raise UserError(
                f"DecelerationMonitor: every = {every} is impossible; a number of bins from 1 up is expected."
            )
        if warmup is not None and warmup < 0:
            raise UserError(f"DecelerationMonitor: warmup = {warmup} is impossible; steps from 0 up are expected.")
        if steps is not None and steps < 1:
            raise UserError(f"DecelerationMonitor: steps = {steps} is impossible; the run's length is expected.")
        self.every, self.warmup, self.steps, self.seed = every, warmup, steps, seed
        self.skipped = 0
        self.events: list[dict[str, Any]] = []
        self._bins: dict[int, list[float]] = {}  # by place: sums of log step and of loss, and their count
        self._last: tuple[int, float] | None = None
        self._due = 0  # the place at which the next refit is due

    def update(self, step: int, loss: float) -> dict[str, Any] | None:
        """Take the loss of a step in, and say what is new, if anything is."""
        step, loss = int(step), float(loss)
        if step < 1 or not (math.isfinite(loss) and loss > 0):
            self.skipped += 1
            return None
        place = int(math.log(step) / WIDTH)
        if self._last is not None and step <= self._last[0]:
            self._go_back(step, place)
        began = place not in self._bins
        event = self._look() if began and place >= self._due else None
        sums = self._bins.setdefault(place, [0.0, 0.0, 0.0])
        sums[0] += math.log(step)
        sums[1] += loss
        sums[2] += 1
        self._last = (step, loss)
        return event

    def _go_back(self, step: int, place: int) -> None:
        last_step, last_loss = self._last or (0, 0.0)
        if step == last_step:
            sums = self._bins[place]
            sums[0], sums[1], sums[2] = sums[0] - math.log(step), sums[1] - last_loss, sums[2] - 1
            return
        for later in [other for other in self._bins if other >= place]:
            del self._bins[later]

    def _look(self) -> dict[str, Any] | None:
        """Refit the bins that are full, and tell what has changed."""
        T = self._last[0] if self._last else 0
        skip = default_skip(self.steps or T)
        used = [sums for place, sums in sorted(self._bins.items()) if place * WIDTH > math.log(skip)]
        newest = max(self._bins, default=0)
        if len(used) < FEWEST_POINTS:
            return None
        self._due = newest + 1 + self.every
        log_steps, losses, counts = np.array(used).T
        points = Points(log_steps / counts, np.log(losses / counts), counts)
        chosen = select(points)
        at = decelerates_at(chosen.parameters) if chosen.believed else None
        told = self.events[-1]["t_d"] if self.events else None
        if at is None:
            return None if told is None else self._tell(T, "revised", points, chosen, None)
        t_d = math.exp(chosen.parameters[3 + 3 * at])
        if t_d * AFTER > T or (told is not None and told["low"] <= t_d <= told["high"]):
            return None
        event = self._tell(T, "revised" if self.events else "deceleration", points, chosen, at)
        if event is None:
            self._due += self.every  # the interval is too wide yet, and it costs more than a refit
        return event

    def _tell(self, T: int, kind: str, points: Points, chosen: Selection, at: int | None) -> dict[str, Any] | None:
        end = max(self.steps or T, T)
        draws = resample(points, chosen, RESAMPLES, derive(self.seed, "monitor", T)) if at is not None else None
        found = estimate(chosen.parameters, draws, at, end, points.log_x.size, LEVEL)
        if at is not None and judge(found, T, believed=True) != "deceleration":
            return None
        estimates = {name: None if value is None else value.to_dict() for name, value in found.items()}
        t_d = estimates["t_d"]
        near = t_d is not None and self.warmup is not None and t_d["value"] < 2 * self.warmup
        event = {"step": T, "kind": kind, **estimates, "T": end, "flags": ["near_warmup"] if near else []}
        self.events.append(event)
        return event
