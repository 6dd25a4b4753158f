from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lsp_server.completion.snapshot import Snapshot
from lsp_server.completion.window import Windows
from lsp_server.model.prompt import PromptLayout, Sentinels, SpmPrompts
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.config import CorpusConfig
from trainer.corpus import read_documents
from trainer.corpus.build import build_corpus
from trainer.corpus.notebooks import code_of

CELLS = [
    {"cell_type": "markdown", "source": ["# Sales\n"]},
    {
        "cell_type": "code",
        "source": ["import pandas as pd\n", "%matplotlib inline\n"],
        "outputs": [{"data": "x" * 999}],
    },
    {"cell_type": "code", "source": ""},
    {"cell_type": "code", "source": "sales = pd.read_csv('sales.csv')"},
]
CODE = "import pandas as pd\n%matplotlib inline\nsales = pd.read_csv('sales.csv')"


def notebook(**parts: Any) -> str:
    return json.dumps({"nbformat": 4, "cells": CELLS, **parts})


@pytest.mark.parametrize(
    "metadata",
    [{}, {"kernelspec": {"language": "python"}}, {"language_info": {"name": "Python"}}, {"kernelspec": None}],
)
def test_the_code_cells_of_a_notebook_are_one_text(metadata: dict[str, Any]) -> None:
    assert code_of(notebook(metadata=metadata)) == (CODE, None)


def test_an_old_notebook_has_worksheets() -> None:
    cells = [{"cell_type": "code", "input": ["a = 1\n", "b = 2"]}, {"cell_type": "heading", "source": "Hello"}]
    assert code_of(json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]})) == ("a = 1\nb = 2", None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (notebook(metadata={"kernelspec": {"language": "R"}}), "foreign_notebook"),
        ("{", "malformed_notebook"),
        ("[]", "malformed_notebook"),
        ('{"cells": [{"cell_type": "code"}]}', "malformed_notebook"),
        ('{"cells": [{"cell_type": "code", "source": [1]}]}', "malformed_notebook"),
        ('{"cells": 3}', "malformed_notebook"),
        ("[" * 100_000, "malformed_notebook"),
    ],
)
def test_what_is_no_notebook_of_python_is_left_out_with_the_reason(text: str, reason: str) -> None:
    assert code_of(text) == ("", reason)


def test_cells_stand_in_training_as_the_server_shows_them(code_tokenizer: CodeTokenizer) -> None:
    *before, last = ("import pandas as pd\n%matplotlib inline", "sales = pd.read_csv('sales.csv')")
    snapshot = Snapshot(uri="a", language="python", text=last, offset=len(last), cells_before=tuple(before))
    layout = PromptLayout(context_tokens=1024, new_tokens=16, suffix_tokens=16)
    prompts = SpmPrompts(sentinels=Sentinels.of(code_tokenizer), layout=layout)
    shown = Windows(tokenizer=code_tokenizer, prompts=prompts).prompt(snapshot)
    assert code_tokenizer.decode(shown.ids[1:]) + shown.begins_with == CODE


def test_a_corpus_takes_notebooks_where_it_is_told_to(tmp_path: Path, write_files: Callable[..., Path]) -> None:
    folder = write_files(tmp_path / "project", {"a.ipynb": notebook(), "b.ipynb": "{", "c.py": "value = 1\n" * 9})
    config = CorpusConfig(sources=(str(folder),), extensions=(".py", ".ipynb"), heldout_share=0.0)
    manifest = build_corpus(config, tmp_path / "corpus")
    documents = {document.path: document for document in read_documents(tmp_path / "corpus", "train")}
    assert sorted(documents) == ["a.ipynb", "c.py"]
    assert documents["a.ipynb"].text == CODE
    assert documents["a.ipynb"].language == "Jupyter Notebook"
    assert manifest.dropped["malformed_notebook"] == 1
