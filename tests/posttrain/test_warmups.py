"""Warmups: what is learnt from them against its stated objective, what is measured against worlds whose truth is known."""

import copy
import html
import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny, values

from gnomon.errors import UserError
from gnomon.models import build
from gnomon.models.policy import Policy, Sample
from gnomon.models.tokenizers import symbol_tokenizer
from gnomon.posttrain import rescore, stages, warmups
from gnomon.posttrain.evaluation import Answered, Graded, accuracy, grade
from gnomon.posttrain.recipe import Recipe
from gnomon.posttrain.records import Trajectory, Turn
from gnomon.posttrain.searcher import Rollout
from gnomon.posttrain.trainer import Trainer
from gnomon.posttrain.warm_start import initial_policy
from gnomon.posttrain.warmup_pictures import verdict
from gnomon.posttrain.warmups import Study, Weighed, derangement, likeliest_answer, warmup_figures
from gnomon.runs import open_run, same_metrics
from gnomon.runs.progress import Progress
from gnomon.seeds import derive
from gnomon.tasks import Latent, SingleTurn, Step, Task
from gnomon.tasks.wrappers import Binary

WRITES = {"latent": {"max_tokens": 3}, "sampling": {"answer": "teacher"}, "model": {"context": 20}}
OBJECTIVES = (
    *({"name": "latent_marginal", "estimator": name} for name in ("marginal", "snis", "elbo")),
    {"name": "trajectory_balance", "beta": 0.7},
)
SHORT = {
    "warm_start": {"steps": 4, "batch_size": 16, "checkpoint_every": 2},
    "train": {"steps": 4, "checkpoint_every": 2, "evaluate_every": 2},
    "evaluation": {"n": 12, "n_curve": 8},
}


def recipe_of(**sections):
    merged = {name: {**WRITES.get(name, {}), **SHORT.get(name, {})} for name in (*WRITES, *SHORT)}
    for name, value in sections.items():
        merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
    return tiny(**merged)


def make(folder, resume=False, **sections):
    return stages.run_recipe(recipe_of(**sections), out=folder, resume=resume, progress=Progress(quiet=True))


# -- what is learnt ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["decoder", "encoder_decoder"])
def policy(request):
    maker = build.decoder if request.param == "decoder" else build.encoder_decoder
    return maker(symbol_tokenizer("0123456789*=|."), layers=1, width=16, heads=2, context=20, seed=3)


def trajectory(policy, prompt, warmup_ids, answer, group):
    """A warmup that the policy drew, what is read after it, and the teacher's answer."""
    x, bar, y = policy.encode(prompt), policy.tokenizer("|")["input_ids"], policy.encode_action(answer)
    finish = "eos" if warmup_ids[-1] == policy.eos else "length"
    drawn = policy.log_probs([x], [warmup_ids])[0].tolist()
    reference = [-1.0 - 0.1 * k for k in range(len(warmup_ids))]
    first = Turn(tuple(x), tuple(warmup_ids), tuple(drawn), 0, 1.0, finish, 0.0, {}, True, tuple(reference))
    read = (*x, *warmup_ids, *bar)
    zeros = (0.0,) * len(y)
    second = Turn(read, tuple(y), zeros, 0, 1.0, "eos", 1.0, {}, False, (-0.5,) * len(y), "teacher")
    return Trajectory(prompt, str(group), 0, (first, second))


def batch_of(policy):
    """Two groups of three warmups: ended, cut off and empty ones, one of them twice."""
    eos, (one, two, bar) = policy.eos, policy.tokenizer("12|")["input_ids"]
    first = [[one, eos], [two, bar, one], [one, eos]]
    second = [[eos], [two, two, eos], [bar, eos]]
    groups = [("3*4=", "21", first), ("12*7=", "48", second)]
    rows = [trajectory(policy, x, c, y, g) for g, (x, y, drawn) in enumerate(groups) for c in drawn]
    return rows, [0, 0, 0, 1, 1, 1]


def own_log_probs(model, policy, t):
    """log p(c|x) and log p(y|x,c) in float64 by one plain forward pass, without Policy or Trainer."""
    x, rest = list(t.prompt_ids), list(t.rest_ids)
    if policy.is_encoder_decoder:
        start = model.config.decoder_start_token_id
        logits = model(input_ids=torch.tensor([x]), decoder_input_ids=torch.tensor([[start, *rest[:-1]]])).logits[0]
    else:
        logits = model(input_ids=torch.tensor([x + rest])).logits[0, len(x) - 1 : -1]
    chosen = torch.log_softmax(logits, -1).gather(-1, torch.tensor(rest)[:, None])[:, 0]
    c, y = len(t.turns[0].action_ids), len(t.turns[1].action_ids)
    return chosen[:c].sum(), chosen[-y:].sum()


