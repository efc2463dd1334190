"""Training of packs on a corpus of a few sentences: what is read, what comes out, and that it comes out again."""

import json
from pathlib import Path

import pytest

from gnomon.errors import UserError
from gnomon.runs.progress import Progress
from gnomon.story import corpora, packs, training
from gnomon.story.tokens import tokenise

CONLLU = """\
# newdoc id = one
# text = I don't see Ann.
1	I	I	PRON	PRP	Case=Nom|Number=Sing|Person=1|PronType=Prs	4	nsubj	_	_
2-3	don't	_	_	_	_	_	_	_	_
2	do	do	AUX	VBP	Mood=Ind|Tense=Pres|VerbForm=Fin	4	aux	_	_
3	n't	not	PART	RB	Polarity=Neg	4	advmod	_	_
4	see	see	VERB	VB	VerbForm=Inf	0	root	_	_
5	Ann	Ann	PROPN	NNP	Number=Sing	4	obj	_	SpaceAfter=No
6	.	.	PUNCT	.	_	4	punct	_	_

# text = a flower-bed
1	a	a	DET	DT	Definite=Ind|Abbr=Yes	4	det	_	_
2	flower	flower	NOUN	NN	Number=Sing	4	compound	_	SpaceAfter=No
3	-	-	PUNCT	HYPH	_	4	punct	_	SpaceAfter=No
4	bed	bed	NOUN	NN	Number=Sing	0	root	_	_

"""


def test_a_treebank_is_laid_on_our_words():
    first, second = corpora._sentences(CONLLU, "en")
    assert [word.form for word in first.words] == ["I", "do", "n't", "see", "Ann", "."]
    assert first.heads == [3, 3, 3, 3, 3, 3]
    assert first.deps == ["nsubj", "aux", "advmod", "root", "obj", "punct"]
    assert first.lemmas[:3] == ["I", "do", "not"]
    assert first.document == second.document == "one"
    assert [word.form for word in second.words] == ["a", "flower-bed"]
    assert second.pos == ["DET", "NOUN"]
    assert second.heads == [1, 1]
    assert second.lemmas == ["a", "flower-bed"]
    assert second.morphs == ["Definite=Ind", "Number=Sing"]


def test_detokenised_as_a_novel_prints_it():
    spaced = "\" Do n't you see , Mr. Bell ? \" said Ann -- that boys ' aunt ( my aunt 's ) ."
    tokens = spaced.split(" ")
    text, spans = corpora.detokenise(tokens)
    assert text == "\"Don't you see, Mr. Bell?\" said Ann--that boys' aunt (my aunt's)."
    assert [text[start:end] for start, end in spans] == tokens


def test_noun_phrases_are_cut_after_their_noun():
    tokens = ["the", "old", "man", "who", "sat", "in", "the", "corner", "of", "the", "room"]
    assert corpora.base_noun_phrase(tokens, 0, 10) == (0, 2)
    assert corpora.base_noun_phrase(["Duke", "of", "York", ",", "a", "fool"], 0, 5, keep_of=True) == (0, 2)


def test_of_entities_that_overlap_the_inner_one_stays():
    found = [(0, 4, "PERSON_NOMINAL"), (3, 4, "PLACE"), (6, 6, "PERSON"), (6, 6, "PERSON")]
    assert corpora._innermost(found) == [(3, 4, "PLACE"), (6, 6, "PERSON")]


def test_one_work_of_litbank():
    stored = {
        "work": "w",
        "entities_tsv": "The\tB-PER\tO\nold\tI-PER\tO\nman\tI-PER\tO\nof\tI-PER\tO\nBath\tI-PER\tB-GPE\nspoke\tO\tO\n.\tO\tO\n\nShe\tB-PER\tO\nleft\tO\tO\n.\tO\tO\n",
        "events_tsv": "The\tO\nold\tO\nman\tO\nof\tO\nBath\tO\nspoke\tEVENT\n.\tO\n\nShe\tO\nleft\tEVENT\n.\tO\n",
        "coref_ann": "MENTION\tT1\t0\t0\t0\t4\tx\tPER\tNOM\nMENTION\tT2\t0\t4\t0\t4\tBath\tGPE\tPROP\nMENTION\tT3\t1\t0\t1\t0\tShe\tPER\tPRON\n",
        "text_txt": "The old man of Bath spoke .\nShe left .\n",
        "quotations_ann": "QUOTE\tQ1\t1\t0\t1\t2\tx\n",
    }
    first, second = corpora._work(stored)
    assert first.text == "The old man of Bath spoke."
    assert first.entities == [(0, 2, "PERSON_NOMINAL"), (4, 4, "PLACE")]
    assert first.events == [5]
    assert first.quoted == [False] * 7
    assert second.quoted == [True] * 3


# -- a whole training ------------------------------------------------------------------------------------------------

PEOPLE, PLACES, VERBS = ["Ann", "Tom", "Zoe"], ["Rome", "Bath"], ["ran", "rode", "walked"]


def treebank(name, part):
    found = []
    for number in range(12):
        text = f"{PEOPLE[number % 3]} {VERBS[number % 3]} to {PLACES[number % 2]}."
        words = tokenise(text, "en")
        found.append(
            corpora.Parsed(
                f"{part}{number % 4}",
                words,
                ["x", ["run", "ride", "walk"][number % 3], "to", "y", "."],
                ["PROPN", "VERB", "ADP", "PROPN", "PUNCT"],
                ["", "Tense=Past|VerbForm=Fin", "", "", ""],
                [1, 1, 3, 1, 1],
                ["nsubj", "root", "case", "obl", "punct"],
            )
        )
    return found


