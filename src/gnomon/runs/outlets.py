"""Trackers that people already use, as outlets of a run: TensorBoard, MLflow, Weights & Biases.

Each is imported only when a recipe names it. The run's folder stays the store; an outlet gets a copy of the numbers.
"""

import importlib
import numbers
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from gnomon.errors import UserError


class Outlet(Protocol):
    """Where a copy of a run's numbers goes."""

    def log(self, step: int, values: dict[str, Any]) -> None:
        """The metrics of one step."""
        ...

    def finish(self, summary: dict[str, Any]) -> None:
        """The run has ended with these figures."""
        ...


def open_outlets(names: Sequence[str], folder: Path, settings: dict[str, Any]) -> list[Outlet]:
    """The outlets called `names`: `tensorboard`, `mlflow`, `wandb`."""
    known: dict[str, Callable[[Path, dict[str, Any]], Outlet]] = {
        "tensorboard": TensorBoard,
        "mlflow": MLflow,
        "wandb": WandB,
    }
    for name in names:
        if name not in known:
            raise UserError(f"There is no outlet {name!r}; " + ", ".join(known) + " are.")
    return [known[name](folder, settings) for name in names]


def _package(module: str, outlet: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as missing:
        raise UserError(
            f"trackers = {outlet!r} needs a package that is not here ({missing.name});"
            " pip install 'gnomon[trackers]' brings it."
        ) from missing


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    # One step may have several probe events, and D of one unit is no D of another: each gets curves of its own.
    prefix = "probe/{split}/{kind}/{unit}/".format(**values) if values.get("stage") == "probe" else ""
    return {prefix + k: float(v) for k, v in values.items() if isinstance(v, numbers.Real) and not isinstance(v, bool)}


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat


class TensorBoard:
    """Scalars as an event file in the run's `tensorboard/`."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        module = _package("torch.utils.tensorboard", "tensorboard")
        self._make = lambda: module.SummaryWriter(str(folder / "tensorboard"))
        self._writer: Any = None  # made at the first number: the run's folder must not exist before the run does

    def log(self, step: int, values: dict[str, Any]) -> None:
        self._writer = self._writer or self._make()
        for name, value in _numbers(values).items():
            self._writer.add_scalar(name, value, step)

    def finish(self, summary: dict[str, Any]) -> None:
        if self._writer is not None:
            self._writer.close()


class MLflow:
    """A run in MLflow's store, wherever its own settings say that is."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._mlflow = _package("mlflow", "mlflow")
        self._mlflow.set_experiment(str(settings.get("name", "gnomon")))
        self._mlflow.start_run(run_name=folder.name)
        self._mlflow.log_params({key: str(value)[:500] for key, value in _flat(settings).items()})

    def log(self, step: int, values: dict[str, Any]) -> None:
        self._mlflow.log_metrics(_numbers(values), step=step)

    def finish(self, summary: dict[str, Any]) -> None:
        self._mlflow.log_dict(summary, "summary.json")
        self._mlflow.end_run()


class WandB:
    """A run at Weights & Biases; its key comes from its own login, never from a recipe."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        wandb = _package("wandb", "wandb")
        self._run = wandb.init(project="gnomon", name=folder.name, config=settings)

    def log(self, step: int, values: dict[str, Any]) -> None:
        self._run.log(_numbers(values), step=step)

    def finish(self, summary: dict[str, Any]) -> None:
        self._run.summary.update(_numbers(summary))
        self._run.finish()
