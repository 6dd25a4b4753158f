"""`parrotlet-train corpus SOURCES --out DIR`: its options, and what they mean for a corpus without a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lsp_server.errors import CorpusError
from trainer.corpus.config import CorpusConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="folder, git repository or URL#COMMIT, stdlib, site-packages, package:NAME, rows.jsonl, .json.gz or "
        ".parquet, or hf:NAME?split=train",
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="the run's folder, with --recipe")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the corpus's folder, without a recipe")
    parser.add_argument(
        "--permissive", action="store_true", help="leave out all but MIT, BSD, Apache, ISC and PSF code"
    )
    parser.add_argument("--extension", action="append", default=[], metavar=".EXT", help="default .py; repeatable")
    parser.add_argument("--exclude", action="append", default=[], metavar="GLOB", help="source, or source/path")
    parser.add_argument(
        "--exclude-repositories", action="append", default=[], metavar="FILE", help="owner/name, or a list of them"
    )
    _add_judging(parser)
    parser.add_argument("--heldout", action="append", default=[], metavar="NAME", help="source that only judges")
    parser.add_argument("--heldout-after", metavar="DATE", help="hold out what git changed since then")
    parser.add_argument("--min-documents", type=int, metavar="N", help="fewer to train on is an error")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; default: one for each core")


def _add_judging(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--near-duplicates", type=float, metavar="J", help="Jaccard similarity to drop from; 0 keeps them; default 0.7"
    )
    parser.add_argument(
        "--min-comment-share", type=float, metavar="S", help="default 0.01; 0 keeps code without comments"
    )
    parser.add_argument("--must-parse", action="store_true", default=None, help="leave out Python that does not parse")
    parser.add_argument(
        "--keep-secrets", dest="secrets", action="store_const", const="keep", help="keep files with credentials in them"
    )
    parser.add_argument(
        "--decontaminate", action="append", default=[], metavar="FILE", help="benchmark of JSON lines to keep out"
    )


def build_from_options(options: argparse.Namespace) -> str:
    """Build a corpus without a recipe, and say in one line what came of it. Raises: CorpusError."""
    from trainer.corpus.build import build_corpus
    from trainer.corpus.summary import summarise

    if options.workers is not None and options.workers < 1:
        raise CorpusError(f"--workers is {options.workers}: give at least 1")
    manifest = build_corpus(_config(options), options.out, options.workers)
    return f"{summarise(manifest)}; report: {options.out / 'report.html'}"


def _config(options: argparse.Namespace) -> CorpusConfig:
    given = {
        "sources": tuple(options.sources),
        "licences": "permissive" if options.permissive else "any",
        "extensions": tuple(options.extension),
        "exclude": tuple(options.exclude),
        "exclude_repositories": tuple(options.exclude_repositories),
        "near_duplicates": options.near_duplicates,
        "min_comment_share": options.min_comment_share,
        "must_parse": options.must_parse,
        "secrets": options.secrets,
        "decontaminate": tuple(options.decontaminate),
        "heldout_sources": tuple(options.heldout),
        "heldout_after": options.heldout_after,
        "min_documents": options.min_documents,
    }
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value not in (None, ())}
    return CorpusConfig(**chosen)
