"""Wrappers: several attempts that never hear whether they were right, a free sequence before the answer, verdicts."""

import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon import data, tasks
from gnomon.errors import UserError
from gnomon.models import build
from gnomon.models.tokenizers import symbol_tokenizer
from gnomon.posttrain.recipe import Recipe
from gnomon.posttrain.searcher import Rollout
from gnomon.tasks.environment import SingleTurn, Step, Task, demonstrated
from gnomon.tasks.testing import check_environment
from gnomon.tasks.wrappers import TRY_AGAIN, wrapped

GENERATED = {
    "add": {"digits": 3},
    "countdown": {"n_train": 200, "n_validation": 50, "n_test": 50},
    "multiply": {"digits": [2, 1]},
    "sort": {},
}
FILES = {"g2p": "cmudict", "gsm8k": "gsm8k/train", "gsm8k_equations": "gsm8k/train", "scan": "scan/simple/train"}
SEPARATED = {
    "add": "=",
    "multiply": "=",
    "sort": ":",
    "g2p": ":",
    "gsm8k": "####",
    "gsm8k_equations": "=",
    "scan": " :",
}


def built_in(name):
    if name in FILES and data.locate(FILES[name]) is None:
        pytest.skip(f"data set {FILES[name]!r} is not on this machine")
    return tasks.get(name, **GENERATED.get(name, {}))


class Parity:
    """A user's own: say whether a number is odd, 1 or 0. Its teacher guesses."""

    name, pure, symbols = "parity", True, tuple("0123456789?")

    def tasks(self, split):
        start = {"train": 0, "validation": 100, "test": 200}[split]
        return [Task(f"{start + i}", split, {"n": start + i}) for i in range(60)]

    def start(self, task, seed):
        return SingleTurn(f"{task.payload['n']}?", lambda text: Step(float(text == str(task.payload["n"] % 2))))

    def demonstration(self, task, seed):
        return str((task.payload["n"] + seed) % 2)


class Graded(Parity):
    """The same with half a point for the wrong digit, and a verdict beside it."""

    def start(self, task, seed):
        right = str(task.payload["n"] % 2)
        return SingleTurn(
            f"{task.payload['n']}?", lambda text: Step(1.0 if text == right else 0.5, None, {"correct": text == right})
        )


class Odd(Parity):
    """What an environment should not reward with."""

    def __init__(self, reward):
        self.reward = reward

    def start(self, task, seed):
        return SingleTurn("1?", lambda text: Step(self.reward))


class Talk(Parity):
    """Two turns of its own."""

    class Episode:
        prompt = "1?"

        def __init__(self):
            self.turn = 0

        def step(self, action):
            self.turn += 1
            return Step(0.0, None if self.turn == 2 else "?", done=self.turn == 2)

    def start(self, task, seed):
        return self.Episode()

    def demonstrations(self, task, seed):
        return ("0", str(seed % 2))


PARITY = Task("5", "train", {"n": 5})

# -- around everything -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*GENERATED, *FILES])
def test_every_built_in_keeps_the_contract_when_it_is_wrapped(name):
    env = built_in(name)
    if name == "g2p":  # graded by distance
        env = tasks.Binary(env)
    for twice in (tasks.TwoAttempt(env), tasks.TwoAttempt(env, "?", 3), tasks.Latent(env, 4, "|")):
        checked = check_environment(twice, n=6)
        assert checked.name == name
        assert checked.demonstrations_right == 1.0
        assert twice.pure is True
    assert twice.tasks("test") == env.tasks("test")


def test_a_users_own_class_and_both_ways_to_call():
    env = Parity()
    assert list(inspect.signature(tasks.TwoAttempt).parameters)[:3] == ["env", "instruction", "attempts"]
    assert list(inspect.signature(tasks.Latent).parameters)[:3] == ["env", "max_tokens", "separator"]
    for two in (tasks.TwoAttempt(env, "Again?", 2), tasks.TwoAttempt(env, instruction="Again?", attempts=2)):
        assert (two.instruction, two.attempts) == ("Again?", 2)
        assert check_environment(two).name == "parity"
        episode = two.start(PARITY, 0)
        assert episode.prompt == "5?"
        assert episode.step("0") == Step(0.0, "Again?", done=False)
        assert episode.step("1") == Step(1.0)
    for latent in (tasks.Latent(env, 7, "|"), tasks.Latent(env, max_tokens=7, separator="|")):
        assert check_environment(latent).name == "parity"
        episode = latent.start(PARITY, 0)
        assert (episode.prompt, episode.latent, episode.max_tokens) == ("5?", True, 7)
        assert episode.step("1") == Step(0.0, "|", done=False)  # never graded, whatever it says
        assert (episode.latent, episode.max_tokens) == (False, None)
        assert episode.step("1") == Step(1.0)
    assert (tasks.TwoAttempt(env).instruction, tasks.TwoAttempt(env).attempts) == (TRY_AGAIN, 2)


