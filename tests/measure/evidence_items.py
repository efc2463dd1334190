"""Invented items in BBQ's shape: neutral people, a known number of templates, half of the labels biased."""

import polars as pl

from gnomon.measure.bbq import RULE
from gnomon.measure.instrument import Instrument
from gnomon.measure.library import card
from gnomon.measure.scoring import Scores, score


def instrument(categories=("Hats", "Shoes"), templates=25, copies=2) -> Instrument:
    """`templates` x `copies` x two contexts x two questions x two labels (of the disambiguated) a category."""
    rows = []
    for category in categories:
        for template in range(templates):
            for copy in range(copies):
                for context in ("ambig", "disambig"):
                    for polarity in ("neg", "nonneg"):
                        for named in (0, 1):
                            label = 2 if context == "ambig" else named
                            name = f"{category}/{template}-{copy}-{context}-{polarity}-{named}"
                            rows.append(
                                {
                                    "item_id": name,
                                    "category": category,
                                    "question_index": str(template),
                                    "polarity": polarity,
                                    "context": context,
                                    "text": f"{name}: who wore it?",
                                    "options": ["the tall one", "the short one", "cannot tell"],
                                    "label": label,
                                    "unknown": 2,
                                    "target": 0,
                                    "biased_option": 0 if polarity == "neg" else 1,
                                    "groups": ["tall", "short", "unknown"],
                                    "stereotyped_groups": ["tall"],
                                    "template": f"{category}/{template}",
                                }
                            )
    return Instrument(card("bbq"), pl.DataFrame(rows), RULE)


def answers(ins: Instrument, choose) -> pl.DataFrame:
    """The option that `choose(item)` gives the position of; None: no answer."""
    return pl.DataFrame(
        [
            {"item_id": item["item_id"], "answer": None if (at := choose(item)) is None else item["options"][at]}
            for item in ins.items.iter_rows(named=True)
        ],
        schema={"item_id": pl.String, "answer": pl.String},
    )


def scored(ins: Instrument, choose, **settings) -> Scores:
    return score(ins, answers(ins, choose), **{"B": 200, **settings})
