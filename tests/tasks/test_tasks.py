"""The built-in tasks: the contract suite on all of them, and what is particular to each."""

import json
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon import data, tasks
from gnomon.errors import UserError
from gnomon.stats.edits import edit_distance
from gnomon.tasks.digits import column_arithmetic, digits_of, written
from gnomon.tasks.environment import SingleTurn, Step, Task
from gnomon.tasks.expressions import evaluate, number
from gnomon.tasks.testing import check_environment

GENERATED = ("add", "countdown", "multiply", "sort")
FILES = {"g2p": "cmudict", "gsm8k": "gsm8k/train", "gsm8k_equations": "gsm8k/train", "scan": "scan/simple/train"}


def environment(name, **settings):
    if name in FILES and data.locate(FILES[name]) is None:
        pytest.skip(f"data set {FILES[name]!r} is not on this machine")
    return tasks.get(name, **settings)


def test_every_built_in_is_listed():
    assert set(tasks.names()) == {*GENERATED, *FILES, "parallel", "story_edit"}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        *((name, {}) for name in (*GENERATED, *FILES)),
        ("multiply", {"digits": [2, 2], "reversed": False}),
        ("multiply", {"digits": [6, 6]}),
        ("add", {"digits": 1}),
        ("add", {"digits": 8, "carry": "long", "reversed": False}),
        ("countdown", {"numbers": 4, "target": 1000}),
        ("countdown", {"numbers": 2, "largest": 6}),
        ("sort", {"length": 2}),
        ("g2p", {"stress": True}),
        ("scan", {"variant": "length"}),
        ("scan", {"variant": "addprim_jump"}),
    ],
)
def test_the_contract_holds_and_an_honest_teacher_is_right(name, settings):
    checked = check_environment(environment(name, **settings))
    assert checked.demonstrations_right == 1.0


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_column_arithmetic_is_arithmetic(a, b):
    x, y = digits_of(a), digits_of(b)
    width = max(len(x), len(y))
    padded = [(x + [0] * width)[i] + (y + [0] * width)[i] for i in range(width)]
    rng = random.Random(0)
    assert written(column_arithmetic(padded, 0.0, rng), False) == str(a + b)
    columns = [sum(x[i] * y[c - i] for i in range(len(x)) if 0 <= c - i < len(y)) for c in range(len(x) + len(y) - 1)]
    assert written(column_arithmetic(columns, 0.0, rng), False) == str(a * b)
    assert written(digits_of(a), True) == str(a)[::-1]


def carries(a, b):
    """How many carries of a x b (b of one digit) are not zero."""
    count = carry = 0
    for digit in digits_of(a):
        carry = (digit * b + carry) // 10
        count += carry > 0
    return count


def test_a_forgetful_teacher_errs_as_often_as_told():
    """Right is who keeps every carry that is not zero: 0.6 to the power of their number, problem by problem."""
    env = tasks.get("multiply", teacher_error=0.4)
    problems = env.tasks("train")[:4000]
    expected = [0.6 ** carries(t.payload["a"], t.payload["b"]) for t in problems]
    right = sum(env.start(t, 0).step(env.demonstration(t, 0)).correct for t in problems)
    spread = sum(p * (1 - p) for p in expected) ** 0.5
    assert abs(right - sum(expected)) < 4 * spread
    assert env.demonstration(problems[0], 1) == env.demonstration(problems[0], 1)
    assert any(env.demonstration(t, 1) != env.demonstration(t, 2) for t in problems[:50])


def test_long_carries_are_long():
    def longest(task):
        a, b = digits_of(task.payload["a"]), digits_of(task.payload["b"])
        carry = run = best = 0
        for x, y in zip(a, b, strict=True):
            carry = int(x + y + carry > 9)
            run = run + 1 if carry else 0
            best = max(best, run)
        return best

    def mean(law):
        problems = tasks.get("add", digits=6, carry=law).tasks("train")[:2000]
        return sum(map(longest, problems)) / len(problems)

    assert mean("long") > mean("uniform") + 0.4


