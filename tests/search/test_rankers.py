"""Rankers: published values, each ranker against its definition by naive autograd, what applies where, and bad input."""

import copy
import json
import math
import os
import pickle
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gnomon.errors import UserError
from gnomon.search import rankers, spaces
from gnomon.search.rankers import catalogue
from gnomon.search.spaces.nb201 import NB201

BUILT_IN = [
    "epe_nas", "fisher", "grad_norm", "grasp", "hamming", "jacov", "l2_norm", "logsynflow", "macs", "ntk_alignment",
    "ntk_condition", "ntk_eigen", "ntk_frobenius", "ntk_mean", "nwot", "params", "plain", "snip", "synflow",
]  # fmt: skip
IMAGES_ONLY = {"epe_nas", "hamming", "jacov", "logsynflow", "nwot", "synflow"}


# What a network of each kind looks like, and its batch


class Images(nn.Module):
    """A convolution used twice, batch norm, ReLUs in place and out of it, a layer that nothing uses, and two heads."""

    def __init__(self, inplace=False):
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=inplace)
        self.twice = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.unused = nn.Linear(2, 2)
        self.hidden = nn.Linear(4, 5)
        self.head = nn.Linear(5, 3)
        self.inplace = inplace

    def forward(self, x):
        h = self.act(self.norm(self.first(x)))
        y = self.twice(self.twice(h.clone()))
        if self.inplace:
            y += h
        else:
            y = y + h
        return self.head(self.act(self.hidden(y.mean((2, 3)))))


class Tokens(nn.Module):
    """An embedding, a residual layer with ReLU, and a head that is the embedding."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.inside = nn.Linear(4, 6)
        self.act = nn.ReLU()
        self.outside = nn.Linear(6, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        h = self.embedding(tokens)
        return self.head(h + self.outside(self.act(self.inside(h.cumsum(1)))))


def masks():
    """Logits for every pixel, through a transposed convolution."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.ConvTranspose2d(4, 5, 2, stride=2), nn.ReLU(),
        nn.Conv2d(5, 3, 1),
    )  # fmt: skip


def made(kind, seed=0, dtype=torch.float64):
    """(network, inputs, labels) of a kind."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = {"images": Images, "in place": lambda: Images(inplace=True), "tokens": Tokens, "masks": masks}[kind]()
        if kind == "tokens":
            text = torch.randint(7, (6, 6))
            return network.to(dtype), text[:, :-1], text[:, 1:]
        inputs = torch.randn(6, 3, 8, 8, dtype=dtype)
        labels = torch.randint(3, (6, 8, 8)) if kind == "masks" else torch.tensor([0, 1, 1, 2, 0, 1])
        return network.to(dtype), inputs, labels


def published(number):
    """A network of ranker_values.json with its batch and scores, rebuilt as the data's README says."""
    file = Path(os.environ.get("GNOMON_DATA_DIR", "absent"), "nas", "ranker_values.json")
    if not file.is_file():
        pytest.skip("nas/ranker_values.json is not in GNOMON_DATA_DIR")
    entry = json.loads(file.read_text())[number]
    network = NB201(channels=8, cells=entry["cells_per_stage"]).build(tuple(entry["cell"]), seed=0)
    g = np.random.Generator(np.random.Philox(entry["weights_seed"]))
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight = g.standard_normal(module.weight.shape) * (2 / module.weight[0].numel()) ** 0.5
            module.weight.data = torch.from_numpy(weight).float()
        if isinstance(module, nn.Linear):
            module.bias.data = torch.from_numpy(g.standard_normal(module.bias.shape) * 0.1).float()
    g = np.random.Generator(np.random.Philox(entry["batch_seed"]))
    inputs = torch.from_numpy(g.standard_normal((32, 3, 16, 16)).astype(np.float32))
    return network, inputs, torch.from_numpy(g.integers(0, 10, 32)), entry["scores"]


# Each ranker by its definition


def layers_of(network):
    kinds = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
    return {name: module for name, module in network.named_modules() if isinstance(module, kinds)}


