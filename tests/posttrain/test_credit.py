"""Credit per turn: order of operations, SCoRe's shaping identity, and what must not leak between turns."""

import itertools

import pytest
import torch

from gnomon.errors import UserError
from gnomon.posttrain.credit import advantages
from gnomon.posttrain.kl import exact_kl, k2

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
