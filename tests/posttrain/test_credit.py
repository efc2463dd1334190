"""Credit per turn: order of operations, SCoRe's shaping identity, and what must not leak between turns."""

import itertools

import pytest
import torch

from gnomon.errors import UserError
from gnomon.posttrain.credit import advantages
from gnomon.posttrain.kl import exact_kl, k2
from gnomon.posttrain.objectives import policy_gradient

R = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)


def test_defaults_are_plain_reinforce():
    assert torch.equal(advantages(R, [0, 0, 1, 1]), R)
    assert torch.equal(advantages(R, [0, 1, 2, 3]), R)  # no baseline: groups of one are fine


def test_shaping_touches_later_turns_only():
    shaped = advantages(R, [0, 0, 0, 0], shaping=10.0)
    assert shaped[:, 0].tolist() == R[:, 0].tolist()
    assert shaped[:, 1].tolist() == [11.0, 1.0, -10.0, 0.0]


def test_returns_are_discounted_sums_of_shaped_rewards():
    rewards = torch.tensor([[1.0, 2.0, 4.0]], dtype=torch.float64)
    assert advantages(rewards, [0], gamma=0.5).tolist() == [[3.0, 4.0, 4.0]]
    assert advantages(rewards, [0], gamma=0.5, shaping=1.0).tolist() == [[1 + 0.5 * (3 + 0.5 * 6), 3 + 0.5 * 6, 6.0]]


def test_baselines_by_hand():
    rewards = torch.tensor([[0.0], [1.0], [3.0], [5.0], [5.0]], dtype=torch.float64)
    groups = [1, 0, 1, 0, 0]
    assert advantages(rewards, groups, baseline="group_mean")[:, 0].tolist() == pytest.approx(
        [-1.5, 1 - 11 / 3, 1.5, 5 - 11 / 3, 5 - 11 / 3]
    )
    assert advantages(rewards, groups, baseline="leave_one_out")[:, 0].tolist() == pytest.approx([-3, -4, 3, 2, 2])
    normed = advantages(rewards, groups, baseline="group_norm")[:, 0]
    assert normed[[1, 3, 4]].tolist() == pytest.approx([-1.1547, 0.57735, 0.57735], abs=1e-4)
    equal = advantages(torch.ones(3, 1), [0, 0, 0], baseline="group_norm")
    assert equal.abs().max() == 0


def test_contexts_give_later_turns_their_own_baseline():
    rewards = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    credit = advantages(rewards, [0, 0, 0, 0], baseline="group_mean", contexts=["a" == "a", True, False, False])
    assert credit[:, 0].tolist() == [0.5, 0.5, -0.5, -0.5]
    assert credit[:, 1].tolist() == [0.5, -0.5, 0.0, 0.0]


def test_turn_weights_come_last():
    credit = advantages(R, [0, 0, 0, 0], baseline="group_mean", turn_weights=(1.0, 3.0))
    plain = advantages(R, [0, 0, 0, 0], baseline="group_mean")
    assert torch.allclose(credit, plain * torch.tensor([1.0, 3.0]))


class TwoTurns:
    """A tabular policy of two attempts with V answers each; the second sees the first."""

    V = 3

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        self.first = torch.randn(self.V, generator=generator, dtype=torch.float64, requires_grad=True)
        self.second = torch.randn(self.V, self.V, generator=generator, dtype=torch.float64, requires_grad=True)
        self.pairs = torch.tensor(list(itertools.product(range(self.V), repeat=2)))
        self.rewards = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)[self.pairs]

    def log_probs(self):
        first = torch.log_softmax(self.first, -1)[self.pairs[:, 0]]
        second = torch.log_softmax(self.second, -1)[self.pairs[:, 0], self.pairs[:, 1]]
        return torch.stack([first, second], 1)

    def gradients(self, credit):
        log_probs = self.log_probs()
        weight = log_probs.detach().sum(1).exp()
        return torch.autograd.grad((weight[:, None] * credit * log_probs).sum(), [self.first, self.second])


def test_shaping_identity_scales_turn_two_and_leaves_turn_one():
    """With gamma 0 the bonus multiplies turn 2's expected gradient by 1 + alpha and leaves turn 1's as it is."""
    policy, alpha = TwoTurns(), 10.0
    groups = torch.zeros(len(policy.pairs), dtype=torch.long)
    plain = policy.gradients(advantages(policy.rewards, groups))
    shaped = policy.gradients(advantages(policy.rewards, groups, shaping=alpha))
    weighted = policy.gradients(advantages(policy.rewards, groups, turn_weights=(1.0, 1.0 + alpha)))
    assert torch.allclose(shaped[0], plain[0], atol=1e-12)
    assert torch.allclose(shaped[1], (1 + alpha) * plain[1], atol=1e-12)
    for one, other in zip(shaped, weighted, strict=True):
        assert torch.allclose(one, other, atol=1e-12)


