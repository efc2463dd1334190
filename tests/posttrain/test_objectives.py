"""Objectives against the truth: every expected gradient by enumerating all samples of a small sequence space."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import UserError
from gnomon.posttrain.credit import advantages
from gnomon.posttrain.objectives import latent_marginal, policy_gradient, trajectory_balance, weighted_nll

VOCABULARY, LENGTH = 3, 2
SEQUENCES = torch.tensor(list(itertools.product(range(VOCABULARY), repeat=LENGTH)))


class Table:
    """An autoregressive policy with a logit for every prefix and token: N = V^T sequences, all listed."""

    def __init__(self, seed):
        generator = torch.Generator().manual_seed(seed)
        prefixes = sum(VOCABULARY**t for t in range(LENGTH))
        self.logits = torch.randn(prefixes, VOCABULARY, generator=generator, dtype=torch.float64, requires_grad=True)

    def token_log_probs(self):
        """[N, T] log-probabilities of every sequence's tokens."""
        table = torch.log_softmax(self.logits, -1)
        columns = []
        for t in range(LENGTH):
            offset = sum(VOCABULARY**u for u in range(t))
            prefix = torch.zeros(len(SEQUENCES), dtype=torch.long)
            for u in range(t):
                prefix = prefix * VOCABULARY + SEQUENCES[:, u]
            columns.append(table[offset + prefix, SEQUENCES[:, t]])
        return torch.stack(columns, 1)

    def log_probs(self):
        return self.token_log_probs().sum(-1)


@pytest.fixture
def table():
    return Table(0)


@pytest.fixture
def reference():
    return Table(1).log_probs().detach()


REWARDS = torch.tensor([0.0, 1.0, 0.3, 0.0, 0.0, 1.0, 0.7, 0.1, 0.0], dtype=torch.float64)


def gradient(value, table):
    return torch.autograd.grad(value, table.logits, retain_graph=True)[0]


def tuples(k):
    return torch.tensor(list(itertools.product(range(len(SEQUENCES)), repeat=k)))


def expected_loss_gradient(table, k, loss_of, sampler=None):
    """Sum over all k-tuples of P(tuple) grad loss(tuple), all tuples in one call as groups."""
    chosen = tuples(k)
    log_p = table.log_probs().detach() if sampler is None else sampler
    weight = log_p[chosen].sum(1).exp()
    flat, groups = chosen.reshape(-1), torch.arange(len(chosen)).repeat_interleave(k)
    per_group = loss_of(flat, groups, len(chosen))
    return gradient((weight * per_group).sum(), table)


# -- trajectory balance ----------------------------------------------------------------------------------------


def balance_per_group(table, reference, beta, flat, groups, count, log_z="vargrad"):
    """The mean over groups is linear in them, so weighting each group's own value gives any expectation."""
    log_probs = table.log_probs()[flat]
    k = len(flat) // count
    values = []
    residual_input = (log_probs, reference[flat], REWARDS[flat])
    whole = trajectory_balance(*residual_input, groups, beta=beta, log_z=log_z).value
    # the same residuals group by group, by the formula of the docstring
    kl = (log_probs - reference[flat]).reshape(count, k)
    target = (REWARDS[flat] / beta).reshape(count, k)
    log_z_hat = (target - kl).mean(1, keepdim=True).detach()
    values = (log_z_hat + kl - target).square().mean(1)
    assert torch.allclose(whole, values.mean())
    return values


@pytest.mark.parametrize("off_policy", [False, True])
def test_balance_gradient_is_group_mean_reinforce(table, reference, off_policy):
    beta, k = 0.3, 3
    chosen = tuples(k)
    sampler = torch.full((len(SEQUENCES),), 1 / len(SEQUENCES), dtype=torch.float64).log() if off_policy else None
    ours = expected_loss_gradient(table, k, lambda f, g, c: balance_per_group(table, reference, beta, f, g, c), sampler)
    log_p = table.log_probs()
    weight = (log_p.detach() if sampler is None else sampler)[chosen].sum(1).exp()
    kl = (log_p - reference).detach()[chosen]
    reward = REWARDS[chosen]
    credit = (reward - reward.mean(1, keepdim=True)) - beta * (kl - kl.mean(1, keepdim=True))
    surrogate = (weight * (credit * log_p[chosen]).mean(1)).sum()
    assert torch.allclose(ours, -2 / beta * gradient(surrogate, table), atol=1e-12)


