"""Answers under way, which who types on may join. `|` is the cursor in every document."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from lsp_server.completion.ahead import Ahead
from lsp_server.completion.cache import Suggestion
from lsp_server.completion.completer import Completer
from lsp_server.completion.snapshot import Snapshot
from lsp_server.engine.api import CompletionRequest, CompletionResult, OnTokens
from lsp_server.engine.fake import FakeEngine
from lsp_server.model.prompt import PromptLayout, Sentinels, SpmPrompts
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.settings import Settings

SETTINGS = Settings()


class HalfWritten(FakeEngine):
    """Has written half of its answer, and goes on when the test says so."""

    def __init__(self, half: str, rest: str) -> None:
        super().__init__(lambda request, index: [half + rest])
        self.half = half
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.num_given_up = 0

    async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
        assert on_tokens is not None
        on_tokens(0, self.half)
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.num_given_up += 1
            raise
        return await super().complete(request)


Flying = tuple[Completer, HalfWritten, "asyncio.Task[list[Suggestion]]"]


@pytest.fixture
def fly(tokenizer: CodeTokenizer, sentinels: Sentinels, layout: PromptLayout) -> Callable[..., object]:
    async def start(document: str = "x =|", half: str = "com", rest: str = "pute()\n") -> Flying:
        engine = HalfWritten(half, rest)
        prompts = SpmPrompts(sentinels=sentinels, layout=layout)
        completer = Completer(engine=engine, tokenizer=tokenizer, prompts=prompts)
        asked = ask(completer, document)
        await asyncio.wait_for(engine.begun.wait(), 10)
        return completer, engine, asked

    return start


def at_cursor(document: str) -> Snapshot:
    return Snapshot(uri="u", language="python", text=document.replace("|", ""), offset=document.index("|"))


def ask(completer: Completer, document: str, *, automatic: bool = True) -> asyncio.Task[list[Suggestion]]:
    return asyncio.create_task(completer.suggest(at_cursor(document), SETTINGS, automatic))


async def leave(task: asyncio.Task[list[Suggestion]]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_types_what_is_being_written_joins(fly: Callable[..., object]) -> None:
    completer, engine, asked = await fly()  # type: ignore[misc]
    joined = ask(completer, "x =co|")
    await turn()
    await leave(asked)
    engine.go_on.set()
    assert [each.text for each in await joined] == ["mpute()"]
    assert len(engine.requests) == 1
    assert engine.num_given_up == 0


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("x =xy|", "something else was typed"),
        ("x =com|", "as much was typed as is written: what follows is not known yet"),
        ("y =c|", "another edit was made"),
        ("x =|", "nothing was typed"),
    ],
)
async def test_another_document_is_not_on_the_way(fly: Callable[..., object], typed: str, reason: str) -> None:
    completer, engine, asked = await fly()  # type: ignore[misc]
    assert not completer.is_under_way(at_cursor(typed), SETTINGS), reason
    assert completer.is_under_way(at_cursor("x =c|"), SETTINGS)
    assert not completer.is_under_way(at_cursor("x =c|"), Settings(max_new_tokens=3))
    engine.go_on.set()
    await asked


async def test_an_answer_that_nobody_waits_for_is_given_up(fly: Callable[..., object]) -> None:
    completer, engine, asked = await fly()  # type: ignore[misc]
    joined = ask(completer, "x =c|")
    await turn()
    await leave(asked)
    assert engine.num_given_up == 0
    await leave(joined)
    assert engine.num_given_up == 1
    assert not completer.is_under_way(at_cursor("x =c|"), SETTINGS)


async def test_where_the_answer_turns_out_not_to_fit_the_model_is_asked_again(fly: Callable[..., object]) -> None:
    completer, engine, asked = await fly(half="1\n", rest="")  # type: ignore[misc]
    joined = ask(completer, "x =1|")
    await turn()
    engine.go_on.set()
    await joined
    assert [each.text for each in await asked] == ["1"]
    assert len(engine.requests) == 2


async def test_an_edit_keeps_the_answer_that_it_fits_on_its_way(fly: Callable[..., object]) -> None:
    """An editor first tells the edit, then cancels its question, and asks again after a while."""
    completer, engine, asked = await fly()  # type: ignore[misc]
    ahead = Ahead()
    for typed in ("x =c|", "x =co|"):
        ahead.expect(completer, at_cursor(typed), SETTINGS)
        await turn()
    await leave(asked)
    assert engine.num_given_up == 0
    engine.go_on.set()
    await ahead.settle()
    assert [each.text for each in await ask(completer, "x =co|")] == ["mpute()"]
    assert len(engine.requests) == 1
    assert not engine.prefills


async def test_an_explicit_question_joins_nothing(fly: Callable[..., object]) -> None:
    completer, engine, asked = await fly()  # type: ignore[misc]
    explicit = ask(completer, "x =c|", automatic=False)
    await turn()
    engine.go_on.set()
    await explicit
    await asked
    assert len(engine.requests) > 1
