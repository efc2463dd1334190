"""The probe in a Hugging Face Trainer and in Lightning: the events of a plain loop on the same data."""

import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from gnomon.dynamics import Probe

ROWS = torch.randint(0, 11, (40, 6), generator=torch.Generator().manual_seed(2))
VALIDATION = torch.randint(0, 11, (4, 6), generator=torch.Generator().manual_seed(3))
RATE = 0.05


class Net(nn.Module):
    """A causal model with the call of a `transformers` one. Loaders draw random numbers, each loop in its own way, so
    loops are set side by side without noise, and a loop with itself with it."""

    def __init__(self, noise=0.0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.embed, self.mix, self.head = nn.Embedding(11, 8), nn.Linear(8, 8), nn.Linear(8, 11)
        self.drop = nn.Dropout(noise)

    def forward(self, input_ids, labels=None):
        logits = self.head(torch.tanh(self.mix(self.drop(self.embed(input_ids[:, :-1])))))
        losses = nn.functional.cross_entropy(logits.transpose(1, 2), input_ids[:, 1:], reduction="none")
        return {"loss": losses.mean(), "losses": losses}


def losses_of_ids(model, ids):
    return model(ids)["losses"]


def losses_of_dict(model, batch):
    return model(batch["input_ids"])["losses"]


def probe_of(model, losses, validation, **options):
    options = {"unit": "token", "every": "log2", "gradients": "exact", "include": "all", **options}
    return Probe(model, losses, batch=validation, **options)


def plain_loop(*, rows_at_once, pieces=1, epochs=1, every="log2", shorter=True):
    """What both adapters must reproduce: SGD over the rows in order, `pieces` micro-batches an update. The last update
    of an epoch may have fewer; `shorter` says whether its loss is divided by so many, or by `pieces`."""
    model = Net()
    probe = probe_of(model, losses_of_ids, VALIDATION, every=every)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    step = 0
    for _ in range(epochs):
        micro = ROWS.split(rows_at_once)
        for begin in range(0, len(micro), pieces):
            group = micro[begin : begin + pieces]
            step += 1
            with probe.step(step, group[0]):
                for index, ids in enumerate(group):
                    if index:
                        probe.also(ids)
                    (model(ids)["loss"] / (len(group) if shorter else pieces)).backward()
                optimizer.step()
            optimizer.zero_grad()
    probe.finish(step)
    return model, probe


def assert_same_events(found, wanted):
    assert [(e["step"], e["kind"], e["split"], e.get("from")) for e in found] == [
        (e["step"], e["kind"], e["split"], e.get("from")) for e in wanted
    ]
    assert found == wanted


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


# -- Hugging Face ------------------------------------------------------------------------------------------------------


class Rows(Dataset):
    def __len__(self):
        return len(ROWS)

    def __getitem__(self, index):
        return {"input_ids": ROWS[index]}


def trainer_class():
    from transformers import Trainer

    from gnomon.dynamics.huggingface import ProbedTrainer

    class InOrder(Trainer):
        """Without shuffling."""

        def _get_train_sampler(self, *args, **kwargs):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    class Probed(ProbedTrainer, InOrder):
        pass

    return InOrder, Probed


def hugging_face(tmp_path, *, rows_at_once, pieces=1, epochs=1, probed=True, every="log2", noise=0.0, **settings):
    from transformers import TrainerCallback, TrainingArguments

    class Begin(TrainerCallback):
        def on_train_begin(self, *args, **kwargs):
            torch.manual_seed(11)

    plain, with_probe = trainer_class()
    model = Net(noise)
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        per_device_train_batch_size=rows_at_once,
        gradient_accumulation_steps=pieces,
        num_train_epochs=epochs,
        learning_rate=RATE,
        optim="sgd",
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        **settings,
    )
    options = {"model": model, "args": arguments, "train_dataset": Rows(), "callbacks": [Begin()]}
    if not probed:
        return model, plain(**options)
    probe = probe_of(model, losses_of_dict, {"input_ids": VALIDATION}, every=every)
    return model, with_probe(probe=probe, **options)


