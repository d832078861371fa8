"""The report as a file: whole, self-contained, and honest about what it leaves out."""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from envs.protocol import Message
from eval.episode import Episode
from eval.metrics import summarise
from eval.result import Result
from eval.view import write_report
from eval.view.pack import LONGEST_TEXT
from eval.view.report import permalink
from rollout.trajectory import Tokens, Trajectory


def block(path: Path, name: str) -> Any:
    found = re.search(rf'id="{name}">([^<]*)</script>', path.read_text())
    assert found, name
    return json.loads(zlib.decompress(base64.b64decode(found[1])))


def transcripts(path: Path) -> list[Any]:
    names = re.findall(r'id="chunk-(\d+)"', path.read_text())
    chunks = {int(name): block(path, f"chunk-{name}") for name in names}
    return [chunks[chunk][place] for chunk, place in block(path, "index")["places"]]


def test_every_sampled_token_is_there_with_its_logprob(player: Any, tmp_path: Path) -> None:
    played = player.play(1)
    path = write_report([played], tmp_path / "r.html", title="t", tokens_of=player.words.strings)
    ids, strings = block(path, "vocabulary")
    for kept, step in zip(transcripts(path)[0]["s"], played.steps, strict=True):
        assert [ids[word] for word in kept["c"]] == list(step.tokens.completion_ids)
        assert "".join(strings[word] for word in kept["c"]) == f"{step.reply.content}<|im_end|>"
        assert kept["l"] == [round(-1000 * logprob) for logprob in step.tokens.logprobs]
        assert sum(run[2] for run in kept["p"]) == len(step.tokens.prompt_ids)
        assert [run[1] for run in kept["p"] if run[0] == 1] == [message.content for message in step.messages]


def test_with_a_window_earlier_replies_are_told_from_the_environment(player: Any, tmp_path: Path) -> None:
    one, two = player.play(1, steps=2).steps
    whole = [*one.messages, one.reply, *two.messages]
    second = replace(two, tokens=player.tokens(whole, two.reply.content))
    played = replace(player.play(1, steps=0), steps=(one, second), window=2)
    path = write_report([played], tmp_path / "r.html", title="t", tokens_of=player.words.strings)
    runs = transcripts(path)[0]["s"][1]["p"]
    assert [run[1] for run in runs if run[0] == 2] == [one.reply.content]
    assert [run[1] for run in runs if run[0] == 1] == [m.content for m in (*one.messages, *two.messages)]


def test_many_episodes_are_kept_in_chunks_and_each_is_found(player: Any, tmp_path: Path) -> None:
    played = [player.play(i) for i in range(120)]
    path = write_report(iter(played), tmp_path / "r.html", title="t", tokens_of=player.words.strings)
    assert len(set(re.findall(r'id="(chunk-\d+)"', path.read_text()))) > 1
    for kept, trajectory in zip(transcripts(path), played, strict=True):
        assert [step["r"][1] for step in kept["s"]] == [step.reply.content for step in trajectory.steps]
    assert block(path, "index")["columns"]["id"] == [trajectory.id for trajectory in played]


class Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {name}={value}" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self.found += [f"{tag} {name}" for name, _ in attrs if name.startswith("on")]


def test_the_file_names_no_other_file_and_no_network(player: Any, tmp_path: Path) -> None:
    path = write_report([player.play(1)], tmp_path / "r.html", title="t")
    text = path.read_text()
    parser = Addresses()
    parser.feed(text)
    assert parser.found == []
    assert "http" not in text.replace("http-equiv", "")
    assert "@import" not in text
    assert "url(" not in text
    assert "default-src 'none'" in text


def test_a_result_gives_statistics_links_and_episodes_without_a_transcript(player: Any, tmp_path: Path) -> None:
    played, other = player.play(1), player.play(2)
    rows = tuple(Episode.of(each, f"episodes/0.jsonl:{n}") for n, each in enumerate((played, other)))
    result = Result("alfworld-seen", {"max_steps": 50}, {"name": "toy"}, summarise(rows), rows)
    path = write_report([played], tmp_path / "r.html", title="t", result=result)
    index = block(path, "index")
    assert index["places"] == [[0, 0], None]
    assert index["columns"]["link"] == ["episodes/0.jsonl:0", "episodes/0.jsonl:1"]
    assert index["fingerprint"] == {"max_steps": 50}
    assert index["summary"]["success"]["n"] == 2


def test_a_report_without_a_tokenizer_holds_messages(player: Any, tmp_path: Path) -> None:
    path = write_report([player.play(1)], tmp_path / "r.html", title="t")
    step = transcripts(path)[0]["s"][0]
    assert "c" not in step
    assert step["m"][0][0] == "system"


def test_a_text_of_megabytes_is_cut_and_the_rest_counted(player: Any, tmp_path: Path) -> None:
    step = player.play(1).steps[0]
    huge = replace(step, messages=(Message("user", "x" * 5_000_000),), tokens=None)
    path = write_report([replace(player.play(1), steps=(huge,))], tmp_path / "r.html", title="t")
    text = transcripts(path)[0]["s"][0]["m"][0][1]
    assert len(text) < LONGEST_TEXT + 100
    assert text.endswith(f"[{5_000_000 - LONGEST_TEXT:,} more characters are in the episode's file]")


def test_numbers_that_json_lacks_are_kept_as_words(player: Any, tmp_path: Path) -> None:
    played = player.play(1, steps=1)
    ids = played.steps[0].tokens.completion_ids
    tokens = Tokens((), ids, (float("-inf"),) + (0.0,) * (len(ids) - 1))
    step = replace(played.steps[0], reward=float("nan"), tokens=tokens)
    odd = replace(played, steps=(step,), rewards={"shaped": float("inf")})
    kept = transcripts(write_report([odd], tmp_path / "r.html", title="t", tokens_of=player.words.strings))[0]
    assert (kept["s"][0]["w"], kept["r"]["shaped"], kept["s"][0]["l"][0]) == ("nan", "inf", None)


def test_a_tokens_of_that_loses_tokens_is_refused_and_the_earlier_report_stays(player: Any, tmp_path: Path) -> None:
    path = tmp_path / "r.html"
    path.write_text("earlier")
    with pytest.raises(ValueError, match="one string for each id"):
        write_report([player.play(1)], path, title="t", tokens_of=lambda ids: ["x"])
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_run_and_an_episode_without_turns_have_a_report(tmp_path: Path) -> None:
    assert block(write_report([], tmp_path / "r.html", title="t"), "index")["places"] == []
    bare = Trajectory("a#0", "a", "heat", "train", ending="cancelled")
    assert block(write_report([bare], tmp_path / "r.html", title="t"), "index")["columns"]["ending"] == ["cancelled"]


def test_a_permalink_escapes_the_id() -> None:
    assert permalink("runs/a/report.html", "heat/1#0 ü") == "runs/a/report.html#heat%2F1%230%20%C3%BC"
