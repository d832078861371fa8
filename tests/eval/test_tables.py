"""What the terminal shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import StringIO

from rich.console import Console

from eval.compare import compare
from eval.episode import Episode
from eval.metrics import summarise
from eval.result import Result
from eval.tables import print_comparison, print_result, unread

Make = Callable[..., Episode]


def shown(print_it: Callable[[Console], None]) -> str:
    console = Console(file=StringIO(), width=140)
    print_it(console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def result(rows: list[Episode], **fingerprint: object) -> Result:
    return Result("alfworld-seen", fingerprint, {"name": "toy"}, summarise(rows), tuple(rows))


def test_a_result_shows_success_with_its_interval_and_a_balanced_account(episode: Make) -> None:
    rows = [episode(f"t{i}", success=i < 8, type="heat" if i % 2 else "cool") for i in range(10)]
    text = shown(lambda console: print_result(result([*rows, episode("z", success=None)]), console))
    assert "alfworld-seen  toy" in text
    assert "80.0" in text
    assert "49.0 to 94.3" in text
    assert "11 episodes = 10 scored + 1 failed outside the model (env_timeout 1) + 0 cancelled" in text
    assert "all, failures as 0" in text


def test_pass_at_k_is_shown_where_there_are_several_samples(episode: Make) -> None:
    rows = [episode(f"t{i}", s, success=i < 8) for i in range(10) for s in range(4)]
    text = shown(lambda console: print_result(result(rows), console))
    assert "pass@4" in text
    assert "pass^2" in text


def test_a_run_without_a_scored_episode_can_be_shown(episode: Make) -> None:
    text = shown(lambda console: print_result(result([episode("a", success=None)]), console))
    assert "1 episodes = 0 scored + 1 failed" in text


def test_a_comparison_shows_the_verdict_the_flips_and_what_was_left_out(episode: Make) -> None:
    a = result([episode(f"t{i}", success=i < 3) for i in range(12)], snap="bleu")
    b = result([episode(f"t{i}", success=i > 0, link=f"b.jsonl:{i}") for i in range(11)], snap="none")
    text = shown(lambda console: print_comparison(compare(a, b, force=True), console, names=("base", "tuned")))
    # 1 lost, 8 gained of 11: p = 2 (1 + 9) / 2^9.
    assert "McNemar, exact: p = 0.039" in text
    assert "tuned solved, base did not: 8" in text
    assert "b.jsonl:0" in text
    assert "1 tasks are scored in base only: t11 (absent)" in text
    assert "Not scored under the same conditions" in text


def test_names_with_markup_are_shown_as_they_are(episode: Make) -> None:
    rows = [episode("[red]x[/]", type="[bold]heat", success=False)]
    better = [episode("[red]x[/]", type="[bold]heat")]
    assert "[bold]heat" in shown(lambda console: print_result(result(rows), console))
    assert "[red]x[/]" in shown(lambda console: print_comparison(compare(result(rows), result(better)), console))


def test_replies_that_cannot_be_read_are_told_with_what_to_type(episode: Make) -> None:
    rows = [episode(task=f"t{number}", steps=4, invalid=3, success=False) for number in range(4)]
    fingerprint = {"protocol": {"name": "react"}}
    kept = Result("alfworld-seen", fingerprint, {"name": "m"}, summarise(rows), tuple(rows))
    said = unread(kept)
    assert "75.0% of the replies are not in the form that react asks for" in said
    assert "--talk" in said
    fine = [replace(row, invalid=1) for row in rows]
    assert unread(replace(kept, summary=summarise(fine))) == ""


def on_terminal(print_it: Callable[[Console], None]) -> list[str]:
    console = Console(file=StringIO(), width=80, force_terminal=True, color_system=None)
    print_it(console)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


TYPES = ("pick_clean_then_place_in_recep", "pick_heat_then_place_in_recep", "look_at_obj_in_light")


def test_at_80_columns_no_word_and_no_number_is_broken(episode: Make) -> None:
    rows = [episode(f"t{i}", success=i % 3 > 0, type=TYPES[i % 3]) for i in range(60)]
    lines = on_terminal(lambda console: print_result(result([*rows, episode("z", success=None)]), console))
    assert all(len(line) <= 80 for line in lines if "episodes =" not in line)
    for name in (*TYPES, "mean of types", "all, failures as 0"):
        assert sum(line.strip().startswith(name) for line in lines) == 1
    assert any("pick_clean_then_place_in_recep" in line and "0.0 to 16.1" in line for line in lines)


def test_two_folders_are_compared_under_short_names_within_80_columns(episode: Make) -> None:
    names = ("runs/alfworld-grpo-20260101-120000/evals/before", "runs/alfworld-grpo-20260101-120000/evals/after")
    a, b = (result([episode(f"t{i}", success=i % k > 0, type=TYPES[i % 3]) for i in range(60)]) for k in (2, 5))
    lines = on_terminal(lambda console: print_comparison(compare(a, b), console, names=names))
    assert lines[:3] == [f"A: {names[0]}", f"B: {names[1]}", "B against A"]
    table = [line for line in lines if line.strip().startswith((*TYPES, "all "))]
    assert len(table) == 4
    assert all(len(line) <= 80 and " to " in line for line in table)
    assert any(line.startswith("B solved, A did not: ") for line in lines)


def test_a_file_has_no_width_so_that_nothing_is_cut(episode: Make) -> None:
    name = "a_type_of_task_whose_name_is_longer_than_any_terminal_would_like_it_to_be_" + "x" * 40
    console = Console(file=StringIO(), width=80)
    print_result(result([episode("t", success=True, type=name)]), console)
    assert name in console.file.getvalue()  # type: ignore[attr-defined]


def test_what_a_model_had_the_environment_do_until_it_was_stopped_is_a_rate_beside_the_score(episode: Make) -> None:
    rows = [episode(f"t{number}", steps=4, stopped=number % 2, success=False) for number in range(4)]
    assert summarise(rows).stopped.value == 0.125  # type: ignore[union-attr]
    assert "stopped by the environment" in shown(lambda console: print_result(result(rows), console))
    fine = [replace(row, stopped=0) for row in rows]
    assert "stopped by the environment" not in shown(lambda console: print_result(result(fine), console))
