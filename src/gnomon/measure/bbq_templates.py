"""BBQ's templates, filled with its vocabularies: items of a category from the CSV files that its authors wrote.

What a template fixes is filled in as they did, to the letter. What they drew at random is drawn here from a seed: the
words of lexical diversity, the wording of "unknown", the order of the answers and, in Religion, the groups that a
stereotyped one is set beside. So another seed gives another version of the instrument with the same contents, which is
what a repeat over versions, or a check for memorised items, needs.
"""

import csv
import io
import itertools
import json
import random
import re
from collections.abc import Iterator

import polars as pl

from gnomon import data
from gnomon.errors import UserError
from gnomon.measure.bbq import items_of
from gnomon.seeds import derive

CATEGORIES = ("Age", "Religion", "Physical_appearance")
"""Categories whose templates are in the registry, and whose way of choosing names is here."""

UNKNOWN = (
    "Unknown",
    "Cannot be determined",
    "Can't be determined",
    "Not answerable",
    "Not known",
    "Not enough info",
    "Not enough information",
    "Cannot answer",
    "Can't answer",
    "Undetermined",
)
"""The wordings, in the published items, of the answer that it cannot be told."""

CONTRASTS = 5
"""In Religion, so many groups are set beside each stereotyped one."""

_LISTED = re.compile(r"(NAME1|NAME2|WORD1|WORD2):\s*\[(.*?)\]")
_ARTICLE = re.compile(r"(?<=\s)([aA]) (?=[aeiouAEIOU])")

Template = dict[str, str]


def expand(category: str, *, seed: int = 0) -> pl.DataFrame:
    """The items of `category` (Age, Religion, Physical_appearance) from its templates, as an instrument holds them.

    Every pair of names of a template gives four items, numbered as the published ones: the negative question with the
    ambiguous and with the disambiguated context, then the other question. Age has 3,680, Religion 1,200 and
    Physical_appearance 1,576 of them. `load_instrument("bbq", items=expand("Age"))` makes them an instrument.

    They agree with the published items (`bbq/preds_*`) as follows. Each has the published one's number, template,
    polarity, context and stereotyped groups; in Age and Physical_appearance also its two names, in Religion that of the
    stereotyped group. Every published context, question and pair of answers, and which answer is right, is that of its
    template for some choice of the words that were drawn. The groups of answers agree but in 36 items of
    Physical_appearance: where one name is part of the other ("tattoos", "no tattoos"), the published file gives both
    answers to the same group, so that their target cannot be told; here it can. What was drawn does not agree.

    Raises UserError for a category that has no templates here, and where the registry does not find its files.
    """
    if category not in CATEGORIES:
        raise UserError(f"expand: category = {category!r} has no templates here; there are {', '.join(CATEGORIES)}.")
    quads = [quad for template in _templates(category) for quad in _quads(category, template, seed)]
    published = [item | {"example_id": place} for place, item in enumerate(item for quad in quads for item in quad)]
    return items_of(pl.DataFrame(published), where=f"templates of {category}")


def _templates(category: str) -> list[Template]:
    rows = csv.DictReader(io.StringIO(data.read_text(f"bbq/templates/{category}")))
    return [row for row in rows if row["Ambiguous_Context"]]


def _quads(category: str, template: Template, seed: int) -> Iterator[list[dict[str, object]]]:
    """Four items for each pair of names of a template."""
    words = _listed(template["Lexical_diversity"])
    which = (category, template["Q_id"], template.get("version") or "")
    for first, second in _pairs(category, template, seed):
        draw = random.Random(derive(seed, "bbq", *which, "words", *sorted((first, second))))
        slots = {slot: draw.choice(words[slot]) for slot in sorted(words)} | {"NAME1": first, "NAME2": second}
        draw = random.Random(derive(seed, "bbq", *which, "answers", first, second))
        yield list(_four(category, template, slots, unknown=draw.choice(UNKNOWN), order=draw.sample(range(3), 3)))


def _pairs(category: str, template: Template, seed: int) -> Iterator[tuple[str, str]]:
    """The pairs NAME1, NAME2 of a template, in the published order.

    Templates with lists of names take every pair of them. The others, in Religion, set each stereotyped group beside
    groups that are not, both ways round.
    """
    if names := _listed(template.get("Names", "")):
        yield from itertools.product(names["NAME1"], names["NAME2"])
        return
    stereotyped = json.loads(template["Known_stereotyped_groups"])
    groups = _vocabulary(category)
    others = [group for group in groups if group not in stereotyped]
    for group in (group for group in groups if group in stereotyped):
        draw = random.Random(derive(seed, "bbq", category, template["Q_id"], "contrasts", group))
        for other in draw.sample(others, CONTRASTS):
            yield group, other
            yield other, group


def _vocabulary(category: str) -> list[str]:
    rows = csv.DictReader(io.StringIO(data.read_text("bbq/templates/vocabulary")))
    return [row["Name"] for row in rows if row["Category"] == category and row["Pilot_include"] != "No"]


def _four(
    category: str, template: Template, slots: dict[str, str], *, unknown: str, order: list[int]
) -> Iterator[dict[str, object]]:
    """The items of one filling, without their numbers. `order[i]` is which of the three answers stands at place i."""
    ambiguous = _filled(template["Ambiguous_Context"], slots)
    contexts = {"ambig": ambiguous, "disambig": f"{ambiguous} {_filled(template['Disambiguating_Context'], slots)}"}
    negative, non_negative = (_filled(template[f"Answer_{kind}"], slots) for kind in ("negative", "non_negative"))
    # An answer's person is the name that its template puts into it.
    named = ["NAME1", "NAME2"] if "{{NAME1}}" in template["Answer_negative"] else ["NAME2", "NAME1"]
    people = [(slots[slot], template.get(f"{slot}_info") or slots[slot]) for slot in named]
    answers = [(negative, *people[0]), (non_negative, *people[1]), (unknown, unknown, "unknown")]
    placed = [answers[which] for which in order]
    for polarity, column, answer in (
        ("neg", "Question_negative_stereotype", 0),
        ("nonneg", "Question_non_negative", 1),
    ):
        for condition, context in contexts.items():
            yield {
                "category": category,
                "question_index": template["Q_id"],
                "question_polarity": polarity,
                "context_condition": condition,
                "context": context,
                "question": _filled(template[column], slots),
                **{f"ans{place}": text for place, (text, _, _) in enumerate(placed)},
                "answer_info": {f"ans{place}": [name, group] for place, (_, name, group) in enumerate(placed)},
                "additional_metadata": {
                    "stereotyped_groups": json.loads(template["Known_stereotyped_groups"]),
                    "version": template.get("version") or "None",
                },
                "label": order.index(2 if condition == "ambig" else answer),
            }


def _filled(text: str, slots: dict[str, str]) -> str:
    """A template's text with its slots filled.

    Where a name begins with a vowel, every "a" after a space and before a vowel becomes "an", as in the published items
    ("an university student", too, and a grade of "an An").
    """
    for slot, value in slots.items():
        text = text.replace(f"{{{{{slot}}}}}", value)
    if any(slots[name][0] in "aeiouAEIOU" for name in ("NAME1", "NAME2")):
        text = _ARTICLE.sub(r"\1n ", text)
    return text.strip()


def _listed(cell: str) -> dict[str, list[str]]:
    """The lists of a template's cell, such as `NAME1: [one, two]; NAME2: [three]`."""
    return {slot: [word.strip() for word in words.split(",")] for slot, words in _LISTED.findall(cell)}
