"""The pipeline on a scripted engine."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from lsp_server.completion.completer import EXPLICIT_TEMPERATURE, LEAST_PROBABILITY, UNSURE_TEMPERATURE, Completer
from lsp_server.completion.snapshot import Snapshot
from lsp_server.engine.api import CompletionRequest, CompletionResult, EngineState, FinishReason, OnTokens, StopRule
from lsp_server.engine.fake import FakeEngine, Script
from lsp_server.errors import EngineError, EngineLoadingError, EngineUnavailableError
from lsp_server.model.prompt import PromptLayout, Sentinels, SpmPrompts
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.settings import Confidence, LengthMode, Settings

MakeCompleter = Callable[[FakeEngine], Completer]


def at_cursor(document: str, uri: str = "u") -> Snapshot:
    return Snapshot(uri=uri, language="python", text=document.replace("|", ""), offset=document.index("|"))


def answers(*texts: str) -> FakeEngine:
    """Greedy requests get the first text, sampled ones all of them in turn."""
    return FakeEngine(lambda request, index: [texts[index % len(texts)]])


class EngineOnHold(FakeEngine):
    """Has its answer at once, and hands it over when the test says so."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.asked = asyncio.Event()
        self.go_on: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
        result = await super().complete(request, on_tokens)
        self.asked.set()
        await self.go_on
        return result


@pytest.fixture
def make_completer(tokenizer: CodeTokenizer, sentinels: Sentinels, layout: PromptLayout) -> MakeCompleter:
    return lambda engine: Completer(
        engine=engine, tokenizer=tokenizer, prompts=SpmPrompts(sentinels=sentinels, layout=layout)
    )


async def test_an_automatic_request_is_greedy_and_gets_one_suggestion(make_completer: MakeCompleter) -> None:
    engine = answers("1\n", "2\n")
    (suggestion,) = await make_completer(engine).suggest(at_cursor("x =|"), Settings(), True)
    assert (suggestion.text, suggestion.mean_logprob, suggestion.from_cache) == ("1", -1.0, False)
    (request,) = engine.requests
    assert request.sampling.greedy
    assert request.sampling.num_candidates == 1
    assert request.deadline_ms == Settings().deadline_ms


async def test_an_explicit_request_puts_the_greedy_text_before_sampled_ones(make_completer: MakeCompleter) -> None:
    engine = answers("1\n", "2\n", "1\n")
    found = await make_completer(engine).suggest(at_cursor("x =|"), Settings(num_candidates=4), False)
    assert [each.text for each in found] == ["1", "2"]
    assert [each.sampling.temperature for each in engine.requests] == [0.0, EXPLICIT_TEMPERATURE]
    assert [each.sampling.num_candidates for each in engine.requests] == [1, 3]


async def test_candidates_that_differ_by_white_space_are_one(make_completer: MakeCompleter) -> None:
    engine = answers("f(1,  2)\n", "f(1, 2)\n", "g\n")
    found = await make_completer(engine).suggest(at_cursor("x =|"), Settings(temperature=1.0), False)
    assert [each.text for each in found] == ["f(1,  2)", "g"]


async def test_the_greedy_candidate_is_first_and_the_surest_of_the_others_next(make_completer: MakeCompleter) -> None:
    class Unsorted(FakeEngine):
        async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
            result = await super().complete(request, on_tokens)
            logprobs = {"greedy": -5.0, "unlikely": -3.0, "likely": -1.0}
            scored = [replace(each, mean_logprob=logprobs[each.text]) for each in result.candidates]
            return replace(result, candidates=tuple(scored))

    engine = Unsorted(lambda request, index: [("greedy" if request.sampling.greedy else ("unlikely", "likely")[index])])
    found = await make_completer(engine).suggest(at_cursor("x =|"), Settings(), False)
    assert [each.text for each in found] == ["greedy", "likely", "unlikely"]


async def test_an_explicit_request_keeps_what_is_shown_in_front(make_completer: MakeCompleter) -> None:
    engine = answers("1\n", "2\n")
    completer = make_completer(engine)
    await completer.suggest(at_cursor("x =|"), Settings(), True)
    found = await completer.suggest(at_cursor("x =|"), Settings(), False)
    assert [each.text for each in found] == ["1", "2"]
    assert [each.sampling.greedy for each in engine.requests] == [True, True, False]


