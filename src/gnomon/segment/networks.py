"""The networks that can be trained: TransCeption, and two of MONAI's as baselines that any result is set beside."""

import torch
from torch import nn

from gnomon.seeds import derive
from gnomon.segment.recipe import ModelSettings


def build(settings: ModelSettings, *, in_channels: int, classes: int, seed: int) -> nn.Module:
    """A network for images (B, in_channels, H, W), H and W multiples of 32, that gives logits (B, classes, H, W).

    Its initial weights depend on `seed` only. With the first width C = `settings.base_channels`:

    - `transception`: Azad et al., arXiv 2301.10847, as in `models.transception`;
    - `unet`: MONAI's U-Net with residual units, widths C, 2C, 4C, 8C (0.4 million parameters at C = 16);
    - `segresnet`: MONAI's SegResNet, widths C, 2C, 4C, 8C (1.6 million at C = 16).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "model"))
        return _BUILDERS[settings.name](settings, in_channels, classes)


def count_parameters(network: nn.Module) -> int:
    """How many numbers are learned."""
    return sum(parameter.numel() for parameter in network.parameters())


def _transception(settings: ModelSettings, in_channels: int, classes: int) -> nn.Module:
    from gnomon.models.transception import TransCeption, TransCeptionConfig

    return TransCeption(
        TransCeptionConfig(
            num_classes=classes,
            in_channels=in_channels,
            base_channels=settings.base_channels,
            stage_depths=settings.stage_depths,
            bridge=settings.bridge,
        )
    )


def _unet(settings: ModelSettings, in_channels: int, classes: int) -> nn.Module:
    from monai.networks.nets import UNet

    widths = [settings.base_channels * factor for factor in (1, 2, 4, 8)]
    network: nn.Module = UNet(
        spatial_dims=2,
        in_channels=in_channels,
        out_channels=classes,
        channels=widths,
        strides=(2, 2, 2),
        num_res_units=2,
    )
    return network


def _segresnet(settings: ModelSettings, in_channels: int, classes: int) -> nn.Module:
    from monai.networks.nets import SegResNet

    network: nn.Module = SegResNet(
        spatial_dims=2, init_filters=settings.base_channels, in_channels=in_channels, out_channels=classes
    )
    return network


_BUILDERS = {"transception": _transception, "unet": _unet, "segresnet": _segresnet}
