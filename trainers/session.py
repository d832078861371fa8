"""A training run and all that it holds: model, engine, environment, store, journal.

What is learned, and how, is others' business. The run goes in iterations: episodes are played (`play`), somebody learns
from them, and `finish` records it; `trainers.held_out` evaluates and says whether to save. Its folder holds, besides
`episodes/`, `metrics.jsonl` and `checkpoints/`, a folder for each evaluation in `evals/`.
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
from configs.common import thinking
from envs import TextEnv
from rollout.engine import EngineError
from rollout.host import describe
from rollout.policy import Policy
from rollout.rollouts import Rollouts
from rollout.synchronous import run_sync
from rollout.timeline import Timeline
from rollout.trajectory import Trajectory
from trainers.ahead import Ahead
from trainers.checkpoints import Checkpoints, load_weights
from trainers.demonstrations import with_demonstrations
from trainers.display import TrainingDisplay
from trainers.divergence import Watchdog
from trainers.errors import TrainingError, smaller_updates
from trainers.generation import Generation, Played
from trainers.journal import Journal
from trainers.measures import measures
from trainers.run_state import Standing
from trainers.stop_request import StopRequest

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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
        stop: whether the user has asked for an end.
        standing: where the run stands.
        best_now: whether the weights are the best so far and in no checkpoint yet.
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
    stop: StopRequest = field(default_factory=StopRequest)
    standing: Standing = field(default_factory=Standing)
    watchdog: Watchdog = field(default_factory=Watchdog)
    seconds: dict[str, float] = field(default_factory=dict)
    best_now: bool = False
    _stale: bool = True

    def play(self) -> Played:
        """The episodes of the next iteration, with the newest weights.

        Raises:
            Stopped: if the user asked for an end.
            TrainingError: if no episode could be scored.
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
        if self.config.smoke:
            talk, thinks = self.rollouts.stage.protocol, thinking(self.config.enable_thinking)
            played = with_demonstrations(played, self.tokenizer, talk, thinks)
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
                    remedy = (
                        "Go on with --resume; if it fails again, try --engine hf, which shares the trainer's weights."
                    )
                    raise TrainingError(f"weight sync failed: {describe(error)}", remedy=remedy) from error
            self._stale = False

    def finish(self, played: Played, learned: dict[str, Any] | None) -> None:
        """Record an iteration.

        Args:
            played: its episodes.
            learned: what the trainer measured: loss, grad_norm, entropy and the like; None if the episodes have no
                learning signal, so that the weights were not updated.

        Raises:
            TrainingError: if the loss or the gradient is not finite. Then the run stands where it stood.
        """
        earlier = replace(self.standing)
        try:
            self._finish(played, learned)
        except BaseException:
            self.standing = earlier
            raise

    def _finish(self, played: Played, learned: dict[str, Any] | None) -> None:
        standing = self.standing
        standing.iteration += 1
        standing.episodes += len(played.episodes)
        standing.order = self.generation.state()
        standing.seconds += sum(self.seconds.get(cause, 0.0) for cause in ("play", "wait", "train"))
        standing.skipped += learned is None
        standing.skipped_in_a_row = standing.skipped_in_a_row + 1 if learned is None else 0
        if self.over:
            self.generation.end()
        spent = self.timeline.end()
        self.display.spent(spent)
        facts = learned or {}
        tokens = facts.get("trained_tokens", 0) + sum(_sampled(episode) for episode in played.episodes)
        record = {"kind": "iteration", "iteration": standing.iteration, "episodes": standing.episodes}
        record |= measures(played.episodes, played.account, played.staleness) | facts | {"skipped": standing.skipped}
        seconds = dict(self.seconds)
        record |= {"tokens_per_second": tokens / max(sum(seconds.values()), 1e-9), "seconds": seconds}
        record |= {**spent.measures(), "time": time.time()}
        self.seconds.clear()
        self.record(record)
        if learned is None:
            kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(played.account.groups.items()))
            self.display.note(f"iteration {standing.iteration}: no learning signal ({kinds}), the update is skipped")
            if self.config.max_staleness:
                self.changed()  # versions count iterations, and the next episodes may begin

    def check_weights(self) -> None:
        """See to it that weights may be saved.

        Raises:
            TrainingError: if they are not finite.
        """
        import torch

        if not all(bool(torch.isfinite(one).all()) for one in self.model.parameters() if one.requires_grad):
            raise TrainingError(
                "training has diverged: the weights are not finite",
                where=f"iteration {self.standing.iteration}",
                remedy=smaller_updates(),
            )

    @property
    def over(self) -> bool:
        """Whether the last iteration has been finished, the time is up, or nothing has been learned for long."""
        minutes = self.config.max_minutes
        late = minutes is not None and self.standing.seconds >= 60 * minutes
        return late or self.idle or self.standing.iteration >= self.config.iterations

    @property
    def idle(self) -> bool:
        """Whether so many iterations in a row had no learning signal that training ends."""
        return self.standing.skipped_in_a_row >= self.config.patience

    def save(self, number: int, write: Callable[[Path], object]) -> None:
        """Write a checkpoint of the last finished iteration, whole or not at all.

        Args:
            number: of its folder.
            write: fills the folder.

        Raises:
            StoreError: if the disk does not take it.
        """
        try:
            write(self.checkpoints.path(number))
            self.seal(number)
        except BaseException:
            self.checkpoints.drop(number)
            raise

    def seal(self, number: int) -> None:
        """Declare `checkpoints/checkpoint-NUMBER`, which has been written, one of the last finished iteration.

        Raises:
            StoreError: if the disk does not take it.
        """
        self.checkpoints.seal(number, asdict(self.standing), best=self.best_now)
        self.best_now = False

    def rewind(self) -> None:
        """Forget what was recorded and scored after the last checkpoint, by weights that are no more."""
        self.journal.rewind(self.standing.iteration)
        for folder in (self.folder / "evals").glob("*"):
            number = folder.name.partition("-")[0]
            if number.isdecimal() and int(number) > self.standing.iteration:
                shutil.rmtree(folder)
            elif folder.name == "after" and not self.over:
                self._set_aside(folder)

    def _set_aside(self, folder: Path) -> None:
        """The run goes on beyond an end: its final score there stays, under another name."""
        kept = folder.with_name(f"after-{self.standing.iteration:05d}")
        if any((folder / "eval").glob("*.json")) and not kept.exists():
            folder.rename(kept)
        else:
            shutil.rmtree(folder)

    def load(self, folder: Path) -> None:
        """Bring model and engine to a checkpoint's weights."""
        load_weights(self.model, folder)
        self.changed()

    @contextmanager
    def best_effort(self, what: str) -> Iterator[None]:
        """Let something fail that is done on the way out of a run that ends by an error: that one is to be told.

        Args:
            what: is said of a failure.
        """
        try:
            yield
        except Exception as error:
            self.display.note(f"{what}: {describe(error)}")

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

    def due(self, every: int) -> bool:
        """Whether something that is done after every so many iterations is to be done now."""
        return self.standing.iteration % every == 0 or self.over

    def _turns(self, number: int) -> int | None:
        limit = self.config.max_turns
        if self.config.curriculum != "turns":
            return limit
        highest = limit or self.rollouts.stage.protocol.max_turns or self.env.max_steps
        grown = min(1.0, 2 * number / self.config.iterations)
        return max(2, round(highest * (1 / 3 + grown * 2 / 3)))

    def record(self, record: dict[str, Any]) -> None:
        """Enter a record into the journal, show it, and look whether something starts to go wrong."""
        self.journal.append(record)
        self.display.record(record)
        for warning in self.watchdog.observe(record):
            self.display.note(str(warning))


def _sampled(episode: Trajectory) -> int:
    return sum(len(step.tokens.completion_ids) for step in episode.steps if step.tokens)
