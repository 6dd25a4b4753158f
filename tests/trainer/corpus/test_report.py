"""The report: one page for a person, with nothing in it that comes from elsewhere or that a file's name could break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from trainer.corpus import filters
from trainer.corpus.build import build_corpus
from trainer.corpus.config import CorpusConfig
from trainer.corpus.report import render
from trainer.corpus.store import CorpusManifest
from trainer.corpus.summary import summarise, too_small

VOID = {"meta", "rect", "br", "link", "img"}


class Page(HTMLParser):
    """Holds that tags close in order, and gathers text and addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not {"src", "href", "onload", "onclick"} & {name for name, _ in attributes}
        if tag not in VOID or tag == "rect":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def manifest(tmp_path: Path, write_files: Callable[..., Path], module: Callable[[int], str]) -> CorpusManifest:
    files = {f"{number}.py": module(number) for number in range(30)}
    files |= {"empty.py": "\n", "<script>.py": "# a token\nTOKEN = 'gh" + "p_" + "a1B2" * 9 + "'\n"}
    folder = write_files(tmp_path / "a&b", files)
    return build_corpus(CorpusConfig(sources=(str(folder),)), tmp_path / "corpus")


def test_the_report_stands_beside_the_manifest(tmp_path: Path, manifest: CorpusManifest) -> None:
    page = Page((tmp_path / "corpus" / "report.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert "svg" in page.tags
    for part in ("a&b/<script>.py", "GitHub Token", "unknown", "Python", "empty", "30"):
        assert part in page.text


def test_every_filter_is_counted_silent_or_off(manifest: CorpusManifest) -> None:
    text = Page(render(manifest)).text
    for name in filters.SOURCES:
        assert name in text
    counted, _, rest = text.partition("No file fell to:")
    silent, _, off = rest.partition("Switched off:")
    assert "empty" in counted
    assert "binary" in silent
    assert "contaminated" in off


def test_a_small_corpus_is_told_what_would_do(manifest: CorpusManifest) -> None:
    assert "too small to train a model from nothing: 2" in summarise(manifest)
    assert "fine-tune a pretrained model" in Page(render(manifest)).text
    large = {"num_documents": 100, "num_bytes": 1_000_000, "shards": []}
    assert too_small(replace(manifest, splits={"train": large, "heldout": large})) == ""


def test_many_sources_are_folded(manifest: CorpusManifest) -> None:
    many = [{**manifest.sources[0], "name": f"source{number}"} for number in range(40)]
    page = Page(render(replace(manifest, sources=many)))
    assert "details" in page.tags
    assert "25 more" in page.text


def test_an_empty_corpus_can_be_reported(manifest: CorpusManifest) -> None:
    nothing = {"num_documents": 0, "num_bytes": 0, "shards": []}
    bare = replace(
        manifest,
        splits={"train": nothing, "heldout": nothing},
        sizes=[],
        licences={},
        languages={},
        dropped={},
        sources=[],
    )
    assert "Nothing was left out" in Page(render(bare)).text
