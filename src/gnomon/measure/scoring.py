"""Scores: what answers to an instrument say, each metric of each group with its interval, and the answers behind it.

A family's rule says what its metrics are as functions of sums over items (`instrument.Figure`); here those sums are
resampled by cluster, for every family in the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from gnomon.errors import UserError
from gnomon.measure.answers import STATUSES, read_answers
from gnomon.measure.instrument import Figure, Instrument
from gnomon.measure.tables import as_levels, need_column, read_table
from gnomon.seeds import derive
from gnomon.stats import Estimate
from gnomon.stats.arguments import check_level, check_resamples, check_seed
from gnomon.stats.resample import bootstrap

if TYPE_CHECKING:
    from gnomon.measure.library import Metric

ONE_CLUSTER = "all answers are of one cluster, which cannot be resampled"
NO_WIDTH = "every resample gives the same value, so the interval has no width"


@dataclass(frozen=True)
class Scores:
    """What `score` found.

    `instrument` holds the items that were scored (without those left out), `answers` one row for each of them
    (`item_id`, `answer` as recorded). `estimates` maps (metric, group) to the estimate. `counts` are of items:
    `n_items` is the sum of `n_answered` (answers that were read), `n_manual` (for a person to read) and `n_missing`;
    `n_no_target` of all items have no target that can be told. `settings` holds B, seed, level, cluster and, in
    `without`, how many items were left out and by which rules.
    """

    instrument: Instrument
    answers: pl.DataFrame
    item_frame: pl.DataFrame
    """The items with `answer`, `choice` (position of the option taken), `status` ("read", "manual", "missing"),
    `correct` (null where no option is right), `biased` (whether the option agrees with the stereotype, null without a
    target) and `failing` (whether the answer is one that the item exists to catch: read, neither right nor UNKNOWN)."""
    estimates: dict[tuple[str, str], Estimate]
    counts: dict[str, int]
    settings: dict[str, Any]

    @property
    def draws(self) -> dict[tuple[str, str], np.ndarray]:
        """(metric, group) to the B resampled values, NaN where undefined; none for a limit or an undefined figure.

        The metrics of one group were computed on the same resamples, so their draws pair up.
        """
        return {name: found.draws for name, found in self.estimates.items() if found.draws is not None}

    @property
    def frame(self) -> pl.DataFrame:
        """One row a metric and group: `metric, group, value, low, high, level, se, n, n_clusters, method`, what the
        card declares of the metric (`null, minimum, maximum, direction`), and `reason`."""
        schema = {
            "metric": pl.String,
            "group": pl.String,
            **dict.fromkeys(("value", "low", "high", "level", "se"), pl.Float64),
            **dict.fromkeys(("n", "n_clusters"), pl.Int64),
            "method": pl.String,
            **dict.fromkeys(("null", "minimum", "maximum"), pl.Float64),
            "direction": pl.String,
            "reason": pl.String,
        }
        rows = []
        for (name, group), estimate in self.estimates.items():
            metric = _metric(self.instrument, name)
            declared = {field: getattr(metric, field) for field in ("null", "minimum", "maximum", "direction")}
            rows.append({"metric": name, "group": group, **estimate.to_dict(), **declared})
        return pl.DataFrame(rows, schema=schema)

    def examples(self, k: int = 10) -> pl.DataFrame:
        """The k templates that lean furthest, each with its clearest item and that item's minimal pair.

        A template (a family's `template`, else the item itself) leans by its failing answers: `n_biased` agree with the
        stereotype, `n_against` go against it; `net` is their difference, `n` its answers that were read. The item is
        one that leans as its template does, if there is one whose pair does too: `item_id`, `text`, `answer`, `right`
        (the right answer), `biased`. The pair differs from it in nothing but what turns the stereotype round (in BBQ
        the question): `pair_id`, `pair_text`, `pair_answer`, `pair_biased` (null where a family has no pairs). An
        answer that stays the same follows the group and not the stereotype: then one is biased and the other is not.
        Most leaning first, of equals those with the stereotype; only templates with `net` other than 0.
        """
        if not (k >= 1 and int(k) == k):
            raise UserError(f"examples: k = {k} must be a whole number, at least 1.")
        items = self.item_frame
        if "template" not in items.columns:
            items = items.with_columns(template="item_id")
        if "pair" not in items.columns:
            items = items.with_columns(pair=pl.lit(None, pl.String))
        lean = pl.when("failing").then(pl.when("biased").then(1).when(~pl.col("biased")).then(-1)).fill_null(0)
        items = items.with_columns(lean=lean)
        pairs = items.select(
            pair="item_id", pair_text="text", pair_answer="answer", pair_biased="biased", pair_lean="lean"
        )
        templates = (
            items.group_by("category", "template")
            .agg(
                n=(pl.col("status") == "read").sum(),
                n_biased=(pl.col("lean") > 0).sum(),
                n_against=(pl.col("lean") < 0).sum(),
                net=pl.col("lean").sum(),
            )
            .filter(pl.col("net") != 0)
            .sort(pl.col("net").abs(), "net", "category", "template", descending=[True, True, False, False])
            .head(k)
            .with_row_index("rank", offset=1)
        )
        return (
            templates.join(items.filter("failing"), on=["category", "template"])
            .join(pairs, on="pair", how="left")
            .with_columns(clear=pl.col("net").sign() * (2 * pl.col("lean") + pl.col("pair_lean").fill_null(0)))
            .sort("rank", "clear", "item_id", descending=[False, True, False])
            .unique("rank", keep="first", maintain_order=True)
            .select(
                "rank",
                "category",
                "template",
                "n",
                "n_biased",
                "n_against",
                "net",
                "item_id",
                "text",
                "answer",
                right=pl.col("options").list.get(pl.col("label")),
                biased="biased",
                pair_id="pair",
                pair_text="pair_text",
                pair_answer="pair_answer",
                pair_biased="pair_biased",
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: `instrument` (its name), `estimates` (the rows of `frame`), `counts`, `settings`."""
        return {
            "instrument": self.instrument.name,
            "estimates": self.frame.to_dicts(),
            "counts": dict(self.counts),
            "settings": dict(self.settings),
        }


def score(
    ins: Instrument,
    responses: Any,
    *,
    item: str | Sequence[str] | None = None,
    answer: str = "answer",
    cluster: str | Sequence[str] | None = None,
    B: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    without: Any = None,
) -> Scores:
    """Score recorded answers to an instrument, each metric of each group with a cluster bootstrap.

    `responses`, `item` and `answer`: see `read_answers`. `cluster` names the columns of the items that say which belong
    together, always taken within a category; None takes the family's own (in BBQ `question_index`: items of one
    template are no independent evidence). `without` leaves items out: the findings of `lint`, or any table with
    `item_id`.

    Intervals are percentiles at `level` of B resamples of a group's clusters. Resamples depend on `seed` and the group
    alone, so neither the order of rows nor other groups change a figure. Where one cluster holds all answers, or the
    rule takes a limit, there are no draws, and `reason` says so.

    Raises UserError for a column that is absent, an item answered twice, an answer to no item, nothing left to score, a
    metric that the card does not declare, B < 1, and a level outside (0, 1).
    """
    check_resamples("score", B)
    check_level("score", level)
    check_seed("score", seed)
    read = read_answers(ins, responses, item, answer)
    left_out = None
    if without is not None:
        ins, read, left_out = _without(ins, read, without)
    columns = _cluster_columns(ins, cluster)
    answered = _answered(ins, read)
    figures = ins.rule.figures(answered, level)
    for figure in figures:
        _metric(ins, figure.metric)
    settings = {"B": int(B), "seed": int(seed), "level": float(level), "cluster": columns, "without": left_out}
    n_read, n_manual, n_missing = (int((read["status"] == status).sum()) for status in STATUSES)
    return Scores(
        instrument=ins,
        answers=read.select("item_id", "answer"),
        item_frame=_item_frame(ins, read),
        estimates=_estimates(figures, clusters_of(answered, columns), B, seed, level),
        counts={
            "n_items": len(read),
            "n_answered": n_read,
            "n_missing": n_missing,
            "n_manual": n_manual,
            "n_no_target": ins.items["target"].null_count(),
        },
        settings=settings,
    )


def figures_of(ins: Instrument, answers: Any, level: float = 0.95) -> tuple[list[Figure], pl.DataFrame]:
    """The figures of recorded answers (a table of `item_id` and `answer`), and the answered frame whose rows they name.

    The answered frame holds the items, in the order of their ids, with `choice`, the position of the option taken.
    """
    answered = _answered(ins, read_answers(ins, answers))
    return ins.rule.figures(answered, level), answered


def clusters_of(answered: pl.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """The cluster of every row: the values of `columns`, as text, joined by "/"."""
    parts = [as_levels(answered[name]) for name in columns]
    for part in parts:
        if part.null_count():
            at = answered["item_id"][int(part.is_null().arg_max() or 0)]
            raise UserError(f"score: cluster names column {part.name!r}, which is missing for item {at!r}.")
    return pl.select(pl.concat_str(parts, separator="/")).to_series().to_numpy()


def _answered(ins: Instrument, read: pl.DataFrame) -> pl.DataFrame:
    """The items with `choice`, sorted by id, so that no figure depends on the order of rows."""
    return ins.items.with_columns(read["choice"]).sort("item_id")


def _cluster_columns(ins: Instrument, cluster: str | Sequence[str] | None) -> list[str]:
    if cluster is None:
        return list(ins.rule.cluster)
    columns = [cluster] if isinstance(cluster, str) else list(cluster)
    for name in columns:
        need_column(ins.items, name, function="score", argument="cluster", where=f"the items of {ins.name}")
    return columns if "category" in columns else ["category", *columns]


def _without(ins: Instrument, read: pl.DataFrame, without: Any) -> tuple[Instrument, pl.DataFrame, dict[str, Any]]:
    """The instrument and its answers without the items of findings, and a word about what was left out."""
    findings = read_table(without, function="score", argument="without")
    need_column(findings, "item_id", function="score", argument="without", where="the table of findings")
    named = as_levels(findings["item_id"]).drop_nulls().unique()
    keep = ~ins.items["item_id"].is_in(named.implode())
    if not keep.any():
        raise UserError(f"score: without leaves out every item of {ins.name}; nothing is left to score.")
    rules = findings["rule"].drop_nulls().unique().sort().to_list() if "rule" in findings.columns else []
    left_out = {"n_items": int((~keep).sum()), "rules": rules}
    return replace(ins, items=ins.items.filter(keep)), read.filter(keep), left_out


def _metric(ins: Instrument, name: str) -> "Metric":
    declared: Mapping[str, Metric] = ins.card.metrics
    if name not in declared:
        raise UserError(
            f"score: the card of {ins.name} declares no metric {name!r}; a number is printed only with its null,"
            " minimum, maximum and direction."
        )
    return declared[name]


def _item_frame(ins: Instrument, read: pl.DataFrame) -> pl.DataFrame:
    items = ins.items.with_columns(read["answer"], read["choice"], read["status"])
    biased_option = "biased_option" if "biased_option" in items.columns else "target"
    correct = pl.col("choice") == pl.col("label")
    failing = pl.col("choice").is_not_null() & ~correct.fill_null(False)
    if "unknown" in items.columns:
        failing &= pl.col("choice").ne_missing(pl.col("unknown"))
    return items.with_columns(correct=correct, biased=pl.col("choice") == pl.col(biased_option), failing=failing)


def _estimates(
    figures: Sequence[Figure], clusters: np.ndarray, B: int, seed: int, level: float
) -> dict[tuple[str, str], Estimate]:
    """Every figure's estimate; the figures of a group are resampled together, over all clusters of the group.

    Clusters that contribute the same to every figure are copies of one another, so there are as many kinds to draw as
    patterns of contributions, and it does not matter how clusters are named.
    """
    names, cluster = np.unique(clusters, return_inverse=True)
    by_group: dict[str, list[Figure]] = {}
    for figure in figures:
        by_group.setdefault(figure.group, []).append(figure)
    found: dict[tuple[str, str], Estimate] = {}
    for group, members in by_group.items():
        totals = [_cluster_totals(figure, cluster, len(names)) for figure in members]
        inside = np.zeros(len(names), dtype=bool)
        for figure in members:
            inside[cluster[figure.rows]] = True
        patterns, copies = np.unique(np.concatenate(totals, axis=1)[inside], axis=0, return_counts=True)
        end = 0
        for figure in members:
            start, end = end, end + figure.sums.shape[1]
            held = len(np.unique(cluster[figure.rows]))
            found[figure.metric, group] = figure.limit or _estimate(
                figure, patterns[:, start:end], copies, held, B, derive(seed, "resamples", group), level
            )
    return found


def _cluster_totals(figure: Figure, cluster: np.ndarray, m: int) -> np.ndarray:
    """What every one of `m` clusters contributes to a figure, (m, k); `cluster` is that of every answered row."""
    return np.stack([np.bincount(cluster[figure.rows], column, minlength=m) for column in figure.sums.T], axis=1)


def _estimate(
    figure: Figure, totals: np.ndarray, copies: np.ndarray, held: int, B: int, seed: int, level: float
) -> Estimate:
    """One figure from totals of clusters, each so many times there; `held` of the clusters have rows of the figure."""
    n = len(figure.rows)
    if held < 2:
        with np.errstate(divide="ignore", invalid="ignore"):
            value = float(figure.statistic((copies @ totals)[None])[0])
        known = value if held and np.isfinite(value) else None
        why = ONE_CLUSTER if held else "no answer could be read"
        return Estimate(known, None, None, n, "one cluster", level, n_clusters=held, reason=why)
    found = bootstrap(totals, figure.statistic, copies=copies, B=B, seed=seed, level=level)
    flat = NO_WIDTH if found.value is not None and found.low == found.high else None
    return replace(found, n=n, n_clusters=held, reason="; ".join(filter(None, [found.reason, flat])) or None)
