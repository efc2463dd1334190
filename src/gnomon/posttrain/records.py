"""What is stored or sent between processes: tasks, turns, trajectories. Plain frozen dataclasses with a version.

A later turn's `prompt_ids` begin with the earlier turn's `prompt_ids + action_ids`: nothing is tokenised twice, so
a whole trajectory is one token sequence and its turns are spans of it. Lengths are explicit: no mask is ever
inferred from a token id.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from gnomon.errors import UserError
from gnomon.tasks.environment import Task

__all__ = ["VERSION", "Task", "Trajectory", "Turn"]

VERSION = 1


@dataclass(frozen=True)
class Turn:
    """One action and what it was answered with.

    `behaviour_log_probs` are those of the distribution that was sampled from (temperature included);
    `reference_log_probs`, where there, those of the fixed reference at the same temperature. `policy_version` is the
    number of updates behind the weights that drew the action. `latent` marks an action that is not graded itself.
    `origin` says who wrote the action: the `policy` for this trajectory; the policy for an earlier one (`replay`: it is
    read, not trained on); or a `teacher`, who writes it with certainty, so that its behaviour log-probabilities are 0.
    """

    prompt_ids: tuple[int, ...]
    action_ids: tuple[int, ...]
    behaviour_log_probs: tuple[float, ...]
    policy_version: int
    temperature: float
    finish_reason: str
    reward: float
    components: dict[str, float] = field(default_factory=dict)
    latent: bool = False
    reference_log_probs: tuple[float, ...] | None = None
    origin: Literal["policy", "replay", "teacher"] = "policy"

    def __post_init__(self) -> None:
        if len(self.behaviour_log_probs) != len(self.action_ids):
            raise UserError(
                f"A turn has {len(self.action_ids)} action tokens but {len(self.behaviour_log_probs)} behaviour"
                " log-probabilities; there must be one for each token."
            )


@dataclass(frozen=True)
class Trajectory:
    """One or more turns on one task. A group is the K trajectories of one task that were drawn together."""

    task_id: str
    group_id: str
    seed: int
    turns: tuple[Turn, ...]

    def __post_init__(self) -> None:
        for earlier, later in zip(self.turns, self.turns[1:], strict=False):
            spoken = earlier.prompt_ids + earlier.action_ids
            if later.prompt_ids[: len(spoken)] != spoken:
                raise UserError(
                    f"Trajectory of task {self.task_id!r}: a later turn's prompt does not begin with the earlier"
                    " turn's prompt and action; append to their token ids instead of tokenising again."
                )

    @property
    def reward(self) -> float:
        """The sum of the turns' rewards."""
        return sum(turn.reward for turn in self.turns)

    @property
    def policy_version(self) -> int:
        """The version behind the oldest action that is trained on."""
        return min(turn.policy_version for turn in self.turns if turn.origin != "replay")

    @property
    def temperature(self) -> float:
        """The temperature of the actions that are trained on: a first one from the replay may be of another."""
        return self.turns[-1].temperature

    @property
    def prompt_ids(self) -> tuple[int, ...]:
        """The first prompt."""
        return self.turns[0].prompt_ids

    @property
    def rest_ids(self) -> tuple[int, ...]:
        """Everything after the first prompt: actions, and what was read between them."""
        last = self.turns[-1]
        return last.prompt_ids[len(self.prompt_ids) :] + last.action_ids

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Where each turn's action begins and ends in `rest_ids`."""
        starts = [len(turn.prompt_ids) - len(self.prompt_ids) for turn in self.turns]
        return tuple((start, start + len(turn.action_ids)) for start, turn in zip(starts, self.turns, strict=True))

    @property
    def action_ids(self) -> tuple[tuple[int, ...], ...]:
        """The actions' tokens, turn by turn: what makes two responses to a task the same."""
        return tuple(turn.action_ids for turn in self.turns)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, with the format's version."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "Trajectory":
        """What `to_dict` wrote. Raises UserError for another version of the format."""
        if row.get("version") != VERSION:
            raise UserError(f"A stored trajectory has format version {row.get('version')!r}; this reads {VERSION}.")
        turns: list[dict[str, Any]] = [
            {key: tuple(value) if isinstance(value, list) else value for key, value in turn.items()}
            for turn in row["turns"]
        ]
        return cls(row["task_id"], row["group_id"], row["seed"], tuple(Turn(**turn) for turn in turns))
