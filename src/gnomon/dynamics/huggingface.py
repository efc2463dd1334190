"""The probe inside a Hugging Face `Trainer`: a mixin, because the Trainer's callbacks see no batch.

from transformers import Trainer
from gnomon.dynamics import Probe
from gnomon.dynamics.huggingface import ProbedTrainer

class MyTrainer(ProbedTrainer, Trainer):
    pass

def example_losses(model, batch):                        # what the collator gives, on the model's device
    logits = model(input_ids=batch["input_ids"]).logits[:, :-1].float()
    targets = batch["input_ids"][:, 1:]
    return torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")

probe = Probe(model, example_losses, batch=validation_batch, unit="token", every="log2")
trainer = MyTrainer(model=model, args=args, train_dataset=texts, probe=probe)
trainer.train()
probe.events
"""

from contextlib import ExitStack
from typing import Any

from transformers import TrainerCallback

from gnomon.dynamics.probe import Probe


class ProbedTrainer:
    """Put before `transformers.Trainer` among a class's bases; takes `probe` besides the Trainer's own arguments.

    Steps are the Trainer's optimizer steps, from 1. With gradient accumulation an event is of all micro-batches of the
    update together, as if they had been one batch. The probe looks before the update's first backward pass and right
    after `optimizer.step()`, at the model the Trainer trains; `train()` ends with the probe's `finish`. A Trainer that
    resumes from a checkpoint counts on, with a new first "log2" comparison (the probe's `state` is yours to keep).
    """

    def __init__(self, *args: Any, probe: Probe, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.probe = probe
        self._watching = ExitStack()
        self._watched = 0
        self.add_callback(_Edges(self))  # type: ignore[attr-defined]

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """The Trainer's `train`, watched."""
        with self._watching:  # an exception closes a step without an event
            output = super().train(*args, **kwargs)  # type: ignore[misc]
        self.probe.finish(self.state.global_step)  # type: ignore[attr-defined]
        return output

    def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The Trainer's `training_step` on one micro-batch, shown to the probe first."""
        batch = self._prepare_inputs(inputs)  # type: ignore[attr-defined]
        step = self.state.global_step + 1  # type: ignore[attr-defined]
        if step == self._watched:
            self.probe.also(batch)
        else:
            self._watched = step
            self.probe.model = self.model  # type: ignore[attr-defined]  # `model_init` and FSDP make another one
            self._watching.enter_context(self.probe.step(step, batch))
        return super().training_step(model, batch, *args, **kwargs)  # type: ignore[misc]


class _Edges(TrainerCallback):
    """Where watching begins, and where a watched step ends."""

    def __init__(self, trainer: ProbedTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # `auto_find_batch_size` begins again after a step that ran out of memory: that step gives no event.
        self._trainer._watching.__exit__(GeneratorExit, GeneratorExit(), None)
        self._trainer._watched = 0

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # Before the gradients are cleared and anything is evaluated or saved.
        self._trainer._watching.close()