@pytest.mark.parametrize(
    "shape", [{"rows_at_once": 4}, {"rows_at_once": 4, "pieces": 3, "epochs": 2}, {"rows_at_once": 8, "every": 2}]
)
def test_hugging_face_gives_the_events_of_the_plain_loop(tmp_path, shape):
    wanted_model, wanted = plain_loop(**shape)
    model, trainer = hugging_face(tmp_path, **shape)
    trainer.train()
    assert same_weights(model, wanted_model)
    assert_same_events(trainer.probe.events, wanted.events)
    assert trainer.state.global_step == {4: 10, 8: 5}[shape["rows_at_once"]] if "pieces" not in shape else 8


def test_hugging_face_with_autocast_clipping_and_dropout_trains_the_same(tmp_path):
    found = []
    for probed in (False, True):
        model, trainer = hugging_face(tmp_path, rows_at_once=4, pieces=2, probed=probed, noise=0.2, bf16=True)
        trainer.args.max_grad_norm = 0.1
        trainer.train()
        found.append(model)
    assert same_weights(*found)
    assert {event["step"] for event in trainer.probe.events} == {1, 2, 4, 5}


def test_hugging_face_passes_exceptions_on_and_can_train_again(tmp_path):
    model, trainer = hugging_face(tmp_path, rows_at_once=4, pieces=2)
    compute = trainer.compute_loss
    calls = []

    def failing(*args, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            raise KeyError("mine")
        return compute(*args, **kwargs)

    trainer.compute_loss = failing
    with pytest.raises(KeyError, match="mine"):
        trainer.train()
    assert {event["step"] for event in trainer.probe.events} == {1}
    assert model.training
    with trainer.probe.step(2):  # nothing was left open
        pass
    trainer.probe.events.clear()
    trainer.probe._kept = None
    trainer.train()
    assert [e["step"] for e in trainer.probe.events if e["kind"] == "gradient"] == [1, 2, 4]


def test_hugging_face_begins_again_where_memory_ran_out(tmp_path):
    _, trainer = hugging_face(tmp_path, rows_at_once=8, auto_find_batch_size=True)
    compute = trainer.compute_loss
    sizes = []

    def greedy(model, inputs, *args, **kwargs):
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] == 8:
            raise RuntimeError("CUDA out of memory.")
        return compute(model, inputs, *args, **kwargs)

    trainer.compute_loss = greedy
    trainer.train()
    assert sizes[0] == 8
    first = trainer.probe.events[0]
    assert (first["step"], first["n"]) == (1, 5 * sizes[1])
    assert trainer.state.global_step == -(-40 // sizes[1])


def test_hugging_face_model_init(tmp_path):
    model, trainer = hugging_face(tmp_path, rows_at_once=4)
    other = Net()
    trainer.model = trainer.model_wrapped = other
    trainer.train()
    assert trainer.probe.model is other
    assert not same_weights(model, other)
    assert trainer.probe.events == plain_loop(rows_at_once=4)[1].events


# -- Lightning ---------------------------------------------------------------------------------------------------------


def lightning_fit(
    package, *, rows_at_once, pieces=1, epochs=1, probed=True, every="log2", noise=0.0, folder=None, **settings
):
    pl = pytest.importorskip(package)
    from gnomon.dynamics.lightning import ProbeCallback

    class Module(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = Net(noise)

        def forward(self, ids):
            return self.net(ids)

        def on_train_start(self):
            torch.manual_seed(11)

        def training_step(self, batch, index):
            return self.net(batch[0])["loss"]

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=RATE)

    module = Module()
    more = settings.pop("callbacks", [])
    probe = probe_of(module, lambda m, b: m(b[0])["losses"], [VALIDATION], every=every)
    callback = ProbeCallback(probe)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            max_epochs=epochs,
            accumulate_grad_batches=pieces,
            callbacks=[callback, *more] if probed else [],
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=bool(more),
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
            **settings,
        )

        def fit(**options):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trainer.fit(module, DataLoader(TensorDataset(ROWS), batch_size=rows_at_once), **options)

    return module, trainer, probe, fit


