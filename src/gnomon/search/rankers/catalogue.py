"""Every ranker by name: which way it points, what its score varies with, what it needs, and where it comes from."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, TypeVar

from gnomon.errors import UserError

GROUP = "gnomon.search.rankers"
"""The entry-point group in which a package offers rankers: an entry is named as its ranker, and points at the function
that `register` was put on."""

BOTH = ("init", "batch")
INIT = ("init",)
NETWORK, DATA, LABELS = ("network",), ("network", "data"), ("network", "data", "labels")

Function = Callable[[Any, Any, Any], Any]
Own = TypeVar("Own", bound=Function)


@dataclass(frozen=True)
class Ranker:
    """A score of an untrained network.

    `direction` is +1 where larger scores are better and -1 where smaller ones are. `varies_with` says what a score
    depends on besides the architecture: the weights drawn (`init`), the batch shown (`batch`). `needs` says what must
    be there: `network`, `data` (of which synflow and logsynflow take the shape alone) and `labels`; nothing where
    arithmetic is enough. `source` is the paper, or the function's address. `function` is a user's own.
    """

    name: str
    direction: int
    varies_with: tuple[str, ...]
    needs: tuple[str, ...]
    source: str
    function: Function | None = field(default=None, repr=False)


_MELLOR = "Mellor, Turner, Storkey and Crowley 2021 (NAS without training), arXiv 2006.04647"
_ZERO_COST = "Abdelfattah, Mehrotra, Dudziak and Lane 2021 (zero-cost proxies), arXiv 2101.08134"
_MOK = "Mok, Na, Kim, Han and Yoon 2022 (demystifying the NTK), arXiv 2203.14577"

_BUILT_IN = [
    Ranker("nwot", 1, BOTH, DATA, f"{_MELLOR}: s = log |K_H|"),
    Ranker("hamming", 1, BOTH, DATA, f"{_MELLOR}: mean of the Hamming distances d_H(c_i, c_j) that K_H is made of"),
    Ranker("grad_norm", 1, BOTH, LABELS, f"{_ZERO_COST}: summed 2-norms of the layers' gradients"),
    Ranker("snip", 1, BOTH, LABELS, f"Lee, Ajanthan and Torr 2019 (SNIP), arXiv 1810.02340; summed: {_ZERO_COST}"),
    Ranker("plain", 1, BOTH, LABELS, f"Mozer and Smolensky 1989 (skeletonization), NIPS 1; summed: {_ZERO_COST}"),
    Ranker("grasp", 1, BOTH, LABELS, f"Wang, Zhang and Grosse 2020 (GraSP), arXiv 2002.07376; summed: {_ZERO_COST}"),
    Ranker(
        "fisher", 1, BOTH, LABELS, f"Theis and others 2018 (Fisher pruning), arXiv 1801.05787; summed: {_ZERO_COST}"
    ),
    Ranker("jacov", 1, BOTH, DATA, "Mellor, Turner, Storkey and Crowley 2020, arXiv 2006.04647v1"),
    Ranker("epe_nas", 1, BOTH, LABELS, "Lopes, Alirezazadeh and Alexandre 2021 (EPE-NAS), arXiv 2102.08099"),
    Ranker(
        "synflow", 1, INIT, DATA, f"Tanaka and others 2020 (SynFlow), arXiv 2006.05467; ln of the sum: {_ZERO_COST}"
    ),
    Ranker("logsynflow", 1, INIT, DATA, "Cavagnero, Robbiano, Caputo and Averta 2022 (FreeREA), arXiv 2207.05135"),
    Ranker("l2_norm", 1, INIT, NETWORK, "Krishnakumar and others 2022 (NAS-Bench-Suite-Zero), arXiv 2210.03230"),
    Ranker("ntk_condition", -1, BOTH, DATA, "Chen, Gong and Wang 2021 (TE-NAS), arXiv 2102.11535: e_max / e_min"),
    Ranker("ntk_frobenius", 1, BOTH, DATA, f"{_MOK}: Frobenius norm"),
    Ranker("ntk_mean", 1, BOTH, DATA, "Xu and others 2021 (KNAS), arXiv 2111.13293: mean of the Gram matrix"),
    Ranker("ntk_eigen", 1, BOTH, DATA, "Rumiantsev and Coates 2025 (Variation Matters), arXiv 2502.19657"),
    Ranker("ntk_alignment", 1, BOTH, LABELS, f"{_MOK}: label-gradient alignment"),
    Ranker("params", 1, (), (), "parameters; of a language model those outside token embedding and output head"),
    Ranker("macs", 1, (), (), "multiply-adds of convolutions and linear layers for one example"),
]
_known = {ranker.name: ranker for ranker in _BUILT_IN}


def names() -> list[str]:
    """Every ranker there is, in alphabetical order: built in, of installed packages, and registered."""
    return sorted({*_known, *(entry.name for entry in entry_points(group=GROUP))})


def get(name: str) -> Ranker:
    """The ranker `name`. Raises UserError for one that is not known, naming the nearest."""
    if name not in _known:
        for entry in entry_points(group=GROUP):
            if entry.name == name:
                entry.load()
                if name not in _known:
                    raise UserError(f"the entry point {entry.value!r} offers a ranker {name!r} but registers none.")
    if name not in _known:
        near = difflib.get_close_matches(name, names(), n=3)
        hint = f"the nearest are {', '.join(near)}." if near else "there are " + ", ".join(names()) + "."
        raise UserError(f"There is no ranker {name!r}; {hint}")
    return _known[name]


def register(name: str, *, direction: int, varies_with: Sequence[str] = BOTH) -> Callable[[Own], Own]:
    """Put on a function of (network, inputs, labels) that gives a number, make it the ranker `name`.

    The network comes as it was built (in training mode, weights drawn) with a batch of its own; what the function does
    to them reaches no other ranker. Backward passes into `.grad`, forward passes that move batch statistics, and
    torch's, NumPy's and Python's global random numbers (which are seeded before) may be used freely; a function that
    changes weights, modes, hooks or its batch has no score. Raises UserError for a name that is taken, a direction
    other than +1 and -1, or an unknown source of variation.
    """
    _check_free(name)
    if isinstance(direction, bool) or direction not in (1, -1):
        raise UserError(f"ranker {name!r}: direction = {direction!r} must be +1 (larger is better) or -1.")
    if isinstance(varies_with, str) or not set(varies_with) <= set(BOTH):
        raise UserError(f"ranker {name!r}: varies_with = {varies_with!r} must be among {BOTH}.")

    def keep(function: Own) -> Own:
        _check_free(name)
        address = f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', type(function).__name__)}"
        varies = tuple(source for source in BOTH if source in varies_with)
        _known[name] = Ranker(name, int(direction), varies, LABELS, address, function)
        return function

    return keep


def _check_free(name: str) -> None:
    if name in _known:
        raise UserError(f"a ranker {name!r} is registered already; another name is needed.")
