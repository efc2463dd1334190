"""Second floor: segmentation of medical images and volumes, from the audit of a data set to masks in its own space.

The network of TransCeption (Azad et al., arXiv 2301.10847) and two of MONAI's beside it. `load(RUN)` gives what a run
learned as a `Segmenter`. Torch and MONAI are imported when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnomon.segment.predict import Prediction, Segmenter, load

__all__ = ["Prediction", "Segmenter", "load"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for."""
    if name in __all__:
        return getattr(import_module("gnomon.segment.predict"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
