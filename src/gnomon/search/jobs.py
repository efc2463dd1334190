"""What a scoring and a search have in common as jobs: beginning or resuming their run, and drawing architectures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.errors import UserError
from gnomon.runs import Run
from gnomon.search.spaces import Space
from gnomon.seeds import derive


def begin(kind: str, settings: dict[str, Any], *, out: Path | None, resume: bool) -> Run:
    """A new run of `kind` (`score` or `run`) in the folder `out`, or the interrupted one that is there."""
    if not resume:
        return Run.create(out, kind=f"search-{kind}", name=settings["name"], settings=settings, seed=settings["seed"])
    if out is None:
        raise UserError("--resume needs --out with the folder of the interrupted run.")
    return Run.resume(out, settings=settings)


@contextmanager
def resumable(run: Run) -> Iterator[None]:
    """Mark `run` as interrupted where Ctrl-C ends the block."""
    try:
        yield
    except KeyboardInterrupt:
        run.mark("interrupted", "stopped by Ctrl-C")
        raise


def drawn(space: Space, count: int, seed: int, *purpose: str) -> list[str]:
    """The texts of `count` different architectures drawn from `space`. Raises UserError where it has fewer."""
    rng = np.random.default_rng(derive(seed, *(purpose or ("sample",))))
    found: dict[str, None] = {}
    for _ in range(100 * count):
        found[space.encode(space.sample(rng))] = None
        if len(found) == count:
            return list(found)
    raise UserError(f"{count} different architectures of {space.name!r} cannot be drawn; only {len(found)} were found.")