def test_the_bonus_on_both_turns_would_pay_for_failing_first():
    """The leak this library refuses: one scalar reward for both turns turns the sign on a right first answer."""
    policy, alpha = TwoTurns(), 10.0
    groups = torch.zeros(len(policy.pairs), dtype=torch.long)
    right = advantages(policy.rewards, groups, shaping=alpha)
    leaked = right.sum(1, keepdim=True).expand(-1, 2)
    assert policy.gradients(right)[0][0] > 0
    assert policy.gradients(leaked)[0][0] < 0


def test_stage_one_reaches_turn_one_by_the_divergence_only():
    policy = TwoTurns()
    reward_second = policy.rewards.clone()
    reward_second[:, 0] = 0
    credit = advantages(reward_second, torch.zeros(len(policy.pairs), dtype=torch.long))
    first, second = policy.gradients(credit)
    assert first.abs().max() < 1e-15
    assert second.abs().max() > 1e-3
    reference = torch.zeros(1, 1, policy.V, dtype=torch.float64)
    divergence = exact_kl(policy.first[None, None], reference, torch.ones(1, 1)).sum()
    assert torch.autograd.grad(divergence, policy.first)[0].abs().max() > 1e-3


# -- every K-tuple of several attempts --------------------------------------------------------------------------


class Attempts:
    """A tabular policy of `attempts` answers out of `size`, each of which sees all before it: S sequences, all listed.

    Every turn has a table of its own, so a turn's gradient is that table's. An answer's reward is in `worth`.
    """

    def __init__(self, attempts, size, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.attempts, self.size = attempts, size
        self.tables = [
            torch.randn(size**turn, size, generator=generator, dtype=torch.float64, requires_grad=True)
            for turn in range(attempts)
        ]
        self.sequences = torch.tensor(list(itertools.product(range(size), repeat=attempts)))
        worth = torch.tensor([1.0, 0.0, 0.4], dtype=torch.float64)
        self.rewards = worth[self.sequences]

    def log_probs(self):
        """[S, U] log-probabilities of every sequence's answers."""
        prefix = torch.zeros(len(self.sequences), dtype=torch.long)
        columns = []
        for turn, table in enumerate(self.tables):
            columns.append(torch.log_softmax(table, -1)[prefix, self.sequences[:, turn]])
            prefix = prefix * self.size + self.sequences[:, turn]
        return torch.stack(columns, 1)

    def expected(self, chosen, log_weight, **credit):
        """The gradient of each turn's table in expectation of the library's loss: `chosen` [C, K] holds the sequences
        of every group that can be drawn, `log_weight` [C] the logarithm of its chance."""
        count, k = chosen.shape
        flat, groups = chosen.reshape(-1), torch.arange(count).repeat_interleave(k)
        given = advantages(self.rewards[flat], groups, **credit)
        # The loss is a mean over groups and linear in the credit, so weights on the credit make it an expectation.
        weighted = given * (log_weight.exp() * count).repeat_interleave(k)[:, None]
        loss = policy_gradient(self.log_probs()[flat], torch.ones(len(flat), self.attempts), weighted).value
        return torch.autograd.grad(-loss, self.tables)

    def tuples(self, k):
        """Every group of `k` independent sequences, and the logarithm of its chance."""
        chosen = torch.tensor(list(itertools.product(range(len(self.sequences)), repeat=k)))
        return chosen, self.log_probs().detach().sum(1)[chosen].sum(1)

    def branched(self, k, m):
        """Every group of `k` first attempts with `m` continuations each, its chance's logarithm, and which first
        attempt of which group each sequence continues."""
        rests = self.size ** (self.attempts - 1)
        groups = [
            [firsts[place // m] * rests + rest for place, rest in enumerate(after)]
            for firsts in itertools.product(range(self.size), repeat=k)
            for after in itertools.product(range(rests), repeat=k * m)
        ]
        chosen = torch.tensor(groups)
        log_probs = self.log_probs().detach()
        first, rest = log_probs[:, 0][chosen], log_probs[:, 1:].sum(1)[chosen]
        contexts = torch.arange(len(chosen) * k).repeat_interleave(m)
        return chosen, first[:, ::m].sum(1) + rest.sum(1), contexts

    def truth(self, *, alpha=0.0, gamma=0.0, weights=None):
        """The exact gradient of each turn's own objective: w_t E[sum_{u >= t} gamma^(u - t) s_u], s_u being
        r_u + alpha (r_u - r_(u-1)), in the turn's own table."""
        chance = self.log_probs().sum(1).exp()
        expected = [(chance * self.rewards[:, turn]).sum() for turn in range(self.attempts)]
        shaped = [r if u == 0 else r + alpha * (r - expected[u - 1]) for u, r in enumerate(expected)]
        found = []
        for turn, table in enumerate(self.tables):
            own = sum(gamma ** (u - turn) * shaped[u] for u in range(turn, self.attempts))
            scale = 1.0 if weights is None else weights[turn]
            found.append(torch.autograd.grad(scale * own, table, retain_graph=True)[0])
        return found


def assert_same(found, truth, factors=None):
    for turn, (one, other) in enumerate(zip(found, truth, strict=True)):
        factor = 1.0 if factors is None else factors[turn]
        assert torch.allclose(one, factor * other, atol=1e-12), f"turn {turn + 1}"


SPACES = [(2, 2, 3), (2, 3, 2), (3, 2, 2), (3, 2, 3)]  # attempts, answers, K


@pytest.mark.parametrize(("attempts", "size", "k"), SPACES)
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("baseline", "factor"), [("none", None), ("group_mean", "shrunk"), ("leave_one_out", None)])
def test_expected_gradients_are_those_of_the_stated_objective(attempts, size, k, gamma, baseline, factor):
    """Without and with the bonus, and with weights; a group mean that holds the sample itself shrinks all by 1 - 1/K."""
    policy = Attempts(attempts, size)
    chosen, log_weight = policy.tuples(k)
    factors = [1 - 1 / k if factor else 1.0] * attempts
    weights = (0.5, 2.0, 3.0)[:attempts]
    for settings in ({}, {"alpha": 10.0}, {"alpha": 2.0, "weights": weights}):
        arguments = {"shaping": settings.get("alpha", 0.0), "turn_weights": settings.get("weights")}
        found = policy.expected(chosen, log_weight, baseline=baseline, gamma=gamma, **arguments)
        truth = policy.truth(gamma=gamma, **settings)
        assert all(float(part.abs().max()) > 1e-3 for part in truth)
        assert_same(found, truth, factors)


@pytest.mark.parametrize(("attempts", "size"), [(2, 2), (2, 3), (3, 2)])
@pytest.mark.parametrize("gamma", [0.0, 0.5])
@pytest.mark.parametrize("baseline", ["none", "group_mean", "leave_one_out"])
def test_branches_leave_the_gradient_unbiased_with_a_baseline_among_their_own(attempts, size, gamma, baseline):
    """K first attempts, M continuations of each. Later turns are compared with continuations of the same first attempt;
    at turn 1 a sample's own copies are in the group, which shrinks that turn by M (K - 1) / (K M - 1)."""
    k = m = 2
    policy = Attempts(attempts, size)
    chosen, log_weight, contexts = policy.branched(k, m)
    assert float(log_weight.exp().sum()) == pytest.approx(1.0)
    first, later = {
        "none": (1.0, 1.0),
        "group_mean": (1 - 1 / k, 1 - 1 / m),
        "leave_one_out": (m * (k - 1) / (k * m - 1), 1.0),
    }[baseline]
    found = policy.expected(chosen, log_weight, baseline=baseline, shaping=10.0, gamma=gamma, contexts=contexts)
    assert_same(found, policy.truth(alpha=10.0, gamma=gamma), [first] + [later] * (attempts - 1))


def test_equal_first_attempts_may_share_a_context():
    """The engine names a context by its tokens, so two first attempts alike are one: others' mean, still unbiased."""
    policy = Attempts(2, 2)
    chosen, log_weight, _ = policy.branched(2, 2)
    answers = policy.sequences[chosen.reshape(-1), 0]
    contexts = torch.arange(len(chosen)).repeat_interleave(4) * policy.size + answers
    found = policy.expected(chosen, log_weight, baseline="leave_one_out", shaping=10.0, contexts=contexts)
    assert torch.allclose(found[1], policy.truth(alpha=10.0)[1], atol=1e-12)


@pytest.mark.parametrize(("attempts", "size", "k"), SPACES)
@pytest.mark.parametrize("baseline", ["none", "group_mean", "leave_one_out"])
def test_the_bonus_is_a_weight_on_later_turns(attempts, size, k, baseline):
    """With gamma 0 shaping scales every later turn by exactly 1 + alpha in expectation, and so does `turn_weights`."""
    policy, alpha = Attempts(attempts, size), 10.0
    groups = policy.tuples(k)
    plain = policy.expected(*groups, baseline=baseline)
    shaped = policy.expected(*groups, baseline=baseline, shaping=alpha)
    weighted = policy.expected(*groups, baseline=baseline, turn_weights=(1.0, *[1 + alpha] * (attempts - 1)))
    assert_same(shaped, plain, [1.0] + [1 + alpha] * (attempts - 1))
    assert_same(weighted, shaped)


def test_any_gamma_lets_the_bonus_reach_the_first_turn():
    """Why gamma is 0: discounted back, the bonus is paid for failing first, and a right first answer is pushed down."""
    policy = Attempts(2, 3)
    groups = policy.tuples(2)
    honest, leaking = (policy.expected(*groups, shaping=10.0, gamma=gamma)[0][0] for gamma in (0.0, 1.0))
    assert honest[0] > 0
    assert leaking[0] < 0


@pytest.mark.parametrize("baseline", ["none", "leave_one_out"])
@pytest.mark.parametrize("attempts", [2, 3])
def test_stage_one_is_the_second_attempts_reward_and_a_strict_divergence_on_the_first(attempts, baseline):
    """max r(y_2..) - beta_2 KL(pi(.|x_1) || pi_ref): the reward has no gradient in turn 1, the divergence is all of it."""
    policy, reference, beta = Attempts(attempts, 2), Attempts(attempts, 2, seed=1), 0.1
    weights = (0.0, *[1.0] * (attempts - 1))
    found = policy.expected(*policy.tuples(2), baseline=baseline, turn_weights=weights)
    assert float(found[0].abs().max()) == 0.0
    assert_same(found, policy.truth(weights=weights))
    logits, others = policy.tables[0][None], reference.tables[0].detach()[None]
    penalty = beta * exact_kl(logits, others, torch.ones(1, 1)).sum()
    reached = torch.autograd.grad(penalty, policy.tables, allow_unused=True)
    p, q = torch.softmax(policy.tables[0], -1), torch.softmax(reference.tables[0], -1).detach()
    by_hand = torch.autograd.grad(beta * (p * (p / q).log()).sum(), policy.tables[0])[0]
    assert torch.allclose(reached[0], by_hand, atol=1e-12)
    assert float(by_hand.abs().max()) > 1e-3
    assert all(part is None for part in reached[1:])


@pytest.mark.parametrize("mistake", ["leave_one_out", "group_mean", "group_norm"])
def test_a_group_of_one_is_named(mistake):
    with pytest.raises(UserError, match="group 9 has one sample"):
        advantages(R, [4, 4, 4, 9], baseline=mistake)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"baseline": "magic"}, "magic"),
        ({"turn_weights": (1.0,)}, "1 entries for 2 turns"),
        ({"gamma": 2.0}, "gamma = 2.0"),
    ],
)
def test_mistakes_are_named(arguments, words):
    with pytest.raises(UserError, match=words):
        advantages(R, [0, 0, 0, 0], **arguments)
    with pytest.raises(UserError, match="trajectories, turns"):
        advantages(R[:, 0], [0, 0, 0, 0])


