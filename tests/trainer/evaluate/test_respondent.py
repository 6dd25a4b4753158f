from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from lsp_server.completion.completer import Completer
from lsp_server.completion.rules import ALL
from lsp_server.engine.api import CompletionRequest, StopRule
from lsp_server.engine.fake import FakeEngine, Script
from lsp_server.model.bundle import Bundle
from lsp_server.model.prompt import PromptLayout, Sentinels, SpmPrompts
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.evaluate.respondent import Draw, Respondent, before_stop, open_respondent
from trainer.evaluate.tasks import Task
from trainer.task_kinds import Kind

LAYOUT = PromptLayout(context_tokens=64, new_tokens=16, suffix_tokens=12)


def respondent(engine: FakeEngine, tokenizer: CodeTokenizer) -> Respondent:
    prompts = SpmPrompts(sentinels=Sentinels.of(tokenizer), layout=LAYOUT)
    completer = Completer(engine=engine, tokenizer=tokenizer, prompts=prompts)
    return Respondent(engine, completer, tokenizer, prompts)


def saying(*pieces: str) -> Script:
    return lambda request, index: pieces


def task(kind: Kind, before: str = "value = ", after: str = "\nend\n") -> Task:
    return Task(kind=kind, source="a", path="a.py", before=before, target="?", after=after)


@pytest.mark.parametrize(
    ("kind", "rule"), [("line", StopRule.LINE), ("block", StopRule.BLOCK), ("span", StopRule.NONE)]
)
async def test_each_kind_is_asked_as_it_ends(code_tokenizer: CodeTokenizer, kind: Kind, rule: StopRule) -> None:
    engine = FakeEngine(saying("one"))
    await respondent(engine, code_tokenizer).answer(task(kind, before="if x:\n    "))
    assert [request.stop for request in engine.requests] == [rule]


async def test_a_line_is_trimmed_as_in_an_editor_and_a_span_is_not(code_tokenizer: CodeTokenizer) -> None:
    asked = respondent(FakeEngine(saying("one", "\nend\n")), code_tokenizer)
    assert await asked.answer(task("line")) == "one"
    assert await asked.answer(task("span")) == "one\nend\n"


async def test_infilling_puts_the_suffix_first_and_going_on_begins_a_file(code_tokenizer: CodeTokenizer) -> None:
    engine = FakeEngine(saying("x"))
    asked = respondent(engine, code_tokenizer)
    await asked.infill("x = def", "pass", Draw())
    await asked.go_on("x = def", Draw(), ())
    infilled, went_on = (request.prompt_ids for request in engine.requests)
    assert infilled[:2] == (code_tokenizer.fim_prefix, code_tokenizer.fim_suffix)
    assert infilled[-len(code_tokenizer.encode("x =")) :] == tuple(code_tokenizer.encode("x ="))
    assert went_on == (code_tokenizer.end_of_text, *code_tokenizer.encode("x ="))
    assert {request.begins_with for request in engine.requests} == {" def"}


async def test_what_is_left_out_for_comparison_is_left_out(code_tokenizer: CodeTokenizer) -> None:
    engine = FakeEngine(saying("x"))
    asked = respondent(engine, code_tokenizer)
    for rules in (ALL, ALL.without("healing"), ALL.without("memory")):
        await asked.answer(task("line"), rules)
    usual, unhealed, forgetful = engine.requests
    assert usual.begins_with
    assert not unhealed.begins_with
    assert usual.recall is not None
    assert usual.recall.own_name == task("line").path
    assert forgetful.recall is None


@pytest.mark.parametrize("new_tokens", [8, 256])
async def test_prompt_and_answer_fit_the_window_and_the_answer_gets_half_at_most(
    code_tokenizer: CodeTokenizer, new_tokens: int
) -> None:
    engine = FakeEngine(saying("x"))
    long = "value = other + 1\n" * 50
    await respondent(engine, code_tokenizer).infill(long, long, Draw(max_new_tokens=new_tokens))
    (request,) = engine.requests
    assert len(request.prompt_ids) + request.sampling.max_new_tokens <= 64
    assert request.sampling.max_new_tokens == min(new_tokens, 32)


async def test_many_samples_are_drawn_in_groups_with_seeds_of_their_own(code_tokenizer: CodeTokenizer) -> None:
    engine = FakeEngine(lambda request, index: [f"{(request.sampling.seed or 0) + index}"])
    answers = await respondent(engine, code_tokenizer).go_on("x", Draw(num=11, temperature=0.4, seed=100), ("!",))
    assert sorted(answers) == sorted(str(100 + number) for number in range(11))


async def test_decoding_ends_when_a_stop_has_come_in_every_sample(code_tokenizer: CodeTokenizer) -> None:
    def endless(request: CompletionRequest, index: int) -> Iterable[str]:
        yield f"body {index}"
        while True:
            yield "\ndef more"

    engine = FakeEngine(endless)
    answers = await respondent(engine, code_tokenizer).go_on("x", Draw(max_new_tokens=32), ("\ndef",))
    assert answers == ["body 0"]
    assert engine.num_steps < 5


async def test_who_cancels_the_question_gets_no_answer(code_tokenizer: CodeTokenizer) -> None:
    engine = FakeEngine(saying(*"abcdef"), step_seconds=10.0)
    asked = asyncio.ensure_future(respondent(engine, code_tokenizer).go_on("x", Draw(), ("stop",)))
    while not engine.requests:
        await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked


def test_the_first_stop_in_the_text_counts() -> None:
    assert before_stop("a\nclass b\ndef c", ("\ndef", "\nclass")) == "a"
    assert before_stop("a", ("\ndef",)) == "a"


async def test_a_real_bundle_answers_and_repeats_itself_from_a_seed(tiny_bundle: Bundle) -> None:
    draw = Draw(num=3, temperature=1.0, seed=5, max_new_tokens=8)
    async with open_respondent(tiny_bundle.path, device="cpu") as asked:
        first = await asked.go_on("def f(x):\n", draw, ())
        assert await asked.go_on("def f(x):\n", draw, ()) == first
        assert await asked.infill("def f(x):\n    return", "\n", draw)
        for kind in ("line", "word", "block", "span"):
            assert isinstance(await asked.answer(task(kind, before="if x:\n    ")), str)
