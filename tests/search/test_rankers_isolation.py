"""Rankers leave everything as they found it and reach neither each other nor what comes after, whatever they do."""

import copy
import math
import random
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gnomon.errors import UserError
from gnomon.search import rankers
from gnomon.search.rankers import catalogue

BUILT_IN = [name for name, ranker in catalogue._known.items() if ranker.function is None]


def called(network, inputs, labels):
    """A ranker as a person writes it: a forward pass in training mode and a backward pass into `.grad`."""
    inputs.requires_grad_(True)
    F.cross_entropy(network(inputs), labels).backward()
    return sum(parameter.grad.norm() for parameter in network.parameters() if parameter.grad is not None)


@pytest.fixture(autouse=True)
def own(monkeypatch):
    """A catalogue for one test, with `called` in it; gives `register`."""
    monkeypatch.setattr(catalogue, "_known", {name: catalogue._known[name] for name in BUILT_IN})
    rankers.register("called", direction=1)(called)
    return rankers.register


class Net(nn.Module):
    """Batch norm, dropout, spectral norm, and a buffer that nothing moves."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU()
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(4, 3)
        self.register_buffer("scale", torch.tensor([1.0, math.nan]))

    def forward(self, x):
        h = self.act(self.norm(self.conv(x)))
        return self.head(self.drop(h.mean((2, 3)))) * self.scale[0]


def made(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Net()


def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, 3, 6, 6, generator=generator), torch.arange(8) % 3


def lived_in(network):
    """The network with a past: frozen weights, gradients, modes, hooks and a patched forward pass of its own."""
    network.conv.weight.requires_grad_(False)
    network.head.weight.grad = torch.full_like(network.head.weight, math.nan)
    network.eval()
    network.head.train()
    network.act.register_forward_hook(keep)
    network.head.weight.register_hook(keep_gradient)
    network.drop.forward = patched
    return network


def keep(module, inputs, output):
    return None


def keep_gradient(gradient):
    return None


def patched(x):
    return x + 0


def state(network, *tensors):
    """Everything that must not change, bit by bit."""
    weights = [(name, p.data_ptr(), p.dtype, p.requires_grad) for name, p in network.named_parameters()]
    grads = [None if p.grad is None else (id(p.grad), p.grad.numpy().tobytes()) for p in network.parameters()]
    values = [t.detach().numpy().tobytes() for t in [*network.parameters(), *network.buffers(), *tensors]]
    modules = []
    for module in network.modules():
        kept = {k: list(v.items()) if isinstance(v, dict) else v for k, v in vars(module).items()}
        for key in ("_parameters", "_buffers", "_modules"):
            kept[key] = [(name, id(value)) for name, value in kept[key]]
        modules.append((type(module), vars(type(module)).get("forward"), kept))
    hooks = [dict(p._backward_hooks or {}) for p in network.parameters()]
    post = [dict(p._post_accumulate_grad_hooks or {}) for p in network.parameters()]
    extra = [(t.requires_grad, t.grad, t._version) for t in tensors]
    settings = torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()
    numbers = random.getstate(), np.random.get_state()[1].tobytes(), torch.random.get_rng_state().numpy().tobytes()  # noqa: NPY002
    watchers = (
        dict(torch.nn.modules.module._global_forward_pre_hooks),
        dict(torch.nn.modules.module._global_forward_hooks),
    )
    return weights, grads, values, modules, hooks, post, extra, settings, numbers, watchers


@settings(max_examples=12, deadline=None)
@given(st.sets(st.sampled_from([*BUILT_IN, "called"]), min_size=1), st.booleans())
def test_everything_is_left_as_it_was_found(own_names, past):
    network, (x, y) = made(), batch()
    network = lived_in(network) if past else network
    before = state(network, x, y)
    rankers.score(sorted(own_names), network, x, y)
    assert state(network, x, y) == before


def test_the_network_is_left_as_it_was_found_by_all_of_them():
    network, (x, y) = lived_in(made()), batch()
    before = state(network, x, y)
    found = rankers.score([*BUILT_IN, "called"], network, x, y)
    assert state(network, x, y) == before
    assert all(map(math.isfinite, found.values()))


def test_synflow_puts_a_batch_norm_back_that_was_patched_before():
    network, (x, y) = made(), batch()
    expected = rankers.score(["synflow"], network, x, y)
    network.norm.forward = patched
    before = state(network, x, y)
    assert rankers.score(["synflow"], network, x, y) == expected
    assert state(network, x, y) == before


class Stops(Net):
    """A network that breaks in the middle of its forward pass."""

    def forward(self, x):
        self.norm(self.conv(x))
        raise ValueError("no way\nthrough")


def test_a_network_that_breaks():
    network, (x, y) = Stops(), batch()
    before = state(network, x, y)
    with pytest.warns(UserWarning, match="gives no score") as said:
        found = rankers.score(["nwot", "synflow", "l2_norm", "called"], network, x, y)
    assert [str(one.message) for one in said] == [
        f"ranker {name!r} gives no score: failed: ValueError: no way through" for name in ("nwot", "synflow", "called")
    ]
    assert state(network, x, y) == before
    assert [name for name, value in found.items() if math.isfinite(value)] == ["l2_norm"]


def test_an_interruption_passes_and_leaves_no_trace(own):
    def interrupted(network, inputs, labels):
        network.eval()
        network.conv.weight.data.zero_()
        raise KeyboardInterrupt

    own("interrupted", direction=1)(interrupted)
    network, (x, y) = made(), batch()
    before = state(network, x, y)
    with pytest.raises(KeyboardInterrupt):
        rankers.score(["interrupted"], network, x, y)
    assert state(network, x, y) == before


# What rankers do that they should not, and the word that says so


def zeroes(network, inputs, labels):
    with torch.no_grad():
        network.conv.weight.zero_()


def sets_data(network, inputs, labels):
    network.conv.weight.data = torch.zeros(2)


def doubles(network, inputs, labels):
    network.double()


def replaces_weight(network, inputs, labels):
    network.conv.weight = nn.Parameter(torch.zeros(4, 3, 3, 3))


def deletes_weight(network, inputs, labels):
    del network.head.bias


def tilts_one_bit(network, inputs, labels):
    network.head.bias.data.view(torch.int32)[0] ^= 1


def moves_buffer(network, inputs, labels):
    network.scale.add_(1)


def moves_statistics(network, inputs, labels):
    for buffer in network.buffers():
        buffer.fill_(9)


def deletes_buffer(network, inputs, labels):
    del network.scale


def evaluates(network, inputs, labels):
    network.eval()


def freezes(network, inputs, labels):
    network.head.weight.requires_grad_(False)


def hooks(network, inputs, labels):
    network.act.register_forward_hook(lambda module, inputs, output: output * 0)


def hooks_backward(network, inputs, labels):
    network.act.register_full_backward_hook(lambda module, inputs, outputs: None)


def hooks_weight(network, inputs, labels):
    network.head.weight.register_hook(lambda gradient: gradient * 0)


def hooks_gradient(network, inputs, labels):
    network.head.weight.register_post_accumulate_grad_hook(lambda weight: None)


def patches(network, inputs, labels):
    network.act.forward = lambda x: x * 0


def patches_class(network, inputs, labels):
    nn.ReLU.forward = lambda self, x: x * 0


def patches_whole(network, inputs, labels):
    network.forward = lambda x: x


def replaces_layer(network, inputs, labels):
    network.act = nn.Tanh()


def adds_layer(network, inputs, labels):
    network.more = nn.Linear(2, 2)


def removes_layer(network, inputs, labels):
    del network.norm


def turns_into(network, inputs, labels):
    network.act.__class__ = nn.Tanh


def changes_inputs(network, inputs, labels):
    inputs.mul_(2)


def changes_labels(network, inputs, labels):
    labels[0] = 2


def stops_gradients(network, inputs, labels):
    torch.set_grad_enabled(False)


def changes_dtype(network, inputs, labels):
    torch.set_default_dtype(torch.float64)


def changes_threads(network, inputs, labels):
    torch.set_num_threads(2)


HOSTILE = [
    (zeroes, "weights"), (sets_data, "weights"), (doubles, "weights"), (replaces_weight, "weights"),
    (deletes_weight, "weights"), (tilts_one_bit, "weights"), (moves_buffer, "buffers"), (moves_statistics, "buffers"),
    (deletes_buffer, "buffers"), (evaluates, "modes"), (freezes, "requires_grad"), (hooks, "hooks"),
    (hooks_backward, "hooks"), (hooks_weight, "hooks"), (hooks_gradient, "hooks"), (patches, "forwards"),
    (patches_class, "forwards"), (patches_whole, "forwards"), (replaces_layer, "layers"), (adds_layer, "layers"),
    (removes_layer, "layers"), (turns_into, "layers"), (changes_inputs, "inputs"), (changes_labels, "labels"),
    (stops_gradients, "settings of torch"), (changes_dtype, "settings of torch"),
    (changes_threads, "settings of torch"),
]  # fmt: skip


def clean():
    """What well-behaved rankers give for the network and batch of these tests."""
    return rankers.score(["snip", "nwot", "called"], made(), *batch())


@pytest.mark.parametrize("past", [False, True])
@pytest.mark.parametrize(("damage", "word"), HOSTILE, ids=lambda value: getattr(value, "__name__", ""))
def test_damage_is_named_put_back_and_reaches_nobody(own, damage, word, past):
    expected = clean()

    def hostile(network, inputs, labels):
        damage(network, inputs, labels)
        return 1.0

    own("hostile", direction=1)(hostile)
    network, (x, y) = made(), batch()
    network = lived_in(network) if past else network
    before = state(network, x, y)
    with pytest.warns(UserWarning, match="hostile") as said:
        found = rankers.score(["hostile", "snip", "nwot", "called"], network, x, y)
    assert [str(one.message) for one in said] == [
        f"ranker 'hostile' gives no score: failed: Damage: changed {'weights and buffers' if damage is doubles else word}"
    ]
    assert state(network, x, y) == before
    assert math.isnan(found.pop("hostile"))
    if not past:
        assert found == expected
    backwards = [*reversed(found), "hostile"]
    with pytest.warns(UserWarning, match="hostile"):
        again = rankers.score(backwards, network, x, y)
    again.pop("hostile")
    assert again == found


def test_several_damages_are_all_named(own):
    def hostile(network, inputs, labels):
        network.eval()
        zeroes(network, inputs, labels)
        changes_inputs(network, inputs, labels)
        return 1.0

    own("hostile", direction=1)(hostile)
    found = rankers.measure(["hostile"], made, *batch())
    assert found["hostile"].status == "failed: Damage: changed modes, weights and inputs"


@pytest.mark.parametrize(
    ("gives", "status"),
    [
        (math.nan, "not finite"),
        (-math.inf, "not finite"),
        (torch.tensor(math.inf), "not finite"),
        (None, "failed: TypeError: gave NoneType instead of a number"),
        ("3.0", "failed: TypeError: gave str instead of a number"),
        (True, "failed: TypeError: gave bool instead of a number"),
        (1j, "failed: TypeError: gave complex instead of a number"),
        ([1.0], "failed: TypeError: gave list instead of a number"),
        (torch.zeros(2), "failed: TypeError: gave Tensor instead of a number"),
        (10**400, "failed: OverflowError: int too large to convert to float"),
    ],
)
def test_what_is_no_number(own, gives, status):
    own("odd", direction=1)(lambda network, inputs, labels: gives)
    network, (x, y) = made(), batch()
    measured = rankers.measure(["odd", "snip"], lambda: network, x, y)
    assert (measured["odd"].score, measured["odd"].status) == (None, status)
    with pytest.warns(UserWarning, match="'odd' gives no score: ") as said:
        found = rankers.score(["odd", "snip"], network, x, y)
    assert str(said[0].message).endswith(status)
    assert said[0].filename == __file__
    assert math.isnan(found["odd"])
    assert found["snip"] == measured["snip"].score


@pytest.mark.parametrize(
    "gives", [2, 2.0, np.float32(2), np.int64(2), np.array(2.0), torch.tensor(2), torch.tensor(2.0, requires_grad=True)]
)
def test_what_is_a_number(own, gives):
    own("plain number", direction=1)(lambda network, inputs, labels: gives)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rankers.score(["plain number"], made(), *batch())["plain number"]
    assert (type(found), found) == (float, 2.0)


def test_a_ranker_that_raises(own):
    def raises(network, inputs, labels):
        zeroes(network, inputs, labels)
        raise LookupError(f"lost {network.conv.weight.data_ptr():#x}\n  in {object()}")

    own("raises", direction=1)(raises)
    network, (x, y) = made(), batch()
    before = state(network, x, y)
    found = rankers.measure(["raises", "snip"], lambda: network, x, y)
    assert found["raises"].status == "failed: LookupError: lost 0x... in <object object at 0x...>"
    assert found["snip"].status == "ok"
    assert state(network, x, y) == before


def test_forward_and_backward_passes_and_random_numbers_are_no_damage(own):
    def busy(network, inputs, labels):
        value = called(network, inputs, labels) + random.random() + np.random.random() + torch.rand(())  # noqa: NPY002
        network.conv.bias.grad = None
        return value

    own("busy", direction=1)(busy)
    network, (x, y) = made(), batch()
    nn.utils.parametrizations.spectral_norm(network.head)  # moves buffers of its own in a forward pass
    before = state(network, x, y)
    first = rankers.measure(["busy"], lambda: network, x, y)
    assert first["busy"].status == "ok"
    assert state(network, x, y) == before


# measure


def test_random_numbers_follow_from_seed_and_name(own):
    def dice(network, inputs, labels):
        return random.random() + np.random.random() + torch.rand(())  # noqa: NPY002

    own("dice", direction=1)(dice)
    own("other dice", direction=1)(dice)
    x, y = batch()

    def roll(names, seed):
        found = rankers.measure(names, made, x, y, seed=seed)
        return {name: found[name].score for name in names}

    alone = roll(["dice"], 5)
    random.random(), torch.rand(2)
    assert roll(["snip", "called", "other dice", "dice"], 5)["dice"] == alone["dice"]
    assert len({roll([name], seed)[name] for name in ("dice", "other dice") for seed in (5, 6)}) == 4
    # Dropout draws in the shared pass, and in synflow's, from the seed alone too.
    every = roll(BUILT_IN, 5)
    assert {name: roll([name], 5)[name] for name in BUILT_IN} == every
    changed = {name for name in BUILT_IN if roll([name], 6)[name] != every[name]}
    assert changed == set(BUILT_IN) - {"hamming", "l2_norm", "macs", "nwot", "params"}


def test_each_sees_what_was_built_and_built_ins_share_one():
    built = []

    def build():
        built.append(made())
        return built[-1]

    x, y = batch()
    with_own = rankers.measure(["snip", "called", "nwot", "synflow"], build, x, y)
    assert len(built) == 2
    assert list(with_own) == ["snip", "called", "nwot", "synflow"]
    one = made()
    same = rankers.measure(["called", "synflow", "nwot", "snip"], lambda: one, x, y)
    assert {name: value.score for name, value in same.items()} == {n: v.score for n, v in with_own.items()}
    assert all(value.seconds > 0 for value in with_own.values())


def test_nothing_is_built_for_what_is_described():
    def build():
        raise AssertionError("built")

    found = rankers.measure(["macs", "params"], build, None, None, describe=lambda: {"params": 7, "macs": 9})
    assert [(name, one.score, one.status) for name, one in found.items()] == [
        ("macs", 9.0, "ok"),
        ("params", 7.0, "ok"),
    ]
    assert all(type(one.score) is float for one in found.values())
    lm = {"params": 7, "params_non_embedding": 4, "macs": 9}
    assert rankers.measure(["params"], build, None, None, describe=lambda: lm)["params"].score == 4
    lacking = rankers.measure(["macs"], build, None, None, describe=lambda: {"params": 7})["macs"]
    assert (lacking.score, lacking.status) == (None, "not applicable")


def test_what_cannot_be_built_or_described_is_a_status():
    def build():
        raise MemoryError("too\nlarge")

    found = rankers.measure(["nwot", "called", "params"], build, *batch(), describe=lambda: {"params": 7, "macs": 9})
    assert found["nwot"].status == found["called"].status == "failed: MemoryError: too large"
    assert found["params"].score == 7
    assert rankers.measure(["params"], build, None, None)["params"].status == "failed: MemoryError: too large"
    undescribed = rankers.measure(["params"], build, None, None, describe=lambda: {}["params"])
    assert undescribed["params"].status == "failed: KeyError: 'params'"


def test_sizes_without_a_batch_count_on_the_network():
    network = made()
    found = rankers.measure(["params", "macs"], lambda: network, None, None)
    assert found["params"].score == sum(p.numel() for p in network.parameters())
    assert found["macs"].status == "not applicable"


def test_no_rankers_is_no_work():
    assert rankers.measure([], None, None, None) == {}
    assert rankers.score([], made(), None, None) == {}


def test_a_mistake_is_no_status(own):
    with pytest.raises(UserError, match="no ranker 'snap'"):
        rankers.measure(["snap"], made, *batch())
    with pytest.raises(UserError, match="'called' needs labels"):
        rankers.measure(["called"], made, batch()[0], None)


def test_a_copy_scores_as_its_original():
    network, (x, y) = made(), batch()
    names = [*BUILT_IN, "called"]
    assert rankers.score(names, copy.deepcopy(network), x, y) == rankers.score(names, network, x, y)
