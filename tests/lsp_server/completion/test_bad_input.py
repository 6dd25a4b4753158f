"""Documents that no example shows: the pipeline answers, and its answer goes in as it is. `|` is the cursor."""

from __future__ import annotations

import pytest

from lsp_server.completion.completer import Completer
from lsp_server.completion.snapshot import Snapshot
from lsp_server.engine.fake import FakeEngine
from lsp_server.model.prompt import PromptLayout, Sentinels, SpmPrompts
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.settings import Settings

MANY_LINES = "".join(f"value_{number} = {number}\n" for number in range(25_000))
DOCUMENTS = [
    # document, language, model's text, what is offered, reason
    ("if x:\n\ta = 1\n        |\n", "python", "b = 2\n", "b = 2", "tabs and spaces mixed"),
    ("if x:\r\n    |\r\ny = 1\r\n", "python", "a = 1\n    b = 2\n", "a = 1\r\n    b = 2", "CRLF"),
    ("x = |", "python", "1\n", "1", "no final newline"),
    (MANY_LINES + "x = |\n" + MANY_LINES, "python", "1\n", "1", "50,000 lines"),
    ("x = '" + "a" * 1_000_000 + "' + |\n", "python", "y\n", "y", "a line of 1 MB"),
    ("x = |'" + "a" * 1_000_000 + "'\n", "python", "y + \n", "y +", "with the cursor at its start"),
    ("def (:\n  ]]\nx = |\n  }} = (\n'''", "python", "1\n", "1", "syntax errors everywhere"),
    ("function f() {\n  |\n}\n", "javascript", "return 1;\n}\n", "return 1;", "another language"),
    ("SELECT |\n", "sql", "name FROM people;\n", "name FROM people;", "a language without a grammar"),
    ("x = '\u05e9\u05dc\u05d5\u05dd' + |\n", "python", "'\u05d0'\n", "'\u05d0'", "right-to-left text"),
    ("x = '\U0001f600' + |  # \U0001f468\u200d\U0001f469\n", "python", "'\U0001f680'", "'\U0001f680'", "emoji"),
    ("|", "python", "import os\n", "import os", "an empty document"),
]


@pytest.mark.parametrize(
    ("document", "language", "raw", "offered", "reason"), DOCUMENTS, ids=[each[4] for each in DOCUMENTS]
)
async def test_any_document_gets_its_suggestion(
    tokenizer: CodeTokenizer,
    sentinels: Sentinels,
    layout: PromptLayout,
    document: str,
    language: str,
    raw: str,
    offered: str,
    reason: str,
) -> None:
    engine = FakeEngine(lambda request, index: [raw])
    prompts = SpmPrompts(sentinels=sentinels, layout=layout)
    completer = Completer(engine=engine, tokenizer=tokenizer, prompts=prompts)
    offset = document.index("|")
    snapshot = Snapshot(uri="u", language=language, text=document.replace("|", "", 1), offset=offset)
    await completer.read_ahead(snapshot, Settings())
    assert [each.text for each in await completer.suggest(snapshot, Settings(), True)] == [offered]
