"""Language packs: words, lemmas, rules, the classifier of events, and packs that are loaded and read with."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.story import lemmas, packs, rules, training, triggers
from gnomon.story.analysis import Analysis, Entity, Token
from gnomon.story.tokens import tokenise


def forms(text, language="en"):
    return [word.form for word in tokenise(text, language)]


# -- words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I don't know.", ["I", "do", "n't", "know", "."]),
        ("She'd've gone", ["She", "'d", "'ve", "gone"]),
        ("Mr. T. S. Bennet's flower-bed", ["Mr.", "T.", "S.", "Bennet", "'s", "flower-bed"]),
        ("the boys' house", ["the", "boys", "'", "house"]),
        ("take 'em at 5:30 p.m.", ["take", "'em", "at", "5:30", "p.m."]),
        ("He cannot—will not—go…", ["He", "can", "not", "--", "will", "not", "--", "go", "..."]),
        ("a _very_ *odd* thing", ["a", "very", "odd", "thing"]),
        ("O'Brien of the 3rd", ["O'Brien", "of", "the", "3rd"]),
        ("CALL me Ishmael", ["Call", "me", "Ishmael"]),
        ("THE GREAT AND NEW house", ["The", "Great", "and", "new", "house"]),
        ("THE END", ["THE", "END"]),
    ],
)
def test_english_words(text, expected):
    assert forms(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Într-o zi", ["Într-", "o", "zi"]),
        ("omul care-l văzu", ["omul", "care", "-l", "văzu"]),
        ("s-a dus", ["s-", "a", "dus"]),
        ("ducîndu-se", ["ducîndu", "-se"]),
        ("nord-est", ["nord-est"]),
        ("d. Ionescu", ["d.", "Ionescu"]),
    ],
)
def test_romanian_words(text, expected):
    assert forms(text, "ro") == expected


def test_what_means_the_same_has_the_same_forms():
    assert forms("“It’s Ann’s,” he said—twice") == forms("\"It's Ann's,\" he said--twice")
    assert forms("şi ţara când ĭ-a", "ro") == forms("și țara cînd i-a", "ro")


@given(
    st.text(alphabet=st.characters(blacklist_categories=("Cs",)), max_size=60), st.sampled_from(["en", "ro", "other"])
)
@settings(max_examples=200, deadline=None)
def test_words_hold_every_character_once_in_order(text, language):
    words = tokenise(text, language)
    held = [at for word in words for at in range(word.start, word.end)]
    assert held == sorted(set(held))
    left = set(range(len(text))) - set(held)
    assert all(text[at].isspace() or text[at] in "_*" for at in left)
    assert all(word.form or text[word.start : word.end] == "ŭ" for word in words)


# -- lemmas ----------------------------------------------------------------------------------------------------------


def test_lemmas_by_exception_and_by_the_longest_ending():
    past = "Tense=Past|VerbForm=Fin"
    learned = lemmas.train(
        [
            ("walked", "VERB", past, "walk"),
            ("talked", "VERB", past, "talk"),
            ("gazed", "VERB", past, "gaze"),
            ("dozed", "VERB", past, "doze"),
            ("went", "VERB", past, "go"),
        ]
    )
    assert [learned.lemma(word, "VERB", past) for word in ("Stalked", "amazed", "went")] == ["stalk", "amaze", "go"]
    assert learned.lemma("Went", "PROPN", "") == "Went"
    assert learned.lemma("went", "VERB", "") == "go"  # features that the tagger missed
    assert learned.lemma("houses", "NOUN", "Number=Plur") == "houses"  # a class never seen is left alone
    again = lemmas.Lemmatiser(**json.loads(json.dumps(learned.to_dict())))
    assert again.lemma("gazed", "VERB", past) == "gaze"


# -- rules -----------------------------------------------------------------------------------------------------------


def parsed(*rows):
    """Tokens of (form, pos, head, dep[, features])."""
    made, at = [], 0
    for form, pos, head, dep, *rest in rows:
        made.append(Token(at, at + len(form), form.lower(), pos, rest[0] if rest else "", head, dep))
        at += len(form) + 1
    return made, [row[0] for row in rows]


def test_names_by_what_stands_around_them():
    tokens, words = parsed(
        ("Then", "ADV", 2, "advmod"),
        ("Zorvale", "PROPN", 2, "nsubj"),
        ("rode", "VERB", 2, "root"),
        ("to", "ADP", 4, "case"),
        ("Quenholm", "PROPN", 2, "obl"),
        ("with", "ADP", 7, "case"),
        ("old", "ADJ", 7, "amod"),
        ("Brisk", "NOUN", 2, "obl"),
        (".", "PUNCT", 2, "punct"),
    )
    found = rules.names(tokens, words, set(), "en", all_names=False)
    assert found == [Entity(1, 1, "PERSON", "name"), Entity(4, 4, "PLACE", "name"), Entity(7, 7, "PERSON", "name")]
    assert rules.names(tokens, words, {1, 4, 7}, "en", all_names=False) == []


def test_no_name_from_a_heading_a_month_or_an_unsure_first_word():
    tokens, words = parsed(("GREAT", "PROPN", 1, "nsubj"), ("STORM", "PROPN", 1, "root"))
    assert rules.names(tokens, words, set(), "en", all_names=True) == []
    tokens, words = parsed(("In", "ADP", 1, "case"), ("May", "PROPN", 2, "obl"), ("went", "VERB", 2, "root"))
    assert rules.names(tokens, words, set(), "en", all_names=True) == []
    tokens, words = parsed(("Whoever", "PROPN", 1, "obj"), ("came", "VERB", 1, "root"))
    assert rules.names(tokens, words, set(), "en", all_names=True) == []


def test_romanian_events_by_rule():
    past = "Tense=Past|VerbForm=Fin"
    tokens, words = parsed(
        ("Plecă", "VERB", 0, "root", past),
        ("nu", "ADV", 2, "advmod"),
        ("veni", "VERB", 0, "conj", past),
        ("a", "AUX", 4, "aux"),
        ("zis", "VERB", 0, "conj", "VerbForm=Part"),
        ("ar", "AUX", 7, "aux"),
        ("fi", "AUX", 7, "aux"),
        ("mers", "VERB", 0, "conj", "VerbForm=Part"),
        ("mergea", "VERB", 0, "conj", "Tense=Imp|VerbForm=Fin"),
    )
    assert [each.token for each in rules.triggers(tokens, words, [False] * 9)] == [0, 4]
    assert rules.triggers(tokens, words, [True] * 9) == []


# -- events ----------------------------------------------------------------------------------------------------------


def test_the_classifier_adds_up_by_hand(tmp_path):
    table = np.array([[1.0, 0.0], [0.0, -2.0], [0.5, 0.5]], dtype=np.float32)
    made = triggers.Classifier(table, np.array([1.0, 1.0], np.float32), np.array([1.0, 2.0], np.float32), -0.5, 0.4)
    found = made.probabilities([[0, 4], [5]])
    # first: rows 0 and 1, (1, -2) + (1, 1) = (2, -1) -> 2 - 0.5; second: row 2, (1.5, 1.5) -> 4.5 - 0.5
    assert found == pytest.approx([1 / (1 + np.exp(-1.5)), 1 / (1 + np.exp(-4.0))])
    assert made.probabilities([]).shape == (0,)
    triggers.save(tmp_path / "c", made)
    again = triggers.load(tmp_path / "c")
    assert np.array_equal(again.table, table)
    assert again.last_bias == -0.5
    assert again.threshold == pytest.approx(0.4)


def test_the_threshold_is_where_f1_is_best():
    table = np.array([[2.0], [1.0], [0.25], [0.0]], dtype=np.float32)  # probabilities .88, .73, .56, .50
    made = triggers.Classifier(table, np.zeros(1, np.float32), np.ones(1, np.float32), 0.0, 0.5)
    row = triggers.Row([[0], [1], [2], [3]], [True, True, False, False], [False] * 4)
    assert 0.57 <= triggers.best_threshold(made, [row]) <= 0.73
    spoken = row._replace(told=[True, False, False, False], quoted=[False, True, False, False])
    assert 0.57 <= triggers.best_threshold(made, [spoken]) <= 0.88
    assert triggers.best_threshold(made, []) == 0.5


def test_features_know_negation_above_a_joined_verb():
    rows = [
        ("He", "PRON", 3, "nsubj"),
        ("did", "AUX", 3, "aux"),
        ("not", "PART", 3, "advmod"),
        ("stay", "VERB", 3, "root"),
        ("eat", "VERB", 3, "conj"),
    ]
    with_not = triggers.features(parsed(*rows)[0], [4], [False] * 5)[0]
    without = triggers.features(parsed(*rows[:2], ("so", "PART", 3, "advmod"), *rows[3:])[0], [4], [False] * 5)[0]
    assert set(with_not) != set(without)
    assert with_not == triggers.features(parsed(*rows)[0], [4], [False] * 5)[0]


# -- packs -----------------------------------------------------------------------------------------------------------

PARAGRAPHS = [
    "Ilaria Moroșan walked to Tervenholm. “I will not stay,” she said; and the old woman did not follow her.",
    "CHAPTER II",
    "It was late.\nThe captain, who had sailed from Bristol in May,\nsaw the light and called his men.",
    "",
    "— Vin și eu, zise Stanca.",
    "🙂 مرحبا بالعالم 🙂",
    "He ran, and he fell, and he rose. Had he known? No! Mr. Grey opened the door... and went out.",
    "'Oh,' cried Anne, 'look at the sea!'",
]


@pytest.fixture(scope="module")
def english():
    pytest.importorskip("spacy")
    return packs.load("en")


def check(text, analysis):
    """What holds for every analysis."""
    count = len(analysis.tokens)
    last = 0
    for token in analysis.tokens:
        assert last <= token.start < token.end <= len(text)
        last = token.end
        assert 0 <= token.head < count
        assert token.lemma
    for number, token in enumerate(analysis.tokens):
        steps = 0
        while token.head != number:
            number, token, steps = token.head, analysis.tokens[token.head], steps + 1
            assert steps <= count
        assert token.dep == "root"
    taken = [at for each in analysis.entities for at in range(each.first, each.last + 1)]
    assert len(taken) == len(set(taken))
    assert all(0 <= at < count for at in taken)
    assert all(each.label in ("PERSON", "PLACE") and each.kind in ("name", "nominal") for each in analysis.entities)
    assert all(0 <= each.token < count and 0 < each.score <= 1 for each in analysis.triggers)
    assert Analysis.from_bytes(analysis.to_bytes()) == analysis


def test_an_analysis_is_sound_and_the_same_in_every_batch(english):
    together = english.analyse(PARAGRAPHS)
    for text, analysis in zip(PARAGRAPHS, together, strict=True):
        check(text, analysis)
    assert [english.analyse([text])[0] for text in PARAGRAPHS] == together
    assert english.analyse(PARAGRAPHS[::-1] + PARAGRAPHS * 5)[: len(PARAGRAPHS)] == together[::-1]
    assert together[3] == Analysis((), (), ())


def test_lines_and_quotes_change_positions_only(english):
    one, other = english.analyse(["He ran to “Anne”\nand fell.", 'He ran to "Anne" and fell.'])
    assert one == other


def test_names_that_nobody_has_and_simple_events(english):
    text = PARAGRAPHS[0]
    found = english.analyse([text])[0]
    named = {text[found.tokens[e.first].start : found.tokens[e.last].end] for e in found.entities if e.kind == "name"}
    assert "Ilaria Moroșan" in named
    told = {found.tokens[each.token].lemma for each in found.triggers}
    assert {"walk", "say"} <= told
    assert not {"stay", "follow"} & told


def test_a_page_without_a_full_stop_is_read_in_pieces(english):
    text = "and then she went on, " * 300
    found = english.analyse([text])[0]
    check(text, found)
    assert len(found.tokens) == 1800
    assert sum(token.dep == "root" for token in found.tokens) >= 1800 // packs.LONGEST_SENTENCE


@given(st.lists(st.text(max_size=40), max_size=3))
@settings(max_examples=15, deadline=None)
def test_any_text_is_read(texts):
    pack = packs.load("en")
    for text, analysis in zip(texts, pack.analyse(texts), strict=True):
        check(text, analysis)


def test_romanian(english):
    pack = packs.load("ro")
    text = "Stanca plecă din București cu Horea."
    found = pack.analyse([text])[0]
    check(text, found)
    assert {(text[found.tokens[e.first].start : found.tokens[e.last].end], e.label) for e in found.entities} == {
        ("Stanca", "PERSON"),
        ("București", "PLACE"),
        ("Horea", "PERSON"),
    }
    assert [found.tokens[each.token].lemma for each in found.triggers] == ["pleca"]


def test_a_language_without_a_pack_is_read_by_rule():
    pack = packs.load("nl")
    assert (pack.language, pack.hash) == (packs.load(None).language, packs.load("fr").hash)
    text = "Toen ging Willem naar huis."
    found = pack.analyse([text, "HET EINDE", ""])
    assert [(text[found[0].tokens[e.first].start : found[0].tokens[e.last].end]) for e in found[0].entities] == [
        "Willem"
    ]
    assert found[1].entities == ()
    assert found[2] == Analysis((), (), ())


def test_shipped_packs_hold_data_only_with_their_licences():
    files = [path for path in packs.SHIPPED.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".txt", ".md"}
    assert sum(path.stat().st_size for path in files) < 15_000_000
    for part in ("en/grammar", "en/fiction", "ro/grammar"):
        assert "Creative Commons" in (packs.SHIPPED / part / "LICENSE.txt").read_text(encoding="utf-8")
    for language in packs.LANGUAGES:
        manifest = packs.read_manifest(packs.SHIPPED / language)
        assert manifest["language"] == language
        named = set(manifest["files"])
        held = {
            path.relative_to(packs.SHIPPED / language).as_posix()
            for path in files
            if path.suffix == ".safetensors" and language in path.parts
        }
        assert held <= named


def test_a_pack_that_was_changed_is_refused(tmp_path):
    with pytest.raises(UserError, match="not a language pack"):
        packs.load(path=tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(packs.SHIPPED / "ro", copy)
    assert packs.read_manifest(copy)["hash"] == packs.read_manifest(packs.SHIPPED / "ro")["hash"]
    weights = copy / "grammar" / "lemmas.json"
    weights.write_bytes(weights.read_bytes()[:-1] + b" ")
    with pytest.raises(UserError, match=r"lemmas\.json is not what pack\.json says"):
        packs.read_manifest(copy)
    weights.unlink()
    with pytest.raises(UserError, match="is not what"):
        packs.read_manifest(copy)
    manifest = json.loads((copy / "pack.json").read_text(encoding="utf-8"))
    (copy / "pack.json").write_text(json.dumps({**manifest, "format": 99}), encoding="utf-8")
    with pytest.raises(UserError, match="format 99"):
        packs.read_manifest(copy)


def test_a_manifest_may_not_lead_out_of_its_folder(tmp_path):
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    pack = tmp_path / "pack"
    pack.mkdir()
    digest = hashlib.sha256(b"x").hexdigest()
    stored = {"format": packs.FORMAT, "language": "en", "files": {"../secret": digest}}
    (pack / "pack.json").write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(UserError, match="outside"):
        packs.read_manifest(pack)


def test_without_spacy_one_sentence_says_what_to_install(monkeypatch):
    packs._load.cache_clear()
    monkeypatch.setattr(packs, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"gnomon\[story\]"):
        packs.load("en")
    assert packs.load("other").analyse(["x"])
    with pytest.raises(UserError, match=r"gnomon\[story\]"):
        training.train_extractor(training.read_recipe("en"), out=Path("nowhere"))


def test_the_hash_depends_on_every_file():
    files = {"a": "1", "b": "2"}
    assert packs.content_hash(files) == packs.content_hash(dict(reversed(files.items())))
    assert packs.content_hash(files) != packs.content_hash({"a": "1", "b": "3"})
    assert Path(packs.SHIPPED).is_dir()


def test_the_networks_are_loaded_when_a_paragraph_is_first_read():
    code = (
        "import sys\nfrom gnomon.story import Story, extract\nfrom gnomon.story.packs import load\n"
        "text = 'Anna walked to the mill.'\nstory = Story.from_text(text, language='en')\n"
        "assert load('en').hash and 'spacy' not in sys.modules\n"
        "found = extract(story)\nassert 'spacy' in sys.modules and found.events"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""
