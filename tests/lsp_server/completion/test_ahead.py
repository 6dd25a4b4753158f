"""Work ahead of the questions, on a scripted engine: it saves work where it can, and is in nobody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from lsp_server.completion.ahead import Ahead
from lsp_server.completion.completer import Completer
from lsp_server.completion.snapshot import Snapshot
from lsp_server.engine.api import CompletionRequest, CompletionResult, EngineState, OnTokens
from lsp_server.engine.fake import FakeEngine
from lsp_server.errors import EngineUnavailableError
from lsp_server.model.prompt import PromptLayout, Sentinels, SpmPrompts
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.settings import Settings

SETTINGS = Settings()
MakeCompleter = Callable[[FakeEngine], Completer]


def at_cursor(document: str) -> Snapshot:
    return Snapshot(uri="u", language="python", text=document.replace("|", ""), offset=document.index("|"))


@pytest.fixture
def make_completer(tokenizer: CodeTokenizer, sentinels: Sentinels, layout: PromptLayout) -> MakeCompleter:
    return lambda engine: Completer(
        engine=engine, tokenizer=tokenizer, prompts=SpmPrompts(sentinels=sentinels, layout=layout)
    )


@pytest.fixture
async def ahead() -> Ahead:
    return Ahead()


def read_prompts(engine: FakeEngine, tokenizer: CodeTokenizer) -> list[str]:
    return [tokenizer.decode(prompt_ids) for _, prompt_ids in engine.prefills]


async def test_where_somebody_types_the_prompt_is_read(
    ahead: Ahead, make_completer: MakeCompleter, tokenizer: CodeTokenizer
) -> None:
    engine = FakeEngine(lambda request, index: ["1\n"])
    completer = make_completer(engine)
    ahead.expect(completer, at_cursor("x =|"), SETTINGS)
    await ahead.settle()
    await completer.suggest(at_cursor("x =|"), SETTINGS, True)
    ((document, prompt_ids),) = engine.prefills
    (request,) = engine.requests
    assert (document, prompt_ids) == (request.document, request.prompt_ids)


async def test_the_prompt_is_read_up_to_the_last_piece_as_it_will_be_asked(
    ahead: Ahead, make_completer: MakeCompleter, tokenizer: CodeTokenizer
) -> None:
    engine = FakeEngine(lambda request, index: [])
    ahead.expect(make_completer(engine), at_cursor("x = |"), SETTINGS)
    await ahead.settle()
    assert read_prompts(engine, tokenizer) == ["x ="]


@pytest.mark.parametrize("document", ["x = 1|", "fo|o"])
async def test_where_the_engine_will_not_be_asked_nothing_is_read(
    ahead: Ahead, make_completer: MakeCompleter, document: str
) -> None:
    engine = FakeEngine(lambda request, index: [" 123\n"])
    completer = make_completer(engine)
    await completer.suggest(at_cursor("x =|"), SETTINGS, True)
    ahead.expect(completer, at_cursor(document), SETTINGS)
    await ahead.settle()
    assert engine.prefills == []


async def test_behind_an_accepted_suggestion_the_next_one_is_asked_for(
    ahead: Ahead, make_completer: MakeCompleter
) -> None:
    engine = FakeEngine(lambda request, index: [" 1\n"] if len(engine.requests) == 1 else ["\ny = 2\n"])
    completer = make_completer(engine)
    await completer.suggest(at_cursor("x =|"), SETTINGS, True)
    ahead.expect(completer, at_cursor("x = 1|"), SETTINGS)
    await ahead.settle()
    num_requests = len(engine.requests)
    assert num_requests == 2
    await completer.suggest(at_cursor("x = 1|"), SETTINGS, True)
    assert len(engine.requests) == num_requests, "the answer was there before the question"


async def test_a_question_from_elsewhere_does_not_wait_for_a_guess(ahead: Ahead, make_completer: MakeCompleter) -> None:
    class Hanging(FakeEngine):
        """Never answers its second request."""

        async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
            result = await super().complete(request, on_tokens)
            if len(self.requests) == 2:
                await asyncio.Event().wait()
            return result

    patient = Settings(deadline_ms=60_000)
    engine = Hanging(lambda request, index: [" 1\n"])
    completer = make_completer(engine)
    await completer.suggest(at_cursor("x =|"), patient, True)
    ahead.expect(completer, at_cursor("x = 1|"), patient)
    while len(engine.requests) < 2:
        await asyncio.sleep(0)
    elsewhere = at_cursor("x = 1\ny =|")
    ahead.make_way(elsewhere)
    found = await asyncio.wait_for(completer.suggest(elsewhere, patient, True), 10)
    assert [each.text for each in found] == [" 1"]


async def test_a_guess_that_was_right_is_waited_for_and_asked_once(ahead: Ahead, make_completer: MakeCompleter) -> None:
    engine = FakeEngine(lambda request, index: [" 1\n"] if len(engine.requests) == 1 else ["\n", "y", " = 2\n"])
    completer = make_completer(engine)
    await completer.suggest(at_cursor("x =|"), SETTINGS, True)
    ahead.expect(completer, at_cursor("x = 1|"), SETTINGS)
    while len(engine.requests) < 2:
        await asyncio.sleep(0)
    ahead.make_way(at_cursor("x = 1|"))
    await completer.suggest(at_cursor("x = 1|"), SETTINGS, True)
    assert len(engine.requests) == 2


async def test_the_next_edit_gives_an_earlier_guess_up(
    ahead: Ahead, make_completer: MakeCompleter, tokenizer: CodeTokenizer
) -> None:
    engine = FakeEngine(lambda request, index: [])
    for document in ("a.|", "ab.|", "abc.|"):
        ahead.expect(make_completer(engine), at_cursor(document), SETTINGS)
    await ahead.settle()
    assert read_prompts(engine, tokenizer) == ["abc"]


async def test_a_place_that_was_asked_about_is_not_read_again(ahead: Ahead, make_completer: MakeCompleter) -> None:
    """Its question may still be under way: nothing is known of it yet."""
    engine = FakeEngine(lambda request, index: [])
    ahead.make_way(at_cursor("x =|"))
    ahead.expect(make_completer(engine), at_cursor("x =|"), SETTINGS)
    await ahead.settle()
    assert engine.prefills == []
    ahead.forget("u")
    ahead.expect(make_completer(engine), at_cursor("x =|"), SETTINGS)
    await ahead.settle()
    assert len(engine.prefills) == 1


async def test_the_same_guess_goes_on(ahead: Ahead, make_completer: MakeCompleter) -> None:
    engine = FakeEngine(lambda request, index: [" 1\n"] if len(engine.requests) == 1 else ["y", " = 2\n"])
    completer = make_completer(engine)
    await completer.suggest(at_cursor("x =|"), SETTINGS, True)
    ahead.expect(completer, at_cursor("x = 1|"), SETTINGS)
    while len(engine.requests) < 2:
        await asyncio.sleep(0)
    ahead.expect(completer, at_cursor("x = 1|"), SETTINGS)
    await ahead.settle()
    assert len(engine.requests) == 2


async def test_a_failure_is_silent(
    ahead: Ahead, make_completer: MakeCompleter, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(FakeEngine):
        error: Exception = EngineUnavailableError("gone")

        async def prefill(self, document: str, prompt_ids: tuple[int, ...]) -> None:
            raise self.error

    engine = Broken(lambda request, index: ["1\n"])
    completer = make_completer(engine)
    for error in (EngineUnavailableError("gone"), ValueError("secret code")):
        engine.error = error
        ahead.expect(completer, at_cursor("x =|"), SETTINGS)
        await ahead.settle()
    assert "ValueError" in caplog.text
    assert "secret code" not in caplog.text
    assert await completer.suggest(at_cursor("x =|"), SETTINGS, True)


async def test_a_model_that_still_loads_is_no_failure(ahead: Ahead, make_completer: MakeCompleter) -> None:
    engine = FakeEngine(lambda request, index: [], state=EngineState.LOADING)
    ahead.expect(make_completer(engine), at_cursor("x =|"), SETTINGS)
    await ahead.settle()
    assert engine.prefills == []


async def test_nothing_is_left_under_way(ahead: Ahead, make_completer: MakeCompleter) -> None:
    engine = FakeEngine(lambda request, index: [])
    ahead.expect(make_completer(engine), at_cursor("x =|"), SETTINGS)
    ahead.forget("u")
    ahead.expect(make_completer(engine), at_cursor("x =|"), SETTINGS)
    ahead.stop()
    await ahead.settle()
    assert engine.prefills == []
