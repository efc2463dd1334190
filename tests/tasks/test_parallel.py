"""A user's own parallel file: read as it stands or refused in a sentence, split without leaks, scored as others score."""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from tiny import tiny

from gnomon import tasks
from gnomon.errors import UserError
from gnomon.posttrain import rescore, stages
from gnomon.runs.progress import Progress
from gnomon.stats.intervals import paired_difference, wilson
from gnomon.tasks.testing import check_environment
from gnomon.tasks.text_scores import corpus_scores, sentence_score

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PAIRS = [(f"{a} {b}", f"{DIGITS[a]} and {DIGITS[b]}") for a in range(10) for b in range(6)]
METRICS = ("bleu", "chrf", "rouge", "exact")

REFERENCES = [
    "The cat sat on the mat.",
    "A gnomon casts the shadow by which a dial is read.",
    "no",
    'He said "no", and left at 10:30 & came back.',
    "It was the best of times, it was the worst of times.",
    "Der Schatten fällt auf die Uhr.",
]
ANSWERS = [
    "The cat sat on a mat.",
    "A gnomon casts a shadow, by which the dial is read.",
    "yes",
    'He said "no" and he left at 10.30.',
    "It was the best of times, it was the worst of times.",
    "",
]
WORSE = ["The cat", "A dial", "no", "He said", "It was the worst of it", "Der Schatten"]


def write(path, pairs=PAIRS, columns=("source", "target")):
    """The pairs as a TSV or JSONL file, by the path's suffix; returns the path as text."""
    if path.suffix == ".tsv":
        lines = ["\t".join(row) for row in (columns, *pairs)]
    else:
        lines = [json.dumps(dict(zip(columns, pair, strict=True)), ensure_ascii=False) for pair in pairs]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def pairs_of(env, split):
    return [(task.payload["source"], task.payload["target"]) for task in env.tasks(split)]


def everything(env):
    return [pair for split in ("train", "validation", "test") for pair in pairs_of(env, split)]


# -- the contract ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("suffix", ["tsv", "jsonl"])
def test_the_contract_holds(tmp_path, suffix, metric):
    env = tasks.get("parallel", path=write(tmp_path / f"pairs.{suffix}"), metric=metric)
    checked = check_environment(env)
    assert checked.demonstrations_right == 1.0
    assert checked.tasks == {"train": 48, "validation": 6, "test": 6}
    assert sorted(everything(env)) == sorted(PAIRS)
    assert env.left_out == {"repeated": 0, "held_out": 0}


def test_both_formats_say_the_same(tmp_path):
    odd = [("\"a'b", 'c,d"'), ("x\u2028y", "y\x85z"), ("[/b] =>", "[1]"), ("東京", "±∞"), ("a\x0bb", "c\x1dd"), *PAIRS]
    files = [write(tmp_path / f"pairs.{suffix}", odd, ("en", "de")) for suffix in ("tsv", "jsonl")]
    one, other = (tasks.get("parallel", path=path, source="en", target="de") for path in files)
    assert sorted(everything(one)) == sorted(odd)
    assert [t.id for t in one.tasks("test")] == [t.id for t in other.tasks("test")]
    assert one.tasks("train") == other.tasks("train")


def test_line_ends_byte_order_marks_and_blanks_are_no_text(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"\xef\xbb\xbfsource\ttarget\tnote\r\n a \t b\tx\r\n\r\nc\td \t\r\ne\tf\tz\n\n")
    env = tasks.get("parallel", path=str(path))
    assert sorted(everything(env)) == [("a", "b"), ("c", "d"), ("e", "f")]


def test_prompt_and_answer(tmp_path):
    path = write(tmp_path / "pairs.tsv")
    env = tasks.get("parallel", path=path)
    task = env.tasks("train")[0]
    source, target = task.payload["source"], task.payload["target"]
    assert env.start(task, 0).prompt == f"{source} =>"
    assert env.demonstration(task, 3) == f" {target}"
    named = tasks.get("parallel", path=path, instruction="In words: ", separator="\nTL;DR:")
    assert named.start(task, 0).prompt == f"In words: {source}\nTL;DR:"
    assert named.separator == "\nTL;DR:"


# -- the scores --------------------------------------------------------------------------------------------------------


def sentence_oracle(metric, answer, reference):
    if metric == "bleu":
        return sacrebleu.sentence_bleu(answer, [reference]).score / 100
    if metric == "chrf":
        return sacrebleu.sentence_chrf(answer, [reference]).score / 100
    if metric == "rouge":
        return RougeScorer(["rougeL"]).score(reference, answer)["rougeL"].fmeasure
    return float(answer == reference)


