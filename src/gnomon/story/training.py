"""`gnomon story train-extractor`: the packs of `language_packs/`, made from public corpora by one recipe and one seed.

Stages: `grammar` (parts of speech, features, dependencies, from treebanks), for English `fiction` (names and nouns of
people and places) and `triggers` (events), both from LitBank, then the scores. A run that was killed goes on from its
last whole epoch and ends with the same bytes. Romanian has no corpus of fiction here: names and events are found by
rule in its grammar.
"""

import json
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from gnomon.config import Settings, load
from gnomon.errors import UserError
from gnomon.runs.files import to_json, write_atomic
from gnomon.runs.interruption import Interruption
from gnomon.runs.progress import Progress
from gnomon.runs.store import Run, open_run
from gnomon.seeds import derive
from gnomon.story import corpora, lemmas
from gnomon.story.packs import require_spacy

KIND = "story-extractor"
Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


class NetworkSettings(Settings):
    """A token-to-vector network and the pipes on it. `rows` is a factor on its embedding tables.

    `lr` falls in a straight line that would come to a tenth after `lr_epochs`; what is kept is the mean of all weights.
    """

    width: Positive = 96
    depth: Positive = 4
    hidden: Positive = 64
    rows: Rate = 1.0
    epochs: Positive = 6
    batch_words: Positive = 600
    lr: Rate = 1e-3
    lr_epochs: Positive = 6
    dropout: Share = 0.1

    @model_validator(mode="after")
    def _falls_long_enough(self) -> "NetworkSettings":
        if self.lr_epochs < self.epochs:
            raise ValueError(
                f"lr_epochs = {self.lr_epochs} is less than epochs = {self.epochs}; at least as many are needed."
            )
        return self


class FictionSettings(NetworkSettings):
    """`new_names` is the share of sentences in which people get names that nobody has, made of syllables."""

    new_names: Share = 0.3


class TriggerSettings(Settings):
    """The classifier of events: rows of the table of features, hidden units, and how it is trained.

    From which probability a word is an event is chosen on every eighth work, by a classifier of the others.
    """

    rows: Positive = 131072
    hidden: Positive = 8
    epochs: Positive = 3
    batch_sentences: Positive = 32
    lr: Rate = 5e-3
    dropout: Share = 0.3


class Recipe(Settings):
    """A training. `sentences` caps each corpus, for a trial; `held_out` keeps that share of Romanian for scores."""

    language: Literal["en", "ro"]
    seed: Annotated[int, Field(ge=0)] = 0
    sentences: Positive | None = None
    held_out: Share = 0.1
    grammar: NetworkSettings = NetworkSettings()
    fiction: FictionSettings = FictionSettings()
    triggers: TriggerSettings = TriggerSettings()


DEFAULTS: dict[str, dict[str, Any]] = {"en": {}, "ro": {"grammar": {"epochs": 14, "lr_epochs": 14}}}
"""What differs by language from the settings above; `recipes/story-extractor-LANGUAGE.toml` say the same."""


def read_recipe(
    language: str, path: str | Path | None = None, overrides: Sequence[str] = (), *, seed: int | None = None
) -> Recipe:
    """The recipe at `path`, or the one of the shipped pack, for `language`, with `seed` and `overrides` on top.

    Raises UserError for an unknown language, and for a recipe that is for another one.
    """
    if language not in DEFAULTS:
        raise UserError(f"--language {language}: packs are trained for en or ro.")
    given: dict[str, Any] = {} if path is not None else {**DEFAULTS[language], "language": language}
    recipe = load(Recipe, path, overrides, given=given if seed is None else {**given, "seed": seed})
    if recipe.language != language:
        raise UserError(f"{path}: language = {recipe.language!r}, but --language {language} was asked for.")
    return recipe


