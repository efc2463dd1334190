"""The trainer: one update of the policy from a batch of groups, whatever the objective.

Shapes: N trajectories, T action tokens of the longest (all turns of a trajectory together), U turns. A trajectory is
one token sequence; its turns' actions are spans of it, so every turn is scored in one forward pass.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gnomon.models import training
from gnomon.models.policy import Policy
from gnomon.posttrain import kl
from gnomon.posttrain.credit import advantages
from gnomon.posttrain.objectives import Loss, latent_marginal, policy_gradient, trajectory_balance, weighted_nll
from gnomon.posttrain.recipe import Recipe
from gnomon.posttrain.records import Trajectory
from gnomon.posttrain.replay import Group
from gnomon.stats.weights import effective_sample_size

Span = tuple[int, int]


@dataclass(frozen=True)
class Scored:
    """A batch as tensors. `turn` [N, T] holds each action token's turn (from 0); `mask` [N, T] is 1 on the tokens that
    are trained on, `drawn` [N, T] on those of them that the policy drew."""

    log_probs: Tensor
    behaviour: Tensor
    reference: Tensor
    mask: Tensor
    drawn: Tensor
    turn: Tensor
    rewards: Tensor  # [N, U], 0 where a trajectory has fewer turns
    latent: Tensor  # [N, U], 1 for turns that are not graded themselves
    groups: Tensor  # [N]
    contexts: Tensor | None  # [N]: which first action a later one continues, where each is continued several times
    entropy: Tensor  # [N, T]
    penalty: Tensor  # [N, U] KL to the reference, differentiable, 0 where the objective does not ask for it

    @property
    def turns(self) -> int:
        """U, the most turns of a trajectory."""
        return self.rewards.shape[1]

    def of_turn(self, values: Tensor, turn: int) -> Tensor:
        """Sums [N] of `values` [N, T] over a turn's trained tokens."""
        return (values * self.mask * (self.turn == turn)).sum(-1)

    def only(self, turn: int) -> "Scored":
        """The same batch, with gradients through one turn's tokens alone."""
        here = self.turn == turn
        column = torch.arange(self.turns) == turn
        return replace(
            self,
            log_probs=torch.where(here, self.log_probs, self.log_probs.detach()),
            penalty=torch.where(column, self.penalty, self.penalty.detach()),
        )


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

    def update(self, groups: Sequence[Group], step: int, *, per_turn: bool = False) -> dict[str, float]:
        """One optimiser update at `step` (from 0) on whole groups; returns the metrics of DESIGN's names.

        With `per_turn` the norm of every turn's share in the gradient is measured as well, at the price of one more
        backward pass for each turn.
        """
        train = self.recipe.train
        trajectories = [trajectory for group in groups for trajectory in group]
        labels = [index for index, group in enumerate(groups) for _ in group]
        chunks = _whole_groups(groups, train.micro_batch)
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, float] = {}
        scored_chunks: list[Scored] = []
        of_turns: dict[int, list[Tensor]] = {}
        for start, stop in chunks:
            scored = self.score(trajectories[start:stop], labels[start:stop])
            loss = self.loss(scored, step)
            share = self._share(trajectories[start:stop], trajectories, len(set(labels[start:stop])) / len(groups))
            if per_turn:
                self._add_turn_gradients(of_turns, scored, step, share)
            (loss.value * share).backward()
            scored_chunks.append(scored)
            for name, value in {"loss": float(loss.value.detach()), **loss.metrics}.items():
                sums[name] = sums.get(name, 0.0) + share * value
        rate = train.learning_rate * training.warmup_then(train.schedule, step, steps=train.steps, warmup=train.warmup)
        norm, skipped = training.apply_gradient(self.optimizer, loss=sums["loss"], learning_rate=rate, clip=train.clip)
        self.skipped += skipped
        self.skipped_in_a_row = self.skipped_in_a_row + 1 if skipped else 0
        norms = {
            f"gradient_norm_turn{turn + 1}": math.sqrt(sum(float(part.square().sum()) for part in parts))
            for turn, parts in of_turns.items()
        }
        return {
            **sums,
            "gradient_norm": norm,
            **norms,
            "learning_rate": rate,
            **_describe(scored_chunks, trajectories),
        }

    def _add_turn_gradients(self, sums: dict[int, list[Tensor]], scored: Scored, step: int, share: float) -> None:
        parameters = [p for p in self.policy.model.parameters() if p.requires_grad]
        for turn in range(scored.turns):
            value = self.loss(scored.only(turn), step).value
            if not value.requires_grad:
                continue
            found = torch.autograd.grad(value * share, parameters, retain_graph=True, allow_unused=True)
            parts = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]
            sums[turn] = [a + b for a, b in zip(sums[turn], parts, strict=True)] if turn in sums else parts

    def score(self, trajectories: Sequence[Trajectory], labels: Sequence[int]) -> Scored:
        """The batch's tensors under the current policy. Sequences alike in all that is trained on are scored once."""
        objective = self.recipe.objective
        keys = [(t.prompt_ids, t.rest_ids, t.spans, tuple(turn.origin for turn in t.turns)) for t in trajectories]
        distinct = list(dict.fromkeys(keys))
        position = {key: index for index, key in enumerate(distinct)}
        which = torch.tensor([position[key] for key in keys])
        prompts, rests = [key[0] for key in distinct], [key[1] for key in distinct]
        temperature = trajectories[0].temperature
        turns = max(len(t.turns) for t in trajectories)
        anchored = [turn for turn in range(turns) if objective.kl_of(turn) > 0]
        exact = bool(anchored) and objective.kl_estimator == "exact"
        scored = self.policy.score(prompts, rests, temperature=temperature, keep_logits=exact)
        width = scored.log_probs.shape[1]
        turn, mask, drawn = _spans(trajectories, width)
        log_probs = scored.log_probs[which] * mask
        reference_log_probs = _per_token(trajectories, width, "reference_log_probs")
        columns = [torch.zeros(len(trajectories))] * turns
        if exact:
            with torch.no_grad():
                reference = self.reference.score(prompts, rests, temperature=temperature, keep_logits=True)
            assert scored.logits is not None
            assert reference.logits is not None
            for each in anchored:
                once = torch.zeros(len(distinct), width)
                once[which] = mask * (turn == each)
                columns[each] = kl.exact_kl(scored.logits, reference.logits, once)[which]
        else:
            for each in anchored:
                columns[each] = kl.k2(log_probs, reference_log_probs, mask * (turn == each))
        rewards = [[*(u.reward for u in t.turns), *([0.0] * (turns - len(t.turns)))] for t in trajectories]
        latent = [[*(float(u.latent) for u in t.turns), *([0.0] * (turns - len(t.turns)))] for t in trajectories]
        contexts = None
        if self.recipe.sampling.branches > 1:
            firsts = [(label, t.turns[0].action_ids) for label, t in zip(labels, trajectories, strict=True)]
            numbers = {first: number for number, first in enumerate(dict.fromkeys(firsts))}
            contexts = torch.tensor([numbers[first] for first in firsts])
        return Scored(
            log_probs=log_probs,
            behaviour=_per_token(trajectories, width, "behaviour_log_probs"),
            reference=reference_log_probs,
            mask=mask,
            drawn=drawn,
            turn=turn,
            rewards=torch.tensor(rewards),
            latent=torch.tensor(latent),
            groups=torch.tensor(labels),
            contexts=contexts,
            entropy=scored.entropy[which] * mask,
            penalty=torch.stack(columns, dim=1),
        )

    def beta(self, step: int) -> float:
        """Trajectory balance's temperature at `step`: linear from `beta` to `beta_end` over the run."""
        objective = self.recipe.objective
        if objective.beta_end is None:
            return objective.beta
        return objective.beta + (objective.beta_end - objective.beta) * step / max(1, self.recipe.train.steps - 1)

    def _share(self, chunk: Sequence[Trajectory], whole: Sequence[Trajectory], of_groups: float) -> float:
        """A chunk's weight in the whole batch's mean, which is over tokens, groups or trajectories."""
        if self._by_token:
            return _tokens(chunk) / max(1.0, _tokens(whole))
        return of_groups if self.recipe.objective.name == "latent_marginal" else len(chunk) / len(whole)

    @property
    def _by_token(self) -> bool:
        return self.recipe.objective.name == "policy_gradient" and self.recipe.objective.aggregate == "token"

    def loss(self, scored: Scored, step: int) -> Loss:
        """The recipe's objective on a scored batch, and the KL to the reference at each turn's coefficient."""
        name = self.recipe.objective.name
        if name == "trajectory_balance":
            loss = self._trajectory_balance(scored, step)
        elif name == "weighted_nll":
            loss = self._weighted_nll(scored)
        elif name == "latent_marginal":
            warmup, answer = self._warmup_and_answer(scored)
            objective = self.recipe.objective
            loss = latent_marginal(warmup, answer, scored.groups, estimator=objective.estimator, tau=objective.tau)
            loss = Loss(loss.value, {**loss.metrics, "answer_log_prob": float(answer.detach().mean())})
        else:
            loss = self._policy_gradient(scored)
        value, metrics = loss.value, dict(loss.metrics)
        count = scored.mask.sum().clamp(min=1) if self._by_token else len(scored.mask)
        for turn in range(scored.turns):
            if (coefficient := self.recipe.objective.kl_of(turn)) > 0:
                penalty = scored.penalty[:, turn].sum() / count
                value = value + coefficient * penalty
                metrics[f"kl_turn{turn + 1}"] = float(penalty.detach())
        return Loss(value, metrics)

    def _trajectory_balance(self, scored: Scored, step: int) -> Loss:
        objective, beta = self.recipe.objective, self.beta(step)
        anchor = scored.reference if objective.anchor == "reference" else scored.behaviour
        if self.recipe.sampling.answer == "teacher":
            # Warmups: log R(c) = log p_ref(c) + l(c) / beta balances them, and the answer's own likelihood is raised
            # beside that. beta / 2 brings the balance's gradient to the likelihood's scale.
            warmup, answer = self._warmup_and_answer(scored)
            anchored = _latent_sum(scored, anchor)
            loss = trajectory_balance(
                warmup, anchored, answer.detach(), scored.groups, beta=beta, log_z=objective.log_z
            )
            metrics = {**loss.metrics, "answer_log_prob": float(answer.detach().mean())}
            return Loss(0.5 * beta * loss.value - answer.mean(), metrics)
        credited = objective.shaping != 0 or objective.turn_weights is not None or scored.contexts is not None
        if not credited:
            return trajectory_balance(
                scored.log_probs.sum(-1),
                (anchor * scored.mask).sum(-1),
                scored.rewards.sum(-1),
                scored.groups,
                beta=beta,
                log_z=objective.log_z,
            )
        # Credit that differs by turn makes every turn a balance of its own, given what was said before it.
        returns = advantages(scored.rewards, scored.groups, shaping=objective.shaping, gamma=objective.gamma)
        value, metrics = torch.zeros(()), {}
        for turn in range(scored.turns):
            weight = 1.0 if objective.turn_weights is None else objective.turn_weights[turn]
            if weight == 0:
                continue
            alike = scored.groups if turn == 0 or scored.contexts is None else scored.contexts
            loss = trajectory_balance(
                scored.of_turn(scored.log_probs, turn),
                scored.of_turn(anchor, turn),
                returns[:, turn],
                alike,
                beta=beta,
                log_z=objective.log_z,
            )
            value = value + weight * loss.value
            metrics |= {f"{name}_turn{turn + 1}": figure for name, figure in loss.metrics.items()}
        return Loss(value, metrics)

    def _weighted_nll(self, scored: Scored) -> Loss:
        objective, rewards = self.recipe.objective, scored.rewards
        last = rewards[:, -1] >= objective.reward_threshold
        kept = {
            "all": torch.ones(len(rewards), dtype=torch.bool),
            "rewarded": rewards.sum(-1) >= objective.reward_threshold,
            "fixed": last & (rewards[:, 0] < objective.reward_threshold),
            "end_right": last,
        }[objective.keep]
        log_probs = scored.log_probs
        if objective.turn_weights is not None:
            log_probs = log_probs * torch.tensor(objective.turn_weights)[scored.turn]
        return weighted_nll(log_probs, scored.mask, kept.float())

    def _warmup_and_answer(self, scored: Scored) -> tuple[Tensor, Tensor]:
        """log p(c|x) and log p(y|x,c), [N] each."""
        warmup = _latent_sum(scored, scored.log_probs)
        return warmup, (scored.log_probs * scored.mask).sum(-1) - warmup

    def _policy_gradient(self, scored: Scored) -> Loss:
        objective = self.recipe.objective
        credit = advantages(
            scored.rewards,
            scored.groups,
            baseline=objective.baseline,
            shaping=objective.shaping,
            turn_weights=objective.turn_weights,
            gamma=objective.gamma,
            contexts=scored.contexts,
        ).to(scored.log_probs.dtype)
        return policy_gradient(
            scored.log_probs,
            scored.mask,
            credit.gather(1, scored.turn),
            behaviour_log_probs=scored.behaviour,
            clip=objective.clip,
            aggregate=objective.aggregate,
        )


