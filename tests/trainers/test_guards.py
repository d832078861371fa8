"""Nobody trains on what models are scored by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from envs import Task, TaskError
from tests.trainers.episodes import episode
from trainers.guards import refuse_evaluation_tasks

TRAINING = [Task(f"t{number}", "pick", "train") for number in range(3)]


def test_tasks_of_the_training_split_pass() -> None:
    refuse_evaluation_tasks(TRAINING, held_out=["u0"])
    refuse_evaluation_tasks([episode("t0", 0, 1.0)])


@pytest.mark.parametrize("split", ["valid", "valid_seen", "valid_unseen", "valid_small", "standard", "dev", "test"])
def test_one_task_of_an_evaluation_split_is_refused_with_its_name_and_what_to_type(split: str) -> None:
    with pytest.raises(
        TaskError, match=rf"^demos: 1 of 4 tasks to train on are of {split}.*is v7\. Train on .*--split"
    ):
        refuse_evaluation_tasks([*TRAINING, Task("v7", "pick", split)], where="demos")


def test_an_episode_of_an_evaluation_split_is_refused() -> None:
    with pytest.raises(TaskError, match="1 of 1 tasks to train on are of dev"):
        refuse_evaluation_tasks(
            [replace(episode("a", 0, 1.0), split="dev"), replace(episode("a", 1, 1.0), split="dev")]
        )


def test_a_training_task_that_is_also_evaluated_is_refused() -> None:
    with pytest.raises(TaskError, match="1 of 3 tasks to train on are also evaluated; the first is t1"):
        refuse_evaluation_tasks(TRAINING, held_out={"t1", "u0"})


def test_refusals_are_wrong_usage() -> None:
    assert TaskError.wrong_usage
