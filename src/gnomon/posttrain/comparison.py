"""Comparing finished runs: two over the problems both answered, many as recipes over seeds."""

from gnomon.errors import UserError
from gnomon.runs import Run
from gnomon.stats import Estimate
from gnomon.stats.intervals import paired_difference


def same_problems(a: Run, b: Run) -> Estimate:
    """Greedy accuracy of `b` minus that of `a` after training, paired over the problems both answered."""
    first, second = _final_answers(a), _final_answers(b)
    common = sorted(first.keys() & second.keys())
    if not common:
        raise UserError(
            f"{str(a.path)!r} and {str(b.path)!r} answered no problem in common; finished runs of one task are needed."
        )
    return paired_difference([first[task] for task in common], [second[task] for task in common])


def _final_answers(run: Run) -> dict[str, bool]:
    return {
        row["task_id"]: row["correct"]
        for row in run.evaluations()
        if row["stage"] == "after" and row["mode"] == "greedy"
    }