def test_balance_is_zero_only_at_its_optimum(table, reference):
    beta = 0.5
    optimum = torch.log_softmax(reference + REWARDS / beta, 0)
    groups = torch.zeros(len(SEQUENCES), dtype=torch.long)
    for log_z in ("vargrad",):
        at = trajectory_balance(optimum, reference, REWARDS, groups, beta=beta, log_z=log_z)
        assert float(at.value) < 1e-24
    log_z_true = float(torch.logsumexp(reference + REWARDS / beta, 0))
    assert at.metrics["log_z"] == pytest.approx(log_z_true)
    elsewhere = trajectory_balance(table.log_probs().detach(), reference, REWARDS, groups, beta=beta)
    assert float(elsewhere.value) > 0.1


def test_log_mean_exp_estimates_log_z_from_samples_of_the_anchor():
    log_probs = torch.zeros(4, dtype=torch.float64)
    rewards = torch.tensor([0.0, 1.0, 0.0, 2.0], dtype=torch.float64)
    loss = trajectory_balance(log_probs, log_probs, rewards, [0, 0, 0, 0], beta=0.5, log_z="log_mean_exp")
    assert loss.metrics["log_z"] == pytest.approx(float((rewards / 0.5).exp().mean().log()))


# -- policy gradient -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("baseline", "factor"), [("none", 1.0), ("group_mean", 2 / 3), ("leave_one_out", 1.0)])
def test_expected_policy_gradient_is_the_gradient_of_the_expected_reward(table, baseline, factor):
    """A group-mean baseline of K samples shrinks the gradient by (K - 1) / K; the others leave it unbiased."""
    k = 3

    def per_group(flat, groups, count):
        credit = advantages(REWARDS[flat][:, None], groups, baseline=baseline)[:, 0]
        token = table.token_log_probs()[flat]
        mask = torch.ones_like(token)
        whole = policy_gradient(token, mask, credit).value
        values = -(credit[:, None] * token).sum(1).reshape(count, k).mean(1)
        assert torch.allclose(whole, values.mean())
        return values

    ours = expected_loss_gradient(table, k, per_group)
    truth = gradient((table.log_probs().exp() * REWARDS).sum(), table)
    assert torch.allclose(ours, -factor * truth, atol=1e-12)


def test_ratio_corrects_for_another_sampler(table):
    """Unclipped in effect (a wide clip): importance ratios per token with one-token credit give the true gradient."""
    behaviour = Table(5).token_log_probs().detach()
    token = table.token_log_probs()
    weight = behaviour.sum(-1).exp()
    # With length-2 sequences a per-token ratio is exact for the last token given the prefix: check its own gradient.
    last = torch.zeros_like(token)
    last[:, -1] = 1.0
    loss_rows = [
        policy_gradient(
            token[i : i + 1], last[i : i + 1], REWARDS[i : i + 1],
            behaviour_log_probs=behaviour[i : i + 1], clip=(1.0, 1e6),
        ).value
        for i in range(len(SEQUENCES))
    ]  # fmt: skip
    ours = gradient(sum(w * loss for w, loss in zip(weight, loss_rows, strict=True)), table)
    prefix = behaviour[:, 0].exp()
    truth = gradient((prefix * token[:, 1].exp() * REWARDS).sum(), table)
    assert torch.allclose(ours, -truth, atol=1e-10)


def test_clipping_stops_the_gradient_on_the_side_it_should():
    behaviour = torch.zeros(4, 1, dtype=torch.float64)
    log_probs = torch.tensor([[0.5], [0.5], [-0.5], [-0.5]], dtype=torch.float64, requires_grad=True)
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
    loss = policy_gradient(
        log_probs, torch.ones(4, 1), advantage, behaviour_log_probs=behaviour, clip=0.2, aggregate="token"
    )
    (slope,) = torch.autograd.grad(loss.value, log_probs)
    assert (slope[:, 0] != 0).tolist() == [False, True, True, False]
    assert loss.metrics["clip_fraction"] == 0.5
    assert float(slope[1]) == pytest.approx(0.25 * float(torch.tensor(0.5).exp()), rel=1e-6)


