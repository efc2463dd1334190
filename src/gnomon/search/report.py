"""The page of a search or a scoring: the answer in words, the finalists' samples, and what the scores are worth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gnomon.errors import UserError
from gnomon.runs import Run
from gnomon.runs.files import read_lines
from gnomon.runs.report import Report, flat
from gnomon.search import pictures, rankers, words
from gnomon.search.evaluator import SCORES
from gnomon.search.finding import Choice, choose
from gnomon.search.searching import PARAMS, read_found
from gnomon.search.training import FINALIST, TRAINED
from gnomon.search.variation import components
from gnomon.stats import order
from gnomon.stats.correlation import spearman

MOST_FINALISTS = 14
"""Candidates whose samples are drawn: the winner, those that cannot be told from it, then the next best."""


def write_report(run: Run, comparator: str | None = None, alpha: float | None = None) -> Path:
    """Write `report.html` of a finished run from what is stored in it; returns its path.

    With `comparator` or `alpha` the final choice is made again with these; what the search itself did stays as it was.
    Raises UserError for a run of another kind, one that has not finished, and what the comparator cannot decide.
    """
    summary = run.summary()
    if run.kind not in ("search-run", "search-score"):
        raise UserError(f"{str(run.path)!r} is of kind {run.kind!r}; a run of gnomon search score or run is expected.")
    if summary is None:
        raise UserError(f"{str(run.path)!r} is {run.state} and has nothing to report yet; go on with it by --resume.")
    page = (_search if run.kind == "search-run" else _scoring)(run, summary, comparator, alpha)
    page.heading("Settings")
    page.facts(flat(run.settings))
    path = run.path / "report.html"
    page.write(path)
    return path


def _search(run: Run, summary: dict[str, Any], comparator: str | None, alpha: float | None) -> Report:
    stored = read_found(run)
    samples: dict[str, np.ndarray] = stored["samples"]
    again = comparator is not None or alpha is not None
    choice = choose(
        samples,
        direction=summary["direction"],
        comparator=comparator or summary["comparator"],
        alpha=alpha or summary["alpha"],
        seed=run.settings["seed"],
    )
    if again:
        less = sum(len(samples[arch]) < summary["repeats"] for arch in choice.indistinguishable)
        target = stored["targets"].get(choice.winner)
        summary = summary | choice.to_dict() | {"target": target, "measured_less": less}
    page = Report(
        f"Search by {summary['ranker']}: {summary['winner']}",
        f"{summary['method']}, {summary['comparator']} at alpha = {summary['alpha']:g}, {summary['distinct']}"
        f" architectures, {summary['evaluations']} evaluations",
    )
    if again:
        page.sentence(
            "The final choice was made again from the stored scores with another comparator or alpha than the search's"
            " own, which chose what was measured."
        )
    for sentence in words.outcome(summary):
        page.sentence(sentence)
    _finalists(page, choice, summary["ranker"], stored["described"], stored["targets"])
    _varies(page, {summary["ranker"]: samples}, run.settings.get("evaluate", {}).get("vary"))
    _against_parameters(page, choice, summary["ranker"], stored["described"], stored["targets"])
    if summary["trained"] is not None:
        _trained(page, run, summary["trained"])
    return page


def _scoring(run: Run, summary: dict[str, Any], comparator: str | None, alpha: float | None) -> Report:
    settings = run.settings
    measured: dict[str, dict[str, dict[int, float]]] = {}
    for row in read_lines(run.path / SCORES):
        score = np.nan if row["score"] is None else row["score"]
        measured.setdefault(row["ranker"], {}).setdefault(row["arch"], {})[row["repeat"]] = score
    samples = {
        name: {arch: np.array([scores[v] for v in sorted(scores)]) for arch, scores in sorted(of_archs.items())}
        for name, of_archs in measured.items()
    }
    page = Report(
        f"Scores of {summary['archs']} architectures of {settings['space']['name']}",
        f"{summary['scores']} scores by {', '.join(settings['rankers'])}, {settings['repeats']} repeats",
    )
    if summary["failed"]:
        failed: dict[str, int] = {}
        for figures in summary["rankers"].values():
            for status, count in figures["failed"].items():
                failed[status] = failed.get(status, 0) + count
        page.sentence(words.failures(failed))
    varying = {name: of for name, of in samples.items() if max(map(len, of.values())) > 1}
    _varies(page, varying, settings["evaluate"]["vary"])
    described = summary["described"]
    for name in settings["rankers"]:
        page.heading(f"By {name}")
        direction = rankers.get(name).direction
        if name not in varying:
            first = {arch: direction * float(sample[0]) for arch, sample in samples[name].items()}
            best = max(np.nan_to_num(list(first.values()), nan=-np.inf))
            tied = [arch for arch, score in first.items() if score == best]
            page.sentence(
                f"{name} depends on nothing that was drawn anew, so there is one score of each; the best has"
                f" {words.listed(tied)}."
            )
            continue
        try:
            choice = choose(
                samples[name],
                direction=direction,
                comparator=comparator or "mannwhitney",
                alpha=alpha or 0.05,
                seed=settings["seed"],
            )
        except order.UndecidableDesign as refusal:
            page.sentence(f"Nothing can be decided from these scores: {refusal}")
            continue
        page.sentence(f"{choice.winner} comes first.")
        page.sentence(
            words.indistinguishable(
                choice.winner,
                choice.indistinguishable,
                repeats=settings["repeats"],
                alpha=choice.alpha,
                needed=choice.repeats_to_tell,
                comparator=choice.comparator,
            )
        )
        if choice.contradictions:
            page.sentence(words.contradiction(choice.winner, choice.contradictions))
        _finalists(page, choice, name, described, {})
        _against_parameters(page, choice, name, described, {})
    return page


def _finalists(
    page: Report,
    choice: Choice,
    ranker: str,
    described: Mapping[str, Any],
    targets: Mapping[str, float | None],
) -> None:
    """The samples of those who came near, who beats whom, and the figures of each."""
    shown, direction = choice.finalists(MOST_FINALISTS), choice.direction
    drawn = {arch: choice.samples[arch] for arch in shown}
    page.heading("Finalists")
    page.figure(
        pictures.strips(drawn, winner=choice.winner, members=choice.indistinguishable, name=ranker),
        f"Every score of {ranker} as it was measured"
        + ("" if direction > 0 else " (smaller is better)")
        + ": the winner in orange, those that cannot be told from it in blue, the next ones in grey; bars are medians.",
    )
    oriented = [direction * drawn[arch] for arch in shown]
    tested = choice.comparator != "mean"
    rows = []
    for arch, sample in zip(shown, oriented, strict=True):
        superior = order.superiority(oriented[0], sample, missing="lowest") if arch != choice.winner else None
        row = [
            arch,
            f"{direction * float(np.nanmedian(sample)):.5g}" if np.isfinite(sample).any() else "none",
            len(sample),
            "" if superior is None else f"{superior.value:.2f} [{superior.low:.2f}, {superior.high:.2f}]",
            "" if superior is None or not tested else f"{choice.p_adjusted[arch]:.3g}",
            "" if superior is None or not tested else _repeats(superior.value, choice),
            f"{choice.stability.get(arch, 0):.0%}",
        ]
        if described:
            row.append(f"{_parameters(described[arch]):,.0f}")
        if any(value is not None for value in targets.values()):
            row.append("" if targets.get(arch) is None else f"{targets[arch]:.5g}")
        rows.append(row)
    headers = [
        "architecture",
        f"median {ranker}",
        "V",
        "P(winner better)",
        "p, Holm",
        "repeats to tell",
        "wins when shuffled",
    ]
    headers += ["parameters"] * bool(described) + ["target"] * any(value is not None for value in targets.values())
    page.table(headers, rows)
    page.sentence(
        "P(winner better) is the chance that a score of the winner is better than one of the other, ties half, with"
        " the interval of Newcombe (2006). Repeats to tell: about how many of each would tell it from the winner at a"
        " power of 80 % (Noether 1987). Wins when shuffled: the share of 200 orders of the list in which Stat-MAX"
        " ends at this architecture."
    )
    if len(shown) > 1:
        try:
            pairs = order.pairwise(oriented, missing="lowest", alpha=choice.alpha)
        except order.UndecidableDesign as refusal:
            page.sentence(f"All pairs at once cannot be decided: {refusal}")
            return
        page.figure(
            pictures.matrix(shown, pairs.p_adjusted, pairs.decision),
            "p that the row is better than the column (Mann-Whitney, Holm over all ordered pairs shown); filled where"
            f" it is below {choice.alpha:g}.",
        )


def _varies(page: Report, samples: Mapping[str, Mapping[str, np.ndarray]], vary: str | None) -> None:
    """How much each ranker varies, and where weights and batch were both drawn anew, what of it all share."""
    from gnomon.search.variation import coefficient_of_variation

    rows, facts = [], []
    for name, of_archs in samples.items():
        listed = list(of_archs.values())
        found = coefficient_of_variation(listed)
        if found.value is None or found.low is None:
            continue
        rows.append({"ranker": name, "value": found.value, "low": found.low, "high": found.high})
        row: list[Any] = [name, f"{found.value:.3g} [{found.low:.3g}, {found.high:.3g}]"]
        if vary == "both":
            share = components(listed).share
            row.append(words.span(share.to_dict()))
        facts.append(row)
    if not rows:
        return
    page.heading("Variation")
    if len(rows) > 1:
        page.figure(
            pictures.variation(rows),
            "Coefficient of variation: standard deviation over repeats divided by |mean|, averaged over architectures"
            " (Variation Matters, equation 1), with bootstrap intervals over architectures.",
        )
    page.table(["ranker", "coefficient of variation", *(["share of the batch"] if vary == "both" else [])], facts)
    if vary == "both":
        page.sentence(
            "The share of the batch is what repeats have in common over architectures, since all see the same batch;"
            " the rest is due to the weights, and to what a batch does to single architectures. It is the least that"
            " batches are responsible for."
        )


def _against_parameters(
    page: Report,
    choice: Choice,
    ranker: str,
    described: Mapping[str, Any],
    targets: Mapping[str, float | None],
) -> None:
    """The ranker beside the number of parameters, and both beside the truth, as far as these are known."""
    samples = choice.samples
    known = [arch for arch, sample in samples.items() if np.isfinite(sample).any()]
    means = [float(samples[arch][np.isfinite(samples[arch])].mean()) for arch in known]
    counts = [_parameters(described[arch]) for arch in known] if described else []
    truth = [target for arch in known if (target := targets.get(arch)) is not None]
    panels: list[tuple[str, Sequence[float], str, Sequence[float]]] = []
    if len(set(counts)) > 1:
        panels.append(("parameters", counts, f"mean {ranker}", means))
    if len(truth) == len(known):
        panels.append((f"mean {ranker}", means, "target", truth))
        panels += [("parameters", counts, "target", truth)] if counts else []
    if len(known) < 3 or not panels:
        return
    page.heading("Beside parameters and truth" if truth else "Beside the number of parameters")
    if len(set(counts)) > 1:
        correlation = words.span(spearman(choice.direction * np.array(means), counts).to_dict(), sign=True)
        page.sentence(f"Rank correlation of {ranker} (better is up) with the number of parameters: {correlation}.")
    page.figure(
        pictures.scatter(
            panels, [arch in choice.indistinguishable for arch in known], "cannot be told from the winner"
        ),
        "Every architecture seen. A ranker that only counts parameters adds nothing to counting them.",
    )


def _trained(page: Report, run: Run, verdict: Mapping[str, Any]) -> None:
    """The finalists and the drawn ones after training."""
    rows = [row for row in read_lines(run.path / TRAINED) if row["held_out_loss"] is not None]
    page.heading("Trained")
    page.sentence(verdict["sentence"])
    table = sorted(rows, key=lambda row: row["held_out_loss"])
    page.table(
        ["architecture", "group", "parameters", "training loss", "held-out loss"],
        [
            [
                row["arch"],
                ", ".join(row["groups"]),
                f"{row['params_non_embedding']:,}",
                f"{row['train_loss']:.4f}",
                f"{row['held_out_loss']:.4f}",
            ]
            for row in table
        ],
    )
    scores = verdict["scores"]
    losses = [row["held_out_loss"] for row in rows]
    page.figure(
        pictures.scatter(
            [
                (f"mean {verdict['ranker']}", [scores[row["arch"]] for row in rows], "held-out loss", losses),
                ("parameters", [row["params_non_embedding"] for row in rows], "held-out loss", losses),
            ],
            [FINALIST in row["groups"] for row in rows],
            "finalists",
        ),
        "Held-out loss after training (nats per token), against the score before training and against size.",
    )
    correlations = verdict["correlations"]
    page.table(
        ["ranker", "Spearman with minus the loss", "beyond parameters"],
        [
            [
                name,
                words.span(each["spearman"], sign=True),
                words.span(each["beyond_params"], sign=True) if "beyond_params" in each else "",
            ]
            for name, each in correlations.items()
        ],
    )


def _repeats(superiority: float | None, choice: Choice) -> str:
    """About how many repeats would tell a candidate from the winner."""
    if superiority is None or superiority <= 0.5:
        return "no number"
    return str(order.repeats_to_tell(superiority, alpha=choice.alpha, comparisons=len(choice.samples) - 1))


def _parameters(described: Mapping[str, float]) -> float:
    return float(next(described[key] for key in PARAMS if key in described))
