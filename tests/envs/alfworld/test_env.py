"""ALFWorld as an environment: data, limits, names, and games that only TextWorld can play."""

from __future__ import annotations

import asyncio
import json
import pickle
from importlib.util import find_spec
from pathlib import Path

import pytest

import envs
from envs import BackendError, DataError, TaskError
from envs.alfworld import generate_game
from rollout import Deadlines
from rollout.host import ProcessHost

needs_textworld = pytest.mark.skipif(find_spec("textworld") is None, reason="the alfworld extra is not installed")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder of three generated games in the official layout."""
    for number, kind in enumerate(("pick_and_place_simple", "pick_heat_then_place_in_recep", "look_at_obj_in_light")):
        folder = tmp_path / "data" / "json_2.1.1" / "valid_seen" / f"{kind}-X-None-Y-{number}" / "trial_T1"
        folder.mkdir(parents=True)
        generate_game(seed=number, task_type=kind, size="tiny").save(folder / "game.tw-pddl")
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)


def make_foreign(data: Path) -> Path:
    """Change the wording of one game, so that it is of no known dialect."""
    path = min(data.rglob("game.tw-pddl"))
    game = json.loads(path.read_text())
    game["grammar"] = game["grammar"].replace("You open the", "You gently open the")
    path.write_text(json.dumps(game))
    return path


def test_without_data_it_plays_generated_games() -> None:
    env = envs.make("alfworld", length=6, size="tiny")
    assert env.facts()["source"] == "generated"
    assert len({task.type for task in env.tasks}) == 6
    observation, info = env.reset(options={"task": env.tasks[0].id})
    assert observation.startswith("-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room.")
    assert "look" in info["admissible_commands"]


def test_official_data_is_taken_from_the_argument_or_the_variable(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_argument = envs.make("alfworld", split="valid_seen", data=data)
    monkeypatch.setenv("ALFWORLD_DATA", str(data))
    by_variable = envs.make("alfworld", split="valid_seen")
    assert [task.id for task in by_variable.tasks] == [task.id for task in by_argument.tasks]
    assert by_variable.tasks[0].id == "valid_seen/look_at_obj_in_light-X-None-Y-2/trial_T1"
    assert envs.make("alfworld", data="generated", length=1).facts()["source"] == "generated"


def test_an_episode_is_won_by_the_expert_and_rewarded_once(data: Path) -> None:
    env = envs.make("alfworld", split="valid_seen", data=data)
    for task in env.tasks:
        observation, info = env.reset(options={"task": task.id})
        expert = env.expert()
        expert.reset(observation, info)
        rewards, progress = [], [info["progress"]]
        terminated = False
        while not terminated:
            observation, reward, terminated, truncated, info = env.step(expert.act(observation, info))
            rewards.append(reward)
            progress.append(info["progress"])
        assert not truncated
        assert rewards == [0.0] * (len(rewards) - 1) + [1.0]
        assert progress[-1] == 1.0
        assert all(0 <= value < 1 for value in progress[:-1])
        assert info["won"] is True


def test_the_step_limit_truncates_and_does_not_terminate() -> None:
    env = envs.make("alfworld", length=1, size="tiny", max_steps=3)
    env.reset()
    ends = [env.step("look")[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    assert not env.solved()


def test_names_are_shuffled_by_the_seed_when_asked() -> None:
    env = envs.make("alfworld", size="full", length=1, domain_randomization=True)
    plain = envs.make("alfworld", size="full", length=1)
    task = {"task": env.tasks[0].id}

    def seen(which: envs.TextEnv[envs.Task], seed: int) -> list[str]:
        _, info = which.reset(seed=seed, options=task)
        places = [command for command in info["admissible_commands"] if command.startswith("go to")]
        return [which.step(command)[0] for command in places]

    assert seen(env, 1) == seen(env, 1)
    assert seen(env, 1) != seen(env, 2)
    assert seen(plain, 1) == seen(plain, 2)


def test_equal_states_have_equal_keys_also_in_another_process() -> None:
    env = envs.make("alfworld", size="tiny", length=1)
    _, info = env.reset()
    start = info["state"]
    place, other = [c for c in info["admissible_commands"] if c.startswith("go to")][:2]
    first = env.step(place)[4]["state"]
    assert first != start
    assert env.step(other)[4]["state"] != first
    assert env.step(place)[4]["state"] == first
    copy = pickle.loads(pickle.dumps(env))
    assert copy.reset()[1]["state"] == start


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"split": "trian"}, TaskError, "no split 'trian'. Take one of train, valid_seen, valid_unseen"),
        ({"size": "huge"}, TaskError, "huge"),
        ({"task_types": ["pick"]}, TaskError, "pick"),
        ({"backend": "docker"}, TaskError, "There are auto and textworld"),
        ({"data": "/nonexistent"}, DataError, "/nonexistent: the data folder does not exist. Run `alfworld-download`"),
        ({"max_steps": 0}, TaskError, "max_steps is 0. An episode has a whole number of steps, at least one"),
        ({"max_steps": "many"}, TaskError, "max_steps is 'many'"),
        ({"render_mode": "human"}, TaskError, "ansi"),
    ],
)
def test_a_wrong_argument_says_what_is_right(
    arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        envs.make("alfworld", **arguments)


@pytest.mark.parametrize("argument", [{"size": "full"}, {"length": 3}])
def test_what_only_generated_games_have_is_not_ignored_for_the_official_ones(
    data: Path, argument: dict[str, object]
) -> None:
    with pytest.raises(TaskError, match="data=generated"):
        envs.make("alfworld", split="valid_seen", data=data, **argument)


def test_one_task_type_may_be_given_by_its_name_alone(data: Path) -> None:
    one = "pick_heat_then_place_in_recep"
    for env in (
        envs.make("alfworld", length=4, task_types=one),
        envs.make("alfworld", split="valid_seen", data=data, task_types=one),
    ):
        assert {task.type for task in env.tasks} == {one}


def test_a_seed_below_zero_is_wrong_usage() -> None:
    with pytest.raises(TaskError, match=r"the seed is -1\. Take a whole number from 0 on"):
        envs.make("alfworld", length=1, size="tiny").reset(seed=-1)


def test_a_foreign_game_is_refused_by_name_where_textworld_is_not_installed(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_foreign(data)
    monkeypatch.setattr("envs.alfworld.env.find_spec", lambda name: None)
    with pytest.raises(BackendError, match=r"game\.tw-pddl: 1 games? .*unknown dialect.*\[alfworld\]") as caught:
        envs.make("alfworld", split="valid_seen", data=data)
    assert caught.value.where == path


@needs_textworld
@pytest.mark.slow
def test_a_foreign_game_is_left_to_textworld_with_a_warning_in_a_process_of_its_own(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_foreign(data)
    env = envs.make("alfworld", split="valid_seen", data=data)
    assert "unknown dialect" in caplog.text
    assert not env.in_process

    async def play() -> list[str]:
        host = ProcessHost(env, Deadlines())
        texts = []
        for task in env.tasks:
            answer = await host.reset(task.id, 0)
            texts.append(answer.observation)
            assert not await host.solved()
            texts.append((await host.step("go to nowhere 7")).observation)
        await host.close()
        return texts

    texts = asyncio.run(play())
    assert all(text.startswith("-= Welcome") for text in texts[::2])
    assert texts[1::2] == ["Nothing happens."] * 3


@needs_textworld
@pytest.mark.slow
def test_the_textworld_backend_plays_the_same_episode(data: Path) -> None:
    ours = envs.make("alfworld", split="valid_seen", data=data)
    theirs = envs.make("alfworld", split="valid_seen", data=data, backend="textworld")
    for env in (ours, theirs):
        env.reset(options={"task": ours.tasks[0].id})
    expert = ours.expert()
    observation, info = ours.reset(options={"task": ours.tasks[0].id})
    expert.reset(observation, info)
    terminated = False
    while not terminated:
        action = expert.act(observation, info)
        observation, reward, terminated, _, info = ours.step(action)
        other, their_reward, their_end, _, their_info = theirs.step(action)
        assert (other, their_reward, their_end) == (observation, reward, terminated)
        assert their_info["admissible_commands"] == info["admissible_commands"]
    theirs.close()
