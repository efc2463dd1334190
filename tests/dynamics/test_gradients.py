"""Interference of gradients: hooks against the definition on every kind of layer, closed forms, and what is refused."""

import math
import random
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint

from gnomon.dynamics import gradient_interference, zero_sum_matrix
from gnomon.dynamics.example_gradients import KNOWN
from gnomon.dynamics.gradients import GradientInterference
from gnomon.dynamics.losses import batch_rows, entries, losses_and_mask

B, T, H, V = 6, 5, 8, 11


def square(model, batch):
    """One loss per row: the mean square of whatever the model gives."""
    return model(batch).flatten(1).square().mean(1)


def wavy(model, batch):
    """The same for models whose output is normalised: a loss that is not blind to scale."""
    out = model(batch).flatten(1)
    return (out * torch.linspace(-1, 2, out.shape[1], dtype=out.dtype)).sin().mean(1)


def by_definition(model, example_losses, batch, names):
    """Every example's gradient, one backward pass each: {name: (n, *shape)}."""
    parameters = dict(model.named_parameters())
    losses = example_losses(model, batch)
    rows = [
        torch.autograd.grad(loss, [parameters[n] for n in names], retain_graph=True, allow_unused=True)
        for loss in losses
    ]
    return {
        name: torch.stack([torch.zeros_like(parameters[name]) if row[k] is None else row[k] for row in rows])
        for k, name in enumerate(names)
    }


def close(a, b):
    assert a.shape == b.shape
    assert float((a - b).abs().max()) <= 1e-9 * max(1e-3, float(b.abs().max()))


def agrees(model, example_losses, batch, *, loop=(), **options):
    """`gradient_interference` gives the sums and statistics of the definition, with only the parameters in `loop`
    measured by single backward passes; `method="loop"` gives them too, and `"hooks"` refuses exactly where there are
    such parameters, naming them."""
    measure = partial(gradient_interference, model, example_losses, batch, include="all", chunk=4, **options)
    found = measure()
    each = by_definition(model, example_losses, batch, list(found.parameters))
    for result in (found, measure(method="loop"), measure()):  # the third knows the graph and checks no more
        assert set(result.parameters) == set(each)
        for name, gradients in each.items():
            close(result.parameters[name].sum, gradients.sum(0))
            close(result.parameters[name].sum_abs, gradients.abs().sum(0))
            close(result.parameters[name].sum_sq, gradients.square().sum(0))
        assert_statistics(result, each)
    assert {name for name, route in found.routes.items() if route == "loop"} == set(loop)
    if loop:
        with pytest.raises(ValueError, match="method = 'hooks' does not see") as raised:
            measure(method="hooks")
        assert all(name in str(raised.value) for name in loop)
    else:
        assert measure(method="hooks").D == found.D
    return found


def assert_statistics(found: GradientInterference, each):
    """D, D_null, A, D_pooled and the dead from all gradients at once, by the formulas."""
    g = torch.cat([gradients.flatten(1) for gradients in each.values()], dim=1).numpy()
    absolute = np.abs(g).sum(0)
    live = absolute > 100 * np.finfo(g.dtype).eps * absolute.max()
    D = np.mean(1 - np.abs(g.sum(0))[live] / absolute[live])
    null = np.mean(1 - math.sqrt(2 / math.pi) * np.sqrt(np.square(g).sum(0))[live] / absolute[live])
    assert found.n == len(g)
    assert (found.n_coordinates, found.n_dead) == (g.shape[1], int((~live).sum()))
    assert found.D == pytest.approx(D, abs=1e-9)
    assert found.D_null == pytest.approx(null, abs=1e-9)
    assert found.A == pytest.approx((1 - D) / (1 - null), rel=1e-9)
    assert found.D_pooled == pytest.approx(1 - np.abs(g.sum(0)).sum() / absolute.sum(), abs=1e-9)


@pytest.fixture(autouse=True)
def _double():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# -- every layer of the table --------------------------------------------------------------------------------------


class Scaled(nn.Module):
    """RMSNorm as Llama has it, or with `offset` 1 as Gemma has it."""

    def __init__(self, offset=0.0):
        super().__init__()
        self.weight, self.offset = nn.Parameter(torch.randn(H)), offset

    def forward(self, hidden_states):
        wide = hidden_states * torch.rsqrt(hidden_states.pow(2).mean(-1, keepdim=True) + 1e-6)
        return (self.weight + self.offset) * wide


class LayerScale(nn.Module):
    def __init__(self):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.randn(H)), nn.Parameter(torch.randn(H))

    def forward(self, x):
        return x * self.gamma + self.beta


