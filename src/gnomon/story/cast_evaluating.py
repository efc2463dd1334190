"""How well people are told apart: scores on LitBank's coreference and quotations; the ranker of pronouns trained there.

LitBank's works are tokenised sentences without paragraphs. They are printed again as prose, a new paragraph where a
line of speech opens one as novels are set; nothing of the annotation is used for that. What is scored is the whole
chain, from this text on.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from gnomon import data
from gnomon.stats import Estimate
from gnomon.stats.resample import bootstrap
from gnomon.story.cast import read_cast
from gnomon.story.coreference import FEATURES, Ranker, Resolved
from gnomon.story.corpora import detokenise
from gnomon.story.document import Story
from gnomon.story.grouping import Referent
from gnomon.story.mentions import LocalMention, mentions_in
from gnomon.story.packs import Pack


class Gold(NamedTuple):
    """An annotated mention: `story.text[start:end]`, its cluster, PROP, NOM or PRON, PER or another label."""

    start: int
    end: int
    cluster: str
    kind: str
    label: str


class Said(NamedTuple):
    """An annotated quotation and the cluster of its speaker."""

    start: int
    end: int
    speaker: str


class Work(NamedTuple):
    """One work of LitBank as a story with its annotation."""

    name: str
    story: Story
    mentions: tuple[Gold, ...]
    quotations: tuple[Said, ...]


class _Record(NamedTuple):
    """What the cast needs of a paragraph."""

    analysis: Any
    mentions: tuple[LocalMention, ...]


def read_works(part: str) -> list[Work]:
    """The works of LitBank's part `train` or `dev`."""
    lines = data.read_bytes(f"litbank/annotated/{part}").decode("utf-8").splitlines()
    return [_work(json.loads(line)) for line in lines]


_OPEN = ("“", "‘", '"', "`", "``", "'", "--", "—")
_SHUT = ("”", "’", '"', "''", "'")


def _work(stored: dict[str, str]) -> Work:
    text = ""
    spans: dict[tuple[int, int], tuple[int, int]] = {}
    inside = False  # of quotes, at the end of the sentence before
    tagged = shut = False
    for number, line in enumerate(stored["text_txt"].splitlines()):
        tokens = line.split()
        if not tokens:
            continue
        printed, places = detokenise(tokens)
        opens = tokens[0] in _OPEN and not (inside and tokens[0] in _SHUT)
        word = next((token for token in tokens if token[0].isalpha()), "")
        continued = word[:1].islower() or inside
        if text:
            apart = not continued and ((opens and not tagged) or (not opens and shut))
            text += "\n\n" if apart else " "
        base = len(text)
        text += printed
        for place, (start, end) in enumerate(places):
            spans[number, place] = (base + start, base + end)
        for token in tokens:
            if token in ("“", "``", "‘", "`"):
                inside = True
            elif token in ("”", "''", "’"):
                inside = False
            elif token == '"':
                inside = not inside
        shut = tokens[-1] in _SHUT and not inside
        # Speech, then who says it: the next speech is likely to be the same person's.
        tagged = (not inside and not shut and any(token in _SHUT for token in tokens[1:-1])) or (tagged and continued)
    clusters = {}
    for line in stored["coref_ann"].splitlines():
        fields = line.split("\t")
        if fields[0] == "COREF":
            clusters[fields[1]] = fields[2]
    mentions = []
    for line in stored["coref_ann"].splitlines():
        fields = line.split("\t")
        if fields[0] == "MENTION" and fields[1] in clusters:
            start = spans[int(fields[2]), int(fields[3])][0]
            end = spans[int(fields[4]), int(fields[5])][1]
            mentions.append(Gold(start, end, clusters[fields[1]], fields[8], fields[7]))
    quoted: dict[str, tuple[int, int]] = {}
    said = []
    for line in stored["quotations_ann"].splitlines():
        fields = line.split("\t")
        if fields[0] == "QUOTE":
            quoted[fields[1]] = (spans[int(fields[2]), int(fields[3])][0], spans[int(fields[4]), int(fields[5])][1])
        elif fields[0] == "ATTRIB":
            said.append(Said(*quoted[fields[1]], fields[2]))
    story = Story.from_text(text, title=stored["work"], language="en")
    return Work(stored["work"], story, tuple(mentions), tuple(said))


