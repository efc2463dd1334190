"""Several turns in the trainer and the searcher: losses and gradients against a direct computation from the model's own
log-probabilities, the baselines' filters, and what a rollout of branched, given, cut and failing episodes leaves."""

from dataclasses import replace

import pytest
import torch

from gnomon import tasks
from gnomon.errors import UserError
from gnomon.models import build, training
from gnomon.models.tokenizers import symbol_tokenizer
from gnomon.posttrain.recipe import Recipe
from gnomon.posttrain.records import Trajectory, Turn
from gnomon.posttrain.searcher import Rollout, add_reference_log_probs
from gnomon.posttrain.trainer import Trainer
from gnomon.tasks.environment import SingleTurn, Step, Task

TOKENIZER = symbol_tokenizer("0123456789?>")


def small(kind="decoder", seed=0, context=32):
    make = build.decoder if kind == "decoder" else build.encoder_decoder
    policy = make(TOKENIZER, layers=1, width=16, heads=2, context=context, seed=seed)
    with torch.no_grad():  # far enough from uniform, and from the reference, that a mistake shows
        generator = torch.Generator().manual_seed(seed)
        for parameter in policy.model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return policy


def recipe(**sections):
    values = {"task": {"name": "any"}, "attempts": {"count": 2}, "sampling": {"samples": 4, "max_tokens": 3}}
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section} if isinstance(section, dict) else section
    return Recipe.model_validate(values)


def trajectory(texts, rewards, *, prompt="12?", origins=None, task="t", temperature=1.0):
    """Attempts at `prompt` as a trajectory, with ">" read between them and behaviour log-probabilities made up."""
    prompt_ids = tuple(TOKENIZER(prompt)["input_ids"])
    between = tuple(TOKENIZER(">")["input_ids"])
    turns, said = [], prompt_ids
    for place, (text, reward) in enumerate(zip(texts, rewards, strict=True)):
        action = (*TOKENIZER(text)["input_ids"], TOKENIZER.eos_token_id)
        behaviour = tuple(-1.0 - 0.3 * ((place + i) % 4) for i in range(len(action)))
        origin = "policy" if origins is None else origins[place]
        turns.append(Turn(said, action, behaviour, 0, temperature, "eos", float(reward), origin=origin))
        said = said + action + between
    return Trajectory(task, "g", 0, tuple(turns))


def two_groups():
    """Two prompts with two first attempts each and two continuations of each; lengths differ, some sequences coincide."""
    return (
        (
            trajectory(["4", "8"], [0, 1]),
            trajectory(["4", "4"], [0, 0]),
            trajectory(["", "123"], [1, 0]),
            trajectory(["", "7"], [1, 1]),
        ),
        (
            trajectory(["55", "8"], [0, 0], prompt="3?"),
            trajectory(["55", "8"], [0, 0], prompt="3?"),
            trajectory(["5", "80"], [0, 1], prompt="3?"),
            trajectory(["5", "5"], [0, 0], prompt="3?"),
        ),
    )


def offline_groups():
    """The first group's first attempts come from the replay; the second's equal those of the first, drawn anew."""
    first = tuple(replace(t, turns=(replace(t.turns[0], origin="replay"), *t.turns[1:])) for t in two_groups()[0])
    return (first, two_groups()[0])


# -- direct computation ----------------------------------------------------------------------------------------