def cross_entropy(logits, labels):
    """Mean of -ln softmax over every label there is; classes are the last axis of tokens, the second else."""
    if logits.ndim == 3:
        logits = logits.transpose(1, 2)
    picked = logits.log_softmax(1).gather(1, labels.unsqueeze(1))
    return -picked.mean()


def derivative(value, of, **options):
    (found,) = torch.autograd.grad(value, [of], allow_unused=True, **options)
    return torch.zeros_like(of) if found is None else found


def definition(name, network, inputs, labels):
    """The score by one network and one derivative at a time."""
    found = _definition(name, copy.deepcopy(network).train(), inputs, labels)
    return float(found.detach() if isinstance(found, torch.Tensor) else found)


def _definition(name, network, inputs, labels):
    weights = {id(m.weight): m.weight for m in layers_of(network).values()}.values()

    def loss():
        return cross_entropy(network(inputs), labels)

    if name == "l2_norm":
        return sum(W.square().sum().sqrt() for W in weights)
    if name == "grad_norm":
        return sum(derivative(loss(), W).square().sum().sqrt() for W in weights)
    if name == "snip":
        return sum((W * derivative(loss(), W)).abs().sum() for W in weights)
    if name == "plain":
        return sum((W * derivative(loss(), W)).sum() for W in weights)
    if name == "grasp":
        # H g by central differences of the gradient along g.
        g, eps = [derivative(loss(), W).detach() for W in weights], 1e-5
        sides = []
        for sign in (1, -1):
            for W, direction in zip(weights, g, strict=True):
                W.data += sign * eps * direction
            sides.append([derivative(loss(), W).detach() for W in weights])
            for W, direction in zip(weights, g, strict=True):
                W.data -= sign * eps * direction
        return sum((-W * (up - down) / (2 * eps)).sum() for W, up, down in zip(weights, *sides, strict=True))
    if name == "fisher":
        total = 0.0
        seen = []
        for module in layers_of(network).values():
            module.register_forward_hook(lambda m, i, o: seen.append((m, o)) or o.clone())
        value = loss()
        for module, output in seen:
            q = derivative(value, output, retain_graph=True)
            channels = 1 if output.ndim == 4 else output.ndim - 1
            for c in range(output.shape[channels]):
                each = (output * q).select(channels, c).reshape(len(inputs), -1).sum(1)
                fan_in = module.weight.numel() / output.shape[channels]
                total += fan_in * 0.5 * each.square().mean()
        return total
    if name in ("nwot", "hamming"):
        codes = []
        for module in network.modules():
            if isinstance(module, nn.ReLU):
                module.register_forward_pre_hook(lambda m, x: codes.append((x[0] > 0).reshape(len(inputs), -1).clone()))
        network(inputs)
        codes = torch.cat(codes, 1)
        if name == "nwot":
            a, b = codes.double(), (~codes).double()
            return np.log(abs(np.linalg.det((a @ a.T + b @ b.T).numpy())))
        return np.mean([(codes[i] != codes[j]).sum() for i in range(6) for j in range(i)])
    if name in ("jacov", "epe_nas"):
        x = inputs.clone().requires_grad_()
        J = derivative(network(x).sum(), x).reshape(len(x), -1)
        if name == "jacov":
            e = np.linalg.eigvals(np.corrcoef(J))
            return -np.sum(np.log(e + 1e-5) + 1 / (e + 1e-5))
        return sum(abs(np.log(np.abs(np.corrcoef(J[labels == k])) + 1e-5).sum()) for k in (0, 1, 2))
    if name in ("synflow", "logsynflow"):
        for parameter in network.parameters():
            parameter.data = parameter.data.abs()
        network.norm = nn.Identity()
        S = network(torch.ones(1, *inputs.shape[1:], dtype=inputs.dtype)).sum()
        slopes = [derivative(S, W, retain_graph=True) for W in weights]
        if name == "synflow":
            return sum((W * s).abs().sum() for W, s in zip(weights, slopes, strict=True)).log()
        return sum((W * torch.log(s + 1)).sum() for W, s in zip(weights, slopes, strict=True))
    if name.startswith("ntk"):
        named = [p for key, p in network.named_parameters() if "weight" in key]
        G = torch.stack(
            [torch.cat([derivative(network(inputs)[i].sum(), p).flatten() for p in named]) for i in range(len(inputs))]
        )
        T = (G @ G.T).numpy()
        e = np.linalg.eigvalsh(T)
        if name == "ntk_alignment":
            Y = np.array([[1 if a == b else -1 for b in labels] for a in labels])
            return np.corrcoef(T.ravel(), Y.ravel())[0, 1]
        return {
            "ntk_condition": e[-1] / e[0],
            "ntk_frobenius": (T**2).sum() ** 0.5,
            "ntk_mean": T.sum() / T.size,
            "ntk_eigen": -np.sum(np.log(e + 1) + 1 / (e + 1)),
        }[name]
    raise KeyError(name)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_published_values(number):
    network, inputs, labels, expected = published(number)
    together = rankers.score(list(expected), network, inputs, labels)
    assert list(together) == list(expected)
    for name, value in expected.items():
        assert together[name] == pytest.approx(value, rel=3e-6, abs=0), name
        if number == 0:
            assert rankers.score([name], network, inputs, labels)[name] == together[name], name


