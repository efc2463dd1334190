"""What results say in plain sentences: what was found, and what cannot be concluded from it.

Results are read as the JSON that the commands print, so a page written again from a run says the same.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

TERMS = {
    "L_d": "the loss at the break (L_d)",
    "r_d": "the slope after the break (r_d)",
    "t_d": "the place of the break (t_d)",
    "T": "the length of the run (T)",
}

FEWEST = 10  # resampling fewer independent changes than this gives intervals that are too narrow to lean on


def span(estimate: dict[str, Any] | None, sign: bool = False, *, whole: bool = False) -> str:
    """An estimate with its interval, with the digits that the interval's width leaves meaning; `whole` for steps."""
    if estimate is None or estimate["value"] is None:
        reason = None if estimate is None else estimate.get("reason")
        return f"undefined ({reason})" if reason else "none"
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    plus = "+" if sign else ""
    if low is None or high is None:
        return f"{value:,.0f}" if whole else number(value, sign)
    decimals = 0 if whole else 4
    if high > low and not whole:
        # Two digits of the half width; of a value that is much smaller still, its own second digit.
        half = (high - low) / 2
        decimals = min(10, max(0, 1 - math.floor(math.log10(max(min(half, abs(value)), half / 10)))))
        if value:
            decimals = min(decimals, max(0, 4 - math.floor(math.log10(abs(value)))))  # five digits are enough
    return f"{value:{plus},.{decimals}f} [{low:{plus},.{decimals}f}, {high:{plus},.{decimals}f}]"


def number(value: float, sign: bool = False) -> str:
    """A number by itself: four digits, and whole from a thousand on."""
    form = ",.0f" if abs(value) >= 1000 else ".4g"
    return f"{value:{'+' if sign else ''}{form}}"


def percent(share: float) -> str:
    """A share as a percentage, with the digits that matter near 0 and near 1."""
    if abs(share) < 5e-5:
        return "0%"
    near = min(abs(share), abs(1 - share))
    return f"{share:.0%}" if near >= 0.1 else f"{share:.1%}" if near >= 0.005 else f"{share:.2%}"


def listed(names: list[str], most: int = 6) -> str:
    """Names in a row, the first `most` of them."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def short_names(sources: Sequence[str]) -> list[str]:
    """Sources by as few of their last path parts as tell them apart."""
    split = [Path(source).parts or (source,) for source in sources]
    for count in range(1, max(map(len, split)) + 1):
        names = ["/".join(parts[-count:]) for parts in split]
        if len(set(names)) == len(set(sources)):
            return names
    return list(sources)


# -- fits ------------------------------------------------------------------------------------------------------


def fit_found(curve: dict[str, Any]) -> list[str]:
    """What one curve's fit says."""
    name = curve["metric"]
    if curve["verdict"] == "none":
        return [
            f"No deceleration is found in {name} up to step {curve['T']:,.0f}"
            + (": its slope grows steeper after the break instead." if has_flag(curve, "accelerates") else ".")
        ]
    level = f"{curve['t_d']['level']:.0%} intervals in brackets"
    if curve["t_d"]["low"] is None:
        level = (
            "no intervals in this mode; standard errors are in the table" if curve["se"] else "no intervals asked for"
        )
    start = "decelerates" if curve["verdict"] == "deceleration" else "may decelerate"
    before, after = slope_before(curve), curve["r_d"]["value"]
    then = f"lowers it by {percent(1 - 2**-after)}" if after > 0 else f"raises it by {percent(2**-after - 1)}"
    sentences = [
        f"The {name} {start} at step {span(curve['t_d'], whole=True)}, at a loss of {span(curve['L_d'])} ({level}).",
        f"Before the break a doubling of the steps lowers the loss by {percent(1 - 2**-before)}, after it a doubling"
        f" {then} (r_d = {span(curve['r_d'])}).",
        f"By step {curve['T']:,.0f} the two slopes lead to {span(curve['L_T_hat'])}; the curve that was fitted ends at"
        f" {curve['L_T']:.4g}.",
    ]
    if curve["verdict"] == "uncertain":
        sentences.insert(1, _why_uncertain(curve))
    return sentences