def test_the_wrapper_inside_is_found():
    two = tasks.TwoAttempt(tasks.Binary(Graded()))
    assert wrapped(two, tasks.TwoAttempt) is two
    assert isinstance(wrapped(two, tasks.Binary), tasks.Binary)
    assert wrapped(two, tasks.Latent) is None
    assert wrapped(Parity(), tasks.TwoAttempt) is None


# -- nothing that is read says whether an attempt was right ----------------------------------------------------


PLAIN = {name: tasks.get(name, **GENERATED[name]) for name in ("add", "multiply", "sort")}


@given(st.text(max_size=30), st.text(max_size=30), st.integers(2, 4), st.sampled_from(["add", "multiply", "sort"]))
@settings(deadline=None)
def test_what_follows_an_attempt_is_the_same_whatever_it_said(one, other, attempts, name):
    """Right, wrong or nonsense: the environment's words, its prompt and when it ends are alike."""
    env = tasks.TwoAttempt(PLAIN[name], attempts=attempts)
    task = env.tasks("train")[0]
    right = env.demonstration(task, 0)
    seen = []
    for text in (right, one, other):
        episode = env.start(task, 0)
        heard = [episode.prompt]
        for _ in range(attempts):
            step = episode.step(text)
            heard.append((step.observation, step.done, getattr(episode, "max_tokens", None)))
        seen.append((heard, step.reward))
    assert seen[0][0] == seen[1][0] == seen[2][0]
    assert seen[0][1] == 1.0
    assert [observation for observation, _, _ in seen[0][0][1:]] == [TRY_AGAIN] * (attempts - 1) + [None]


@pytest.mark.parametrize("kind", ["decoder", "encoder_decoder"])
@pytest.mark.parametrize("attempts", [2, 3])
def test_tokens_of_a_later_prompt_are_the_same_but_for_the_attempts(kind, attempts):
    env = tasks.TwoAttempt(Parity(), TRY_AGAIN, attempts)
    tokenizer = symbol_tokenizer(env.symbols)
    policy = getattr(build, kind)(tokenizer, layers=1, width=16, heads=2, context=24, seed=0)
    values = {
        "task": {"name": "any"},
        "attempts": {"count": attempts},
        "sampling": {"samples": 150, "max_tokens": 1},
    }
    rollout = Rollout(policy, env, Recipe.model_validate(values), 0)
    (group,) = rollout.groups([PARITY], 0, 0)
    instruction = tuple(tokenizer(TRY_AGAIN, add_special_tokens=False)["input_ids"])
    assert instruction == (tokenizer.convert_tokens_to_ids(TRY_AGAIN),)
    firsts = {turn.reward for turn in (t.turns[0] for t in group)}
    assert firsts == {0.0, 1.0}  # right and wrong ones were drawn, so the comparison compares
    for trajectory in group:
        said = trajectory.prompt_ids
        for turn in trajectory.turns:
            assert turn.prompt_ids == said
            said = said + turn.action_ids + instruction


# -- teachers and symbols --------------------------------------------------------------------------------------


def test_attempts_of_a_teacher_are_made_without_a_look_at_each_other():
    env = tasks.TwoAttempt(tasks.get("multiply", teacher_error=0.4), attempts=3)
    problems = env.tasks("train")[:200]
    shown = [demonstrated(env, task, 0) for task in problems]
    assert shown == [demonstrated(env, task, 0) for task in problems]
    assert {len(texts) for texts in shown} == {3}
    assert any(a != b for a, b, _ in shown)
    assert any(b != c for _, b, c in shown)
    right = [
        [env.start(task, 0).step(text).reward for text in texts] for task, texts in zip(problems, shown, strict=True)
    ]
    both = sum(a and b for a, b, _ in right) / 200
    apart = sum(a for a, _, _ in right) * sum(b for _, b, _ in right) / 200**2
    assert both > apart - 0.1  # not one right and the other wrong on purpose