def train_extractor(
    recipe: Recipe,
    *,
    out: Path | None = None,
    resume: bool = False,
    root: Path = Path("runs"),
    progress: Progress | None = None,
) -> Run:
    """Carry out `recipe` as a run in the new folder `out` (None: one below `root`), or go on with the one there.

    The pack lies in the run's `pack/`, ready for `packs.load(path=...)` and `gnomon story extract --pack`; its scores
    with intervals in `summary.json`. The same recipe on the same machine gives the same bytes.

    Raises UserError for data that are not on this machine, a folder that is taken, and a resumed run of other settings.
    """
    require_spacy()
    settings = recipe.model_dump(mode="json", exclude_none=True)
    if resume:
        if out is None:
            raise UserError("--resume needs --out with the folder of the interrupted run.")
        if open_run(out).summary() is not None:
            return open_run(out)
        run = Run.resume(out, settings=settings)
    else:
        _require_data(recipe.language)
        run = Run.create(
            out, kind=KIND, name=f"story-extractor-{recipe.language}", settings=settings, seed=recipe.seed, root=root
        )
    shown = progress or Progress()
    interruption = Interruption(shown.say)
    try:
        with interruption.heeded(), shown:
            _Training(recipe, run, shown, interruption).carry_out()
    except KeyboardInterrupt:
        run.mark("interrupted", "stopped by its user")
        raise
    except BaseException as fault:
        run.mark("failed", f"{type(fault).__name__}: {fault}")
        raise
    return run


def _require_data(language: str) -> None:
    from gnomon import data

    names = [f"ud/{bank}/{part}" for bank in corpora.TREEBANKS[language] for part in ("dev", "test")]
    names += ["ud/ewt/train", "litbank/annotated/train", "litbank/annotated/dev"] if language == "en" else []
    missing = [name for name in names if data.locate(name) is None]
    if missing:
        raise UserError(
            f"The corpora {', '.join(missing)} are not on this machine; set GNOMON_DATA_DIR to a folder that holds them"
            f" as {', '.join(data.FILES[name].path for name in missing)}."
        )