def _slope_before(curve: dict[str, Any]) -> float:
    """The slope that leads to t_d: c0, or c0 + c1 where an earlier break made the loss fall faster first."""
    params = curve["params"]
    earlier = math.exp(params["log_d1"]) < 0.99 * int(curve["t_d"]["value"])
    return float(params["c0"] + params["c1"]) if earlier else float(params["c0"])


def _why_uncertain(curve: dict[str, Any]) -> str:
    reasons = []
    t_d, T = curve["t_d"], curve["T"]
    if T / t_d["value"] < 3:
        reasons.append(f"the run ends {T / t_d['value']:.1f} times as far as the break, and 3 times are asked for")
    if t_d["low"] is not None and math.log(t_d["high"] / t_d["low"]) > 1:
        reasons.append(
            f"the interval of t_d spans a factor of {t_d['high'] / t_d['low']:.1f}, and at most 2.7 is asked for"
        )
    bic, breaks = curve["selection"]["bic"], curve["selection"]["breaks"]
    if bic and (gain := bic["0"] - bic[str(breaks)]) < (needed := curve["selection"]["gain_needed"] * breaks):
        word = "gains" if gain > 0 else "loses"
        reasons.append(f"by BIC a break {word} {abs(gain):.1f}, and a gain of {needed:g} is asked for")
    return "This is not sure: " + (", and ".join(reasons) or "the break's place is not settled by the data") + "."


def slope_before(curve: dict[str, Any]) -> float:
    """The slope of the straight line before the break that is t_d: c0, and what earlier breaks add to it."""
    params = curve["params"]
    breaks = [k for k in (1, 2) if params.get(f"c{k}") is not None]
    at = min(breaks, key=lambda k: abs(params[f"log_d{k}"] - math.log(curve["t_d"]["value"])))
    return float(params["c0"] + sum(params[f"c{k}"] for k in breaks if k < at))


def selection_found(curve: dict[str, Any]) -> str | None:
    """How much better the number of breaks that was fitted is than the others, by BIC; None in compat mode."""
    selection = curve["selection"]
    bic = selection["bic"]
    if len(bic) < 2:
        return None
    names = {"0": "no break", "1": "one break", "2": "two breaks"}
    taken = str(selection["breaks"])
    others = [
        f"{names[k]} would be {'worse' if value > bic[taken] else 'better'} by {abs(value - bic[taken]):.1f}"
        for k, value in bic.items()
        if k != taken
    ]
    return (
        f"{names[taken].capitalize()} {'was' if taken != '2' else 'were'} fitted. By BIC {' and '.join(others)}; each"
        f" further break must bring {selection['gain_needed']:g}. The residuals hang together (autocorrelation"
        f" {selection['autocorrelation']:.2f}), so the points count as {selection['n_eff']:.0f} independent ones."
    )


def fit_cannot(curve: dict[str, Any]) -> list[str]:
    """What one curve's fit cannot tell."""
    sentences = []
    if curve["verdict"] == "none":
        return [
            "This does not say that no break would come later, nor that none is hidden in the noise: a shallow break"
            " needs a longer or a less noisy curve to be told from none."
        ]
    if has_flag(curve, "near_warmup"):
        sentences.append(
            "The break lies near the end of the warm-up, and warm-up alone moves it: it may be the schedule's and not"
            " the model's. Another warm-up would tell."
        )
    else:
        sentences.append(
            "A break in a curve is not a cause. Warm-up, schedule, batch size and order of the data move it too; runs"
            " are comparable where these are alike."
        )
    if curve["t_d"]["low"] is not None:
        sentences.append(
            "The intervals are of this one curve (its residuals resampled): another seed or order of the data may"
            " differ by more."
        )
    sentences.append(
        "L_d is read off the first straight line, which the smooth curve passes above. The model has no floor, so"
        " nothing is said of the loss beyond the last step."
    )
    return sentences


def has_flag(curve: dict[str, Any], code: str) -> bool:
    """Whether a fit raised the flag `code`."""
    return any(flag["code"] == code for flag in curve["flags"])


# -- attribution -----------------------------------------------------------------------------------------------


