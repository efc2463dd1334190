"""What the ReLUs of an untrained network make of a batch (NAS without training, arXiv 2006.04647, section 3).

Every example has a code c of one bit for each ReLU input, 1 where it is positive. K[i, j] = N - d_H(c_i, c_j) counts
the bits that two examples share, of N.
"""

import torch
from torch import Tensor

from gnomon.search.rankers.one_pass import NotApplicable, OnePass


def nwot(network: OnePass) -> float:
    """ln |det K|; -inf where K has not full rank, as with an example that stands twice.

    Variation Matters calls it ReLU distance. The determinant is taken in float64: float32 loses its differences.
    """
    K = _kernel(network)
    eigenvalues = torch.linalg.eigvalsh(K)
    if eigenvalues[0] <= len(K) * torch.finfo(K.dtype).eps * eigenvalues[-1]:
        return float("-inf")
    return float(torch.linalg.slogdet(K).logabsdet)


def hamming(network: OnePass) -> float:
    """Mean of d_H(c_i, c_j) over the pairs of examples, in bits."""
    K = _kernel(network)
    B = len(K)
    distances = network.seen.units - K
    return float(distances.sum() / (B * (B - 1)))


def _kernel(network: OnePass) -> Tensor:
    """K [B, B] in float64."""
    if network.reads_tokens:
        raise NotApplicable
    K = network.seen.agreement
    if K is None or network.seen.foreign:
        raise NotApplicable
    return K