def records_of(story: Story, pack: Pack) -> list[Any]:
    """Of each paragraph what `build_cast` asks for."""
    texts = [story.paragraph_text(number) for number in range(len(story.paragraphs))]
    return [
        _Record(analysis, mentions_in(text, analysis, story.language))
        for text, analysis in zip(texts, pack.analyse(texts), strict=True)
    ]


class _Aligned:
    """Finds the annotated mention that one of ours is."""

    def __init__(self, work: Work) -> None:
        self.starts = [span.start for span in work.story.paragraphs]
        self.people = [each for each in work.mentions if each.label == "PER"]
        self.by_start: dict[int, list[Gold]] = {}
        self.by_end: dict[int, list[Gold]] = {}
        for each in self.people:
            self.by_start.setdefault(each.start, []).append(each)
            self.by_end.setdefault(each.end, []).append(each)

    def gold(self, paragraph: int, mention: LocalMention) -> Gold | None:
        """The one that begins or ends where ours does and covers the most like it."""
        offset = self.starts[paragraph]
        start, end = mention.start + offset, mention.end + offset
        near = [*self.by_start.get(start, ()), *self.by_end.get(end, ())]
        if mention.kind == "pronoun":
            near = [each for each in near if (each.start, each.end) == (start, end)]
        else:
            near = [each for each in near if each.kind != "PRON"]
        return min(near, key=lambda each: abs(each.start - start) + abs(each.end - end), default=None)


class CastCounts(NamedTuple):
    """Of one work, how many were asked for and how many were right."""

    pronouns: int  # he, she and their forms, of people
    pronouns_answered: int
    pronouns_right: int
    names: int  # proper names of people
    names_found: int
    names_claimed: int
    names_claimed_right: int
    pure: float  # sums over name mentions of B-cubed precision and recall
    whole: float
    names_scored: int
    quotations: int
    speakers_right: int
    explicit: int  # with a speaker said outright
    explicit_right: int


def counts_of(work: Work, pack: Pack, ranker: Ranker | None = None, records: Sequence[Any] | None = None) -> CastCounts:
    """The scores of one work, as counts that can be added."""
    records = records_of(work.story, pack) if records is None else records
    _, reading = read_cast(work.story, records, ranker)
    aligned = _Aligned(work)
    matched = [(each, aligned.gold(each.paragraph, each.mention)) for each in reading.resolved]
    meaning = _clusters(matched)
    answered = {
        (each.mention.start + aligned.starts[each.paragraph], each.mention.end + aligned.starts[each.paragraph]): each
        for each in reading.resolved
        if each.mention.kind == "pronoun"
    }
    wanted = [
        each
        for each in aligned.people
        if each.kind == "PRON" and work.story.text[each.start : each.end].lower() in _GENDERED
    ]
    replies = [(each, answered.get((each.start, each.end))) for each in wanted]
    right = sum(meaning.get(reply.referent) == each.cluster for each, reply in replies if reply is not None)
    names = [each for each in aligned.people if each.kind == "PROP"]
    ours = [(each, gold) for each, gold in matched if each.mention.kind == "name" and not each.referent.plural]
    found = {(gold.start, gold.end) for _, gold in ours if gold is not None and gold.kind == "PROP"}
    both = [(each.referent, gold.cluster) for each, gold in ours if gold is not None and gold.kind == "PROP"]
    pure, whole = _b_cubed(both)
    explicit = explicit_right = speakers = 0
    turns = reading.turns
    for said in work.quotations:
        overlapping = [turn for turn in turns if turn.utterance.start < said.end and said.start < turn.utterance.end]
        turn = max(
            overlapping,
            key=lambda each: min(each.utterance.end, said.end) - max(each.utterance.start, said.start),
            default=None,
        )
        correct = turn is not None and turn.speaker is not None and meaning.get(turn.speaker) == said.speaker
        speakers += correct
        if turn is not None and turn.confidence >= 0.85:
            explicit += 1
            explicit_right += correct
    return CastCounts(
        len(wanted), sum(reply is not None for _, reply in replies), right,
        len(names), len(found), len(ours), sum(gold is not None for _, gold in ours),
        pure, whole, len(both), len(work.quotations), speakers, explicit, explicit_right,
    )  # fmt: skip


