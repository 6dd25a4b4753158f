"""Text of benchmarks that must not be learnt: n-grams of their words, to be found in documents. Knows no corpus.

n is 10 unless the recipe says otherwise, as for DeepSeek-Coder (arXiv 2401.14196); GPT-3 took 13 (arXiv 2005.14165,
appendix C). Words are folded to lower case and cut as `shingles` cuts them, so that layout and punctuation do not
hide a copy. A problem of fewer words is left to the search for near duplicates; the report counts such problems.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lsp_server.errors import CorpusError
from trainer.corpus.config import CorpusConfig
from trainer.corpus.shingles import Hashes, gram_hashes, word_hashes


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One task of a benchmark."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmarks:
    """The n-grams of all problems, sorted, each with the problem that holds it."""

    grams: Hashes
    owners: tuple[str, ...]
    owner_of_gram: Any  # Any: integers, [grams]
    length: int
    num_short: int
    """Problems with fewer words than an n-gram."""

    @classmethod
    def of(cls, problems: list[Problem], length: int) -> Benchmarks:
        """Index the problems' n-grams."""
        hashed = [word_hashes(problem.text, fold_case=True) for problem in problems]
        grams = [gram_hashes(words, length) if len(words) >= length else words[:0] for words in hashed]
        flat = np.concatenate([*grams, np.zeros(0, dtype=np.uint64)])
        owner = np.repeat(np.arange(len(problems)), [len(each) for each in grams])
        unique, first = np.unique(flat, return_index=True)
        return cls(
            grams=unique,
            owners=tuple(problem.name for problem in problems),
            owner_of_gram=owner[first],
            length=length,
            num_short=sum(len(words) < length for words in hashed),
        )

    def find(self, text: str) -> str | None:
        """The problem that a text shares an n-gram with, if any."""
        words = word_hashes(text, fold_case=True)
        if len(words) < self.length or not len(self.grams):
            return None
        grams = gram_hashes(words, self.length)
        places = np.minimum(np.searchsorted(self.grams, grams), len(self.grams) - 1)
        hits = np.flatnonzero(self.grams[places] == grams)
        return self.owners[int(self.owner_of_gram[places[hits[0]]])] if len(hits) else None


def load_problems(config: CorpusConfig) -> list[Problem]:
    """All problems of the recipe's benchmark files. Raises: CorpusError for a file without them."""
    return [problem for name in config.decontaminate for problem in _read(Path(name).expanduser(), config)]


def _read(file: Path, config: CorpusConfig) -> list[Problem]:
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as stream:
            rows = [json.loads(line) for line in stream if line.strip()]
    except (OSError, EOFError, ValueError) as error:
        raise CorpusError(f"benchmark {file} cannot be read ({error}): give a file of JSON lines") from error
    problems = [_problem(row, number, file, config) for number, row in enumerate(rows) if isinstance(row, dict)]
    if not any(problem.text for problem in problems):
        fields = ", ".join(map(repr, config.decontaminate_fields))
        raise CorpusError(f"benchmark {file} has none of the fields {fields}: set corpus.decontaminate_fields")
    return problems


def _problem(row: dict[str, Any], number: int, file: Path, config: CorpusConfig) -> Problem:
    parts = [row[name] for name in config.decontaminate_fields if isinstance(row.get(name), str)]
    return Problem(name=f"{file.name}:{row.get('task_id', number)}", text="\n".join(parts))