@pytest.mark.parametrize("attempts", [2, 3])
def test_a_teacher_that_slips_does_so_in_one_unit_and_never_at_last(attempts):
    env = tasks.get("add", digits=4)
    problems = env.tasks("train")[:150]
    plain, slipping = (tasks.TwoAttempt(env, "?", attempts, slips=slips) for slips in (0.0, 0.5))
    slipped = 0
    for task in problems:
        honest, said = plain.demonstrations(task, 0), slipping.demonstrations(task, 0)
        assert said == slipping.demonstrations(task, 0)
        assert said[-1] == honest[-1]
        for one, other in zip(honest[:-1], said[:-1], strict=True):
            assert len(one) == len(other)
            assert sum(a != b for a, b in zip(one, other, strict=True)) <= 1
            slipped += one != other
    assert 0.3 < slipped / (150 * (attempts - 1)) < 0.55
    assert check_environment(tasks.TwoAttempt(env, "?", slips=1.0), n=10).demonstrations_right == 1.0


@pytest.mark.parametrize("env", [tasks.get("add", digits=4), Parity()])
def test_a_sketch_is_the_answer_with_units_left_out(env):
    shown = {}
    for dropped in (0.0, 0.5, 1.0):
        latent = tasks.Latent(env, 4, "|", dropped=dropped)
        shown[dropped] = [demonstrated(latent, task, 3) for task in env.tasks("train")[:50]]
    assert all(sketch == answer for sketch, answer in shown[0.0])
    assert all(sketch == "" for sketch, _ in shown[1.0])
    for sketch, answer in shown[0.5]:
        rest = iter(answer)
        assert all(unit in rest for unit in sketch)  # in the answer's order
    assert 0 < sum(len(s) for s, _ in shown[0.5]) < sum(len(a) for _, a in shown[0.5])


def test_free_text_is_cut_into_words():
    class Words(Parity):
        symbols = None

        def demonstration(self, task, seed):
            return " the answer is  one"

    latent = tasks.Latent(Words(), 4, "|", dropped=0.5)
    assert latent.symbols is None
    assert tasks.TwoAttempt(Words()).symbols is None
    sketches = {latent.demonstrations(PARITY, seed)[0] for seed in range(60)}
    assert {" the", " answer is"} <= sketches
    assert all(s in (" the answer is  one", "") or set(s.split()) <= {"the", "answer", "is", "one"} for s in sketches)


def test_symbols_hold_what_is_read_besides():
    assert tasks.TwoAttempt(Parity(), "Again?").symbols == (*Parity.symbols, "Again?")
    assert tasks.Latent(Parity(), 3, "|", filler="?").symbols == (*Parity.symbols, "|")  # each once

    class Forgetful(tasks.TwoAttempt):
        symbols = Parity.symbols

    with pytest.raises(AssertionError, match="no symbol covers 'Again"):
        check_environment(Forgetful(Parity(), "Again!"))


def test_the_contract_suite_counts_turns():
    class Short(tasks.TwoAttempt):
        def demonstrations(self, task, seed):
            return super().demonstrations(task, seed)[:1]

    class Long(tasks.TwoAttempt):
        def demonstrations(self, task, seed):
            return (*super().demonstrations(task, seed), "1")

    with pytest.raises(AssertionError, match="1 demonstrations, but its episode goes on after turn 1"):
        check_environment(Short(Parity(), "?"))
    with pytest.raises(AssertionError, match="3 demonstrations, but its episode ends with turn 2"):
        check_environment(Long(Parity(), "?"))


# -- verdicts --------------------------------------------------------------------------------------------------


def test_a_graded_reward_becomes_a_verdict():
    env = tasks.Binary(Graded())
    assert [env.start(PARITY, 0).step(text).reward for text in ("1", "0", "")] == [1.0, 0.0, 0.0]
    assert env.start(PARITY, 0).step("1").components == {"correct": True}
    two = tasks.TwoAttempt(env, "?").start(PARITY, 0)
    assert (two.step("0").reward, two.step("1").reward) == (0.0, 1.0)


def test_a_verdict_leaves_the_other_turns_alone():
    """A binary reward around several turns or a free sequence keeps what these are."""
    talk = tasks.Binary(Talk())
    assert demonstrated(talk, PARITY, 1) == ("0", "1")
    assert check_environment(talk).name == "parity"
    episode = tasks.Binary(tasks.Latent(Graded(), 3, "|")).start(PARITY, 0)
    assert (episode.latent, episode.max_tokens) == (True, 3)
    assert episode.step("1") == Step(0.0, "|", done=False)
    assert (episode.latent, episode.max_tokens) == (False, None)
    assert episode.step("0").reward == 0.0