def stated(objective, log_c, log_y, log_ref):
    """The objectives of the specification for one group, written out sample by sample; what is minimised."""
    k = len(log_y)
    fixed = [float(value.detach()) for value in log_y]
    if objective["name"] == "trajectory_balance":
        beta = objective["beta"]
        log_z = sum(r + value / beta - float(c.detach()) for r, value, c in zip(log_ref, fixed, log_c, strict=True)) / k
        residuals = [log_z + c - r - value / beta for c, r, value in zip(log_c, log_ref, fixed, strict=True)]
        return beta / 2 * sum(each**2 for each in residuals) / k - sum(log_y) / k
    others = [(sum(fixed) - value) / (k - 1) for value in fixed]
    if objective["estimator"] == "snis":
        total = sum(math.exp(value) for value in fixed)
        return -sum(math.exp(v) / total * (c + y) for v, c, y in zip(fixed, log_c, log_y, strict=True))
    if objective["estimator"] == "elbo":
        return -sum((v - o) * c + y for v, o, c, y in zip(fixed, others, log_c, log_y, strict=True)) / k
    whole = torch.stack(list(log_y)).logsumexp(0) - math.log(k)
    scores = [
        float(whole.detach()) - math.log((sum(map(math.exp, fixed)) - math.exp(fixed[j]) + math.exp(others[j])) / k)
        for j in range(k)
    ]
    return -(whole + sum(s * c for s, c in zip(scores, log_c, strict=True)))


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.get("estimator", o["name"]))
def test_the_trainers_gradient_is_that_of_the_stated_objective(policy, objective):
    """In every parameter, on a batch of real sequences: float32 as trained against float64 written out."""
    trainer = Trainer(recipe_of(objective=objective), policy, policy)
    rows, labels = batch_of(policy)
    policy.model.zero_grad()
    scored = trainer.score(rows, labels)
    loss = trainer.loss(scored, 0)
    loss.value.backward()
    ours = torch.cat([p.grad.double().reshape(-1) for p in policy.model.parameters()])
    policy.model.zero_grad(set_to_none=True)
    model = copy.deepcopy(policy.model).double()
    pairs = [own_log_probs(model, policy, t) for t in rows]
    reference = [sum(t.turns[0].reference_log_probs) for t in rows]
    groups = [slice(0, 3), slice(3, 6)]
    value = sum(stated(objective, *zip(*pairs[g], strict=True), reference[g]) for g in groups) / 2
    value.backward()
    theirs = torch.cat([p.grad.reshape(-1) for p in model.parameters()])
    assert float(loss.value.detach()) == pytest.approx(float(value.detach()), rel=1e-5)
    assert float((ours - theirs).norm() / theirs.norm()) < 1e-5
    assert loss.metrics["answer_log_prob"] == pytest.approx(np.mean([float(y.detach()) for _, y in pairs]), rel=1e-5)


@pytest.mark.parametrize("estimator", ["marginal", "snis", "elbo"])
def test_groups_of_unequal_size_weigh_the_same_in_micro_batches(policy, estimator):
    """The latent marginal is a mean over groups, however many warmups each has and however the batch is cut."""
    rows, _ = batch_of(policy)
    groups = [tuple(rows[:3]), tuple(rows[3:5])]
    metrics = []
    for size in (512, 1):
        recipe = recipe_of(objective={"name": "latent_marginal", "estimator": estimator}, train={"micro_batch": size})
        metrics.append(Trainer(recipe, copy.deepcopy(policy), policy).update(groups, 0))
    for name in ("loss", "gradient_norm", "log_marginal"):
        assert metrics[1][name] == pytest.approx(metrics[0][name], rel=1e-4), name


