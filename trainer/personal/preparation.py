"""Before anything is learnt: the files, whether they are enough, what a user should know of them. Trains nothing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lsp_server.errors import CheckpointError, CorpusError
from trainer.config import Recipe
from trainer.corpus import CorpusManifest, git, read_manifest
from trainer.personal.wish import MIN_BYTES, MIN_FILES
from trainer.stages import STAGES, run_chain

BYTES_A_CANARY = 20_000
FEWEST_CANARIES, MOST_CANARIES = 5, 50
"""Each once: a secret that slips through stands once, too. One in 20 kB is less than a hundredth of the text."""
NEEDED_BYTES = 600_000_000
"""Of the disk, for the embedded model: four checkpoints with the optimizer's state, mixtures, the corpus."""


def check_space(folder: Path, base_bytes: int) -> None:
    """Raises: CheckpointError where the disk would be full in the middle."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    needed = max(NEEDED_BYTES, 30 * base_bytes)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CheckpointError(
            f"{folder} has {free / 1e6:,.0f} MB free, and a training needs {needed / 1e6:,.0f}: free disk space, or "
            "let PARROTLET_DATA_DIR name a folder on another disk"
        )


def collect(recipe: Recipe, run_dir: Path) -> CorpusManifest:
    """Build the corpus, unless it is there. Raises: CorpusError when it is too small, naming what would do."""
    run_chain(recipe, run_dir, lambda *_: None, STAGES[:1])
    manifest = read_manifest(run_dir / "corpus")
    num_files, num_bytes = manifest.num_documents("train"), manifest.num_bytes("train")
    if num_bytes < MIN_BYTES:
        raise CorpusError(
            f"{num_files:,} files with {num_bytes / 1000:,.0f} kB are left to train on, and {MIN_FILES} files with "
            f"{MIN_BYTES / 1000:.0f} kB are the least: name more of your repositories"
        )
    if not manifest.num_documents("heldout"):
        raise CorpusError("nothing could be held out to judge by: name more of your repositories")
    return manifest


def with_canaries(recipe: Recipe, manifest: CorpusManifest) -> Recipe:
    """As many as the text bears, unless the recipe says how many."""
    if recipe.packing.canaries:
        return replace(recipe, packing=replace(recipe.packing, canary_copies=(1,)))
    count = min(MOST_CANARIES, max(FEWEST_CANARIES, manifest.num_bytes("train") // BYTES_A_CANARY))
    return replace(recipe, packing=replace(recipe.packing, canaries=count, canary_copies=(1,)))


def tokenise(recipe: Recipe, run_dir: Path) -> None:
    """Adopt the base's vocabulary and pack the corpus and what is replayed."""
    run_chain(recipe, run_dir, lambda *_: None, STAGES[1:3])


def notes(sources: Sequence[str]) -> list[str]:
    """What a user may not expect of their folders, in sentences."""
    return [note for source in sources for note in _notes(Path(source))]


def _notes(root: Path) -> list[str]:
    if not git.is_repository(root):
        if git.is_in_work_tree(root):
            return [f"{root} is a part of a git repository: its tracked files were read as they are on the disk."]
        return [f"{root} is no git repository: every file was read but hidden ones, and nothing was held out by time."]
    found = [f"{root} has the submodule {path}, which was not read: name it, too." for path in git.submodules(root)]
    if git.is_shallow(root):
        found.append(f"{root} is a shallow clone, whose history may be too short to hold out by time.")
    if git.has_changes(root):
        found.append(f"{root} has changes that are not committed; what was read is its last commit.")
    return found
