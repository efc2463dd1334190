"""Stochastic order: comparing noisy scores as random variables, with "not distinguishable" among the answers.

X is larger than Y in the usual stochastic order where P(X>k) >= P(Y>k) for every k, and > for some. `compare` tests it
one-sidedly in both directions and says by how much X is larger; `better` is its fast yes or no; `sequential` stops as
soon as it is clear; `stat_max`, `best_set` and `pairwise` choose among many. A design that no data whatever could
decide is refused: `UndecidableDesign`, with the repeats that are needed.

    from gnomon.stats import order

    order.compare([0.71, 0.74, 0.69, 0.77, 0.73], [0.62, 0.66, 0.70, 0.61, 0.64]).decision  # "greater"
"""

from gnomon.stats.order.comparison import Comparison, better, compare, sequential
from gnomon.stats.order.design import UndecidableDesign, repeats_needed, repeats_to_tell, smallest_p
from gnomon.stats.order.effects import Equivalence, cliffs_delta, equivalent, shift, superiority
from gnomon.stats.order.many import BestSet, Pairwise, adjust, best_set, pairwise, stat_max, stat_topk

__all__ = [
    "BestSet",
    "Comparison",
    "Equivalence",
    "Pairwise",
    "UndecidableDesign",
    "adjust",
    "best_set",
    "better",
    "cliffs_delta",
    "compare",
    "equivalent",
    "pairwise",
    "repeats_needed",
    "repeats_to_tell",
    "sequential",
    "shift",
    "smallest_p",
    "stat_max",
    "stat_topk",
    "superiority",
]
