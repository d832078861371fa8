"""Memory that is full, told so that the user knows what to make smaller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from configs import TrainConfig
from trainers.errors import TrainingError

_SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
"""How CUDA and MPS, the CPU's allocator on Linux and elsewhere, and the GPU's libraries say it."""


@contextmanager
def within_memory(config: TrainConfig, go_on: str) -> Iterator[None]:
    """Turn an allocation that fails inside into an error that names the options to change.

    Args:
        config: the options as they are; what is at its least already is not named.
        go_on: the command that resumes the run.

    Raises:
        TrainingError: if memory is full.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not isinstance(error, MemoryError) and not any(sign in str(error).lower() for sign in _SIGNS):
            raise
        said = str(error).strip().partition("\n")[0][:200] or "MemoryError"
        raise TrainingError(f"the memory is full ({said})", remedy=_remedy(config, go_on)) from error


def _remedy(config: TrainConfig, go_on: str) -> str:
    rows, episodes = config.per_device_train_batch_size, config.capacity
    # A resumed run takes these: they change no update and no episode.
    resumed = [f"lower --per-device-train-batch-size (now {rows})"] if rows > 1 else []
    resumed += [] if config.gradient_checkpointing else ["set --gradient-checkpointing"]
    resumed += [f"lower --capacity (now {episodes})"] if episodes > 1 else []
    anew = [f"a lower --max-length (now {config.max_length})"]
    anew += [] if config.use_peft else ["--use-peft"]
    first = f"{' or '.join(resumed)}, and go on with: {go_on}\nOr begin anew with " if resumed else "begin anew with "
    text = f"{first}{' or '.join(anew)}."
    return text[0].upper() + text[1:]