def _latent_sum(scored: Scored, values: Tensor) -> Tensor:
    """Sums [N] of `values` [N, T] over the tokens of latent turns."""
    return (values * scored.mask * scored.latent.gather(1, scored.turn)).sum(-1)


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


def _spans(trajectories: Sequence[Trajectory], width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Turn index, mask of trained tokens and mask of drawn ones, each [N, T], for what follows the first prompts."""
    turns, masks, drawn = [], [], []
    for trajectory in trajectories:
        turn, mask, own = [0] * width, [0.0] * width, [0.0] * width
        for index, (each, (start, stop)) in enumerate(zip(trajectory.turns, trajectory.spans, strict=True)):
            length = stop - start
            turn[start:stop] = [index] * length
            mask[start:stop] = [float(each.origin != "replay")] * length
            own[start:stop] = [float(each.origin == "policy")] * length
        turns.append(turn)
        masks.append(mask)
        drawn.append(own)
    return torch.tensor(turns), torch.tensor(masks), torch.tensor(drawn)


def _per_token(trajectories: Sequence[Trajectory], width: int, name: str) -> Tensor:
    """A per-token field of the turns laid out as [N, T], 0 between the turns."""
    rows = []
    for trajectory in trajectories:
        row = [0.0] * width
        for each, (start, stop) in zip(trajectory.turns, trajectory.spans, strict=True):
            row[start:stop] = getattr(each, name)
        rows.append(row)
    return torch.tensor(rows)


def _tokens(trajectories: Sequence[Trajectory]) -> float:
    return float(sum(len(turn.action_ids) for t in trajectories for turn in t.turns if turn.origin != "replay"))


def _describe(chunks: Sequence[Scored], trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """What the batch looked like under the policy before this update."""

    def sums(chunk: Scored, other: Tensor) -> Tensor:
        return ((chunk.log_probs - other) * chunk.drawn).sum(-1)

    with torch.no_grad():
        log_ratio = torch.cat([sums(chunk, chunk.behaviour) for chunk in chunks])
        kl_sample = torch.cat([sums(chunk, chunk.reference) for chunk in chunks])
        entropy = sum(float(chunk.entropy.sum()) for chunk in chunks) / max(1.0, _tokens(trajectories))
    rewards = [t.reward for t in trajectories]
    described = {
        "reward": math.fsum(rewards) / len(rewards),
        "kl": float(kl_sample.mean()),
        "entropy": entropy,
        "effective_sample_size": effective_sample_size(log_weights=log_ratio.double().numpy()) / len(rewards),
        "response_length": _tokens(trajectories) / len(trajectories),
        "truncated": sum(
            any(turn.finish_reason == "length" for turn in t.turns if turn.origin == "policy") for t in trajectories
        )
        / len(trajectories),
    }
    graded = [[turn for turn in t.turns if not turn.latent] for t in trajectories]
    turns = min(map(len, graded))
    if turns > 1:
        first, last = ([g[place].reward >= 1 for g in graded] for place in (0, turns - 1))
        pairs = list(zip(first, last, strict=True))
        described |= {
            f"reward_turn{turn + 1}": math.fsum(g[turn].reward for g in graded) / len(graded) for turn in range(turns)
        }
        described["i_to_c"] = sum(not a and b for a, b in pairs) / len(pairs)
        described["c_to_i"] = sum(a and not b for a, b in pairs) / len(pairs)
        described["unchanged"] = sum(g[0].action_ids == g[turns - 1].action_ids for g in graded) / len(pairs)
    latents = [turn for t in trajectories for turn in t.turns if turn.latent]
    if latents:
        distinct = len({(turn.prompt_ids, turn.action_ids) for turn in latents})
        described["distinct_warmups"] = distinct / len(latents)
        described["warmup_length"] = sum(len(turn.action_ids) for turn in latents) / len(latents)
    return described


def no_signal_share(groups: Sequence[Group]) -> float:
    """The share of groups in which every reward is the same: they say nothing about what is better."""
    return sum(len({tuple(turn.reward for turn in t.turns) for t in group}) == 1 for group in groups) / max(
        1, len(groups)
    )