class Direct:
    """Per trajectory and turn: sums of log-probabilities (differentiable), anchors and divergences, one by one."""

    def __init__(self, policy, reference, groups):
        self.all = [t for group in groups for t in group]
        self.label = [g for g, group in enumerate(groups) for _ in group]
        self.context = [(g, t.turns[0].action_ids) for g, group in enumerate(groups) for t in group]
        self.turns = len(self.all[0].turns)
        self.log_probs, self.reference, self.kl, self.k2, self.tokens = [], [], [], [], []
        for t in self.all:
            ours = policy.score([t.prompt_ids], [t.rest_ids], temperature=t.temperature, keep_logits=True)
            with torch.no_grad():
                theirs = reference.score([t.prompt_ids], [t.rest_ids], temperature=t.temperature, keep_logits=True)
            p, q = torch.log_softmax(ours.logits[0], -1), torch.log_softmax(theirs.logits[0], -1)
            divergence = (p.exp() * (p - q)).sum(-1)
            squared = 0.5 * (ours.log_probs[0] - theirs.log_probs[0]).square()
            drawn = [float(turn.origin != "replay") for turn in t.turns]
            self.log_probs.append([d * ours.log_probs[0, a:b].sum() for d, (a, b) in zip(drawn, t.spans, strict=True)])
            self.reference.append(
                [d * theirs.log_probs[0, a:b].sum() for d, (a, b) in zip(drawn, t.spans, strict=True)]
            )
            self.kl.append([d * divergence[a:b].sum() for d, (a, b) in zip(drawn, t.spans, strict=True)])
            self.k2.append([d * squared[a:b].sum() for d, (a, b) in zip(drawn, t.spans, strict=True)])
            self.tokens.append([d * (b - a) for d, (a, b) in zip(drawn, t.spans, strict=True)])

    def shaped(self, alpha):
        return [
            [
                r.reward if u == 0 else r.reward + alpha * (r.reward - t.turns[u - 1].reward)
                for u, r in enumerate(t.turns)
            ]
            for t in self.all
        ]

    def credit(self, *, alpha=0.0, gamma=0.0, weights=None, baseline="none", contexts=False):
        shaped = self.shaped(alpha)
        returns = [
            [sum(gamma ** (v - u) * s[v] for v in range(u, self.turns)) for u in range(self.turns)] for s in shaped
        ]
        found = []
        for i, row in enumerate(returns):
            own = []
            for u, value in enumerate(row):
                names = self.context if contexts and u else self.label
                alike = [j for j in range(len(returns)) if names[j] == names[i]]
                others = [j for j in alike if j != i] if baseline == "leave_one_out" else alike
                mean = 0.0 if baseline == "none" else sum(returns[j][u] for j in others) / len(others)
                own.append((value - mean) * (1.0 if weights is None else weights[u]))
            found.append(own)
        return found

    def mean(self, of):
        return sum(of(i, u) for i in range(len(self.all)) for u in range(self.turns)) / len(self.all)

    def reinforce(self, credit):
        return -self.mean(lambda i, u: credit[i][u] * self.log_probs[i][u])

    def divergence(self, coefficients, which="kl"):
        return self.mean(lambda i, u: coefficients[u] * getattr(self, which)[i][u])

    def balance(self, values, names, beta, weight=1.0, turn=None):
        """The mean squared residual with each group's mean held constant; over one turn, or over whole trajectories."""
        k = [
            (sum(lp) - sum(ref)) if turn is None else lp[turn] - ref[turn]
            for lp, ref in zip(self.log_probs, self.reference, strict=True)
        ]
        total = 0.0
        for i, name in enumerate(names):
            alike = [j for j, other in enumerate(names) if other == name]
            log_z = sum(values[j] / beta - k[j].detach() for j in alike) / len(alike)
            total = total + (log_z + k[i] - values[i] / beta) ** 2
        return weight * total / len(names)

    def likelihood(self, kept, weights):
        return -self.mean(lambda i, u: kept[i] * weights[u] * self.log_probs[i][u])


CASES = {
    "shaping, branches, exact KL by turn": (
        {"objective": {"name": "policy_gradient", "shaping": 10.0, "kl": [0.11, 0.01]}, "sampling": {"branches": 2}},
        lambda d: (
            d.reinforce(d.credit(alpha=10.0, baseline="leave_one_out", contexts=True)) + d.divergence([0.11, 0.01])
        ),
    ),
    "turn weights, gamma, k2": (
        {
            "objective": {
                "name": "policy_gradient", "baseline": "group_mean", "turn_weights": [0.5, 3.0], "gamma": 0.5,
                "kl": [0.2, 0.05], "kl_estimator": "k2",
            }
        },
        lambda d: (
            d.reinforce(d.credit(gamma=0.5, weights=(0.5, 3.0), baseline="group_mean"))
            + d.divergence([0.2, 0.05], "k2")
        ),
    ),
    "plain REINFORCE, one KL for all": (
        {"objective": {"name": "policy_gradient", "baseline": "none", "kl": 0.1}},
        lambda d: d.reinforce(d.credit()) + d.divergence([0.1, 0.1]),
    ),
    "Stage I": (
        {
            "objective": {"name": "policy_gradient", "turn_weights": [0, 1], "kl": [0.11, 0.01]},
            "sampling": {"branches": 2},
        },
        lambda d: (
            d.reinforce(d.credit(weights=(0, 1), baseline="leave_one_out", contexts=True)) + d.divergence([0.11, 0.01])
        ),
    ),
    "balance of whole trajectories": (
        {"objective": {"name": "trajectory_balance", "beta": 0.5, "kl": [0.1, 0.0]}},
        lambda d: d.balance([sum(s) for s in d.shaped(0.0)], d.label, 0.5) + d.divergence([0.1, 0.0]),
    ),
    "balance by turn, with the bonus and branches": (
        {"objective": {"name": "trajectory_balance", "beta": 0.5, "shaping": 2.0}, "sampling": {"branches": 2}},
        lambda d: (
            d.balance([s[0] for s in d.shaped(2.0)], d.label, 0.5, turn=0)
            + d.balance([s[1] for s in d.shaped(2.0)], d.context, 0.5, turn=1)
        ),
    ),
    "balance by turn, weighted": (
        {"objective": {"name": "trajectory_balance", "beta": 0.5, "turn_weights": [0, 2.0]}},
        lambda d: d.balance([s[1] for s in d.shaped(0.0)], d.label, 0.5, weight=2.0, turn=1),
    ),
    "REINFORCE by token": (
        {"objective": {"name": "policy_gradient", "aggregate": "token", "kl": [0.3, 0.1]}},
        lambda d: (
            (d.reinforce(d.credit(baseline="leave_one_out")) + d.divergence([0.3, 0.1]))
            * len(d.all)
            / sum(map(sum, d.tokens))
        ),
    ),
    "STaR D": (
        {"objective": {"name": "weighted_nll", "keep": "fixed", "turn_weights": [0, 1], "kl": [0.1, 0]}},
        lambda d: (
            d.likelihood([t.turns[0].reward < 1 <= t.turns[1].reward for t in d.all], (0, 1)) + d.divergence([0.1, 0])
        ),
    ),
    "STaR D+": (
        {"objective": {"name": "weighted_nll", "keep": "end_right", "turn_weights": [0.5, 1]}},
        lambda d: d.likelihood([t.turns[1].reward >= 1 for t in d.all], (0.5, 1)),
    ),
    "RAFT": (
        {"objective": {"name": "weighted_nll", "keep": "rewarded"}},
        lambda d: d.likelihood([t.reward >= 1 for t in d.all], (1, 1)),
    ),
}  # fmt: skip


