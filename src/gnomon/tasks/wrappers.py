"""Wrappers that turn any single-turn environment, built-in or a user's, into another system's.

`TwoAttempt` lets the model try again (SCoRe), `Latent` puts a free sequence before the answer (warmup generations), and
`Binary` makes a graded reward a verdict.
"""

import math
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from gnomon.errors import UserError
from gnomon.seeds import derive
from gnomon.stats.estimate import Estimate
from gnomon.tasks.environment import Environment, Episode, Step, Task, demonstrated

TRY_AGAIN = (
    "\n\nRead the answer above once more. If there is a mistake in it, mend it. Then write the whole answer again.\n\n"
)


class _Wrapper:
    """What every wrapper hands on unchanged."""

    def __init__(self, env: Environment) -> None:
        self.env = env

    @property
    def name(self) -> str:
        """The wrapped environment's name."""
        return self.env.name

    @property
    def pure(self) -> bool:
        """A wrapper adds nothing impure."""
        return self.env.pure

    @property
    def symbols(self) -> Sequence[str] | None:
        """The wrapped environment's."""
        return self.env.symbols

    @property
    def separator(self) -> str | None:
        """The text that sets the answer off in the wrapped environment, where it says so."""
        return getattr(self.env, "separator", None)

    @property
    def corpus_scores(self) -> Callable[..., dict[str, Estimate]] | None:
        """The wrapped environment's figures over many answers, where it has any."""
        return getattr(self.env, "corpus_scores", None)

    @property
    def tried(self) -> Callable[[Task], tuple[str, str] | None] | None:
        """The wrapped environment's attempts of record, where it has any: two, of which the second was right."""
        return getattr(self.env, "tried", None)

    def tasks(self, split: str) -> Sequence[Task]:
        """The wrapped environment's tasks."""
        return self.env.tasks(split)

    def demonstration(self, task: Task, seed: int) -> str:
        """A teacher's answer."""
        return self.env.demonstration(task, seed)

    def demonstrations(self, task: Task, seed: int) -> tuple[str, ...]:
        """A teacher's action of every turn."""
        return demonstrated(self.env, task, seed)

    def _units(self, text: str) -> list[str]:
        """The text cut into its environment's symbols, or into words where it has none."""
        if self.env.symbols is None:
            return re.findall(r"\s*\S+", text)
        longest_first = sorted(self.env.symbols, key=len, reverse=True)
        return re.findall("|".join(map(re.escape, longest_first)), text)


class Binary(_Wrapper):
    """Reward 1 for a correct answer and 0 for any other, whatever the wrapped environment gives."""

    def start(self, task: Task, seed: int) -> Episode:
        """An episode of the wrapped environment with its reward made a verdict."""
        return _BinaryEpisode(self.env.start(task, seed))


class _BinaryEpisode:
    def __init__(self, episode: Episode) -> None:
        self.episode = episode

    @property
    def prompt(self) -> str:
        return self.episode.prompt

    @property
    def max_tokens(self) -> int | None:
        return getattr(self.episode, "max_tokens", None)

    @property
    def latent(self) -> bool:
        return getattr(self.episode, "latent", False)

    def step(self, action: str) -> Step:
        step = self.episode.step(action)
        return Step(float(step.correct), step.observation, step.components, step.done)


class TwoAttempt(_Wrapper):
    """Several attempts at the same task (SCoRe, arXiv 2409.12917, section 3).

    After an attempt the model reads its own words and `instruction`, and answers again. The instruction is always the
    same: nothing it reads says whether the attempt was right. Every attempt is graded by the wrapped environment, whose
    reward must be 0 or 1.
    """

    def __init__(self, env: Environment, instruction: str = TRY_AGAIN, attempts: int = 2, slips: float = 0.0) -> None:
        """`slips` is the chance that an attempt of the teacher, the last one aside, has one unit of its answer wrong:
        from a teacher whose attempts are always the same a model learns to copy, and then never mends anything.

        Raises UserError for fewer than two attempts, an empty instruction, and one that holds the text which sets the
        wrapped environment's answer off: a model could not tell the answer from what it was told.
        """
        super().__init__(env)
        if attempts < 2:
            raise UserError(f"TwoAttempt: attempts = {attempts} must be at least 2.")
        if not 0 <= slips <= 1:
            raise UserError(f"TwoAttempt: slips = {slips} must lie between 0 and 1.")
        if not instruction:
            raise UserError("TwoAttempt: the instruction is empty; some text must stand between two attempts.")
        if self.separator and self.separator in instruction:
            raise UserError(
                f"TwoAttempt: the instruction {instruction!r} contains {self.separator!r}, which sets the answer off in"
                f" {env.name!r}; any text without it would do."
            )
        self.instruction = instruction
        self.attempts = attempts
        self.slips = slips

    @property
    def symbols(self) -> Sequence[str] | None:
        """The wrapped environment's, and the instruction as one more."""
        return None if self.env.symbols is None else (*self.env.symbols, self.instruction)

    def start(self, task: Task, seed: int) -> Episode:
        """An episode of `attempts` answers."""
        return _Attempts(self, task, seed)

    def demonstrations(self, task: Task, seed: int) -> tuple[str, ...]:
        """The teacher's attempts, each made without a look at the others; those of record where there are any."""
        if self.tried is not None and self.attempts == 2 and (record := self.tried(task)) is not None:
            return record
        texts = [self.env.demonstration(task, derive(seed, "attempt", k)) for k in range(self.attempts)]
        if self.slips > 0:
            rng = random.Random(f"{seed}/{task.id}/slips")
            texts[:-1] = [self._slipped(text, rng) if rng.random() < self.slips else text for text in texts[:-1]]
        return tuple(texts)

    def _slipped(self, text: str, rng: random.Random) -> str:
        """The text with one unit replaced by a unit of another task's answer."""
        units = self._units(text)
        other = self._units(self.env.demonstration(rng.choice(self.env.tasks("train")), 0))
        if units and other:
            units[rng.randrange(len(units))] = rng.choice(other)
        return "".join(units)


