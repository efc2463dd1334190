"""The trainer: one update of the policy from a batch of groups, whatever the objective.

Shapes: N trajectories, T action tokens of the longest (all turns of a trajectory together), U turns. A trajectory is
one token sequence; its turns' actions are spans of it, so every turn is scored in one forward pass.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gnomon.models import training
from gnomon.models.policy import Policy
from gnomon.posttrain import kl
from gnomon.posttrain.credit import advantages
from gnomon.posttrain.objectives import Loss, policy_gradient, trajectory_balance, weighted_nll
from gnomon.posttrain.recipe import Recipe
from gnomon.posttrain.records import Trajectory
from gnomon.posttrain.replay import Group
from gnomon.stats.weights import effective_sample_size

Span = tuple[int, int]


@dataclass(frozen=True)
class Scored:
    """A batch as tensors. `turn` [N, T] holds each action token's turn (from 0); `mask` [N, T] is 1 on actions."""

    log_probs: Tensor
    behaviour: Tensor
    reference: Tensor
    mask: Tensor
    turn: Tensor
    rewards: Tensor  # [N, U], 0 where a trajectory has fewer turns
    groups: Tensor  # [N]
    entropy: Tensor  # [N, T]
    penalty: Tensor  # [N] KL to the reference, differentiable, 0 where the objective does not ask for it


class Trainer:
    """Holds the policy being trained and its optimiser."""

    def __init__(self, recipe: Recipe, policy: Policy, reference: Policy) -> None:
        self.recipe = recipe
        self.policy = policy
        self.reference = reference
        self.optimizer = training.optimizer_for(
            policy.model,
            learning_rate=recipe.train.learning_rate,
            weight_decay=recipe.train.weight_decay,
        )
        self.skipped = 0
        self.skipped_in_a_row = 0

    def update(self, groups: Sequence[Group], step: int) -> dict[str, float]:
        """One optimiser update at `step` (from 0) on whole groups; returns the metrics of DESIGN's names."""
        train = self.recipe.train
        trajectories = [trajectory for group in groups for trajectory in group]
        labels = [index for index, group in enumerate(groups) for _ in group]
        chunks = _whole_groups(groups, train.micro_batch)
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, float] = {}
        scored_chunks: list[Scored] = []
        for start, stop in chunks:
            scored = self.score(trajectories[start:stop], labels[start:stop])
            loss = self.loss(scored, step)
            share = self._share(trajectories[start:stop], trajectories)
            (loss.value * share).backward()
            scored_chunks.append(scored)
            for name, value in {"loss": float(loss.value.detach()), **loss.metrics}.items():
                sums[name] = sums.get(name, 0.0) + share * value
        rate = train.learning_rate * training.warmup_then(train.schedule, step, steps=train.steps, warmup=train.warmup)
        norm, skipped = training.apply_gradient(self.optimizer, loss=sums["loss"], learning_rate=rate, clip=train.clip)
        self.skipped += skipped
        self.skipped_in_a_row = self.skipped_in_a_row + 1 if skipped else 0
        return {
            **sums,
            "gradient_norm": norm,
            "learning_rate": rate,
            **_describe(scored_chunks, trajectories),
        }

    def score(self, trajectories: Sequence[Trajectory], labels: Sequence[int]) -> Scored:
        """The batch's tensors under the current policy. Equal sequences go through the model once."""
        keys = [(t.turns[0].prompt_ids, t.turns[-1].prompt_ids + t.turns[-1].action_ids) for t in trajectories]
        distinct = list(dict.fromkeys(keys))
        position = {key: index for index, key in enumerate(distinct)}
        which = torch.tensor([position[key] for key in keys])
        prompts = [key[0] for key in distinct]
        rests = [key[1][len(key[0]) :] for key in distinct]
        temperature = trajectories[0].turns[0].temperature
        exact = self.recipe.objective.kl > 0 and self.recipe.objective.kl_estimator == "exact"
        scored = self.policy.score(prompts, rests, temperature=temperature, keep_logits=exact)
        width = scored.log_probs.shape[1]
        turn, mask = _spans(trajectories, width)
        penalty = torch.zeros(len(trajectories))
        if exact:
            with torch.no_grad():
                reference = self.reference.score(prompts, rests, temperature=temperature, keep_logits=True)
            assert scored.logits is not None
            assert reference.logits is not None
            once = torch.zeros(len(distinct), width)
            once[which] = mask
            penalty = kl.exact_kl(scored.logits, reference.logits, once)[which]
        log_probs = scored.log_probs[which] * mask
        reference_log_probs = _per_token(trajectories, width, "reference_log_probs")
        if self.recipe.objective.kl > 0 and not exact:
            penalty = kl.k2(log_probs, reference_log_probs, mask)
        turns = max(len(t.turns) for t in trajectories)
        rewards = [[*(u.reward for u in t.turns), *([0.0] * (turns - len(t.turns)))] for t in trajectories]
        return Scored(
            log_probs=log_probs,
            behaviour=_per_token(trajectories, width, "behaviour_log_probs"),
            reference=reference_log_probs,
            mask=mask,
            turn=turn,
            rewards=torch.tensor(rewards),
            groups=torch.tensor(labels),
            entropy=scored.entropy[which] * mask,
            penalty=penalty,
        )

    def beta(self, step: int) -> float:
        """Trajectory balance's temperature at `step`: linear from `beta` to `beta_end` over the run."""
        objective = self.recipe.objective
        if objective.beta_end is None:
            return objective.beta
        return objective.beta + (objective.beta_end - objective.beta) * step / max(1, self.recipe.train.steps - 1)

    def _share(self, chunk: Sequence[Trajectory], whole: Sequence[Trajectory]) -> float:
        """A chunk's weight in the whole batch's mean: by tokens where the loss is a mean over tokens."""
        by_token = self.recipe.objective.name == "policy_gradient" and self.recipe.objective.aggregate == "token"
        return _tokens(chunk) / max(1.0, _tokens(whole)) if by_token else len(chunk) / len(whole)

    def loss(self, scored: Scored, step: int) -> Loss:
        """The recipe's objective on a scored batch."""
        objective = self.recipe.objective
        if objective.name == "trajectory_balance":
            anchor = scored.reference if objective.anchor == "reference" else scored.behaviour
            return trajectory_balance(
                scored.log_probs.sum(-1),
                anchor.sum(-1),
                scored.rewards.sum(-1),
                scored.groups,
                beta=self.beta(step),
                log_z=objective.log_z,
            )
        if objective.name == "weighted_nll":
            weights = (scored.rewards.sum(-1) >= objective.reward_threshold).float()
            return weighted_nll(scored.log_probs, scored.mask, weights)
        credit = advantages(
            scored.rewards,
            scored.groups,
            baseline=objective.baseline,
            shaping=objective.shaping,
            turn_weights=objective.turn_weights,
            gamma=objective.gamma,
        ).to(scored.log_probs.dtype)
        loss = policy_gradient(
            scored.log_probs,
            scored.mask,
            credit.gather(1, scored.turn),
            behaviour_log_probs=scored.behaviour,
            clip=objective.clip,
            aggregate=objective.aggregate,
        )
        if objective.kl == 0:
            return loss
        penalty = scored.penalty.mean()
        return Loss(loss.value + objective.kl * penalty, {**loss.metrics, "kl_penalty": float(penalty.detach())})


