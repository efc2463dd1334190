"""TransCeption: numbers of the published code, counts, sizes, parts against loops, and options that cannot be."""

import copy
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from gnomon.models.transception import TransCeption, TransCeptionConfig, from_official, to_official
from gnomon.models.transception.network import Expand, FactorisedAttention, Fusion, RelativeEncoding, _cut, _spread

SMALL: dict[str, Any] = {"num_classes": 3, "base_channels": 8, "stage_depths": (2, 1, 2, 1)}


def small(**options: Any) -> TransCeption:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TransCeption(TransCeptionConfig(**{**SMALL, **options}))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def reference(part: str) -> Any:
    name = f"segment/reference/tiny_c8_d121_i96_k3.{part}"
    file = Path(os.environ.get("GNOMON_DATA_DIR", "absent")) / name
    if not file.is_file():
        pytest.skip(f"what the published TransCeption computes ({name}) is not in GNOMON_DATA_DIR")
    return json.loads(file.read_text()) if part.endswith("json") else load_file(file)


# What the published code computes.


def test_logits_and_maps_equal_those_of_the_published_network():
    model, given = from_official(reference("weights.safetensors")), reference("io.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(model(given["input"]), given["logits_eval_f32"], rtol=0, atol=1e-4)
        gray = given["input"][:, :1]
        torch.testing.assert_close(model(gray), given["logits_gray_eval_f32"], rtol=0, atol=1e-4)
        encoder, bridge = model.features(given["input"])
        for i in range(4):
            torch.testing.assert_close(encoder[i], given[f"enc{i + 1}_f32"], rtol=0, atol=1e-4)
            torch.testing.assert_close(bridge[i], given[f"bridge{i + 1}_f32"], rtol=0, atol=1e-4)
        double = model.double()(given["input"].double())
    torch.testing.assert_close(double, given["logits_eval_f64"], rtol=0, atol=1e-8)


def segmentation_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-entropy, mean Dice loss over classes with squared denominators, and 0.4 of one plus 0.6 of the other."""
    truth = F.one_hot(labels, logits.shape[1]).movedim(-1, 1).to(logits.dtype)
    p = logits.softmax(1)
    overlap, total = (p * truth).sum((0, 2, 3)), (p**2).sum((0, 2, 3)) + (truth**2).sum((0, 2, 3))
    dice = (1 - (2 * overlap + 1e-5) / (total + 1e-5)).mean()
    ce = F.cross_entropy(logits, labels)
    return ce, dice, 0.4 * ce + 0.6 * dice


def test_training_follows_the_published_network_step_by_step():
    given, told = reference("io.safetensors"), reference("meta.json")
    model = from_official(reference("weights.safetensors")).double().train()
    images, labels = given["input"].double(), given["label"].long()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    for number, step in enumerate(told["train_steps_f64"]):
        logits = model(images)
        ce, dice, loss = segmentation_loss(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
        seen = {"ce": ce.item(), "dice": dice.item(), "total": loss.item(), "grad_norm": gradient.norm().item()}
        assert seen == pytest.approx({name: step[name] for name in seen}, abs=1e-8)
        if number == 0:
            torch.testing.assert_close(logits, given["logits_train_f64"], rtol=0, atol=1e-8)
            compare_gradients(model, told["grad_norms_step0"])
        optimizer.step()
    buffers = to_official(model)
    for name, (mean, std) in told["bn_stats_after_3_steps"].items():
        assert buffers[name].mean().item() == pytest.approx(mean, abs=1e-8), name
        assert buffers[name].std(correction=0).item() == pytest.approx(std, abs=1e-8), name


def compare_gradients(model: TransCeption, norms: dict[str, float | None]) -> None:
    """Gradients, put in the place of the weights, are cut and named as those are."""
    holder = from_official(to_official(model))
    with torch.no_grad():
        for parameter, trained in zip(holder.parameters(), model.parameters(), strict=True):
            parameter.copy_(trained.grad)
    never = {
        name: torch.full_like(tensor, torch.nan, dtype=torch.float64) for name, tensor in to_official(model).items()
    }
    named = to_official(holder, unused=never)
    for name, norm in norms.items():
        got = named[name].norm().item()
        assert got == pytest.approx(math.nan if norm is None else norm, abs=1e-9, nan_ok=True), name


# Counts.


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 38_141_769),
        (SMALL, 473_945),
        ({**SMALL, "base_channels": 16}, 1_762_815),
        ({**SMALL, "base_channels": 16, "in_channels": 1}, 1_761_247),
    ],
)
def test_parameters_are_as_many_as_those_that_work_in_the_published_network(options, parameters):
    with torch.device("meta"):
        model = TransCeption(TransCeptionConfig(**options))
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_every_parameter_has_a_gradient():
    model = small()
    model(noise(2, 3, 64, 64)).square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_operations_of_the_published_size():
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        model = TransCeption(TransCeptionConfig()).eval()
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, 224, 224))
    assert counter.get_total_flops() == pytest.approx(16.88e9, abs=0.01e9)


# Sizes.


@settings(max_examples=12, deadline=None)
@given(height=st.integers(1, 130), width=st.integers(1, 130))
def test_any_size_is_padded_with_its_edge_and_cropped(height, width):
    model = small(stage_depths=(1, 1, 1, 1)).eval()
    images = noise(1, 3, height, width)
    rows = torch.arange(-(-height // 32) * 32).clamp(max=height - 1)
    columns = torch.arange(-(-width // 32) * 32).clamp(max=width - 1)
    with torch.no_grad():
        logits = model(images)
        padded = model(images[:, :, rows][..., columns])
        encoder, bridge = model.features(images)
    assert logits.shape == (1, 3, height, width)
    torch.testing.assert_close(logits, padded[..., :height, :width], rtol=0, atol=1e-5)
    for x, y, stride, channels in zip(encoder, bridge, (4, 8, 16, 32), (8, 16, 40, 64), strict=True):
        assert x.shape == y.shape == (1, channels, len(rows) // stride, len(columns) // stride)


def test_turning_an_image_and_all_filters_turns_the_encoders_maps():
    """Nothing in the encoder depends on the order of tokens but its filters and the gates by row and by column."""
    model = small().double().eval()
    turned = copy.deepcopy(model)
    with torch.no_grad():
        for weight in turned.parameters():
            if weight.ndim == 4:
                weight.copy_(weight.mT.clone())
        for stage in turned.stages[1:]:
            stage.fusion.row_gate, stage.fusion.column_gate = stage.fusion.column_gate, stage.fusion.row_gate
        images = noise(2, 3, 64, 160).double()
        encoder, _ = model.features(images)
        other, _ = turned.features(images.mT)
    for x, y in zip(encoder, other, strict=True):
        torch.testing.assert_close(x, y.mT, rtol=0, atol=1e-10)


def test_gray_is_repeated_to_three_channels_and_other_counts_have_their_own_convolution():
    images = noise(2, 1, 32, 64)
    model = small().eval()
    with torch.no_grad():
        torch.testing.assert_close(model(images), model(images.repeat(1, 3, 1, 1)))
        assert small(in_channels=1).eval()(images).shape == (2, 3, 32, 64)
        assert small(in_channels=5).eval()(noise(2, 5, 32, 32)).shape == (2, 3, 32, 32)


@pytest.mark.parametrize("shape", [(3, 64, 64), (64,), (1, 2, 64, 64), (1, 4, 64, 64), (0, 3, 64, 64), (1, 3, 0, 64)])
def test_images_of_another_shape_are_refused_with_it(shape):
    with pytest.raises(ValueError) as mistake:
        small()(torch.zeros(shape))
    assert str(shape) in str(mistake.value)
    assert "(B, 3, H, W)" in str(mistake.value)
    with pytest.raises(ValueError, match="expected"):
        small(in_channels=4)(torch.zeros(1, 1, 64, 64))


# Parts against loops.


def test_expansion_puts_every_channel_where_it_belongs():
    part = Expand(6, 2, 3)
    part.norm = nn.Identity()
    x = noise(2, 3, 4, 6)
    flat, out = part.linear(x), _spread(part(x))
    assert out.shape == (2, 6, 8, 3)
    for y in range(3):
        for column in range(4):
            for p1 in range(2):
                for p2 in range(2):
                    expected = flat[:, y, column, (2 * p1 + p2) * 3 : (2 * p1 + p2) * 3 + 3]
                    torch.testing.assert_close(out[:, 2 * y + p1, 2 * column + p2], expected)


def test_factorised_attention_head_by_head():
    attention, relative = FactorisedAttention(16), RelativeEncoding(16, (3, 5, 7))
    x = noise(1, 5, 6, 16)
    q, k, v = (attention.qkv(x)[..., i * 16 : i * 16 + 16] for i in range(3))
    encoded = torch.cat(
        [
            F.conv2d(v[..., a:b].permute(0, 3, 1, 2), conv.weight, conv.bias, padding=size // 2, groups=b - a)
            for (a, b), conv, size in zip([(0, 4), (4, 10), (10, 16)], relative.groups, (3, 5, 7), strict=True)
        ],
        dim=1,
    ).permute(0, 2, 3, 1)
    expected = torch.zeros(1, 5, 6, 16)
    for head in range(8):
        part = slice(2 * head, 2 * head + 2)
        Q, K, V, E = (t[0, :, :, part].reshape(30, 2) for t in (q, k, v, encoded))
        expected[0, :, :, part] = (2**-0.5 * Q @ (K.softmax(0).T @ V) + Q * E).reshape(5, 6, 2)
    torch.testing.assert_close(attention(x, relative), attention.projection(expected), rtol=1e-4, atol=1e-6)


def test_bridge_cuts_pixels_into_pieces_and_joins_them_again():
    grids = [(8, 16), (4, 8), (2, 4), (1, 2)]
    maps = [noise(2, h, w, m * 8, seed=m) for (h, w), m in zip(grids, (1, 2, 5, 8), strict=True)]
    tokens = torch.cat([x.reshape(2, -1, 8) for x in maps], dim=1)
    torch.testing.assert_close(tokens[:, 8 * 16 + 2 * (1 * 8 + 3) + 1], maps[1][:, 1, 3, 8:])
    for x, again in zip(maps, _cut(tokens, grids), strict=True):
        assert torch.equal(x, again)


# Kernel sets and branches, which the published network fixes.


def test_smaller_kernels_are_larger_ones_with_zeros_around():
    little = small(encoding_kernels=((3, 3, 3), (1, 5, 3), (3, 3, 7))).eval()
    large = small().eval()
    sizes = [[conv.weight.shape[2] for conv in stage.branches[0].relative.groups] for stage in little.stages[1:]]
    assert sizes == [[3, 3, 3], [1, 5, 3], [3, 3, 7]]
    weights = {}
    for name, wanted in large.state_dict().items():
        had = little.state_dict()[name]
        edges = [(new - old) // 2 for new, old in zip(wanted.shape[2:], had.shape[2:], strict=True)]
        weights[name] = F.pad(had, [edges[1]] * 2 + [edges[0]] * 2) if len(edges) == 2 else had
    large.load_state_dict(weights)
    images = noise(2, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(little(images), large(images), rtol=0, atol=1e-5)


def test_fewer_branches_are_more_of_which_the_last_is_not_heard():
    two, three = Fusion(24, 16).eval(), Fusion(32, 16).eval()
    with torch.no_grad():
        for wide in three.parameters():
            wide.zero_()
        for narrow, wide in zip(two.parameters(), three.parameters(), strict=True):
            wide[tuple(slice(size) for size in narrow.shape)] = narrow
    z = noise(2, 32, 4, 6)
    torch.testing.assert_close(two(z[:, :24]), three(z))

    model = small(branches=(1, 2, 4))
    assert [len(stage.branches) for stage in model.stages[1:]] == [1, 2, 4]
    model(noise(2, 3, 64, 64)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


# Initial weights and configuration.


def test_initial_weights_are_xavier_in_the_decoder_and_small_with_free_biases_elsewhere():
    model = small(base_channels=64)
    qkv = model.decoder.stages[0].blocks[0].attention.qkv
    bound = (6 / (320 + 320)) ** 0.5  # of each of three square maps, not of the joint one
    assert 0.99 * bound < qkv.weight.abs().max() <= bound
    assert not qkv.bias.any()
    assert not model.decoder.classify.bias.any()
    pointwise = model.stages[1].patch_units[0].pointwise.weight
    assert 0.99 * (6 / 128) ** 0.5 < pointwise.abs().max() <= (6 / 128) ** 0.5
    elsewhere = model.stages[1].branches[0].layers[0].attention.qkv
    assert 0.99 / 8 < elsewhere.weight.abs().max() <= 1 / 8
    assert elsewhere.bias.any()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_classes", 0),
        ("num_classes", 2.0),
        ("in_channels", -1),
        ("in_channels", True),
        ("base_channels", 12),
        ("base_channels", "16"),
        ("stage_depths", (2, 1, 2)),
        ("stage_depths", (2, 0, 2, 1)),
        ("stage_depths", 3),
        ("bridge", ("channel", "spatial", "spatial")),
        ("bridge", ("channel", "spatial", "spatial", "Spatial")),
        ("bridge", "channel"),
        ("branches", (3, 3)),
        ("branches", (3, 0, 3)),
        ("encoding_kernels", ((3, 5, 7), (3, 5, 7))),
        ("encoding_kernels", ((3, 5, 7), (3, 4, 7), (3, 5, 7))),
        ("encoding_kernels", ((3, 5, 7), (3, 5), (3, 5, 7))),
        ("encoding_kernels", (3, 5, 7)),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(field, value):
    with pytest.raises(ValueError) as mistake:
        TransCeptionConfig(**{field: value})
    assert str(mistake.value).startswith(field)
    assert str(mistake.value).count(". ") == 0


def test_lists_of_a_recipe_file_make_the_same_configuration():
    listed = TransCeptionConfig(
        stage_depths=[2, 3, 8, 3], bridge=["channel"] + ["spatial"] * 3, encoding_kernels=[[3, 5, 7]] * 3
    )
    assert listed == TransCeptionConfig()
    assert hash(listed) == hash(TransCeptionConfig())
