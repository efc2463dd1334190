"""The three networks: size, shapes, and weights that follow from the seed alone."""

import pytest
import torch

from gnomon.segment.networks import build, count_parameters
from gnomon.segment.recipe import ModelSettings

NAMES = ("transception", "unet", "segresnet")


def small(name: str) -> ModelSettings:
    return ModelSettings(name=name, base_channels=8, stage_depths=(1, 1, 1, 1))


@pytest.mark.parametrize("name", NAMES)
def test_logits_have_the_size_of_the_patch(name):
    network = build(small(name), in_channels=2, classes=4, seed=0)
    for height, width in ((32, 32), (64, 96)):
        assert network(torch.zeros(2, 2, height, width)).shape == (2, 4, height, width)


@pytest.mark.parametrize("name", NAMES)
def test_weights_follow_from_the_seed_and_disturb_no_other_draw(name):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one, same, other = (build(small(name), in_channels=1, classes=2, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_parameters_are_as_documented():
    counts = {
        name: count_parameters(build(ModelSettings(name=name), in_channels=3, classes=3, seed=0)) for name in NAMES
    }
    assert counts == {"transception": 1_762_815, "unet": 402_516, "segresnet": 1_576_707}
    grey = build(ModelSettings(), in_channels=1, classes=3, seed=0)
    assert count_parameters(grey) == 1_761_247
