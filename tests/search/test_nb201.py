"""NAS-Bench-201: texts, counts against the published table and against built networks, and what the network computes."""

import csv
import gzip
import itertools
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.search import spaces
from gnomon.search.spaces.nb201 import EDGES, NB201, OPERATIONS

CELLS = st.tuples(*[st.integers(0, 4)] * 6)


def benchmark_text(cell):
    """A cell in the benchmark's own form."""
    into = {node: [(i, cell[EDGES.index((i, node))]) for i in range(node)] for node in (1, 2, 3)}
    return "+".join("|" + "|".join(f"{OPERATIONS[o]}~{i}" for i, o in into[node]) + "|" for node in (1, 2, 3))


def test_every_cell_is_written_and_read_in_both_forms():
    space = spaces.get("nb201")
    cells = list(itertools.product(*space.genes.values()))
    texts = [space.encode(cell) for cell in cells]
    assert space.size == len(cells) == len(set(texts)) == 15_625
    assert [space.decode(text) for text in texts] == cells
    assert [space.decode(benchmark_text(cell)) for cell in cells] == cells


def test_the_two_forms_by_hand():
    space = NB201()
    own = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|"
    assert space.decode(own) == (2, 1, 4, 0, 3, 2)
    assert space.decode(" (4,0, 3,1,4,3) ") == space.decode("4, 0, 3, 1, 4, 3") == (4, 0, 3, 1, 4, 3)
    assert space.encode((4, 0, 3, 1, 4, 3)) == space.encode(np.array([4, 0, 3, 1, 4, 3])) == "(4, 0, 3, 1, 4, 3)"


@given(CELLS)
def test_neighbours_differ_in_one_operation(cell):
    around = list(NB201().neighbours(cell))
    assert len(around) == len(set(around)) == 24
    assert all(sum(a != b for a, b in zip(cell, other, strict=True)) == 1 for other in around)


def test_parameters_are_those_of_the_published_table():
    file = Path(os.environ.get("GNOMON_DATA_DIR", "absent"), "nas", "nb201_cifar10.csv.gz")
    if not file.is_file():
        pytest.skip("nas/nb201_cifar10.csv.gz is not in GNOMON_DATA_DIR")
    space = NB201()
    with gzip.open(file, "rt", encoding="utf-8", newline="") as rows:
        published = {row["net"]: float(row["params"]) for row in csv.DictReader(rows)}
    assert len(published) == 9_445
    assert all(space.describe(space.decode(net))["params"] == round(m * 1e6) for net, m in published.items())


@settings(max_examples=25, deadline=None)
@given(CELLS, st.sampled_from([1, 3, 8]), st.integers(1, 2), st.sampled_from([2, 10]), st.sampled_from([4, 12, 16]))
def test_describe_counts_what_is_built(cell, channels, cells, classes, input_size):
    space = NB201(channels=channels, cells=cells, classes=classes, input_size=input_size)
    network, macs = space.build(cell, seed=0), []

    def count(layer, inputs, output):  # every output entry is a dot product over one filter
        macs.append(output[0].numel() * layer.weight[0].numel())

    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)
    assert network.training
    assert network(torch.zeros(2, 3, input_size, input_size)).shape == (2, classes)
    assert space.describe(cell) == {"params": sum(p.numel() for p in network.parameters()), "macs": sum(macs)}