class _Attempts:
    def __init__(self, wrapper: TwoAttempt, task: Task, seed: int) -> None:
        self.wrapper, self.task, self.seed = wrapper, task, seed
        self.prompt = wrapper.env.start(task, seed).prompt
        self.made = 0

    def step(self, action: str) -> Step:
        step = self.wrapper.env.start(self.task, self.seed).step(action)
        if not step.done:
            raise UserError(f"TwoAttempt wraps environments of one turn, and {self.wrapper.name!r} goes on after it.")
        # What is no finite number at all is a fault of the environment, found and counted by whoever plays it.
        graded = isinstance(step.reward, int | float) and math.isfinite(step.reward)
        if graded and step.reward not in (0, 1):
            raise UserError(
                f"TwoAttempt needs a verdict, and {self.wrapper.name!r} rewards an answer with {step.reward:g}; wrapped"
                " in gnomon.tasks.Binary (attempts.binary = true in a recipe) it gives 1 for a correct answer, else 0."
            )
        self.made += 1
        done = self.made == self.wrapper.attempts
        return Step(step.reward, None if done else self.wrapper.instruction, step.components, done)


class Latent(_Wrapper):
    """A free first sequence before the answer (warmup generations, arXiv 2502.12304).

    The model writes at most `max_tokens` tokens that nobody grades, reads `separator`, and answers. `filler` is the
    symbol that stands in for the free sequence when its content is to be taken away. For supervised training before the
    free sequence has come to mean anything, it is the answer with each of its units left out with chance `dropped`.
    """

    def __init__(
        self, env: Environment, max_tokens: int, separator: str, filler: str = ".", dropped: float = 0.5
    ) -> None:
        """Raises UserError for an empty separator, fewer than one token, and a share outside 0 to 1."""
        super().__init__(env)
        if max_tokens < 1:
            raise UserError(f"Latent: max_tokens = {max_tokens} must be at least 1.")
        if not separator or not filler:
            raise UserError("Latent: separator and filler must not be empty.")
        if not 0 <= dropped <= 1:
            raise UserError(f"Latent: dropped = {dropped} must lie between 0 and 1.")
        self.max_tokens = max_tokens
        self._separator = separator
        self.filler = filler
        self.dropped = dropped

    @property
    def separator(self) -> str:
        """The text between the free sequence and the answer."""
        return self._separator

    @property
    def symbols(self) -> Sequence[str] | None:
        """The wrapped environment's, and separator and filler besides."""
        own = self.env.symbols
        return None if own is None else tuple(dict.fromkeys((*own, self._separator, self.filler)))

    def start(self, task: Task, seed: int) -> Episode:
        """An episode of a free sequence and an answer."""
        return _Warmup(self, self.env.start(task, seed))

    def demonstrations(self, task: Task, seed: int) -> tuple[str, ...]:
        """A sketch of the answer, and the answer."""
        answer = self.env.demonstration(task, seed)
        rng = random.Random(f"{seed}/{task.id}/sketch")
        kept = [unit for unit in self._units(answer) if rng.random() >= self.dropped]
        return "".join(kept), answer


class _Warmup:
    def __init__(self, wrapper: Latent, episode: Episode) -> None:
        self.wrapper, self.episode = wrapper, episode
        self.prompt = episode.prompt
        self.latent = True

    @property
    def max_tokens(self) -> int | None:
        return self.wrapper.max_tokens if self.latent else None

    def step(self, action: str) -> Step:
        if self.latent:
            self.latent = False
            return Step(0.0, self.wrapper.separator, done=False)
        step = self.episode.step(action)
        if not step.done:
            raise UserError(f"Latent wraps environments of one turn, and {self.wrapper.name!r} goes on after it.")
        return step


def wrapped(environment: Environment, kind: type[Any]) -> Any:
    """The wrapper of class `kind` around `environment`, at whatever depth, or None."""
    current: Any = environment
    while isinstance(current, _Wrapper):
        if isinstance(current, kind):
            return current
        current = current.env
    return None