def randomised(module):
    """No weight at its start value: ones and zeros hide mistakes."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) / 2)
    return module


def rows(*shape):
    return torch.randn(B, *shape)


LAYERS = {
    "linear": (lambda: nn.Sequential(nn.Linear(H, 7), nn.Tanh(), nn.Linear(7, 3, bias=False)), (H,)),
    "linear over positions": (lambda: nn.Sequential(nn.Linear(H, 7), nn.Tanh(), nn.Linear(7, 3)), (T, H)),
    "linear over two axes": (lambda: nn.Sequential(nn.Linear(H, 7), nn.Tanh(), nn.Linear(7, 3)), (2, T, H)),
    "layer norm": (lambda: nn.Sequential(nn.Linear(H, H), nn.LayerNorm(H, eps=0.1)), (T, H)),
    "layer norm of two axes": (lambda: nn.Sequential(nn.Linear(H, H), nn.LayerNorm((T, H))), (3, T, H)),
    "layer norm without bias": (lambda: nn.Sequential(nn.Linear(H, H), nn.LayerNorm(H, bias=False)), (T, H)),
    "rms norm": (lambda: nn.Sequential(nn.Linear(H, H), nn.RMSNorm(H)), (T, H)),
    "rms norm of Llama": (lambda: nn.Sequential(nn.Linear(H, H), Scaled()), (T, H)),
    "rms norm of Gemma": (lambda: nn.Sequential(nn.Linear(H, H), Scaled(1.0)), (T, H)),
    "layer scale": (lambda: nn.Sequential(nn.Linear(H, H), LayerScale()), (T, H)),
    "prelu": (lambda: nn.Sequential(nn.Linear(H, H), nn.PReLU(), nn.Linear(H, H)), (T, H)),
    "group norm": (lambda: nn.Sequential(nn.Conv2d(4, H, 1), nn.GroupNorm(2, H)), (4, 3, T)),
    "instance norm": (lambda: nn.Sequential(nn.Conv1d(4, H, 1), nn.InstanceNorm1d(H, affine=True)), (4, T)),
    "conv 1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), (4, 11)),
    "conv 2d": (lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2), (4, 7, 6)),
    "conv 2d same": (lambda: nn.Conv2d(4, 6, 4, padding="same", bias=False), (4, 7, 6)),
    "conv 2d circular": (lambda: nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular", groups=4), (4, 5, 6)),
    "conv 3d": (lambda: nn.Conv3d(2, 4, 2, stride=2, groups=2), (2, 4, 5, 6)),
    "conv and in-place relu": (
        lambda: nn.Sequential(nn.Conv2d(4, 6, 3), nn.ReLU(inplace=True), nn.Conv2d(6, 2, 1)),
        (4, 5, 6),
    ),
    "batch norm in eval": (lambda: nn.Sequential(nn.Conv2d(4, H, 1), nn.BatchNorm2d(H)).eval(), (4, 3, T)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_hooks_give_the_gradients_of_every_layer(kind):
    build, shape = LAYERS[kind]
    agrees(randomised(build()), wavy, rows(*shape))


def test_conv1d_of_transformers():
    from transformers.pytorch_utils import Conv1D

    agrees(randomised(nn.Sequential(Conv1D(H, H), nn.Tanh(), Conv1D(3, H))), square, rows(T, H))


def test_norms_of_transformers_are_known_by_what_they_compute():
    from transformers.models.llama.modeling_llama import LlamaRMSNorm
    from transformers.models.t5.modeling_t5 import T5LayerNorm

    # These two compute in float32 whatever comes: compared within its precision.
    model = randomised(nn.Sequential(nn.Linear(H, H), LlamaRMSNorm(H), nn.Linear(H, H), T5LayerNorm(H))).float()
    batch = rows(T, H).float()
    found = gradient_interference(model, wavy, batch, method="hooks")
    for name, gradients in by_definition(model, wavy, batch, list(found.parameters)).items():
        assert torch.allclose(found.parameters[name].sum_abs, gradients.abs().sum(0), rtol=1e-5, atol=1e-7)


def test_a_scale_that_is_no_scale_is_not_believed():
    class Bent(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(H))

        def forward(self, x):
            return x * self.weight.square()

    agrees(nn.Sequential(nn.Linear(H, H), Bent()), wavy, rows(T, H), loop={"1.weight"})


def test_layers_that_do_more_than_their_class_are_not_believed():
    class Causal(nn.Conv1d):
        def forward(self, x):
            return super().forward(F.pad(x, (2, 0)))

    class Centred(nn.Linear):
        def forward(self, x):
            return F.linear(x, self.weight - self.weight.mean(1, keepdim=True), self.bias)

    class Narrow(nn.Linear):
        def forward(self, x):
            return super().forward(x)[..., :3]

    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(H))

        def forward(self, x, gate):
            return x * torch.sigmoid(gate) * self.weight

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.causal, self.centred, self.narrow, self.gated = Causal(H, H, 3), Centred(H, H), Narrow(H, H), Gated()

        def forward(self, x):
            x = self.causal(x.transpose(1, 2)).transpose(1, 2)
            return self.narrow(self.gated(self.centred(x), x))

    found = gradient_interference(Odd(), square, rows(T, H))
    seen = {name for name, route in found.routes.items() if route == "hooks"}
    assert seen == {"centred.bias"}
    torch.manual_seed(1)
    agrees(Odd(), square, rows(T, H), loop=set(found.parameters) - seen)


class Reads(nn.Module):
    """A small reader of tokens: embedding, body, head."""

    def __init__(self, *, padding_idx=None, tied=False):
        super().__init__()
        self.embed = nn.Embedding(V, H, padding_idx=padding_idx)
        self.body = nn.Linear(H, H)
        self.lm_head = nn.Linear(H, V, bias=False)
        if tied:
            self.lm_head.weight = self.embed.weight

    def forward(self, tokens):
        return self.lm_head(torch.tanh(self.body(self.embed(tokens))))


def tokens():
    return torch.randint(V, (B, T))


def next_token(model, batch):
    return F.cross_entropy(model(batch).transpose(1, 2), batch.roll(1, 1), reduction="none").mean(1)


@pytest.mark.parametrize("padding_idx", [None, 3])
def test_embeddings(padding_idx):
    model, batch = Reads(padding_idx=padding_idx), tokens()
    batch[:, 0] = 3
    found = agrees(model, next_token, batch)
    assert bool(found.parameters["embed.weight"].sum_abs[3].any()) == (padding_idx is None)


def test_sparse_embedding_and_one_token_a_row():
    model = nn.Sequential(nn.Embedding(V, H, sparse=True), nn.Linear(H, 3))
    batch = torch.randint(V, (B,))
    found = gradient_interference(model, square, batch, include="all", method="hooks")
    looped = gradient_interference(model, square, batch, include="all", method="loop")
    for name, sums in found.parameters.items():
        close(sums.sum_abs, looped.parameters[name].sum_abs)


# -- parameters with several uses ----------------------------------------------------------------------------------


def test_a_tied_head_and_a_layer_used_twice_count_as_one_parameter_each():
    agrees(Reads(tied=True), next_token, tokens())

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.norm = nn.Linear(H, H), nn.LayerNorm(H)

        def forward(self, x):
            return self.norm(self.layer(torch.tanh(self.norm(self.layer(x)))))

    agrees(randomised(Twice()), wavy, rows(T, H))


def test_one_weight_in_two_layers():
    model = nn.Sequential(nn.Linear(H, H), nn.Tanh(), nn.Linear(H, H), nn.Tanh(), nn.Linear(H, H))
    model[4].weight = model[0].weight
    agrees(model, square, rows(T, H))


def test_two_towers_without_a_single_vector():
    class Towers(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(H, H, bias=False) for _ in range(3))

        def forward(self, x):
            return torch.tanh(self.a(x)) * self.c(torch.tanh(self.b(x)))

    agrees(Towers(), square, rows(T, H))


def test_frozen_layers_are_left_out_and_named():
    model = nn.Sequential(nn.Linear(H, H), nn.Tanh(), nn.Linear(H, H), nn.LayerNorm(H))
    model[0].requires_grad_(False)
    model[2].weight.requires_grad_(False)
    found = agrees(randomised(model), wavy, rows(T, H))
    assert set(found.parameters) == {"2.bias", "3.weight", "3.bias"}
    assert set(found.excluded) == {"0.weight", "0.bias", "2.weight"}


def test_a_layer_no_loss_depends_on_is_all_dead():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.called, self.idle = nn.Linear(H, H), nn.Linear(H, H), nn.Linear(H, 2)

        def forward(self, x):
            self.called(x)
            return self.used(x)

    found = agrees(Idle(), square, rows(H))
    assert found.n_dead == 72 + 18


class Checkpointed(nn.Module):
    def __init__(self, reentrant):
        super().__init__()
        self.first, self.last = nn.Linear(H, H), nn.Linear(H, 3)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(H, H), nn.LayerNorm(H), nn.Tanh(), nn.Dropout(0.2)) for _ in range(2)
        )
        self.shared, self.scale, self.reentrant = nn.Linear(H, H), nn.Parameter(torch.randn(H)), reentrant

    def block(self, k, x):
        return self.shared(self.blocks[k](x)) * self.scale

    def forward(self, x):
        x = self.first(x)
        for k in range(2):
            x = checkpoint(self.block, k, x, use_reentrant=self.reentrant)
        return self.last(x)


@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpointing(reentrant):
    model, batch = randomised(Checkpointed(reentrant)).eval(), rows(T, H)
    plain = randomised(Checkpointed(False)).eval()
    plain.load_state_dict(model.state_dict())
    each = by_definition(plain, wavy, batch, [name for name, _ in plain.named_parameters()])
    for method in ("auto", "loop"):
        found = gradient_interference(model, wavy, batch, include="all", method=method)
        for name, gradients in each.items():
            close(found.parameters[name].sum, gradients.sum(0))
            close(found.parameters[name].sum_abs, gradients.abs().sum(0))
        looped = {name for name, route in found.routes.items() if route == "loop"}
        assert looped == ({"scale"} if method == "auto" else set(each))
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_draws_the_same_dropout_again(reentrant):
    """All passes see the masks of the one forward pass: hooks and loop agree in training mode."""
    model, batch = randomised(Checkpointed(reentrant)), rows(T, H)
    found = gradient_interference(model, wavy, batch, include="all")
    looped = gradient_interference(model, wavy, batch, include="all", method="loop")
    for name, sums in found.parameters.items():
        close(sums.sum_abs, looped.parameters[name].sum_abs)


def test_hooks_that_run_on_accumulation_are_not_run_by_a_reentrant_checkpoint():
    model = Checkpointed(True)
    model.last.weight.register_post_accumulate_grad_hook(lambda parameter: parameter.zero_())
    with pytest.raises(ValueError, match=r"last\.weight has a hook that runs when its gradient is accumulated"):
        gradient_interference(model, wavy, rows(T, H), include="all")


# -- what hooks cannot see -----------------------------------------------------------------------------------------


class Hidden(nn.Module):
    """Parameters behind no layer call: a bare vector, an einsum, another layer's weight used by hand."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(H, H), nn.Linear(H, H)
        self.gain, self.mix = nn.Parameter(torch.randn(H)), nn.Parameter(torch.randn(H, H) / 3)

    def forward(self, x):
        x = torch.einsum("bth,hk->btk", torch.tanh(self.first(x)) * self.gain, self.mix)
        return F.linear(self.second(x), self.second.weight)