async def test_a_model_that_is_sure_is_asked_what_else_it_might_say(make_completer: MakeCompleter) -> None:
    engine = FakeEngine(lambda request, _: ["2\n" if request.sampling.temperature == UNSURE_TEMPERATURE else "1\n"])
    found = await make_completer(engine).suggest(at_cursor("x =|"), Settings(), False)
    assert [each.text for each in found] == ["1", "2"]
    assert [each.sampling.temperature for each in engine.requests] == [0.0, EXPLICIT_TEMPERATURE, UNSURE_TEMPERATURE]
    *sure, last = engine.requests
    assert all(each.recall is not None for each in sure)
    assert (last.recall, last.sampling.top_p) == (None, 1.0), "the memory's word is known, and rare tokens are wanted"


async def test_a_sure_model_is_asked_no_more_where_one_suggestion_will_do(make_completer: MakeCompleter) -> None:
    engine = answers("1\n")
    await make_completer(engine).suggest(at_cursor("x =|"), Settings(num_candidates=1), False)
    await make_completer(engine).suggest(at_cursor("y =|"), Settings(), True)
    assert len(engine.requests) == 2


async def test_the_users_temperature_is_used_for_all(make_completer: MakeCompleter) -> None:
    engine = answers("1\n", "2\n")
    settings = Settings(temperature=0.8, top_p=0.5, top_k=7, num_candidates=2)
    await make_completer(engine).suggest(at_cursor("x =|"), settings, False)
    (request,) = engine.requests
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.num_candidates) == (0.8, 0.5, 7, 2)


async def test_one_candidate_is_the_greedy_one(make_completer: MakeCompleter) -> None:
    engine = answers("1\n")
    await make_completer(engine).suggest(at_cursor("x =|"), Settings(num_candidates=1), False)
    assert [each.sampling.greedy for each in engine.requests] == [True]


async def test_the_greedy_text_survives_a_failure_of_the_sampled_ones(make_completer: MakeCompleter) -> None:
    def script(request: CompletionRequest, index: int) -> Iterable[str]:
        if request.sampling.greedy:
            return ["1"]
        raise EngineUnavailableError("gone")

    found = await make_completer(FakeEngine(script)).suggest(at_cursor("x =|"), Settings(), False)
    assert [each.text for each in found] == ["1"]


@pytest.mark.parametrize(
    ("document", "settings", "stop", "reason"),
    [
        ("x =|", Settings(), StopRule.BLOCK, "the default"),
        ("f(|)", Settings(), StopRule.LINE, "text right of the cursor"),
        ("f(|  \n", Settings(), StopRule.BLOCK, "white space is no text"),
        ("x =|", Settings(length=LengthMode.LINE), StopRule.LINE, "the user's wish"),
    ],
)
async def test_the_stop_rule(
    make_completer: MakeCompleter, document: str, settings: Settings, stop: StopRule, reason: str
) -> None:
    engine = answers("1")
    await make_completer(engine).suggest(at_cursor(document), settings, True)
    assert engine.requests[0].stop is stop, reason


async def test_the_engine_is_told_the_line_and_the_document(make_completer: MakeCompleter) -> None:
    engine = answers("1")
    await make_completer(engine).suggest(at_cursor("a\r\n    if x:|\r\n", uri="file:///a.py"), Settings(), True)
    assert engine.requests[0].document == "file:///a.py"
    assert engine.requests[0].line_prefix == "    if x:"


async def test_the_answer_fits_behind_the_prompt(make_completer: MakeCompleter, layout: PromptLayout) -> None:
    engine = answers("1")
    await make_completer(engine).suggest(at_cursor("x" * 5000 + " =|"), Settings(max_new_tokens=512), True)
    (request,) = engine.requests
    assert len(request.prompt_ids) + request.sampling.max_new_tokens == layout.context_tokens
    assert len(request.line_prefix) <= 400, "a line of any length is not sent whole"