def _whole_groups(groups: Sequence[Group], limit: int) -> list[Span]:
    """Spans of trajectories that hold whole groups and at most `limit` trajectories (one group at the least): a
    group cut in two would have its baseline taken over half of it."""
    spans: list[Span] = []
    start = stop = 0
    for group in groups:
        if stop > start and stop + len(group) - start > limit:
            spans.append((start, stop))
            start = stop
        stop += len(group)
    spans.append((start, stop))
    return spans


def _spans(trajectories: Sequence[Trajectory], width: int) -> tuple[Tensor, Tensor]:
    """Turn index [N, T] and mask [N, T] of the tokens after each trajectory's first prompt."""
    turns, masks = [], []
    for trajectory in trajectories:
        base = len(trajectory.turns[0].prompt_ids)
        turn, mask = [0] * width, [0.0] * width
        for index, each in enumerate(trajectory.turns):
            start, length = len(each.prompt_ids) - base, len(each.action_ids)
            turn[start : start + length] = [index] * length
            mask[start : start + length] = [1.0] * length
        turns.append(turn)
        masks.append(mask)
    return torch.tensor(turns), torch.tensor(masks)


def _per_token(trajectories: Sequence[Trajectory], width: int, name: str) -> Tensor:
    """A per-token field of the turns laid out as [N, T], 0 between the turns."""
    rows = []
    for trajectory in trajectories:
        base = len(trajectory.turns[0].prompt_ids)
        row = [0.0] * width
        for each in trajectory.turns:
            start = len(each.prompt_ids) - base
            row[start : start + len(each.action_ids)] = getattr(each, name)
        rows.append(row)
    return torch.tensor(rows)


def _tokens(trajectories: Sequence[Trajectory]) -> float:
    return float(sum(len(turn.action_ids) for t in trajectories for turn in t.turns))


def _describe(chunks: Sequence[Scored], trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """What the batch looked like under the policy before this update."""
    with torch.no_grad():
        log_probs = [chunk.log_probs.sum(-1) for chunk in chunks]
        log_ratio = torch.cat([p - chunk.behaviour.sum(-1) for p, chunk in zip(log_probs, chunks, strict=True)])
        kl_sample = torch.cat([p - chunk.reference.sum(-1) for p, chunk in zip(log_probs, chunks, strict=True)])
        entropy = sum(float(chunk.entropy.sum()) for chunk in chunks) / max(1.0, _tokens(trajectories))
    rewards = [t.reward for t in trajectories]
    return {
        "reward": math.fsum(rewards) / len(rewards),
        "kl": float(kl_sample.mean()),
        "entropy": entropy,
        "effective_sample_size": effective_sample_size(log_weights=log_ratio.double().numpy()) / len(rewards),
        "response_length": _tokens(trajectories) / len(trajectories),
        "truncated": sum(t.turns[-1].finish_reason == "length" for t in trajectories) / len(trajectories),
    }


def no_signal_share(groups: Sequence[Group]) -> float:
    """The share of groups in which every reward is the same: they say nothing about what is better."""
    return sum(len({t.reward for t in group}) == 1 for group in groups) / max(1, len(groups))
