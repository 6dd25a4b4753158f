"""How fast the corpus stage judges text, a core, with and without near duplicates, beside CodeParrot's way of both.

Speeds are per second of processor time, all processes counted, so that a busy machine changes them little. The text
is the standard library and the installed packages, without tests, in a folder of its own; all of the stage is
measured, from listing the files to the report. Peers get the texts in memory and write nothing.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.report import Figure
from benchmarks.trainer.processor_time import best_of
from trainer.config import CorpusConfig
from trainer.corpus.build import build_corpus
from trainer.corpus.filters import is_configuration, is_test, share_of
from trainer.corpus.sources import find_sources

TARGET_MB_A_CORE = 20.0
TARGET_MB_A_CORE_NEAR = 4.0
REPEATS = 3


def figures(quick: bool) -> list[Figure]:
    """The stage without near duplicates, with them, and with parsing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = copy_installed(folder / "code", 8_000_000 if quick else 40_000_000)
        megabytes = sum(len(text.encode()) for text in texts) / 1e6
        config = CorpusConfig(sources=(str(folder / "code"),), near_duplicates=0.0)

        def speed(config: CorpusConfig) -> float:
            return megabytes / best_of(REPEATS, lambda: build_corpus(config, folder / "corpus", workers=1))

        return [
            Figure(
                name="corpus, without near duplicates",
                value=speed(config),
                unit="MB/core-s",
                peer="CodeParrot's filters",
                peer_value=megabytes / best_of(1, lambda: [_judge_as_codeparrot(text) for text in texts]),
                target=TARGET_MB_A_CORE,
                higher_is_better=True,
            ),
            Figure(
                name="corpus, with near duplicates",
                value=speed(replace(config, near_duplicates=0.7)),
                unit="MB/core-s",
                peer="CodeParrot's near duplicates alone",
                peer_value=megabytes / best_of(1, lambda: _deduplicate_as_codeparrot(texts)),
                target=TARGET_MB_A_CORE_NEAR,
                higher_is_better=True,
            ),
            Figure(
                name="corpus, without near duplicates, must_parse",
                value=speed(replace(config, must_parse=True)),
                unit="MB/core-s",
                higher_is_better=True,
            ),
        ]


def copy_installed(folder: Path, num_bytes: int) -> list[str]:
    """Fill a folder with files of the standard library and of the installed packages, and return their texts."""
    found = {
        f"{source.name}/{file.path.lstrip('/')}": file
        for spec in ("stdlib", "site-packages")
        for source in find_sources(spec)
        for file in source.list_files()
        if file.path.endswith(".py") and 0 < file.num_bytes < 500_000
    }
    texts: list[str] = []
    for name in sorted(found, key=share_of):
        text = Path(found[name].location).read_text(encoding="utf-8", errors="ignore")
        if is_test(name) or is_configuration(name):
            continue
        target = folder / name.replace("site-packages", "packages")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        texts.append(text)
        num_bytes -= len(text)
        if num_bytes <= 0:
            break
    return texts


def _judge_as_codeparrot(text: str) -> bool:
    """The questions of CodeParrot's preprocessing, but for the tokenizer's; written anew."""
    hashlib.md5(re.sub(r"\s+", "", text).encode(), usedforsecurity=False).hexdigest()
    lines = text.splitlines() or [""]
    lengths = [len(line) for line in lines]
    has_long_lines = max(lengths) > 1000 or sum(lengths) / len(lengths) > 100
    few_letters = sum(character.isalnum() for character in text) / max(1, len(text)) < 0.25
    first = [line.lower() for line in lines[:5]]
    is_generated = any("auto-generated" in line or "automatically generated" in line for line in first)
    folded = [line.lower() for line in lines]
    counts = [sum(line.count(word) for line in folded) for word in ("config", "test")]
    is_test_or_configuration = max(counts) > 0.05 * len(lines)
    has_keyword = any(word in line for word in ("def ", "class ", "for ", "while ") for line in folded)
    assigns = sum(line.count("=") for line in folded) > 4
    return not (has_long_lines or few_letters or is_generated or is_test_or_configuration) and has_keyword and assigns


def _deduplicate_as_codeparrot(texts: list[str]) -> int:
    """A datasketch signature of the set of words, 256 permutations, and its index in memory at 0.85; written anew."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=0.85, num_perm=256)
    num_close = 0
    for number, text in enumerate(texts):
        sketch = MinHash(num_perm=256)
        for word in {word for word in re.split(r"\W+", text) if word}:
            sketch.update(word.encode())
        num_close += bool(index.query(sketch))
        index.insert(number, sketch)
    return num_close
