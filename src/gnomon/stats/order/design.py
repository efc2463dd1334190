"""What a comparison can decide at all: the smallest p that any data could reach, and the repeats that are needed."""

import math

from gnomon.errors import UserError

EXACT_UP_TO = 50  # repeats on either side; above, the rank tests use the normal distribution
DRAWS = 9_999  # of a sampled permutation or sign-flip test, whose smallest p is 1 / (DRAWS + 1)
MOST_SUBSETS = 20_000  # a permutation test is exact where no more subsets than these are possible
MOST_FLIPPED = 14  # a sign-flip test is exact up to so many pairs
FOR_PAIRS = ("wilcoxon", "sign_flip")


class UndecidableDesign(UserError):
    """No data whatever could decide: the smallest possible p is not below the threshold in force.

    `smallest_p` is that p, `threshold` the alpha in force after correction or at a look, `repeats_needed` the repeats
    on each side (pairs, in paired data) that would do; None where no number of them would.
    """

    def __init__(self, message: str, smallest_p: float, threshold: float, repeats_needed: int | None) -> None:
        super().__init__(message, smallest_p, threshold, repeats_needed)
        self.smallest_p = smallest_p
        self.threshold = threshold
        self.repeats_needed = repeats_needed

    def __str__(self) -> str:
        return str(self.args[0])


def check_alpha(alpha: float) -> None:
    """Refuse an alpha outside (0, 0.5): from one half on, both directions could be decided at once."""
    if not 0 < alpha < 0.5:
        raise UserError(f"alpha = {alpha} must lie between 0 and 0.5, as 0.05 does.")


def smallest_p(n_x: int, n_y: int | None = None, *, paired: bool = False) -> float:
    """The smallest one-sided p that any data of these sizes can reach.

    Unpaired 1 / C(n_x + n_y, n_x), where every x lies above every y (`n_y` is `n_x` where it is not given); paired
    2^-n_x, where every difference is positive.
    """
    n_y = n_x if n_y is None else n_y
    for name, n in (("n_x", n_x), ("n_y", n_y)):
        if int(n) != n or n < 1:
            raise UserError(f"smallest_p: {name} = {n} must be a whole number of at least 1.")
    if paired and n_x != n_y:
        raise UserError(f"smallest_p: paired data have as many y as x; got n_x = {n_x} and n_y = {n_y}.")
    n_x, n_y = int(n_x), int(n_y)
    if paired:
        return 2.0**-n_x
    if n_x + n_y > 20 * EXACT_UP_TO:  # here the binomial coefficient would be a needlessly long number
        return math.exp(math.lgamma(n_x + 1) + math.lgamma(n_y + 1) - math.lgamma(n_x + n_y + 1))
    return 1 / math.comb(n_x + n_y, n_x)


def smallest_p_of(method: str, n_x: int, n_y: int) -> float:
    """The smallest p of a method: that of the design, but not below what sampled draws can resolve; 0 for `mean`."""
    if method == "mean":
        return 0.0
    smallest = smallest_p(n_x, n_y, paired=method in FOR_PAIRS)
    sampled = n_x > MOST_FLIPPED if method == "sign_flip" else method == "permutation" and smallest < 1 / MOST_SUBSETS
    return max(smallest, 1 / (DRAWS + 1)) if sampled else smallest


def repeats_needed(alpha: float = 0.05, *, comparisons: int = 1, paired: bool = False) -> int:
    """The fewest repeats on each side (pairs, where `paired`) with which p < alpha / comparisons is possible.

    It is what the design needs before any data could decide; telling a given effect apart takes more, which
    `repeats_to_tell` estimates.
    """
    check_alpha(alpha)
    if int(comparisons) != comparisons or comparisons < 1:
        raise UserError(f"repeats_needed: comparisons = {comparisons} must be a whole number of at least 1.")
    found = fewest_repeats("wilcoxon" if paired else "mannwhitney", alpha / comparisons)
    if found is None:
        raise UserError(f"repeats_needed: alpha = {alpha} over {comparisons} comparisons is out of any test's reach.")
    return found


def repeats_to_tell(superiority: float, *, alpha: float = 0.05, power: float = 0.8, comparisons: int = 1) -> int | None:
    """About how many repeats on each side tell two samples apart whose P(X>Y) + P(X=Y)/2 is `superiority`.

    Noether (1987, JASA 82:645) for the one-sided Mann-Whitney test: (z_alpha + z_power)^2 / (6 (superiority - 1/2)^2),
    never below what the design needs. None at one half, which no number of repeats tells from no difference.
    """
    from scipy.special import ndtri

    least = repeats_needed(alpha, comparisons=comparisons)
    if not 0 <= superiority <= 1 or not 0 < power < 1:
        raise UserError(f"repeats_to_tell: superiority = {superiority} and power = {power} must lie between 0 and 1.")
    if superiority == 0.5:
        return None
    spread = float(ndtri(1 - alpha / comparisons) + ndtri(power))
    return max(least, math.ceil(spread**2 / (6 * (superiority - 0.5) ** 2)))


def check_decidable(method: str, n_x: int, n_y: int, threshold: float, where: str = "") -> None:
    """Raise UndecidableDesign where `method` with these sizes can never reach p < threshold."""
    if smallest_p_of(method, n_x, n_y) >= threshold:
        raise undecidable(method, n_x, n_y, threshold, where)


def undecidable(method: str, n_x: int, n_y: int, threshold: float, where: str = "") -> UndecidableDesign:
    """The refusal of a design, in words; `where` goes on from the sizes, as in ", compared with 49 others,"."""
    smallest, needed = smallest_p_of(method, n_x, n_y), fewest_repeats(method, threshold)
    paired = method in FOR_PAIRS
    sizes = f"{n_x} pair{'s' * (n_x > 1)}" if paired else f"{n_x} repeat{'s' * (n_x > 1)} against {n_y}"
    if needed is None:
        remedy = f"no number would do with method {method!r}; a rank method is needed"
    else:
        remedy = f"at least {needed} {'pairs' if paired else 'repeats each'} are needed"
    return UndecidableDesign(
        f"{sizes}{where} can never decide: the smallest possible p is {smallest:.3g} and has to lie below"
        f" {threshold:.3g}; {remedy}.",
        smallest,
        threshold,
        needed,
    )


def fewest_repeats(method: str, threshold: float) -> int | None:
    """The fewest equal repeats with which `method` can reach p < threshold, or None."""
    # Beyond 1,100 every p is below the smallest positive float, or limited by sampling.
    return next((n for n in range(1, 1_100) if smallest_p_of(method, n, n) < threshold), None)