def attribution_found(result: dict[str, Any]) -> list[str]:
    """What the attribution between two fits says; empty where there is none."""
    attribution = result["attribution"]
    if attribution is None or attribution["delta_log_L_T_hat"]["value"] is None:
        return ["There is no attribution: it needs a break in both curves."]
    delta = attribution["delta_log_L_T_hat"]
    total = delta["value"]
    ratio = math.exp(total) - 1
    lower = total < 0
    sentences = [
        f"By the fits, B ends {abs(ratio):.1%} {'lower' if lower else 'higher'} than A"
        f" (difference of log L_T_hat {span(delta, sign=True)})."
    ]
    terms = {name: term["value"] for name, term in attribution["terms"].items()}
    word = "gain" if lower else "loss"
    parts = []
    for name, value in sorted(terms.items(), key=lambda item: -abs(item[1])):
        share = value / total
        if abs(share) >= 0.005:
            parts.append(
                f"{share:.0%} is {_cause(name, value)}"
                if share > 0
                else f"{_cause(name, value)} takes {-share:.0%} of it back"
            )
    if parts:
        sentences.append(f"Of the {word}, {', '.join(parts)}; the parts add up exactly.")
    unsure = [
        TERMS[name]
        for name, term in attribution["terms"].items()
        if term["low"] is not None and term["low"] <= 0 <= term["high"]
    ]
    if unsure:
        sentences.append(f"Whether {listed(unsure)} plays a part is not shown: the interval holds zero.")
    return sentences


def _cause(name: str, value: float) -> str:
    lower = value < 0
    return {
        "L_d": f"a {'lower' if lower else 'higher'} loss at the break",
        "r_d": f"a {'steeper' if lower else 'flatter'} slope after the break",
        "t_d": f"{'an earlier' if lower else 'a later'} break",
        "T": f"a {'longer' if lower else 'shorter'} run",
    }[name]


def attribution_cannot(result: dict[str, Any]) -> list[str]:
    """What an attribution cannot tell."""
    sentences = [
        "This splits the difference of two fitted curves; it does not say what made it. Two runs differ by their seeds"
        " too, which the intervals do not hold."
    ]
    if any(result[name]["verdict"] == "uncertain" for name in ("a", "b")):
        sentences.append("One of the breaks is uncertain, and the terms that rest on it are no surer than it is.")
    return sentences


# -- changes of loss -------------------------------------------------------------------------------------------


def changes_found(result: dict[str, Any]) -> list[str]:
    """What a result of `changes.measure` says."""
    unit, n = result["unit"], result["n"]
    if result["D"] is None:
        return [
            f"No loss changed: all {n:,} changes are zero, so there is nothing that could cancel and D is undefined."
        ]
    mean, D = result["estimates"]["mean"], result["estimates"]["D"]
    unsure = mean["low"] is not None and mean["low"] <= 0 <= mean["high"]
    doubt = "; its interval holds zero, so a change of the mean is not shown" if unsure else ""
    return [
        f"The mean loss {'fell' if mean['value'] < 0 else 'rose'} from {result['loss_before']:.4g} to"
        f" {result['loss_after']:.4g}, by {span(mean, sign=True)} over {n:,} {unit}s{doubt}.",
        f"Of all movement {percent(D['value'])} cancelled (D = {span(D)}); random signs of changes of these sizes"
        f" would cancel {percent(result['D_null'])}. A change is {result['M']:.4g} in size on average (M).",
        _alignment(result),
        *_groups(result),
    ]


def _alignment(result: dict[str, Any]) -> str:
    below = result["random_signs_below"]
    signs = "random signs" if result["n_clusters"] is None else "random signs of whole sequences"
    start = f"Alignment A = {result['A']:.2f}:"
    if below < 0.025:
        return f"{start} more opposed than chance; {signs} cancel as completely in only {percent(below)} of cases."
    if below > 0.975:
        return f"{start} less opposed than chance; the changes share a direction, and {signs} would cancel more."
    return (
        f"{start} not to be told from chance; {signs} cancel more than this in {percent(below)} of cases. One set of"
        " changes has one sum, so only an A near 0 shows opposition."
    )


