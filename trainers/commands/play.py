"""`train-agent play`: a person, or the expert, plays one task in the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

import envs
from configs import PlayConfig
from envs import TextEnv
from trainers.line_editor import SQL, LineEditor

_HELP = "Type a command. `?` lists the admissible ones, `quit` ends."
_KEYS = " Tab completes, and the arrow keys bring back what you have typed."
_NO_LIST = "This environment has no list of commands. What it takes: "


def play(config: PlayConfig) -> int:
    """Play one task. Returns 0 if it was solved or the player left, 1 if the expert failed."""
    split = {} if config.split is None else {"split": config.split}
    env = envs.make(config.env, **split, **config.env_args)
    try:
        session = _Session(env, Console(highlight=False, soft_wrap=True), as_json=config.json)
        session.start(config.seed, config.task)
        if config.expert or config.json:
            return 0 if session.watch() else 1
        session.ask()
        return 0
    finally:
        env.close()


class _Session:
    """One episode on a terminal."""

    def __init__(self, env: TextEnv[Any], console: Console, *, as_json: bool) -> None:
        self._env = env
        self._console = console
        self._json = as_json
        self._steps = 0
        self._over = False
        self._return = 0.0

    def start(self, seed: int, task: str | None) -> None:
        options = None if task is None else {"task": task}
        self._observation, self._info = self._env.reset(seed=seed, options=options)
        if self._json:
            self._emit(None)
            return
        self._console.print(Text(f"{self._info['task']} ({self._info['task_type']})", style="dim"))
        self._console.print(Text(self._observation))

    def watch(self) -> bool:
        """Let the expert play to the end; whether it won."""
        expert = self._env.expert()
        expert.reset(self._observation, self._info)
        while not self._over:
            action = expert.act(self._observation, self._info)
            if not self._json:
                self._console.print(Text(f"\n{self._prompt()}{action}", style="bold cyan"))
            self._step(action)
        return self._finish()

    def ask(self) -> None:
        """Let a person play until the end, end of file, or `quit`."""
        editor = LineEditor()
        self._console.print(Text(f"\n{_HELP}{_KEYS if editor.edits else ''}", style="dim"))
        while not self._over:
            editor.offer(*self._offered())
            self._console.print()
            try:
                typed = editor.ask(self._prompt())
            except EOFError:
                break
            if typed in ("quit", "exit"):
                break
            if typed == "?":
                self._list()
            elif typed:
                self._step(typed)
        self._finish()

    def _prompt(self) -> str:
        """With the number of the step that comes, and how many there may be."""
        return f"[{self._steps + 1}/{self._env.max_steps}] > "

    def _offered(self) -> tuple[Sequence[str], Sequence[str]]:
        """Lines to complete; words where the environment has no list of commands."""
        words = SQL if "sql" in self._info else ()
        starts = [start for tool in self._env.tools if (start := tool.action.partition("{")[0])]
        return self._info.get("admissible_commands") or (), (*words, *starts)

    def _step(self, action: str) -> None:
        self._observation, reward, terminated, truncated, self._info = self._env.step(action)
        self._steps += 1
        self._return += float(reward)
        self._over = terminated or truncated
        if self._json:
            self._emit(action)
        else:
            self._console.print(Text(self._observation))

    def _list(self) -> None:
        commands = self._info.get("admissible_commands")
        if commands is None:
            commands = [_NO_LIST + "; ".join(tool.action.format(tool.argument.upper()) for tool in self._env.tools)]
        for command in commands:
            self._console.print(Text(f"  {command}", style="green"))

    def _finish(self) -> bool:
        won = self._env.solved()
        if not self._json:
            verdict = "Solved" if won else "Not solved"
            style = "bold green" if won else "bold red"
            self._console.print(Text(f"\n{verdict} in {self._steps} steps; return {self._return:g}.", style=style))
        return won

    def _emit(self, action: str | None) -> None:
        line = {"step": self._steps, "action": action, "observation": self._observation, "return": self._return}
        sys.stdout.write(json.dumps({**line, "over": self._over, **self._info}, ensure_ascii=False) + "\n")
