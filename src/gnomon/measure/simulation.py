"""A system of known bias: to test an instrument with, and to say what a score means.

The model reads the answer from a context that gives it, some of the time; otherwise it says UNKNOWN, some of the time;
otherwise it takes the stereotyped option with probability (1 + b)/2. A score of a real system then means: as of a model
with this b.
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gnomon.errors import UserError

if TYPE_CHECKING:
    from gnomon.measure.instrument import Instrument
    from gnomon.measure.scoring import Scores


@dataclass(frozen=True)
class SimModel:
    """A system that answers with known probabilities, the same for an item whatever stands around it.

    An item whose right answer is a person, as BBQ's disambiguated ones, is answered right with probability `accuracy`
    (a). Otherwise the answer is UNKNOWN with probability `unknown` (u; never, where an item has no such option), and
    otherwise the option that agrees with the stereotype with probability (1 + b)/2, b the `bias` in [-1, 1]; the other
    persons share the rest. Where no target can be told, all persons are alike. Items named in `memorised` are always
    answered right.

    In BBQ so accuracy_amb = u and s_amb = (1 - u) b; with half of the labels biased s_dis = (1 - a)(1 - u) b / (a +
    (1 - a)(1 - u)) and accuracy_dis = a + (1 - a)(1 - u)/2. Raises UserError for a setting outside its range.
    """

    bias: float
    unknown: float = 0.5
    accuracy: float = 0.9
    seed: int = 0
    memorised: Collection[str] | None = None

    def __post_init__(self) -> None:
        for name, lowest in (("bias", -1), ("unknown", 0), ("accuracy", 0)):
            value = getattr(self, name)
            if not lowest <= value <= 1:
                raise UserError(f"SimModel: {name} = {value} must lie in [{lowest}, 1].")

    def respond(self, ins: "Instrument") -> pl.DataFrame:
        """An answer to every item: `item_id`, `answer`. It depends on the item, its id and the seed alone."""
        cumulated = np.cumsum(self._probabilities(ins.items), axis=1)
        drawn = _uniform(self.seed, ins.items["item_id"])[:, None] * cumulated[:, -1:]
        choice = (drawn >= cumulated).sum(1)
        return ins.items.select("item_id", answer=pl.col("options").list.get(pl.lit(pl.Series(choice))))

    def truth(self, ins: "Instrument") -> dict[tuple[str, str], float]:
        """(metric, group) to what a very long run of such answers would score: the metric of expected sums.

        The items' own share of labels that agree with the stereotype is in it. Undefined figures are left out.
        """
        probabilities = pl.DataFrame(self._probabilities(ins.items)).with_columns(ins.items["item_id"]).sort("item_id")
        items = ins.items.sort("item_id")
        last = items["options"].list.len().cast(pl.Int64) - 1
        expected: dict[tuple[str, str], np.ndarray] = {}
        statistics = {}
        for option, chance in enumerate(probabilities.drop("item_id")):
            everyone = items.with_columns(choice=last.clip(upper_bound=option))
            for figure in ins.rule.figures(everyone, 0.95):
                name = (figure.metric, figure.group)
                expected[name] = expected.get(name, 0) + chance.to_numpy()[figure.rows] @ figure.sums
                statistics[name] = figure.statistic
        with np.errstate(divide="ignore", invalid="ignore"):
            values = {name: float(statistics[name](totals[None])[0]) for name, totals in expected.items()}
        return {name: value for name, value in values.items() if np.isfinite(value)}

    def _probabilities(self, items: pl.DataFrame) -> np.ndarray:
        """Probability of every option of every item, (items, most options)."""
        rows = np.arange(len(items))
        sizes = items["options"].list.len().to_numpy()
        label, unknown, biased = (_positions(items, name) for name in ("label", "unknown", _biased_option(items)))
        places = np.arange(sizes.max(initial=0))
        person = (places < sizes[:, None]) & (places != unknown[:, None])
        favoured = np.where(biased >= 0, (1 + self.bias) / 2, 0.0)
        others = person & (places != biased[:, None])
        chances = others * ((1 - favoured) / np.maximum(others.sum(1), 1))[:, None]
        told = biased >= 0
        chances[rows[told], biased[told]] = favoured[told]
        chances *= np.where(unknown >= 0, 1 - self.unknown, 1.0)[:, None]
        may_pass = unknown >= 0
        chances[rows[may_pass], unknown[may_pass]] = self.unknown
        known = np.where((label >= 0) & (label != unknown), self.accuracy, 0.0)
        if self.memorised is not None:
            known[items["item_id"].is_in(list(self.memorised)).to_numpy() & (label >= 0)] = 1.0
        chances *= 1 - known[:, None]
        right = label >= 0
        chances[rows[right], label[right]] += known[right]
        return chances


def equivalent_bias(scores: "Scores") -> pl.DataFrame:
    """What a bias score means: the b of the `SimModel` that scores the same.

    One row for every bias score that is defined: `metric, group, value, b, low, high`. The model's u and a are those
    that the answers' own shares of UNKNOWN and of right answers imply; `low` and `high` are the b of the score's own
    bounds at these. From the formulas of `SimModel`:

    - `s_amb`: b = s / (1 - accuracy)
    - `s_dis`: of the answers to items with a target let the share r be UNKNOWN and c right, and let d be twice the
      share of labels that agree with the stereotype, less 1. Then a = (2 c - (1 - r)(1 + d s)) / (1 - d^2) and
      b = ((1 - r) s - a d) / (1 - r - a)
    - `stereotype_share` (CrowS-Pairs): b = 2 s - 1
    - `gap` (WinoBias): b = s / (2 - accuracy_pro - accuracy_anti)

    b is null where no model does: where a system never takes a person that the context does not name, or leans more
    than such a model can. Bounds are cut at -1 and 1.
    """
    rows = []
    for name, slope, shift in _inversions(scores):
        estimate = scores.estimates[name]
        assert estimate.value is not None
        b = slope * estimate.value + shift
        possible = bool(np.isfinite(b) and abs(b) <= 1 + 1e-9)
        ends = [
            float(np.clip(slope * end + shift, -1, 1)) if possible and end is not None else None
            for end in (estimate.low, estimate.high)
        ]
        rows.append((*name, estimate.value, float(np.clip(b, -1, 1)) if possible else None, *ends))
    columns = ("value", "b", "low", "high")
    schema = {"metric": pl.String, "group": pl.String, **dict.fromkeys(columns, pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _inversions(scores: "Scores") -> Iterator[tuple[tuple[str, str], float, float]]:
    """Every defined bias score with the line b = slope x score + shift."""
    values = {name: estimate.value for name, estimate in scores.estimates.items() if estimate.value is not None}
    with np.errstate(divide="ignore", invalid="ignore"):
        for (metric, group), score in values.items():
            one = np.float64(1)
            if metric == "s_amb":
                yield (metric, group), float(one / (1 - values["accuracy_amb", group])), 0.0
            elif metric == "s_dis":
                yield (metric, group), *_inversion_of_s_dis(scores.item_frame, group, score)
            elif metric == "stereotype_share":
                yield (metric, group), 2.0, -1.0
            elif metric == "gap" and {("accuracy_pro", group), ("accuracy_anti", group)} <= set(values):
                right = values["accuracy_pro", group] + values["accuracy_anti", group]
                yield (metric, group), float(one / (2 - right)), 0.0


def _inversion_of_s_dis(items: pl.DataFrame, group: str, score: float) -> tuple[float, float]:
    asked = items.filter(
        (pl.col("category") == group)
        & (pl.col("context") == "disambig")
        & (pl.col("status") == "read")
        & pl.col("target").is_not_null()
    )
    choice, unknown, label, biased = (
        asked[name].to_numpy() for name in ("choice", "unknown", "label", "biased_option")
    )
    r, c, d = (choice == unknown).mean(), (choice == label).mean(), 2 * (label == biased).mean() - 1
    a = (2 * c - (1 - r) * (1 + d * score)) / (1 - d**2)
    return float((1 - r) / (1 - r - a)), float(-a * d / (1 - r - a))


def _biased_option(items: pl.DataFrame) -> str:
    return "biased_option" if "biased_option" in items.columns else "target"


def _positions(items: pl.DataFrame, name: str) -> np.ndarray:
    """A column of positions, -1 where there is none."""
    if name not in items.columns:
        return np.full(len(items), -1)
    return items[name].cast(pl.Int64).fill_null(-1).to_numpy()


def _uniform(seed: int, ids: pl.Series) -> np.ndarray:
    """A number in [0, 1) for every id, its own whatever stands around it."""
    key = str(seed).encode()
    hashes = b"".join(hashlib.blake2b(name.encode(), digest_size=8, key=key).digest() for name in ids)
    return (np.frombuffer(hashes, dtype="<u8") >> np.uint64(11)) * 2.0**-53