def test_describe_takes_less_than_a_millisecond():
    space, times = NB201(), []
    for cell in itertools.islice(itertools.product(range(5), repeat=6), 0, None, 400):
        begun = time.perf_counter()
        space.describe(cell)
        times.append(time.perf_counter() - begun)
    assert sorted(times)[len(times) // 2] < 1e-3


def by_hand(parameters, cell, cells, x):
    """The network of the benchmark's paper from its parameters in the order in which data passes them."""
    left = iter(parameters)

    def norm(h):
        return F.batch_norm(h, None, None, next(left), next(left), training=True)

    def relu_conv_norm(h, **options):
        weight = next(left)
        return norm(F.conv2d(h.relu(), weight, padding=weight.shape[-1] // 2, **options))

    def pool(h):
        ones = torch.ones_like(h)
        return F.avg_pool2d(h, 3, 1, 1) / F.avg_pool2d(ones, 3, 1, 1)

    x = norm(F.conv2d(x, next(left), padding=1))
    for stage in range(3):
        if stage:
            y = relu_conv_norm(relu_conv_norm(x, stride=2))
            x = F.conv2d(F.avg_pool2d(x, 2, 2), next(left)) + y
        for _ in range(cells):
            nodes = [x, 0, 0, 0]
            for (i, j), operation in zip(EDGES, cell, strict=True):
                a = nodes[i]
                nodes[j] = nodes[j] + [lambda a: a, torch.zeros_like, relu_conv_norm, relu_conv_norm, pool][operation](
                    a
                )
            x = nodes[3]
    x = norm(x).relu().mean((2, 3))
    logits = x @ next(left).T + next(left)
    assert next(left, None) is None
    return logits


@settings(max_examples=25, deadline=None)
@given(CELLS, st.integers(1, 2))
def test_the_network_is_that_of_the_paper(cell, cells):
    network = NB201(channels=4, cells=cells, input_size=8).build(cell, seed=5).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) / 5)
    x = torch.randn(3, 3, 8, 8, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(network(x), by_hand(network.parameters(), cell, cells, x))


def test_every_operation_is_a_layer_of_its_own():
    relus = sum(isinstance(m, torch.nn.ReLU) for m in NB201(cells=5).build((2, 2, 3, 3, 0, 1), seed=0).modules())
    assert relus == 3 * 5 * 4 + 2 * 2 + 1


def test_weights_follow_from_the_seed_alone():
    space, cell = NB201(channels=4, cells=1), (2, 3, 4, 0, 1, 2)
    before = torch.random.get_rng_state()
    first, again, other = (space.build(cell, seed=seed) for seed in (2**63 - 1, 2**63 - 1, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.head.weight, other.head.weight)
    weight = space.build(cell, seed=7).stem[0].weight
    assert weight.abs().max() <= 27**-0.5
    assert float(weight.detach().std()) == pytest.approx((27 * 3) ** -0.5, rel=0.15)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(4, 0, 3, 1, 4, 5)", "'5' is not one of the operations 0 to 4"),
        ("(4, 0, 3, 1, 4, -1)", "'-1' is not one"),
        ("(4, 0, 3, 1, 4, 1.0)", "'1.0' is not one"),
        ("(4, 0, 3, 1, 4)", "it has 5 operations, not 6"),
        ("(4, 0, 3, 1, 4, 3, 3)", "it has 7 operations, not 6"),
        ("", "'' is not one of the operations"),
        ("width=3", "'width=3' is not one"),
        ("|none~0|+|none~0|none~1|", "it has 2 nodes with edges into them, not 3"),
        ("|none~0|+|none~0|+|none~0|none~1|none~2|", "1 edges go into node 2, not 2"),
        ("|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|", "'conv' is not one of skip_connect, none, nor_conv_3x3"),
        ("|none~0|+|none~1|none~0|+|none~0|none~1|none~2|", "'none~1' stands where the edge from node 0"),
    ],
)
def test_text_that_is_no_cell(text, said):
    with pytest.raises(UserError, match=re.escape(said)) as mistake:
        NB201().decode(text)
    assert repr(text) in str(mistake.value)
    assert "expected" in str(mistake.value)


@pytest.mark.parametrize("arch", [(0, 1, 2), (0, 1, 2, 3, 4, 5), (0, 0, 0, 0, 0, "0"), (0,) * 7])
def test_what_is_no_cell_is_neither_built_nor_described(arch):
    with pytest.raises(UserError, match="operations"):
        NB201().build(arch, seed=0)
    with pytest.raises(UserError, match="operations"):
        NB201().describe(arch)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("channels", 0),
        ("cells", 0),
        ("cells", 1.5),
        ("classes", 1),
        ("input_size", 30),
        ("input_size", 0),
        ("cells", True),
    ],
)
def test_impossible_options_are_named(option, value):
    with pytest.raises(UserError, match=f"{option} = {value}"):
        spaces.get("nb201", **{option: value})