def test_the_marginals_expected_gradient_is_exact_through_the_trainer(policy):
    """Every pair of a tiny world's warmups, weighted by its probability: the gradient of E[L_2], in float64."""
    trainer = Trainer(recipe_of(objective={"name": "latent_marginal"}), policy, policy)
    warmup_ids = [policy.tokenizer(symbol)["input_ids"] for symbol in "1234"]
    rows = [trajectory(policy, "3*4=", ids, "21", 0) for ids in warmup_ids]
    generator = torch.Generator().manual_seed(0)
    preference, likelihood = (
        (2 * torch.randn(4, generator=generator, dtype=torch.float64)).requires_grad_() for _ in range(2)
    )
    log_c, log_y = torch.log_softmax(preference, 0), -torch.nn.functional.softplus(likelihood)

    def gradient(value):
        return torch.cat(torch.autograd.grad(value, (preference, likelihood), retain_graph=True))

    expected, truth = torch.zeros(8, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for pair in itertools.product(range(4), repeat=2):
        scored = trainer.score([rows[k] for k in pair], [0, 0])
        is_warmup = (scored.turn == 0) & (scored.mask > 0)
        is_answer = (scored.turn == 1) & (scored.mask > 0)
        assert is_warmup.sum(-1).tolist() == [1, 1]
        parts = is_answer / is_answer.sum(-1, keepdim=True)  # the answer's tokens share its log-probability
        chosen = list(pair)
        placed = is_warmup * log_c[chosen][:, None] + parts * log_y[chosen][:, None]
        chance = log_c[chosen].sum().exp()
        expected = expected + chance.detach() * gradient(trainer.loss(replace(scored, log_probs=placed), 0).value)
        truth = truth + chance * (log_y[chosen].logsumexp(0) - math.log(2))
    assert torch.allclose(expected, -gradient(truth), atol=1e-14)


def test_a_groups_warmups_are_weighed_by_one_answer(policy):
    """Even where the teacher errs now and then, and differently each time it is asked."""
    recipe = recipe_of(task={"name": "multiply", "digits": [2, 1], "teacher_error": 0.6}, sampling={"samples": 6})
    environment = recipe.environment()
    tasks = environment.tasks("train")[:8]
    rollout = Rollout(policy, environment, recipe, 0)
    answers = [[{t.turns[1].action_ids for t in g} for g in rollout.groups(tasks, call, 0)] for call in range(3)]
    assert {len(said) for call in answers for said in call} == {1}
    assert any(len(set.union(*of_task)) > 1 for of_task in zip(*answers, strict=True))  # he does err
    assert all([turn.latent for turn in t.turns] == [True, False] for t in rollout.groups(tasks, 9, 0)[0])


# -- a world that is known -------------------------------------------------------------------------------------------


class Sides:
    """Half of the problems are answered `a`, the other half `b`; the prompt says which."""

    name, pure, symbols = "sides", True, tuple("abx?.|")

    def __init__(self, n=40):
        self.n = n

    def tasks(self, split):
        return [Task(f"{split}-{i}", split, {"number": i, "side": "ab"[i % 2]}) for i in range(self.n)]

    def start(self, task, seed):
        side = task.payload["side"]
        return SingleTurn(f"{side}?", lambda text: Step(float(text == side)))

    def demonstration(self, task, seed):
        return task.payload["side"]


class Tokens:
    unk_token_id = None
    symbols = ("<pad>", "<eos>", *Sides.symbols)

    def __call__(self, text, add_special_tokens=False):
        return {"input_ids": [self.symbols.index(symbol) for symbol in text]}


class TablePolicy:
    """A policy that is two tables: p(c|x) over warmups of one symbol, and p(y|x,c) over answers of one symbol."""

    tokenizer = Tokens()
    eos = 1

    def __init__(self, warmups, answers):
        self.warmups = warmups  # {x: {c: probability}}
        self.answers = answers  # {(x, c): {y: probability}}; None for c stands for any that is not listed

    def fits(self, prompt, action):
        return True

    def encode(self, text):
        return self.tokenizer(text)["input_ids"]

    def encode_many(self, texts):
        return [self.encode(text) for text in texts]

    def encode_action(self, text):
        return self.encode(text)  # answers of one symbol are cut off before they could end

    def decode(self, ids):
        return "".join("" if i == self.eos else self.tokenizer.symbols[i] for i in ids)

    def law(self, prompt_ids, prefix):
        x = self.decode(prompt_ids)
        if not prefix:
            return self.warmups[x]
        return self.answers.get((x, self.decode(prefix[:1])), self.answers[x, None])

    def sample(self, prompts, n=1, *, max_tokens, temperature=1.0, seed=0, prefixes=None):
        rng = np.random.default_rng(seed)
        samples = []
        for i, prompt in enumerate(prompts):
            law = self.law(prompt, () if prefixes is None else prefixes[i])
            texts = list(law)
            best = max(texts, key=law.get)
            drawn = [best] * n if temperature == 0 else rng.choice(texts, size=n, p=list(law.values()))
            samples += [Sample(tuple(self.encode(str(text))), (math.log(law[str(text)]),), "length") for text in drawn]
        return samples

    def log_probs(self, prompts, rests):
        bar = self.encode("|")[0]
        rows = []
        for prompt, rest in zip(prompts, rests, strict=True):
            end = list(rest).index(bar)
            c, y = rest[:end], rest[end + 1 :]
            before = [math.log(self.warmups[self.decode(prompt)].get(self.decode(c), 0.01))] * len(c)
            after = [math.log(self.law(prompt, rest)[self.decode(y)])]
            rows.append(torch.tensor([*before, -7.0, *after]))
        return rows


def sides(n=40):
    return Latent(Sides(n), max_tokens=1, separator="|")


def study_of(policy, environment=None, seed=0):
    environment = environment or sides()
    return Study(policy, environment, environment.tasks("test"), max_tokens=1, seed=seed)


def figures_of(study, samples=8, n=None):
    """The study's figures as a run puts them together."""
    graded = {"greedy": study.answers(1), **study.replaced()}
    if n is not None:
        graded["n_warmups"] = study.answers(n)
    return warmup_figures(graded, study.weighed(samples), seed=study.seed)


TELLING = {
    ("a?", "a"): {"a": 0.9, "b": 0.1},
    ("a?", "b"): {"a": 0.2, "b": 0.8},
    ("b?", "a"): {"a": 0.7, "b": 0.3},
    ("b?", "b"): {"a": 0.05, "b": 0.95},
    ("a?", None): {"a": 0.45, "b": 0.55},
    ("b?", None): {"a": 0.55, "b": 0.45},
}
DRAWN = {"a?": {"a": 0.8, "b": 0.2}, "b?": {"a": 0.3, "b": 0.7}}
DEAF = {key: {"a": 0.6, "b": 0.4} for key in TELLING}


def test_information_is_that_of_the_tables():
    """Against the exact value, mean over x of sum_c p(c|x) l(c) minus the same under the other problems' warmups."""
    n = 600
    figures = figures_of(study_of(TablePolicy(DRAWN, TELLING), sides(n)))

    def mean_l(x, under):
        return sum(p * math.log(TELLING[x, c][x[0]]) for c, p in DRAWN[under].items())

    other = {x: ((n / 2 - 1) * mean_l(x, x) + n / 2 * mean_l(x, y)) / (n - 1) for x, y in (("a?", "b?"), ("b?", "a?"))}
    exact = sum(mean_l(x, x) - other[x] for x in ("a?", "b?")) / 2
    information = figures["information"]
    assert exact > 0.3
    assert information.value == pytest.approx(exact, abs=4 * information.se)
    assert information.low > 0
    assert information.n == n
    assert information.method.startswith("bootstrap")


def test_a_policy_that_ignores_its_warmup_has_information_of_exactly_zero():
    figures = figures_of(study_of(TablePolicy(DRAWN, DEAF)))
    information = figures["information"]
    assert (information.value, information.low, information.high) == (0.0, 0.0, 0.0)
    assert figures["effective_sample_size"].value == pytest.approx(8)  # every warmup is as good as any other
    for name in ("over_shuffled", "over_filler", "over_nothing"):
        assert figures[name].value == 0.0
        assert figures[name].low <= 0.0 <= figures[name].high


def test_controls_replace_the_greedy_warmup_and_nothing_else():
    """After its own warmup the model is always right; after another's, half of the time or less; after filler or
    nothing never: the differences are known exactly."""
    study = study_of(TablePolicy(DRAWN, TELLING))
    replaced = study.replaced()
    own = study.answers(1)
    assert [g.correct for g in own] == [True] * 40
    for g, other in zip(own, replaced["shuffled"], strict=True):
        said, instead = g.turns[0].action, other.turns[0].action
        assert g.correct
        assert other.correct == (instead == said)
    assert {g.turns[0].action for g in replaced["filler"]} == {"."}
    assert {g.turns[0].action for g in replaced["nothing"]} == {""}
    assert not any(g.correct for mode in ("filler", "nothing") for g in replaced[mode])
    figures = figures_of(study)
    assert figures["accuracy"].value == 1.0
    assert figures["over_filler"].value == figures["over_nothing"].value == 1.0
    assert figures["over_shuffled"].value == 1 - sum(g.correct for g in replaced["shuffled"]) / 40
    assert figures["over_shuffled"].method == "newcombe-paired"


RESCORED = {
    # After the greedy warmup x the answer b is likelier, over all warmups a is.
    **{(x, "x"): {"a": 0.45, "b": 0.55} for x in ("a?", "b?")},
    **{(x, "a"): {"a": 0.99, "b": 0.01} for x in ("a?", "b?")},
    **{(x, "b"): {"a": 0.4, "b": 0.6} for x in ("a?", "b?")},
    **{(x, None): {"a": 0.5, "b": 0.5} for x in ("a?", "b?")},
}


@pytest.mark.parametrize("n", [2, 3, 6])
def test_the_answer_given_is_the_likeliest_over_all_warmups(n):
    policy = TablePolicy({x: {"x": 0.4, "a": 0.3, "b": 0.3} for x in ("a?", "b?")}, RESCORED)
    study = study_of(policy)
    tried = {i: [study._greedy[i], *drawn] for i, drawn in study._warmups(n - 1, 1.0).items()}
    given = study.answers(n)
    changed = 0
    for i, g in enumerate(given):
        x = study.prompts[i]
        warmup_texts = [policy.decode(c) for c in tried[i]]
        assert warmup_texts[0] == "x"
        answers = [max(law, key=law.get) for law in (RESCORED[x, c] for c in warmup_texts)]
        marginal = {y: sum(RESCORED[x, c][y] for c in warmup_texts) / n for y in answers}
        best = max(marginal, key=marginal.get)
        assert g.answer == best
        assert g.correct == (best == x[0])
        assert g.turns[0].action == warmup_texts[answers.index(best)]  # the warmup it was given after
        assert (g.mode, g.turns[0].latent, g.turns[0].correct) == ("n_warmups", True, False)
        changed += best != answers[0]
    assert changed > 5
    assert figures_of(study, n=n)["accuracy_n"].value == accuracy(given).value


@given(st.lists(st.lists(st.floats(-800, 0), min_size=3, max_size=3), min_size=1, max_size=5))
def test_the_likeliest_answer_has_the_highest_mean_probability(log_probs):
    top = max(map(max, log_probs))
    means = [math.fsum(math.exp(value - top) for value in row) for row in log_probs]
    chosen = likeliest_answer(log_probs)
    assert means[chosen] >= max(means) * (1 - 1e-12)
    assert chosen == log_probs.index(log_probs[chosen])


def test_of_equal_answers_the_earlier_is_given():
    assert likeliest_answer([[-2.0, -1.0], [-1.0, -2.0], [-1.0, -2.0]]) in (0, 1)
    assert likeliest_answer([[-1.0, -2.0], [-1.0, -2.0]]) == 0
    assert likeliest_answer([[-1000.0, -1001.0], [-1000.5, -999.0]]) == 1  # far below what exp can hold


@given(st.integers(2, 300), st.integers(0, 2**32))
def test_a_derangement_leaves_nobody_in_place(n, seed):
    places = derangement(n, np.random.default_rng(seed))
    assert sorted(places) == list(range(n))
    assert all(place != i for i, place in enumerate(places))


def test_a_derangement_of_few_is_fair_and_of_one_refused():
    rng = np.random.default_rng(0)
    seen = [tuple(derangement(3, rng)) for _ in range(2000)]
    assert set(seen) == {(1, 2, 0), (2, 0, 1)}
    assert abs(seen.count((1, 2, 0)) - 1000) < 4 * math.sqrt(500)
    with pytest.raises(UserError, match="at least two"):
        derangement(1, rng)


def test_same_seed_same_figures_other_seed_others(policy):
    environment = recipe_of().environment()
    tasks = environment.tasks("test")

    def figures(seed):
        study = Study(policy, environment, tasks, max_tokens=4, seed=seed)
        return {name: f.to_dict() for name, f in figures_of(study, n=3).items()}, study.answers(3)

    first = figures(1)
    assert figures(1) == first
    assert figures(2)[0]["information"] != first[0]["information"]


# -- real policies ---------------------------------------------------------------------------------------------------


def test_a_study_scores_what_the_policy_says(policy):
    """l(c) of own and other warmups against one plain forward pass each, the answer's end token included."""
    environment = recipe_of().environment()
    tasks = environment.tasks("test")[:6]
    study = Study(policy, environment, tasks, max_tokens=4, seed=5)
    rows = study.weighed(3)
    drawn = study._warmups(3, 1.0)
    model = copy.deepcopy(policy.model).double()
    for i, row in enumerate(rows):
        assert row.lengths == tuple(len(ids) for ids in drawn[i])
        assert row.distinct == len(set(drawn[i]))
        assert row.target == environment.demonstration(tasks[i], derive(5, "teacher", tasks[i].id))
        after = {
            (j, k): float(own_log_probs(model, policy, trajectory(policy, row.prompt, ids, row.target, 0))[1].detach())
            for j in drawn
            for k, ids in enumerate(drawn[j])
        }
        for k in range(3):
            assert row.own[k] == pytest.approx(after[i, k], rel=1e-5)
            assert min(abs(row.others[k] - after[j, k]) for j in drawn if j != i) < 1e-5
    assert rows[0].gain == pytest.approx(np.mean(rows[0].own) - np.mean(rows[0].others))


@pytest.mark.parametrize("beams", [1, 3])
def test_one_warmup_is_what_grade_does(policy, beams):
    environment = recipe_of().environment()
    tasks = environment.tasks("test")
    study = Study(policy, environment, tasks, max_tokens=4, beams=beams, seed=7)
    plain = grade(policy, environment, tasks, max_tokens=4, mode="greedy", seed=7, beams=beams)
    assert [replace(g, mode="greedy") for g in study.answers(1)] == plain
    greedy = grade(policy, environment, tasks, max_tokens=4, mode="greedy", seed=7)
    assert [g.turns[0] for g in plain] == [g.turns[0] for g in greedy]  # a warmup is never searched for
    assert [Graded.from_row(json.loads(json.dumps(g.to_row(3, "after")))) for g in study.answers(3)] == study.answers(3)


def test_beams_change_answers_only_where_they_are_likelier(policy):
    environment = recipe_of().environment()
    tasks = environment.tasks("test")
    unsure = Policy(copy.deepcopy(policy.model), policy.tokenizer)
    unsure.load_weights({name: 0.6 * weight for name, weight in policy.weights().items()})
    wide, narrow = (Study(unsure, environment, tasks, max_tokens=2, beams=beams) for beams in (40, 1))
    pairs = [(i, ids) for i, drawn in wide._warmups(6, 1.0).items() for ids in drawn]
    found, greedy = wide._answered(pairs), narrow._answered(pairs)
    scores = wide._log_probs([(i, c, said[i, c]) for i, c in pairs for said in (found, greedy)])
    gains = [scores[i, c, found[i, c]] - scores[i, c, greedy[i, c]] for i, c in pairs]
    assert found != greedy
    assert max(gains) > 0.01
    assert min(gains) > -1e-5  # 40 beams hold every first token: the best of all answers of two tokens is among them


def test_an_environment_without_warmups_is_refused(policy):
    environment = tiny().environment()
    with pytest.raises(UserError, match="asks for no warmup"):
        Study(policy, environment, environment.tasks("test"), max_tokens=4)
    inside = Binary(recipe_of().environment())
    assert Study(policy, inside, inside.tasks("test")[:2], max_tokens=4).longest == 3
    foreign = Latent(tiny().environment(), 3, "#")
    with pytest.raises(UserError, match="cannot write '#'"):
        Study(policy, foreign, foreign.tasks("test"), max_tokens=4)


class Echo:
    """The answer is the prompt's first digit. On `luck`, it follows from nothing that the model sees."""

    pure = True
    symbols = tuple("0123456789?")

    def __init__(self, luck=False):
        self.luck = luck
        self.name = "luck" if luck else "echo"

    def tasks(self, split):
        part = {"train": range(200, 1000), "validation": range(100, 130), "test": range(130, 200)}[split]
        numbers = [i if i >= 200 else int(str(i)[::-1]) + 1000 * i for i in part]
        return [Task(f"{split}-{i}", split, {"number": f"{i % 1000:03d}", "id": i}) for i in numbers]

    def demonstration(self, task, seed):
        return str(int(task.hash, 16) % 2) if self.luck else task.payload["number"][0]

    def start(self, task, seed):
        right = self.demonstration(task, 0)
        return SingleTurn(f"{task.payload['number']}?", lambda text: Step(float(text == right)))


def trained(luck):
    """A policy after supervised training alone, whose warmup is the answer itself (`dropped` 0)."""
    task = {"name": f"{__name__}:Echo", "luck": luck}
    latent = {"max_tokens": 2, "dropped": 0.0}
    recipe = recipe_of(task=task, latent=latent, warm_start={"steps": 120, "batch_size": 32, "learning_rate": 1e-2})
    environment = recipe.environment()
    policy = initial_policy(recipe, environment)
    optimizer = stages.training.optimizer_for(policy.model, learning_rate=1e-2)
    for _ in stages.warm_start(recipe, environment, policy, optimizer, 0):
        pass
    return Study(policy, environment, environment.tasks("test"), max_tokens=3)


def test_a_warmup_that_carries_the_answer_is_found_out():
    figures = figures_of(trained(luck=False))
    assert figures["information"].low > 0.1
    assert figures["over_shuffled"].low > 0
    assert figures["distinct"].value < 0.5


def test_where_nothing_can_be_known_warmups_are_not_said_to_know_it():
    """The model reads its warmup (it was trained to write the answer there), but that says nothing of this problem."""
    study = trained(luck=True)
    rows = study.weighed()
    assert max(max(row.own) - min(row.own) for row in rows) > 1  # what it writes first decides what it answers
    information = warmup_figures({"greedy": study.answers(1), **study.replaced()}, rows)["information"]
    assert information.low < 0 < information.high


# -- room ------------------------------------------------------------------------------------------------------------


class Wordy(Sides):
    """One problem in four has a prompt that leaves room for a warmup, one in four none at all."""

    def start(self, task, seed):
        short = super().start(task, seed)
        return SingleTurn(short.prompt * {0: 1, 1: 8, 2: 1, 3: 12}[task.payload["number"] % 4], short.grade)


def test_what_has_no_room_is_counted_never_cut():
    environment = Latent(Wordy(16), max_tokens=4, separator="|")
    policy = build.decoder(symbol_tokenizer(environment.symbols), layers=1, width=16, heads=2, context=20, seed=0)
    study = Study(policy, environment, environment.tasks("test"), max_tokens=3, seed=1)
    lengths = [len(policy.encode(prompt)) for prompt in study.prompts]
    assert lengths == [2, 16, 2, 24] * 4
    rows, several, replaced = study.weighed(3), study.answers(3), study.replaced()
    assert [row.too_long for row in rows] == [length > 2 for length in lengths]
    assert all(row.own == row.others == () for row in rows if row.too_long)
    plain = grade(policy, environment, study.tasks, max_tokens=3, mode="greedy", seed=1)
    for graded in (plain, several, *replaced.values()):
        assert [g.too_long for g in graded] == [length > 2 for length in lengths]
        assert [len(g.turns) for g in graded] == [{2: 2, 16: 1, 24: 0}[length] for length in lengths]
        assert not any(g.correct for g in graded if g.too_long)
    figures = warmup_figures({"greedy": plain, "n_warmups": several, **replaced}, rows)
    assert figures["information"].n == figures["distinct"].n == figures["over_shuffled"].n == 8
    assert figures["accuracy"].n == figures["accuracy_n"].n == 16


def test_no_room_at_all_leaves_the_figures_undefined():
    rows = [Weighed("t", "x", "y", too_long=True)] * 3
    empty = [Graded("t", "x", (), "greedy", too_long=True)] * 3
    figures = warmup_figures(dict.fromkeys(("greedy", *warmups.REPLACEMENTS), empty), rows)
    assert figures["accuracy"].value == 0.0
    for name in ("information", "effective_sample_size", "over_shuffled"):
        assert figures[name].value is None
        assert figures[name].reason
    said = verdict({name: f.to_dict() for name, f in figures.items()})
    assert all("could not be measured" in sentence for sentence in said)


# -- in a run --------------------------------------------------------------------------------------------------------


@pytest.fixture
def without_report(monkeypatch):
    """Figures take most of so short a run's time."""
    monkeypatch.setattr(stages, "_report", lambda run: None)


@pytest.mark.parametrize("kind", ["decoder", "encoder_decoder"])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.get("estimator", o["name"]))
def test_both_kinds_of_model_learn_and_are_measured_under_every_objective(tmp_path, kind, objective, without_report):
    several = {} if objective["name"] == "latent_marginal" else {"n_warmups": 3}
    beams = {"beams": 2} if several else {}
    shorter = {"train": {"steps": 2}, "warm_start": {"steps": 2}, "evaluation": beams}
    run = make(tmp_path / "run", model={"kind": kind}, objective=objective, latent=several, **shorter)
    summary = run.summary()
    expected = {"information", "effective_sample_size", "distinct", "warmup_length", "accuracy"}
    expected |= {"over_shuffled", "over_filler", "over_nothing"} | ({"accuracy_n"} if several else set())
    for stage in ("warmups_before", "warmups"):
        assert set(summary[stage]) == expected
        for figure in summary[stage].values():
            assert figure["low"] <= figure["value"] <= figure["high"]
    assert summary["warmups"]["accuracy"] == summary["accuracy_after"]
    learned = [row for row in run.metrics() if row["stage"] == "rl"]
    assert len(learned) == 2
    named = ["loss", "distinct_warmups", "warmup_length", "answer_log_prob", "effective_sample_size"]
    named += ["log_marginal", "effective_warmups"] if not several else ["log_z"]
    assert all(row[name] is not None for row in learned for name in named)
    assert all(0 < row["distinct_warmups"] <= 1 <= row["warmup_length"] <= 3 for row in learned)
    if not several:
        assert all(1 <= row["effective_warmups"] <= 4 for row in learned)
    checked, differences = rescore.rescore(run)
    assert checked > 12 * (5 + bool(several)) * 2
    assert differences == []