@settings(max_examples=8, deadline=None)
@given(st.permutations(BUILT_IN), st.integers(2, len(BUILT_IN)))
def test_neither_order_nor_company_changes_a_score(names, many):
    network, inputs, labels = made("images", dtype=torch.float32)
    every = rankers.score(BUILT_IN, network, inputs, labels)
    some = rankers.score(names[:many], network, inputs, labels)
    assert some == {name: every[name] for name in names[:many]}


@pytest.mark.parametrize("kind", ["images", "in place"])
@pytest.mark.parametrize("name", [name for name in BUILT_IN if name not in ("params", "macs")])
def test_definitions_on_images(name, kind):
    network, inputs, labels = made(kind)
    found = rankers.score([name], network, inputs, labels)[name]
    plain_twin, *_ = made("images")
    assert found == pytest.approx(definition(name, plain_twin, inputs, labels), rel=1e-6)


@pytest.mark.parametrize("kind", ["tokens", "masks"])
@pytest.mark.parametrize(
    "name",
    [
        "fisher",
        "grad_norm",
        "grasp",
        "l2_norm",
        "ntk_condition",
        "ntk_eigen",
        "ntk_frobenius",
        "ntk_mean",
        "plain",
        "snip",
    ],
)
def test_definitions_on_tokens_and_masks(name, kind):
    network, inputs, labels = made(kind)
    found = rankers.score([name], network, inputs, labels)[name]
    assert found == pytest.approx(definition(name, network, inputs, labels), rel=1e-6)


@pytest.mark.parametrize("name", ["nwot", "hamming", "jacov"])
def test_definitions_on_masks_without_labels_of_examples(name):
    network, inputs, labels = made("masks")
    found = rankers.score([name], network, inputs, labels)[name]
    assert found == pytest.approx(definition(name, network, inputs, labels), rel=1e-9)


def statuses(network, inputs, labels):
    return {name: one.status for name, one in rankers.measure(BUILT_IN, lambda: network, inputs, labels).items()}


def test_what_applies_to_which_network():
    assert set(statuses(*made("images")).values()) == {"ok"}
    without = {name for name, status in statuses(*made("masks")).items() if status == "not applicable"}
    assert without == {"epe_nas", "ntk_alignment"}
    tokens = statuses(*made("tokens"))
    assert {name for name, status in tokens.items() if status == "not applicable"} == IMAGES_ONLY | {"ntk_alignment"}
    assert {tokens[name] for name in BUILT_IN if name not in IMAGES_ONLY | {"ntk_alignment"}} == {"ok"}


def test_a_network_without_relu_and_one_without_layers():
    _, inputs, labels = made("images")
    tanh = nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    assert {name for name, status in statuses(tanh, inputs, labels).items() if status != "ok"} == {"nwot", "hamming"}
    found = rankers.score(["nwot", "snip"], tanh, inputs, labels)
    assert math.isnan(found["nwot"])
    assert found["snip"] > 0

    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.arange(1.0, 4.0, dtype=torch.float64))

        def forward(self, x):
            return x.mean((2, 3)) * self.scale

    left = {name for name, status in statuses(Scale(), inputs, labels).items() if status == "ok"}
    assert left == {"jacov", "epe_nas", "params", "macs"}
    assert statuses(Scale(), inputs, labels)["ntk_mean"] == "not applicable"


