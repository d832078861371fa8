"""Models behind a server, by token ids and by messages: whole episodes, and every way in which a reply can be wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
import tiny_models
from hypothesis import given
from hypothesis import strategies as st

from envs import BackendError
from envs.protocol import Message
from rollout import collect
from rollout.chat import ChatPolicy
from rollout.client import Client
from rollout.engine import Completion, ContextOverflow, EngineError, Sampling
from rollout.engines.openai import OpenAIEngine
from rollout.errors import ModelError
from rollout.patience import Patience
from rollout.policy import ModelPolicy
from rollout.served import served_policy
from tests.rollout.corridor import Corridor
from tests.rollout.servers import Act, Body, Handler, chat, completion, hang, reply, reset_mid_body, serving

T = TypeVar("T")
QUICK = Patience(attempts=3, backoff=0.005, pause=0.5, connect=2, silence=0.3, total=5)
SAMPLING = Sampling(temperature=0.7, top_p=0.9, top_k=20, max_new_tokens=64, stop=("\n",))
TINY = [{"id": "tiny", "root": "tokenizer", "max_model_len": 2048, "owned_by": "vllm"}]
NO_IDS = reply(404, {"error": {"message": "This is a chat model and not supported in v1/completions"}})


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 20))


def generate(url: str, prompt: list[int], *, max_length: int = 2048, seed: int = 1) -> Completion:
    async def once() -> Completion:
        engine = OpenAIEngine(Client(url, patience=QUICK), "tiny", max_length=max_length, stop_ids={9, 7})
        engine.version = 4
        try:
            return await engine.generate("e", prompt, SAMPLING, seed)
        finally:
            await engine.release("e")
            await engine.close()

    return run(once())


def policy(url: str, **options: Any) -> ModelPolicy | ChatPolicy:
    return run(served_policy(Client(url, patience=QUICK), options.pop("sampling", SAMPLING), **options))


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a tokenizer and no weights."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tiny_models.tokenizer().save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "qwen3"}')
    return str(folder)


def says(*texts: str) -> list[Act]:
    tokenizer = tiny_models.tokenizer()
    ids = [[*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id] for text in texts]
    return [completion(row) for row in ids]


def test_a_completion_comes_back_as_sampled() -> None:
    with serving(completion([5, 6, 9])) as server:
        done = generate(server.url, [1, 2, 3], seed=2**63 + 12)
    assert (done.ids, done.logprobs, done.finish, done.version) == ((5, 6, 9), (-0.5,) * 3, "stop", 4)
    assert done.model > 0
    path, body = server.seen[0]
    assert path == "/v1/completions"
    assert body["prompt"] == [1, 2, 3]
    assert (body["seed"], body["logprobs"], body["return_token_ids"]) == (12, 0, True)
    assert (body["temperature"], body["top_p"], body["top_k"], body["max_tokens"]) == (0.7, 0.9, 20, 64)
    assert (body["stop"], body["stop_token_ids"]) == (["\n"], [7, 9])


def test_the_room_that_is_left_limits_the_completion_and_none_is_an_overflow() -> None:
    with serving(completion([5], finish="length")) as server:
        assert generate(server.url, [1] * 30, max_length=34).finish == "length"
        assert server.seen[0][1]["max_tokens"] == 4
        with pytest.raises(ContextOverflow):
            generate(server.url, [1] * 34, max_length=34)
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"token_ids": None}, "lacks token ids"),
        ({"logprobs": None}, "lacks token ids or logprobs"),
        ({"logprobs": {}}, "token_logprobs"),
        ({"logprobs": {"token_logprobs": [-0.5, None, -0.5]}}, "log-probabilities"),
        ({"logprobs": {"token_logprobs": [-0.5, float("nan"), -0.5]}}, "log-probabilities"),
        ({"logprobs": {"token_logprobs": [-0.5, 10**400, -0.5]}}, "log-probabilities"),
        ({"logprobs": {"token_logprobs": [-0.5]}}, "3 token ids but 1 logprobs"),
        ({"token_ids": [5, 6], "logprobs": {"token_logprobs": [-0.5, -0.5]}}, "usage counts 3"),
        ({"token_ids": [5, "6", 9]}, "not a list of ids"),
        ({"token_ids": [5, True, 9]}, "not a list of ids"),
        ({"token_ids": "569"}, "not a list of ids"),
        ({"prompt_token_ids": [1, 2, 4]}, "another prompt"),
        ({"finish_reason": "abort"}, "gave up"),
        ({"finish_reason": []}, "gave up"),
    ],
)
def test_a_reply_that_is_not_whole_is_an_engine_error(changes: Body, words: str) -> None:
    with serving(completion([5, 6, 9], **changes)) as server, pytest.raises(EngineError, match=words):
        generate(server.url, [1, 2, 3])
    assert len(server.seen) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
CHOICE = st.fixed_dictionaries(
    {},
    optional={
        "token_ids": JSON | st.lists(st.integers(0, 9), max_size=3),
        "logprobs": JSON | st.fixed_dictionaries({"token_logprobs": JSON | st.lists(st.floats(), max_size=3)}),
        "finish_reason": JSON | st.just("stop"),
        "prompt_token_ids": JSON,
        "message": JSON
        | st.fixed_dictionaries(
            {"content": JSON},
            optional={
                "tool_calls": JSON
                | st.lists(
                    st.fixed_dictionaries({"function": st.fixed_dictionaries({"name": JSON, "arguments": JSON})})
                )
            },
        ),
    },
)


@given(st.fixed_dictionaries({}, optional={"choices": JSON | st.lists(JSON | CHOICE, max_size=2), "usage": JSON}))
def test_any_reply_is_read_whole_or_is_an_engine_error(body: Body) -> None:
    client = Client("http://127.0.0.1:1/v1")
    try:
        ids, logprobs, finish = OpenAIEngine(client, "tiny", max_length=10).read(body, [1])
    except EngineError:
        pass
    else:
        assert len(ids) == len(logprobs)
        assert finish in ("stop", "length")
    try:
        message, _ = ChatPolicy(client, "tiny", SAMPLING).read(body)
    except EngineError:
        return
    assert Message.from_dict(message.to_dict()) == message


@pytest.mark.parametrize("protocol", ["react", "tool"])
def test_an_episode_is_played_by_token_ids(protocol: str, words: str, tmp_path: Path) -> None:
    text = '<tool_call>\n{"name": "walk", "arguments": {"direction": "right"}}\n</tool_call>'
    said = says(text if protocol == "tool" else "Action: right")[0]
    with serving(said, says("x")[0], models=TINY) as server:
        player = policy(server.url, tokenizer=words)
        assert isinstance(player, ModelPolicy)
        assert player.engine.max_length == 2048
        done = collect(Corridor(), player, output=tmp_path / "a", protocol=protocol)
        again = collect(Corridor(), player, output=tmp_path / "b", protocol=protocol)
        run(player.close())
    assert str(done.account) == "4 planned = 4 scored + 0 failed + 0 cancelled + 0 owed"
    assert all(trajectory.success for trajectory in done.trajectories + again.trajectories)
    prompts = [tuple(body["prompt"]) for _, body in server.seen[1:9]]
    assert sorted(prompts) == sorted(prompt for trajectory in done.trajectories for prompt in trajectory.prompts())
    first, second = sorted(done.trajectories[0].prompts(), key=len)
    assert second[: len(first)] == first
    # Whoever the group's other episodes are, each turn of each episode has a seed of its own.
    assert len({body["seed"] for _, body in server.seen[1:9]}) == 8
    assert server.seen[1][1]["stop_token_ids"] == [tiny_models.tokenizer().eos_token_id]


@pytest.mark.parametrize("protocol", ["react", "tool"])
def test_an_episode_is_played_by_messages(protocol: str, tmp_path: Path) -> None:
    call = {"id": "c7", "type": "function", "function": {"name": "walk", "arguments": '{"direction": "right"}'}}
    said = chat(None, "tool_calls", tool_calls=[call]) if protocol == "tool" else chat("Action: right")
    with serving(said, NO_IDS) as server:
        player = policy(server.url, model="gpt")
        assert isinstance(player, ChatPolicy)
        done = collect(Corridor(), player, output=tmp_path, protocol=protocol)
        run(player.close())
    assert str(done.account) == "4 planned = 4 scored + 0 failed + 0 cancelled + 0 owed"
    assert all(trajectory.success for trajectory in done.trajectories)
    step = done.trajectories[0].steps[0]
    assert step.tokens is None
    assert step.timing.model > 0
    assert (player.client.usage.prompt_tokens, player.client.usage.completion_tokens) == (56, 16)
    path, body = max(server.seen[1:], key=lambda seen: len(seen[1]["messages"]))
    assert path == "/v1/chat/completions"
    assert [message["role"] for message in body["messages"]] == [
        *("system", "user", "assistant"),
        "tool" if protocol == "tool" else "user",
    ]
    assert ("tools" in body) == (protocol == "tool")
    if protocol == "tool":
        assert body["messages"][2]["tool_calls"] == [call]
        assert body["messages"][3]["tool_call_id"] == "c7"


def test_a_window_forgets_the_turns_before_it(tmp_path: Path) -> None:
    with serving(chat("Action: left")) as server:
        player = policy(server.url, model="gpt", mode="messages", window=2)
        collect(Corridor(tasks=1, max_steps=5), player, output=tmp_path)
        run(player.close())
    lengths = [len(body["messages"]) for _, body in server.seen]
    assert lengths == [2, 4, 6, 6, 6]
    assert server.seen[-1][1]["messages"][1]["content"] == "You are at place 0."


@pytest.mark.parametrize(
    ("fault", "booked"),
    [
        (reset_mid_body, "1 failed (engine_error 1)"),
        (reply(500, b"oops"), "1 failed (engine_error 1)"),
        (hang, "1 failed (engine_error 1)"),
        (reply(200, b'{"choices": ['), "1 failed (engine_error 1)"),
        (reply(200, {"choices": []}), "1 failed (engine_error 1)"),
        (reply(200, {"choices": [{"message": {"content": 7}}]}), "1 failed (engine_error 1)"),
        (reply(400, {"error": {"code": "context_length_exceeded"}}), "0 failed"),
    ],
)
def test_a_server_that_fails_on_one_episode_fails_that_one_alone(fault: Act, booked: str, tmp_path: Path) -> None:
    bad: set[int] = set()

    def act(handler: Handler, request: Body) -> None:
        bad.update({request["seed"]} if not bad else set())
        (fault if request["seed"] in bad else chat("Action: right"))(handler, request)

    with serving(act) as server:
        player = policy(server.url, model="gpt", mode="messages")
        done = collect(Corridor(), player, output=tmp_path)
        run(player.close())
    assert booked in str(done.account)
    assert not done.account.owed
    if not done.account.failed:
        assert [trajectory.ending for trajectory in done.trajectories].count("overlong") == 1


def test_calls_without_a_name_of_their_own_get_one() -> None:
    calls = [{"function": {"name": "walk", "arguments": {"direction": "right"}}}] * 2
    with serving(chat(None, tool_calls=calls)) as server:
        player = policy(server.url, model="gpt", mode="messages")
        env = Corridor()
        from rollout.policy import Episode, Turn

        play = player.player(Episode("e", env.tasks[0], 1, env.protocol("tool")))
        said = run(play.act(Turn([Message("user", "x")], "x", {}))).message
        run(player.close())
    assert [call.id for call in said.tool_calls] == ["call_0_0", "call_0_1"]
    assert said.tool_calls[0].arguments == '{"direction": "right"}'


def test_a_server_that_knows_only_max_completion_tokens_is_asked_that_way() -> None:
    def strict(handler: Handler, request: Body) -> None:
        if "max_tokens" in request:
            words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            reply(400, {"error": {"message": words}})(handler, request)
        else:
            chat("hello")(handler, request)

    with serving(strict) as server:
        player = policy(server.url, model="gpt", mode="messages")
        assert isinstance(player, ChatPolicy)
        for _ in range(2):
            assert run(player.ask([Message("user", "hi")], None, 1)).message.content == "hello"
        run(player.close())
    assert [body.get("max_completion_tokens") for _, body in server.seen] == [None, 64, 64]


def test_what_is_found_is_said_in_the_log(words: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rollout.served")
    with serving(completion([5]), models=TINY) as server:
        run(policy(server.url, tokenizer=words).close())
    assert "tiny: asked by token ids" in caplog.text
    with serving(completion([5], token_ids=None), models=TINY) as server:
        run(policy(server.url).close())
    assert "tiny: asked by messages (not by token ids" in caplog.text


@pytest.mark.parametrize(
    ("sampling", "among_one", "warned"),
    [
        (Sampling(temperature=0.7), -0.5, True),
        (Sampling(top_p=0.9), -0.5, True),
        (Sampling(temperature=0.7), 0.0, False),
        (Sampling(), -0.5, False),
        (Sampling(temperature=0), -0.5, False),
    ],
)
def test_logprobs_of_another_distribution_than_the_sampled_one_are_warned_of(
    sampling: Sampling, among_one: float, warned: bool, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(completion([5], logprobs={"token_logprobs": [among_one]}), models=TINY) as server:
        run(policy(server.url, tokenizer=words, sampling=sampling).close())
    assert ("--logprobs-mode processed_logprobs" in caplog.text) == warned


def test_vllm_by_messages_samples_as_it_is_told() -> None:
    with serving(chat("x"), models=TINY) as server:
        player = policy(server.url, mode="messages", sampling=Sampling())
        assert isinstance(player, ChatPolicy)
        run(player.ask([Message("user", "hi")], None, 1))
        run(player.close())
    assert {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}.items() <= server.seen[0][1].items()


def test_a_server_whose_template_has_no_system_role_gets_its_text_in_the_first_user_turn() -> None:
    def gemma(handler: Handler, request: Body) -> None:
        if request["messages"][0]["role"] == "system":
            reply(400, {"error": {"message": "System role not supported"}})(handler, request)
        else:
            chat("hello")(handler, request)

    with serving(gemma) as server:
        player = policy(server.url, model="gemma", mode="messages")
        assert isinstance(player, ChatPolicy)
        for _ in range(2):
            said = [Message("system", "Play."), Message("user", "hi")]
            assert run(player.ask(said, None, 1)).message.content == "hello"
        run(player.close())
    asked = [[message["role"] for message in body["messages"]] for _, body in server.seen]
    assert asked == [["system", "user"], ["user"], ["user"]]
    assert server.seen[-1][1]["messages"][0]["content"] == "Play.\n\nhi"


@pytest.mark.parametrize("owner", ["vllm", "openai"])
def test_enable_thinking_is_told_to_servers_that_take_it(owner: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving(chat("x"), models=[{**TINY[0], "owned_by": owner}]) as server:
        player = policy(server.url, mode="messages", enable_thinking=False)
        assert isinstance(player, ChatPolicy)
        run(player.ask([Message("user", "hi")], None, 1))
        run(player.close())
    told = server.seen[0][1].get("chat_template_kwargs")
    assert (told, player.facts.get("enable_thinking")) == (
        ({"enable_thinking": False}, False) if owner == "vllm" else (None, None)
    )
    assert ("not told" in caplog.text) is (owner == "openai")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "tinny"}, "Did you mean 'tiny'"),
        ({"mode": "tokens"}, "no token ids"),
        ({"mode": "tokens", "ids": True}, "need --tokenizer"),
        ({"tokenizer": "/nowhere", "ids": True}, "no such folder"),
    ],
)
def test_wrong_usage_is_refused_before_an_episode_begins(options: Body, said: str) -> None:
    always = completion([5]) if options.pop("ids", False) else NO_IDS
    with serving(always, models=TINY) as server, pytest.raises(ModelError, match=said):
        policy(server.url, **options)


def test_a_model_must_be_named_where_the_server_has_several() -> None:
    two = [{"id": "a"}, {"id": "b"}]
    with serving(NO_IDS, models=two) as server, pytest.raises(ModelError, match="There are: a, b"):
        policy(server.url)
    with serving(NO_IDS) as server, pytest.raises(ModelError, match="say which model"):
        policy(server.url)


def test_the_length_of_the_context_must_be_known(words: str) -> None:
    with serving(completion([5]), models=[{"id": "a"}]) as server:
        with pytest.raises(ModelError, match="--max-length"):
            policy(server.url, tokenizer=words)
        player = policy(server.url, tokenizer=words, max_length=99)
        assert isinstance(player, ModelPolicy)
        assert player.engine.max_length == 99
        run(player.close())


@pytest.mark.parametrize("fault", [reply(401, b"who are you?"), reply(500, b"oops"), hang])
def test_a_server_that_cannot_be_asked_is_an_error_of_the_backend(fault: Act) -> None:
    with serving(fault, models=TINY) as server, pytest.raises(BackendError, match=server.url):
        policy(server.url)
