"""The warm start: a name is one token, rows are what a rollout would hold, and the model learns, plays and loads."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

import envs
from configs import ConfigError
from configs.warm_start import WarmStartConfig
from envs.protocol import Message
from rollout.errors import ModelError
from rollout.loading import load_model
from rollout.rendering import Renderer
from trainers.commands.warm_start import run
from trainers.warm_start import alfworld, dbbench
from trainers.warm_start.alfworld import ALFWorldCourse
from trainers.warm_start.course import Course
from trainers.warm_start.dbbench import DBBenchCourse, renamed_tasks, write_statement
from trainers.warm_start.learning import batches, make_model, schedule, weighted_loss
from trainers.warm_start.lessons import Lesson, Row, as_row
from trainers.warm_start.make import RECORD, stored_model, stored_record, worse
from trainers.warm_start.renaming import GRAMMAR
from trainers.warm_start.vocabulary import END, Vocabulary, make_tokenizer

TEMPLATE = WarmStartConfig().chat_template
Env = Literal["alfworld", "dbbench"]
TOKENS: dict[Env, int] = {"alfworld": 12_000, "dbbench": 60_000}
COURSES: dict[Env, type[Course]] = {"alfworld": ALFWorldCourse, "dbbench": DBBenchCourse}
CHECKS: dict[Env, tuple[str, ...]] = {"alfworld": alfworld.CHECKS, "dbbench": dbbench.CHECKS}
ENVS = pytest.mark.parametrize("env", COURSES)


def course(env: Env, unsure: float = 0.5, games: int = 60) -> Course:
    made = COURSES[env](WarmStartConfig(env=env, size="tiny", unsure=unsure, max_tokens=TOKENS[env]))
    if isinstance(made, ALFWorldCourse):
        made.tasks = games
    return made


@cache
def episodes(env: Env = "alfworld", unsure: float = 0.5) -> tuple[Lesson, ...]:
    return tuple(islice(course(env, unsure).lessons(), 60 if env == "alfworld" else 600))


@cache
def tokenizer(env: Env = "alfworld") -> PreTrainedTokenizerFast:
    return make_tokenizer(course(env).vocabulary(episodes(env)), TEMPLATE)


def encode(text: str, env: Env = "alfworld") -> list[int]:
    return list(tokenizer(env).encode(text, add_special_tokens=False))


def pieces(text: str, env: Env = "alfworld") -> list[str]:
    return [str(tokenizer(env).decode([token])) for token in encode(text, env)]


@cache
def rows(env: Env = "alfworld") -> tuple[Row, ...]:
    renderer = Renderer(tokenizer(env))
    return tuple(as_row(talk, renderer, lambda text: encode(text, env)) for talk in episodes(env))


@ENVS
@pytest.mark.parametrize("protocol", ["plain", "react"])
def test_a_lesson_has_thoughts_where_its_protocol_asks_for_them(env: Env, protocol: str) -> None:
    config = WarmStartConfig(env=env, size="tiny", unsure=1.0, max_tokens=TOKENS[env], protocol=protocol)
    lessons = list(islice(COURSES[env](config).lessons(), 8))
    replies = [reply.content for lesson in lessons for reply, _ in lesson.turns]
    assert all(reply.startswith("Thought: ") is (protocol == "react") for reply in replies)


@ENVS
@given(text=st.text() | st.text(alphabet="<|im_endĠĊ>go to fridge 1,\n`'Name_", max_size=40))
def test_any_text_comes_back_from_its_tokens(env: Env, text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    assert tokenizer(env).decode(encode(text, env), skip_special_tokens=False) == text


def test_a_name_a_number_and_a_phrase_are_one_token_each() -> None:
    told = pieces("You arrive at fridge 1. The fridge 1 is closed.")
    assert told == ["You arrive at ", "fridge", " 1", ". The ", "fridge", " 1", " is closed."]
    assert pieces("go to sinkbasin 1") == ["go to ", "sinkbasin", " 1"]


def test_a_phrase_is_one_token_and_a_name_the_same_pieces_wherever_it_stands() -> None:
    opening, year = pieces("opening", "dbbench"), pieces("year", "dbbench")
    assert pieces("What is the average opening year", "dbbench") == ["What is the average ", *opening, " ", *year]
    written = pieces("SELECT ROUND(AVG(CAST(`opening_year` AS DECIMAL(15,2))), 2) FROM `years_name`", "dbbench")
    assert written[: len(opening) + len(year) + 2] == ["SELECT ROUND(AVG(CAST(`", *opening, "_", *year]
    assert written[-2:] == ["_name", "`"]


def test_two_digits_are_a_token() -> None:
    assert pieces("31415", "dbbench") == ["31", "41", "5"]


def test_a_number_is_one_token_though_no_lesson_counts_so_far() -> None:
    assert len(encode("go to drawer 27")) == len(encode("go to drawer 1"))


def test_a_saved_tokenizer_is_the_same_tokenizer(tmp_path: Path) -> None:
    tokenizer().save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "go to drawer 2<|im_end|>\nnaïve 🙂"
    assert again.encode(text, add_special_tokens=False) == encode(text)
    assert again.chat_template == tokenizer().chat_template


def test_an_unknown_chat_template_is_refused_with_those_there_are() -> None:
    with pytest.raises(ModelError, match="qwen3_instruct_2507_training"):
        make_tokenizer(Vocabulary(()), "qwen9")


@ENVS
def test_a_row_is_the_conversation_as_the_chat_template_renders_it(env: Env) -> None:
    words = tokenizer(env)
    for talk, row in islice(zip(episodes(env), rows(env), strict=True), 60):
        whole = words.apply_chat_template([message.to_dict() for message in talk.messages()], tokenize=False)
        assert words.decode(list(row.ids)) == str(whole).removesuffix("\n")


def test_every_command_is_imitated_and_they_solve_the_task() -> None:
    env = envs.make("alfworld", split="train", data="generated", size="tiny", length=60)
    for talk, row, task in zip(episodes(), rows(), env.tasks, strict=True):
        chosen = [token for token, mine in zip(row.ids, row.chosen, strict=True) if mine]
        assert tokenizer().decode(chosen) == "".join(reply.content + END for reply, _ in talk.turns)
        env.reset(options={"task": task.id})
        for reply, _ in talk.turns:
            *_, terminated, truncated, _ = env.step(reply.content)
        assert terminated
        assert not truncated


def checks_in(talk: Lesson, checks: tuple[str, ...]) -> int:
    return sum(reply.content in checks for reply, _ in talk.turns)


@ENVS
def test_who_is_unsure_checks_nearly_always_and_who_is_sure_never(env: Env) -> None:
    words = CHECKS[env]
    assert not any(checks_in(talk, words) for talk in episodes(env, 0.0))
    late = episodes(env, 1.0)[-6:]
    checks = sum(checks_in(talk, words) for talk in late)
    actions = sum(len(talk.turns) for talk in late) - checks
    assert actions < checks <= 2 * actions


@ENVS
def test_the_unsure_are_few_before_the_end_of_the_course(env: Env) -> None:
    share = [checks_in(talk, CHECKS[env]) > 0 for talk in episodes(env, 1.0)]
    begun = 50 if env == "alfworld" else 400
    assert 0 < sum(share[:begun]) < begun / 2


def test_lessons_go_on_after_the_last_task() -> None:
    twice = list(islice(course("alfworld", 0.5, games=6).lessons(), 12))
    assert [talk.opening for talk in twice[:6]] == [talk.opening for talk in twice[6:]]


def test_the_written_statement_solves_every_task_of_tidy_tables() -> None:
    env = envs.make("dbbench", split="train", generate={"count": 100, "difficulty": 1})
    for task in env.tasks:
        env.reset(options={"task": task.id})
        env.step(write_statement(task))
        env.step(f"answer: {json.dumps(task.label)}")
        assert env.solved(), write_statement(task)


def test_a_database_lesson_of_one_who_is_sure_is_a_statement_and_an_answer() -> None:
    assert {len(talk.turns) for talk in episodes("dbbench", 0.0)} == {2}


def test_lessons_about_databases_are_the_same_again_and_others_for_another_seed() -> None:
    again = tuple(islice(course("dbbench").lessons(), 20))
    assert again == episodes("dbbench")[:20]
    other = DBBenchCourse(WarmStartConfig(env="dbbench", max_tokens=TOKENS["dbbench"], seed=1))
    assert [talk.opening for talk in islice(other.lessons(), 20)] != [talk.opening for talk in again]


def test_no_two_lessons_share_a_name_but_all_share_the_grammar() -> None:
    tasks = list(islice(renamed_tasks(1, 0), 120))
    names = [word.lower() for task in tasks for word in re.findall(r"[^\W\d_]+", task.tables[0].name)]
    new = [word for word in names if word not in GRAMMAR]
    assert len(set(new)) > 0.95 * len(new)
    asked = [set(re.findall(r"[a-z]+", task.description.lower())) for task in tasks]
    assert all(words & GRAMMAR for words in asked)
    assert {task.type for task in tasks} >= {"INSERT", "UPDATE", "counting", "ranking"}


@given(st.lists(st.integers(1, 60), max_size=80), st.integers(20, 200))
def test_batches_hold_every_row_once_and_are_no_larger_than_allowed(lengths: list[int], limit: int) -> None:
    made = [Row((number,) * length, (True,) * length) for number, length in enumerate(lengths)]
    cut = list(batches(made, limit))
    assert sorted(row.ids for batch in cut for row in batch) == sorted(row.ids for row in made)
    assert all(len(batch) == 1 or len(batch) * max(len(row.ids) for row in batch) <= limit for batch in cut)


def test_the_learning_rate_rises_to_its_height_and_falls_to_a_hundredth() -> None:
    assert schedule(0.0, 0.1) == 0.01
    assert schedule(0.05, 0.1) == pytest.approx(0.5)
    assert schedule(0.1, 0.1) == pytest.approx(1.0)
    assert schedule(0.55, 0.1) == pytest.approx(0.505)
    assert schedule(1.0, 0.1) == pytest.approx(0.01)


def test_the_loss_is_the_weighted_mean_over_tokens_and_padding_is_none_of_them() -> None:
    model = make_model(len(tokenizer()), 0, 0, hidden=32, intermediate=64, layers=2, heads=2, seed=0)
    by_length = sorted(rows(), key=lambda row: len(row.ids))
    pair = [by_length[-1], by_length[0]]
    weights = [sum(1.0 if mine else 0.25 for mine in row.chosen[1:]) for row in pair]
    alone = [weighted_loss(model, [row], 0.25)[0].item() for row in pair]
    mean = sum(loss * weight for loss, weight in zip(alone, weights, strict=True)) / sum(weights)
    assert weighted_loss(model, pair, 0.25)[0].item() == pytest.approx(mean, rel=1e-5)
    chosen = [sum(row.chosen[1:]) for row in pair]
    experts = [weighted_loss(model, [row], 0.25)[1] for row in pair]
    mean = sum(loss * count for loss, count in zip(experts, chosen, strict=True)) / sum(chosen)
    assert weighted_loss(model, pair, 0.25)[1] == pytest.approx(mean, rel=1e-5)


SMALL = WarmStartConfig(
    size="tiny",
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_tokens=40_000,
    batch_tokens=1024,
    eval_episodes=6,
    json=True,
)


@ENVS
@pytest.mark.slow
def test_the_command_trains_a_model_that_learns_plays_and_loads(
    env: Env, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(replace(SMALL, env=env, output_dir=tmp_path)) == 0
    record = json.loads(capsys.readouterr().out)
    assert record == json.loads((tmp_path / RECORD).read_text())
    assert record["tokens"] >= 40_000
    assert record["accuracy"] > (0.25 if env == "alfworld" else 0.05)
    assert record["success"]["n"] == 6
    model, words = load_model(tmp_path)
    assert (model.config.model_type, model.num_parameters()) == ("qwen3", record["parameters"])
    Renderer(words)
    with pytest.raises(ConfigError, match="not empty"):
        run(replace(SMALL, env=env, output_dir=tmp_path))


def test_what_is_not_given_is_what_the_environment_needs() -> None:
    assert WarmStartConfig().settled() == WarmStartConfig(max_completion_length=16)
    assert WarmStartConfig(env="dbbench", max_completion_length=5).settled().max_completion_length == 5
    assert (WarmStartConfig(env="dbbench").settled().max_completion_length or 0) > 16


def test_a_model_is_worse_only_where_the_intervals_do_not_meet() -> None:
    stored = {"success": {"value": 0.45, "low": 0.38, "high": 0.52}}
    assert worse({"success": {"value": 0.2, "low": 0.15, "high": 0.26}}, stored)
    assert not worse({"success": {"value": 0.35, "low": 0.29, "high": 0.42}}, stored)
    assert not worse({"success": {"value": 0.9, "low": 0.85, "high": 0.95}}, stored)


@ENVS
def test_the_stored_model_loads_and_its_template_keeps_history(env: str) -> None:
    folder = stored_model(env)
    model, words = load_model(folder)
    assert model.config.model_type == "qwen3"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 6_000_000
    assert Renderer(words).open([Message("user", "go to fridge 1")])


@ENVS
def test_a_stored_models_options_are_the_commands_own(env: Env) -> None:
    record = stored_record(env)
    assert record is not None
    assert WarmStartConfig(**record["config"]).settled() == WarmStartConfig(env=env).settled()
