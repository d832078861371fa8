"""Throughput of the vllm engine against the hf engine, lockstep vLLM, TRL's own loop with vLLM, and vLLM alone.

    OMP_NUM_THREADS=1 python tests/benchmarks/vllm_engine.py [--episodes 64] [--alive 64] [--places 8] ...

All play the same generated ALFWorld games with the same model, token for token, as in `hf_engine.py`: what is sampled
is replaced by a script. It thinks before each call, for a number of words drawn from an exponential distribution, and
gives up after 3 to 20 actions, the default run's limit (`--actions`). Nobody has more than `places` in a step. The vllm
engine keeps `alive` episodes going, so that others wait when one has answered; lockstep plays them in batches of
`places`; TRL's loop has all of them alive, and its turn ends when the slowest of all has answered. "vLLM alone" gets
every request of every episode at once, the short ones first, and never waits for a game. A step is a forward pass of
vLLM: on a CPU most of its time grows with the tokens in the batch, which all have in common; on a GPU it hardly does,
and time goes by steps. The engine and vLLM alone, whose times are close, play `rounds` rounds by turns, and the median
of each counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"

import hf_engine as base
import tiny_models
import torch
from hf_engine import Household, Seconds, answer, called, opening, timed
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

STEPS = 0
"""Forward passes of vLLM so far."""


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


def follow(llm: Any, scripts: Scripts) -> None:
    """Have vLLM say what the script says: its draws are made and then replaced."""
    runner = llm.engine_core.engine_core.model_executor.driver_worker.model_runner
    real, replies = runner._sample, {}

    def sample(logits: Any, spec: Any) -> Any:
        out = real(logits, spec)
        tokens = []
        for name in runner.input_batch.req_ids:
            state = runner.requests[name]
            if name not in replies:
                replies[name] = scripts.after[tuple(state.prompt_token_ids)]
            reply = replies[name]
            tokens.append([reply[min(len(state.output_token_ids), len(reply) - 1)]])
        out.sampled_token_ids = torch.tensor(tokens, dtype=out.sampled_token_ids.dtype)
        return out

    runner._sample = sample
    step = llm.step

    def counted() -> Any:
        global STEPS
        STEPS += 1
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
        llm, replies = engine._llm, {}
        for number, ids in enumerate(prompts):
            sampling = parameters(Sampling(max_new_tokens=LIMIT), number, LIMIT, engine.stop_ids)
            llm.add_request(str(number), {"prompt_token_ids": ids}, sampling)
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
        follow(llm.llm_engine, scripts)
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


NUMBERS = (
    ("episodes", 64),
    ("alive", 64),
    ("places", 8),
    ("actions", 20),
    ("thoughts", 24),
    ("layers", 4),
    ("width", 128),
    ("rounds", 3),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default in NUMBERS:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--size", default="tiny", help="of the rooms: tiny, as the default run plays, to full")
    parser.add_argument("--without-trl", action="store_true")
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
        engine = VLLMEngine(folder, capacity=options.alive, max_num_seqs=options.places, max_length=8192)
        follow(engine._llm, scripts)
        hf = base.ScriptedEngine(model, tokenizer, capacity=options.places, max_length=8192)
        hf.scripts = scripts
        contest: dict[str, Callable[[], Seconds]] = {
            "vllm engine": lambda: play(engine, renderer, scripts),
            "vLLM alone, all at once": lambda: replay(engine, scripts),
            "vLLM in lockstep": lambda: lockstep(engine, renderer, scripts, options.places),
            "hf engine": lambda: play(hf, renderer, scripts),
        }
        if not options.without_trl:
            contest["TRL's loop with vLLM"] = lambda: trl_loop(model, tokenizer, scripts, options.places)
        replay(engine, scripts)  # whoever is the first to write to fresh memory is slower
        taken: dict[str, list[Seconds]] = {name: [] for name in contest}
        for name in [*contest, *list(contest)[:2] * (options.rounds - 1)]:
            engine._llm.reset_prefix_cache()
            before = STEPS
            try:
                taken[name].append(contest[name]())
            except Exception as error:
                if name != "TRL's loop with vLLM":
                    raise
                print(f"  {name:24} could not run: {type(error).__name__}: {error}")
                continue
            mine = taken["vllm engine"][-1]
            base.report(f"{name}, {STEPS - before} steps", taken[name][-1], scripts.tokens, mine)
            sys.stdout.flush()
        medians = {name: statistics.median(one.wall for one in seconds) for name, seconds in taken.items() if seconds}
        median = medians.pop("vllm engine")
        print("  medians:", ", ".join(f"{name} {wall / median:.2f} x our time" for name, wall in medians.items()))
        share = medians["vLLM alone, all at once"] / median
        print(f"  the engine does {share:.1%} of what vLLM alone does", flush=True)


if __name__ == "__main__":
    main()
