"""Advantages: how much better a turn was than what the group's others did. Pure functions of numbers.

Shapes: a group has n members; member i has T_i turns. Episode-level estimators map scores (n,) to advantages (n,);
turn-level ones map a list of n arrays (T_i,) to another. `advantages` calls them on groups of episodes and gives every
turn its number, which a batch broadcasts to the tokens of the turn.

| estimator | A of turn t of member i | source |
|---|---|---|
| `grpo` | (R_i - mean R) / std R | 2402.03300, section 4.1.2 |
| `dr_grpo` | R_i - mean R | 2503.20783, section 3.2 |
| `rloo` | R_i - mean of the other R_j | 2402.14740, section 2 |
| `reinforce_baseline` | (R_i - mean R) / std over the batch | 2501.03262, REINFORCE++ with baseline |
| `gigpo` | episode-relative + omega * relative to the same state | 2505.10978, sections 4.1 to 4.3 |
| `return_to_go` | G_it - mean of G_t over the members still playing at t | Williams 1992, with a baseline by turn |

Standard deviations are of a sample (n - 1), as in TRL and verl; nothing is added to them. Where numbers are equal
within `EQUAL` the advantage is 0 and not a quotient of rounding errors.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envs.errors import ContractError
from rollout.trajectory import Step, Trajectory
from trainers.groups import EQUAL, Group, score

Array = NDArray[np.float64]
Estimator = Literal["grpo", "dr_grpo", "rloo", "reinforce_baseline", "gigpo", "return_to_go"]
ESTIMATORS: tuple[str, ...] = get_args(Estimator)


def advantages(
    groups: Sequence[Group],
    estimator: Estimator = "grpo",
    *,
    gamma: float = 1.0,
    omega: float = 1.0,
    scale: bool = False,
    invalid_penalty: float = 0.0,
    inadmissible_penalty: float = 0.0,
) -> dict[str, Array]:
    """One advantage a turn, by the episode's id: arrays of shape (T,).

    Args:
        groups: of one batch.
        estimator: one of `ESTIMATORS`.
        gamma: discount a turn, of `gigpo` (0.95 in its authors' recipe) and `return_to_go`.
        omega: weight of the step-relative part of `gigpo`.
        scale: whether `gigpo` and `return_to_go` divide by the standard deviation (GiGPO's F_norm = std, else 1).
        invalid_penalty: see `turn_penalties`; for turns that broke the protocol's form.
        inadmissible_penalty: the same for turns whose action was not among the admissible ones.

    Raises:
        ContractError: if the estimator is unknown, or two episodes have the same id.
        DataError: if a score is not finite.
    """
    result: dict[str, Array] = {}
    for group, found in zip(groups, _estimate(groups, estimator, gamma, omega, scale), strict=True):
        steps = [member.steps for member in group.members]
        punished = turn_penalties([_flaws(s, invalid_penalty, inadmissible_penalty) for s in steps])
        for member, advantage, penalty in zip(group.members, found, punished, strict=True):
            if member.id in result:
                raise ContractError("the episode stands in the batch twice", where=member.id)
            result[member.id] = advantage - penalty
    return result


def grpo(scores: ArrayLike) -> Array:
    """GRPO with outcome rewards: A_i = (R_i - mean(R)) / std(R). DeepSeekMath, 2402.03300, section 4.1.2.

    Args:
        scores: (n,).

    Returns:
        (n,), of mean 0 and standard deviation 1. Unchanged if scores are shifted or multiplied by what is above 0.
    """
    return _scaled(dr_grpo(scores))


def dr_grpo(scores: ArrayLike) -> Array:
    """Dr. GRPO: A_i = R_i - mean(R). 2503.20783, section 3.2: dividing by std(R) favours tasks that are too easy or too
    hard. (The other half of Dr. GRPO, no division by an episode's length, is `loss_type="dr_grpo"`.)

    Args:
        scores: (n,).

    Returns:
        (n,), of mean 0. Unchanged if scores are shifted; grows with their scale.
    """
    values = np.asarray(scores, dtype=np.float64)
    return values - values.mean() if values.size else values


def rloo(scores: ArrayLike) -> Array:
    """REINFORCE leave-one-out: A_i = R_i - sum over j != i of R_j / (n - 1). 2402.14740, section 2, on RLOO.

    The baseline does not depend on the member's own score, so the gradient is unbiased: n / (n - 1) times Dr. GRPO's.

    Args:
        scores: (n,).

    Returns:
        (n,), of mean 0; 0 for a member alone. Unchanged if scores are shifted; grows with their scale.
    """
    centred = dr_grpo(scores)
    n = centred.size
    return centred * (n / (n - 1)) if n > 1 else centred


def reinforce_baseline(scores: Sequence[ArrayLike]) -> list[Array]:
    """REINFORCE++ with baseline: A' = R - mean of the group; A = (A' - mean A') / std A' over the batch. 2501.03262.

    The mean of A' over whole groups is 0 by construction. The division by one number for all leaves an easy task its
    small weight, which GRPO's division by each group's own does not.

    Args:
        scores: for each group (n_g,).

    Returns:
        For each group (n_g,), of mean 0; of standard deviation 1 over the batch. Unchanged if a group's scores are
        shifted, or all scores multiplied by what is above 0.
    """
    centred = [dr_grpo(group) for group in scores]
    if not centred:
        return []
    return _split(_scaled(np.concatenate(centred)), [group.size for group in centred])


def returns_to_go(rewards: ArrayLike, gamma: float = 1.0) -> Array:
    """G_t = sum over k >= t of gamma^(k - t) r_k (Sutton and Barto, eq. 3.8; GiGPO, 2505.10978, section 4.2).

    Args:
        rewards: (T,).

    Returns:
        (T,).
    """
    result = np.array(rewards, dtype=np.float64)
    for t in range(result.size - 2, -1, -1):
        result[t] += gamma * result[t + 1]
    return result


def return_to_go(rewards: Sequence[ArrayLike], *, gamma: float = 1.0, scale: bool = False) -> list[Array]:
    """REINFORCE by turns (Williams 1992), with the group's mean at the same turn as baseline.

    A_it = G_it - mean over the members j still playing at turn t of G_jt. A member that plays on alone has nobody to be
    compared with: its advantage is 0 from there on.

    Args:
        rewards: for each member (T_i,).
        gamma: discount a turn.
        scale: divide by the standard deviation of the differences over all turns of the group.

    Returns:
        For each member (T_i,); the mean over the members at a turn is 0.
    """
    returns = [returns_to_go(member, gamma) for member in rewards]
    keys: list[list[Hashable]] = [list(range(member.size)) for member in returns]
    return _relative(returns, keys, scale_all=scale)


def gigpo(
    scores: ArrayLike,
    rewards: Sequence[ArrayLike],
    anchors: Sequence[Sequence[Hashable]],
    *,
    gamma: float = 1.0,
    omega: float = 1.0,
    scale: bool = False,
) -> list[Array]:
    """Group-in-group policy optimisation, 2505.10978: credit by episode, and by what was done in the same state.

    - episode (4.1): A^E_i = (R_i - mean R) / F_norm(R), R the scores;
    - step (4.2): G^S(s) = all turns, of whichever member, that began in state s;
      A^S_it = (G_it - mean over G^S(s_it)) / F_norm over G^S(s_it), G the discounted return to go;
    - together (4.3): A_it = A^E_i + omega * A^S_it.

    A state that was seen once gives A^S = 0.

    Args:
        scores: (n,).
        rewards: for each member (T_i,).
        anchors: for each member the key of the state in which each turn began.
        gamma: discount a turn.
        omega: weight of the step part; 0 leaves the episode's.
        scale: F_norm is the standard deviation, else 1.

    Returns:
        For each member (T_i,).
    """
    episode = grpo(scores) if scale else dr_grpo(scores)
    returns = [returns_to_go(member, gamma) for member in rewards]
    step = _relative(returns, anchors, scale_each=scale)
    return [of_episode + omega * of_steps for of_episode, of_steps in zip(episode, step, strict=True)]


def turn_penalties(flaws: Sequence[ArrayLike]) -> list[Array]:
    """What flawed turns lose, to be taken from any estimator's advantages: c_it - mean over the group's turns of c.

    A penalty is a reward of -c for the turn itself and for no other, so its advantage is that reward against what the
    group's turns pay on average: turns without a flaw gain a little, and nothing is added over the group. It is in
    units of advantages. (verl-agent's coefficient is taken from rewards before they are normalised, so the same number
    weighs differently there.)

    Args:
        flaws: for each member the penalty c of each turn, (T_i,).

    Returns:
        For each member (T_i,); their sum over the group is 0.
    """
    arrays = [np.asarray(member, dtype=np.float64) for member in flaws]
    every = np.concatenate(arrays) if arrays else np.zeros(0)
    mean = every.mean() if every.size else 0.0
    return [member - mean for member in arrays]


def turn_rewards(trajectory: Trajectory) -> Array:
    """The rewards of an episode's turns, (T,), whose sum is its score.

    What the environment paid stands at the turn at which it paid; what a scorer made of the whole episode, at the last.
    """
    rewards = np.array([step.reward for step in trajectory.steps], dtype=np.float64)
    if rewards.size:
        rewards[-1] += score(trajectory) - rewards.sum()
    return rewards


def anchor_states(trajectory: Trajectory) -> list[Hashable]:
    """For each turn the key of the state in which it began: the environment's own, or what was last observed."""
    return [("state", step.state) if step.state is not None else ("seen", seen) for step, seen in _seen(trajectory)]


def _seen(trajectory: Trajectory) -> Iterator[tuple[Step, Hashable]]:
    seen: tuple[str, ...] = (trajectory.first_observation,)
    for step in trajectory.steps:
        yield step, seen
        seen = step.observations or seen


def _estimate(
    groups: Sequence[Group], estimator: Estimator, gamma: float, omega: float, scale: bool
) -> list[list[Array]]:
    if estimator == "return_to_go":
        return [return_to_go([turn_rewards(m) for m in g.members], gamma=gamma, scale=scale) for g in groups]
    if estimator == "gigpo":
        return [
            gigpo(
                group.scores,
                [turn_rewards(member) for member in group.members],
                [anchor_states(member) for member in group.members],
                gamma=gamma,
                omega=omega,
                scale=scale,
            )
            for group in groups
        ]
    if estimator == "reinforce_baseline":
        of_groups = reinforce_baseline([group.scores for group in groups])
    else:
        by_name = {"grpo": grpo, "dr_grpo": dr_grpo, "rloo": rloo}
        if estimator not in by_name:
            raise ContractError(f"unknown estimator {estimator!r}", remedy=f"There are: {', '.join(ESTIMATORS)}.")
        of_groups = [by_name[estimator](group.scores) for group in groups]
    return [
        [np.full(len(member.steps), value) for member, value in zip(group.members, values, strict=True)]
        for group, values in zip(groups, of_groups, strict=True)
    ]


def _flaws(steps: Sequence[Step], invalid: float, inadmissible: float) -> Array:
    return np.array([invalid * (not s.valid) + inadmissible * (s.admissible is False) for s in steps], dtype=np.float64)


def _relative(
    values: Sequence[Array], keys: Sequence[Sequence[Hashable]], *, scale_each: bool = False, scale_all: bool = False
) -> list[Array]:
    """Each value less the mean of those with its key; divided by their deviation, or by that of all differences."""
    where: dict[Hashable, list[int]] = {}
    for place, key in enumerate(key for member in keys for key in member):
        where.setdefault(key, []).append(place)
    flat = np.concatenate(values) if values else np.zeros(0)
    for places in where.values():
        flat[places] = grpo(flat[places]) if scale_each else dr_grpo(flat[places])
    return _split(_scaled(flat) if scale_all else flat, [member.size for member in values])


def _scaled(centred: Array) -> Array:
    """Divided by the standard deviation (n - 1); zeros where the numbers are equal."""
    if centred.size < 2 or np.ptp(centred) <= EQUAL:
        return np.zeros_like(centred)
    scaled: Array = centred / centred.std(ddof=1)
    return scaled


def _split(flat: Array, sizes: Sequence[int]) -> list[Array]:
    return np.split(flat, np.cumsum(sizes)[:-1]) if sizes else []