def gradient(value, policy):
    found = torch.autograd.grad(value, list(policy.model.parameters()), allow_unused=True, retain_graph=True)
    return torch.cat(
        [
            (torch.zeros_like(p) if g is None else g).flatten()
            for p, g in zip(policy.model.parameters(), found, strict=True)
        ]
    )


def assert_close(one, other):
    scale = float(other.abs().max())
    assert float((one - other).abs().max()) <= 2e-4 * max(scale, 1e-3)


def setting(chosen, groups, kind="decoder", **more):
    policy, reference = small(kind), small(kind, seed=1)
    trainer = Trainer(recipe(**{**more, **chosen}), policy, reference)
    return trainer, policy, reference, add_reference_log_probs(reference, groups)


def labels(groups):
    return [g for g, group in enumerate(groups) for _ in group]


@pytest.mark.parametrize(
    ("case", "kind"), [*((case, "decoder") for case in CASES), *((case, "encoder_decoder") for case in list(CASES)[:2])]
)
@pytest.mark.parametrize("make", [two_groups, offline_groups])
def test_the_trainers_loss_is_the_objective_as_stated(case, make, kind):
    """Value and gradient; in `offline_groups` half of the first attempts are only read."""
    chosen, by_hand = CASES[case]
    trainer, policy, reference, groups = setting(chosen, make(), kind)
    everyone = [t for group in groups for t in group]
    loss = trainer.loss(trainer.score(everyone, labels(groups)), 0)
    direct = by_hand(Direct(policy, reference, groups))
    assert float(loss.value.detach()) == pytest.approx(float(direct.detach()), rel=1e-4, abs=1e-5)
    truth = gradient(direct, policy)
    assert float(truth.abs().max()) > 1e-3
    assert_close(gradient(loss.value, policy), truth)
    coefficients = chosen["objective"].get("kl", 0)
    asked = coefficients if isinstance(coefficients, list) else [coefficients] * 2
    named = [f"kl_turn{u + 1}" for u in range(2) if asked[u] > 0]
    assert [name for name in loss.metrics if name.startswith("kl_turn")] == named


def test_clipping_looks_at_each_tokens_own_turn():
    chosen = {"objective": {"name": "policy_gradient", "baseline": "none", "shaping": 10.0, "clip": 0.2}}
    trainer, policy, reference, groups = setting(chosen, offline_groups())
    everyone = [t for group in groups for t in group]
    loss = trainer.loss(trainer.score(everyone, labels(groups)), 0)
    total = 0.0
    credit = Direct(policy, reference, groups).credit(alpha=10.0)
    for t, own in zip(everyone, credit, strict=True):
        row = policy.score([t.prompt_ids], [t.rest_ids]).log_probs[0]
        for turn, (a, b), advantage in zip(t.turns, t.spans, own, strict=True):
            ratio = (row[a:b] - torch.tensor(turn.behaviour_log_probs)).exp()
            term = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).sum()
            total = total - float(turn.origin != "replay") * term / len(everyone)
    assert float(loss.value.detach()) == pytest.approx(float(total.detach()), rel=1e-4)
    assert_close(gradient(loss.value, policy), gradient(total, policy))


