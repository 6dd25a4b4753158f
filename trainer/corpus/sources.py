"""From a recipe's words to sources. Each kind of source has a module of its own; this one only tells them apart."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from lsp_server.errors import CorpusError
from trainer.corpus import git, hub, packages, repositories, rows
from trainer.corpus.folders import folder, look_at, walk
from trainer.corpus.source import Lookup, Source, SourceFile

_LIST = "list:"
_SHIPPED_LISTS = Path(__file__).parents[1] / "recipes"
KINDS = (
    "a folder, a git repository or its URL, stdlib, site-packages, package:NAME, a .jsonl, .json.gz or .parquet file, "
    "or list:FILE with one of these a line"
)


_PLAIN = Lookup()


def find_all(specs: Iterable[str], lookup: Lookup = _PLAIN) -> list[Source]:
    """Resolve a recipe's `sources`, lists spelt out, each source once. Raises: CorpusError as `find_sources` does."""
    named = tqdm(_spell_out(specs), desc="finding sources", unit="source", delay=2, leave=False)
    found = [source for spec in named for source in find_sources(spec, lookup)]
    return list({(source.root, source.kind, source.name): source for source in found}.values())


def _spell_out(specs: Iterable[str]) -> list[str]:
    spelt: list[str] = []
    for spec in specs:
        spelt += read_list(spec.removeprefix(_LIST)) if spec.startswith(_LIST) else [spec]
    return spelt


def read_list(name: str) -> list[str]:
    """The entries of a file, `#` behind which is a comment; one that is not here may lie beside the shipped recipes."""
    file = Path(name).expanduser()
    file = file if file.is_file() else _SHIPPED_LISTS / name
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(
            f"source {_LIST + name!r} cannot be read ({error}): give a file of one source a line"
        ) from error
    entries = [line.partition(" #")[0].strip() for line in lines]
    return [entry for entry in entries if entry and not entry.startswith("#")]


def find_sources(spec: str, lookup: Lookup = _PLAIN) -> list[Source]:
    """Resolve one entry of a recipe's `sources`.

    Raises: CorpusError for a path or a distribution that does not exist, or a repository that git refuses to read.
    """
    if spec == "stdlib":
        return [packages.stdlib()]
    if spec == "site-packages":
        return packages.all_packages()
    if spec.startswith("package:"):
        return [packages.package(spec.removeprefix("package:"))]
    if spec.startswith("hf:"):
        return [hub.from_spec(spec)]
    if repositories.is_url(spec):
        return [repositories.from_url(spec, lookup)]
    return _from_path(spec, lookup)


def _from_path(spec: str, lookup: Lookup) -> list[Source]:
    root = Path(spec).expanduser().resolve()
    if root.is_dir():
        return _from_folder(root, lookup)
    files = [root] if root.is_file() else _matching(Path(spec).expanduser())
    if files and all(rows.is_rows(file) and file.is_file() for file in files):
        return [rows.from_files(files)]
    raise CorpusError(f"source {spec!r} is not a folder or a file of rows that can be read: give {KINDS}")


def _matching(pattern: Path) -> list[Path]:
    """The files that a name with `*` in its last part stands for."""
    return sorted(pattern.parent.resolve().glob(pattern.name)) if "*" in pattern.name else []


def _from_folder(root: Path, lookup: Lookup) -> list[Source]:
    """A repository, or a folder with the repositories in it, each of which git answers for."""
    if git.is_repository(root):
        return [repositories.from_folder(root, lookup)]
    if git.is_in_work_tree(root):
        note = f"{root} lies in a git work tree: what git ignores is left out"
        return [folder(root, lambda: _listed_by_git(root, lookup), note)]
    nested = [repositories.from_folder(path, lookup) for path in walk(root)[1]]
    return [folder(root, lambda: walk(root)[0]), *nested]


def _listed_by_git(root: Path, lookup: Lookup) -> list[SourceFile]:
    paths = git.list_work_tree(root, tracked_only=lookup.tracked_only)
    return [file for path in paths for file in look_at(root / path, path)]