def test_a_report_shows_what_warmups_are_worth(tmp_path):
    run = make(tmp_path / "run", objective={"name": "latent_marginal"}, latent={"n_warmups": 2})
    page = html.unescape((run.path / "report.html").read_text())
    said = verdict(run.summary()["warmups"])
    for words in (
        "<h2>Warmups</h2>",
        "information in nats",
        "several warmups rescored",
        "another's warmup",
        *said,
    ):
        assert words in page
    assert page.count(said[0]) == 1 + (run.summary()["warmups"]["information"]["low"] <= 0)  # told again as a shortfall
    for row in run.evaluations()[:3]:
        assert row["prompt"] in page


@pytest.mark.parametrize("moment", ["in warm start", "in training", "in the study after it"])
def test_a_run_that_was_interrupted_goes_on_to_the_same_figures(tmp_path, monkeypatch, moment, without_report):
    sections = {"objective": {"name": "latent_marginal"}, "latent": {"n_warmups": 2}}
    whole = make(tmp_path / "whole", **sections)
    after = {"in warm start": 4, "in training": 7}.get(moment)
    real = stages.Run.log

    def stop(self, step, **row):
        real(self, step, **row)
        if step == after:
            raise KeyboardInterrupt

    def refuse(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stages.Run, "log", stop)
        if after is None:
            patch.setattr(warmups.Study, "weighed", refuse)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path / "run", **sections)
    assert open_run(tmp_path / "run").state == "interrupted"
    run = make(tmp_path / "run", resume=True, **sections)
    assert same_metrics(whole, run) == []
    for stage in ("before", "after"):
        assert warmups.stored(run, stage) == warmups.stored(whole, stage) != []
    assert run.summary()["warmups"] == whole.summary()["warmups"]