@pytest.mark.parametrize(("document", "asked"), [("fo|o", 0), ("fo|_", 0), ("foo|", 1), ("foo|(x)", 1), ("|foo", 1)])
async def test_inside_a_word_nothing_is_offered_unasked(
    make_completer: MakeCompleter, document: str, asked: int
) -> None:
    engine = answers("x")
    await make_completer(engine).suggest(at_cursor(document), Settings(), True)
    assert len(engine.requests) == asked
    await make_completer(engine).suggest(at_cursor(document), Settings(num_candidates=1), False)
    assert len(engine.requests) == asked + 1, "who asks gets an answer"


async def test_typing_through_a_suggestion_asks_the_engine_once(make_completer: MakeCompleter) -> None:
    engine = answers(" compute(a)\n")
    completer = make_completer(engine)
    for document in ("x =|", "x = |", "x = comp|", "x = co|", "x =|"):
        (suggestion,) = await completer.suggest(at_cursor(document), Settings(), True)
        assert document.replace("|", "") + suggestion.text == "x = compute(a)"
    assert len(engine.requests) == 1


@pytest.mark.parametrize(
    ("document", "asked", "piece"),
    [
        ("x = |\ny = 2", "x =", " "),
        ("x = comp|", "x =", " comp"),
        ("x = a.comp|", "x = a.", "comp"),
        ("def f():\n    |", "def f():", "\n    "),
        ("def f():\r\n\r\n    |", "def f():", "\n\n    "),
        ("x(\udc80|", "x(\ufffd", ""),
    ],
    ids=["a lone space", "inside a word", "inside a name", "indentation", "windows line ends", "no text"],
)
async def test_the_last_piece_is_asked_for_again(
    make_completer: MakeCompleter, tokenizer: CodeTokenizer, document: str, asked: str, piece: str
) -> None:
    """So that the model may spell it together with what follows."""
    engine = answers("1\n")
    (suggestion,) = await make_completer(engine).suggest(at_cursor(document), Settings(), True)
    assert suggestion.text == "1"
    (request,) = engine.requests
    assert tokenizer.decode(request.prompt_ids).endswith(asked)
    assert request.begins_with == piece


async def test_the_model_is_given_the_documents_other_text_unless_the_user_does_not_want_it(
    make_completer: MakeCompleter, tokenizer: CodeTokenizer
) -> None:
    engine = answers("1\n")
    above = "".join(f"line {number}\n" for number in range(200))
    for memory in (True, False):
        await make_completer(engine).suggest(at_cursor(f"{above}x =|\nbelow = 1"), Settings(memory=memory), True)
    with_memory, without = engine.requests
    assert with_memory.recall is not None
    assert with_memory.recall.own_name == "u"
    assert [tokenizer.decode(ids)[:6] for ids in with_memory.recall.texts] == ["\nbelow", "line 0"]
    assert without.recall is None


@pytest.mark.parametrize("confidence", Confidence)
async def test_how_sure_a_suggestion_has_to_be_is_the_users_choice_and_nobody_elses(
    make_completer: MakeCompleter, confidence: Confidence
) -> None:
    engine = answers("1\n")
    completer = make_completer(engine)
    await completer.suggest(at_cursor("x =|"), Settings(confidence=confidence), True)
    await completer.suggest(at_cursor("x =|"), Settings(confidence=confidence), False)
    automatic, *explicit = engine.requests
    assert automatic.least_probability == LEAST_PROBABILITY[confidence]
    assert {each.least_probability for each in explicit} == {0.0}


def test_fewer_are_surer() -> None:
    assert [LEAST_PROBABILITY[each] for each in Confidence] == sorted(LEAST_PROBABILITY.values(), reverse=True)


@pytest.mark.parametrize(
    ("text", "finish_reason", "shown"),
    [
        (" f(", FinishReason.UNSURE, []),
        (" foo(", FinishReason.UNSURE, [" foo("]),
        (" 1", FinishReason.STOP_RULE, [" 1"]),
    ],
    ids=["too short a beginning", "a beginning", "all there is"],
)
async def test_a_beginning_is_shown_if_it_is_worth_reading(
    make_completer: MakeCompleter, text: str, finish_reason: FinishReason, shown: list[str]
) -> None:
    class Unsure(FakeEngine):
        async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
            result = await super().complete(request, on_tokens)
            return replace(result, candidates=(replace(result.candidates[0], finish_reason=finish_reason),))

    completer = make_completer(Unsure(lambda request, index: [text]))
    found = await completer.suggest(at_cursor("x =|"), Settings(), True)
    assert [each.text for each in found] == shown


