"""The space of TransCeptions: what it describes is what it builds, and what its options may be."""

import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gnomon.search import rankers, spaces
from gnomon.search.spaces.transception import TransCeption

PUBLISHED = (64, 2, 3, 8, 3, 3, 3, 3, "3-5-7", "3-5-7", "3-5-7", "csss")


def macs_of(network: nn.Module, images: torch.Tensor) -> int:
    """Multiply-adds of all convolutions and linear layers in one forward pass."""
    found = []

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        weight = layer.weight
        outputs_of_a_filter = output.numel() // weight.shape[0]
        found.append(outputs_of_a_filter * weight.numel())

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network.eval()(images)
    return sum(found)


@pytest.mark.parametrize(("seed", "size"), list(enumerate([32, 33, 50, 64, 64, 96, 96, 128])))
def test_what_is_described_is_what_is_built(seed, size):
    space = spaces.get("transception", input_size=size, classes=5, bridges=("csss", "sccs", "ssss", "cccc"))
    arch = space.sample(np.random.default_rng(seed))
    with torch.device("meta"):
        network = space.build(arch, seed=0)
        macs = macs_of(network, torch.empty(1, 3, size, size))
    assert space.describe(arch) == {"params": sum(p.numel() for p in network.parameters()), "macs": macs}


def test_the_published_network_is_one_of_a_wider_space():
    space = TransCeption(classes=9, input_size=224, widths=(64,), depths=(2, 3, 8), branches=(3,), kernels=("3-5-7",))
    assert space.describe(PUBLISHED)["params"] == 38_141_769
    with torch.device("meta"):
        network = space.build(PUBLISHED, seed=0)
    from gnomon.models.transception import TransCeptionConfig

    assert network.config == TransCeptionConfig()


def test_describing_takes_less_than_a_millisecond():
    space = spaces.get("transception")
    arch = space.sample(np.random.default_rng(0))
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        space.describe(arch)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 1e-3


def test_seed_alone_decides_the_weights_and_nothing_global_moves():
    space = spaces.get("transception")
    arch = space.sample(np.random.default_rng(1))
    before = torch.random.get_rng_state()
    one = space.build(arch, seed=4)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(99)
    same, other = space.build(arch, seed=4).state_dict(), space.build(arch, seed=5).state_dict()
    assert one.training
    assert all(torch.equal(tensor, same[name]) for name, tensor in one.state_dict().items())
    assert any(not torch.equal(tensor, other[name]) for name, tensor in one.state_dict().items())


def test_text_neighbours_and_size():
    space = spaces.get("transception")
    assert space.task == "masks"
    assert (space.classes, space.input_size) == (11, 64)
    assert space.size == 3**12
    arch = (16, 1, 2, 3, 1, 3, 2, 1, "3-3-3", "3-5-7", "5-7-9", "csss")
    text = (
        "width=16;depth1=1;depth2=2;depth3=3;depth4=1;branches2=3;branches3=2;branches4=1;"
        "kernels2=3-3-3;kernels3=3-5-7;kernels4=5-7-9;bridge=csss"
    )
    assert space.encode(arch) == text
    assert space.decode(text) == arch
    assert len(set(space.neighbours(arch))) == 12 * 2
    rng = np.random.default_rng(0)
    for _ in range(50):
        child = space.mutate(arch, rng)
        assert sum(a != b for a, b in zip(arch, child, strict=True)) == 1
        assert space.decode(space.encode(child)) == child
    with pytest.raises(ValueError, match=r"kernels3 = '3-5-8' is not one of 3-3-3, 3-5-7, 5-7-9"):
        space.decode(text.replace("kernels3=3-5-7", "kernels3=3-5-8"))


def test_each_gene_reaches_the_network():
    space = spaces.get("transception")
    arch = (8, 1, 2, 3, 1, 3, 2, 1, "3-3-3", "3-5-7", "5-7-9", "sssc")
    config = space.build(arch, seed=0).config
    assert (config.num_classes, config.in_channels, config.base_channels) == (11, 3, 8)
    assert config.stage_depths == (1, 2, 3, 1)
    assert config.branches == (3, 2, 1)
    assert config.encoding_kernels == ((3, 3, 3), (3, 5, 7), (5, 7, 9))
    assert config.bridge == ("spatial", "spatial", "spatial", "channel")


def test_a_gradient_step_on_masks_lowers_the_loss():
    space = spaces.get("transception", input_size=32)
    network = space.build((8, 1, 1, 1, 1, 1, 1, 1, "3-3-3", "3-3-3", "3-3-3", "csss"), seed=0)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    labels = (images[:, 0] > 0).long()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(8):
        loss = F.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_rankers_score_it_on_labels_for_every_pixel():
    space = spaces.get("transception", input_size=32)
    arch = (8, 1, 1, 1, 1, 1, 1, 1, "3-3-3", "3-3-3", "3-3-3", "csss")
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    labels = (images[:, 0] > 0).long()
    names = ["fisher", "grad_norm", "grasp", "l2_norm", "macs", "ntk_condition", "nwot", "params", "snip", "synflow"]
    scores = rankers.score(names, space.build(arch, seed=0), images, labels)
    assert [name for name, score in scores.items() if np.isnan(score)] == ["nwot"]  # it has no ReLU
    assert {name: scores[name] for name in ("params", "macs")} == space.describe(arch)

    network = space.build(arch, seed=0)
    F.cross_entropy(network(images), labels).backward()
    weights = [layer.weight for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert scores["grad_norm"] == pytest.approx(sum(w.grad.norm().item() for w in weights), rel=1e-4)
    assert scores["snip"] == pytest.approx(sum((w * w.grad).abs().sum().item() for w in weights), rel=1e-4)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("classes", 0),
        ("input_size", 64.0),
        ("widths", []),
        ("widths", [8, 12]),
        ("widths", [8, 8]),
        ("widths", 8),
        ("depths", [0]),
        ("depths", ["1"]),
        ("branches", [True]),
        ("kernels", ["3-5"]),
        ("kernels", ["3-5-6"]),
        ("kernels", [[3, 5, 7]]),
        ("kernels", "3-5-7"),
        ("kernels", ["3-05-7"]),
        ("bridges", ["css"]),
        ("bridges", ["csst"]),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(option, value):
    with pytest.raises(ValueError) as mistake:
        spaces.get("transception", **{option: value})
    assert str(mistake.value).startswith(f"{option} = {value!r} must be")