def test_answers_of_multiply_read_both_ways():
    for reverse, answer in ((True, "294"), (False, "492")):
        env = tasks.get("multiply", reversed=reverse)
        task = Task("t", "test", {"a": 123, "b": 4})
        assert env.start(task, 0).step(f" {answer} ").reward == 1.0
        assert env.start(task, 0).step(answer[::-1]).reward == 0.0


@pytest.mark.parametrize(
    ("text", "reward", "valid"),
    [
        ("25+3*7", 1.0, 1.0),
        ("(3*7)+25", 1.0, 1.0),
        ("7*3+25", 1.0, 1.0),
        ("46", 0.0, 0.0),
        ("25+7+7+7", 0.0, 0.0),
        ("25+21", 0.0, 0.0),
        ("25*7/3", 0.0, 1.0),
        ("25/(3-3)", 0.0, 0.0),
        ("2.5*10+21", 0.0, 0.0),
        ("__import__('os')", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_countdown_counts_numbers_and_values(text, reward, valid):
    env = tasks.get("countdown")
    task = Task("t", "test", {"numbers": [3, 7, 25], "target": 46, "solution": "25+3*7"})
    step = env.start(task, 0).step(text)
    assert (step.reward, step.components["valid"]) == (reward, valid)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_never_run(text):
    evaluate(text)
    number(text)


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9",
        "(" * 300 + "1",
        "1" * 100_000,
        "--" * 50_000 + "1",
        "١+١",
        "1if 1else 2",
        "1_000+1",
        "0x10",
        "1e9+1",
        "+",
        "()",
        "(1,2)",
    ],
)
def test_traps_are_no_expressions(text):
    assert evaluate(text) is None


def test_expressions_are_exact():
    assert evaluate("1/3+1/6") == (Fraction(1, 2), ["1", "3", "1", "6"])
    assert evaluate("0.1+0.2")[0] == Fraction(3, 10)
    assert evaluate("-(2-.5)*4")[0] == -6
    assert number("1,200.50") == Fraction(2401, 2)
    assert number("-.5") == Fraction(-1, 2)
    assert number("12.") == 12
    assert number("1/2") is None


def test_gsm8k_wants_a_marked_answer():
    env = environment("gsm8k")
    task = Task("t", "test", {"question": "q", "answer": "so 40+2=42\n#### 42"})

    def grade(text):
        return env.start(task, 0).step(text).reward

    assert grade("…\n#### 42") == grade("\\boxed{42}") == grade("#### $42.0") == 1.0
    assert grade("42") == grade("41 or 42") == grade("#### 42 or #### 41") == grade("####") == 0.0
    assert grade("#### 1\n#### 42") == 1.0
    assert env.start(task, 0).prompt == "[MATH TASK] Problem:\nq\n\nSolution:\n"
    assert len(env.tasks("test")) == 1319
    assert len(env.tasks("train")) + len(env.tasks("validation")) == 7473


def test_equations_hold_no_training_calculation_out():
    env = environment("gsm8k_equations")
    train = {t.payload["expression"] for t in env.tasks("train")}
    test = {t.payload["expression"] for t in env.tasks("test")}
    assert not train & test
    assert len(test) > 1000
    for task in env.tasks("test")[:300]:
        assert evaluate(task.payload["expression"])[0] == number(task.payload["value"])
    task = Task("t", "test", {"expression": "1/2", "value": "0.5"})
    assert [env.start(task, 0).step(text).reward for text in (".5", "0.50", "0.5", "5", "1/2", "")] == [
        1,
        1,
        1,
        0,
        0,
        0,
    ]


def test_g2p_is_graded_by_the_nearest_pronunciation():
    env = environment("g2p")
    task = Task("t", "test", {"word": "tomato", "phones": ["T AH M EY T OW", "T AH M AA T OW"]})

    def grade(text):
        return env.start(task, 0).step(text)

    assert grade(" T AH M AA T OW").correct
    near = grade(" T AH M AA T")
    assert near.reward == pytest.approx(5 / 6)
    assert not near.correct
    assert grade("").reward == 0.0
    assert grade(" T" * 100).reward == 0.0
    words = [t.payload["word"] for split in ("train", "validation", "test") for t in env.tasks(split)]
    assert len(words) == len(set(words)) > 100_000


@given(st.lists(st.sampled_from("abc"), max_size=7), st.lists(st.sampled_from("abc"), max_size=7))
def test_edit_distance(a, b):
    def naive(x, y):
        if not x or not y:
            return len(x) + len(y)
        return min(naive(x[1:], y) + 1, naive(x, y[1:]) + 1, naive(x[1:], y[1:]) + (x[0] != y[0]))

    distance = edit_distance(a, b)
    assert distance == edit_distance(b, a)
    assert abs(len(a) - len(b)) <= distance <= max(len(a), len(b))
    if len(a) + len(b) <= 8:
        assert distance == naive(a, b)


class Good:
    name, pure, symbols = "good", True, tuple("0123456789?")

    def tasks(self, split):
        start = {"train": 0, "validation": 100, "test": 200}[split]
        return [Task(f"{start + i}", split, {"n": start + i}) for i in range(20)]

    def start(self, task, seed):
        return SingleTurn(f"{task.payload['n']}?", lambda text: Step(float(text == "1")))

    def demonstration(self, task, seed):
        return "1"


def broken(**members):
    return type("Broken", (Good,), members)()


def random_reward(self, task, seed):
    return SingleTurn("1?", lambda text: Step(float(seed)))


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"tasks": lambda self, split: Good.tasks(self, "test")}, "says it is of"),
        ({"tasks": lambda self, split: [Task(split, split, {"n": 1})]}, "also in"),
        ({"tasks": lambda self, split: []}, "no tasks"),
        ({"start": random_reward}, "pure, but"),
        ({"start": lambda self, task, seed: SingleTurn("1?", lambda text: Step(float("nan")))}, "not a finite number"),
        ({"start": lambda self, task, seed: SingleTurn("", lambda text: Step(0.0))}, "empty prompt"),
        ({"symbols": ("1",)}, "no symbol covers"),
        ({"demonstration": lambda self, task, seed: str(random.random())[0:9:8]}, "no symbol|differs"),
    ],
)
def test_the_contract_suite_finds_what_is_broken(members, words):
    assert check_environment(Good()).demonstrations_right == 1.0
    with pytest.raises(AssertionError, match=words):
        check_environment(broken(**members))


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("multiplly", {}, "did you mean 'multiply'"),
        ("chess", {}, "built in are"),
        ("multiply", {"digit": [1, 1]}, "did you mean 'digits'"),
        ("multiply", {"teacher_error": 2}, "teacher_error"),
        ("add", {"carry": "huge"}, "'uniform' or 'long'"),
        ("no.such.module:Thing", {}, "cannot be imported"),
        ("json:Thing", {}, "has no 'Thing'"),
        (f"{__name__}:Good", {"x": 1}, "unexpected keyword argument 'x'"),
    ],
)
def test_mistakes_are_named(name, settings, words):
    with pytest.raises(UserError, match=words):
        tasks.get(name, **settings)


