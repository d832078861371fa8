"""Throughput of the hf engine against lockstep `generate` and against TRL's own `environment_factory` loop.

    OMP_NUM_THREADS=1 python tests/benchmarks/hf_engine.py [--episodes 64] [--layers 4] [--width 128] [--rounds 1]

All three play the same generated ALFWorld games with the same model, token for token: what each samples is replaced by
the call that a player who wanders at random has made, so that no loop gains by its episodes being shorter. Everything
else is real: prompts through the chat template, the forward passes, the sampling, the parsing, the steps of the games.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TRL_EXPERIMENTAL_SILENCE="1", WANDB_MODE="disabled")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import tiny_models  # noqa: E402
import torch  # noqa: E402
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel, PreTrainedTokenizerFast  # noqa: E402
from transformers.utils import get_json_schema  # noqa: E402

import envs  # noqa: E402
from envs.alfworld.prompts import INSTRUCTIONS  # noqa: E402
from envs.protocol import Message  # noqa: E402
from rollout.engine import Sampling  # noqa: E402
from rollout.engines import hf  # noqa: E402
from rollout.engines.hf import HFEngine  # noqa: E402
from rollout.rendering import Renderer  # noqa: E402

LIMIT = 64
"""New tokens of a turn at most, in our loops; TRL's limit is the whole episode's."""

SIZE = "full"
"""Of the rooms."""

SPENT: Counter[str] = Counter()
"""Seconds of the processor by what they were spent on."""


@cache
def first_household() -> Any:
    """To be copied: drawing the tasks anew for every episode would be nobody's way."""
    return envs.make("alfworld", data="generated", size=SIZE, length=500).unwrapped


class Household:
    """A game as TRL wants environments: `reset`, and a method for each tool."""

    def __init__(self) -> None:
        self._env = copy.copy(first_household())

    def reset(self, task: str, **_: Any) -> str:
        with spent("environment"):
            return str(self._env.reset(seed=0, options={"task": task})[0])

    def act(self, command: str) -> str:
        """
        Carry out a command.

        Args:
            command: The command, such as "go to fridge 1".

        Returns:
            What happens.
        """
        with spent("environment"):
            return str(self._env.step(command)[0])


class Seconds(NamedTuple):
    """By the clock, and of the processor: on a machine that others use as well only the second is steady."""

    wall: float
    busy: float


@contextmanager
def spent(what: str) -> Iterator[None]:
    begin = time.thread_time()
    yield
    SPENT[what] += time.thread_time() - begin


class Scripts:
    """What is said in each episode, and which completion follows each prompt."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, renderer: Renderer, episodes: int) -> None:
        self.tasks = [str(task.id) for task in list(Household()._env.tasks)[:episodes]]
        self.after: dict[tuple[int, ...], list[int]] = {}
        self.turns: list[int] = []
        self.prompts: list[int] = []
        self.shown: list[int] = []
        for number, task in enumerate(self.tasks):
            rng, home = random.Random(number), Household()
            ids = renderer.open(opening(home.reset(task)))
            actions = rng.randint(12, 20)
            for turn in range(actions + 1):
                commands = home._env._info()["admissible_commands"]
                call = {"name": "act", "arguments": {"command": rng.choice(commands)}}
                said = f"<tool_call>\n{json.dumps(call)}\n</tool_call>" if turn < actions else "I give up."
                reply = [*tokenizer.encode(said), tokenizer.eos_token_id]
                self.after[tuple(ids)] = reply
                self.prompts.append(len(ids))
                shown = renderer.extend(reply, [answer(home.act(called(said)))]) if turn < actions else []
                self.shown.append(len(shown))
                ids = [*ids, *reply, *shown]
            self.turns.append(actions + 1)

    @property
    def tokens(self) -> int:
        return sum(map(len, self.after.values()))


def texts_of_games(games: int) -> Iterator[str]:
    """What other games than those played show, for the tokenizer to learn words from."""
    home = Household()
    for task in list(home._env.tasks)[-games:]:
        yield home.reset(task.id)
        for command in home._env._info()["admissible_commands"]:
            yield json.dumps({"name": "act", "arguments": {"command": command}})
            yield home.act(command)


def opening(observation: str) -> list[Message]:
    return [Message("system", INSTRUCTIONS), Message("user", observation)]


def answer(observation: str) -> Message:
    return Message("tool", observation, tool_call_id="call")


def called(said: str) -> str:
    call = json.loads(said.partition("<tool_call>")[2].partition("</tool_call>")[0])
    return str(call["arguments"]["command"])


class ScriptedEngine(HFEngine):
    """The hf engine, whose draws are made and then replaced by the script's."""

    scripts: Scripts

    def _step(self, batch: Any, copies: Any, version: int) -> tuple[list[int], list[float]]:
        with spent("step"):
            tokens, logprobs = super()._step(batch, copies, version)
        with spent("script"):
            for row, (request, chunk) in enumerate(batch):
                if chunk.end == len(request.ids):
                    tokens[row] = self._reply(request)[len(request.ids) - request.prompt]
        return tokens, logprobs

    @cache  # noqa: B019
    def _reply(self, request: hf.Request) -> list[int]:
        return self.scripts.after[tuple(request.ids[: request.prompt])]


