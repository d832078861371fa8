"""Exports: what others' readers make of our files, what is left out, and what is refused."""

from __future__ import annotations

import json
import logging
import os
import random
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs import TaskError
from envs.protocol import Message, ToolCall
from rollout import Failure, Step, Store, StoreError, Tokens, Trajectory, collect
from rollout.export import EVALUATION_SPLITS, FORMATS, export, preference_rows, sft_rows
from tests.rollout.corridor import Corridor

INSPECT = Path(__file__).resolve().parents[2] / ".venv" / "inspect"
"""Where `scripts/install-optional` puts inspect_ai, whose requirements are not to mix with ours."""


def episode(id: str, *, turns: int = 2, tokens: bool = True, **changes: Any) -> Trajectory:
    task, _, sample = id.partition("#")
    steps = []
    for turn in range(turns):
        new = [Message("user", f"at {turn} of {id}" if turn else "at 0")]
        steps.append(
            Step(
                tuple([Message("system", "Walk.")] * (not turn) + new),
                Message("assistant", f"right {turn}"),
                ("right",),
                (f"at {turn + 1}",),
                tokens=Tokens((1, 2), (3, 4, 5), (-0.1, -0.2, -0.3)) if tokens else None,
            )
        )
    plain = Trajectory(id, task, "walk", "train", int(sample or 0), steps=tuple(steps), success=True, score=1.0)
    return replace(plain, **changes)


def failed(id: str) -> Trajectory:
    failure = Failure("env_died", "the environment's process died")
    return episode(id, turns=1, ending="error", failure=failure, success=None, score=None)


