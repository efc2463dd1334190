"""BBQ's templates: the published items come out of them, as far as nothing was drawn, and so do their counts."""

import itertools
import json

import polars as pl
import pytest

import gnomon.measure as gm
from gnomon import data
from gnomon.errors import UserError
from gnomon.measure import bbq_templates
from gnomon.measure.bbq_templates import CATEGORIES, UNKNOWN, expand

SIZES = {"Age": 3680, "Religion": 1200, "Physical_appearance": 1576}

HEAD = (
    "Q_id,version,Category,Ambiguous_Context,Disambiguating_Context,Names,Lexical_diversity,Question_negative_stereotype,"
    "Question_non_negative,Answer_negative,Answer_non_negative,Known_stereotyped_groups,NAME1_info,NAME2_info\n"
)
TEMPLATE = (
    '7,a,Age,A {{NAME1}} and a {{NAME2}} sat in the {{WORD1}}. ,The {{NAME2}} slept.,"NAME1: [elm, oak]; NAME2: [fern, ivy, moss]",'
    '"WORD1: [shade, sun]",Who slept?,Who was awake?,The {{NAME2}},The {{NAME1}},"[""tree""]",tree,plant\n'
)
EMPTY = "8" + "," * 13 + "\n"
RELIGION = (
    "Q_id,Category,Ambiguous_Context,Disambiguating_Context,Lexical_diversity,Question_negative_stereotype,"
    "Question_non_negative,Answer_negative,Answer_non_negative,Known_stereotyped_groups\n"
    "1,Religion,A {{NAME1}} one met a {{NAME2}} one.,The {{NAME1}} one left.,,Who left?,Who stayed?,The {{NAME1}} one,"
    'The {{NAME2}} one,"[""Oak"", ""Box"", ""Elm""]"\n'
)
VOCABULARY = "Category,Pilot_include,SubCat,Name,Info,Source\n" + "".join(
    f"Religion,{'No' if name == 'Box' else ''},,{name},,\n"
    for name in ("Elm", "Fir", "Oak", "Yew", "Ash", "Box", "Bay", "Fig", "Gum")
)


@pytest.fixture
def invented(monkeypatch):
    """Small templates about plants in place of BBQ's."""
    texts = {
        "bbq/templates/Age": HEAD + TEMPLATE + EMPTY,
        "bbq/templates/Religion": RELIGION,
        "bbq/templates/vocabulary": VOCABULARY,
    }
    monkeypatch.setattr(bbq_templates.data, "read_text", texts.__getitem__)


def needs(category, *, published=False):
    wanted = [
        f"bbq/templates/{category}",
        "bbq/templates/vocabulary",
        *([f"bbq/preds_{category}"] if published else []),
    ]
    for name in wanted:
        if data.locate(name) is None:
            pytest.skip(f"{name} is not in GNOMON_DATA_DIR")


def test_every_pair_of_names_gives_four_items(invented):
    items = expand("Age")
    assert items["item_id"].to_list() == [f"Age/{i}" for i in range(24)]
    assert items.select("polarity", "context").rows()[:4] == [
        ("neg", "ambig"),
        ("neg", "disambig"),
        ("nonneg", "ambig"),
        ("nonneg", "disambig"),
    ]
    named = [
        {name for name, group in zip(names, groups, strict=True) if group != "unknown"}
        for names, groups in zip(items["names"].to_list(), items["groups"].to_list(), strict=True)
    ]
    assert named[::4] == [{a, b} for a, b in itertools.product(("elm", "oak"), ("fern", "ivy", "moss"))]
    assert set(items["question_index"]) == {"7"}


def test_what_an_item_says(invented):
    for item in expand("Age").iter_rows(named=True):
        people = dict(zip(item["groups"], item["options"], strict=True))
        tree, plant = people["tree"], people["plant"]
        one, other = tree.removeprefix("The "), plant.removeprefix("The ")
        # The first "A" has no space before it, and stays as the authors' rule leaves it.
        a = "an" if other[0] in "aeiou" else "a"
        begins = [f"A {one} and {a} {other} sat in the {word}." for word in ("shade", "sun")]
        question = "Who slept?" if item["polarity"] == "neg" else "Who was awake?"
        told = f" The {other} slept." if item["context"] == "disambig" else ""
        assert item["text"] in {f"{begin}{told} {question}" for begin in begins}
        assert people["unknown"] in UNKNOWN
        assert item["options"][item["target"]] == tree
        right = people["unknown"] if item["context"] == "ambig" else plant if item["polarity"] == "neg" else tree
        assert item["options"][item["label"]] == right


def test_the_four_items_of_a_pair_share_what_was_drawn(invented):
    items = expand("Age", seed=3)
    for start in range(0, len(items), 4):
        four = items[start : start + 4]
        assert four["options"].n_unique() == 1
        assert four["text"].str.extract(r"in the (\w+)\.").n_unique() == 1


