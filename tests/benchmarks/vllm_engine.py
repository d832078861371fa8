"""Throughput of the vllm engine against the hf engine, lockstep vLLM, TRL's own loop with vLLM, and vLLM alone.

    OMP_NUM_THREADS=1 python tests/benchmarks/vllm_engine.py [--episodes 64] [--alive 64] [--places 8] ...

All play the same generated ALFWorld games with the same model, token for token, as in `hf_engine.py`: what is sampled
is replaced by a script. It thinks before each call, for a number of words drawn from an exponential distribution, and
gives up after 3 to 20 actions, the default run's limit (`--actions`). Nobody has more than `places` in a step. The vllm
engine keeps `alive` episodes going, so that others wait when one has answered; lockstep plays them in batches of
`places`; TRL's loop has all of them alive, and its turn ends when the slowest of all has answered. "vLLM alone" gets
every request of every episode at once, the short ones first, and never waits for a game. A step is a forward pass of
vLLM: on a CPU most of its time grows with the tokens in the batch, which all have in common; on a GPU it hardly does,
and time goes by steps.

A machine's speed changes within a minute by more than the engine and vLLM alone differ. So these two, with a vLLM each,
run beside each other in slices of half a second, one of them at a time, and only its own slices count; `rounds` times,
each of them first in every second one. What counts is the geometric mean of the rounds' ratios, with its 95% interval.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryDirectory
from typing import Any

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"

import hf_engine as base
import tiny_models
import torch
from hf_engine import Household, Seconds, answer, called, opening, timed
from scipy.stats import t
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import get_json_schema

from envs.alfworld.prompts import INSTRUCTIONS
from rollout.engine import Engine, Sampling
from rollout.engines.vllm import VLLMEngine
from rollout.engines.vllm_core import BLOCK, parameters
from rollout.rendering import Renderer

LIMIT = 256
"""New tokens of a turn at most."""

LAST = ("move", "put", "use")
"""How a command begins that may be a game's last."""

SLICE = 0.5
"""Seconds that one runs while the other waits."""

STEPS: Counter[str] = Counter()
"""Forward passes of each vLLM so far."""


