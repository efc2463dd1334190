"""What weighted samples are worth."""

from typing import Any

import numpy as np

from gnomon.errors import UserError


def effective_sample_size(weights: Any = None, *, log_weights: Any = None) -> float:
    """Kish's effective sample size, (sum w)^2 / sum w^2, between 1 and n; 0 for no weights.

    Give either `weights` (none negative, not all zero) or `log_weights`, which may be of any size.
    """
    if (weights is None) == (log_weights is None):
        raise UserError("effective_sample_size: give either weights or log_weights.")
    if log_weights is not None:
        logs = np.asarray(log_weights, dtype=float)
        w = np.exp(logs - logs.max()) if logs.size else logs
    else:
        w = np.asarray(weights, dtype=float)
    if w.size == 0:
        return 0.0
    if not np.isfinite(w).all() or (w < 0).any() or not w.any():
        raise UserError("effective_sample_size: weights must be finite, none negative and not all zero.")
    w = w / w.max()
    return float(w.sum() ** 2 / (w**2).sum())
