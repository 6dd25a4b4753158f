"""The verdict on one candidate: a document, or the reason against it. Owns the order in which the filters are asked."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lsp_server.errors import CorpusError
from trainer.corpus import filters, licences
from trainer.corpus.config import CorpusConfig
from trainer.corpus.contamination import Benchmarks, load_problems
from trainer.corpus.languages import language_of
from trainer.corpus.notebooks import code_of, is_notebook
from trainer.corpus.reserved import is_reserved_path, is_reserved_source
from trainer.corpus.secrets import find_secrets
from trainer.corpus.store import Document
from trainer.corpus.units import Candidate, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a candidate."""

    document: Document | None = None
    reason: str = ""
    detail: str = ""
    """A secret's kind, a benchmark's problem, or what the file system said; never text of the file."""


class Judge:
    """Asks all filters of one recipe. Raises: CorpusError when the recipe names a file that is not there."""

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self._excluded = excluded_repositories(config)
        problems = load_problems(config)
        self._benchmarks = Benchmarks.of(problems, config.decontaminate_words) if problems else None
        self._count_tokens = _token_counter(config)

    def judge(self, unit: Unit, candidate: Candidate) -> Verdict:
        """Judge the path first, then open, then ask the cheap filters before the dear ones."""
        reason = candidate.problem or self._judge_unopened(unit, candidate)
        if reason:
            return Verdict(reason=reason, detail=candidate.detail)
        try:
            content = candidate.read()
        except OSError as error:
            return Verdict(reason="unreadable", detail=error.strerror or type(error).__name__)
        text, problem = filters.decode(content)
        if not problem and is_notebook(candidate.path):
            text, problem = code_of(text)
        return Verdict(reason=problem) if problem else self._judge_text(unit, candidate, text)

    def _judge_unopened(self, unit: Unit, candidate: Candidate) -> str | None:
        config, path = self._config, candidate.path
        name = f"{unit.source}/{path}"
        if is_reserved_source(candidate.repository.rpartition("/")[2], candidate.repository):
            return "reserved"
        if is_reserved_path(path, unit.reserved):
            return "reserved"
        if candidate.repository.lower() in self._excluded or any(
            fnmatch.fnmatchcase(name, pattern) for pattern in config.exclude
        ):
            return "excluded"
        if filters.is_vendored(path):
            return "vendored"
        if candidate.num_bytes > config.max_file_bytes:
            return "too_large"
        return "surplus_test" if filters.is_surplus(config, name, path) else None

    def _judge_text(self, unit: Unit, candidate: Candidate, text: str) -> Verdict:
        config = self._config
        language = language_of(candidate.path)
        licence = licences.from_header(text) or candidate.licence
        if config.licences == "permissive" and not licences.is_permissive(licence):
            return Verdict(reason="licence", detail=licence)
        if filters.is_surplus(config, f"{unit.source}/{candidate.path}", candidate.path, text):
            return Verdict(reason="surplus_test")
        reason = filters.judge(config, text, language) or self._judge_tokens(text)
        if reason:
            return Verdict(reason=reason)
        kinds = find_secrets(text) if config.secrets == "drop" else []
        if kinds:
            return Verdict(reason="secret", detail=", ".join(kinds))
        problem = self._benchmarks.find(text) if self._benchmarks else None
        if problem:
            return Verdict(reason="contaminated", detail=problem)
        return Verdict(
            document=Document(
                path=candidate.path,
                source=unit.source,
                licence=licence,
                sha256=hashlib.sha256(text.encode()).hexdigest(),
                text=text,
                language=language,
                repository=candidate.repository,
                commit=unit.version if unit.kind == "git" else "",
            )
        )

    def _judge_tokens(self, text: str) -> str | None:
        if self._count_tokens is None:
            return None
        tokens = self._count_tokens(text)
        return "few_characters_per_token" if len(text) < self._config.min_characters_per_token * tokens else None


def excluded_repositories(config: CorpusConfig) -> frozenset[str]:
    """The names of `exclude_repositories` in lower case, files among them read. Raises: CorpusError."""
    names: set[str] = set()
    for entry in config.exclude_repositories:
        file = Path(entry).expanduser()
        if not file.is_file() and entry.count("/") == 1 and not file.suffix:
            names.add(entry.lower())
            continue
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CorpusError(
                f"corpus.exclude_repositories has {entry!r}, no owner/name and no list that can be read: {error}"
            ) from error
        names |= {line.strip().lower() for line in lines if line.strip() and not line.startswith("#")}
    return frozenset(names)


def _token_counter(config: CorpusConfig) -> Callable[[str], int] | None:
    if not config.fertility_tokenizer:
        return None
    from tokenizers import Tokenizer

    file = Path(config.fertility_tokenizer).expanduser()
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise CorpusError(
            f"corpus.fertility_tokenizer {file} cannot be read ({error}): give a tokenizer.json"
        ) from error
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