def test_three_attempts_carry_each_their_own_bonus():
    groups = (
        (
            trajectory(["1", "2", "3"], [0, 1, 1]),
            trajectory(["1", "1", "1"], [0, 0, 0]),
            trajectory(["9", "9", "3"], [1, 0, 1]),
        ),
    )
    chosen = {
        "attempts": {"count": 3},
        "objective": {
            "name": "policy_gradient",
            "shaping": 10.0,
            "kl": [0.3, 0.02],
        },  # the last holds for all later ones
    }
    trainer, policy, reference, groups = setting(chosen, groups)
    loss = trainer.loss(trainer.score(groups[0], [0, 0, 0]), 0)
    direct = Direct(policy, reference, groups)
    by_hand = direct.reinforce(direct.credit(alpha=10.0, baseline="leave_one_out")) + direct.divergence(
        [0.3, 0.02, 0.02]
    )
    assert float(loss.value.detach()) == pytest.approx(float(by_hand.detach()), rel=1e-4)
    assert_close(gradient(loss.value, policy), gradient(by_hand, policy))


@pytest.mark.parametrize("case", CASES)
def test_turns_that_are_only_read_have_no_gradient(case, monkeypatch):
    """However they are credited or anchored, tokens of a first attempt from the replay are conditions, not choices."""
    trainer, policy, _, groups = setting(CASES[case][0], offline_groups()[:1])
    real, leaves = policy.score, []

    def cut(*arguments, **keywords):
        scored = real(*arguments, **keywords)
        leaves.extend(x.detach().requires_grad_() for x in (scored.log_probs, scored.logits) if x is not None)
        return replace(scored, log_probs=leaves[0], logits=leaves[1] if len(leaves) > 1 else None)

    monkeypatch.setattr(policy, "score", cut)
    scored = trainer.score(groups[0], [0] * 4)
    slopes = torch.autograd.grad(trainer.loss(scored, 0).value, leaves, allow_unused=True)
    read = torch.zeros_like(scored.mask, dtype=torch.bool)
    for row, t in enumerate(groups[0]):
        read[row, slice(*t.spans[0])] = True
    for slope in slopes:
        assert slope is None or float(slope[read].abs().max()) == 0.0
    assert float(slopes[0][scored.turn == 1].abs().max()) > 0.0
    assert float(scored.drawn[read].sum()) == 0.0


def test_a_sequence_that_one_trajectory_reads_and_another_wrote_is_anchored_once():
    """Equal tokens, unequal roles: the divergence on turn 1 counts for the one that drew it, whichever comes first."""
    for order in (offline_groups(), offline_groups()[::-1]):
        chosen = {"objective": {"name": "policy_gradient", "turn_weights": [0, 0], "kl": [1.0, 0.0]}}
        trainer, _, _, groups = setting(chosen, order)
        scored = trainer.score([t for group in groups for t in group], labels(groups))
        drawn = torch.tensor([float(t.turns[0].origin == "policy") for group in groups for t in group])
        assert ((scored.penalty[:, 0] > 0) == drawn.bool()).all()


# -- norms by turn, micro-batches ------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["shaping, branches, exact KL by turn", "balance of whole trajectories", "STaR D"])
def test_norms_by_turn_are_those_of_the_turns_alone_and_change_nothing(case):
    chosen, by_hand = CASES[case]
    trainer, policy, reference, groups = setting(chosen, two_groups())
    direct = Direct(policy, reference, groups)
    norms = []
    for turn in range(2):
        alone = Direct(policy, reference, groups)
        for i in range(len(direct.all)):
            for u in range(2):
                if u != turn:
                    for rows in (alone.log_probs, alone.kl, alone.k2):
                        rows[i][u] = rows[i][u].detach()
        norms.append(float(gradient(by_hand(alone), policy).norm()))
    measured, plain = (Trainer(trainer.recipe, small(), small(seed=1)) for _ in range(2))
    metrics = measured.update(groups, 0, per_turn=True)
    other = plain.update(groups, 0)
    assert metrics["gradient_norm_turn1"] == pytest.approx(norms[0], rel=1e-3)
    assert metrics["gradient_norm_turn2"] == pytest.approx(norms[1], rel=1e-3)
    assert metrics["gradient_norm_turn1"] > 1e-3
    assert {key: value for key, value in metrics.items() if "_norm_turn" not in key} == other
    for one, two in zip(measured.policy.model.parameters(), plain.policy.model.parameters(), strict=True):
        assert torch.equal(one, two)  # to the last bit


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("make", [two_groups, offline_groups])
def test_micro_batches_add_up_to_the_whole(case, make, monkeypatch):
    chosen, seen = CASES[case][0], []

    def record(optimizer, *, loss, learning_rate, clip):
        parts = [p.grad for group in optimizer.param_groups for p in group["params"]]
        seen.append((loss, torch.cat([part.flatten() for part in parts])))
        optimizer.zero_grad(set_to_none=True)
        return 0.0, False

    monkeypatch.setattr(training, "apply_gradient", record)
    metrics = []
    for size in (512, 1):
        trainer, _, _, groups = setting({**chosen, "train": {"micro_batch": size}}, make())
        metrics.append(trainer.update(groups, 0, per_turn=True))
    (loss, whole), (other, parts) = seen
    assert loss == pytest.approx(other, rel=1e-4, abs=1e-6)
    assert_close(parts, whole)
    for name in ("gradient_norm_turn1", "gradient_norm_turn2"):
        if name in metrics[0]:
            assert metrics[0][name] == pytest.approx(metrics[1][name], rel=1e-3, abs=1e-6)