class Script(LogitsProcessor):
    """The same for `generate`: all of the probability is the script's next token's."""

    def __init__(self, scripts: Scripts, prompts: Sequence[Sequence[int]], pad: int) -> None:
        self.replies = [scripts.after[tuple(prompt)] for prompt in prompts]
        self.pad, self.step = pad, 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        tokens = [reply[self.step] if self.step < len(reply) else self.pad for reply in self.replies]
        self.step += 1
        chosen = torch.full_like(scores, float("-inf"))
        chosen[torch.arange(len(tokens)), torch.tensor(tokens)] = 0.0
        return chosen


def ours(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, renderer: Renderer, scripts: Scripts) -> Seconds:
    """Each episode on its own clock, on the engine."""
    engine = ScriptedEngine(model, tokenizer, capacity=len(scripts.tasks))
    engine.scripts = scripts

    async def episode(number: int) -> None:
        home, name = Household(), str(number)
        with spent("template"):
            ids = renderer.open(opening(home.reset(scripts.tasks[number])))
        for turn in range(scripts.turns[number]):
            done = await engine.generate(name, ids, Sampling(max_new_tokens=LIMIT), turn)
            if turn == scripts.turns[number] - 1:
                break
            with spent("template"):
                text = renderer.decode(done.ids)
            shown = home.act(called(text))
            with spent("template"):
                ids = [*ids, *done.ids, *renderer.extend(done.ids, [answer(shown)])]
        await engine.release(name)

    async def everybody() -> None:
        await asyncio.gather(*(episode(number) for number in range(len(scripts.tasks))))
        await engine.close()

    return timed(lambda: asyncio.run(everybody()))


def lockstep(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, renderer: Renderer, scripts: Scripts
) -> Seconds:
    """(a): `generate` for all living episodes at once, from the whole prompts, padded on the left."""
    pad = tokenizer.pad_token_id

    def play() -> None:
        homes = {number: Household() for number in range(len(scripts.tasks))}
        ids = {n: renderer.open(opening(home.reset(scripts.tasks[n]))) for n, home in homes.items()}
        for turn in range(max(scripts.turns)):
            living = [n for n in homes if turn < scripts.turns[n]]
            replies = batch([ids[n] for n in living])
            for n, reply in zip(living, replies, strict=True):
                if turn < scripts.turns[n] - 1:
                    shown = homes[n].act(called(renderer.decode(reply)))
                    ids[n] = [*ids[n], *reply, *renderer.extend(reply, [answer(shown)])]

    def batch(prompts: list[list[int]]) -> list[list[int]]:
        width = max(map(len, prompts))
        padded = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        out = model.generate(
            padded,
            attention_mask=mask,
            max_new_tokens=LIMIT,
            do_sample=True,
            logits_processor=LogitsProcessorList([Script(scripts, prompts, pad)]),
        )
        rows = out[:, width:].tolist()
        return [row[: row.index(tokenizer.eos_token_id) + 1] for row in rows]

    return timed(play)


