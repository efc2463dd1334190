"""The losses: the formula, MONAI's own call, the published network's numbers, and shapes that do not fit."""

import json
import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from gnomon.segment.losses import LOSSES, dice_ce_loss, transception_loss

AGREE = 2e-8  # MONAI takes the norm of the truth in float32 and squares it again


def example(*size: int, K: int = 4, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(3, K, *size, generator=generator, dtype=dtype)
    labels = torch.randint(0, K - 1, (3, *size), generator=generator)  # the last class is nowhere
    return logits, labels


def formula(logits: Tensor, labels: Tensor) -> Tensor:
    """0.4 CE + 0.6 Dice with squared denominators, sums over batch and pixels, class by class."""
    p, K = logits.softmax(1), logits.shape[1]
    loss = 0.4 * -p.log().gather(1, labels[:, None]).mean()
    for k in range(K):
        t = (labels == k).to(logits.dtype)
        overlap = 2 * (p[:, k] * t).sum() + 1e-5
        loss = loss + 0.6 / K * (1 - overlap / ((p[:, k] ** 2).sum() + (t**2).sum() + 1e-5))
    return loss


@pytest.mark.parametrize("size", [(7, 5), (4, 3, 5)])
def test_the_published_loss_is_the_formula_in_value_and_gradient(size: tuple[int, ...]):
    logits, labels = example(*size)
    found, expected = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss = transception_loss(found, labels)
    assert loss.shape == ()
    torch.testing.assert_close(loss, formula(expected, labels), rtol=0, atol=AGREE)
    loss.backward()
    formula(expected, labels).backward()
    torch.testing.assert_close(found.grad, expected.grad, rtol=0, atol=AGREE)


def test_the_published_loss_is_monais_with_the_arguments_of_the_paper():
    from monai.losses import DiceCELoss

    monai = DiceCELoss(
        include_background=True, to_onehot_y=True, softmax=True, squared_pred=True, batch=True,
        smooth_nr=1e-5, smooth_dr=1e-5, lambda_dice=0.6, lambda_ce=0.4,
    )  # fmt: skip
    logits, labels = example(8, 8, dtype=torch.float32)
    assert transception_loss(logits, labels).item() == pytest.approx(monai(logits, labels[:, None]).item(), abs=1e-7)


def test_the_published_loss_gives_the_published_networks_number():
    folder = Path(os.environ.get("GNOMON_DATA_DIR", "absent")) / "segment/reference"
    if not folder.is_dir():
        pytest.skip("what the published TransCeption computes (segment/reference) is not in GNOMON_DATA_DIR")
    given = load_file(folder / "tiny_c8_d121_i96_k3.io.safetensors")
    told = json.loads((folder / "tiny_c8_d121_i96_k3.meta.json").read_text())["train_steps_f64"][0]
    loss = transception_loss(given["logits_train_f64"], given["label"].long())
    assert loss.item() == pytest.approx(told["total"], abs=AGREE)


def test_equal_weights_over_images_one_by_one():
    logits, labels = example(6, 6)
    p = logits.softmax(1)
    t = F.one_hot(labels, 4).movedim(-1, 1).double()
    dice = 1 - (2 * (p * t).sum((2, 3)) + 1e-5) / (p.sum((2, 3)) + t.sum((2, 3)) + 1e-5)
    expected = F.cross_entropy(logits, labels) + dice.mean()
    torch.testing.assert_close(dice_ce_loss(logits, labels), expected, rtol=0, atol=AGREE)


@pytest.mark.parametrize("name", LOSSES)
def test_a_certain_and_right_answer_costs_nothing_and_a_wrong_one_much(name: str):
    labels = torch.tensor([[[0, 1], [2, 1]]])
    certain = 100 * F.one_hot(labels, 3).movedim(-1, 1).float()
    assert LOSSES[name](certain, labels).item() == pytest.approx(0, abs=1e-5)
    assert LOSSES[name](certain.roll(1, 1), labels).item() > 10


@pytest.mark.parametrize("name", LOSSES)
def test_bfloat16_logits_are_counted_in_float32(name: str):
    logits, labels = example(64, 64, dtype=torch.float32)
    short = logits.bfloat16()
    loss = LOSSES[name](short, labels)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(LOSSES[name](short.float(), labels).item(), abs=1e-7)


@pytest.mark.parametrize(
    ("logits", "labels"),
    [((2, 3, 8, 8), (2, 1, 8, 8)), ((2, 3, 8, 8), (2, 8, 4)), ((2, 1, 8, 8), (2, 8, 8)), ((2, 3), (2,))],
)
def test_shapes_that_do_not_fit_are_named(logits: tuple[int, ...], labels: tuple[int, ...]):
    with pytest.raises(ValueError, match=f"got.*{logits[0]}.*{labels[-1]}"):
        transception_loss(torch.zeros(logits), torch.zeros(labels, dtype=torch.long))