@pytest.mark.parametrize("metric", METRICS)
def test_a_reward_is_the_packages_own_score(tmp_path, metric):
    env = tasks.get(
        "parallel", path=write(tmp_path / "p.jsonl", list(zip("abcdef", REFERENCES, strict=True))), metric=metric
    )
    for task in (task for split in ("train", "validation", "test") for task in env.tasks(split)):
        for answer in (*ANSWERS, *WORSE, task.payload["target"], task.payload["target"].upper()):
            step = env.start(task, 0).step(f" {answer}\n")
            assert step.reward == pytest.approx(sentence_oracle(metric, answer, task.payload["target"]), abs=1e-12)
            assert 0 <= step.reward <= 1
            assert step.components == {"correct": float(answer == task.payload["target"]), metric: step.reward}
        assert env.start(task, 0).step(env.demonstration(task, 0)).reward == 1.0  # exactly: thresholds ask for it


SCORES = {metric: sentence_score(metric) for metric in METRICS}


@given(st.text(max_size=30), st.text(max_size=30))
@settings(deadline=None)
def test_any_text_is_scored(answer, reference):
    for metric, score in SCORES.items():
        assert 0 <= score(answer, reference) <= 1, metric
        assert score(reference, f" {reference}\n") == 1, metric


@given(st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), min_size=2, max_size=5), st.sampled_from(METRICS))
@settings(max_examples=20, deadline=None)
def test_any_corpus_is_scored(pairs, metric):
    references, answers = zip(*pairs, strict=True)
    for name, estimate in corpus_scores(metric, references, answers).items():
        assert 0 <= estimate.low <= estimate.high <= (100.1 if name in ("bleu", "chrf") else 1)


def corpus_oracle(metric, references, answers):
    if metric in ("bleu", "chrf"):
        return {
            "bleu": sacrebleu.corpus_bleu(answers, [references]).score,
            "chrf": sacrebleu.corpus_chrf(answers, [references]).score,
        }
    if metric == "rouge":
        kinds = ["rouge1", "rouge2", "rougeL"]
        scores = [RougeScorer(kinds).score(r, a) for r, a in zip(references, answers, strict=True)]
        return {kind: float(np.mean([score[kind].fmeasure for score in scores])) for kind in kinds}
    return {"exact": float(np.mean([r == a for r, a in zip(references, answers, strict=True)]))}


@pytest.mark.parametrize("metric", METRICS)
def test_corpus_scores_are_the_packages_own(metric):
    found = corpus_scores(metric, REFERENCES, [f" {answer} " for answer in ANSWERS])
    expected = corpus_oracle(metric, REFERENCES, ANSWERS)
    assert found.keys() == expected.keys()
    for name, estimate in found.items():
        assert estimate.value == pytest.approx(expected[name], abs=1e-9)
        assert estimate.low < estimate.value < estimate.high
        assert (estimate.n, estimate.level) == (6, 0.95)
    assert found == corpus_scores(metric, REFERENCES, ANSWERS)
    if metric == "exact":
        assert found["exact"] == wilson(1, 6)
    else:
        assert {estimate.method for estimate in found.values()} == {"bootstrap-percentile"}
        assert found != corpus_scores(metric, REFERENCES, ANSWERS, seed=1)