def test_relus_on_rows_that_are_no_examples_are_not_counted():
    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.act, self.head = nn.ReLU(), nn.Linear(12, 3)

        def forward(self, x):
            return self.head(self.act(x.flatten(1)[:, :12].T).T)

    x = torch.randn(7, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    found = statuses(Turned(), x, torch.arange(7) % 3)
    assert (found["nwot"], found["snip"]) == ("not applicable", "ok")


@pytest.mark.parametrize("repeated", [False, True])
def test_an_example_that_stands_twice_makes_kernels_singular(repeated):
    network, inputs, labels = made("images", dtype=torch.float32)
    inputs[3] = inputs[0] if repeated else inputs[3]
    found = statuses(network, inputs, labels)
    singular = {name for name, status in found.items() if status == "not finite"}
    assert singular == ({"nwot", "ntk_condition"} if repeated else set())
    assert math.isnan(rankers.score(["nwot"], network, inputs, labels)["nwot"]) == repeated


def test_an_example_that_moves_nothing_has_no_correlation():
    _, inputs, labels = made("images")
    dead = nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    dead[1].bias.data -= 1e3
    found = statuses(dead, inputs, labels)
    assert found["jacov"] == found["epe_nas"] == "not finite"
    assert found["grad_norm"] == "ok"


def test_the_cell_without_any_path():
    space = NB201(channels=4, cells=1, input_size=8)
    x = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = rankers.measure(BUILT_IN, lambda: space.build((1,) * 6, seed=0), x, torch.arange(6) % 3)
    assert {name for name, one in found.items() if one.status == "not finite"} == {
        "synflow", "nwot", "jacov", "epe_nas", "ntk_alignment", "ntk_condition",
    }  # fmt: skip
    assert found["logsynflow"].score == found["hamming"].score == found["snip"].score == 0.0


class Bits(nn.Module):
    """A network whose codes are the signs of its inputs."""

    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(x)[:, :3]


def test_nwot_of_codes_that_depend_on_each_other():
    """Codes 00, 01, 10 and 11 are all different, and 00 + 11 = 01 + 10 makes K singular; rounding hides it from LU."""
    x = torch.randn(1, 3000, generator=torch.Generator().manual_seed(0)).repeat(4, 1)
    x[:, :1000] = torch.tensor([-1.0, -1, 1, 1])[:, None]
    x[:, 1000:2000] = torch.tensor([-1.0, 1, -1, 1])[:, None]
    found = rankers.measure(["nwot", "hamming"], Bits, x, None)
    assert (found["nwot"].score, found["nwot"].status) == (None, "not finite")
    assert found["hamming"].score == (4 * 1000 + 2 * 2000) / 6


def test_nwot_at_large_counts_and_close_examples():
    """Examples that differ in one bit of many have a kernel that float32 calls singular."""
    n, B = 200_000, 8
    x = torch.ones(B, n)
    x[torch.arange(B), torch.arange(B)] = -1
    found = rankers.score(["nwot", "hamming"], Bits(), x, torch.zeros(B, dtype=torch.long))
    # K = (n - 2) 11' + 2 I, whose eigenvalues are 2 (B - 1 times) and 2 + B (n - 2).
    assert found["nwot"] == pytest.approx((B - 1) * math.log(2) + math.log(2 + B * (n - 2)), rel=1e-9)
    assert found["hamming"] == 2.0


@pytest.mark.parametrize("tied", [True, False])
def test_sizes_are_those_that_spaces_describe(tied):
    nb201 = NB201(channels=4, cells=1, input_size=8)
    cell = (2, 3, 4, 0, 1, 2)
    counted = rankers.score(["params", "macs"], nb201.build(cell, seed=0), torch.zeros(2, 3, 8, 8), None)
    assert counted == nb201.describe(cell)
    space = spaces.get("decoder-lm", vocab_size=11, context=6, tied=tied)
    arch = space.decode("width=32;layers=2;heads=2;ffn=64;bias=0")
    text = torch.arange(12).reshape(2, 6) % 11
    described = space.describe(arch)
    found = rankers.measure(["params", "macs"], lambda: space.build(arch, seed=0), text, text, describe=None)
    assert found["params"].score == described["params_non_embedding"] < described["params"]
    assert found["macs"].score == described["macs"]
    by_arithmetic = rankers.measure(["params", "macs"], None, None, None, describe=lambda: described)
    assert {name: one.score for name, one in by_arithmetic.items()} == {name: one.score for name, one in found.items()}


def test_sizes_of_a_plain_token_model_and_of_masks():
    network, inputs, labels = made("tokens")
    assert rankers.score(["params", "macs"], network, inputs, labels) == {
        "params": 4 * 6 + 6 + 6 * 4 + 4,
        "macs": 5 * (4 * 6 + 6 * 4 + 4 * 7),
    }
    images = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Embedding(5, 6))  # an embedding, of positions perhaps, counts here
    described = rankers.measure(["params"], lambda: images, torch.zeros(2, 3, 4, 4), None)
    assert described["params"].score == 3 * 4 + 4 + 5 * 6
    network, inputs, labels = made("masks")
    assert rankers.score(["macs"], network, inputs, labels)["macs"] == 16 * 4 * 27 + 16 * 4 * 5 * 4 + 64 * 5 * 3