# -- the baselines' filters ------------------------------------------------------------------------------------

PATTERNS = [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        ("all", [True, True, True, True]),
        ("rewarded", [False, True, True, True]),
        ("fixed", [False, True, False, False]),
        ("end_right", [False, True, False, True]),
    ],
)
@pytest.mark.parametrize("second", ["policy", "teacher"])
def test_filters_keep_exactly_what_their_names_say(keep, kept, second):
    """STaR D and D+ (second attempts the policy's own), Pair-SFT D and D+ (a right answer of the group's)."""
    group = tuple(trajectory(["1", "2"], rewards, origins=("policy", second)) for rewards in PATTERNS)
    sampling = {"answer": "paired" if second == "teacher" else "policy"}
    chosen = {"objective": {"name": "weighted_nll", "keep": keep, "turn_weights": [0, 1]}, "sampling": sampling}
    trainer, _, _, (group,) = setting(chosen, (group,))
    scored = trainer.score(group, [0] * 4)
    leaf = scored.log_probs.detach().requires_grad_()
    loss = trainer.loss(replace(scored, log_probs=leaf), 0)
    slope = torch.autograd.grad(loss.value, leaf)[0]
    own = scored.mask.bool() & (scored.turn == 1)
    expected = torch.where(own & torch.tensor(kept)[:, None], -1 / 4, 0.0)
    assert torch.equal(slope, expected)
    assert loss.metrics["weight"] == sum(kept) / 4


def test_filters_on_three_attempts_look_at_the_first_and_the_last():
    patterns = [(0, 1, 0), (0, 0, 1), (1, 0, 1), (0, 1, 1)]
    group = tuple(trajectory(["1", "2", "3"], rewards) for rewards in patterns)
    for keep, kept in (("fixed", [0, 1, 0, 1]), ("end_right", [0, 1, 1, 1])):
        chosen = {"attempts": {"count": 3}, "objective": {"name": "weighted_nll", "keep": keep}}
        trainer, _, _, (scored_group,) = setting(chosen, (group,))
        scored = trainer.score(scored_group, [0] * 4)
        leaf = scored.log_probs.detach().requires_grad_()
        slope = torch.autograd.grad(trainer.loss(replace(scored, log_probs=leaf), 0).value, leaf)[0]
        assert [bool(row.abs().sum() > 0) for row in slope] == [bool(k) for k in kept]


def test_the_anchor_of_a_fine_tuned_baseline_reaches_the_first_attempt():
    for kl, held in (([0.1, 0], True), (0.0, False)):
        chosen = {"objective": {"name": "weighted_nll", "keep": "fixed", "turn_weights": [0, 1], "kl": kl}}
        trainer, _, _, groups = setting(chosen, two_groups())
        metrics = trainer.update(groups, 0, per_turn=True)
        assert (metrics["gradient_norm_turn1"] > 1e-3) == held
        assert metrics["gradient_norm_turn2"] > 1e-3


class Even:
    """Any digit of the number's parity is right: there are several right answers to choose from."""

    name, pure, symbols = "even", True, tuple("0123456789?")

    def tasks(self, split):
        start = {"train": 0, "validation": 100, "test": 200}[split]
        return [Task(f"{start + i}", split, {"n": start + i}) for i in range(60)]

    def start(self, task, seed):
        parity = task.payload["n"] % 2

        def grade(text):
            return Step(float(text.isdigit() and int(text) % 2 == parity))

        return SingleTurn(f"{task.payload['n']}?", grade)

    def demonstration(self, task, seed):
        return str(task.payload["n"] % 2)