def test_another_seed_is_another_version_of_the_same(invented):
    one, again, other = expand("Age", seed=1), expand("Age", seed=1), expand("Age", seed=2)
    assert one.equals(again)
    assert not one.equals(other)
    fixed = ["item_id", "question_index", "polarity", "context", "stereotyped_groups"]
    assert one.select(fixed).equals(other.select(fixed))
    places = pl.concat([expand("Age", seed=seed).select("unknown") for seed in range(40)])["unknown"].value_counts()
    assert len(places) == 3
    assert places["count"].min() > 0.2 * 40 * 24


def test_stereotyped_groups_are_set_beside_others_both_ways(invented):
    items = expand("Religion")
    assert len(items) == 2 * 5 * 2 * 4  # Elm and Oak (Box is not in use), five others, both orders
    firsts = items["text"].str.extract_groups(r"^A (\w+) one met an? (\w+) one").struct.unnest().rows()[::4]
    assert all(first == second[::-1] for first, second in zip(firsts[::2], firsts[1::2], strict=True))
    groups = [pair[0] for pair in firsts[::2]]
    assert groups == ["Elm"] * 5 + ["Oak"] * 5  # in the vocabulary's order
    others = [pair[1] for pair in firsts[::2]]
    assert len(set(others[:5])) == len(set(others[5:])) == 5
    assert set(others) <= {"Fir", "Yew", "Ash", "Bay", "Fig", "Gum"}
    assert items["target"].null_count() == 0


def test_a_category_without_templates_here():
    with pytest.raises(
        UserError, match="category = 'SES' has no templates here; there are Age, Religion, Physical_app"
    ):
        expand("SES")
    with pytest.raises(UserError, match="no templates here"):
        expand("../Age")


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_published_number_of_items_and_an_instrument(category):
    needs(category)
    items = expand(category)
    assert len(items) == SIZES[category]
    assert items["target"].null_count() == 0
    ins = gm.load_instrument("bbq", items=items)
    assert gm.lint(ins).is_empty()
    counts = items.group_by("context", "polarity").len()["len"]
    assert counts.to_list() == [SIZES[category] // 4] * 4


@pytest.mark.parametrize("category", CATEGORIES)
def test_agreement_with_the_published_items_number_by_number(category):
    needs(category, published=True)
    made = expand(category)
    published = gm.load_instrument("bbq", items=data.locate(f"bbq/preds_{category}")).items
    same = ["item_id", "question_index", "polarity", "context", "stereotyped_groups"]
    assert made.select(same).equals(published.select(same))
    if category == "Religion":  # the groups set beside the stereotyped one were drawn, the stereotyped one was not
        stereotyped = [items["names"].list.get(items["target"]).to_list() for items in (made, published)]
        assert stereotyped[0] == stereotyped[1]
        return
    unlike = [
        place for place, both in enumerate(zip(_people(made), _people(published), strict=True)) if both[0] != both[1]
    ]
    # In 36 items of Physical_appearance the published file gives both answers to one group: no target can be told.
    assert unlike == [place for place, target in enumerate(published["target"]) if target is None]
    assert len(unlike) == {"Age": 0, "Physical_appearance": 36}[category]


def _people(items):
    """Of each item, the people with their groups."""
    both = zip(items["names"].to_list(), items["groups"].to_list(), strict=True)
    return [sorted(pair for pair in zip(*two, strict=True) if pair[1] != "unknown") for two in both]


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_published_text_and_answer_is_a_filling_of_its_template(category):
    """Over all words that may have been drawn: context, question, answers and label, in every published item."""
    needs(category, published=True)
    templates = {(row["Q_id"], row.get("version") or "None"): row for row in bbq_templates._templates(category)}
    known = {}
    for line in data.read_text(f"bbq/preds_{category}").splitlines():
        item = json.loads(line)
        which = (item["question_index"], item["additional_metadata"]["version"])
        names = bbq_templates._listed(templates[which].get("Names") or "")
        unknown = next(place for place, info in item["answer_info"].items() if info[1] == "unknown")
        people = sorted(info[0] for place, info in item["answer_info"].items() if place != unknown)
        if names:
            pairs = list(itertools.product(names["NAME1"], names["NAME2"]))
        else:
            pairs, which = list(itertools.permutations(people)), (*which, *people)
        if which not in known:
            known[which] = _fillings(category, templates[which[:2]], pairs)
        answers = frozenset(item[place] for place in item["answer_info"] if place != unknown)
        right = item[f"ans{item['label']}"]
        right = right if item["context_condition"] == "disambig" else None
        assert (*_said(item), answers, right) in known[which], item["example_id"]
        assert item[unknown] in UNKNOWN
        assert right is not None or f"ans{item['label']}" == unknown


def _said(item):
    return tuple(item[column] for column in ("question_polarity", "context_condition", "context", "question"))


def _fillings(category, template, pairs):
    words = bbq_templates._listed(template["Lexical_diversity"])
    found = set()
    for (first, second), drawn in itertools.product(pairs, itertools.product(*words.values())):
        slots = dict(zip(words, drawn, strict=True)) | {"NAME1": first, "NAME2": second}
        for item in bbq_templates._four(category, template, slots, unknown="?", order=[0, 1, 2]):
            right = item[f"ans{item['label']}"] if item["context_condition"] == "disambig" else None
            answers = frozenset((item["ans0"], item["ans1"]))
            found.add((*_said(item), answers, right))
    return found
