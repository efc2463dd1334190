"""What does looking cost? Loss probes, exact gradients by hooks against two peers, memory, and the time of a fit.

CPU time of one thread, blocks interleaved within one process, medians. The peers of the hooks are the loop of single
backward passes (forward and backward of one example after the other) and `torch.func.vmap(grad)`, eight examples at a
time; all three form the same three sums. Memory is the growth of the process's peak over that of a training step, each
in a process of its own.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from machine import machine, save

BATCH, CONTEXT, CHUNK = 32, 64, 8
LIMITS = {
    "loss probe / step": 0.9,
    "gradients by hooks / step": 2.0,
    "hooks / loop of single passes": 1.0,
    "every 50 steps, losses": 0.06,
    "every 50 steps, exact gradients": 0.13,
    "budget 0.02, every step": 0.06,
    "fit of 262,144 points (s)": 0.5,
    "one refit (s)": 0.005,
}


class Bench:
    """A small decoder, its batches, and every way of looking at it."""

    def __init__(self, width: int) -> None:
        from gnomon.models import build, training
        from gnomon.models.tokenizers import byte_tokenizer

        self.model = build.decoder(byte_tokenizer(), layers=4, width=width, heads=4, context=CONTEXT, seed=0).model
        generator = torch.Generator().manual_seed(0)
        self.batch = torch.randint(2, 258, (BATCH, CONTEXT + 1), generator=generator)
        self.optimizer = training.optimizer_for(self.model, learning_rate=1e-4)
        self.losses = training.example_losses
        ends = {id(self.model.get_input_embeddings().weight), id(self.model.get_output_embeddings().weight)}
        self.hidden = {name: p for name, p in self.model.named_parameters() if id(p) not in ends}
        self.rest = {name: p.detach() for name, p in self.model.named_parameters() if name not in self.hidden}

    @property
    def coordinates(self) -> int:
        """How many numbers the gradients have."""
        return sum(p.numel() for p in self.hidden.values())

    def step(self) -> None:
        """One training step."""
        self.losses(self.model, self.batch).mean().backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def probe(self) -> None:
        """A loss probe around nothing: its own two passes."""
        from gnomon.dynamics import Probe

        with Probe(self.model, self.losses, unit="token", every=1).step(1, self.batch):
            pass

    def by_sequence(self, model: Any, batch: Tensor) -> Tensor:
        """[B] mean losses."""
        found: Tensor = self.losses(model, batch).mean(1)
        return found

    def hooks(self) -> dict[str, Tensor]:
        """Sums of |g| by parameter, by hooks."""
        from gnomon.dynamics import gradient_interference

        found = gradient_interference(self.model, self.by_sequence, self.batch, method="hooks", chunk=CHUNK)
        return {name: sums.sum_abs for name, sums in found.parameters.items()}

    def loop(self) -> dict[str, Tensor]:
        """The same by one forward and backward pass for each example."""
        sums = self._zeros()
        for row in self.batch:
            loss = self.by_sequence(self.model, row[None]).sum()
            gradients = torch.autograd.grad(loss, list(self.hidden.values()))
            self._add(sums, dict(zip(self.hidden, (g[None] for g in gradients), strict=True)))
        return sums[1]

    def vmap(self) -> dict[str, Tensor]:
        """The same by vmap(grad), a chunk of examples at a time."""

        def one(hidden: dict[str, Tensor], row: Tensor) -> Tensor:
            def call(input_ids: Tensor) -> Any:
                return torch.func.functional_call(
                    self.model, {**self.rest, **hidden}, kwargs={"input_ids": input_ids}, tie_weights=True
                )

            return self.by_sequence(lambda input_ids: call(input_ids), row[None]).sum()

        sums = self._zeros()
        weights = {name: p.detach() for name, p in self.hidden.items()}
        every = torch.func.vmap(torch.func.grad(one), (None, 0))
        for rows in self.batch.split(CHUNK):
            self._add(sums, every(weights, rows))
        return sums[1]

    def _zeros(self) -> list[dict[str, Tensor]]:
        return [{name: torch.zeros_like(p) for name, p in self.hidden.items()} for _ in range(3)]

    def _add(self, sums: list[dict[str, Tensor]], gradients: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, g in gradients.items():
                sums[0][name] += g.sum(0)
                sums[2][name] += g.square().sum(0)
                sums[1][name] += g.abs_().sum(0)


def cpu_seconds(function: Callable[[], Any]) -> float:
    """CPU time of one call."""
    begun = time.process_time()
    function()
    return time.process_time() - begun


def by_call(bench: Bench, repeats: int) -> dict[str, float]:
    """Median CPU seconds of each way of looking and of a step, calls interleaved."""
    ways = {"step": bench.step, "probe": bench.probe, "hooks": bench.hooks, "loop": bench.loop}
    try:
        bench.vmap()
        ways["vmap"] = bench.vmap
    except RuntimeError as fault:
        print(f"vmap(grad) does not run on this model: {str(fault).splitlines()[0]}")
    reference = bench.loop()
    for name, found in bench.hooks().items():
        assert torch.allclose(found, reference[name], rtol=1e-3, atol=1e-6), name
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            times[name].append(cpu_seconds(way))
    return {name: median(found) for name, found in times.items()}


def by_loop(bench: Bench, steps: int, blocks: int) -> dict[str, float]:
    """Extra CPU time of a watched loop over an unwatched one, as a share; blocks of steps interleaved."""
    from gnomon.dynamics import Probe

    shares: dict[str, list[float]] = {}
    settings: dict[str, dict[str, Any]] = {
        "every 50 steps, losses": {"every": 50},
        "every 50 steps, exact gradients": {"every": 50, "gradients": "exact"},
    }
    for block in range(blocks):
        loops: dict[str, Callable[[], Any]] = {"alone": lambda: [bench.step() for _ in range(steps)]}
        for name, wanted in settings.items():
            probe = Probe(bench.model, bench.losses, unit="token", **wanted)

            def watched(probe: Any = probe) -> None:
                for step in range(1, steps + 1):
                    with probe.step(step, bench.batch):
                        bench.step()

            loops[name] = watched
        # Forwards and backwards in turn: a machine that slows down meanwhile favours neither.
        order = list(loops) if block % 2 == 0 else list(reversed(loops))
        seconds = {name: cpu_seconds(loops[name]) for name in order}
        for name in settings:
            shares.setdefault(name, []).append(seconds[name] / seconds["alone"] - 1)
    probe = Probe(bench.model, bench.losses, unit="token", every=1, budget=0.02)
    for step in range(1, 481):
        with probe.step(step, bench.batch):
            bench.step()
    return {
        **{name: median(found) for name, found in shares.items()},
        "budget 0.02, every step": probe.overhead,
        "budget 0.02, probes in 480 steps": len(probe.events),
    }


def memory(width: int) -> dict[str, float]:
    """MB by which hooks, and vmap(grad), raise the peak of a process that has trained a step."""
    found = {}
    for way in ("hooks", "vmap"):
        done = subprocess.run(
            [sys.executable, __file__, "--peak", way, "--width", str(width)],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parent,
        )
        if done.returncode == 0:
            found[way] = float(done.stdout.split()[-1])
    return found


def peak(way: str, width: int) -> None:
    """Print the growth in MB over a training step's peak; runs in a process of its own (Linux)."""
    bench = Bench(width)

    def highest(function: Callable[[], Any]) -> int:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        function()
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])

    for _ in range(3):
        bench.step()
    print((highest(getattr(bench, way)) - highest(bench.step)) / 1024)


