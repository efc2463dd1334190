"""Trajectory balance finds pi_ref exp(r / beta) / Z whoever drew the samples; uncorrected REINFORCE does not."""

import pytest
import torch

from gnomon.posttrain.objectives import policy_gradient, trajectory_balance

N, K, PROMPTS, STEPS, BETA = 256, 16, 32, 2000, 0.25  # vocabulary 4, length 4: 256 sequences


def setting(seed):
    generator = torch.Generator().manual_seed(seed)
    reference = torch.log_softmax(0.5 * torch.randn(N, generator=generator, dtype=torch.float64), 0)
    rewards = torch.rand(N, generator=generator, dtype=torch.float64)
    return generator, reference, rewards, torch.softmax(reference + rewards / BETA, 0)


def distance(logits, target):
    return float((torch.softmax(logits.detach(), 0) - target).abs().sum() / 2)


def run(seed, source, objective):
    """Train a table of logits; `source` says who draws: the policy now, 64 versions ago, the reference, or nobody."""
    generator, reference, rewards, target = setting(seed)
    logits = reference.clone().requires_grad_()
    # Plain steps for REINFORCE: Adam's would hide how far its fixed point is by moving every logit alike.
    balance = objective == "balance"
    optimizer = torch.optim.Adam([logits], lr=0.05) if balance else torch.optim.SGD([logits], lr=30.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    versions = [reference.clone()]
    groups = torch.arange(PROMPTS).repeat_interleave(K)
    uniform = torch.zeros(N, dtype=torch.float64)
    for step in range(STEPS):
        drawn_by = {
            "policy": logits.detach(),
            "64 versions old": versions[max(0, step - 64)],
            "reference": reference,
            "uniform": uniform,
        }[source]
        chosen = torch.multinomial(torch.softmax(drawn_by, 0), PROMPTS * K, replacement=True, generator=generator)
        log_probs = torch.log_softmax(logits, 0)[chosen]
        if objective == "balance":
            loss = trajectory_balance(log_probs, reference[chosen], rewards[chosen], groups, beta=BETA).value
        else:
            # The divergence term frozen when the sample was drawn: at the current policy it would be balance itself.
            advantage = rewards[chosen] - BETA * (torch.log_softmax(drawn_by, 0) - reference)[chosen]
            advantage = advantage - advantage.mean()
            loss = policy_gradient(log_probs[:, None], torch.ones(len(chosen), 1), advantage).value
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        versions.append(logits.detach().clone())
    return distance(logits, target), distance(reference, target)


@pytest.mark.parametrize("source", ["policy", "64 versions old", "reference", "uniform"])
@pytest.mark.parametrize("seed", [0, 1])
def test_balance_reaches_its_optimum(source, seed):
    reached, started = run(seed, source, "balance")
    assert started > 0.2
    assert reached < 0.02


@pytest.mark.parametrize("source", ["64 versions old", "reference", "uniform"])
def test_uncorrected_reinforce_does_not(source):
    reached, _ = run(0, source, "reinforce")
    assert reached > 0.5
