"""`train-agent collect`, `eval`, `compare` and `view`, as a person types them."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from configs import EvalConfig, build
from envs.alfworld import generate_game
from eval import compare
from eval.errors import ResultError
from eval.protocols import find_protocol
from rollout import Sampling, Store, collect, read_trajectories
from rollout.runner import Stop, _received
from tests.rollout.corridor import Corridor
from tests.rollout.servers import chat, serving
from trainers.cli import _load, main
from trainers.commands.collect import exit_code, open_policy

TINY = ["--env", "alfworld", "--env-args", "size=tiny", "length=12", "data=generated"]


def test_collect_plays_shows_a_table_and_balances(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    assert main(["collect", *TINY, "--per-task", "2", "-o", run]) == 0
    printed = capsys.readouterr().out
    assert "24 planned = 24 scored + 0 failed + 0 cancelled + 0 owed" in printed
    assert "pick_two_obj_and_place" in printed
    assert len(read_trajectories(run)) == 24
    assert main(["collect", *TINY, "--per-task", "2", "-o", run]) == 2
    assert "Add --resume to go on" in capsys.readouterr().err
    assert main(["collect", *TINY, "--per-task", "2", "-o", run, "--resume"]) == 0
    said = capsys.readouterr().out
    assert "the run was finished already, and nothing was left to play: 24 planned = 24 scored" in said


def test_collect_as_json_prints_one_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect", *TINY, "--policy", "expert", "--episodes", "5", "--json", "-o", str(tmp_path / "run")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["account"]["scored"] == 5
    assert printed["types"]["all"] == {"episodes": 5.0, "solved": 5.0, "steps": printed["types"]["all"]["steps"]}


def test_a_dry_run_plays_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["collect", *TINY, "--episodes", "30", "--dry-run", "-o", str(run)]) == 0
    assert "would play 30 episodes of 12 tasks with expert" in capsys.readouterr().out
    assert main(["eval", *TINY, "--split", "valid_seen", "--dry-run", "-o", str(run)]) == 0
    assert "would play 12 tasks of alfworld valid_seen" in capsys.readouterr().out
    assert not run.exists()


def test_two_scores_are_compared_and_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(tmp_path / name) for name in ("random", "expert")]
    for run, model in zip(runs, ("random", "expert"), strict=True):
        assert main(["eval", *TINY, "--split", "valid_unseen", "--model", model, "-o", run]) == 0
        assert "12 planned = 12 scored" in capsys.readouterr().out
    assert main(["compare", *runs]) == 0
    assert "McNemar" in capsys.readouterr().out
    assert main(["compare", *runs, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["difference"]["value"] > 0
    assert main(["view", runs[1]]) == 0
    page = (tmp_path / "expert" / "report.html").read_text()
    assert page.lower().startswith("<!doctype html>")


def test_the_stored_model_plays_as_it_was_taught(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eval", *TINY, "--split", "valid_seen", "--model", "tiny-alfworld", "--talk", "plain", "--json"]
    assert main([*words, "-o", str(tmp_path / "run")]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["summary"]["success"]["value"] > 0
    assert result["summary"]["invalid"]["value"] < 0.1
    assert result["fingerprint"]["protocol"]["name"] == "plain"
    assert all(row["completion_tokens"] > 0 for row in result["episodes"])


def test_different_rules_are_not_compared_unless_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(tmp_path / name) for name in ("a", "b")]
    for run, seed in zip(runs, ("0", "1"), strict=True):
        assert main(["eval", *TINY, "--split", "valid_seen", "--seed", seed, "-o", run]) == 0
    capsys.readouterr()
    assert main(["compare", *runs]) == 1
    assert "seed" in capsys.readouterr().err
    assert main(["compare", *runs, "--force"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["eval", "--env", "alfworld"], 2, "eval needs --protocol NAME, or --split"),
        (["eval", "--protocol", "alfworld-sen"], 2, "Did you mean 'alfworld-seen'"),
        (["eval", "--protocol", "verl-agent", "--env-args", "data=/nonexistent"], 1, "alfworld-download"),
        (["collect", "--model", "/no/such/model", "-o", "/tmp/x"], 2, "no such folder"),
        (["collect", *TINY, "--model", "gold", "-o", "/tmp/x"], 2, "DB-Bench's own solutions"),
        (["collect", *TINY, "--protocol", "raect", "-o", "/tmp/x"], 2, "Did you mean 'react'"),
        (["compare", "/nonexistent/a", "/nonexistent/b"], 1, "/nonexistent/a: cannot be read"),
        (["compare", "a"], 2, "the following arguments are required: B"),
        (["view", "/nonexistent"], 1, "/nonexistent: there is no such folder"),
        (["export", "/nonexistent", "sft", "/tmp/x.jsonl"], 1, "/nonexistent: there is no such folder"),
        (["export", "/nonexistent", "sft", "/proc/x/y.jsonl"], 1, "/proc/x: cannot be written"),
    ],
)
def test_what_goes_wrong_is_said_with_a_remedy(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    assert message in capsys.readouterr().err


def test_a_config_file_gives_options_and_the_command_line_wins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "collect.yaml"
    file.write_text("env: alfworld\nenv_args: {size: tiny, length: 12, data: generated}\nepisodes: 7\ndry_run: true\n")
    assert main(["collect", "--config", str(file)]) == 0
    assert "would play 7 episodes" in capsys.readouterr().out
    assert main(["collect", "--config", str(file), "--episodes", "3"]) == 0
    assert "would play 3 episodes" in capsys.readouterr().out


def test_a_limit_above_the_number_of_tasks_plays_each_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["collect", *TINY, "--limit", "100", "--dry-run", "-o", str(tmp_path)]) == 0
    assert "would play 12 episodes of 12 tasks" in capsys.readouterr().out


def test_steps_are_averaged_over_the_episodes_that_kept_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--model", "random", "--keep", "success", "--per-task", "4", "--json", "-o", str(tmp_path)]
    assert main(["collect", *TINY, *words]) == 0
    kept = [len(trajectory.steps) for trajectory in read_trajectories(tmp_path) if trajectory.success]
    everything = json.loads(capsys.readouterr().out)["types"]["all"]
    assert 0 < everything["solved"] < everything["episodes"]
    assert everything["steps"] == pytest.approx(sum(kept) / len(kept))


def test_a_run_of_which_every_episode_failed_has_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["collect", "--env", "dbbench", "--env-args", "generate={count: 2}", "--model", "random"]
    assert main([*words, "-o", str(tmp_path)]) == 1
    assert "2 failed (policy_error 2)" in capsys.readouterr().out


def sampling_of(policy: Any) -> Sampling:
    found: Sampling = policy.sampling
    return found


def test_what_is_not_typed_of_the_sampling_is_the_protocol_s() -> None:
    rules = find_protocol("agentbench-v02", "alfworld").sampling
    with serving(chat("Action: look"), models=[{"id": "tiny"}]) as server:
        url = server.url
        typed = build(EvalConfig, ("command line", {"model": url}))
        assert sampling_of(open_policy(typed, Corridor(), rules)) == rules
        typed = build(EvalConfig, ("command line", {"model": url, "temperature": 0.5}))
        assert sampling_of(open_policy(typed, Corridor(), rules)) == replace(rules, temperature=0.5)


def test_the_contest_is_one_json_object(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "games/json_2.1.1/valid_unseen/pick_and_place_simple-X-None-Y-1/trial"
    folder.mkdir(parents=True)
    generate_game(seed=0, task_type="pick_and_place_simple", size="tiny").save(folder / "game.tw-pddl")
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / "games"))
    home = tmp_path / "agentbench"
    (home / "data").mkdir(parents=True)
    (home / "data" / "dbbench").symlink_to(shared / "dbbench")
    for name in ("alfworld", "dbbench"):
        source = home / "src/server/tasks" / name / "task.py"
        source.parent.mkdir(parents=True)
        source.write_text('SYSTEM_PROMPT = "x"\ndef get_task_instruction():\n    return "x"\n')
    (source.parent / "__init__.py").write_text('big_prompt = "x"\n')
    monkeypatch.setenv("AGENTBENCH_HOME", str(home))
    assert main(["eval", "--protocol", "contest", "--limit", "3", "--json", "-o", str(tmp_path / "run")]) == 0
    printed = json.loads(capsys.readouterr().out)
    first, second = (result["summary"] for result in printed["results"])
    expected = (100 * first["success"]["value"] + 100 * second["macro"]["value"]) / 26
    assert printed["joint_score"] == pytest.approx(expected)


def test_a_score_is_not_replaced_by_one_of_fewer_or_other_tasks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ["eval", *TINY, "--split", "valid_seen", "-o", str(run)]
    assert main([*words, "--limit", "6"]) == 0
    (file,) = (run / "eval").glob("*.json")
    before = file.read_bytes()
    capsys.readouterr()
    assert main([*words, "--limit", "3", "--resume"]) == 2
    said = capsys.readouterr().err
    assert "it holds a score of 6 episodes, and 3 are to be scored now" in said
    assert "choose another folder with -o" in said
    assert file.read_bytes() == before
    assert main([*words, "--limit", "6", "--resume"]) == 0
    # More of the same is more.
    assert main([*words, "--resume"]) == 0
    assert len(json.loads(file.read_bytes())["episodes"]) == 12


@pytest.mark.parametrize("command", [["collect"], ["eval", "--split", "valid_seen"]])
def test_to_resume_what_is_not_there_is_an_error_that_names_what_is(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["collect", *TINY, "--episodes", "2", "-o", str(tmp_path / "demos")]) == 0
    capsys.readouterr()
    assert main([*command, *TINY, "--resume", "-o", str(tmp_path / "demo")]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'demo'}: there is no run to resume. Runs there: {tmp_path / 'demos'}." in said
    assert not (tmp_path / "demo").exists()


def test_export_and_view_replace_no_file_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, file = tmp_path / "run", tmp_path / "precious.jsonl"
    assert main(["collect", *TINY, "--episodes", "2", "-o", str(run)]) == 0
    file.write_text("precious")
    assert main(["export", str(run), "sft", str(file)]) == 1
    assert main(["view", str(run), "-o", str(file)]) == 1
    assert main(["view", str(run), "-o", str(run / "episodes" / "episodes.jsonl")]) == 1
    assert capsys.readouterr().err.count("there is something here already") == 3
    assert file.read_text() == "precious"
    assert len(read_trajectories(run)) == 2
    for _ in range(2):  # a report may be written anew
        assert main(["view", str(run)]) == 0


def test_a_damaged_result_is_not_passed_over_in_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["eval", *TINY, "--split", "valid_seen", "-o", str(run)]) == 0
    next((run / "eval").glob("*.json")).write_text("{")
    assert main(["view", str(run)]) == 1
    assert "is damaged" in capsys.readouterr().err


def test_a_run_that_was_stopped_before_its_first_episode_can_be_looked_at(tmp_path: Path) -> None:
    Store(tmp_path).close()
    assert main(["view", str(tmp_path)]) == 0
    assert (tmp_path / "report.html").is_file()


def test_an_export_of_nothing_fails_and_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(tmp_path / "run")
    assert main(["collect", *TINY, "max_steps=1", "--model", "random", "--limit", "2", "-o", run]) == 0
    capsys.readouterr()
    for format in ("sft", "preference"):
        assert main(["export", run, format, str(tmp_path / "data.jsonl")]) == 1
        assert "nothing to write: no episode makes a row (left out: " in capsys.readouterr().err
        assert not (tmp_path / "data.jsonl").exists()


def test_a_finished_evaluation_that_is_resumed_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eval", *TINY, "--split", "valid_seen", "-o", str(tmp_path / "run")]
    assert main(words) == 0
    capsys.readouterr()
    assert main([*words, "--resume"]) == 0
    said = capsys.readouterr().out
    assert "the run was finished already, and nothing was left to play: 12 planned = 12 scored" in said


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_a_signal_ends_early_has_the_shell_s_code_for_it(number: int, code: int, tmp_path: Path) -> None:
    stop = Stop()
    _received(stop, number)
    done = collect(Corridor(), output=tmp_path, stop=stop)
    assert not done.complete
    assert exit_code(done) == code


@pytest.mark.parametrize("words", [["play"], ["view", "x"], ["compare", "a", "b"], ["warm-start"], ["collect"]])
def test_an_interrupt_ends_every_command_with_code_130(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> Any:
        if name.startswith("trainers.commands"):
            raise KeyboardInterrupt
        return _load(name)

    monkeypatch.setattr("trainers.cli._load", interrupted)
    assert main(words) == 130
    assert "interrupted" in capsys.readouterr().err


def test_two_runs_are_compared_by_their_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("random", "expert"):
        words = ["--split", "valid_seen", "--model", name, "-o", str(tmp_path / name)]
        assert main(["eval", *TINY, *words]) == 0
    capsys.readouterr()
    one, other = (compare(kind(tmp_path / "random"), kind(tmp_path / "expert")) for kind in (str, Path))
    assert one == other
    assert one.difference.value > 0
    with pytest.raises(ResultError, match="cannot be read"):
        compare(tmp_path / "nope", tmp_path / "expert")