def _groups(result: dict[str, Any]) -> list[str]:
    kinds: dict[str, list[str]] = {"got better": [], "got worse": [], "cannot be told": []}
    for group in result["groups"]:
        mean = group["estimates"]["mean"]
        few = (mean["n_clusters"] or mean["n"]) < FEWEST
        if few or mean["low"] is None or mean["low"] <= 0 <= mean["high"]:
            kinds["cannot be told"].append(group["group"])
        else:
            kinds["got better" if mean["value"] < 0 else "got worse"].append(group["group"])
    if not result["groups"]:
        return []
    level = result["estimates"]["mean"]["level"]
    parts = [f"{len(names)} {word} ({listed(names)})" for word, names in kinds.items() if names]
    text = f"Of {len(result['groups'])} groups, by {level:.0%} intervals of their means, {'; '.join(parts)}."
    if kinds["got worse"] and result["mean"] < 0:
        text += " The mean got better while some groups got worse."
    return [text]


def changes_cannot(result: dict[str, Any]) -> list[str]:
    """What a result of `changes.measure` cannot tell."""
    unit = result["unit"]
    sentences = [
        f"This D is of {unit}s: it cannot be set beside a D of another unit, and hardly beside one of another n: the"
        " D of independent changes nears 1 as n grows.",
        "How much cancels does not say why, and less cancelling is not a lower loss: the mean change is (1 - D) M in"
        " size, and M moves too.",
    ]
    if unit == "token" and result["n_clusters"] is None:
        sentences.append(
            "Which tokens belong to one sequence is not known, so the intervals take them as nearly independent and are"
            " likely too narrow; a column 'sequence' in the tables mends that."
        )
    elif unit == "token":
        sentences.append(
            "Tokens of one sequence move together. The intervals resample whole sequences; D_null and A take each"
            " token's sign by itself, which makes a shared direction look stronger than it is."
        )
    if "quantised" in result["flags"]:
        sentences.append(
            "The changes take few distinct values: the losses seem to have been computed or stored in less than"
            " float32, which distorts D."
        )
    return sentences


# -- a training, watched ---------------------------------------------------------------------------------------


def training_found(rows: list[dict[str, Any]]) -> list[str]:
    """What the probe of a training saw, from its metrics."""
    events = [
        row
        for row in rows
        if row.get("stage") == "probe" and row.get("kind") == "loss" and row["split"] == "eval" and row["D"] is not None
    ]
    spans = [event for event in events if event.get("from") is not None] or events
    if not spans:
        return ["The probe saw no change of held-out losses."]
    first, last = spans[0], spans[-1]
    most = max(spans, key=lambda event: event["D"])
    sentences = [
        f"Of the changes of held-out loss per {last['unit']} (n = {last['n']:,}), {percent(first['D'])} cancelled"
        f" {_when(first)} and {percent(last['D'])} {_when(last)}; random signs would have cancelled"
        f" {percent(first['D_null'])} and {percent(last['D_null'])}."
        + ("" if most in (first, last) else f" Most cancelled {_when(most)}: {percent(most['D'])}."),
        f"Alignment went from A = {first['A']:.3g} to {last['A']:.3g} (1: as random signs), the mean size of a change"
        f" from M = {first['M']:.3g} to {last['M']:.3g}.",
    ]
    if last.get("groups"):
        worse = [group["group"] for group in last["groups"] if group["mean"] is not None and group["mean"] > 0]
        if worse and last["mean"] < 0:
            sentences.append(f"{_when(last).capitalize()} the mean loss fell while that of {listed(worse)} rose.")
    return sentences


def _when(event: dict[str, Any]) -> str:
    if event.get("from") is not None:
        return f"from step {event['from']:,} to {event['step']:,}"
    return f"at step {event['step']:,}"


def training_cannot(rows: list[dict[str, Any]]) -> list[str]:
    """What the probe of one training cannot tell."""
    if not any(row.get("stage") == "probe" for row in rows):
        return []
    return [
        "D rises by itself where the mean change shrinks beside the changes' size, so D and the slowing of the loss are"
        " partly one fact told twice; A and M say what D alone does not. Less cancelling is not a lower loss.",
        "Each point is one set of changes in one training: it has no interval here, and another seed gives another"
        " curve. Under random signs, A of one set lies between 0.4 and 1.4 in half of all cases, so a single A below 1"
        " shows no opposition.",
    ]