def test_bare_parameters_einsum_and_a_weight_used_by_hand():
    agrees(Hidden(), square, rows(T, H), loop={"gain", "mix", "second.weight"})


class Placed(nn.Module):
    """A position table in three forms: looked up for each row, looked up once, sliced from a bare parameter."""

    def __init__(self, form, length=T):
        super().__init__()
        self.form, self.body = form, nn.Linear(H, H)
        self.table = nn.Parameter(torch.randn(length, H)) if form == "sliced" else nn.Embedding(length, H)

    def forward(self, x):
        where = torch.arange(x.shape[1])
        if self.form == "sliced":
            return self.body(torch.tanh(x + self.table[: x.shape[1]]))
        if self.form == "for each row":
            where = where.expand(x.shape[0], -1)
        elif self.form == "once, with an axis":
            where = where[None]
        return self.body(torch.tanh(x + self.table(where)))


@pytest.mark.parametrize("form", ["for each row", "once", "once, with an axis", "sliced"])
@pytest.mark.parametrize("length", [T, B, 2 * B])  # B positions look like B rows, 2 B like two for each row
def test_position_tables(form, length):
    name = "table" if form == "sliced" else "table.weight"
    agrees(Placed(form, length), square, rows(length, H), loop=set() if form == "for each row" else {name})


@pytest.mark.parametrize("length", [T, B, 2 * B])
def test_layers_whose_first_axis_is_not_the_batch(length):
    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.along, self.back = nn.Linear(H, H), nn.Linear(H, H)

        def forward(self, x):
            return self.back(torch.tanh(self.along(x.transpose(0, 1))).transpose(0, 1))

    agrees(First(), square, rows(length, H), loop={"along.weight", "along.bias"})