class Scripts(base.Scripts):
    """What is said in each episode, thoughts included, and which completion follows each prompt."""

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, renderer: Renderer, episodes: int, actions: int, thoughts: float
    ) -> None:
        self.tasks = [str(task.id) for task in list(Household()._env.tasks)[:episodes]]
        self.after: dict[tuple[int, ...], list[int]] = {}
        self.turns: list[int] = []
        for number, task in enumerate(self.tasks):
            rng, home = random.Random(number), Household()
            ids = renderer.open(opening(home.reset(task)))
            last = rng.randint(actions // 6, actions)
            for turn in range(last + 1):
                # None that could solve the game, and end it before its script does.
                commands = [one for one in home._env._info()["admissible_commands"] if not one.startswith(LAST)]
                call = {"name": "act", "arguments": {"command": rng.choice(commands)}}
                thought = " look" * min(int(rng.expovariate(1 / thoughts)), LIMIT - 64)
                said = f"<tool_call>\n{json.dumps(call)}\n</tool_call>" if turn < last else "I give up."
                reply = [*tokenizer.encode(f"I{thought}. {said}"), tokenizer.eos_token_id]
                self.after[tuple(ids)] = reply
                shown = renderer.extend(reply, [answer(home.act(called(said)))]) if turn < last else []
                ids = [*ids, *reply, *shown]
            self.turns.append(last + 1)


class Turns:
    """Lets one of several threads run at a time, for a slice, and counts what each has run.

    Attributes:
        wall: seconds of each, by its name.
    """

    def __init__(self, *names: str) -> None:
        self.wall = dict.fromkeys(names, 0.0)
        self._left, self._changed = list(names), threading.Condition()
        self._since = time.perf_counter()

    def next(self, name: str) -> None:
        """Go on if it is one's turn and the slice is not over; else wait for the next."""
        with self._changed:
            if self._left[0] == name and len(self._left) > 1 and time.perf_counter() - self._since > SLICE:
                self._pass_on(name)
                self._left.append(name)
            self._changed.wait_for(lambda: self._left[0] == name)

    def leave(self, name: str) -> None:
        """Nothing is left to do."""
        with self._changed:
            self._changed.wait_for(lambda: self._left[0] == name)
            self._pass_on(name)

    def _pass_on(self, name: str) -> None:
        now = time.perf_counter()
        self.wall[name] += now - self._since
        self._left.remove(name)
        self._since = now
        self._changed.notify_all()


def beside(works: dict[str, Callable[[], object]], engines: dict[str, VLLMEngine]) -> dict[str, float]:
    """Each in a thread, its vLLM stepping in its slices only. Returns the seconds of each."""
    turns = Turns(*works)

    def sliced(name: str, step: Callable[[], Any]) -> Callable[[], Any]:
        def in_turn() -> Any:
            turns.next(name)
            return step()

        return in_turn

    def run(name: str) -> None:
        try:
            turns.next(name)
            works[name]()
        finally:
            turns.leave(name)

    with ThreadPoolExecutor(len(works)) as pool:
        free = {name: engine._llm.step for name, engine in engines.items()}
        for name, engine in engines.items():
            engine._llm.step = sliced(name, free[name])  # type: ignore[method-assign]
        for done in [pool.submit(run, name) for name in works]:
            done.result()
        for name, engine in engines.items():
            engine._llm.step = free[name]  # type: ignore[method-assign]
    return turns.wall


def follow(name: str, llm: Any, scripts: Scripts) -> None:
    """Have vLLM say what the script says: its draws are made and then replaced. Counts its steps by its name."""
    runner = llm.engine_core.engine_core.model_executor.driver_worker.model_runner
    real, replies = runner._sample, {}

    def sample(logits: Any, spec: Any) -> Any:
        out = real(logits, spec)
        tokens = []
        for request in runner.input_batch.req_ids:
            state = runner.requests[request]
            if request not in replies:
                replies[request] = scripts.after[tuple(state.prompt_token_ids)]
            reply = replies[request]
            tokens.append([reply[min(len(state.output_token_ids), len(reply) - 1)]])
        out.sampled_token_ids = torch.tensor(tokens, dtype=out.sampled_token_ids.dtype)
        return out

    runner._sample = sample
    step = llm.step

    def counted() -> Any:
        STEPS[name] += 1
        return step()

    llm.step = counted


def play(engine: Engine, renderer: Renderer, scripts: Scripts) -> Seconds:
    """Each episode on its own clock, the next when one has ended."""
    alive = asyncio.Semaphore(engine.capacity)

    async def episode(number: int) -> None:
        async with alive:
            await turns(number)

    async def turns(number: int) -> None:
        home, name = Household(), str(number)
        ids = renderer.open(opening(home.reset(scripts.tasks[number])))
        for turn in range(scripts.turns[number]):
            done = await engine.generate(name, ids, Sampling(max_new_tokens=LIMIT), turn)
            assert list(done.ids) == scripts.after[tuple(ids)]
            if turn < scripts.turns[number] - 1:
                shown = home.act(called(renderer.decode(done.ids)))
                ids = [*ids, *done.ids, *renderer.extend(done.ids, [answer(shown)])]
        await engine.release(name)

    async def everybody() -> None:
        await asyncio.gather(*(episode(number) for number in range(len(scripts.tasks))))

    return timed(lambda: asyncio.run(everybody()))


def batch(engine: VLLMEngine, prompts: list[list[int]]) -> list[list[int]]:
    """vLLM alone, in the thread that it lives in: requests in, and steps until the last has ended."""

    def work() -> list[list[int]]:
        from vllm.inputs import tokens_input

        llm, replies = engine._llm, {}
        for number, ids in enumerate(prompts):
            sampling = parameters(Sampling(max_new_tokens=LIMIT), number, LIMIT, engine.stop_ids)
            llm.add_request(str(number), tokens_input(ids), sampling)
        while llm.has_unfinished_requests():
            for output in llm.step():
                replies[int(output.request_id)] = list(output.outputs[0].token_ids)
        return [replies[number] for number in range(len(prompts))]

    return asyncio.run(engine._order(work))


def lockstep(engine: VLLMEngine, renderer: Renderer, scripts: Scripts, places: int) -> Seconds:
    """A batch a turn: the next turn begins when the slowest has answered, the next batch when the longest has ended."""

    def batches() -> None:
        for begin in range(0, len(scripts.tasks), places):
            turns(range(begin, min(begin + places, len(scripts.tasks))))

    def turns(numbers: range) -> None:
        homes = {number: Household() for number in numbers}
        ids = {n: renderer.open(opening(home.reset(scripts.tasks[n]))) for n, home in homes.items()}
        for turn in range(max(scripts.turns[n] for n in numbers)):
            living = [n for n in homes if turn < scripts.turns[n]]
            for n, reply in zip(living, batch(engine, [ids[n] for n in living]), strict=True):
                if turn < scripts.turns[n] - 1:
                    shown = homes[n].act(called(renderer.decode(reply)))
                    ids[n] = [*ids[n], *reply, *renderer.extend(reply, [answer(shown)])]

    return timed(batches)


def replay(engine: VLLMEngine, scripts: Scripts) -> Seconds:
    """Every request at once, the shortest prompts first, so that each finds its prefix."""
    prompts = sorted(map(list, scripts.after), key=len)
    return timed(lambda: batch(engine, prompts))


def trl_loop(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, scripts: Scripts, places: int) -> Seconds:
    """The rollouts of TRL's GRPOTrainer with an `environment_factory` and `vllm_mode="colocate"`.

    TRL's settings for vLLM are for a GPU: what a CPU needs is put in their place, and the sync, which does not work
    there and would be none here, is left out.
    """
    import trl.generation.vllm_generation as generation
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    real = generation.LLM

    def on_a_cpu(**settings: Any) -> Any:
        del settings["distributed_executor_backend"], settings["gpu_memory_utilization"]
        here = {"dtype": "float32", "enforce_eager": True, "block_size": BLOCK, "kv_cache_memory_bytes": 1 << 30}
        llm = real(**settings | here | {"max_num_seqs": places})
        follow("TRL", llm.llm_engine, scripts)
        return llm

    start = [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": ""}]
    rows = [{"prompt": start, "task": task} for task in scripts.tasks]
    seconds: list[Seconds] = []
    generation.LLM = on_a_cpu
    with TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to="none",
            per_device_train_batch_size=len(rows),
            num_generations=2,
            max_completion_length=6000,
            max_tool_calling_iterations=100,
            use_vllm=True,
            vllm_mode="colocate",
            vllm_max_model_length=8192,
        )
        trainer = GRPOTrainer(
            model=model,
            args=config,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list(rows),
            reward_funcs=lambda completions, **_: [0.0] * len(completions),
            environment_factory=Household,
        )
        rollouts = trainer._generate

        def timed_rollouts(prompts: Any) -> Any:
            results: list[Any] = []
            seconds.append(timed(lambda: results.append(rollouts(prompts))))
            sampled = sum(sum(mask) for mask in results[0][2])
            assert sampled == scripts.tokens, f"TRL's loop sampled {sampled} tokens, not {scripts.tokens}"
            return results[0]

        trainer.vllm_generation.sync_weights = lambda: None
        trainer._generate = timed_rollouts
        model.train()
        trainer._generate_and_score_completions(rows)
        model.eval()
    generation.LLM = real
    return seconds[0]


def ratio(ours: list[float], theirs: list[float]) -> str:
    """Their seconds by ours, a pair a round, with the 95% interval (Student's t)."""
    logs = [math.log(their / our) for our, their in zip(ours, theirs, strict=True)]
    mean = statistics.fmean(logs)
    if len(logs) == 1:
        return f"{math.exp(mean):.1%}"
    far = float(t.ppf(0.975, len(logs) - 1)) * statistics.stdev(logs) / math.sqrt(len(logs))
    return f"{math.exp(mean):.1%} ({math.exp(mean - far):.1%} to {math.exp(mean + far):.1%})"


NUMBERS = (
    ("episodes", 64, "that are played"),
    ("alive", 64, "episodes that the vllm engine keeps going"),
    ("places", 8, "requests in a step at most"),
    ("actions", 20, "of an episode at most"),
    ("thoughts", 24, "words before a call, on average"),
    ("layers", 4, "of the model"),
    ("width", 128, "of the model"),
    ("rounds", 6, "of the engine and vLLM alone beside each other"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default, what in NUMBERS:
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what} (default: {default})")
    parser.add_argument("--size", default="tiny", help="of the rooms: tiny, as the default run plays, to full")
    parser.add_argument("--without-trl", action="store_true", help="leave out TRL's loop")
    options = parser.parse_args()
    base.SIZE = options.size
    torch.set_num_threads(1)
    schema = get_json_schema(Household.act)
    tokenizer = tiny_models.tokenizer("qwen2_5", (INSTRUCTIONS, json.dumps(schema), *base.texts_of_games(20)))
    shape = {"layers": options.layers, "width": options.width, "max_position_embeddings": 8192}
    model = tiny_models.model(vocab_size=len(tokenizer), **shape)
    renderer = Renderer(tokenizer, [schema])
    scripts = Scripts(tokenizer, renderer, options.episodes, options.actions, options.thoughts)
    size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    print(f"{size:.2f} M parameters, {options.episodes} episodes, {len(scripts.after)} turns, {scripts.tokens} tokens")
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        model.name_or_path = folder
        ours, bare = "vllm engine", "vLLM alone, all at once"
        engines = {}
        for name in (ours, bare):
            engines[name] = VLLMEngine(folder, capacity=options.alive, max_num_seqs=options.places, max_length=8192)
            follow(name, engines[name]._llm, scripts)
            replay(engines[name], scripts)  # whoever is the first to write to fresh memory is slower
        engine = engines[ours]
        hf = base.ScriptedEngine(model, tokenizer, capacity=options.places, max_length=8192)
        hf.scripts = scripts
        contest: dict[str, Callable[[], Seconds]] = {
            ours: lambda: play(engine, renderer, scripts),
            "vLLM in lockstep": lambda: lockstep(engine, renderer, scripts, options.places),
            "hf engine": lambda: play(hf, renderer, scripts),
        }
        if not options.without_trl:
            contest["TRL's loop with vLLM"] = lambda: trl_loop(model, tokenizer, scripts, options.places)
        mine: Seconds | None = None
        for name, run in contest.items():
            engine._llm.reset_prefix_cache()
            try:
                seconds = run()
            except Exception as error:
                if name != "TRL's loop with vLLM":
                    raise
                print(f"  {name:24} could not run: {type(error).__name__}: {error}")
                continue
            mine = mine or seconds
            base.report(name, seconds, scripts.tokens, mine)
        works = {ours: contest[ours], bare: lambda: replay(engines[bare], scripts)}
        rounds: list[dict[str, float]] = []
        for number in range(options.rounds):
            STEPS.clear()
            for one in engines.values():
                one._llm.reset_prefix_cache()
            order = list(works)[:: (-1) ** number]
            rounds.append(taken := beside({name: works[name] for name in order}, engines))
            said = (f"{name} {taken[name]:.2f} s, {STEPS[name]} steps" for name in works)
            print("  beside each other:", "; ".join(said), flush=True)
        share = ratio([taken[ours] for taken in rounds], [taken[bare] for taken in rounds])
        print(f"  the engine does {share} of what vLLM alone does", flush=True)


if __name__ == "__main__":
    main()
