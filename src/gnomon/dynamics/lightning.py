"""The probe inside a Lightning `Trainer`: a callback (`lightning.pytorch`, or `pytorch_lightning` where only that is).

from lightning.pytorch import Trainer
from gnomon.dynamics import Probe
from gnomon.dynamics.lightning import ProbeCallback

def example_losses(module, batch):                       # the LightningModule, and a batch on its device
    inputs, labels = batch
    return torch.nn.functional.cross_entropy(module(inputs), labels, reduction="none")

probe = Probe(module, example_losses, batch=validation_batch, unit="example", every="log2")
Trainer(max_steps=1000, callbacks=[ProbeCallback(probe)]).fit(module, loader)
probe.events
"""

from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from torch import Tensor

from gnomon.dynamics.probe import Probe

if TYPE_CHECKING or find_spec("lightning"):
    from lightning.pytorch.callbacks import Callback
else:
    from pytorch_lightning.callbacks import Callback


class ProbeCallback(Callback):
    """Watches a fit with `probe`.

    Steps are Lightning's optimizer steps, from 1. With `accumulate_grad_batches` an event is of all micro-batches of
    the update together, as if they had been one batch. The probe's state is saved in Lightning's checkpoints and comes
    back with them; `fit` ends with the probe's `finish`.
    """

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self._watching = ExitStack()
        self._watched = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        # A step that an earlier fit left open (a skipped batch) gives no event.
        self._watching.__exit__(GeneratorExit, GeneratorExit(), None)
        self._watched = 0

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        step = trainer.global_step + 1
        if step == self._watched:
            self.probe.also(batch)
        else:
            self._watched = step
            self._watching.enter_context(self.probe.step(step, batch))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step >= self._watched:  # the optimizer has moved the weights
            self._watching.close()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.probe.finish(trainer.global_step)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._watching.__exit__(type(exception), exception, exception.__traceback__)

    def state_dict(self) -> dict[str, Tensor]:
        return self.probe.state()

    def load_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        self.probe.restore(state_dict)
