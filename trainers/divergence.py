"""Names the ways in which training goes wrong, when they start, with what to try.

A run is held against itself: its first iterations say what is normal, and medians over a few iterations keep one odd
batch from raising an alarm. Each kind is named once.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from envs.installation import command
from eval.history import Record, number
from trainers.errors import TrainingError, smaller_updates

FIRST = 5
"""Iterations at the beginning that say what is normal."""

RECENT = 3
"""Iterations over which the present is judged."""

LARGE_UPDATE = 0.1
"""Nats a token by which an iteration moves the policy, above which it may be too much: PPO is commonly stopped early at
0.01 to 0.05 (Spinning Up's target_kl of 0.01)."""

LOST_UPDATE = 1.0
"""The same, above which it is too much whatever was normal: a run may go wrong from the beginning."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """Something that has begun to go wrong.

    Attributes:
        kind: its name.
        iteration: when it was seen.
        what: what is seen, with its numbers.
        remedy: what to try.
    """

    kind: str
    iteration: int
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"iteration {self.iteration}: {self.kind}: {self.what}. {self.remedy}"


@dataclass(slots=True)
class _Series:
    """A measure over iterations: its first values, and its last ones."""

    first: list[float]
    last: deque[float]
    count: int = 0

    def add(self, value: float) -> None:
        self.count += 1
        self.last.append(value)
        if len(self.first) < FIRST:
            self.first.append(value)

    @property
    def judged(self) -> bool:
        """Whether the present is another than the beginning."""
        return self.count >= FIRST + RECENT

    @property
    def normal(self) -> float:
        return median(self.first)

    @property
    def now(self) -> float:
        return median(self.last)


@dataclass(frozen=True, slots=True)
class _HeldOut:
    """An evaluation, and the training reward about its time."""

    value: float
    low: float
    high: float
    reward: float | None


class Watchdog:
    """Reads the records of a run as they are written.

    A run that is resumed shows it the earlier records first, so that normal stays what it was.

    Args:
        fp16: gradients are scaled; an update whose gradients overflow is left out, and the scale lowered.
    """

    def __init__(self, *, fp16: bool = False) -> None:
        self._fatal = ("loss",) if fp16 else ("loss", "grad_norm")
        self._series: dict[str, _Series] = defaultdict(lambda: _Series([], deque(maxlen=RECENT)))
        self._best: dict[str, _HeldOut] = {}
        self._named: set[str] = set()

    def observe(self, record: Record) -> list[Divergence]:
        """Take a record in. Returns what starts to go wrong with it.

        Raises:
            TrainingError: if the loss or the gradient is no finite number: the weights are, or soon will be, lost.
        """
        iteration = int(record["iteration"])
        if record.get("kind") == "evaluation":
            found = list(self._held_out(record))
        else:
            _refuse_nan(record, self._fatal)
            for name in _MEASURES:
                if (value := number(record, name)) is not None:
                    self._series[name].add(value)
            found = [(kind, *seen) for kind, check in _CHECKS.items() if (seen := check(self._series, record))]
        fresh = [one for one in found if one[0] not in self._named]
        self._named |= {kind for kind, _, _ in fresh}
        return [Divergence(kind, iteration, what, remedy) for kind, what, remedy in fresh]

    def _held_out(self, record: Record) -> Iterator[tuple[str, str, str]]:
        """Held-out success that fell out of the interval of its best, while the reward of training rose."""
        value, low, high = (number(record, "success", key) for key in ("value", "low", "high"))
        if value is None or low is None or high is None:
            return
        rewards = self._series["return"]
        here = _HeldOut(value, low, high, rewards.now if rewards.count else None)
        best = self._best.setdefault(str(record.get("name")), here)
        if value >= best.value:
            self._best[str(record.get("name"))] = here
        elif value < best.low and high < best.value and here.reward is not None:
            # The best may have been the start's, before there was a reward.
            before = rewards.normal if best.reward is None else best.reward
            if here.reward <= before:
                return
            yield (
                "held-out success falls while the reward rises",
                f"{100 * value:.1f}% after {100 * best.value:.1f}%, with the reward at {here.reward:.2f} after "
                f"{before:.2f}",
                f"Keep the best checkpoint; look at episodes ({command('view')}) for rewards that are not earned; then "
                "try more training tasks, fewer updates on the same episodes, or a higher beta.",
            )


def _refuse_nan(record: Record, fatal: Iterable[str]) -> None:
    for name in fatal:
        value = record.get(name)
        if isinstance(value, float) and not math.isfinite(value):
            raise TrainingError(
                f"the {name} is {value}",
                where=f"iteration {record['iteration']}",
                remedy=smaller_updates(),
            )


Seen = tuple[str, str] | None
"""What is seen and what to try, or None."""

_Measures = dict[str, _Series]
_MEASURES = (
    *("kl", "kl_update", "entropy", "success", "return", "signal_share"),
    *("tokens_per_turn", "overlong", "repetition"),
)


def _kl(series: _Measures, record: Record) -> Seen:
    """From the policy before training, where the loss has a KL term; and from before each update in any case."""
    kl, update = series["kl"], series["kl_update"]
    if kl.judged and kl.now > max(10 * kl.normal, 0.5):
        what = f"{kl.now:.3g} nats a token, {kl.normal:.3g} at first"
    elif update.judged and update.now > max(10 * update.normal, LARGE_UPDATE):
        what = f"an iteration moves the policy by {update.now:.3g} nats a token, {update.normal:.3g} at first"
    elif update.count >= RECENT and update.now > LOST_UPDATE:
        what = f"an iteration moves the policy by {update.now:.3g} nats a token"
    else:
        return None
    return what, "Try a lower learning_rate, a higher beta, or fewer updates on the same episodes."


def _entropy_collapse(series: _Measures, record: Record) -> Seen:
    entropy, success = series["entropy"], series["success"]
    solved = success.count > 0 and success.now > 0.9  # a model that wins has no need to hesitate
    if not entropy.judged or solved or entropy.now >= 0.1 * entropy.normal:
        return None
    return (
        f"{entropy.now:.3g} nats a token, {entropy.normal:.3g} at first: it hardly explores any more",
        "Try a lower learning_rate, a higher temperature, a wider upper clip (epsilon_high), or a higher beta.",
    )


def _entropy_explosion(series: _Measures, record: Record) -> Seen:
    entropy = series["entropy"]
    if not entropy.judged or entropy.now <= max(2 * entropy.normal, entropy.normal + 0.5):
        return None
    return (
        f"{entropy.now:.3g} nats a token, {entropy.normal:.3g} at first: it forgets how to answer",
        "Try a lower learning_rate, a higher beta, or a penalty on invalid actions; go on from an earlier checkpoint.",
    )


def _length(series: _Measures, record: Record) -> Seen:
    tokens, overlong = series["tokens_per_turn"], series["overlong"]
    if tokens.judged and tokens.now > max(3 * tokens.normal, tokens.normal + 8):
        what = f"{tokens.now:.0f} tokens a turn, {tokens.normal:.0f} at first"
    elif overlong.judged and overlong.now > overlong.normal + 0.25:
        what = f"{100 * overlong.now:.0f}% of episodes fill their context, {100 * overlong.normal:.0f}% at first"
    else:
        return None
    return (
        what,
        "Try loss_type dr_grpo or dapo, which do not favour long replies, a smaller max_completion_length, or a "
        "penalty on overlong episodes.",
    )


def _repetition(series: _Measures, record: Record) -> Seen:
    repeated = series["repetition"]
    if not repeated.judged or repeated.now <= repeated.normal + 0.3 * (1 - repeated.normal):
        return None
    return (
        f"{100 * repeated.now:.0f}% of turns repeat the action before, {100 * repeated.normal:.0f}% at first",
        "Try a lower learning_rate, a penalty on invalid actions, or a higher temperature.",
    )


def _signal(series: _Measures, record: Record) -> Seen:
    share = series["signal_share"]
    if share.count < RECENT or share.now >= 0.1:
        return None
    easy = (number(record, "groups", "all solved") or 0) > (number(record, "groups", "none solved") or 0)
    harder = "Try easier tasks first (curriculum), a better start (--algo sft), or shaping"
    return (
        f"{100 * share.now:.0f}% of groups have members that differ, most are "
        f"{'solved by all' if easy else 'solved by none'}: the rest teaches nothing",
        f"{'Try harder tasks' if easy else harder}; more episodes a group or a higher temperature help either way.",
    )


_CHECKS: dict[str, Callable[[_Measures, Record], Seen]] = {
    "KL explosion": _kl,
    "entropy collapse": _entropy_collapse,
    "entropy explosion": _entropy_explosion,
    "length explosion": _length,
    "repetition": _repetition,
    "hardly any signal": _signal,
}