def test_masked_tokens_reach_nothing():
    log_probs = torch.tensor([[-1.0, float("-inf")], [-2.0, -3.0]], requires_grad=True)
    mask = torch.tensor([[1, 0], [1, 1]])
    behaviour = torch.tensor([[-1.0, 7.0], [-2.0, -3.0]])
    for arguments in ({}, {"behaviour_log_probs": behaviour, "clip": 0.2}):
        for aggregate in ("sequence", "token"):
            loss = policy_gradient(log_probs, mask, torch.tensor([1.0, 2.0]), aggregate=aggregate, **arguments)
            (slope,) = torch.autograd.grad(loss.value, log_probs, retain_graph=True)
            assert torch.isfinite(loss.value)
            assert float(slope[0, 1]) == 0
            assert torch.isfinite(slope).all()


def test_an_empty_batch_of_tokens_is_zero():
    log_probs = torch.randn(2, 3, requires_grad=True)
    for aggregate in ("sequence", "token"):
        loss = policy_gradient(log_probs, torch.zeros(2, 3), torch.ones(2), aggregate=aggregate)
        assert float(loss.value.detach()) == 0


# -- weighted likelihood ---------------------------------------------------------------------------------------


def test_weighted_likelihood_is_a_weighted_mean():
    log_probs = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]])
    mask = torch.tensor([[1, 1], [1, 0]])
    assert float(weighted_nll(log_probs, mask, torch.tensor([1.0, 1.0])).value) == pytest.approx(3.0)
    assert float(weighted_nll(log_probs, mask, torch.tensor([0.0, 2.0])).value) == pytest.approx(3.0)


# -- latent marginal -------------------------------------------------------------------------------------------


def latent_values(table, target, flat, groups, count, estimator):
    return latent_marginal(table.log_probs()[flat], target()[flat], groups, estimator=estimator).value * count


@pytest.mark.parametrize("k", [2, 3])
def test_marginal_gradient_is_that_of_the_expected_log_mean(table, k):
    """grad E[L_K] over K-tuples of latents drawn from the policy, with the target's own parameters moving too."""
    scale = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    base = torch.log(torch.rand(len(SEQUENCES), generator=torch.Generator().manual_seed(2), dtype=torch.float64))

    def target():
        return base * scale + 0.1 * table.log_probs()

    chosen = tuples(k)
    total = torch.zeros_like(table.logits)
    total_scale = 0.0
    weight = table.log_probs().detach()[chosen].sum(1).exp()
    for row, w in zip(chosen, weight, strict=True):
        value = latent_marginal(table.log_probs()[row], target()[row], torch.zeros(k, dtype=torch.long)).value
        a, b = torch.autograd.grad(value, [table.logits, scale])
        total += w * a
        total_scale += float(w * b)
    log_p = table.log_probs()
    truth_value = (
        log_p[chosen].sum(1).exp() * (torch.logsumexp(target()[chosen], 1) - torch.tensor(float(k)).log())
    ).sum()
    truth, truth_scale = torch.autograd.grad(truth_value, [table.logits, scale])
    assert torch.allclose(total, -truth, atol=1e-10)
    assert total_scale == pytest.approx(-float(truth_scale), abs=1e-10)