def test_rows_flattened_with_positions_are_still_rows():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.norm, self.conv = nn.Linear(H, H), nn.LayerNorm(H), nn.Conv1d(1, 2, 3)

        def forward(self, x):
            flat = self.norm(self.linear(x.reshape(-1, H)))
            return self.conv(flat.unsqueeze(1)).reshape(len(x), -1)

    agrees(randomised(Flat()), wavy, rows(T, H))


def test_parametrised_weights_lstm_attention_and_transposed_convolutions():
    from torch.nn.utils import weight_norm as old_weight_norm
    from torch.nn.utils.parametrizations import weight_norm

    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.normed, self.older = weight_norm(nn.Linear(H, H)), old_weight_norm(nn.Linear(H, H))
            self.lstm = nn.LSTM(H, H, batch_first=True)
            self.attention = nn.MultiheadAttention(H, 2, batch_first=True)
            self.up = nn.ConvTranspose1d(H, 2, 2)

        def forward(self, x):
            x = torch.tanh(self.older(self.normed(x)))
            x = self.lstm(x)[0]
            x = self.attention(x, x, x, need_weights=False)[0]
            return self.up(x.transpose(1, 2))

    model = Odd()
    unseen = {name for name, _ in model.named_parameters()} - {"normed.bias", "older.bias"}
    agrees(model, square, rows(T, H), loop=unseen)


def test_losses_that_share_rows_are_not_taken_for_rows():
    """The plain sums agree here; only the weighted ones tell."""
    model = nn.Sequential(nn.Linear(H, H), nn.Tanh(), nn.Linear(H, 4))
    everything = {name for name, _ in model.named_parameters()}

    def contrastive(model, batch):
        out = F.normalize(model(batch), dim=-1)
        return F.cross_entropy(out @ out.roll(1, 0).T, torch.arange(len(batch)), reduction="none")

    agrees(model, contrastive, rows(H), loop=everything)
    agrees(model, lambda m, b: square(m, b).flip(0), rows(H), loop=everything)
    agrees(model, lambda m, b: square(m, b) - square(m, b).mean() / 2, rows(H), loop=everything)


def test_rows_picked_by_number_are_checked_every_time():
    """One graph, two batches: first every row stands for itself, then one row stands for two examples."""
    model = nn.Sequential(nn.Linear(H, H), nn.Tanh(), nn.Linear(H, 4))

    def picked(model, batch):
        x, which = batch
        return model(x).square().mean(1)[which] * torch.arange(1.0, 1 + len(x))

    x = rows(H)
    assert set(gradient_interference(model, picked, (x, torch.arange(B))).routes.values()) == {"hooks"}
    batch = (x, torch.tensor([0, 0, 2, 3, 4, 5]))
    found = gradient_interference(model, picked, batch)
    for name, gradients in by_definition(model, picked, batch, list(found.parameters)).items():
        close(found.parameters[name].sum_sq, gradients.square().sum(0))


def test_a_known_graph_is_not_checked_again_and_another_is():
    model, batch = nn.Sequential(nn.Linear(H, H), nn.Tanh(), nn.Linear(H, 4)), rows(H)
    gradient_interference(model, square, batch)
    known = dict(KNOWN[model])
    assert len(known) == 1
    gradient_interference(model, square, rows(H))
    assert KNOWN[model] == known
    gradient_interference(model, wavy, batch)
    assert len(KNOWN[model]) == 2


def test_values_that_are_not_finite_are_seen_and_not_remembered():
    model, batch = nn.Sequential(nn.Linear(H, H), nn.Tanh(), nn.Linear(H, 4)), rows(H)
    batch[2] = math.nan
    found = gradient_interference(model, square, batch)
    assert math.isnan(found.D)
    assert found.to_dict()["D"] is None
    assert not KNOWN[model]


# -- closed forms and laws -----------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(2, 9), d=st.integers(1, 5))
def test_linear_regression_has_gradients_r_x(seed, n, d):
    rng = np.random.default_rng(seed)
    x, y, w = rng.normal(size=(n, d)), rng.normal(size=n), rng.normal(size=d)
    model = nn.Linear(d, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor(w)[None])

    def half_square(model, batch):
        return (model(batch[0]).squeeze(1) - batch[1]).square() / 2

    found = gradient_interference(model, half_square, (torch.tensor(x), torch.tensor(y)))
    g = (x @ w - y)[:, None] * x
    assert found.routes == {"weight": "hooks"}
    np.testing.assert_allclose(found.parameters["weight"].sum.numpy()[0], g.sum(0), atol=1e-12)
    assert found.D == pytest.approx(np.mean(1 - np.abs(g.sum(0)) / np.abs(g).sum(0)), abs=1e-12)
    assert found.D_null == pytest.approx(
        np.mean(1 - math.sqrt(2 / math.pi) * np.sqrt((g**2).sum(0)) / np.abs(g).sum(0)), abs=1e-12
    )


@pytest.mark.parametrize("k", [2, 5])
def test_a_batch_repeated_k_times(k):
    model, batch = randomised(nn.Sequential(nn.Linear(H, H), nn.LayerNorm(H), nn.Linear(H, 3))), rows(T, H)
    once = gradient_interference(model, square, batch)
    often = gradient_interference(model, square, batch.repeat(k, 1, 1))
    assert often.n == k * once.n
    assert often.D == pytest.approx(once.D, abs=1e-12)
    assert often.D_pooled == pytest.approx(once.D_pooled, abs=1e-12)
    assert 1 - often.D_null == pytest.approx((1 - once.D_null) / math.sqrt(k), rel=1e-12)
    assert often.A == pytest.approx(once.A * math.sqrt(k), rel=1e-12)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), factor=st.sampled_from([0.001, 3.0, -40.0]), chunk=st.integers(1, 9))
