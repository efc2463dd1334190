"""Building or loading the policy a run starts from, and supervised training on a task's demonstrations."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from gnomon.errors import UserError
from gnomon.models import training
from gnomon.models.policy import Policy
from gnomon.posttrain.objectives import weighted_nll
from gnomon.posttrain.recipe import Recipe
from gnomon.posttrain.searcher import observe
from gnomon.seeds import derive
from gnomon.tasks.environment import Environment, Task, demonstrated

_Played = tuple[str, list[tuple[str, int | None, str | None]]]
Batch = tuple[list[list[int]], list[list[int]], list[list[bool]]]


def initial_policy(recipe: Recipe, environment: Environment) -> Policy:
    """The policy named by `[model]`: loaded from its path, or built from scratch with a tokenizer for the task."""
    from gnomon.models import build, tokenizers

    settings = recipe.model
    if settings.path is not None:
        return Policy.load(settings.path, dtype=settings.dtype)
    if settings.tokenizer == "symbols":
        if environment.symbols is None:
            raise UserError(
                f"model.tokenizer = 'symbols' needs a task with a fixed set of symbols, and {recipe.task.name!r} is"
                " free text; model.tokenizer = 'bpe' would learn one from its training tasks."
            )
        tokenizer = tokenizers.symbol_tokenizer(environment.symbols)
    else:
        texts = (
            text
            for task in environment.tasks("train")[:20_000]
            for text in (environment.start(task, 0).prompt, *demonstrated(environment, task, 0))
        )
        tokenizer = tokenizers.bpe_tokenizer(texts, settings.vocabulary)
    make = build.decoder if settings.kind == "decoder" else build.encoder_decoder
    return make(
        tokenizer,
        layers=settings.layers,
        width=settings.width,
        heads=settings.heads,
        context=settings.context,
        seed=derive(recipe.base_seed, "model"),
    )


class Demonstrations:
    """Batches of a teacher's answers to the tasks of a split, each a function of its step alone."""

    def __init__(
        self, recipe: Recipe, environment: Environment, policy: Policy, seed: int, split: str = "train"
    ) -> None:
        self.environment = environment
        self.policy = policy
        self.size = recipe.warm_start.batch_size
        self.seed = seed
        self.tasks: Sequence[Task] = environment.tasks(split)
        self.observed: dict[str, tuple[int, ...]] = {}
        self.epoch = -1
        self.order: np.ndarray = np.empty(0, dtype=int)

    def __call__(self, step: int) -> Batch:
        """Prompts and actions of batch `step`; every epoch the teacher answers afresh."""
        chosen = []
        for position in range(step * self.size, (step + 1) * self.size):
            epoch, place = divmod(position, len(self.tasks))
            if epoch != self.epoch:
                self.order = np.random.default_rng(derive(self.seed, epoch)).permutation(len(self.tasks))
                self.epoch = epoch
            chosen.append((epoch, int(self.order[place])))
        rows = self._tokenised([self._played(self.tasks[i], derive(self.seed, "teacher", e)) for e, i in chosen])
        kept = [row for row in rows if self.policy.fits(len(row[0]), len(row[1]))]
        if not kept:
            raise UserError(
                f"None of the demonstrations fits the model's context of {self.policy.context} tokens;"
                " a larger model.context would hold them."
            )
        prompts, rests, own = zip(*kept, strict=True)
        return list(prompts), list(rests), list(own)

    def _played(self, task: Task, seed: int) -> _Played:
        """A demonstration as text: the prompt, then for each turn what the teacher says, its limit and what follows."""
        episode = self.environment.start(task, 0)
        prompt, turns = episode.prompt, []
        actions = demonstrated(self.environment, task, seed)
        for place, text in enumerate(actions):
            limit: int | None = getattr(episode, "max_tokens", None)
            last = place + 1 == len(actions)
            turns.append((text, limit, None if last else episode.step(text).observation))
        return prompt, turns

    def _tokenised(self, played: Sequence[_Played]) -> list[tuple[list[int], list[int], list[bool]]]:
        """The first prompt's tokens, those of everything after it, and which of these are the teacher's, for each."""
        # One call for all texts of a kind: the tokenizer's overhead for each call is most of its time.
        prompts = self.policy.encode_many([prompt for prompt, _ in played])
        words = [text for _, turns in played for text, _, _ in turns]
        actions = iter(self.policy.tokenizer(words, add_special_tokens=False)["input_ids"])
        rows = []
        for prompt, (_, turns) in zip(prompts, played, strict=True):
            rest, own = list[int](), list[bool]()
            for _, limit, observation in turns:
                ids = [*next(actions), self.policy.eos][:limit]
                rest += ids
                own += [True] * len(ids)
                if observation is not None:
                    if observation not in self.observed:
                        self.observed[observation] = observe(self.policy, observation)
                    rest += self.observed[observation]
                    own += [False] * len(self.observed[observation])
            rows.append((prompt, rest, own))
        return rows


def supervised_loss(policy: Policy) -> Callable[[Batch], Tensor]:
    """Mean negative log-likelihood per demonstration token."""

    def loss(batch: Batch) -> Tensor:
        log_probs, mask = _scored(policy, batch)
        value = weighted_nll(log_probs, mask, torch.ones(len(mask), device=mask.device)).value
        return value * len(mask) / mask.sum()

    return loss


def demonstration_losses(policy: Policy, batch: Batch) -> tuple[Tensor, Tensor]:
    """The negative log-likelihood of each token after the prompts [N, T], and which of them are the teacher's."""
    log_probs, mask = _scored(policy, batch)
    return -log_probs, mask


def _scored(policy: Policy, batch: Batch) -> tuple[Tensor, Tensor]:
    prompts, rests, own = batch
    scored = policy.score(prompts, rests)
    width = scored.mask.shape[1]
    mask = torch.tensor([[*row, *([False] * (width - len(row)))] for row in own], device=scored.mask.device)
    return scored.log_probs, mask


def warm_start(
    recipe: Recipe,
    environment: Environment,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    first: int,
    observers: Sequence[training.Observer] = (),
) -> Iterator[training.Update]:
    """`[warm_start]`'s updates from step `first` on, yielding after each."""
    settings = recipe.warm_start
    return training.supervised(
        Demonstrations(recipe, environment, policy, derive(recipe.base_seed, "warm_start")),
        supervised_loss(policy),
        optimizer,
        first=first,
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        warmup=settings.warmup,
        clip=settings.clip,
        observers=observers,
    )


def supervised_control(
    recipe: Recipe, environment: Environment, policy: Policy, cpu_seconds: float
) -> Iterator[tuple[float, training.Update]]:
    """Keep training `policy` on demonstrations until this process has spent `cpu_seconds`, the learning rate falling
    to a tenth over that time. Yields the share of the time that is spent, and the update."""
    settings = recipe.warm_start
    optimizer = training.optimizer_for(
        policy.model, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay
    )
    demonstrations = Demonstrations(recipe, environment, policy, derive(recipe.seed, "control"))
    loss_of = supervised_loss(policy)
    began = time.process_time()
    for step in itertools.count():
        spent = (time.process_time() - began) / cpu_seconds
        if spent >= 1:
            return
        schedule = training.warmup_then("cosine", round(1000 * spent), steps=1000, warmup=20)
        loss = loss_of(demonstrations(step))
        value = float(loss.detach())
        loss.backward()
        rate = settings.learning_rate * schedule
        norm, skipped = training.apply_gradient(optimizer, loss=value, learning_rate=rate, clip=settings.clip)
        yield spent, training.Update(step, value, norm, rate, skipped)