def fitting() -> dict[str, float]:
    """Seconds of a fit of 262,144 raw points without intervals, and of one refit of its bootstrap."""
    from gnomon.dynamics import fit

    x = np.arange(1.0, 2**18 + 1)
    noise = np.random.default_rng(0).normal(0, 0.02, size=len(x))
    loss = np.exp(3 - 0.2 * np.log(x) + 0.18 * 0.3 * np.logaddexp(0, np.log(x / 6000) / 0.3) + noise)
    alone = [cpu_seconds(lambda: fit(x, loss, bootstrap=0)) for _ in range(7)]
    with_intervals = [cpu_seconds(lambda: fit(x, loss, bootstrap=400)) for _ in range(3)]
    return {
        "fit of 262,144 points (s)": median(alone),
        "one refit (s)": (median(with_intervals) - median(alone)) / 400,
    }


def main() -> None:
    """Measure everything and print it beside its limit."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--width", type=int, default=128)
    arguments.add_argument("--repeats", type=int, default=7)
    arguments.add_argument("--peak", choices=("hooks", "vmap"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    torch.set_num_threads(1)
    if given.peak:
        peak(given.peak, given.width)
        return
    about = machine()
    bench = Bench(given.width)
    calls = by_call(bench, given.repeats)
    figures = {
        "loss probe / step": calls["probe"] / calls["step"],
        "gradients by hooks / step": calls["hooks"] / calls["step"],
        "loop of single passes / step": calls["loop"] / calls["step"],
        "hooks / loop of single passes": calls["hooks"] / calls["loop"],
    }
    if "vmap" in calls:
        figures["vmap(grad) / step"] = calls["vmap"] / calls["step"]
    figures |= by_loop(bench, steps=50, blocks=4)
    largest = max(p.numel() for p in bench.hidden.values())
    allowed = 4 * (3 * bench.coordinates + CHUNK * largest) / 2**20
    for way, megabytes in memory(given.width).items():
        figures[f"extra memory of {way} (MB)"] = megabytes
    figures |= fitting()
    limits = {**LIMITS, "extra memory of hooks (MB)": allowed}
    print(
        f"{bench.coordinates:,} hidden coordinates, {BATCH} sequences of {CONTEXT} tokens; a step {calls['step']:.3f} s"
    )
    for name, value in figures.items():
        limit = f"   (limit {limits[name]:.3g})" if name in limits else ""
        print(f"{name:36} {value:8.3f}{limit}")
    save("dynamics_cost", {"machine": about, "seconds": calls, "figures": figures, "limits": limits})


if __name__ == "__main__":
    main()