def test_a_warm_start_is_taken_over_with_what_its_warmups_were_worth(tmp_path, without_report):
    first = make(tmp_path / "first", objective={"name": "latent_marginal"})
    recipe = recipe_of(objective={"name": "latent_marginal", "estimator": "elbo"})
    second = stages.run_recipe(recipe, out=tmp_path / "second", progress=Progress(quiet=True), start_of=first)
    assert second.summary()["warmups_before"] == first.summary()["warmups_before"]
    assert warmups.stored(second, "before") == warmups.stored(first, "before")


def estimate(low, value, high):
    return {"low": low, "value": value, "high": high, "n": 9, "reason": None}


NONE, MORE, LESS = estimate(-0.1, 0.0, 0.1), estimate(0.1, 0.2, 0.3), estimate(-0.3, -0.2, -0.1)


@pytest.mark.parametrize(
    ("information", "shuffled", "nothing", "words"),
    [
        (MORE, MORE, MORE, ("say something about their problem", "depends on what a warmup says")),
        (MORE, MORE, NONE, ("say something", "no gain is shown")),
        (MORE, NONE, MORE, ("say something", "more tokens, not warmup")),
        (NONE, NONE, MORE, ("not shown to say anything", "more tokens, not warmup")),
        (NONE, NONE, NONE, ("not shown to say anything", "not shown to depend on the warmup at all")),
        (LESS, LESS, NONE, ("less likely than another's", "not shown to depend on the warmup at all")),
    ],
)
def test_the_verdict_says_what_the_intervals_say(information, shuffled, nothing, words):
    said = verdict({"information": information, "over_shuffled": shuffled, "over_nothing": nothing})
    for sentence, expected in zip(said, words, strict=True):
        assert expected in sentence
        assert any(f"{figure['value']:+.3f}" in sentence for figure in (information, shuffled, nothing))


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"objective": {"name": "policy_gradient"}}, "gives policy_gradient nothing to compare"),
        ({"latent": None}, "gives trajectory_balance nothing to compare"),
        ({"objective": {"name": "latent_marginal"}, "replay": {"recency": 0.5}}, "replay.recency = 0.5"),
        ({"objective": {"name": "latent_marginal"}, "sampling": {"answer": "policy"}}, "needs a .latent. section"),
        ({"objective": {"name": "latent_marginal"}, "latent": None}, "needs a .latent. section"),
        ({"sampling": {"answer": "teacher", "max_turns": 1}}, "max_turns = 1"),
        ({"evaluation": {"beams": 0}}, "beams"),
        ({"latent": {"n_warmups": 0}}, "n_warmups"),
    ],
)
def test_settings_that_cannot_be_are_refused(sections, words):
    recipe = values(**{**WRITES, **sections})
    if recipe["latent"] is None:
        del recipe["latent"]
    with pytest.raises(ValueError, match=words):
        Recipe.model_validate(recipe)


def test_a_turn_of_a_warmup_is_marked():
    said = Graded("t", "x", (Answered("c", correct=False, reward=0.0, latent=True), Answered("y", True, 1.0)), "greedy")
    assert said.correct
    assert said.to_row(1, "after")["turns"][0]["latent"] is True