# -- mistakes --------------------------------------------------------------------------------------------------


def test_a_reward_that_is_no_verdict_is_refused_and_the_wrapper_named():
    episode = tasks.TwoAttempt(Graded(), "?").start(PARITY, 0)
    with pytest.raises(
        UserError, match=r"'parity' rewards an answer with 0\.5.*gnomon\.tasks\.Binary.*attempts\.binary"
    ):
        episode.step("0")


@pytest.mark.parametrize("reward", [float("nan"), float("inf"), "much", None])
def test_what_is_no_number_is_left_to_be_counted_as_a_fault(reward):
    """An environment that fails on one answer in a thousand must not end a run that counts such things."""
    from gnomon.posttrain.searcher import checked_reward

    step = tasks.TwoAttempt(Odd(reward), "?").start(PARITY, 0).step("1")
    with pytest.raises(ValueError, match="not a"):
        checked_reward(step)


@pytest.mark.parametrize("wrap", [lambda env: tasks.TwoAttempt(env, "?"), lambda env: tasks.Latent(env, 3, "|")])
def test_environments_of_several_turns_are_refused(wrap):
    for inner in (Talk(), tasks.TwoAttempt(Parity(), "?"), tasks.Latent(Parity(), 3, "|")):
        env = wrap(inner)
        episode = env.start(PARITY, 0)
        with pytest.raises(UserError, match="wraps environments of one turn, and 'parity' goes on after it"):
            for _ in range(2):
                episode.step("1")


@pytest.mark.parametrize("name", SEPARATED)
def test_an_instruction_that_sets_an_answer_off_is_refused(name):
    env, separator = built_in(name), SEPARATED[name]
    with pytest.raises(UserError, match="which sets the answer off in") as caught:
        tasks.TwoAttempt(env, f"Again{separator} now")
    assert repr(separator) in str(caught.value)
    assert name in str(caught.value)
    with pytest.raises(UserError, match="sets the answer off"):
        tasks.TwoAttempt(tasks.Binary(env), f"Again{separator} now")  # through another wrapper as well


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: tasks.TwoAttempt(Parity(), ""), "the instruction is empty"),
        (lambda: tasks.TwoAttempt(Parity(), "?", 1), "attempts = 1 must be at least 2"),
        (lambda: tasks.TwoAttempt(Parity(), "?", slips=1.5), "slips = 1.5"),
        (lambda: tasks.Latent(Parity(), 0, "|"), "max_tokens = 0"),
        (lambda: tasks.Latent(Parity(), 3, ""), "must not be empty"),
        (lambda: tasks.Latent(Parity(), 3, "|", filler=""), "must not be empty"),
        (lambda: tasks.Latent(Parity(), 3, "|", dropped=1.5), "dropped = 1.5"),
        (lambda: tasks.TwoAttempt(tasks.Latent(Parity(), 3, "|"), "a|b"), r"contains '\|'"),
    ],
)
def test_mistakes_are_named(make, words):
    with pytest.raises(UserError, match=words):
        make()


@pytest.mark.parametrize(
    ("attempts", "words"),
    [
        ('instruction = "Again = "', "contains '=', which sets the answer off in 'multiply'"),
        ('instruction = ""', "the instruction is empty"),
        ("count = 1", "attempts.count = 1"),
        ("trained = 3", "attempts.trained = 3"),
        ("offline_first_attempts = 1.0", "attempts.offline_first_attempts"),
        ("trained = 1\noffline_first_attempts = 0.5", "needs a second attempt to train"),
    ],
)
def test_a_recipe_that_cannot_be_leaves_nothing_behind(tmp_path, gnomon, attempts, words):
    from tiny import TEXT

    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"{TEXT}\n[attempts]\n{attempts}\n")
    result = gnomon("posttrain", "run", str(recipe), "--out", str(tmp_path / "run"))
    assert result.exit_code == 2
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == [recipe]


def test_an_instruction_set_by_command_is_checked_alike(tmp_path, gnomon):
    from tiny import TEXT

    recipe = tmp_path / "recipe.toml"
    recipe.write_text(TEXT)
    arguments = ("--set", "attempts.instruction=x=y", "--out", str(tmp_path / "run"))
    result = gnomon("posttrain", "run", str(recipe), *arguments)
    assert result.exit_code == 2
    assert "contains '='" in result.stderr
    assert list(tmp_path.iterdir()) == [recipe]