_GENDERED = frozenset(["he", "him", "his", "himself", "she", "her", "hers", "herself"])


def _clusters(matched: Iterable[tuple[Resolved, Gold | None]]) -> dict[Referent, str]:
    """Of each of ours, the annotated cluster that most of its names and nouns belong to."""
    votes: dict[Referent, dict[str, int]] = {}
    for each, gold in matched:
        if gold is not None:
            mine = votes.setdefault(each.referent, {})
            # A narrator has nothing but pronouns.
            weight = 1 if each.mention.kind == "pronoun" else 1000
            if each.mention.kind != "pronoun" or each.referent.kind == "narrator":
                mine[gold.cluster] = mine.get(gold.cluster, 0) + weight
    return {referent: max(mine, key=lambda key: (mine[key], key)) for referent, mine in votes.items() if mine}


def _b_cubed(pairs: Sequence[tuple[Referent, str]]) -> tuple[float, float]:
    """Sums over mentions of the share of its cluster, ours and theirs, that belongs with it."""
    ours: dict[Referent, int] = {}
    theirs: dict[str, int] = {}
    joint: dict[tuple[Referent, str], int] = {}
    for referent, cluster in pairs:
        ours[referent] = ours.get(referent, 0) + 1
        theirs[cluster] = theirs.get(cluster, 0) + 1
        joint[referent, cluster] = joint.get((referent, cluster), 0) + 1
    pure = sum(count * count / ours[referent] for (referent, _), count in joint.items())
    whole = sum(count * count / theirs[cluster] for (_, cluster), count in joint.items())
    return pure, whole


_SCORES = {
    "pronoun_accuracy": ("pronouns_right", "pronouns"),
    "pronoun_precision": ("pronouns_right", "pronouns_answered"),
    "name_recall": ("names_found", "names"),
    "name_precision": ("names_claimed_right", "names_claimed"),
    "name_cluster_precision": ("pure", "names_scored"),
    "name_cluster_recall": ("whole", "names_scored"),
    "speaker_accuracy": ("speakers_right", "quotations"),
    "explicit_speaker_accuracy": ("explicit_right", "explicit"),
}


def cast_scores(works: Sequence[Work], pack: Pack, ranker: Ranker | None = None, seed: int = 0) -> dict[str, Estimate]:
    """The scores over `works`, with intervals over works drawn anew (bootstrap, 95 %).

    `name_cluster_*` are B-cubed over the proper names found; `explicit_speaker_accuracy` is over the utterances whose
    speaker the narration names.
    """
    counts = np.array([counts_of(work, pack, ranker) for work in works], dtype=float)
    return scores_from(counts, seed)


def scores_from(counts: np.ndarray, seed: int = 0) -> dict[str, Estimate]:
    """The scores from one row of `CastCounts` a work."""
    place = {name: number for number, name in enumerate(CastCounts._fields)}
    return {
        name: bootstrap(counts[:, [place[above], place[below]]], _ratio, seed=seed)
        for name, (above, below) in _SCORES.items()
    }


def _ratio(totals: np.ndarray) -> np.ndarray:
    return np.asarray(totals[:, 0] / totals[:, 1])


# -- the ranker ------------------------------------------------------------------------------------------------------


class Choice(NamedTuple):
    """A pronoun with its candidates' features, and which of them is right (-1: none)."""

    features: np.ndarray  # (candidates, len(FEATURES)), each an index into all weights laid end to end
    right: np.ndarray  # (candidates,), bool