def test_order_scale_and_chunks_change_nothing(seed, factor, chunk):
    generator = torch.Generator().manual_seed(seed)
    model, batch = nn.Sequential(nn.Linear(H, H), nn.Tanh(), nn.Linear(H, 3)), rows(T, H)
    plain = gradient_interference(model, square, batch)
    other = gradient_interference(
        model, lambda m, b: factor * square(m, b), batch[torch.randperm(B, generator=generator)], chunk=chunk
    )
    for name in ("D", "D_null", "A", "D_pooled", "n_dead"):
        assert getattr(other, name) == pytest.approx(getattr(plain, name), abs=1e-10)


class Attends(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(H, H) for _ in range(3))

    def forward(self, x):
        return torch.softmax(self.query(x) @ self.key(x).mT, -1) @ self.value(x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_key_bias_under_softmax_is_dead(dtype):
    model, batch = randomised(Attends()).to(dtype), rows(T, H).to(dtype)
    for method in ("hooks", "loop"):
        found = gradient_interference(model, square, batch, method=method)
        assert found.n_dead == H
        dead = {layer.layer: layer for layer in found.layers()}["key"]
        assert dead.n_dead == H
        kept = gradient_interference(model, square, batch, include=lambda name: name != "key.bias", method=method)
        assert kept.D == pytest.approx(found.D, abs=1e-7)


def test_layers_have_the_statistics_of_their_own_parameters():
    model, batch = nn.Sequential(nn.Linear(H, H), nn.Tanh(), nn.Linear(H, 3)), rows(T, H)
    found = gradient_interference(model, square, batch)
    assert [layer.layer for layer in found.layers()] == ["0", "2"]
    for layer in found.layers():
        alone = gradient_interference(model, square, batch, include=lambda n, own=layer.layer: n.startswith(own))
        for name in ("D", "D_null", "A", "D_pooled", "n_coordinates", "n_dead"):
            assert getattr(layer, name) == pytest.approx(getattr(alone, name), abs=1e-12)
    plain = found.to_dict()
    assert set(plain) == {
        *("unit", "n", "D", "D_pooled", "D_null", "A", "n_coordinates", "n_dead", "sample", "method"),
        *("layers", "parameters", "excluded"),
    }


# -- samples -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["auto", "loop"])
def test_a_sample_has_an_exact_numerator_and_an_unbiased_denominator(route):
    """Over all subsets of one size the scaled denominator averages to the exact one; the numerator never moves."""
    model, batch = Hidden(), rows(T, H)
    exact = gradient_interference(model, square, batch)
    by_seed = {}
    for seed in range(60):
        found = gradient_interference(model, square, batch, sample=2, seed=seed, method=route)
        assert (found.D, found.D_null, found.A, found.n_dead) == (None, None, None, None)
        assert (found.sample, found.n) == (2, B)
        for name, sums in found.parameters.items():
            close(sums.sum, exact.parameters[name].sum)
            assert sums.sum_sq is None
        by_seed[seed] = sum(float(sums.sum_abs.sum()) for sums in found.parameters.values())
        kept = sum(float(sums.sum.abs().sum()) for sums in found.parameters.values())
        assert found.D_pooled == pytest.approx(1 - kept / by_seed[seed], abs=1e-12)
    each = by_definition(model, square, batch, list(exact.parameters))
    sizes = sum(g.flatten(1).abs().sum(1) for g in each.values())
    pairs = {round(3 * float(sizes[i] + sizes[j]), 9) for i in range(B) for j in range(i)}  # n/K = 3
    assert {round(value, 9) for value in by_seed.values()} <= pairs
    assert len({round(value, 9) for value in by_seed.values()}) > 10  # of 15 pairs
    assert np.mean(list(by_seed.values())) == pytest.approx(float(sizes.sum()), rel=0.05)


def test_a_sample_of_all_is_exact():
    model, batch = Hidden(), rows(T, H)
    exact = gradient_interference(model, square, batch)
    found = gradient_interference(model, square, batch, sample=99)
    assert found.sample == B
    assert found.D_pooled == pytest.approx(exact.D_pooled, abs=1e-12)
    assert found.D is None


# -- units and masks -----------------------------------------------------------------------------------------------


def per_position(model, batch):
    return F.cross_entropy(model(batch).transpose(1, 2), batch.roll(1, 1), reduction="none")


def test_a_sequence_is_the_mean_of_its_unmasked_positions_and_masked_rows_do_not_count():
    model, batch = Reads(), tokens()
    mask = torch.rand(B, T) < 0.6
    mask[:, 0] = True
    mask[2] = False
    found = gradient_interference(model, lambda m, b: (per_position(m, b), mask), batch)
    kept = [i for i in range(B) if i != 2]

    def by_row(model, batch):
        losses = per_position(model, batch)
        return torch.stack([losses[i][mask[i]].mean() for i in kept])

    each = by_definition(model, by_row, batch, list(found.parameters))
    assert_statistics(found, each)
    assert set(found.routes.values()) == {"hooks"}


def test_entries_of_a_matrix_are_examples_of_their_own():
    model, batch = nn.Linear(H, H), rows(T, H)

    def matrix(model, batch):
        return model(batch).square().mean(2)

    found = gradient_interference(model, matrix, batch, unit="example")
    assert (found.n, found.unit, set(found.routes.values())) == (B * T, "example", {"loop"})
    assert_statistics(found, by_definition(model, lambda m, b: matrix(m, b).flatten(), batch, ["weight", "bias"]))
    mask = torch.zeros(B, T)
    mask[1, 3] = mask[4, 0] = mask[2, 2] = 1
    some = gradient_interference(model, lambda m, b: (matrix(m, b), mask), batch, unit="example")
    rows_of = lambda m, b: matrix(m, b)[mask.bool()]  # noqa: E731
    assert_statistics(some, by_definition(model, rows_of, batch, ["weight", "bias"]))


# -- which parameters ----------------------------------------------------------------------------------------------


def test_include():
    model, batch = Reads(), tokens()
    hidden = gradient_interference(model, next_token, batch)
    assert set(hidden.parameters) == {"body.weight", "body.bias"}
    assert set(hidden.excluded) == {"embed.weight", "lm_head.weight"}
    chosen = gradient_interference(model, next_token, batch, include=lambda name: name.startswith("lm"))
    assert set(chosen.parameters) == {"lm_head.weight"}
    assert set(gradient_interference(Reads(tied=True), next_token, batch).excluded) == {"embed.weight"}
    with pytest.raises(ValueError, match="leaves no trainable parameter"):
        gradient_interference(model, next_token, batch, include=lambda name: False)
    with pytest.raises(ValueError, match="include = 'most' is not known"):
        gradient_interference(model, next_token, batch, include="most")


def test_a_head_is_known_by_its_place_and_bare_tables_by_their_name():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.pos_embedding = nn.Parameter(torch.randn(T, H))
            self.blocks = nn.ModuleList(nn.ModuleDict({"output": nn.Linear(H, H)}) for _ in range(1))
            self.head = nn.Linear(H, 3)

        def forward(self, x):
            return self.head(torch.tanh(self.blocks[0]["output"](x + self.pos_embedding)))

    found = gradient_interference(Model(), square, rows(T, H))
    assert set(found.excluded) == {"pos_embedding", "head.weight", "head.bias"}
    assert set(found.parameters) == {"blocks.0.output.weight", "blocks.0.output.bias"}


def tiny(kind):
    import transformers

    common = {"vocab_size": 23, "pad_token_id": 0}
    if kind == "gpt2":
        config = transformers.GPT2Config(n_layer=2, n_embd=16, n_head=2, n_positions=12, **common)
        return transformers.GPT2LMHeadModel(config)
    if kind == "llama":
        sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(num_key_value_heads=2, **sizes, **common))
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 2}
    return transformers.T5ForConditionalGeneration(transformers.T5Config(**sizes, decoder_start_token_id=0, **common))


