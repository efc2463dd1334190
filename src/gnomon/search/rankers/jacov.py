"""How alike a network's answers to small changes of different examples are.

jacov: Mellor and others 2020, arXiv 2006.04647v1. epe_nas: Lopes, Alirezazadeh and Alexandre 2021, arXiv 2102.08099.
Both look at J [B, D], the derivative of each example's summed logits with respect to the example itself.
"""

import numpy as np

from gnomon.search.rankers.one_pass import NotApplicable, OnePass, gradients

JACOV_K = 1e-5
EPE_K = 1e-5
MOST_CLASSES = 100  # above, EPE-NAS is another formula


def jacov(network: OnePass) -> float:
    """-sum (ln(e + k) + 1 / (e + k)) over the eigenvalues e of the correlation matrix of J's rows, k = 1e-5."""
    C = _correlations(network.once(jacobian))
    if not np.isfinite(C).all():
        return float("nan")
    e = np.linalg.eigvalsh(C) + JACOV_K
    with np.errstate(all="ignore"):
        return float(-(np.log(e) + 1 / e).sum())


def epe_nas(network: OnePass) -> float:
    """sum over classes |sum ln(|C| + 1e-5)|, C the correlation matrix of the rows of J that belong to the class."""
    J = network.once(jacobian)
    if network.labels.ndim != 1 or len(classes := network.labels.unique()) > MOST_CLASSES:
        raise NotApplicable
    labels = network.labels.cpu().numpy()
    of_class = [_correlations(J[labels == label]) for label in classes.cpu().numpy()]
    return float(sum(abs(np.log(np.abs(C) + EPE_K).sum()) for C in of_class))


def jacobian(network: OnePass) -> np.ndarray:
    """J [B, D] in float64. With batch norm in training mode an example also moves the others' logits; that counts."""
    if network.reads_tokens:
        raise NotApplicable
    (found,) = gradients(network.seen.logits.sum(), [network.seen.inputs])
    return found.flatten(1).double().cpu().numpy()


def _correlations(rows: np.ndarray) -> np.ndarray:
    """[n, n]; NaN for a row without variation."""
    with np.errstate(all="ignore"):
        return np.atleast_2d(np.corrcoef(rows))