def play(environment, chosen, policy=None, n=20, call=3, given=None, seed=0, version=7):
    rollout = Rollout(policy or small(), environment, chosen, version)
    return rollout, rollout.groups(environment.tasks("train")[:n], call, seed, given)


def test_paired_answers_are_right_ones_of_the_same_group_and_another_where_there_is_one():
    env = tasks.TwoAttempt(Even(), ">")
    chosen = recipe(sampling={"answer": "paired", "samples": 8, "max_tokens": 1}, objective={"name": "weighted_nll"})
    _, groups = play(env, chosen, n=60)
    _, alone = play(Even(), recipe(sampling={"samples": 8, "max_tokens": 1}), n=60)
    with_right = [g[0].task_id for g in alone if any(t.turns[0].reward for t in g)]
    assert [g[0].task_id for g in groups] == with_right  # the same draws; groups without a right answer are left out
    assert len(with_right) < 60
    several = 0
    for group in groups:
        assert len(group) == 8
        right = [t for t in group if t.turns[0].reward == 1]
        for t in group:
            first, second = t.turns
            allowed = [other.turns[0].action_ids for other in right if other is not t] or [first.action_ids]
            assert second.action_ids in allowed
            assert (first.origin, second.origin) == ("policy", "teacher")
            assert second.reward == 1.0
            assert second.behaviour_log_probs == (0.0,) * len(second.action_ids)
            several += len({tuple(ids) for ids in allowed}) > 1 and first.action_ids not in allowed
    assert several > 0
    partners = {t.turns[1].action_ids for group in groups for t in group}
    assert len(partners) > 2


def test_three_attempts_are_paired_alike():
    chosen = recipe(
        attempts={"count": 3}, sampling={"answer": "paired", "max_tokens": 1}, objective={"name": "weighted_nll"}
    )
    _, groups = play(tasks.TwoAttempt(Even(), ">", 3), chosen, n=30)
    assert groups
    assert {tuple(turn.origin for turn in t.turns) for g in groups for t in g} == {("policy", "teacher", "teacher")}
    assert all(turn.reward == 1 for g in groups for t in g for turn in t.turns[1:])


# -- rollouts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempts", [2, 3])
def test_branches_share_a_first_turn_and_leave_no_context_alone(attempts):
    chosen = recipe(attempts={"count": attempts}, sampling={"samples": 3, "branches": 4})
    rollout, groups = play(tasks.TwoAttempt(Even(), ">", attempts), chosen)
    assert (len(groups), rollout.faults, rollout.too_long) == (20, [], [])
    differing = 0
    for group in groups:
        assert len(group) == 12
        firsts = {t.seed: t.turns[0] for t in group}
        assert len(firsts) == 3
        for t in group:
            assert len(t.turns) == attempts
            assert t.turns[0] == firsts[t.seed]  # tokens, log-probabilities and reward alike
            assert {turn.policy_version for turn in t.turns} == {7}
        for seed in firsts:
            assert sum(t.seed == seed for t in group) == 4
        differing += len({t.action_ids for t in group}) > 3
    assert differing > 10  # continuations are draws of their own
    again = play(tasks.TwoAttempt(Even(), ">", attempts), chosen)[1]
    assert again == groups
    assert play(tasks.TwoAttempt(Even(), ">", attempts), chosen, call=4)[1] != groups


@pytest.mark.parametrize("branches", [1, 3])
def test_given_first_attempts_are_kept_and_marked(branches):
    env = tasks.TwoAttempt(Even(), ">")
    old = play(env, recipe(sampling={"temperature": 1.5}), version=2)[1]
    given = {1: list(old[1][:3]), 3: list(old[3][:2])}
    chosen = recipe(sampling={"branches": branches})
    policy = small()
    _, groups = play(env, chosen, policy, n=4, given=given)
    groups = add_reference_log_probs(small(seed=1), groups)
    assert [len(group) for group in groups] == [4 * branches, 3 * branches, 4 * branches, 2 * branches]
    for place, group in enumerate(groups):
        firsts = [t.turns[0] for t in given.get(place, ())]
        for t in group:
            first, second = t.turns
            assert first.origin == ("replay" if place in given else "policy")
            assert (second.origin, second.policy_version, t.policy_version) == ("policy", 7, 7)
            assert t.temperature == 1.0
            if place in given:
                assert first.action_ids in [turn.action_ids for turn in firsts]
                assert (first.policy_version, first.temperature) == (2, 1.5)
                assert first.behaviour_log_probs in [turn.behaviour_log_probs for turn in firsts]
            scored = policy.log_probs([second.prompt_ids], [second.action_ids])[0]
            assert torch.allclose(scored, torch.tensor(second.behaviour_log_probs), atol=1e-4)
    trainer = Trainer(chosen, policy, small(seed=1))
    assert trainer.update(groups, 0)["gradient_norm"] > 0