# -- divergence ------------------------------------------------------------------------------------------------


def test_exact_divergence_and_its_mask():
    p, q = torch.randn(2, 3, 5, dtype=torch.float64), torch.randn(2, 3, 5, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 0], [0, 0, 0]])
    theirs = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=p), torch.distributions.Categorical(logits=q)
    )
    assert torch.allclose(exact_kl(p, q, mask), (theirs * mask).sum(1))
    assert exact_kl(p, p, torch.ones(2, 3)).abs().max() < 1e-12


def test_expected_gradients_of_the_estimators():
    """On samples of the policy: k2's gradient is the exact one's, k1's is zero."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, generator=generator, dtype=torch.float64, requires_grad=True)
    reference = torch.log_softmax(torch.randn(6, generator=generator, dtype=torch.float64), -1)
    log_p = torch.log_softmax(logits, -1)
    weight = log_p.detach().exp()
    exact = torch.autograd.grad(
        exact_kl(logits[None, None], reference[None, None], torch.ones(1, 1)).sum(), logits, retain_graph=True
    )[0]
    estimated = torch.autograd.grad(
        (weight * k2(log_p[:, None], reference[:, None], torch.ones(6, 1))).sum(), logits, retain_graph=True
    )[0]
    k1 = torch.autograd.grad((weight * (log_p - reference)).sum(), logits)[0]
    assert torch.allclose(exact, estimated, atol=1e-12)
    assert exact.abs().max() > 1e-2
    assert k1.abs().max() < 1e-12
