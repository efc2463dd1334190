"""TransCeption, a U-shaped transformer for segmenting medical images, and its published checkpoints.

Azad et al., "Enhancing medical image segmentation with TransCeption: a multi-scale feature fusion approach"
(arXiv 2301.10847). `network` holds the model from the stem to the logits, `official` reads and writes checkpoints in
the layout in which the authors publish theirs.
"""

from gnomon.models.transception.network import TransCeption, TransCeptionConfig
from gnomon.models.transception.official import from_official, to_official

__all__ = ["TransCeption", "TransCeptionConfig", "from_official", "to_official"]
