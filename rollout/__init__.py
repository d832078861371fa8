"""train-agent rollout: playing episodes and keeping every token of them."""

from rollout.collect import Collected, collect
from rollout.engine import Completion, ContextOverflow, Engine, EngineError, Sampling
from rollout.episode import Job, run_episode
from rollout.host import Deadlines
from rollout.policy import Episode, ModelPolicy, Player, Policy, Reply, Turn
from rollout.replay import Difference, replay
from rollout.store import Store, StoreError, Trajectories, read_trajectories
from rollout.trajectory import Failure, Step, Timing, Tokens, Trajectory

__all__ = [
    "Collected",
    "Completion",
    "ContextOverflow",
    "Deadlines",
    "Difference",
    "Engine",
    "EngineError",
    "Episode",
    "Failure",
    "Job",
    "ModelPolicy",
    "Player",
    "Policy",
    "Reply",
    "Sampling",
    "Step",
    "Store",
    "StoreError",
    "Timing",
    "Tokens",
    "Trajectories",
    "Trajectory",
    "Turn",
    "collect",
    "read_trajectories",
    "replay",
    "run_episode",
]