async def test_that_there_is_nothing_to_suggest_is_remembered_until_the_document_closes(
    make_completer: MakeCompleter,
) -> None:
    engine = answers("   ")
    completer = make_completer(engine)
    for _ in range(2):
        assert await completer.suggest(at_cursor("x =|"), Settings(), True) == []
    assert len(engine.requests) == 1
    completer.forget("u")
    assert await completer.suggest(at_cursor("x =|"), Settings(), True) == []
    assert len(engine.requests) == 2


async def test_an_empty_answer_for_lack_of_time_is_not_remembered(make_completer: MakeCompleter) -> None:
    class LateEngine(FakeEngine):
        async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
            result = await super().complete(request, on_tokens)
            late = [replace(each, finish_reason=FinishReason.DEADLINE) for each in result.candidates]
            return replace(result, candidates=tuple(late))

    engine = LateEngine(lambda request, index: [])
    completer = make_completer(engine)
    for _ in range(2):
        assert await completer.suggest(at_cursor("x =|"), Settings(), True) == []
    assert len(engine.requests) == 2


async def test_two_questions_about_one_place_ask_the_engine_once(make_completer: MakeCompleter) -> None:
    engine = answers("1\n")
    completer = make_completer(engine)
    both = await asyncio.gather(*(completer.suggest(at_cursor("x =|"), Settings(), True) for _ in range(2)))
    assert [[each.text for each in found] for found in both] == [["1"], ["1"]]
    assert len(engine.requests) == 1


async def test_a_cancelled_question_costs_no_further_step(make_completer: MakeCompleter) -> None:
    started = asyncio.Event()

    def script(request: CompletionRequest, index: int) -> Iterable[str]:
        for word in itertools.repeat("word "):
            if engine.num_steps == 3:
                started.set()
            yield word

    engine = FakeEngine(script)
    task = asyncio.create_task(make_completer(engine).suggest(at_cursor("x =|"), Settings(), True))
    await asyncio.wait_for(started.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    steps = engine.num_steps
    for _ in range(10):
        await asyncio.sleep(0)
    assert engine.num_steps == steps


async def test_a_question_that_the_engine_drops_for_a_newer_one_is_cancelled(make_completer: MakeCompleter) -> None:
    engine = FakeEngine(lambda request, index: itertools.repeat("word "))
    task = asyncio.create_task(make_completer(engine).suggest(at_cursor("x =|"), Settings(), True))
    while not engine.num_steps:
        await asyncio.sleep(0)
    await engine.close()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_that_arrives_together_with_an_answer_counts(make_completer: MakeCompleter) -> None:
    """An explicit question asks for the greedy answer first, and then for others, which nobody wants any more."""
    engine = EngineOnHold(lambda request, index: ["x"])
    task = asyncio.create_task(make_completer(engine).suggest(at_cursor("x = |"), Settings(), False))
    await asyncio.wait_for(engine.asked.wait(), 10)
    engine.go_on.set_result(None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(engine.requests) == 1


@pytest.mark.parametrize(
    ("script", "state", "error"),
    [
        (lambda request, index: [], EngineState.LOADING, EngineLoadingError),
        (lambda request, index: fails(), EngineState.READY, EngineUnavailableError),
    ],
)
async def test_failures_of_the_engine_reach_the_caller(
    make_completer: MakeCompleter, script: Script, state: EngineState, error: type[EngineError]
) -> None:
    completer = make_completer(FakeEngine(script, state=state))
    for _ in range(2):
        with pytest.raises(error):
            await completer.suggest(at_cursor("x =|"), Settings(), True)


async def test_an_engine_that_hangs_is_given_up(make_completer: MakeCompleter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lsp_server.completion.completer._GRACE_SECONDS", 0.0)
    engine = FakeEngine(lambda request, index: ["x"], step_seconds=3600)
    with pytest.raises(EngineError, match="no answer from the engine"):
        await make_completer(engine).suggest(at_cursor("x =|"), Settings(deadline_ms=10), True)


def fails() -> Iterable[str]:
    yield "half"
    raise EngineUnavailableError("gone")
