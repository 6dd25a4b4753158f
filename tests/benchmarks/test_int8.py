from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.int8 import main
from lsp_server.model.bundle import open_bundle
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.weights import write_bundle


def test_weights_that_are_in_int8_already_have_nothing_left_to_lose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = open_bundle().load_tokenizer()
    shape = GPT2Config(vocab_size=tokenizer.vocab_size, context_tokens=64, width=16, num_layers=1, num_heads=1)
    layout = PromptLayout(context_tokens=64, new_tokens=16, suffix_tokens=12)
    write_bundle(tmp_path / "int8", network=GPT2(shape), tokenizer=tokenizer, layout=layout, int8=True)
    with pytest.raises(SystemExit):
        main(["--model", str(tmp_path / "int8")])
    said = capsys.readouterr().err
    assert "is in int8 already: give the bundle that it was made from, such as --model runs/embedded/bundle" in said