def test_reasoning_gym_says_how_to_get_it(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(UserError, match=r"gnomon\[tasks\]"):
        tasks.get("reasoning_gym:chain_sum").tasks("train")


def test_reasoning_gym_keeps_the_contract():
    pytest.importorskip("reasoning_gym")
    env = tasks.get("reasoning_gym:chain_sum", n_train=60, n_validation=20, n_test=20)
    assert check_environment(env).demonstrations_right == 1.0


def test_tasks_by_command(gnomon):
    listed = json.loads(gnomon("tasks", "list", "--json").stdout)["tasks"]
    assert {row["name"] for row in listed} == set(tasks.names())
    shown = json.loads(gnomon("tasks", "show", "multiply", "--n", "3", "--set", "digits=[2,1]", "--json").stdout)
    assert len(shown["problems"]) == 3
    graded = json.loads(gnomon("tasks", "verify", "multiply", "--task", "123*4", "--answer", "294", "--json").stdout)
    assert graded["correct"] is True
    for arguments, words in (
        (("tasks", "show", "chess"), "no task 'chess'"),
        (("tasks", "show", "multiply", "--split", "dev"), "--split dev"),
        (("tasks", "verify", "multiply", "--task", "9", "--answer", "1"), "no problem '9'"),
    ):
        result = gnomon(*arguments)
        assert result.exit_code == 2
        assert words in result.stderr
