"""A training run and all that it holds: model, engine, environment, store, journal.

What is learned, and how, is others' business. The run goes in iterations: episodes are played (`play`), somebody learns
from them, and `finish` records, evaluates and says whether to save. Its folder holds, besides `episodes/`,
`metrics.jsonl` and `checkpoints/`, a folder for each evaluation in `evals/`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from configs import TrainConfig
from envs import TextEnv
from eval.evaluate import evaluate
from eval.history import read_metrics
from eval.protocols import EvalProtocol
from eval.result import Result
from rollout.engine import EngineError, Sampling
from rollout.host import describe
from rollout.policy import Policy
from rollout.rollouts import Rollouts
from rollout.synchronous import run_sync
from rollout.timeline import Timeline
from rollout.trajectory import Trajectory
from trainers.ahead import Ahead
from trainers.checkpoints import Checkpoints, load_weights
from trainers.display import TrainingDisplay
from trainers.divergence import Watchdog
from trainers.errors import TrainingError
from trainers.generation import Generation, Played, Stopped
from trainers.journal import Journal
from trainers.measures import measures

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(slots=True)
class Standing:
    """Where a run stands; what a checkpoint keeps beside weights and optimiser.

    Attributes:
        iteration: how many are finished.
        episodes: how many have been played.
        seconds: of playing and learning.
        best: the highest success on the selecting tasks, and after which iteration; None before the first.
        order: of the tasks, and groups on their way (`Generation.state`).
    """

    iteration: int = 0
    episodes: int = 0
    seconds: float = 0.0
    best: tuple[float, int] | None = None
    order: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Session:
    """A run under way.

    Attributes:
        config: its options.
        folder: where it is kept.
        env: of the training tasks.
        model: trained in place.
        tokenizer: the model's.
        rollouts: where episodes are played, with the model's newest weights after `sync`.
        scored: the same model as it is scored.
        generation: plays the episodes of one iteration after another.
        journal: `metrics.jsonl`.
        display: for the terminal.
        timeline: of the slots.
        checkpoints: whole ones, the last and the best.
        rest: gives the engine's memory to the update.
        exact: whether the engine computes the trainer's own log-probabilities.
    """

    config: TrainConfig
    folder: Path
    env: TextEnv[Any]
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    rollouts: Rollouts
    scored: Policy
    generation: Generation | Ahead
    journal: Journal
    display: TrainingDisplay
    timeline: Timeline
    checkpoints: Checkpoints
    rest: Callable[[], Coroutine[Any, Any, None]]
    exact: bool = True
    standing: Standing = field(default_factory=Standing)
    watchdog: Watchdog = field(default_factory=Watchdog)
    seconds: dict[str, float] = field(default_factory=dict)
    _stale: bool = True
    _best_now: bool = False

    def play(self) -> Played:
        """The episodes of the next iteration, with the newest weights.

        Raises:
            Stopped: if the user asked for an end.
            TrainingError: if they teach nothing.
        """
        self.timeline.begin()
        self.sync()
        number = self.standing.iteration
        limit = self._turns(number)
        if limit is not None:
            self.rollouts.stage = replace(self.rollouts.stage, max_turns=limit)
        ahead = bool(self.config.max_staleness)
        self.display.phase("wait" if ahead else "play", self.config.tasks * self.config.num_generations)
        with self.timed("wait" if ahead else "play"):
            played = self.generation.play()
            run_sync(self.rest())
        self.standing.episodes += len(played.episodes)
        self.display.phase("train")
        return played

    def changed(self) -> None:
        """The weights have been updated: whoever samples next needs them."""
        self._stale = True

    def sync(self) -> None:
        """Bring the engine to the model's weights, if they have changed.

        Raises:
            TrainingError: if it does not take them, or samples from others.
        """
        if self._stale:
            with self.timed("sync"):
                try:
                    self.generation.sync()
                except (EngineError, TimeoutError) as error:
                    remedy = "Go on with --resume; where that does not help, --engine hf has nothing to send."
                    raise TrainingError(
                        f"the engine has not got the weights: {describe(error)}", remedy=remedy
                    ) from error
            self._stale = False

    def finish(self, played: Played, learned: dict[str, Any]) -> bool:
        """Record an iteration that has been learned from, and evaluate when it is time.

        Args:
            played: its episodes.
            learned: what the trainer measured: loss, grad_norm, entropy and the like.

        Returns:
            Whether a checkpoint should be written now.

        Raises:
            TrainingError: if the numbers are none.
        """
        standing, config = self.standing, self.config
        standing.iteration += 1
        standing.order = self.generation.state()
        standing.seconds += sum(self.seconds.get(cause, 0.0) for cause in ("play", "wait", "train"))
        if self.over:
            self.generation.end()
        number = standing.iteration
        spent = self.timeline.end()
        self.display.spent(spent)
        if self._due(config.eval_steps) and config.select_tasks:
            self._select(number)
        tokens = learned.get("trained_tokens", 0) + sum(_sampled(episode) for episode in played.episodes)
        record = {"kind": "iteration", "iteration": number, "episodes": standing.episodes}
        record |= measures(played.episodes, played.account, played.staleness) | learned
        seconds = dict(self.seconds)
        record |= {"tokens_per_second": tokens / max(sum(seconds.values()), 1e-9), "seconds": seconds}
        record |= {**spent.measures(), "time": time.time()}
        self.seconds.clear()
        self._record(record)
        return self._due(config.save_steps) or self._best_now or self.over

    @property
    def over(self) -> bool:
        """Whether the last iteration has been finished, or the time is up."""
        minutes = self.config.max_minutes
        late = minutes is not None and self.standing.seconds >= 60 * minutes
        return late or self.standing.iteration >= self.config.iterations

    def seal(self, number: int) -> None:
        """Declare `checkpoints/checkpoint-NUMBER`, which has just been written, whole.

        Raises:
            StoreError: if the disk does not take it.
        """
        self.checkpoints.seal(number, asdict(self.standing), best=self._best_now)
        self._best_now = False

    def evaluate(self, name: str, split: str, count: int) -> Result:
        """Score the model on a split's tasks, the same for every run. What the folder holds of it is not played again.

        Args:
            name: of the folder in `evals/`.
            split: which tasks.
            count: how many.

        Raises:
            Stopped: if the user asked for an end.
        """
        self.sync()
        config = self.config
        rules = EvalProtocol(
            name=f"{config.env}-{split}",
            env=config.env,
            split=split,
            talk=config.protocol,
            env_args=config.env_args,
            sampling=Sampling(temperature=config.eval_temperature, max_new_tokens=config.max_completion_length),
        )
        self.display.phase(f"evaluate {split}", count)
        folder = self.folder / "evals" / name
        with self.timed("evaluate"):
            done = evaluate(rules, self.scored, output=folder, limit=count, resume=True, watcher=self.display)
            run_sync(self.rest())
        if not done.collected.complete:
            raise Stopped
        return done.result

    def record_evaluation(self, name: str, iteration: int, result: Result, *, final: bool = False) -> None:
        """Enter a score after an iteration into the journal, once."""
        key = {"kind": "evaluation", "iteration": iteration, "name": name, "final": final}
        known = any(key.items() <= record.items() for record in read_metrics(self.folder))
        if result.summary.success is not None and not known:
            self._record({**key, "success": asdict(result.summary.success), "episodes": self.standing.episodes})

    def rewind(self) -> None:
        """Forget what was recorded and scored after the last checkpoint, by weights that are no more."""
        self.journal.rewind(self.standing.iteration)
        for folder in (self.folder / "evals").glob("*"):
            number = folder.name.partition("-")[0]
            later = number.isdecimal() and int(number) > self.standing.iteration
            if later or (folder.name == "after" and not self.over):
                shutil.rmtree(folder)

    def load(self, folder: Path) -> None:
        """Bring model and engine to a checkpoint's weights."""
        load_weights(self.model, folder)
        self.changed()

    @contextmanager
    def timed(self, cause: str) -> Iterator[None]:
        """Count the seconds of a block towards a cause."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.took(cause, begun)

    def took(self, cause: str, begun: float) -> None:
        """Count the seconds since `begun` towards a cause."""
        self.seconds[cause] = self.seconds.get(cause, 0.0) + time.monotonic() - begun
        self.timeline.phase(cause, begun)

    def close(self) -> None:
        """Give everything back."""
        self.journal.close()
        self.generation.close()
        run_sync(self.scored.close())
        self.rollouts.stage.store.close()
        self.env.close()

    def _select(self, number: int) -> None:
        """Score the model on the selecting tasks; the latest of the best is the best."""
        config = self.config
        result = self.evaluate(f"{number:05d}-{config.select_split}", config.select_split, config.select_tasks)
        self.record_evaluation(config.select_split, number, result)
        success = result.summary.success
        if success is not None and (self.standing.best is None or success.value >= self.standing.best[0]):
            self.standing.best = (success.value, number)
            self._best_now = True

    def _due(self, every: int) -> bool:
        return self.standing.iteration % every == 0 or self.over

    def _turns(self, number: int) -> int | None:
        limit = self.config.max_turns
        if self.config.curriculum != "turns":
            return limit
        highest = limit or self.rollouts.stage.protocol.max_turns or self.env.max_steps
        grown = min(1.0, 2 * number / self.config.iterations)
        return max(2, round(highest * (1 / 3 + grown * 2 / 3)))

    def _record(self, record: dict[str, Any]) -> None:
        self.journal.append(record)
        self.display.record(record)
        for warning in self.watchdog.observe(record):
            self.display.note(str(warning))


def _sampled(episode: Trajectory) -> int:
    return sum(len(step.tokens.completion_ids) for step in episode.steps if step.tokens)