def trl_loop(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, scripts: Scripts) -> Seconds:
    """(b): the rollouts of TRL's GRPOTrainer with an `environment_factory`."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    start = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": ""}]
    rows = [{"prompt": start, "task": task} for task in scripts.tasks]
    seconds: list[Seconds] = []
    with TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            per_device_train_batch_size=len(rows),
            num_generations=2,
            max_completion_length=3000,
            max_tool_calling_iterations=100,
            generation_kwargs={"max_length": None},
        )
        trainer = GRPOTrainer(
            model=model,
            args=config,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list(rows),
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            environment_factory=Household,
        )
        generate, rollouts = model.generate, trainer._generate

        def scripted(*args: Any, **kwargs: Any) -> torch.Tensor:
            masks = kwargs["attention_mask"].bool()
            prompts = [row[mask].tolist() for row, mask in zip(kwargs["input_ids"], masks, strict=True)]
            script = Script(scripts, prompts, tokenizer.pad_token_id)
            return generate(*args, **kwargs, logits_processor=LogitsProcessorList([script]))

        def timed_rollouts(prompts: Any) -> Any:
            results: list[Any] = []
            seconds.append(timed(lambda: results.append(rollouts(prompts))))
            sampled = sum(sum(mask) for mask in results[0][2])
            assert sampled == scripts.tokens, f"TRL's loop sampled {sampled} tokens, not {scripts.tokens}"
            return results[0]

        model.generate, trainer._generate = scripted, timed_rollouts
        model.train()
        trainer._generate_and_score_completions(rows)
        model.generate = generate
        model.eval()
    return seconds[0]


def timed(work: Callable[[], None]) -> Seconds:
    wall, busy = time.perf_counter(), time.process_time()
    work()
    return Seconds(time.perf_counter() - wall, time.process_time() - busy)


def watch(module: Any, name: str, what: str) -> None:
    """Count the time of a function."""
    real = getattr(module, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        with spent(what):
            return real(*args, **kwargs)

    setattr(module, name, watched)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default in (("episodes", 64), ("layers", 4), ("width", 128), ("rounds", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(1)
    schema = get_json_schema(Household.act)
    # TRL parses calls by the stock template only; this one keeps history as it is.
    tokenizer = tiny_models.tokenizer("qwen2_5", (INSTRUCTIONS, json.dumps(schema), *texts_of_games(20)))
    model = tiny_models.model(layers=options.layers, width=options.width, vocab_size=len(tokenizer))
    renderer = Renderer(tokenizer, [schema])
    scripts = Scripts(tokenizer, renderer, options.episodes)
    size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    turns = len(scripts.prompts)
    print(f"{size:.2f} M parameters, {options.episodes} episodes, {turns} turns, {scripts.tokens} sampled tokens")
    print(
        f"a turn samples {scripts.tokens / turns:.0f} tokens after {sum(scripts.prompts) / turns:.0f} "
        f"({min(scripts.prompts)} to {max(scripts.prompts)}), and is shown {sum(scripts.shown) / turns:.0f} new ones"
    )
    watch(hf, "forward", "forward")
    watch(hf, "draw", "sampling")
    for _ in range(options.rounds):
        SPENT.clear()
        mine = ours(model, tokenizer, renderer, scripts)
        shares = SPENT.copy()
        rivals = {
            "lockstep generate": lockstep(model, tokenizer, renderer, scripts),
            "TRL environment_factory": trl_loop(model, tokenizer, scripts),
        }
        report("hf engine", mine, scripts.tokens, mine)
        for name, seconds in rivals.items():
            report(name, seconds, scripts.tokens, mine)
        shares["engine besides"] = shares.pop("step") - shares["forward"] - shares["sampling"]
        shares["event loop"] = mine.busy - shares.total()
        print("  hf engine's time:", ", ".join(f"{k} {v / mine.busy:.1%}" for k, v in shares.most_common()))


def report(name: str, seconds: Seconds, tokens: int, mine: Seconds) -> None:
    print(
        f"  {name:24} {seconds.wall:7.2f} s (processor {seconds.busy:7.2f} s) {tokens / seconds.wall:7.0f} tokens/s   "
        f"{seconds.wall / mine.wall:5.2f} x our time (processor {seconds.busy / mine.busy:5.2f} x)"
    )


if __name__ == "__main__":
    main()