@pytest.mark.parametrize("kind", ["gpt2", "llama", "t5"])
@pytest.mark.parametrize("checkpointed", [False, True])
def test_models_of_transformers(kind, checkpointed):
    model = tiny(kind).double().eval()
    if checkpointed:
        model.train()
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
        model.gradient_checkpointing_enable()
    batch = torch.randint(1, 23, (4, 6))

    def next_token(model, batch):
        if kind == "t5":
            logits = model(input_ids=batch, decoder_input_ids=batch, use_cache=False).logits
        else:
            logits = model(input_ids=batch, use_cache=False).logits
        return F.cross_entropy(logits[:, :-1].transpose(1, 2), batch[:, 1:], reduction="none").mean(1)

    hidden = gradient_interference(model, next_token, batch, method="auto", chunk=3)
    tables = {
        "gpt2": {"transformer.wte.weight", "transformer.wpe.weight"},
        "llama": {"model.embed_tokens.weight", "lm_head.weight"},
    }
    if kind in tables:
        assert set(hidden.excluded) == tables[kind]
    assert set(hidden.routes.values()) == {"hooks"}
    looped = gradient_interference(model, next_token, batch, include="all", method="loop")
    everything = gradient_interference(model, next_token, batch, include="all", chunk=3)
    assert set(everything.parameters) == {name for name, _ in model.named_parameters()}
    unseen = {name for name, route in everything.routes.items() if route == "loop"}
    assert (
        unseen
        == {
            "gpt2": {"transformer.wpe.weight"},  # looked up once for all rows
            "llama": set(),
            "t5": {name for name in looped.parameters if "relative_attention_bias" in name},
        }[kind]
    )
    # T5 and Llama normalise in float32, which limits how well two ways of adding up agree.
    close_enough = 1e-9 if kind == "gpt2" else 1e-5
    for name, sums in looped.parameters.items():
        for part in ("sum", "sum_abs", "sum_sq"):
            a, b = getattr(everything.parameters[name], part), getattr(sums, part)
            assert float((a - b).abs().max()) <= close_enough * float(b.abs().max().clamp(min=1e-12)), (name, part)


def test_the_head_that_a_transformers_model_names_is_left_out():
    import transformers

    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = transformers.BertForMaskedLM(
        transformers.BertConfig(vocab_size=23, max_position_embeddings=12, **sizes)
    ).eval()
    batch = torch.randint(1, 23, (4, 6))

    def masked(model, batch):
        return F.cross_entropy(model(input_ids=batch).logits.transpose(1, 2), batch, reduction="none").mean(1)

    found = gradient_interference(model, masked, batch)
    head = {"cls.predictions.bias", "cls.predictions.decoder.bias"}  # tied: one of the two names
    tables = {f"bert.embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")}
    assert len(set(found.excluded) & head) == 1
    assert set(found.excluded) - head == tables


# -- only looking --------------------------------------------------------------------------------------------------


def state(model):
    return {
        "weights": [p.detach().clone() for p in model.parameters()],
        "buffers": [b.clone() for b in model.buffers()],
        "grads": [None if p.grad is None else (p.grad, p.grad.clone()) for p in model.parameters()],
        "flags": [m.training for m in model.modules()],
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules()],
        "trained": [p.requires_grad for p in model.parameters()],
        "random": (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()),  # noqa: NPY002
    }


def same(one, other):
    assert one["flags"] == other["flags"]
    assert one["hooks"] == other["hooks"]
    assert one["trained"] == other["trained"]
    for part in ("weights", "buffers"):
        assert all(torch.equal(a, b) for a, b in zip(one[part], other[part], strict=True))
    for a, b in zip(one["grads"], other["grads"], strict=True):
        assert (a is None) == (b is None)
        assert a is None or (a[0] is b[0] and torch.equal(a[1], b[1]))
    assert torch.equal(one["random"][0], other["random"][0])
    assert one["random"][1] == other["random"][1]
    assert np.array_equal(one["random"][2], other["random"][2])