def litbank(part):
    return [
        corpora.Annotated(f"{part}{number % 3}", "", each.words, [(0, 0, "PERSON"), (3, 3, "PLACE")], [1], [False] * 5)
        for number, each in enumerate(treebank("", part))
    ]


SMALL = [
    *(f"{part}.{key}" for part in ("grammar", "fiction") for key in ("width=16", "depth=1", "hidden=8", "rows=0.02", "epochs=2", "batch_words=20")),
    "triggers.rows=64",
    "triggers.hidden=4",
    "triggers.epochs=2",
]  # fmt: skip


@pytest.fixture
def toy(monkeypatch):
    pytest.importorskip("spacy")
    monkeypatch.setattr(corpora, "read_treebank", treebank)
    monkeypatch.setattr(corpora, "read_litbank", litbank)
    monkeypatch.setattr(training, "_require_data", lambda language: None)
    packs._load.cache_clear()


def trained(folder, *overrides, seed=3, resume=False):
    recipe = training.read_recipe("en", None, [*SMALL, *overrides], seed=seed)
    return training.train_extractor(recipe, out=folder, resume=resume, progress=Progress(quiet=True))


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(toy, tmp_path):
    one, other = trained(tmp_path / "a"), trained(tmp_path / "b")
    assert content(one.path / "pack") == content(other.path / "pack")
    assert {"grammar/weights.safetensors", "fiction/weights.safetensors", "fiction/triggers.safetensors"} <= set(
        content(one.path / "pack")
    )
    third = trained(tmp_path / "c", seed=4)
    assert (
        content(third.path / "pack")["grammar/weights.safetensors"]
        != content(one.path / "pack")["grammar/weights.safetensors"]
    )
    summary = one.summary()
    assert summary["language"] == "en"
    assert summary["hash"] == packs.load(path=one.path / "pack").hash
    assert {"uas", "las", "pos", "features", "lemma"} == set(summary["grammar"])
    assert {"precision", "recall", "f1"} == set(summary["events"])
    assert {"names", "PERSON name", "PLACE nominal"} <= set(summary["entities"])
    assert packs.load(path=one.path / "pack").analyse(["Ann ran to Bath."])[0].tokens
    assert trained(tmp_path / "a", resume=True).path == one.path  # finished: nothing is done


@pytest.mark.parametrize("batch", [5, 11])
def test_a_run_that_was_killed_ends_with_the_same_bytes(toy, tmp_path, monkeypatch, batch):
    whole = trained(tmp_path / "whole")
    real, calls = training._batches, 0

    def killed(*arguments):
        nonlocal calls
        for each in real(*arguments):
            calls += 1
            if calls == batch:
                raise RuntimeError("killed")
            yield each

    monkeypatch.setattr(training, "_batches", killed)
    with pytest.raises(RuntimeError, match="killed"):
        trained(tmp_path / "cut")
    monkeypatch.setattr(training, "_batches", real)
    again = trained(tmp_path / "cut", resume=True)
    assert content(again.path / "pack") == content(whole.path / "pack")
    assert again.summary()["grammar"] == whole.summary()["grammar"]


def test_what_is_asked_for_must_make_sense(tmp_path):
    with pytest.raises(UserError, match="en or ro"):
        training.read_recipe("fr")
    with pytest.raises(UserError, match="lr_epochs"):
        training.read_recipe("en", None, ["grammar.epochs=9"])
    with pytest.raises(UserError, match="--language ro"):
        training.read_recipe("ro", Path("recipes/story-extractor-en.toml"))
    recipe = training.read_recipe("ro", None, [], seed=7)
    assert (recipe.seed, recipe.language) == (7, "ro")
    with pytest.raises(UserError, match="--resume needs --out"):
        training.train_extractor(recipe, resume=True)


def test_corpora_that_are_missing_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GNOMON_CACHE_DIR", str(tmp_path))
    with pytest.raises(UserError, match="GNOMON_DATA_DIR"):
        training.train_extractor(training.read_recipe("ro"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("language", ["en", "ro"])
def test_the_recipe_files_are_what_runs_without_one(language):
    path = Path(__file__).parents[2] / f"recipes/story-extractor-{language}.toml"
    assert training.read_recipe(language, path) == training.read_recipe(language)


def test_names_are_replaced_by_new_ones_and_titles_stay():
    import random

    forms = ["Sir", "Thomas", "met", "her", "in", "BATH"]
    renamed = training._renamed(forms, [(0, 1, "PERSON"), (5, 5, "PLACE"), (3, 3, "PERSON_NOMINAL")], random.Random(1))
    assert [renamed[at] for at in (0, 2, 3, 4)] == ["Sir", "met", "her", "in"]
    assert renamed[1] not in forms
    assert renamed[1].istitle()
    assert renamed[5].isupper()
    assert json.dumps(renamed) == json.dumps(
        training._renamed(forms, [(0, 1, "PERSON"), (5, 5, "PLACE"), (3, 3, "PERSON_NOMINAL")], random.Random(1))
    )