def test_a_decoder_of_transformers_is_scored():
    space = spaces.get("decoder-lm", vocab_size=11, context=6)
    network = space.build(space.decode("width=32;layers=2;heads=2;ffn=64;bias=0"), seed=0).double()
    text = torch.randint(11, (4, 7), generator=torch.Generator().manual_seed(0))
    inputs, labels = text[:, :-1], text[:, 1:]
    weights = [p for name, p in network.named_parameters() if p.ndim == 2]  # linear layers, and the tied head
    assert len(weights) == 2 * 7 + 1
    logits = network(inputs).logits
    g = torch.autograd.grad(F.cross_entropy(logits.reshape(-1, 11), labels.reshape(-1)), weights)
    found = rankers.score(["grad_norm", "snip", "grasp", "fisher", "ntk_frobenius"], network, inputs, labels)
    assert found["grad_norm"] == pytest.approx(float(sum(one.norm() for one in g)), rel=1e-9)
    assert found["snip"] == pytest.approx(
        float(sum((W * one).abs().sum().detach() for W, one in zip(weights, g, strict=True)))
    )
    assert all(math.isfinite(value) for value in found.values())


def test_transposed_linear_layers_of_transformers_count():
    from transformers.pytorch_utils import Conv1D

    _, inputs, labels = made("images", dtype=torch.float32)
    one, other = Conv1D(5, 192), nn.Linear(192, 5)
    other.weight.data = one.weight.data.T.clone()
    other.bias.data = one.bias.data.clone()
    names = ["grad_norm", "snip", "fisher", "l2_norm", "macs", "synflow"]
    twins = [rankers.score(names, nn.Sequential(nn.Flatten(), layer), inputs, labels) for layer in (one, other)]
    assert twins[0] == pytest.approx(twins[1], rel=1e-6)
    assert twins[0]["macs"] == 192 * 5


def test_weights_that_are_made_anew_in_every_pass_are_refused_by_name():
    network, inputs, labels = made("images")
    nn.utils.parametrizations.weight_norm(network.hidden)
    found = statuses(network, inputs, labels)
    assert found["snip"] == "failed: TypeError: a ParametrizedLinear makes its weight anew in every pass"
    assert found["nwot"] == found["jacov"] == "ok"


# The catalogue


@pytest.fixture
def own(monkeypatch):
    """A catalogue of one's own, as it is without what other tests registered."""
    kept = {name: ranker for name, ranker in catalogue._known.items() if ranker.function is None}
    monkeypatch.setattr(catalogue, "_known", kept)