class Busy(nn.Module):
    """Dropout, a buffer that counts, a norm in eval mode, a bare parameter, a user's own hook."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.drop, self.last = (
            nn.Linear(H, H),
            nn.BatchNorm1d(H).eval(),
            nn.Dropout(0.5),
            nn.Linear(H, 3),
        )
        self.gain = nn.Parameter(torch.randn(H))
        self.register_buffer("calls", torch.zeros(()))
        self.last.register_forward_hook(lambda module, args, out: None)

    def forward(self, x):
        self.calls += 1
        random.random()
        return self.last(self.drop(self.norm(self.first(x)) * self.gain))


@pytest.mark.parametrize("look", ["auto", "loop", "sample", "first-order", "actual", "raises"])
def test_it_only_looks(look):
    model, batch = Busy(), rows(H)
    square(model, batch).mean().backward()
    model.gain.grad = None
    before = state(model)
    if look in ("auto", "loop"):
        gradient_interference(model, square, batch, method=look)
    elif look == "sample":
        gradient_interference(model, square, batch, sample=2)
    elif look == "raises":
        with pytest.raises(ValueError, match="does not see"):
            gradient_interference(model, square, batch, method="hooks")
        calls = iter(range(99))

        def breaks(model, batch):
            if next(calls) == 2:
                raise RuntimeError("broken by the person")
            return square(model, batch)

        with pytest.raises(RuntimeError, match="broken by the person"):
            zero_sum_matrix(model, breaks, batch, list("aabbcc"), lr=0.1, method="actual")
        assert next(calls) == 3  # it was in the middle of the first step
    else:
        zero_sum_matrix(model, square, batch, list("aabbcc"), lr=0.1, method=look)
    same(before, state(model))


def test_a_model_that_keeps_its_outputs_keeps_no_hook_of_ours():
    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(H, H)

        def forward(self, x):
            self.kept = self.layer(x)
            return self.kept

    model = Keeps()
    gradient_interference(model, square, rows(H))
    assert not model.kept._backward_hooks


def test_it_works_under_no_grad_and_autocast():
    model, batch = nn.Sequential(nn.Linear(H, H), nn.Tanh(), nn.Linear(H, 3)).float(), rows(T, H).float()
    with torch.no_grad():
        plain = gradient_interference(model, square, batch)

    def mixed(model, batch):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = model(batch)
        return out.float().flatten(1).square().mean(1)

    found = gradient_interference(model, mixed, batch, method="hooks")
    assert found.D == pytest.approx(plain.D, abs=0.02)
    assert found.parameters["0.weight"].sum.dtype == torch.float32
    halved = gradient_interference(model.bfloat16(), mixed, batch, method="hooks")
    assert halved.D == pytest.approx(plain.D, abs=0.05)
    assert halved.parameters["0.weight"].sum.dtype == torch.float32


def test_compiled_models_are_measured_as_they_were_written():
    model, batch = nn.Sequential(nn.Linear(H, H), nn.Tanh(), nn.Linear(H, 3)), rows(T, H)
    plain = gradient_interference(model, square, batch)
    outside = torch.compile(model, backend="eager")
    outside(batch)
    assert gradient_interference(outside, square, batch, method="hooks").D == plain.D
    model.compile(backend="eager")
    model(batch)
    assert gradient_interference(model, square, batch, method="hooks").D == plain.D


# -- what is refused -----------------------------------------------------------------------------------------------


def test_batch_norm_in_training_is_refused_by_name():
    model = nn.Sequential(nn.Linear(H, H), nn.BatchNorm1d(H))
    with pytest.raises(ValueError, match=r"^1 \(BatchNorm1d\) takes its statistics from the batch"):
        gradient_interference(model, wavy, rows(H))
    model = nn.Sequential(nn.Linear(H, H), nn.BatchNorm1d(H, track_running_stats=False)).eval()
    with pytest.raises(ValueError, match="takes its statistics from the batch"):
        gradient_interference(model, wavy, rows(H))


@pytest.mark.parametrize(
    ("example_losses", "message"),
    [
        (lambda m, b: m(b), r"\(B,\) or \(B, T\).*got \(6, 5, 8\)"),
        (lambda m, b: square(m, b).mean(), r"\(B,\) or \(B, T\).*got \(\)"),
        (lambda m, b: square(m, b)[:-1], r"\(6,\) or \(6, T\) are expected.*got \(5,\)"),
        (lambda m, b: square(m, b).detach(), r"carry a gradient.*losses of shape \(6,\) without one"),
        (
            lambda m, b: (square(m, b), torch.ones(B, 2)),
            r"a mask of the losses' shape \(6,\) is expected; got \(6, 2\)",
        ),
        (lambda m, b: (square(m, b), torch.zeros(B)), "at least one unmasked loss is expected"),
        (lambda m, b: 1.0, "got float"),
        (lambda m, b: torch.ones(B, dtype=torch.long), "a floating dtype are expected"),
    ],
)
def test_losses_of_a_wrong_shape_are_refused(example_losses, message):
    model, batch = nn.Linear(H, H), rows(T, H)
    with pytest.raises(ValueError, match=message):
        gradient_interference(model, example_losses, batch)
    with pytest.raises(ValueError, match=message):
        zero_sum_matrix(model, example_losses, batch, range(B), lr=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "token"}, "one backward pass per position and is out of scope"),
        ({"unit": "word"}, "unit = 'word' is not known"),
        ({"method": "fast"}, "method = 'fast' is not known"),
        ({"chunk": 0}, "chunk = 0"),
        ({"sample": 0}, "sample = 0"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        gradient_interference(nn.Linear(H, H), square, rows(H), **options)


def test_sharded_parameters_are_refused():
    model = nn.Linear(H, H)
    model.weight.device_mesh, model.weight.placements = "mesh", ()
    for look in (gradient_interference, partial(zero_sum_matrix, groups=range(B), lr=0.1)):
        with pytest.raises(ValueError, match="weight is sharded"):
            look(model, square, rows(H))


# -- the shapes of losses ------------------------------------------------------------------------------------------


def test_rows_of_a_batch_are_known_only_beyond_doubt():
    x, y = torch.zeros(4, 3), torch.zeros(4)
    assert batch_rows(x) == {4}
    assert batch_rows({"x": x, "more": {"y": y}, "temperature": torch.tensor(1.0)}) == {4}
    assert batch_rows((x, y)) == {4, 2}
    assert batch_rows([torch.zeros(7)] * 5) == {7, 5}
    assert batch_rows((x, torch.zeros(9))) == batch_rows("text") == batch_rows([object()]) == frozenset()


def test_entries():
    losses = torch.tensor([[1.0, 2.0, 3.0], [4.0, math.nan, 6.0], [7.0, 8.0, 9.0]])
    mask = torch.tensor([[1, 1, 0], [1, 0, 1], [0, 0, 0]])
    for unit, values, index in (
        ("sequence", [1.5, 5.0], [0, 1]),
        ("token", [1, 2, 4, 6], [0, 1, 3, 5]),
        ("example", [1, 2, 4, 6], [0, 1, 3, 5]),
    ):
        found, kept = entries((losses, mask), unit)
        assert found.tolist() == values
        assert kept.tolist() == index
    assert entries(losses[:1], "sequence")[0].tolist() == [2.0]
    assert entries(losses[0], "example")[1].tolist() == [0, 1, 2]
    assert entries(losses[0].bfloat16(), "sequence")[0].dtype == torch.float32
    with pytest.raises(ValueError, match=r"'token' needs losses of shape \(B, T\); got \(3,\)"):
        entries(losses[0], "token")
    assert losses_and_mask((losses, mask.bool()))[1].dtype == torch.bool


# -- the zero-sum matrix -------------------------------------------------------------------------------------------


def test_the_matrix_of_linear_regression_in_closed_form():
    x, y = rows(3), torch.randn(B)
    model = nn.Linear(3, 1, bias=False)
    groups = ["b", "a", "b", "c", "a", "b"]

    def half_square(model, batch):
        return (model(batch[0]).squeeze(1) - batch[1]).square() / 2

    w, lr = model.weight.detach()[0].clone(), 0.07
    members = {label: [i for i, g in enumerate(groups) if g == label] for label in "abc"}
    mean_loss = lambda w, m: float(((x[m] @ w - y[m]) ** 2 / 2).mean())  # noqa: E731
    slope = {label: ((x[m] @ w - y[m])[:, None] * x[m]).mean(0) for label, m in members.items()}
    first = zero_sum_matrix(model, half_square, (x, y), groups, lr=lr)
    real = zero_sum_matrix(model, half_square, (x, y), groups, lr=lr, method="actual")
    assert first.labels == real.labels == ("a", "b", "c")
    assert (first.lr, first.unit) == (lr, "sequence")
    for i, u in enumerate("abc"):
        for j, v in enumerate("abc"):
            assert first.Z[i, j] == pytest.approx(-lr * float(slope[u] @ slope[v]), abs=1e-12)
            step = mean_loss(w - lr * slope[u], members[v]) - mean_loss(w, members[v])
            assert real.Z[i, j] == pytest.approx(step, abs=1e-12)
    assert torch.equal(model.weight[0], w)


def test_first_order_and_real_steps_meet_as_the_step_shrinks():
    model, batch = Reads(tied=True), tokens()
    labels = [0, 0, 1, 1, 2, 2]
    gaps = []
    for lr in (1e-2, 1e-3, 1e-4):
        first = zero_sum_matrix(model, next_token, batch, labels, lr=lr)
        real = zero_sum_matrix(model, next_token, batch, labels, lr=lr, method="actual")
        np.testing.assert_array_equal(first.Z, first.Z.T)
        assert (np.diag(first.Z) < 0).all()
        gaps.append(np.abs(first.Z - real.Z).max() / lr)
    assert gaps[1] == pytest.approx(gaps[0] / 10, rel=0.3)  # the gap over lr falls with lr
    assert gaps[2] == pytest.approx(gaps[1] / 10, rel=0.3)
    plain = first.to_dict()
    assert plain["labels"] == ["0", "1", "2"]
    assert len(plain["Z"]) == 3


def test_groups_of_positions_and_masked_labels():
    model, batch = Reads(), tokens()
    mask = torch.ones(B, T)
    mask[:, 0] = 0
    labels = np.tile(["never", "odd", "even", "odd", "even"], (B, 1))
    found = zero_sum_matrix(model, lambda m, b: (per_position(m, b), mask), batch, labels, lr=0.1, unit="token")
    assert found.labels == ("even", "odd")
    losses = per_position(model, batch)
    slopes = [
        torch.autograd.grad(losses[:, p].mean(), list(model.parameters()), retain_graph=True) for p in ([2, 4], [1, 3])
    ]
    expected = [[-0.1 * sum(float((a * b).sum()) for a, b in zip(u, v, strict=True)) for v in slopes] for u in slopes]
    np.testing.assert_allclose(found.Z, expected, atol=1e-12)


def test_the_real_step_sees_the_same_dropout_before_and_after():
    """Of a step too small to see, nothing remains: another mask would show."""
    model, batch = nn.Sequential(nn.Linear(H, H), nn.Dropout(0.5), nn.Linear(H, 3)), rows(H)
    found = zero_sum_matrix(model, square, batch, list("aabbcc"), lr=1e-13, method="actual")
    assert np.abs(found.Z).max() < 1e-11


@pytest.mark.parametrize("lr", [0.0, -1.0, math.nan, math.inf])
def test_the_matrix_refuses_a_wrong_step(lr):
    with pytest.raises(ValueError, match="a positive, finite step size"):
        zero_sum_matrix(nn.Linear(H, 1), square, rows(H), range(B), lr=lr)


def test_the_matrix_refuses_wrong_labels_and_methods():
    with pytest.raises(ValueError, match="groups has 5 labels; 6, one for each sequence, are expected"):
        zero_sum_matrix(nn.Linear(H, 1), square, rows(H), range(5), lr=0.1)
    with pytest.raises(ValueError, match="method = 'second-order' is not known"):
        zero_sum_matrix(nn.Linear(H, 1), square, rows(H), range(B), lr=0.1, method="second-order")