def without_prefix(events):
    """Layers named as in the plain model."""
    return [
        {**e, "layers": [{**layer, "layer": layer["layer"].removeprefix("net.")} for layer in e["layers"]]}
        if "layers" in e
        else e
        for e in events
    ]


@pytest.mark.parametrize("package", ["lightning.pytorch", "pytorch_lightning"])
@pytest.mark.parametrize(
    "shape", [{"rows_at_once": 4}, {"rows_at_once": 4, "pieces": 3, "epochs": 2}, {"rows_at_once": 8, "every": 2}]
)
def test_lightning_gives_the_events_of_the_plain_loop(package, shape):
    wanted_model, wanted = plain_loop(**shape, shorter=False)
    module, trainer, probe, fit = lightning_fit(package, **shape)
    fit()
    assert_same_events(without_prefix(probe.events), wanted.events)
    assert trainer.global_step == {4: 10, 8: 5}[shape["rows_at_once"]] if "pieces" not in shape else 8
    assert same_weights(module, wanted_model)


def test_lightning_with_autocast_clipping_and_dropout_trains_the_same():
    found = []
    for probed in (False, True):
        module, _, probe, fit = lightning_fit(
            "lightning.pytorch",
            rows_at_once=4,
            pieces=2,
            probed=probed,
            noise=0.2,
            precision="bf16-mixed",
            gradient_clip_val=0.1,
        )
        fit()
        found.append(module)
    assert same_weights(*found)
    assert {event["step"] for event in probe.events} == {1, 2, 4, 5}


@pytest.mark.parametrize("fails_at", [2, 4])
def test_lightning_passes_exceptions_on_and_can_fit_again(fails_at):
    """The second micro-batch of step 1, or of step 2."""
    module, trainer, probe, fit = lightning_fit("lightning.pytorch", rows_at_once=4, pieces=2)
    training_step = module.training_step
    calls = []

    def failing(*args):
        calls.append(1)
        if len(calls) == fails_at:
            raise KeyError("mine")
        return training_step(*args)

    module.training_step = failing
    with pytest.raises(KeyError, match="mine"):
        fit()
    assert {event["step"] for event in probe.events} == ({1} if fails_at == 4 else set())
    with probe.step(2):  # nothing was left open
        pass
    probe.events.clear()
    _, again, _, fit = lightning_fit("lightning.pytorch", rows_at_once=4, pieces=2)
    again.callbacks = trainer.callbacks
    fit()
    assert [e["step"] for e in probe.events if e["kind"] == "gradient"] == [1, 2, 4]


def test_lightning_leaves_a_skipped_batch_behind():
    module, trainer, probe, fit = lightning_fit("lightning.pytorch", rows_at_once=4, every=1)
    module.on_train_batch_start = lambda batch, index: -1 if index == 2 else None
    fit()
    assert {event["step"] for event in probe.events} == {1, 2}
    _, again, _, fit = lightning_fit("lightning.pytorch", rows_at_once=4)
    again.callbacks = trainer.callbacks
    fit()
    assert [e["step"] for e in probe.events if e["kind"] == "gradient"] == [1, 2, *range(1, 11)]


def test_lightning_checkpoints_carry_the_probe(tmp_path):
    from lightning.pytorch.callbacks import ModelCheckpoint

    _, _, whole, fit = lightning_fit("lightning.pytorch", rows_at_once=4)
    fit()
    keep = ModelCheckpoint(dirpath=tmp_path, filename="{step}", every_n_train_steps=5, save_top_k=-1)
    _, _, _, fit = lightning_fit("lightning.pytorch", rows_at_once=4, callbacks=[keep])
    fit()
    saved = tmp_path / "step=5.ckpt"
    assert int(torch.load(saved, weights_only=True)["callbacks"]["ProbeCallback"]["kept_step"]) == 4
    _, _, again, fit = lightning_fit("lightning.pytorch", rows_at_once=4)
    fit(ckpt_path=saved)
    spans = [[(e["from"], e["step"]) for e in probe.events if "from" in e] for probe in (whole, again)]
    assert spans == [[(1, 2), (2, 4), (4, 8), (8, 10)], [(4, 8), (8, 10)]]