def test_the_catalogue(own):
    assert rankers.names() == BUILT_IN
    for name in BUILT_IN:
        ranker = rankers.get(name)
        assert ranker.name == name
        assert ranker.direction == (-1 if name == "ntk_condition" else 1)
        assert len(ranker.source) > 20
        expected = {"params": (), "macs": (), "l2_norm": ("init",), "synflow": ("init",), "logsynflow": ("init",)}
        assert ranker.varies_with == expected.get(name, ("init", "batch"))
        assert pickle.loads(pickle.dumps(ranker)) == ranker
    needs = {ranker.name: ranker.needs for ranker in map(rankers.get, BUILT_IN)}
    assert {name for name in BUILT_IN if "labels" in needs[name]} == {
        "epe_nas", "fisher", "grad_norm", "grasp", "ntk_alignment", "plain", "snip",
    }  # fmt: skip
    assert {name for name in BUILT_IN if "data" not in needs[name]} == {"params", "macs", "l2_norm"}
    assert {name for name in BUILT_IN if "network" not in needs[name]} == {"params", "macs"}


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_a_ranker_says_it_needs_is_enough(name):
    network, inputs, labels = made("images")
    needs = rankers.get(name).needs
    found = rankers.measure(
        [name],
        lambda: network,
        inputs if "data" in needs else None,
        labels if "labels" in needs else None,
        describe=None if "network" in needs else lambda: {"params": 1.0, "macs": 2.0},
    )
    assert found[name].status == "ok"


@pytest.mark.parametrize("name", ["synflow", "logsynflow", "l2_norm"])
def test_rankers_that_vary_with_the_weights_alone(name):
    network, inputs, labels = made("images")
    found = {rankers.score([name], network, x, labels)[name] for x in (inputs, inputs.flip(0) + 1)}
    assert len(found) == 1


def test_a_ranker_of_ones_own(own):
    @rankers.register("spread", direction=-1, varies_with=["batch"])
    def spread(network, inputs, labels):
        return network(inputs).std()

    assert "spread" in rankers.names()
    ranker = rankers.get("spread")
    assert (ranker.direction, ranker.varies_with, ranker.function) == (-1, ("batch",), spread)
    assert ranker.source == f"{__name__}:test_a_ranker_of_ones_own.<locals>.spread"
    network, inputs, labels = made("images")
    expected = copy.deepcopy(network)(inputs).std().item()
    assert rankers.score(["nwot", "spread"], network, inputs, labels)["spread"] == expected
    assert rankers.score([ranker], network, inputs, labels) == {"spread": expected}


def test_rankers_of_installed_packages(own, monkeypatch):
    entry = EntryPoint("packaged", "packaged_rankers:packaged", catalogue.GROUP)
    empty = EntryPoint("empty", "packaged_rankers:empty", catalogue.GROUP)
    monkeypatch.setattr(catalogue, "entry_points", lambda group: [entry, empty])
    loaded = []

    def load(self):
        loaded.append(self.name)
        if self.name == "packaged":
            rankers.register("packaged", direction=1)(lambda network, inputs, labels: 4)

    monkeypatch.setattr(EntryPoint, "load", load)
    assert {"packaged", "empty"} <= set(rankers.names())
    assert loaded == []
    assert rankers.score(["packaged"], *made("images")) == {"packaged": 4.0}
    assert rankers.get("packaged").direction == 1
    assert loaded == ["packaged"]
    with pytest.raises(UserError, match="packaged_rankers:empty.*'empty'"):
        rankers.get("empty")


def test_bad_names_and_registrations(own):
    with pytest.raises(UserError, match="no ranker 'nwott'; the nearest are nwot"):
        rankers.get("nwott")
    with pytest.raises(UserError, match="no ranker 'zzzzzz'; there are epe_nas, fisher"):
        rankers.score(["zzzzzz"], *made("images"))
    with pytest.raises(UserError, match="'nwot' is registered already"):
        rankers.register("nwot", direction=1)
    puts = [rankers.register("mine", direction=1) for _ in range(2)]
    puts[0](len)
    for again in (lambda: puts[1](len), lambda: rankers.register("mine", direction=1)):
        with pytest.raises(UserError, match="'mine' is registered already"):
            again()
    for direction in (0, 2, -1.5, True, "up", None):
        with pytest.raises(UserError, match=r"'other': direction = .* must be \+1"):
            rankers.register("other", direction=direction)
    for varies_with in ("init", ["weights"], ("init", "data")):
        with pytest.raises(UserError, match="'other': varies_with = "):
            rankers.register("other", direction=1, varies_with=varies_with)
    assert "other" not in rankers.names()


