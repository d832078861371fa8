"""The hf engine: the same tokens as `generate`, whoever else is in the batch, whatever is kept, whatever fails."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
import tiny_models
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from rollout.engine import Completion, ContextOverflow, EngineError, Sampling
from rollout.engines import attention, forward, hf
from rollout.engines.hf import HFEngine
from rollout.errors import ModelError

T = TypeVar("T")
GREEDY = Sampling(temperature=0, max_new_tokens=8)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 300))


def words(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(10, 700) for _ in range(count)]


def plain_logprobs(model: PreTrainedModel, prompt: Sequence[int], completion: Completion) -> list[float]:
    """What a trainer computes: one forward pass over everything."""
    ids = torch.tensor([[*prompt, *completion.ids]])
    with torch.no_grad():
        table = model(ids).logits[0].log_softmax(-1)
    return [table[len(prompt) - 1 + i, token].item() for i, token in enumerate(completion.ids)]


def plain_greedy(model: PreTrainedModel, prompt: Sequence[int], limit: int, stop: Sequence[int]) -> list[int]:
    ids = torch.tensor([list(prompt)])
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=limit,
        do_sample=False,
        eos_token_id=sorted(stop) or None,
        pad_token_id=0,
    )
    return out[0, len(prompt) :].tolist()


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[int]]]:
    """The numbers of new tokens of each row, forward by forward."""
    widths: list[list[int]] = []
    real = forward.forward

    def count(model: Any, cache: Any, chunks: Any) -> torch.Tensor:
        widths.append([len(chunk.ids) for chunk in chunks])
        return real(model, cache, chunks)

    with monkeypatch.context() as patch:
        patch.setattr(hf, "forward", count)
        yield widths


async def play(
    engine: HFEngine, name: str, turns: int, rng: random.Random, sampling: Sampling = GREEDY
) -> list[tuple[list[int], Completion]]:
    """One episode: its prompts and completions."""
    ids, seen = words(rng, rng.randint(5, 60)), []
    for turn in range(turns):
        done = await engine.generate(name, ids, sampling, seed=1000 * turn + len(name))
        seen.append((ids, done))
        ids = [*ids, *done.ids, *words(rng, rng.randint(1, 30))]
    await engine.release(name)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("attend", [attention.by_row, attention.by_rectangle])
def test_greedy_tokens_equal_those_of_generate_on_200_prompts_of_many_turns(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    attend: Callable[..., torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attention, "by_row", attend)
    engine = HFEngine(model, tokenizer, capacity=7, max_length=1024)

    async def everybody() -> list[list[tuple[list[int], Completion]]]:
        return await asyncio.gather(*(play(engine, f"e{i}", 10, random.Random(i)) for i in range(20)))

    turns = [turn for episode in run(everybody()) for turn in episode]
    assert len(turns) == 200
    for prompt, done in turns:
        assert list(done.ids) == plain_greedy(model, prompt, 8, engine.stop_ids)
        assert done.finish == ("stop" if done.ids[-1] in engine.stop_ids else "length")
        assert done.logprobs == pytest.approx(plain_logprobs(model, prompt, done), abs=1e-4)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_kept_never_changes_what_is_drawn(model: PreTrainedModel, data: st.DataObject) -> None:
    """Prompts that grow, diverge, shrink and are shared, over fewer slots than episodes, against no cache at all."""
    words_ = st.lists(st.integers(10, 14), min_size=1, max_size=25)
    kept = HFEngine(model, tiny_models.tokenizer(), capacity=3, max_length=256)
    sampling = Sampling(temperature=data.draw(st.sampled_from([0.0, 1.0])), max_new_tokens=4)
    prompts: dict[str, list[int]] = {}
    asked: list[tuple[list[int], int, Completion]] = []

    async def turns() -> None:
        for seed in range(data.draw(st.integers(1, 6))):
            names = data.draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=5, unique=True))
            for name in names:
                old = prompts.get(name, [])
                prompts[name] = old[: data.draw(st.integers(0, len(old)))] + data.draw(words_)
            done = await asyncio.gather(*(kept.generate(name, prompts[name], sampling, seed) for name in names))
            for name, completion in zip(names, done, strict=True):
                asked.append((list(prompts[name]), seed, completion))
                prompts[name] += completion.ids
            if data.draw(st.booleans()):
                await kept.release(names[0])

    run(turns())
    for prompt, seed, completion in asked:
        alone = run(HFEngine(model, tiny_models.tokenizer(), capacity=1).generate("x", prompt, sampling, seed))
        assert completion.ids == alone.ids
        assert completion.logprobs == pytest.approx(alone.logprobs, abs=1e-4)


def test_a_request_draws_the_same_whatever_else_is_in_the_batch(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    rng = random.Random(3)
    rules = [
        Sampling(max_new_tokens=12),
        Sampling(temperature=0.7, top_p=0.9, max_new_tokens=12),
        Sampling(temperature=1.3, top_k=20, max_new_tokens=12),
        Sampling(temperature=0, max_new_tokens=12),
    ]
    asked = [(f"e{i}", words(rng, rng.randint(3, 80)), rules[i % 4], i) for i in range(24)]
    together = HFEngine(model, tokenizer, capacity=16)

    async def crowd() -> list[Completion]:
        return await asyncio.gather(*(together.generate(*request) for request in asked))

    for request, done in zip(asked, run(crowd()), strict=True):
        alone = run(HFEngine(model, tokenizer, capacity=1).generate(*request))
        assert alone.ids == done.ids
        assert alone.logprobs == pytest.approx(done.logprobs, abs=1e-4)
    assert len({run(together.generate("s", asked[0][1], rules[0], seed)).ids for seed in range(5)}) == 5


def test_a_turn_computes_only_its_new_tokens_and_a_shared_beginning_is_computed_once(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = HFEngine(model, tokenizer, capacity=8, max_length=512)
    rng = random.Random(0)
    start = words(rng, 150)

    async def turn(prompts: list[list[int]]) -> list[Completion]:
        sampling = Sampling(temperature=0, max_new_tokens=4)
        return await asyncio.gather(*(engine.generate(str(i), p, sampling, 0) for i, p in enumerate(prompts)))

    with counted(monkeypatch) as widths:
        prompts = [[*start, 10 + i, *words(rng, 9)] for i in range(8)]
        done = run(turn(prompts))
        assert sum(map(sum, widths)) == 160 + 7 * 10 + sum(len(d.ids) - 1 for d in done)
        widths.clear()
        later = [[*p, *d.ids, *words(rng, 20)] for p, d in zip(prompts, done, strict=True)]
        done = run(turn(later))
        # The last sampled token of the turn before has never been through the model.
        assert sum(map(sum, widths)) == 8 * 21 + sum(len(d.ids) - 1 for d in done)


def test_a_prompt_longer_than_a_forward_pass_is_computed_in_parts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hf, "STEP_TOKENS", 32)
    engine = HFEngine(model, tokenizer, capacity=3, max_length=512)
    prompts = [words(random.Random(i), 90) for i in range(3)]

    async def all_three() -> list[Completion]:
        return await asyncio.gather(*(engine.generate(str(i), p, GREEDY, 0) for i, p in enumerate(prompts)))

    with counted(monkeypatch) as widths:
        done = run(all_three())
    assert max(map(sum, widths)) <= 32
    for prompt, completion in zip(prompts, done, strict=True):
        assert list(completion.ids) == plain_greedy(model, prompt, 8, engine.stop_ids)


def test_requests_join_and_leave_at_any_token(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    engine = HFEngine(model, tokenizer, capacity=2, max_length=512)
    engine.stop_ids = frozenset()
    ended: list[str] = []

    async def ask(name: str, tokens: int) -> None:
        await engine.generate(name, [10, 11, 12], Sampling(max_new_tokens=tokens), 0)
        ended.append(name)

    async def one_long_and_many_short() -> None:
        await asyncio.gather(ask("long", 60), *(ask(f"short{i}", 5) for i in range(6)))

    run(one_long_and_many_short())
    assert ended == [*(f"short{i}" for i in range(6)), "long"]


def test_the_event_loop_goes_on_while_the_model_computes(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    engine = HFEngine(model, tokenizer, capacity=1)
    inside, leave = threading.Event(), threading.Event()

    def wait(*_: Any) -> None:
        inside.set()
        assert leave.wait(60)

    async def both() -> Completion:
        request = asyncio.create_task(engine.generate("a", [10, 11], Sampling(max_new_tokens=1), 0))
        while not inside.is_set():
            await asyncio.sleep(0)
        leave.set()
        return await request

    with hooked(model, wait):
        assert len(run(both()).ids) == 1


@contextmanager
def hooked(model: PreTrainedModel, hook: Callable[..., None]) -> Iterator[None]:
    handle = model.get_input_embeddings().register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def test_a_completion_tells_how_long_it_waited_and_when_its_first_token_was_there(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    engine = HFEngine(model, tokenizer, capacity=1, max_length=64)

    async def both() -> list[Completion]:
        sampling = Sampling(max_new_tokens=4)
        return await asyncio.gather(*(engine.generate(name, [5, 6, 7], sampling, 0) for name in "ab"))

    first, second = run(both())
    assert second.queue >= first.model  # there is one place
    for done in (first, second):
        assert 0 < done.prefill <= done.model
    run(engine.close())


def test_cancelling_a_request_frees_its_place(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    engine = HFEngine(model, tokenizer, capacity=1, max_length=512)
    engine.stop_ids = frozenset()

    async def cancel_one() -> Completion:
        endless = asyncio.create_task(
            engine.generate("a", words(random.Random(0), 20), Sampling(max_new_tokens=400), 0)
        )
        waiting = asyncio.create_task(engine.generate("b", [10], GREEDY, 0))
        behind = asyncio.create_task(engine.generate("c", [11, 12], GREEDY, 0))
        while not engine._active:
            await asyncio.sleep(0)
        waiting.cancel()
        endless.cancel()
        done = await behind
        assert endless.cancelled()
        assert waiting.cancelled()
        assert not engine._active
        assert not engine._waiting
        return done

    assert list(run(cancel_one()).ids) == plain_greedy(model, [11, 12], 8, ())


def test_cancelling_at_any_moment_leaves_the_others_alone(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    engine = HFEngine(model, tokenizer, capacity=4, max_length=512)
    rng = random.Random(5)
    prompts = [words(rng, rng.randint(2, 40)) for _ in range(30)]

    async def some(i: int) -> Completion | None:
        request = asyncio.create_task(engine.generate(str(i), prompts[i], GREEDY, 0))
        if i % 3 == 0:
            for _ in range(rng.randint(0, 400)):
                await asyncio.sleep(0)
            request.cancel()
        try:
            return await request
        except asyncio.CancelledError:
            return None

    async def all_of_them() -> list[Completion | None]:
        return await asyncio.gather(*(some(i) for i in range(30)))

    done = run(all_of_them())
    assert sum(completion is not None for completion in done) >= 20
    for prompt, completion in zip(prompts, done, strict=True):
        assert completion is None or list(completion.ids) == plain_greedy(model, prompt, 8, engine.stop_ids)
    assert not any(slot.busy for slot in engine._slots)


def test_an_error_in_the_model_fails_what_is_under_way_and_nothing_else(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    engine = HFEngine(model, tokenizer, capacity=2)

    def explode(*_: Any) -> None:
        raise RuntimeError("out of memory")

    async def ask(count: int) -> list[Completion | BaseException]:
        asked = (engine.generate(str(i), [10 + i, 11], GREEDY, 0) for i in range(count))
        return await asyncio.gather(*asked, return_exceptions=True)

    before = run(ask(2))
    with hooked(model, explode):
        failed = run(ask(4))
    assert [str(error) for error in failed] == ["the model failed: RuntimeError: out of memory"] * 4
    assert all(isinstance(error, EngineError) for error in failed)
    assert [d.ids for d in run(ask(2)) if isinstance(d, Completion)] == [
        d.ids for d in before if isinstance(d, Completion)
    ]
    assert not model.training


@pytest.mark.parametrize("attend", [attention.by_row, attention.by_rectangle])
def test_a_model_that_has_diverged_gives_an_error_and_recovers_with_new_weights(
    tokenizer: PreTrainedTokenizerFast, attend: Callable[..., torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "by_row", attend)
    model, other = tiny_models.model(seed=1), tiny_models.model(seed=2)
    engine = HFEngine(model, tokenizer, capacity=2)
    with torch.no_grad():
        model.model.norm.weight.fill_(float("nan"))
        model.model.layers[0].self_attn.v_proj.weight.fill_(float("nan"))
    for sampling in (GREEDY, Sampling()):
        with pytest.raises(EngineError, match="diverged"):
            run(engine.generate("a", words(random.Random(0), 50), sampling, 0))
    run(engine.update_weights(other.state_dict()))
    assert list(run(engine.generate("b", [10, 11], GREEDY, 0)).ids) == plain_greedy(other, [10, 11], 8, engine.stop_ids)


def test_closing_fails_what_is_under_way_and_may_be_done_twice(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    engine = HFEngine(model, tokenizer, capacity=1)
    threads = threading.active_count()

    async def close_early() -> list[Completion | BaseException]:
        asked = [asyncio.create_task(engine.generate(n, [10, 11], Sampling(max_new_tokens=4000), 0)) for n in "ab"]
        while not engine._active:
            await asyncio.sleep(0)
        await engine.close()
        await engine.close()
        return await asyncio.gather(*asked, return_exceptions=True)

    assert [type(error) for error in run(close_early())] == [EngineError, EngineError]
    assert threading.active_count() <= threads
    with pytest.raises(EngineError, match="closed"):
        run(engine.generate("a", [10], GREEDY, 0))


def test_an_engine_serves_one_event_loop_after_another(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    engine = HFEngine(model, tokenizer, capacity=2)
    first = run(engine.generate("a", [10, 11], GREEDY, 0))

    async def given_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.generate("b", [12], Sampling(max_new_tokens=4000), 0), 0.01)

    run(given_up())
    assert run(engine.generate("c", [10, 11], GREEDY, 0)).ids == first.ids


def test_prompts_that_cannot_be_served_are_refused_at_the_door(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    engine = HFEngine(model, tokenizer, capacity=1, max_length=16)
    for prompt in ([10] * 16, [10] * 40):
        with pytest.raises(ContextOverflow):
            run(engine.generate("a", prompt, GREEDY, 0))
    for prompt in ([], [-1], [10**6]):
        with pytest.raises(EngineError, match="token ids"):
            run(engine.generate("a", prompt, GREEDY, 0))
    done = run(engine.generate("a", [10] * 13, GREEDY, 0))
    assert (len(done.ids), done.finish) == (3, "length")


def test_a_stop_token_ends_a_completion_and_is_part_of_it(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    free = HFEngine(model, tokenizer, capacity=1)
    assert free.stop_ids >= {tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>")}
    long = run(free.generate("a", [10, 11], GREEDY, 0))
    stopping = HFEngine(model, tokenizer, capacity=1, stop_ids=[long.ids[4]])
    done = run(stopping.generate("a", [10, 11], GREEDY, 0))
    assert done.ids == long.ids[: long.ids.index(long.ids[4]) + 1]
    assert (done.finish, long.finish) == ("stop", "length")


def test_a_stop_string_ends_a_completion_at_the_token_that_completes_it(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    engine = HFEngine(model, tokenizer, capacity=1)
    engine.stop_ids = frozenset()
    for seed in range(8):
        free = run(engine.generate("a", [10, 11], Sampling(max_new_tokens=30), seed))
        text = tokenizer.decode(free.ids)
        stop = text[len(text) // 2 : len(text) // 2 + 6]
        if "\ufffd" in stop:
            continue
        done = run(engine.generate("a", [10, 11], Sampling(max_new_tokens=30, stop=("never said", stop)), seed))
        assert done.finish == "stop"
        assert stop in tokenizer.decode(done.ids)
        assert stop not in tokenizer.decode(done.ids[:-1])
        assert done.ids == free.ids[: len(done.ids)]


def test_new_weights_are_used_at_once_and_nothing_old_is_kept(tokenizer: PreTrainedTokenizerFast) -> None:
    model, other = tiny_models.model(seed=1), tiny_models.model(seed=2)
    engine = HFEngine(model, tokenizer, capacity=2)
    prompt = words(random.Random(0), 40)

    async def update() -> Completion:
        old = await engine.generate("a", prompt, GREEDY, 0)
        assert await engine.update_weights(other.state_dict()) == 1
        new = await engine.generate("a", prompt, GREEDY, 0)
        assert (old.version, new.version) == (0, 1)
        assert list(new.ids) == plain_greedy(other, prompt, 8, engine.stop_ids)
        assert new.logprobs == pytest.approx(plain_logprobs(other, prompt, new), abs=1e-4)
        # The trainer's way: the same module, changed in place.
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.1)
        assert await engine.new_version() == 2
        return await engine.generate("a", prompt, GREEDY, 0)

    newest = run(update())
    assert newest.version == 2
    assert newest.logprobs == pytest.approx(plain_logprobs(model, prompt, newest), abs=1e-4)


def test_weights_may_change_under_a_request(tokenizer: PreTrainedTokenizerFast) -> None:
    model, other = tiny_models.model(seed=1), tiny_models.model(seed=2)
    engine = HFEngine(model, tokenizer, capacity=1)
    engine.stop_ids = frozenset()
    prompt = words(random.Random(0), 40)

    async def update_midway() -> Completion:
        request = asyncio.create_task(engine.generate("a", prompt, Sampling(temperature=0, max_new_tokens=40), 0))
        while not any(len(row.logprobs) >= 5 for row in engine._active):
            await asyncio.sleep(0)
        await engine.update_weights(other.state_dict())
        return await request

    done = run(update_midway())
    assert (done.version, engine.version) == (0, 1)
    # From some token on, each is what the new weights would have said after all before it.
    new = torch.tensor(done.logprobs) - torch.tensor(plain_logprobs(other, prompt, done))
    changed = next(i for i in range(40) if new[i:].abs().max() < 1e-4)
    assert 5 <= changed < 40


def test_weights_that_do_not_fit_are_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    model = tiny_models.model(seed=1)
    engine = HFEngine(model, tokenizer, capacity=1)
    weights = dict(model.state_dict())
    # A checkpoint has no second copy of tied weights.
    del weights["lm_head.weight"]
    assert run(engine.update_weights(weights)) == 1
    del weights["model.norm.weight"]
    with pytest.raises(EngineError, match=r"missing or unexpected: model\.norm\.weight"):
        run(engine.update_weights(weights))
    with pytest.raises(EngineError, match="size mismatch"):
        run(engine.update_weights(tiny_models.model(width=32).state_dict()))


def test_the_memory_of_the_caches_is_bounded_from_the_start(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    engine = HFEngine(model, tokenizer, capacity=50, max_length=300, cache_bytes=4_000_000)
    assert 1 <= engine.capacity < 50

    async def everybody() -> None:
        await asyncio.gather(*(play(engine, str(i), 6, random.Random(i)) for i in range(20)))

    run(everybody())
    assert sum(t.nbytes for pair in engine._cache.layers.values() for t in pair) <= 4_000_000
    with pytest.raises(ModelError, match="Lower max_length"):
        HFEngine(model, tokenizer, capacity=50, max_length=300, cache_bytes=1000)


def test_at_rest_nothing_is_kept_and_episodes_go_on_after_it(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    rested, other = HFEngine(model, tokenizer, capacity=2), HFEngine(model, tokenizer, capacity=2)
    prompt = words(random.Random(0), 40)

    async def turns(engine: HFEngine, rest: bool) -> list[Completion]:
        first = await engine.generate("a", prompt, GREEDY, 0)
        if rest:
            await engine.rest()
            assert not engine._cache.layers
        second, _ = await asyncio.gather(
            engine.generate("a", [*prompt, *first.ids, 10, 11], GREEDY, 0),
            engine.rest(),  # is nothing while a request is under way
        )
        return [first, second]

    assert [done.ids for done in run(turns(rested, True))] == [done.ids for done in run(turns(other, False))]
    assert rested._cache.layers


@pytest.mark.slow
def test_many_episodes_leave_nothing_behind(tokenizer: PreTrainedTokenizerFast) -> None:
    engine = HFEngine(tiny_models.model(layers=1, width=32), tokenizer, capacity=8, max_length=512)

    async def wave(begin: int) -> int:
        await asyncio.gather(*(play(engine, f"{begin}-{i}", 5, random.Random(i)) for i in range(50)))
        assert not engine._active
        assert not engine._waiting
        gc.collect()
        return len(gc.get_objects())

    async def waves() -> list[int]:
        return [await wave(i) for i in range(4)]

    objects = run(waves())
    cached = sum(t.nbytes for pair in engine._cache.layers.values() for t in pair)
    assert objects[-1] - objects[1] < 500
    assert sum(len(slot.ids) for slot in engine._slots) <= 8 * 512
    run(wave(4))
    assert sum(t.nbytes for pair in engine._cache.layers.values() for t in pair) == cached


def test_a_trainer_finds_its_model_as_it_left_it(tokenizer: PreTrainedTokenizerFast) -> None:
    model = tiny_models.model(attention_dropout=0.5)
    plain = run(HFEngine(model, tokenizer, capacity=1).generate("a", [10, 11], GREEDY, 0))
    model.train()
    model.gradient_checkpointing_enable()
    engine = HFEngine(model, tokenizer, capacity=1)
    attention = model.config._attn_implementation
    assert run(engine.generate("a", [10, 11], GREEDY, 0)).ids == plain.ids
    assert model.training
    assert model.config._attn_implementation == attention
    model(torch.tensor([[10, 11]]), labels=torch.tensor([[10, 11]])).loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("attend", [attention.by_row, attention.by_rectangle])
@pytest.mark.parametrize("kind", ["llama", "sliding", "bfloat16"])
def test_other_architectures_are_served_alike(
    kind: str,
    tokenizer: PreTrainedTokenizerFast,
    attend: Callable[..., torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attention, "by_row", attend)
    torch.manual_seed(0)
    shape = {"vocab_size": 800, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.2}
    if kind == "llama":
        model: PreTrainedModel = LlamaForCausalLM(LlamaConfig(**shape, **heads))
    elif kind == "sliding":
        layers = ["sliding_attention", "full_attention", "sliding_attention"]
        config = Gemma3TextConfig(**shape, **heads, sliding_window=16, layer_types=layers, query_pre_attn_scalar=8)
        model = Gemma3ForCausalLM(config)
    else:
        model = tiny_models.model().to(torch.bfloat16)
    engine = HFEngine(model.eval(), tokenizer, capacity=4, max_length=256)

    async def everybody() -> list[list[tuple[list[int], Completion]]]:
        return await asyncio.gather(*(play(engine, f"e{i}", 3, random.Random(i)) for i in range(6)))

    for prompt, done in (turn for episode in run(everybody()) for turn in episode):
        if kind == "bfloat16":
            assert done.logprobs == pytest.approx(plain_logprobs(model, prompt, done), abs=0.2)
        else:
            assert list(done.ids) == plain_greedy(model, prompt, 8, engine.stop_ids)
            assert done.logprobs == pytest.approx(plain_logprobs(model, prompt, done), abs=1e-4)


def test_a_model_whose_state_is_no_keys_and_values_is_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    mamba = MambaForCausalLM(MambaConfig(vocab_size=800, hidden_size=32, num_hidden_layers=2, state_size=4))
    with pytest.raises(ModelError, match="cannot be served by the hf engine"):
        HFEngine(mamba, tokenizer)


def test_a_model_with_scores_of_its_own_is_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    shape = {"vocab_size": 800, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 8}
    gemma = Gemma2ForCausalLM(Gemma2Config(**shape, num_attention_heads=4, num_key_value_heads=2))
    with pytest.raises(ModelError, match=r"cannot be served by the hf engine: .* asks for softcap"):
        HFEngine(gemma, tokenizer)
