"""The editor whose pipeline runs in this process, on a scripted engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from lsp_server.completion.completer import Completer
from lsp_server.completion.rules import ALL, Rules, rule_names
from lsp_server.engine.api import CompletionRequest
from lsp_server.engine.fake import FakeEngine
from lsp_server.model.prompt import PromptLayout, Sentinels, SpmPrompts
from lsp_server.model.tokenizer import MIN_VOCAB_SIZE, CodeTokenizer
from trainer.simulate.pieces import Piece
from trainer.simulate.pipeline import PipelineEditor, ablations
from trainer.simulate.project import Project
from trainer.simulate.typist import write

PIECE = Piece(source="a", path="a.py", before="first = 1\n", target="second = compute(2)", after="\nlast = 3\n")


def editor_offering(text: str, rules: Rules = ALL) -> PipelineEditor:
    tokenizer = CodeTokenizer.train(["ab"], MIN_VOCAB_SIZE)
    layout = PromptLayout(context_tokens=503, new_tokens=50, suffix_tokens=50)
    prompts = SpmPrompts(sentinels=Sentinels.of(tokenizer), layout=layout)

    def script(request: CompletionRequest, _index: int) -> list[str]:
        return [text] if (tokenizer.decode(request.prompt_ids) + request.begins_with).endswith("second =") else []

    engine = FakeEngine(script)
    completer = Completer(engine=engine, tokenizer=tokenizer, prompts=prompts, rules=rules)
    return PipelineEditor(completer, Project(folder=Path("/no/such")), lambda: None)


async def test_a_right_offer_is_accepted() -> None:
    editor = editor_offering(" compute(2)\n")
    tally = await write(editor, PIECE, seed=0)
    assert (tally.num_offers, tally.num_right, tally.keys) == (1, 1, len("second =") + 1)
    assert (editor.faults.num_judged, editor.faults.num_broken) == (1, 0)


async def test_faults_are_found_where_no_rule_prevents_them() -> None:
    editor = editor_offering(" compute(2))\n", ALL.without("syntax"))
    await write(editor, PIECE, seed=0)
    assert (editor.faults.num_judged, editor.faults.num_broken) == (1, 1)
    editor = editor_offering(" compute(2))\n")
    await write(editor, PIECE, seed=0)
    assert editor.faults.num_judged == 0


async def test_an_offer_that_is_typed_through_is_judged_once() -> None:
    editor = editor_offering(" compute(3)\n")
    await write(editor, PIECE, seed=0)
    assert editor.faults.num_judged == 1


@pytest.mark.parametrize("name", rule_names())
def test_each_rule_can_be_switched_off_by_itself(name: str) -> None:
    rules = ablations()[f"without {name}"]
    assert [each for each in rule_names() if not getattr(rules, each)] == [name]