def test_bad_batches():
    network, inputs, labels = made("images")
    with pytest.raises(UserError, match="'snip' needs labels, and there are none"):
        rankers.score(["nwot", "snip"], network, inputs, None)
    with pytest.raises(UserError, match="'nwot' needs inputs, and there are none"):
        rankers.score(["l2_norm", "nwot"], network, None, None)
    with pytest.raises(UserError, match=r"inputs of shape \(1, 3, 8, 8\) are no batch: at least 2"):
        rankers.score(["nwot"], network, inputs[:1], labels[:1])
    with pytest.raises(UserError, match="6 inputs and 5 labels"):
        rankers.score(["snip"], network, inputs, labels[:5])


def test_arrays_and_narrow_labels_are_a_batch():
    network, inputs, labels = made("images")
    expected = rankers.score(BUILT_IN, network, inputs, labels)
    assert rankers.score(BUILT_IN, network, inputs.numpy(), labels.numpy().astype(np.int32)) == expected


def test_modes_are_no_part_of_a_score():
    network, inputs, labels = made("images")
    expected = rankers.score(BUILT_IN, network, inputs, labels)
    assert rankers.score(BUILT_IN, network.eval(), inputs, labels) == expected


@pytest.mark.parametrize("names", [["nwot"], ["nwot", "snip", "jacov"]])
def test_a_network_that_writes_into_its_inputs(names):
    _, inputs, labels = made("images")
    kept = inputs.clone()

    def network(inplace):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.ReLU(inplace), nn.Conv2d(3, 4, 1), nn.ReLU(inplace), nn.Flatten(), nn.Linear(256, 3)
        ).double()

    found = rankers.score(names, network(True), inputs, labels)
    assert torch.equal(inputs, kept)
    assert found == rankers.score(names, network(False), inputs, labels)
    assert all(map(math.isfinite, found.values()))


def test_passes_are_shared(monkeypatch):
    network, inputs, labels = made("images")
    counted = {"forward": 0, "backward": 0}
    network.register_forward_pre_hook(lambda module, x: counted.update(forward=counted["forward"] + 1))
    backward = torch.autograd.grad

    def counting(*arguments, **options):
        counted["backward"] += 1
        return backward(*arguments, **options)

    monkeypatch.setattr(torch.autograd, "grad", counting)

    def passes(*names):
        counted.update(forward=0, backward=0)
        rankers.score(names, network, inputs, labels)
        return counted["forward"], counted["backward"]

    assert passes("nwot", "hamming", "macs") == (1, 0)
    assert passes("grad_norm", "snip", "plain", "fisher", "nwot") == (1, 1)
    assert passes("nwot", "grad_norm", "snip", "plain", "fisher", "jacov", "epe_nas") == (1, 2)
    assert passes("grasp", "snip") == (1, 3)
    assert passes("ntk_condition", "ntk_frobenius", "ntk_mean", "ntk_eigen", "ntk_alignment") == (1, len(inputs))
    assert passes("synflow", "logsynflow") == (1, 1)
    assert passes("params", "l2_norm") == (0, 0)
    assert passes(*BUILT_IN) == (2, 1 + 1 + 2 + len(inputs) + 1)


@pytest.mark.parametrize("surrounding", [torch.no_grad, torch.inference_mode])
def test_gradients_are_taken_where_the_caller_takes_none(surrounding):
    network, inputs, labels = made("images")
    expected = rankers.score(BUILT_IN, network, inputs, labels)
    with surrounding():
        assert rankers.score(BUILT_IN, network, inputs, labels) == expected


def test_the_documented_import_is_light():
    import subprocess
    import sys

    asked = "import sys; from gnomon.search import rankers; rankers.get('nwot'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "False\n"