def stored(folder: Path, *trajectories: Trajectory) -> Path:
    store = Store(folder)
    store.append(*trajectories)
    store.close()
    return folder


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an expert played by function calls, and two episodes that went wrong."""
    folder = tmp_path_factory.mktemp("runs") / "walks"
    collect(Corridor(), output=folder, protocol="tool", per_task=2)
    return stored(folder, failed("walk-0#7"), episode("walk-1#7", success=False, score=0.0, ending="truncated"))


def test_demonstrations_come_back_by_trls_reader(run: Path, tmp_path: Path) -> None:
    import datasets
    import tiny_models
    from trl.data_utils import apply_chat_template, is_conversational

    path = tmp_path / "sft.jsonl"
    assert export(run, "sft", path) == 8
    loaded = datasets.load_dataset("json", data_files=str(path), cache_dir=str(tmp_path / "cache"))["train"]
    row = loaded[0]
    assert row["trajectory"] == "walk-0#0"
    assert is_conversational(row)
    assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant", "tool", "assistant"]
    text = apply_chat_template(row, tiny_models.tokenizer())["text"]
    assert '"arguments": {"direction": "right"}' in text
    assert text.count("You are at place 1.") == 1


def test_tools_are_those_of_the_protocol(run: Path, tmp_path: Path) -> None:
    export(run, "sft", tmp_path / "sft.jsonl")
    assert all(row["tools"] == Corridor().protocol("tool").schemas for row in lines(tmp_path / "sft.jsonl"))
    assert "tools" not in sft_rows([episode("a#0")]).rows[0]


def test_what_is_left_out_is_counted(run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rollout.export")
    export(run, "sft", tmp_path / "sft.jsonl")
    assert "8 rows; episodes left out: 1 failed outside the model or cancelled; 1 not a success" in caplog.text
    assert export(run, "sft", tmp_path / "all.jsonl", successes_only=False) == 9


def test_every_row_leads_back_to_its_episode() -> None:
    episodes = [episode(f"task-{i}#{j}") for i in range(3) for j in range(2)]
    assert [row["trajectory"] for row in sft_rows(episodes).rows] == [trajectory.id for trajectory in episodes]


def test_turns_that_stand_alone_are_rows_of_their_own() -> None:
    rows = sft_rows([episode("a#0", window=0)]).rows
    assert [(row["trajectory"], row["turn"], len(row["messages"])) for row in rows] == [("a#0", 0, 3), ("a#0", 1, 2)]


def test_episodes_whose_steps_were_not_kept_make_no_rows() -> None:
    for rows in (sft_rows([episode("a#0", turns=0)]), preference_rows([episode("a#0", turns=0)])):
        assert not rows.rows
        assert rows.left_out == {"its steps were not kept": 1}


def test_arguments_that_are_no_json_stay_the_text_that_the_model_wrote() -> None:
    call = ToolCall("c", "walk", '{"direction": ')
    step = Step((Message("user", "x"),), Message("assistant", "", (call,)), (), ("no",))
    (row,) = sft_rows([episode("a#0", steps=(step,))]).rows
    assert row["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"direction": '


def test_pairs_are_best_with_worst_and_never_ties() -> None:
    scores = [0.5, 1.0, 0.0, 0.5, 0.25]
    made = preference_rows([episode(f"a#{i}", score=score) for i, score in enumerate(scores)])
    named = [(row["chosen_trajectory"], row["rejected_trajectory"], row["gap"]) for row in made.rows]
    assert named == [("a#1", "a#2", 1.0), ("a#0", "a#4", 0.25)]
    assert made.left_out == {"no partner of another reward": 1}
    assert not preference_rows([episode(f"a#{i}") for i in range(4)]).rows


def test_a_pair_shares_its_prompt_and_trl_reads_it(tmp_path: Path) -> None:
    import tiny_models
    from trl.data_utils import apply_chat_template

    folder = stored(tmp_path / "run", episode("a#0"), episode("a#1", turns=3, score=0.0, success=False))
    assert export(folder, "preference", tmp_path / "pairs.jsonl") == 1
    (row,) = lines(tmp_path / "pairs.jsonl")
    assert [message["role"] for message in row["prompt"]] == ["system", "user"]
    assert [message["content"] for message in row["chosen"]] == ["right 0", "at 1 of a#0", "right 1"]
    assert len(row["rejected"]) == 5
    text = apply_chat_template(row, tiny_models.tokenizer())
    assert text["prompt"].endswith("<|im_start|>assistant\n")
    assert "right 0" in text["chosen"]
    assert "at 1 of a#0" in text["chosen"]
    assert "at 1 of a#1" in text["rejected"]


def test_episodes_that_were_opened_in_other_words_are_no_pair() -> None:
    other = episode("a#1", score=0.0)
    first = replace(other.steps[0], messages=(Message("user", "elsewhere"),))
    assert not preference_rows([episode("a#0"), replace(other, steps=(first, *other.steps[1:]))]).rows


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0.0, 0.5, 1.0])), max_size=12),
    st.sampled_from([0.0, 0.5]),
    st.randoms(use_true_random=False),
)
def test_pairs_are_sound_and_do_not_depend_on_order(
    drawn: list[tuple[str, float]], min_gap: float, shuffle: random.Random
) -> None:
    episodes = [episode(f"{task}#{i}", score=score) for i, (task, score) in enumerate(drawn)]
    made = preference_rows(episodes, min_gap=min_gap)
    worth = {trajectory.id: trajectory.score for trajectory in episodes}
    used = [row[side] for row in made.rows for side in ("chosen_trajectory", "rejected_trajectory")]
    assert len(used) == len(set(used))
    assert len(used) + made.left_out.total() == len(episodes)
    for row in made.rows:
        chosen, rejected = row["chosen_trajectory"], row["rejected_trajectory"]
        assert chosen[0] == rejected[0]
        assert worth[chosen] - worth[rejected] == row["gap"] > min_gap
    shuffle.shuffle(episodes)
    assert preference_rows(episodes, min_gap=min_gap).rows == made.rows


def test_a_dataset_holds_every_episode_with_its_tokens(tmp_path: Path) -> None:
    import datasets

    played = [episode("a#0"), failed("a#1"), episode("a#2", window=1), episode("a#3", tokens=False)]
    run = stored(tmp_path / "run", *played)
    assert export(run, "dataset", tmp_path / "out") == 4
    loaded = datasets.load_from_disk(str(tmp_path / "out"))
    assert loaded["id"][:] == ["a#0", "a#1", "a#2", "a#3"]
    assert loaded[0]["input_ids"] == [1, 2, 3, 4, 5] * 2
    assert loaded[0]["assistant_masks"] == [0, 0, 1, 1, 1] * 2
    assert loaded[0]["logprobs"] == [[-0.1, -0.2, -0.3]] * 2
    assert (loaded[1]["failure"], loaded[1]["success"], loaded[1]["score"]) == ("env_died", None, None)
    assert loaded[2]["input_ids"] is None
    assert loaded[2]["completion_ids"] == [[3, 4, 5]] * 2
    assert loaded[3]["completion_ids"] == [None, None]
    assert loaded[0]["messages"][2]["content"] == "right 0"
    with pytest.raises(StoreError, match="something here already"):
        export(run, "dataset", tmp_path / "out")


def test_datasets_of_two_runs_can_be_joined(run: Path, tmp_path: Path) -> None:
    import datasets

    export(run, "dataset", tmp_path / "a")
    export(stored(tmp_path / "run", failed("a#1")), "dataset", tmp_path / "b")
    parts = [datasets.load_from_disk(str(tmp_path / name)) for name in "ab"]
    assert len(datasets.concatenate_datasets(parts)) == 11


@pytest.mark.parametrize("split", sorted(EVALUATION_SPLITS))
def test_training_data_of_evaluation_tasks_is_refused_unless_allowed(split: str, tmp_path: Path) -> None:
    run = stored(tmp_path / "run", episode("a#0"), episode("b#0", split=split))
    for format in ("sft", "preference", "dataset"):
        with pytest.raises(TaskError, match=rf"{split}.*--allow-evaluation"):
            export(run, format, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert export(run, "sft", tmp_path / "out", allow_evaluation=True) == 2
    assert export(run, "inspect", tmp_path / "out.json") == 2


def test_wrong_usage_names_what_there_is(run: Path, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="Did you mean 'preference'"):
        export(run, "preferences", tmp_path / "x")
    with pytest.raises(TaskError, match=r"x\.eval"):
        export(run, "inspect", tmp_path / "x")
    with pytest.raises(StoreError, match="no episodes"):
        export(tmp_path, "sft", tmp_path / "x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_failed_write_leaves_the_earlier_file_and_nothing_beside_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sft.jsonl"
    path.write_text("earlier")

    def full(descriptor: int) -> None:
        with open("/dev/full", "wb", buffering=0) as device:
            device.write(b"x")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"No space left on device.*Free room"):
        export(run, "sft", path)
    assert path.read_text() == "earlier"
    assert [file.name for file in tmp_path.iterdir()] == ["sft.jsonl"]


@pytest.mark.parametrize("format", FORMATS)
def test_lone_surrogates_break_no_reader(format: str, tmp_path: Path) -> None:
    odd = Step((Message("user", "a\ud800"),), Message("assistant", "b\udfff"), ("c\ud800",), ("d\ud800",))
    run = stored(tmp_path / "run", episode("a#0", steps=(odd,)), episode("a#1", steps=(odd,), score=0.0))
    path = tmp_path / ("out.json" if format == "inspect" else "out")
    assert export(run, format, path) > 0
    if path.is_file():
        path.read_text(encoding="utf-8")


READ = """
import sys
sys.path.insert(0, sys.argv[2])
from inspect_ai.log import read_eval_log, read_eval_log_sample, read_eval_log_sample_summaries
for header_only in (False, True):
    log = read_eval_log(sys.argv[1], header_only=header_only)
    (score,) = log.results.scores
    print(log.status, log.version, log.eval.task, log.eval.model, log.eval.config.epochs)
    print(score.metrics["accuracy"].value, score.unscored_samples)
