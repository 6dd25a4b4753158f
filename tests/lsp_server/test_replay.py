"""The player, on a scripted engine: it asks as an editor does, and counts what that cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from lsp_server.completion.completer import Completer
from lsp_server.engine.api import CompletionRequest, CompletionResult, OnTokens
from lsp_server.engine.fake import FakeEngine
from lsp_server.engine.recorder import Recorder
from lsp_server.model.prompt import PromptLayout, Sentinels, SpmPrompts
from lsp_server.model.tokenizer import MIN_VOCAB_SIZE, CodeTokenizer
from lsp_server.replay import Edit, Keystroke, Open, Phase, Player, Rest, Step
from lsp_server.settings import Settings

SETTINGS = Settings(debounce_ms=0)
TOKENIZER = CodeTokenizer.train(["ab"], MIN_VOCAB_SIZE)
LAYOUT = PromptLayout(context_tokens=503, new_tokens=50, suffix_tokens=50)
PROMPTS = SpmPrompts(sentinels=Sentinels.of(TOKENIZER), layout=LAYOUT)


class ReusingEngine(FakeEngine):
    """Reports a fixed share of each prompt as read before."""

    reused = 0.0

    async def complete(self, request: CompletionRequest, on_tokens: OnTokens | None = None) -> CompletionResult:
        result = await super().complete(request, on_tokens)
        reused_tokens = int(self.reused * len(request.prompt_ids))
        return replace(result, timings=replace(result.timings, reused_tokens=reused_tokens, prefill_ms=2.0))


def script(request: CompletionRequest, index: int) -> Iterable[str]:
    return [" 1\n"] if asked(request).endswith("x =") else []


def asked(request: CompletionRequest) -> str:
    """The prompt, with the piece that the answer is to begin with."""
    return TOKENIZER.decode(request.prompt_ids) + request.begins_with


def insert(at: int, text: str, phase: Phase = Phase.TYPING) -> Edit:
    return Edit(document="a.py", at=at, remove=0, insert=text, cursor=at + len(text), phase=phase)


async def play(engine: FakeEngine, *steps: Step, ahead: bool = False, tells_cursor: bool = False) -> list[Keystroke]:
    recorder = Recorder(engine)
    completer = Completer(engine=recorder, tokenizer=TOKENIZER, prompts=PROMPTS)
    player = Player(recorder, completer, SETTINGS, ahead=ahead, tells_cursor=tells_cursor)
    return [keystroke async for keystroke in player.play(steps)]


async def test_each_edit_is_asked_about_with_the_document_as_it_then_is() -> None:
    engine = FakeEngine(script)
    remove = Edit(document="a.py", at=1, remove=2, insert="", cursor=1, phase=Phase.DELETING)
    await play(engine, Open(document="a.py", text="ab;"), insert(2, "c"), remove)
    assert [asked(each) for each in engine.requests] == [";abc", ";a"]


async def test_what_is_typed_through_comes_from_the_cache() -> None:
    engine = FakeEngine(script)
    first, second = await play(engine, Open(document="a.py", text="x "), insert(2, "="), insert(3, " "))
    assert (first.num_requests, first.from_cache, first.is_served, first.has_suggestion) == (1, False, False, True)
    assert (second.num_requests, second.from_cache, second.is_served, second.has_suggestion) == (0, True, True, True)


@pytest.mark.parametrize(("reused", "is_served"), [(0.95, True), (0.5, False)])
async def test_a_keystroke_is_served_when_nearly_all_of_its_prompt_was_read_before(
    reused: float, is_served: bool
) -> None:
    engine = ReusingEngine(script)
    engine.reused = reused
    (keystroke,) = await play(engine, Open(document="a.py", text="y" * 99), insert(99, "z", Phase.MOVING))
    assert keystroke.phase is Phase.MOVING
    assert keystroke.is_served is is_served
    assert keystroke.prompt_tokens == 100, "the last piece is the answer's to begin with"
    assert keystroke.prefill_ms == 2.0


async def test_inside_a_word_nothing_is_asked_and_nothing_counts_as_served() -> None:
    (keystroke,) = await play(FakeEngine(script), Open(document="a.py", text="ac"), insert(1, "b"))
    assert (keystroke.is_asked, keystroke.is_served) == (False, False)


async def test_prompts_are_read_ahead_only_when_wanted() -> None:
    steps = Open(document="a.py", text="a"), insert(1, "b")
    eager, plain = FakeEngine(script), FakeEngine(script)
    await play(eager, *steps, ahead=True)
    await play(plain, *steps)
    assert (len(eager.prefills), len(plain.prefills)) == (1, 0)


@pytest.mark.parametrize(("tells_cursor", "num_prefills"), [(True, 1), (False, 0)])
async def test_a_resting_cursor_is_known_where_the_editor_tells_it(tells_cursor: bool, num_prefills: int) -> None:
    engine = FakeEngine(script)
    rest = Rest(document="a.py", cursor=1)
    assert await play(engine, Open(document="a.py", text="a"), rest, ahead=True, tells_cursor=tells_cursor) == []
    assert len(engine.prefills) == num_prefills
