"""The recipe's [corpus] table: which text is trained on, what is thrown away, what is kept aside. Knows no stage."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal

from lsp_server.errors import RecipeError
from trainer.limits import require


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusConfig:
    """Which text is trained on, and which is kept aside; `filters` says where the thresholds come from."""

    sources: tuple[str, ...] = ()
    """Folders, git repositories (path, or URL#COMMIT), `stdlib`, `site-packages`, `package:NAME`, files of rows
    (.jsonl, .json.gz, .parquet), `hf:NAME?split=train`, or `list:FILE` with one of these a line."""
    exclude: tuple[str, ...] = ()
    """Globs over source names (`hypothesis`) and over `source/path` (`stdlib/lib2to3/tests/*`)."""
    exclude_repositories: tuple[str, ...] = ()
    """Repositories that never come in: `owner/name`, or files with one such name a line."""
    licences: Literal["any", "permissive"] = "any"
    """`permissive` keeps MIT, BSD, Apache, ISC and PSF files only; needed for a model that is passed on."""
    extensions: tuple[str, ...] = (".py",)
    """Of `.ipynb` the code cells are taken."""
    max_file_bytes: int = 1024 * 1024
    """Larger files are data, not code: they are counted and never opened."""
    max_bytes_per_source: int = 0
    """Cap for each source, so that one huge package does not dominate; 0 means no cap."""
    tests_share: float = 0.25
    """Share of the test and configuration files that is kept: they repeat themselves."""
    max_line_characters: int = 1000
    max_mean_line_characters: int = 100
    min_alphanumeric_share: float = 0.25
    min_comment_share: float = 0.0
    """Comments and docstrings, of all characters. 0.01 is BigCode's, for public collections; one's own code may have
    none, and a file of ten lines seldom has."""
    max_comment_share: float = 0.8
    must_parse: bool = False
    """Leave out Python that does not parse. Takes four times as long as the rest of the stage: 228 ms a megabyte."""
    fertility_tokenizer: str = ""
    """A `tokenizer.json` for `min_characters_per_token`; without one, that filter is off."""
    min_characters_per_token: float = 1.5
    near_duplicates: float = 0.7
    """Jaccard similarity from which of two documents one is dropped; 0 keeps near duplicates."""
    secrets: Literal["drop", "keep"] = "drop"
    decontaminate: tuple[str, ...] = ()
    """Benchmark files (.jsonl, .jsonl.gz): a document that shares text with one is dropped and named."""
    decontaminate_fields: tuple[str, ...] = ("prompt", "canonical_solution", "text", "code")
    """Fields of those files that hold the text; the defaults are HumanEval's and MBPP's."""
    decontaminate_words: int = 10
    """Words in a row that count as the same text."""
    heldout_sources: tuple[str, ...] = ()
    """Names of sources, or `owner/name` of repositories, that are held out whole."""
    heldout_after: str = ""
    """A date, as 2025-01-31: what a git repository changed since then is held out."""
    heldout_latest: bool = False
    """Whether `heldout_share` of each git repository is what its newest commits touched, and files elsewhere."""
    heldout_share: float = 0.05
    """Share held out when none of the three above is set: whole repositories where they are small enough."""
    tracked_only: bool = False
    """Whether of a folder inside a work tree only what git tracks comes in, and not what it would track, too."""
    min_documents: int = 1
    """Fewer training documents than this is an error."""
    text_column: str = ""
    """Column, or field of a row, that holds the text; empty tries the usual names, as for the three below."""
    path_column: str = ""
    repository_column: str = ""
    licence_column: str = ""

    def __post_init__(self) -> None:
        require("corpus.max_file_bytes", self.max_file_bytes, 1, 10_000_000)
        require("corpus.max_bytes_per_source", self.max_bytes_per_source, 0, None)
        for name in ("tests_share", "min_alphanumeric_share", "min_comment_share", "max_comment_share"):
            require(f"corpus.{name}", getattr(self, name), 0.0, 1.0)
        require("corpus.near_duplicates", self.near_duplicates, 0.0, 1.0)
        require("corpus.heldout_share", self.heldout_share, 0.0, 0.5)
        require("corpus.min_documents", self.min_documents, 1, None)
        require("corpus.decontaminate_words", self.decontaminate_words, 3, 100)
        for name in ("max_line_characters", "max_mean_line_characters"):
            require(f"corpus.{name}", getattr(self, name), 1, None)
        self._check_extensions()
        self._check_heldout()

    def _check_extensions(self) -> None:
        for extension in self.extensions:
            if not extension.startswith("."):
                raise RecipeError(f'corpus.extensions has {extension!r}: write it with its dot, ".{extension}"')
        if not self.extensions:
            raise RecipeError('corpus.extensions is empty: name at least one, such as [".py"]')

    def _check_heldout(self) -> None:
        if self.heldout_latest and (self.heldout_after or self.heldout_sources):
            other = "heldout_after" if self.heldout_after else "heldout_sources"
            raise RecipeError(f"corpus.heldout_latest and corpus.{other} are both set: keep one of them")
        if not self.heldout_after:
            return
        try:
            datetime.date.fromisoformat(self.heldout_after)
        except ValueError as error:
            raise RecipeError(
                f"corpus.heldout_after is {self.heldout_after!r}: write a date such as 2025-01-31"
            ) from error
        if self.heldout_sources:
            raise RecipeError("corpus.heldout_after and corpus.heldout_sources are both set: keep one of them")