@pytest.mark.parametrize("metric", ["bleu", "rouge"])
def test_a_resamples_score_is_that_of_its_sentences(metric):
    """The draws of the bootstrap, against the packages' scores of the very corpora that were drawn."""
    counts = np.random.default_rng(5).multinomial(6, np.full(6, 1 / 6), size=2000)
    found = corpus_scores(metric, REFERENCES, ANSWERS, seed=5)
    for draw in range(12):
        rows = [i for i in range(6) for _ in range(counts[draw, i])]
        expected = corpus_oracle(metric, [REFERENCES[i] for i in rows], [ANSWERS[i] for i in rows])
        for name, estimate in found.items():
            assert estimate.draws[draw] == pytest.approx(expected[name], abs=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_a_difference_is_paired_over_sentences(metric):
    before, after = (corpus_scores(metric, REFERENCES, answers) for answers in (WORSE, ANSWERS))
    gain = corpus_scores(metric, REFERENCES, ANSWERS, minus=WORSE)
    none = corpus_scores(metric, REFERENCES, ANSWERS, minus=ANSWERS)
    for name, estimate in gain.items():
        assert estimate.value == pytest.approx(after[name].value - before[name].value, abs=1e-9)
        assert estimate.low <= estimate.value <= estimate.high
        assert none[name].value == 0
        if metric != "exact":
            assert estimate.draws == pytest.approx(after[name].draws - before[name].draws, abs=1e-9)
            assert (none[name].low, none[name].high) == (0, 0)
    if metric == "exact":
        right = [[a == r for a, r in zip(answers, REFERENCES, strict=True)] for answers in (WORSE, ANSWERS)]
        assert gain["exact"] == paired_difference(*right)


def test_one_sentence_has_a_score_and_no_interval():
    for metric in ("bleu", "rouge"):
        for name, estimate in corpus_scores(metric, REFERENCES[:1], ANSWERS[:1]).items():
            assert estimate.value == pytest.approx(corpus_oracle(metric, REFERENCES[:1], ANSWERS[:1])[name])
            assert (estimate.low, estimate.high, estimate.n) == (None, None, 1)
            assert "one sentence" in estimate.reason
    assert corpus_scores("exact", REFERENCES[:1], ANSWERS[:1])["exact"] == wilson(0, 1)


def test_wrappers_hand_corpus_scores_on(tmp_path):
    env = tasks.get("parallel", path=write(tmp_path / "pairs.tsv"), metric="chrf")
    problems = env.tasks("test")
    answers = [env.demonstration(task, 0)[:-1] for task in problems]
    wanted = env.corpus_scores(problems, answers, minus=[""] * len(answers), seed=3)
    assert wanted["chrf"].value > 50
    for wrapper in (tasks.Binary(env), tasks.TwoAttempt(tasks.Binary(env)), tasks.Latent(env, 4, "|")):
        assert check_environment(wrapper, n=8).demonstrations_right == 1.0
        assert wrapper.separator in (" =>", "|")
        assert wrapper.corpus_scores(problems, answers, minus=[""] * len(answers), seed=3) == wanted
    assert tasks.Binary(tasks.get("sort")).corpus_scores is None
    near = tasks.TwoAttempt(env).start(problems[0], 0)
    with pytest.raises(UserError, match="attempts.binary"):
        near.step(answers[0])
    verdict = tasks.Binary(env).start(problems[0], 0).step(answers[0])
    assert verdict.reward == 0.0
    assert 0 < verdict.components["chrf"] < 1
    with pytest.raises(UserError, match="' =>', which sets the answer off"):
        tasks.TwoAttempt(tasks.Binary(env), "Again =>")


# -- the splits --------------------------------------------------------------------------------------------------------

pair = st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xyz"))


def in_files(*lists):
    """Each list of pairs as a TSV file in a folder of its own."""
    folder = Path(tempfile.mkdtemp())
    return [write(folder / f"{number}.tsv", pairs) for number, pairs in enumerate(lists)]


@given(st.lists(pair, min_size=1, max_size=40), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_no_source_is_in_two_splits_and_every_row_is_accounted_for(pairs, seed):
    (path,) = in_files(pairs)
    env = tasks.get("parallel", path=path, n_test=1, n_validation=1, seed=seed)
    if len({source for source, _ in pairs}) < 3:
        with pytest.raises(UserError, match="too few"):
            env.tasks("train")
        return
    splits = {split: pairs_of(env, split) for split in ("train", "validation", "test")}
    assert (len(splits["test"]), len(splits["validation"])) == (1, 1)
    assert_apart(splits)
    kept = everything(env)
    assert len(kept) == len(set(kept))
    assert set(kept) <= set(pairs)
    assert env.left_out == {"repeated": len(pairs) - len(set(pairs)), "held_out": len(set(pairs)) - len(kept)}
    held_out = {source for split in ("validation", "test") for source, _ in splits[split]}
    assert set(splits["train"]) == {p for p in pairs if p[0] not in held_out}

    shuffled = random.Random(seed).sample(pairs, len(pairs))
    (again,) = in_files(shuffled + shuffled[:2])
    assert everything(tasks.get("parallel", path=again, n_test=1, n_validation=1, seed=seed)) == kept


@given(
    st.lists(pair, min_size=1, max_size=20),
    st.lists(pair, min_size=1, max_size=6),
    st.lists(pair, min_size=1, max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_given_files_keep_their_rows_and_training_gives_way(pairs, validation, test):
    path, validation_path, test_path = in_files(pairs, validation, test)
    env = tasks.get("parallel", path=path, validation_path=validation_path, test_path=test_path)
    tested, validated = {s for s, _ in test}, {s for s, _ in validation}
    if validated <= tested:
        with pytest.raises(UserError, match=r"1\.tsv: all of its source texts are in the test split too"):
            env.tasks("test")
        return
    if {s for s, _ in pairs} <= tested | validated:
        with pytest.raises(UserError, match=r"0\.tsv: all of its source texts are held out"):
            env.tasks("test")
        return
    splits = {split: pairs_of(env, split) for split in ("train", "validation", "test")}
    assert_apart(splits)
    assert sorted(splits["test"]) == sorted(set(test))
    assert sorted(splits["validation"]) == sorted({p for p in validation if p[0] not in tested})
    assert sorted(splits["train"]) == sorted({p for p in pairs if p[0] not in tested | validated})
    everywhere = sum(len(set(rows)) for rows in (pairs, validation, test))
    assert env.left_out["held_out"] == everywhere - sum(map(len, splits.values()))
    assert env.left_out["repeated"] == len(pairs + validation + test) - everywhere


def assert_apart(splits):
    sources = {split: {source for source, _ in rows} for split, rows in splits.items()}
    assert not sources["train"] & sources["validation"]
    assert not sources["train"] & sources["test"]
    assert not sources["validation"] & sources["test"]


def test_one_file_may_be_given_and_the_other_split_cut(tmp_path):
    path = write(tmp_path / "pairs.tsv")
    test_path = write(tmp_path / "test.jsonl", [*PAIRS[:3], ("99", "nine and nine")])
    env = tasks.get("parallel", path=path, test_path=test_path, n_validation=7)
    assert {split: len(env.tasks(split)) for split in ("train", "validation", "test")} == {
        "train": 50,
        "validation": 7,
        "test": 4,
    }
    assert env.left_out == {"repeated": 0, "held_out": 3}


def test_rows_keep_their_order_and_ids_when_the_file_grows(tmp_path):
    few = tasks.get("parallel", path=write(tmp_path / "few.tsv", PAIRS[:40]), n_test=2, n_validation=2)
    many = tasks.get("parallel", path=write(tmp_path / "many.tsv"), n_test=2, n_validation=2)
    before = [task.id for split in ("test", "validation", "train") for task in few.tasks(split)]
    after = [task.id for split in ("test", "validation", "train") for task in many.tasks(split)]
    assert [name for name in after if name in before] == before
    other = tasks.get("parallel", path=str(tmp_path / "few.tsv"), n_test=2, n_validation=2, seed=1)
    assert [task.id for task in other.tasks("train")] != [task.id for task in few.tasks("train")]


# -- mistakes ----------------------------------------------------------------------------------------------------------

HEAD = b"source\ttarget\n"
ROWS = b"".join(f"{s}\t{t}\n".encode() for s, t in PAIRS)
LINE = b'{"source": "a", "target": "b"}\n'


@pytest.mark.parametrize(
    ("name", "content", "more", "words"),
    [
        ("none.tsv", None, {}, "none.tsv' does not exist"),
        ("pairs.csv", HEAD + ROWS, {}, "ends in neither .tsv nor .jsonl"),
        ("pairs", HEAD + ROWS, {}, "ends in neither .tsv nor .jsonl"),
        ("empty.tsv", b"", {}, "empty; a header line"),
        ("lines.tsv", b"\n\n", {}, "empty; a header line"),
        ("only.tsv", HEAD, {}, "there are no rows"),
        ("empty.jsonl", b"", {}, "there are no rows"),
        ("nohead.tsv", ROWS, {}, "a column 'source' is not there; the header line has '0 0', 'zero and zero'."),
        ("column.tsv", HEAD + ROWS, {"target": "de"}, "a column 'de' is not there; the header line has 'source', 'target'."),
        ("twice.tsv", b"source\tsource\ttarget\na\tb\tc\n", {}, "'source' is there more than once"),
        ("column.jsonl", LINE * 3, {"source": "en"}, "no line has a key 'en'; the keys of line 1 are 'source', 'target'."),
        ("torn.tsv", HEAD + b"a\tb\nc\n\nd\te\tf\n", {}, "has 2 rows (lines 3, 5) without the header's 2 cells"),
        ("gaps.tsv", HEAD + b"a\tb\nc\t \n\td\n", {}, "has 1 row (line 4) without a text in 'source'; every row needs both."),
        ("gaps.tsv", HEAD + b"c\t\n" * 8, {}, "has 8 rows (lines 2, 3, 4, 5, 6 and 3 more) without a text in 'target'"),
        ("gaps.jsonl", LINE + b'{"source": "a"}\n{"source": "b", "target": 5}\n', {}, "has 2 rows (lines 2, 3) without a text"),
        ("half.jsonl", LINE + b'{"source": "a", "target": "\\ud800"}\n', {}, "has 1 row (line 2) without a text in 'target'"),
        ("bad.jsonl", LINE + b'{"source": "a", \n' + LINE, {}, "line 2 is not valid JSON"),
        ("deep.jsonl", LINE + b"[" * 100_000, {}, "line 2 is not valid JSON"),
        ("list.jsonl", LINE + b'["a", "b"]\n', {}, "line 2 is ['a', 'b']; an object"),
        ("latin.tsv", HEAD + b"a\tb\nc\tfl\xfcgel\n", {}, "line 3 is not UTF-8"),
        ("utf16.tsv", "source\ttarget\n".encode("utf-16"), {}, "line 1 is not UTF-8"),
        ("few.tsv", HEAD + b"a\tb\n" * 3, {}, "has 1 distinct row, too few to hold out n_test = 1 and n_validation = 1"),
        ("few.tsv", HEAD + ROWS, {"n_test": 50, "n_validation": 10}, "has 60 distinct rows, too few to hold out n_test = 50 and n_validation = 10"),
        ("few.tsv", HEAD + ROWS, {"n_test": 99}, "too few to hold out n_test = 99 and n_validation = 6"),
        ("same.tsv", HEAD + b"a\tb\na\tc\na\td\na\te\n", {}, "no source text being in two splits"),
        ("cyrillic.tsv", HEAD + ROWS + "a\tтень\n".encode(), {"metric": "rouge"}, "has 1 target (line 62) without a letter from a to z"),
        ("pairs.tsv", HEAD + ROWS, {"metric": "meteor"}, "'bleu', 'chrf', 'rouge' or 'exact'"),
        ("pairs.tsv", HEAD + ROWS, {"test_path": "other.tsv", "n_test": 5}, "n_test cuts rows from path, and test_path gives them"),
        ("pairs.tsv", HEAD + ROWS, {"test_path": "other.tsv"}, "'other.tsv' does not exist"),
        ("pairs.tsv", HEAD + ROWS, {"columns": 2}, "columns is not a known key"),
        ("pairs.tsv", HEAD + ROWS, {"separator": '""'}, "separator"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence(tmp_path, monkeypatch, gnomon, name, content, more, words):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        tasks.get("parallel", path=name, **{key: "" if value == '""' else value for key, value in more.items()}).tasks(
            "train"
        )
    sentence = str(caught.value)
    assert words in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 400
    given_ = [part for key, value in more.items() for part in ("--set", f"{key}={value}")]
    result = gnomon("tasks", "show", "parallel", "--set", f"path={name}", *given_)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "pairs.tsv").mkdir()
    with pytest.raises(UserError, match=r"pairs\.tsv' is a folder"):
        tasks.get("parallel", path=str(tmp_path / "pairs.tsv")).tasks("train")


def test_a_path_must_be_given(gnomon):
    result = gnomon("tasks", "show", "parallel")
    assert result.exit_code == 2
    assert "path is missing; it must be given." in result.stderr


def test_a_missing_package_is_named_before_anything_is_trained(tmp_path, monkeypatch):
    path = write(tmp_path / "pairs.tsv")
    for metric, package, modules in (
        ("bleu", "sacrebleu", ("sacrebleu",)),
        ("chrf", "sacrebleu", ("sacrebleu",)),
        ("rouge", "rouge-score", ("rouge_score", "rouge_score.rouge_scorer")),
    ):
        with monkeypatch.context() as without:
            for module in modules:
                without.setitem(sys.modules, module, None)
            recipe = tiny(task={"name": "parallel", "path": path, "metric": metric}, model={"tokenizer": "bpe"})
            with pytest.raises(UserError, match=rf"'{package}'.*pip install 'gnomon\[tasks\]'"):
                stages.run_recipe(recipe, out=tmp_path / "run", progress=Progress(quiet=True))
            assert not (tmp_path / "run").exists()
            assert len(tasks.get("parallel", path=path, metric="exact").tasks("test")) == 6


def test_listing_tasks_imports_no_metric():
    program = (
        "import sys\n"
        "from gnomon.tasks.commands import list_command\n"
        "list_command(True)\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'sacrebleu', 'rouge_score', 'nltk', 'scipy'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    listed, imported = done.stdout.strip().splitlines()
    assert "parallel" in listed
    assert imported == "[]"


def test_commands_show_what_was_left_out_and_verify(tmp_path, gnomon):
    path = write(tmp_path / "pairs.tsv", [*PAIRS, *PAIRS[:4], ("[/b] [1]", "[bold]")])
    shown = gnomon("tasks", "show", "parallel", "--set", f"path={path}", "--n", "60")
    assert shown.exit_code == 0
    assert "repeated: 4" in shown.stdout
    assert "[/b]" in "".join(gnomon("tasks", "show", "parallel", "--set", f"path={path}", "--split", split).stdout for split in ("train", "validation", "test")) + shown.stdout  # fmt: skip
    as_json = json.loads(gnomon("tasks", "show", "parallel", "--set", f"path={path}", "--json").stdout)
    assert as_json["left_out"] == {"repeated": 4, "held_out": 0}
    problem = as_json["problems"][0]
    graded = gnomon("tasks", "verify", "parallel", "--set", f"path={path}", "--task", problem["id"], "--answer", problem["demonstration"], "--json")  # fmt: skip
    assert json.loads(graded.stdout)["components"] == {"correct": 1.0, "bleu": 1.0}


# -- a whole run -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["encoder_decoder", "decoder"])
def test_a_run_reports_the_corpus_scores(tmp_path, kind):
    path = write(tmp_path / "pairs.jsonl")
    recipe = tiny(
        task={"name": "parallel", "path": path, "metric": "chrf", "n_test": 8, "n_validation": 8},
        model={"kind": kind, "tokenizer": "bpe", "vocabulary": 320, "context": 40},
        warm_start={"steps": 12, "batch_size": 16, "checkpoint_every": 20},
        objective={"name": "policy_gradient"},
        sampling={"prompts": 4, "samples": 4, "max_tokens": 12},
        train={"steps": 3, "checkpoint_every": 3, "evaluate_every": 3},
        control={"supervised": kind == "decoder"},
        evaluation={"n": 8, "n_curve": 8},
    )
    run = stages.run_recipe(recipe, out=tmp_path / "run", progress=Progress(quiet=True))
    summary, env = run.summary(), recipe.environment()
    problems = {task.id: task for task in env.tasks("test")}
    said = {}
    for row in run.evaluations():
        if row["mode"] == "greedy":
            said.setdefault(row["stage"], {})[row["task_id"]] = row["answer"]
    assert said.keys() == {"before", "after"} | ({"control"} if kind == "decoder" else set())
    for stage, answers in said.items():
        references = [problems[name].payload["target"] for name in answers]
        expected = corpus_oracle("chrf", references, [answer.strip() for answer in answers.values()])
        found = summary[f"scores_{stage}"]
        assert {name: found[name]["value"] for name in found} == pytest.approx(expected, abs=1e-9)
        assert all(figure["n"] == 8 and figure["low"] <= figure["value"] <= figure["high"] for figure in found.values())
    gain = summary["scores_improvement"]["chrf"]
    assert gain["value"] == pytest.approx(
        summary["scores_after"]["chrf"]["value"] - summary["scores_before"]["chrf"]["value"]
    )
    page = (run.path / "report.html").read_text()
    assert "greedy answers, all together" in page
    assert f"<td>chrf</td><td>{summary['scores_before']['chrf']['value']:.4g} [" in page
    assert rescore.rescore(run)[1] == []


def test_a_run_with_two_attempts_scores_the_last(tmp_path):
    recipe = tiny(
        task={"name": "parallel", "path": write(tmp_path / "pairs.tsv"), "n_test": 8, "n_validation": 8},
        model={"tokenizer": "bpe", "vocabulary": 320, "context": 100},
        attempts={"binary": True, "instruction": " again: "},
        warm_start={"steps": 1},
        sampling={"max_tokens": 8},
        train={"steps": 0},
        evaluation={"n": 1, "n_curve": 1},
    )
    summary = stages.run_recipe(recipe, out=tmp_path / "run", progress=Progress(quiet=True)).summary()
    figure = summary["scores_after"]["bleu"]
    assert (figure["n"], figure["low"]) == (1, None)
    assert figure["value"] is not None
