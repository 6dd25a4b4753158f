"""`parrotlet-train manifest`: what a corpus was made from, to be published: a source a line, sorted, so that two can be
compared. It holds no text and no path of the machine that the corpus was built on.

    name, url, version      of a repository the version is its commit, by which lists give its url
    licence, num_documents, num_bytes, dropped      of what was kept, and files left out, by filter
    heldout                 where all of it judges
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from lsp_server.errors import CorpusError

FORMAT_VERSION = 1
LISTS = ("repositories.txt",)
_TOLD_BY_SOURCES = ("sources", "heldout_sources")
"""Fields of a corpus's configuration that the sources themselves tell better, and without paths."""
_FILES = ("decontaminate", "exclude_repositories", "fertility_tokenizer")
"""Fields that may name files of the machine."""
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_OWNER_AND_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], common: argparse.ArgumentParser) -> None:
    parser = commands.add_parser(
        "manifest", parents=[common], help="write what a corpus was made from, without text or paths, to be published"
    )
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--run", type=Path, metavar="DIR", help="the run's folder")
    place.add_argument("--corpus", type=Path, metavar="DIR", help="or the corpus's")
    parser.add_argument(
        "--list", action="append", default=[], metavar="FILE", help=f"URL#COMMIT a line; default: {', '.join(LISTS)}"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the manifest to write")
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> None:
    entries = public_manifest(options.corpus or options.run / "corpus", urls_by_commit(options.list or LISTS))
    write_public(options.out, entries)
    missing = [each["name"] for each in entries["sources"] if "url" not in each and _COMMIT.fullmatch(each["version"])]
    sys.stdout.write(f"manifest: {len(entries['sources'])} sources, {options.out}\n")
    if missing:
        sys.stdout.write(f"{len(missing)} are in no list, such as {missing[0]}: name theirs with --list\n")


def urls_by_commit(lists: Iterable[str]) -> dict[str, str]:
    """The URL of every `URL#COMMIT` in these files. Raises: CorpusError for a list that cannot be read."""
    from trainer.corpus.sources import read_list

    entries = [entry.partition("#") for name in lists for entry in read_list(name)]
    return {commit: url for url, _, commit in entries if commit}


def public_manifest(corpus: Path, urls: Mapping[str, str]) -> dict[str, Any]:  # Any: JSON
    """What may be said of a finished corpus. Raises: CorpusError where there is none."""
    from trainer.corpus.store import read_manifest

    manifest = read_manifest(corpus)
    sizes = ("num_documents", "num_bytes")
    return {
        "format_version": FORMAT_VERSION,
        "corpus_hash": manifest.corpus_hash,
        "splits": {split: {key: entry[key] for key in sizes} for split, entry in manifest.splits.items()},
        "dropped": manifest.dropped,
        "refused_sources": manifest.refused_sources,
        "languages": manifest.languages,
        "licences": manifest.licences,
        "config": _public_config(manifest.config),
        "sources": sorted((_public_source(each, urls) for each in manifest.sources), key=_order),
    }


def write_public(file: Path, entries: Mapping[str, Any]) -> None:  # Any: JSON
    """Write the manifest, each of its longer parts an entry a line. Raises: CorpusError where the disk refuses."""
    from trainer.folders import write_whole

    parts = [f"{json.dumps(key)}: {_laid_out(value)}" for key, value in entries.items()]
    try:
        write_whole(file, "{\n" + ",\n".join(parts) + "\n}\n")
    except OSError as error:
        raise CorpusError(f"manifest {file} cannot be written: {error}; choose another with --out") from error


def _laid_out(value: object) -> str:
    if isinstance(value, Mapping):
        lines = [f"  {json.dumps(key)}: {json.dumps(entry, ensure_ascii=False)}" for key, entry in value.items()]
        return "{\n" + ",\n".join(lines) + "\n}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[\n" + ",\n".join(f"  {json.dumps(entry, ensure_ascii=False)}" for entry in value) + "\n]"
    return json.dumps(value)


def _public_source(entry: Mapping[str, Any], urls: Mapping[str, str]) -> dict[str, Any]:  # Any: JSON
    url = urls.get(entry["version"], "")
    if entry["kind"] == "package":
        url = f"https://pypi.org/project/{entry['name']}/{entry['version']}/"
    optional = {"heldout": entry["heldout"], "dropped": entry["dropped"]}
    return {
        "name": entry["name"],
        **({"url": url} if url else {}),
        "version": entry["version"],
        "licence": entry["licence"],
        "num_documents": entry["num_documents"],
        "num_bytes": entry["num_bytes"],
        **{key: value for key, value in optional.items() if value},
    }


def _order(entry: Mapping[str, Any]) -> tuple[str, str]:
    return str(entry["name"]).lower(), str(entry["version"])


def _public_config(config: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON
    kept = {key: value for key, value in config.items() if key not in _TOLD_BY_SOURCES}
    return {key: _without_folders(value) if key in _FILES else value for key, value in kept.items()}


def _without_folders(value: Any) -> Any:  # Any: JSON
    if isinstance(value, list):
        return [_without_folders(each) for each in value]
    return value if _OWNER_AND_NAME.fullmatch(value) and not Path(value).exists() else PurePath(value).name
