"""What training minimises: the loss TransCeption was published with, and MONAI's cross-entropy with Dice as it comes.

Both are MONAI's `DiceCELoss`, imported when one is first used.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from torch import Tensor

SMOOTHING = 1e-5


def transception_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """0.4 cross-entropy + 0.6 Dice loss (Azad et al. 2023, arXiv:2301.10847): a scalar.

        Dice loss = mean over all K classes, background too, of
                    1 - (2 sum p t + 1e-5) / (sum p^2 + sum t^2 + 1e-5)

    with p = softmax(logits), t the true class as 0 or 1, and the sums over the whole batch and all pixels. `logits`
    (B, K, H, W) or (B, K, X, Y, Z), K at least 2; `labels` of the same size without K, whole numbers from 0 to K - 1.
    Computed in float32 or better. Raises ValueError, with the shapes, where they do not fit.
    """
    return _apply("transception", logits, labels)


def dice_ce_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy + Dice loss with equal weights, MONAI's defaults: a scalar.

        Dice loss = mean over classes and images of 1 - (2 sum p t + 1e-5) / (sum p + sum t + 1e-5)

    The sums are over the pixels of one image. Arguments and errors as for `transception_loss`.
    """
    return _apply("dice_ce", logits, labels)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "transception": transception_loss,
    "dice_ce": dice_ce_loss,
}
"""By the name that a recipe's `train.loss` has."""


def _apply(name: str, logits: Tensor, labels: Tensor) -> Tensor:
    if logits.ndim < 3 or logits.shape[1] < 2 or labels.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(
            f"{name} loss: logits (B, K, H, W) with K of at least 2 and labels (B, H, W) are expected; got"
            f" {tuple(logits.shape)} and {tuple(labels.shape)}."
        )
    precise = logits if logits.element_size() >= 4 else logits.float()
    loss: Tensor = _monai(name)(precise, labels.unsqueeze(1))
    return loss


@cache
def _monai(name: str) -> Any:
    from monai.losses import DiceCELoss

    shared: dict[str, Any] = {
        "include_background": True,
        "to_onehot_y": True,
        "softmax": True,
        "smooth_nr": SMOOTHING,
        "smooth_dr": SMOOTHING,
    }
    if name == "transception":
        return DiceCELoss(**shared, squared_pred=True, batch=True, lambda_dice=0.6, lambda_ce=0.4)
    return DiceCELoss(**shared)