def choices_in(work: Work, records: Sequence[Any], ranker: Ranker | None = None) -> list[Choice]:
    """Every ranking of a pronoun in `work`, after which the annotated choice is taken as made.

    With a `ranker` its own choices are taken, so that the next one learns to go on from mistakes.
    """
    aligned = _Aligned(work)
    offsets = np.concatenate([[0], np.cumsum(list(FEATURES.values()))[:-1]])
    latest: dict[Referent, str] = {}
    seen = 0
    choices = []

    def watch(
        resolved: Sequence[Resolved],
        paragraph: int,
        mention: LocalMention,
        candidates: Sequence[Referent],
        features: Sequence[tuple[int, ...]],
        choice: int,
    ) -> Referent | None:
        nonlocal seen
        for each in resolved[seen:]:
            if each.mention.kind != "pronoun":
                known = aligned.gold(each.paragraph, each.mention)
                if known is not None:
                    latest[each.referent] = known.cluster
        seen = len(resolved)
        gold = aligned.gold(paragraph, mention)
        if gold is None:
            return candidates[choice] if choice >= 0 else None
        right = np.array([latest.get(each) == gold.cluster for each in candidates])
        choices.append(Choice(np.array(features) + offsets, right))
        if ranker is not None:
            return candidates[choice] if choice >= 0 else None
        return candidates[int(right.argmax())] if right.any() else None

    read_cast(work.story, records, ranker, watch)
    return choices


def train_ranker(choices: Sequence[Choice], penalty: float = 1.0) -> dict[str, Any]:
    """Weights that make the annotated choices likely: softmax over candidates and "none", with `penalty` * |w|² / 2.

    Returns what `Ranker.from_dict` reads.
    """
    from scipy.optimize import minimize

    size = sum(FEATURES.values())
    rows = np.concatenate([choice.features for choice in choices])
    lengths = np.array([len(choice.features) for choice in choices])
    owner = np.repeat(np.arange(len(choices)), lengths)
    right = np.concatenate([choice.right for choice in choices])
    none_right = np.array([not choice.right.any() for choice in choices])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = weights[:size][rows].sum(1)
        none = weights[size]
        top = np.full(len(choices), none)
        np.maximum.at(top, owner, scores)
        grown = np.exp(scores - top[owner])
        rest = np.exp(none - top)
        total = np.bincount(owner, grown, len(choices)) + rest
        good = np.bincount(owner, grown * right, len(choices)) + rest * none_right
        value = float(np.log(total).sum() - np.log(good).sum())
        share = grown / total[owner] - np.where(right, grown / good[owner], 0.0)
        gradient = np.bincount(rows.ravel(), np.repeat(share, rows.shape[1]), size + 1)
        gradient[size] += (rest / total - np.where(none_right, rest / good, 0.0)).sum()
        return value + penalty * float(weights @ weights) / 2, gradient + penalty * weights

    found = minimize(loss, np.zeros(size + 1), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    ends = np.cumsum(list(FEATURES.values()))
    tables = {
        name: [round(float(each), 3) for each in found[end - length : end]]
        for (name, length), end in zip(FEATURES.items(), ends, strict=True)
    }
    return {
        "source": f"LitBank, training works, {len(choices)} pronouns, penalty {penalty}",
        "licence": "CC BY 4.0 (D. Bamman)",
        "none": round(float(found[size]), 3),
        "weights": tables,
    }


def trained_ranker(
    works: Sequence[Work], pack: Pack, report: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """The ranker of all pronouns of `works`: learned after annotated choices, then once more after its own as well."""
    read = []
    for work in works:
        read.append((work, records_of(work.story, pack)))
        report(f"{work.name}: read")
    return ranker_from(read)


def ranker_from(read: Sequence[tuple[Work, Sequence[Any]]]) -> dict[str, Any]:
    """`trained_ranker` of works whose records are there."""
    choices = [choice for work, records in read for choice in choices_in(work, records)]
    first = Ranker.from_dict(train_ranker(choices, 3.0))
    choices += [choice for work, records in read for choice in choices_in(work, records, first)]
    return train_ranker(choices, 6.0)
