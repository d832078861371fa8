"""Code that does not end by itself is ended, and nothing else is."""

from __future__ import annotations

import threading
import time

import pytest
import tiny_models

from rollout.errors import ModelError
from rollout.rendering import Renderer
from rollout.time_limit import Overdue, time_limit


def endless() -> None:
    while True:
        pass


def test_an_endless_loop_is_ended() -> None:
    with pytest.raises(Overdue), time_limit(0.05):
        endless()


def test_what_ends_in_time_is_left_alone_and_so_is_what_follows() -> None:
    for _ in range(100):
        with time_limit(60):
            sum(range(100))
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        sum(range(100))


def test_only_the_thread_that_is_overdue_is_ended() -> None:
    ended: list[str] = []

    def work(name: str, seconds: float, loops: bool) -> None:
        try:
            with time_limit(seconds):
                if loops:
                    endless()
        except Overdue:
            ended.append(name)

    threads = [threading.Thread(target=work, args=("bad", 0.05, True))]
    threads += [threading.Thread(target=work, args=(f"good {number}", 60, False)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert ended == ["bad"]


def test_an_endless_chat_template_is_refused_when_the_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollout.rendering.LIMIT", 0.1)
    tokenizer = tiny_models.tokenizer()
    loop = "{% for i in range(99999) %}{% for j in range(99999) %}{% set x = i * j %}{% endfor %}{% endfor %}"
    tokenizer.chat_template = loop + tokenizer.chat_template
    with pytest.raises(ModelError, match="chat template has not ended"):
        Renderer(tokenizer)