class Rolled(Even):
    """Its prompt is drawn by the episode's seed."""

    def start(self, task, seed):
        return SingleTurn(f"{seed % 1000}?", super().start(task, seed).grade)


def test_a_given_attempt_stands_in_the_episode_it_was_made_in():
    env = tasks.TwoAttempt(Rolled(), ">")
    old = play(env, recipe(), n=2)[1]
    _, groups = play(env, recipe(), n=2, call=9, given={0: list(old[0]), 1: list(old[1])})
    for before, after in zip(old, groups, strict=True):
        assert [t.prompt_ids for t in after] == [t.prompt_ids for t in before]
        assert [t.seed for t in after] == [t.seed for t in before]


@pytest.mark.parametrize("kind", ["decoder", "encoder_decoder"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities_while_drawing_equal_those_of_scoring(kind, temperature):
    """Second turns stand behind prompts and first attempts of every length."""
    policy, reference = small(kind), small(kind, seed=1)
    chosen = recipe(attempts={"count": 3}, sampling={"branches": 2, "max_tokens": 4, "temperature": temperature})
    _, groups = play(tasks.TwoAttempt(Even(), ">", 3), chosen, policy)
    everyone = [t for group in add_reference_log_probs(reference, groups) for t in group]
    assert len({len(t.turns[1].prompt_ids) for t in everyone}) > 3
    for who, field in ((policy, "behaviour_log_probs"), (reference, "reference_log_probs")):
        rows = who.log_probs([t.prompt_ids for t in everyone], [t.rest_ids for t in everyone], temperature=temperature)
        for t, row in zip(everyone, rows, strict=True):
            for turn, (a, b) in zip(t.turns, t.spans, strict=True):
                assert torch.allclose(row[a:b], torch.tensor(getattr(turn, field)), atol=1e-4)
    trainer = Trainer(chosen, policy, reference)
    metrics = trainer.update([tuple(everyone)], 0)
    assert metrics["effective_sample_size"] == pytest.approx(1.0, abs=1e-3)  # on-policy: every ratio is 1


@pytest.mark.parametrize("branches", [1, 2])
def test_attempts_that_outgrow_the_context_are_left_out_and_counted(branches):
    """Eight tokens hold two of prompt, an instruction and an answer of three, so a first attempt of three is too long."""
    env = tasks.TwoAttempt(Even(), ">")
    policy = small(context=8)
    _, whole = play(env, recipe(), n=10)
    rollout, groups = play(env, recipe(sampling={"branches": branches}), policy, n=10)
    firsts = [t.turns[0] for group in groups for t in group]
    assert firsts
    assert max(len(turn.action_ids) for turn in firsts) <= 2
    kept = len({(t.group_id, t.seed) for group in groups for t in group})
    assert len(rollout.too_long) == 40 - kept > 0
    assert rollout.faults == []
    assert sum(map(len, groups)) == kept * branches
    short = [t.seed for group in whole for t in group if len(t.turns[0].action_ids) <= 2]
    assert sorted({t.seed for group in groups for t in group}) == sorted(short)  # none but the long ones


def test_given_attempts_that_no_longer_fit_are_counted_too():
    env = tasks.TwoAttempt(Even(), ">")
    old = play(env, recipe(), n=1)[1][0]
    lengths = [len(t.turns[0].action_ids) for t in old]
    rollout, groups = play(env, recipe(), small(context=8), n=1, given={0: list(old)})
    assert len(rollout.too_long) == sum(length > 2 for length in lengths) > 0
    assert sum(map(len, groups)) == sum(length <= 2 for length in lengths)


class Fragile(Even):
    """Two turns of its own; the second fails on answers that begin with an odd digit, in a way that is chosen."""

    def __init__(self, how):
        self.how = how

    class Episode:
        def __init__(self, prompt, how):
            self.prompt, self.how, self.turn = prompt, how, 0

        def step(self, action):
            self.turn += 1
            if self.turn == 1:
                return Step(0.0, ">", done=False)
            if action[:1] in tuple("13579"):
                if self.how == "raises":
                    raise RuntimeError("the verifier broke")
                return Step({"nan": float("nan"), "text": "much"}[self.how])
            return Step(1.0)

    def start(self, task, seed):
        return self.Episode(f"{task.payload['n']}?", self.how)


@pytest.mark.parametrize(("how", "words"), [("raises", "verifier broke"), ("nan", "nan"), ("text", "'much'")])
@pytest.mark.parametrize("branches", [1, 2])
def test_faults_on_the_second_turn_are_counted_and_their_trajectories_dropped(how, words, branches):
    chosen = recipe(sampling={"branches": branches, "max_tokens": 1})
    rollout, groups = play(Fragile(how), chosen, n=20)
    assert rollout.faults
    assert all(words in fault.reason for fault in rollout.faults)
    drawn = 20 * 4 * branches
    finished = drawn - len(rollout.faults)
    everyone = [t for group in groups for t in group]
    assert len(everyone) <= finished
    assert all(len(t.turns) == 2 and t.turns[1].reward == 1.0 for t in everyone)
    if branches == 1:
        assert len(everyone) == finished
    else:
        contexts = [(t.group_id, t.turns[0].action_ids) for t in everyone]
        assert min(map(contexts.count, contexts)) >= 2  # none is left with nothing to be compared with
        assert len(everyone) < finished


def test_an_environment_that_fails_when_it_is_played_again_is_counted():
    seen = set()

    class Once(Fragile):
        def start(self, task, seed):
            if (task.id, seed) in seen:
                raise RuntimeError("only once")
            seen.add((task.id, seed))
            return super().start(task, seed)

    rollout, groups = play(Once("raises"), recipe(sampling={"branches": 2, "max_tokens": 1}), n=5)
    assert {fault.reason for fault in rollout.faults} >= {"playing again raised RuntimeError: only once"}
    assert all(len(group) >= 2 for group in groups)


def test_an_instruction_that_the_model_cannot_read_is_refused():
    with pytest.raises(UserError, match="cannot write 'Again!'"):
        play(tasks.TwoAttempt(Even(), "Again!"), recipe())


# -- recipes that cannot be ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"objective": {"name": "policy_gradient", "turn_weights": [1, 1, 1]}}, "3 entries for 2 turns"),
        ({"attempts": {"trained": 1}, "objective": {"turn_weights": [0, 1]}}, "2 entries for 1 turns"),
        (
            {"attempts": {"trained": 1}, "sampling": {"branches": 2}},
            "sampling.branches = 2 needs an .attempts. section",
        ),
        ({"attempts": None, "sampling": {"branches": 2}}, "sampling.branches = 2 needs an .attempts. section"),
        ({"attempts": {"trained": 1}, "sampling": {"answer": "paired"}}, "'paired' needs an .attempts. section"),
        ({"attempts": None, "objective": {"name": "weighted_nll", "keep": "fixed"}}, "'fixed' needs an .attempts."),
        ({"attempts": {"count": 3}, "sampling": {"max_turns": 2}}, "max_turns = 2 would end an episode of 3 turns"),
        ({"sampling": {"branches": 2}, "replay": {"recency": 0.5}}, "replay.recency = 0.5 would draw single ones"),
        ({"attempts": {"count": 2, "trained": 3}}, "attempts.trained = 3 should be 1 or attempts.count = 2"),
        ({"stages": [{"name": "I", "objective": {"turn_weights": [1]}}]}, r"stages\[0\] \(I\): objective.turn_weights"),
        ({"stages": [{"name": "I", "objective": {"kl": [-1.0]}}]}, r"stages\[0\] \(I\): objective.kl"),
        ({"stages": [{"name": "I"}, {"name": "I"}]}, r"stages\[0\] \(I\): the name is taken"),
        ({"stages": [{"name": "warm_start"}]}, "the name is taken"),
        ({"stages": [{"name": "I", "train": {"steps": 5}}]}, "train.steps follows from the stage's share"),
        (
            {
                "replay": {"recency": 0.5},
                "stages": [{"name": "I"}, {"name": "II", "sampling": {"temperature": 0.7}}],
            },
            r"sampling.temperature \(stage II\) differs",
        ),
    ],
)
def test_recipes_that_cannot_be_are_refused(sections, words):
    with pytest.raises(ValueError, match=words):
        recipe(**sections)


def test_stages_share_the_updates():
    shares = [(stage, {"name": stage, "share": share}) for stage, share in (("I", 0.4), ("II", 0.6), ("III", 0.001))]
    for steps in (1, 7, 200):
        parts = recipe(stages=[settings for _, settings in shares], train={"steps": steps}).parts()
        assert [name for name, _ in parts] == ["I", "II", "III"]
        assert sum(part.train.steps for _, part in parts) == steps
    assert [part.train.steps for _, part in parts] == [80, 120, 0]
