"""The objectives: pure functions of log-probabilities, rewards and groups. Four families cover everything.

`trajectory_balance` (TBA), `policy_gradient` (REINFORCE, RLOO, GRPO, PPO-clip, SCoRe), `weighted_nll` (supervised
fine-tuning, STaR, RAFT) and `latent_marginal` (warmup generations). Each returns a `Loss`, whose value is minimised.
"""

from gnomon.posttrain.objectives.latent_marginal import latent_marginal
from gnomon.posttrain.objectives.loss import Loss
from gnomon.posttrain.objectives.policy_gradient import policy_gradient
from gnomon.posttrain.objectives.trajectory_balance import trajectory_balance
from gnomon.posttrain.objectives.weighted_nll import weighted_nll

__all__ = ["Loss", "latent_marginal", "policy_gradient", "trajectory_balance", "weighted_nll"]
