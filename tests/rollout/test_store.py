"""Nothing that was reported as written is lost, and nothing that was damaged is believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.protocol import Message, ToolCall
from rollout import Failure, Step, Store, StoreError, Timing, Tokens, Trajectory, read_trajectories
from rollout.codec import CodecError, decode, encode

text = st.text(max_size=30)
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant", "tool"]),
    content=text,
    tool_calls=st.lists(st.builds(ToolCall, id=text, name=text, arguments=text), max_size=2).map(tuple),
    tool_call_id=st.none() | text,
)
numbers = st.floats(-100, 0, allow_nan=False).map(lambda x: round(x, 6))


@st.composite
def tokens(draw: st.DrawFn) -> Tokens:
    ids = draw(st.lists(st.integers(0, 200_000), max_size=8))
    logprobs = draw(st.lists(numbers, min_size=len(ids), max_size=len(ids)))
    return Tokens(tuple(draw(st.lists(st.integers(0, 9), max_size=4))), tuple(ids), tuple(logprobs))


steps = st.builds(
    Step,
    messages=st.lists(messages, max_size=2).map(tuple),
    reply=messages,
    actions=st.lists(text, max_size=2).map(tuple),
    observations=st.lists(text, max_size=2).map(tuple),
    reward=numbers,
    admissible=st.none() | st.booleans(),
    tokens=st.none() | tokens(),
    finish=st.sampled_from(["stop", "length", "abort"]),
    timing=st.builds(Timing, st.just(0.25), st.just(1.5), st.just(0.0)),
)
trajectories = st.builds(
    Trajectory,
    id=text,
    task=text,
    task_type=text,
    split=text,
    first_observation=text,
    steps=st.lists(steps, max_size=3).map(tuple),
    ending=st.sampled_from(["terminated", "truncated", "overlong", "error", "cancelled"]),
    success=st.none() | st.booleans(),
    failure=st.none() | st.builds(Failure, text, text),
    window=st.none() | st.integers(1, 5),
    rewards=st.dictionaries(text, numbers, max_size=2),
)


def episode(number: int = 0, **kwargs: object) -> Trajectory:
    return replace(Trajectory(f"t#{number}", "t", "pick", "train", sample=number, success=True), **kwargs)  # type: ignore[arg-type]


@given(trajectories)
def test_an_episode_reads_back_as_itself_from_one_line(trajectory: Trajectory) -> None:
    line = encode(trajectory)
    assert "\n" not in line
    assert decode(line) == trajectory


def test_a_lone_surrogate_survives() -> None:
    trajectory = episode(first_observation="\ud800 \x00 é 💥")
    assert decode(encode(trajectory)) == trajectory


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_line_is_never_taken_for_an_episode(data: st.DataObject) -> None:
    line = encode(episode(first_observation="You are in the middle of a room.", score=1.0))
    place = data.draw(st.integers(0, len(line) - 1))
    other = data.draw(st.characters(codec="ascii", exclude_characters="\n\r"))
    damaged = line[:place] + other + line[place + 1 :]
    if damaged != line:
        with pytest.raises(CodecError):
            decode(damaged)
    with pytest.raises(CodecError):
        decode(line[:place])


def test_a_torn_tail_is_reported_and_the_next_line_is_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(episode(0), episode(1))
    store.close()
    whole = store.path.read_bytes()
    store.path.write_bytes(whole[:-20])
    found = read_trajectories(tmp_path)
    assert [trajectory.id for trajectory in found] == ["t#0"]
    assert "episodes.jsonl:2: torn at the end" in str(found.bad[0])
    again = Store(tmp_path)
    again.append(episode(1))
    again.close()
    found = read_trajectories(tmp_path)
    assert [trajectory.id for trajectory in found] == ["t#0", "t#1"]
    assert len(found.bad) == 1


def test_cut_at_every_byte_the_lines_before_are_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(*(episode(i) for i in range(3)))
    store.close()
    whole = store.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(1, len(whole), 7):
        store.path.write_bytes(whole[:cut])
        found = read_trajectories(tmp_path)
        complete = sum(end <= cut or end - 1 == cut for end in ends)  # only the line break may be missing
        assert len(found) == complete
        assert len(found.bad) == (cut not in ends and cut + 1 not in ends)


def test_a_damaged_line_in_the_middle_costs_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Store(tmp_path)
    store.append(*(episode(i) for i in range(3)))
    store.close()
    lines = store.path.read_bytes().splitlines(keepends=True)
    store.path.write_bytes(lines[0] + b"\xff" + lines[1][1:] + lines[2])
    found = read_trajectories(tmp_path)
    assert [trajectory.id for trajectory in found] == ["t#0", "t#2"]
    assert "episodes.jsonl:2" in caplog.text


def test_a_newer_schema_is_refused_and_not_guessed_at(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(episode())
    store.close()
    plain = json.loads(store.path.read_text())
    store.path.write_text(json.dumps({**plain, "schema": 99}) + "\n")
    with pytest.raises(StoreError, match=r"episodes.jsonl:1: written with schema 99.*Update the checkout"):
        read_trajectories(tmp_path)


def test_a_failed_episode_is_superseded_and_a_second_score_is_reported(tmp_path: Path) -> None:
    store = Store(tmp_path)
    failed = episode(0, ending="error", failure=Failure("env_died", "x"), success=None)
    store.append(failed, episode(0, score=1.0), episode(0, score=0.0), failed)
    store.close()
    found = read_trajectories(tmp_path)
    assert [trajectory.score for trajectory in found] == [1.0]
    assert found.superseded == ["t#0"]
    assert found.twice == ["t#0"]


def test_two_writers_in_one_folder_are_refused_also_across_processes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="another process is writing here"):
        Store(tmp_path)
    code = f"from rollout import Store; Store({str(tmp_path)!r})"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "another process is writing here" in other.stderr
    store.close()
    Store(tmp_path).close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_names_the_path_and_the_remedy_and_harms_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append(episode(0))
    good = store._file
    store._file = open("/dev/full", "wb")  # noqa: SIM115
    with pytest.raises(StoreError, match=r"episodes.jsonl: cannot be written \(No space left on device\). Free room"):
        store.append(episode(1))
    store._file = good
    store.close()
    assert [trajectory.id for trajectory in read_trajectories(tmp_path)] == ["t#0"]


def test_a_folder_without_episodes_says_how_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there are no episodes\. Make some: .*train-agent collect"):
        read_trajectories(tmp_path)


def wrong(path: str, value: object) -> str:
    """A line with a valid checksum and a value that does not belong there."""
    tokens = Tokens((1,), (2,), (-0.5,))
    step = Step((Message("user", "?"),), Message("assistant", "!"), ("look",), ("You look.",), tokens=tokens)
    plain = json.loads(encode(episode(steps=(step,), success=True)))
    del plain["crc32"]
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = plain
    for part in parents:
        place = place[part]
    place[last] = value
    body = json.dumps(plain, separators=(",", ":"))[:-1]
    return f'{body},"crc32":"{zlib.crc32(body.encode()):08x}"}}'


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", 7),
        ("task", None),
        ("sample", "0"),
        ("sample", True),
        ("ending", "won"),
        ("success", "yes"),
        ("score", "1.0"),
        ("rewards", {"a": "b"}),
        ("rewards", []),
        ("steps", {"0": 1}),
        ("steps.0.reward", None),
        ("steps.0.actions", "look"),
        ("steps.0.actions", [1]),
        ("steps.0.observations", [None]),
        ("steps.0.reply.content", {"text": "!"}),
        ("steps.0.tokens.1", ["2"]),
        ("steps.0.tokens.1", [2.5]),
        ("steps.0.tokens.2", ["-0.5"]),
        ("steps.0.finish", "done"),
        ("steps.0.timing", ["a", 0, 0, 0]),
        ("schema", "1"),
        ("schema", None),
    ],
)
def test_a_value_of_another_type_is_refused_whatever_the_checksum_says(path: str, value: object) -> None:
    with pytest.raises(CodecError):
        decode(wrong(path, value))


def test_the_folder_of_a_run_is_its_user_s_alone(tmp_path: Path) -> None:
    Store(tmp_path / "run").close()
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
