"""Post-training by reinforcement learning, after the fact of a model: trajectory balance with asynchrony (TBA).

Read in this order: `records` (what a trajectory is), `objectives/` (the losses), `credit` and `kl`, then `searcher`,
`replay`, `trainer` and `engine` (how samples reach updates), and `stages` (a run from start to report).
"""
