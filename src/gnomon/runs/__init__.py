"""Ground floor: a run on disk. Settings, metrics, samples, checkpoints, resume, report."""

from gnomon.runs.store import CLOCK, Run, list_runs, open_run, same_metrics

__all__ = ["CLOCK", "Run", "list_runs", "open_run", "same_metrics"]