class _Training:
    """The stages of one run, each of which leaves a part of the pack."""

    def __init__(self, recipe: Recipe, run: Run, shown: Progress, interruption: Interruption) -> None:
        self.recipe, self.run, self.shown, self.interruption = recipe, run, shown, interruption
        self.pack = run.path / "pack"
        self.pack.mkdir(exist_ok=True)

    def carry_out(self) -> None:
        from gnomon.story import evaluating, packs, triggers

        newest = self.run.latest_checkpoint()
        self.run.rewind(newest[0] if newest else 0)
        treebank, held = self._treebank()
        first = self._networks("grammar", treebank, 0)
        if self.recipe.language == "en" and not (self.pack / "fiction" / triggers.FILE).is_file():
            fiction = self._cap(corpora.read_litbank("train"))
            self._networks("fiction", fiction, first)
            self._triggers(fiction)
        about = {"seed": self.recipe.seed, "experimental": self.recipe.language == "ro"}
        packs.write_manifest(self.pack, self.recipe.language, about)
        self.shown.say("scores")
        summary = evaluating.evaluate(packs.load(path=self.pack), held, seed=self.recipe.seed)
        self.run.finish(summary)

    def _cap(self, sentences: list[Any]) -> list[Any]:
        return sentences if self.recipe.sentences is None else sentences[: self.recipe.sentences]

    def _treebank(self) -> tuple[list[corpora.Parsed], list[corpora.Parsed]]:
        """Sentences to train on and to score on. Romanian has no train part here: blocks of twenty are held."""
        if self.recipe.language == "en":
            return self._cap(_sound(corpora.read_treebank("ewt", "train"))), corpora.read_treebank("ewt", "dev")
        taught: list[corpora.Parsed] = []
        held: list[corpora.Parsed] = []
        every = round(1 / self.recipe.held_out) if self.recipe.held_out else 0
        for bank in corpora.TREEBANKS["ro"]:
            for part in ("dev", "test"):
                for number, sentence in enumerate(corpora.read_treebank(bank, part)):
                    block = number // 20  # neighbours stay together, so that no text is on both sides
                    (held if every and block % every == every - 1 else taught).append(
                        sentence._replace(document=f"{bank}/{part}/{block}")
                    )
        return self._cap(taught), held

    # -- networks ----------------------------------------------------------------------------------------------------

    def _networks(self, part: str, sentences: list[Any], before: int) -> int:
        """Train a part, from its last checkpoint if there is one. Returns the number of epochs so far."""
        import spacy

        from gnomon.story import networks

        settings = getattr(self.recipe, part)
        last = before + settings.epochs
        if (self.pack / part / "part.json").is_file():
            return int(last)
        sizes = settings.model_dump(include={"width", "depth", "hidden", "rows"})
        spacy.util.fix_random_seed(derive(self.recipe.seed, part) % 2**32)
        nlp = networks.build(part, sizes, _labels(part, sentences), exact=False)
        optimizer = _optimizer(settings.lr)
        begun = 0
        if (newest := self.run.latest_checkpoint()) and newest[0] > before:
            begun = newest[0] - before
            _restore(newest[1] / "state.safetensors", nlp, optimizer)
        words = sum(len(sentence.words) for sentence in sentences)
        total, warm, end = settings.epochs * words, 100 * settings.batch_words, settings.lr_epochs * words
        with self.shown.stage(part, total, begun * words) as show:
            for epoch in range(begun, settings.epochs):
                seed = derive(self.recipe.seed, part, epoch) % 2**32
                spacy.util.fix_random_seed(seed)
                losses: dict[str, float] = {}
                done = epoch * words
                for batch in _batches(sentences, settings.batch_words, random.Random(seed)):
                    self.interruption.stop_if_asked()
                    optimizer.learn_rate = settings.lr * min(1.0, done / warm + 0.02) * (1 - 0.9 * done / end)
                    made = [
                        _example(nlp, sentences[number], settings, random.Random(derive(seed, number)))
                        for number in batch
                    ]
                    nlp.update(made, sgd=optimizer, drop=settings.dropout, losses=losses)
                    done += sum(len(sentences[number].words) for number in batch)
                    show(done, f"epoch {epoch + 1} of {settings.epochs}")
                step = before + epoch + 1
                self.run.log(step, **{f"loss_{name}": float(value) / words for name, value in losses.items()})
                if epoch + 1 < settings.epochs:
                    with self.run.checkpoint(step) as folder:
                        _keep(folder / "state.safetensors", nlp, optimizer)
        for _, node, name in networks.parameters(nlp):
            if (node.id, name) in optimizer.averages:
                node.set_param(name, optimizer.averages[(node.id, name)])
        making = self.pack / f".{part}.tmp"
        shutil.rmtree(making, ignore_errors=True)
        networks.save(making, nlp, part, sizes, {"seed": self.recipe.seed})
        if part == "grammar":
            learned = lemmas.train(_lemma_rows(sentences, self.recipe.language))
            text = json.dumps(learned.to_dict(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            write_atomic(making / "lemmas.json", text)
        making.rename(self.pack / part)
        with self.run.checkpoint(last) as folder:
            write_atomic(folder / "done.json", to_json({"part": part}))
        return int(last)

    # -- events ------------------------------------------------------------------------------------------------------

    def _triggers(self, fiction: list[corpora.Annotated]) -> None:
        """The classifier of events on what the grammar sees."""
        from gnomon.story import packs, triggers

        reader = packs.Pack("en", "", self.pack)
        works = sorted({sentence.work for sentence in fiction})
        held = set(works[::8])
        rows: list[triggers.Row] = []
        apart: list[bool] = []
        with self.shown.stage("reading", len(fiction), 0) as show:
            for first in range(0, len(fiction), 256):
                self.interruption.stop_if_asked()
                chosen = fiction[first : first + 256]
                read = reader.grammar_of([each.words for each in chosen])
                for sentence, (_, tokens) in zip(chosen, read, strict=True):
                    at = triggers.candidates(tokens, [False] * len(tokens))
                    told = set(sentence.events)
                    rows.append(
                        triggers.Row(
                            triggers.features(tokens, at, sentence.quoted),
                            [number in told for number in at],
                            [sentence.quoted[number] for number in at],
                        )
                    )
                    apart.append(sentence.work in held)
                show(first + len(chosen), "")
        settings, seed = self.recipe.triggers, self.recipe.seed
        rest = [row for row, kept in zip(rows, apart, strict=True) if not kept]
        trial = triggers.train(rest or rows, settings, seed, self.shown)
        threshold = triggers.best_threshold(trial, [row for row, kept in zip(rows, apart, strict=True) if kept])
        classifier = triggers.train(rows, settings, seed, self.shown)._replace(threshold=threshold)
        triggers.save(self.pack / "fiction" / triggers.FILE, classifier)


def _sound(sentences: list[corpora.Parsed]) -> list[corpora.Parsed]:
    """Without addresses of web pages and mail, fragments of one word, and what is longer than a page."""
    return [
        each
        for each in sentences
        if 1 < len(each.words) < 100 and not any(word.form in ("@", "=", "www", "http") for word in each.words)
    ]


def _labels(part: str, sentences: list[Any]) -> dict[str, Any]:
    """The outputs of each pipe, in the order of the corpus."""
    import spacy

    from gnomon.story import networks

    scratch = spacy.blank("xx")
    settings = FictionSettings(new_names=0)
    examples = [_example(scratch, each, settings, random.Random(0)) for each in sentences]
    found = {}
    for name in networks.PIPES[part]:
        pipe = scratch.add_pipe(name, config={"min_action_freq": 20} if name == "parser" else {})
        pipe.initialize(lambda: examples, nlp=scratch)
        found[name] = pipe.label_data
    return found


def _example(nlp: Any, sentence: Any, settings: NetworkSettings, rng: random.Random) -> Any:
    """A sentence and what is to be found in it."""
    from spacy.tokens import Doc
    from spacy.training import Example

    if isinstance(sentence, corpora.Parsed):
        forms = [word.form for word in sentence.words]
        deps = ["ROOT" if dep == "root" else dep for dep in sentence.deps]
        starts = [number == 0 for number in range(len(forms))]
        truth = Doc(
            nlp.vocab,
            forms,
            pos=sentence.pos,
            morphs=sentence.morphs,
            heads=sentence.heads,
            deps=deps,
            sent_starts=starts,
        )
        return Example(Doc(nlp.vocab, forms), truth)
    forms = [word.form for word in sentence.words]
    tags = ["O"] * len(forms)
    for first, last, label in sentence.entities:
        tags[first : last + 1] = [f"B-{label}"] + [f"I-{label}"] * (last - first)
    if isinstance(settings, FictionSettings) and rng.random() < settings.new_names:
        forms = _renamed(forms, sentence.entities, rng)
    return Example(Doc(nlp.vocab, forms), Doc(nlp.vocab, forms, ents=tags))


_SYLLABLES = (
    "b br c ch d dr f fl g gr h j k kr l m n p ph pr q qu r s sh sk st t th tr v w y z zh",
    "a e i o u ae ai ee ia io oo ou",
)
_ONSETS = tuple(_SYLLABLES[0].split())
_VOWELS = tuple(_SYLLABLES[1].split())
_CODAS = ("", "", "", "l", "m", "n", "r", "s", "th", "x", "sh", "nd", "rt", "ck", "lm", "ss")


def _renamed(forms: list[str], entities: list[tuple[int, int, str]], rng: random.Random) -> list[str]:
    """People's and places' names replaced by ones that nobody has; titles and small words stay."""
    result = list(forms)
    for first, last, label in entities:
        if label in ("PERSON", "PLACE"):
            for number in range(first, last + 1):
                form = forms[number]
                if form[:1].isupper() and len(form) > 2 and not form.endswith(".") and form not in _TITLES:
                    name = "".join(
                        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)
                        for _ in range(rng.choice((1, 2, 2, 3)))
                    )
                    result[number] = name.upper() if form.isupper() else name.capitalize()
    return result


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLES = _words(
    "Sir Lady Lord Miss Master Madame Madam Monsieur Captain Colonel Major General Doctor Professor Father Mother Uncle"
    " Aunt Cousin King Queen Prince Princess Duke Duchess Count Countess Baron Saint Hall Street House Manor Park"
    " Castle River Lake Sea Island Mountain Hill Road Square Bridge Church County The New"
)


def _batches(sentences: list[Any], size: int, rng: random.Random) -> Iterator[list[int]]:
    """Sentences by number in random order, about `size` words together."""
    order = list(range(len(sentences)))
    rng.shuffle(order)
    batch: list[int] = []
    words = 0
    for number in order:
        batch.append(number)
        words += len(sentences[number].words)
        if words >= size:
            yield batch
            batch, words = [], 0
    if batch:
        yield batch


def _optimizer(lr: float) -> Any:
    from thinc.api import Adam

    return Adam(lr, L2=0.01, L2_is_weight_decay=True, grad_clip=1.0, use_averages=True)


def _keep(path: Path, nlp: Any, optimizer: Any) -> None:
    """All that training needs to go on: weights, moments, averages, counts, and gradients that wait.

    spaCy applies the shared network's gradient one batch later than those of the pipes that listen to it.
    """
    from safetensors.numpy import save

    from gnomon.story import networks

    arrays = {}
    for key, node, name in networks.parameters(nlp):
        arrays[f"weights/{key}"] = np.ascontiguousarray(node.get_param(name))
        for kind in ("mom1", "mom2", "averages"):
            held = getattr(optimizer, kind).get((node.id, name))
            if held is not None:
                arrays[f"{kind}/{key}"] = np.ascontiguousarray(held)
        if node.has_grad(name):
            arrays[f"gradient/{key}"] = np.ascontiguousarray(node.get_grad(name))
        arrays[f"count/{key}"] = np.array([optimizer.nr_update[(node.id, name)]], dtype=np.int64)
    write_atomic(path, save(arrays))


def _restore(path: Path, nlp: Any, optimizer: Any) -> None:
    """The inverse of `_keep`."""
    from safetensors.numpy import load as from_bytes

    from gnomon.story import networks

    arrays = from_bytes(path.read_bytes())
    for key, node, name in networks.parameters(nlp):
        node.set_param(name, arrays[f"weights/{key}"].copy())
        for kind in ("mom1", "mom2", "averages"):
            if f"{kind}/{key}" in arrays:
                getattr(optimizer, kind)[(node.id, name)] = arrays[f"{kind}/{key}"].copy()
        if f"gradient/{key}" in arrays:
            node.set_grad(name, arrays[f"gradient/{key}"].copy())
        optimizer.nr_update[(node.id, name)] = int(arrays[f"count/{key}"][0])


def _lemma_rows(sentences: list[corpora.Parsed], language: str) -> Iterator[tuple[str, str, str, str]]:
    """Words of the treebank, and for English the forms of all its verbs and of the irregular ones."""
    verbs = set()
    for each in sentences:
        for word, pos, morph, lemma in zip(each.words, each.pos, each.morphs, each.lemmas, strict=True):
            yield word.form, pos, morph, lemma
            if pos == "VERB" and lemma.isalpha():
                verbs.add(lemma.lower())
    if language != "en":
        return
    from gnomon.story.inflection import IRREGULAR, inflect

    for verb in sorted(verbs | set(IRREGULAR)):
        yield inflect(verb, "past"), "VERB", "Tense=Past|VerbForm=Fin", verb
        yield inflect(verb, "participle"), "VERB", "Tense=Past|VerbForm=Part", verb
        yield inflect(verb, "ing"), "VERB", "VerbForm=Ger", verb
        yield inflect(verb, "3sg"), "VERB", "Number=Sing|Person=3|Tense=Pres", verb