def test_elbo_gradient_is_that_of_the_expected_likelihood(table):
    base = torch.log(torch.rand(len(SEQUENCES), generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    chosen = tuples(2)
    weight = table.log_probs().detach()[chosen].sum(1).exp()
    total = torch.zeros_like(table.logits)
    for row, w in zip(chosen, weight, strict=True):
        value = latent_marginal(
            table.log_probs()[row], base[row], torch.zeros(2, dtype=torch.long), estimator="elbo"
        ).value
        total += w * gradient(value, table)
    truth = gradient((table.log_probs().exp() * base).sum(), table)
    assert torch.allclose(total, -truth, atol=1e-12)


def test_snis_weights_are_a_softmax_held_constant(table):
    target = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    latent = table.log_probs()[:3]
    value = latent_marginal(latent, target, [4, 4, 4], estimator="snis", tau=0.5).value
    weights = torch.softmax(target.detach() / 0.5, 0)
    assert torch.allclose(torch.autograd.grad(value, target, retain_graph=True)[0], -weights)
    assert torch.allclose(gradient(value, table), gradient(-(weights * latent).sum(), table))


def test_a_dominating_latent_keeps_its_score(table):
    """One latent a million times likelier than the rest: its score is log K plus the gap, not rounding."""
    latent = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    target = torch.tensor([-50.0, -800.0, -801.0], dtype=torch.float64)
    value = latent_marginal(latent, target, [0, 0, 0]).value
    (slope,) = torch.autograd.grad(value, latent)
    whole = torch.logsumexp(target, 0)
    without = torch.logsumexp(torch.tensor([-800.5, -800.0, -801.0], dtype=torch.float64), 0)
    assert float(-slope[0]) == pytest.approx(float(whole - without), rel=1e-12)


# -- properties of all -----------------------------------------------------------------------------------------

GROUPED = st.lists(st.integers(0, 4), min_size=2, max_size=24).map(
    lambda labels: torch.tensor(labels + labels)  # every group has at least two
)


@given(GROUPED, st.randoms(use_true_random=False), st.sampled_from(["balance", "marginal", "snis", "elbo"]))
@settings(max_examples=60, deadline=None)
def test_the_order_of_samples_does_not_matter(groups, random, which):
    n = len(groups)
    generator = torch.Generator().manual_seed(n)
    a, b, r = (torch.randn(n, generator=generator, dtype=torch.float64) for _ in range(3))
    order = list(range(n))
    random.shuffle(order)

    def value(index):
        if which == "balance":
            return float(trajectory_balance(a[index], b[index], r[index], groups[index], beta=0.4).value)
        return float(latent_marginal(a[index], b[index], groups[index], estimator=which).value)

    assert value(torch.tensor(order)) == pytest.approx(value(torch.arange(n)), rel=1e-10)


@given(GROUPED, st.floats(-5, 5))
@settings(max_examples=40, deadline=None)
def test_a_constant_added_to_a_groups_rewards_changes_no_gradient(groups, shift):
    n = len(groups)
    generator = torch.Generator().manual_seed(n)
    a, b, r = (torch.randn(n, generator=generator, dtype=torch.float64) for _ in range(3))
    a.requires_grad_()
    slopes = [
        torch.autograd.grad(trajectory_balance(a, b, rewards, groups, beta=0.4).value, a)[0]
        for rewards in (r, r + shift * (groups + 1))
    ]
    assert torch.allclose(*slopes, atol=1e-9)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: trajectory_balance(x, x, x, [0, 0, 1], beta=0.2), "group 1 has one sample"),
        (lambda x: latent_marginal(x, x, [7, 3, 3]), "group 7 has one sample"),
        (lambda x: trajectory_balance(x, x, x, [0, 0, 0], beta=0.0), "beta = 0"),
        (lambda x: trajectory_balance(x, x[:2], x, [0, 0, 0], beta=0.2), r"ref_log_probs has shape \(2,\)"),
        (lambda x: trajectory_balance(x, x, x, [0, 0], beta=0.2), "groups has shape"),
        (
            lambda x: trajectory_balance(x[:, None], x[:, None], x[:, None], [0, 0, 0], beta=0.2),
            "one number each|shape",
        ),
        (lambda x: trajectory_balance(x, x, x, [0, 0, 0], beta=0.2, log_z="magic"), "magic"),
        (lambda x: latent_marginal(x, x, [0, 0, 0], estimator="magic"), "magic"),
        (lambda x: latent_marginal(x, x, [0, 0, 0], tau=0), "tau = 0"),
        (lambda x: policy_gradient(x[:, None], x[:, None], x[:2]), "advantages has shape"),
        (lambda x: policy_gradient(x[:, None], x[:, None], x, clip=0.2), "behaviour_log_probs"),
        (lambda x: policy_gradient(x[:, None], x[:, None], x, clip=-1.0, behaviour_log_probs=x[:, None]), "clip"),
        (lambda x: policy_gradient(x[:, None], x[:, None], x, aggregate="magic"), "magic"),
        (lambda x: weighted_nll(x[:, None], x[:, None], x[:2]), "weights has shape"),
    ],
)
def test_mistakes_are_named(call, words):
    with pytest.raises(UserError, match=words):
        call(torch.zeros(3))