log = read_eval_log(sys.argv[1])
print(len(log.samples), len(read_eval_log_sample_summaries(sys.argv[1])))
sample = read_eval_log_sample(sys.argv[1], id="walk-0", epoch=2)
print(*(message.role for message in sample.messages), sample.messages[2].tool_calls[0].arguments)
print(sample.scores["success"].value, sample.scores["success"].answer, sample.output.stop_reason, sample.turn_count)
print(read_eval_log_sample(sys.argv[1], id="walk-0", epoch=8).error.message)
print(read_eval_log_sample(sys.argv[1], id="walk-1", epoch=8).limit.type)
"""


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".json", ".eval"])
def test_inspect_reads_our_log(suffix: str, run: Path, tmp_path: Path) -> None:
    if not INSPECT.is_dir():
        pytest.skip("inspect_ai is not installed: scripts/install-optional")
    path = tmp_path / f"log{suffix}"
    assert export(run, "inspect", path) == 10
    command = [sys.executable, "-c", READ, str(path), str(INSPECT)]
    read = subprocess.run(command, capture_output=True, text=True, check=False)
    assert read.returncode == 0, read.stderr
    assert read.stdout.splitlines() == [
        *["success 2 Corridor expert 8", f"{8 / 9} 1"] * 2,
        "10 10",
        "system user assistant tool assistant {'direction': 'right'}",
        "C right tool_calls 2",
        "env_died: the environment's process died",
        "turn",
    ]


def test_importing_exports_costs_no_dataset_library() -> None:
    code = "import sys, rollout.export; print('datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_an_id_with_path_separators_stays_inside_the_archive(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    for number, task in enumerate(("../../evil", "/etc/passwd", "a\\..\\b")):
        store.append(Trajectory(f"{task}#0", task, "pick", "train", success=bool(number)))
    store.close()
    export(tmp_path / "run", "inspect", tmp_path / "out.eval")
    with zipfile.ZipFile(tmp_path / "out.eval") as archive:
        samples = [name for name in archive.namelist() if name.startswith("samples/")]
        assert len(samples) == 3
        for name in archive.namelist():
            assert ".." not in name.split("/")
            assert not name.startswith("/")
            assert name.count("/") <= 1
