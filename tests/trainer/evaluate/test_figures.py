from __future__ import annotations

import pytest

from lsp_server.errors import CorpusError
from trainer.corpus import Document
from trainer.evaluate.figures import draw_documents


def document(digest: str, num_bytes: int) -> Document:
    return Document(path=digest, source="a", licence="MIT", sha256=digest, text="x" * num_bytes)


def test_documents_are_drawn_whole_in_the_order_of_their_hashes() -> None:
    drawn = draw_documents([document("c", 50), document("a", 50), document("b", 50)], max_bytes=100)
    assert [each.sha256 for each in drawn] == ["a", "b"]


def test_one_document_is_drawn_even_when_it_is_too_large() -> None:
    assert len(draw_documents([document("a", 500), document("b", 1)], max_bytes=100)) == 1


def test_nothing_held_out_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(CorpusError, match="heldout"):
        draw_documents([], max_bytes=100)
