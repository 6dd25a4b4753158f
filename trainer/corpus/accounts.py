"""What became of every file, added up: by source, filter, language, licence and size; and the manifest made of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from lsp_server.errors import CorpusError
from trainer.corpus import store
from trainer.corpus.config import CorpusConfig
from trainer.corpus.filters import SOURCES
from trainer.corpus.licences import is_permissive
from trainer.corpus.reserved import RESERVED_NAMES, RESERVED_REPOSITORIES
from trainer.corpus.selection import KEPT, Selection
from trainer.corpus.source import Source
from trainer.corpus.staging import StagedUnit
from trainer.corpus.store import SPLITS, Split

_MOST_NAMED = 1000


@dataclass(slots=True, kw_only=True)
class SourceAccount:
    """What became of one source."""

    source: Source
    num_documents: int = 0
    num_heldout: int = 0
    num_bytes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def entry(self) -> dict[str, Any]:  # Any: JSON
        return {
            "name": self.source.name,
            "kind": self.source.kind,
            "licence": self.source.licence,
            "version": self.source.version,
            "heldout": 0 < self.num_documents == self.num_heldout,
            "num_documents": self.num_documents,
            "num_bytes": self.num_bytes,
            "dropped": _in_order(self.dropped),
        }


@dataclass(slots=True, kw_only=True)
class Accounts:
    """The whole corpus added up."""

    sources: list[SourceAccount]
    refused: dict[str, str]
    documents: dict[Split, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    num_bytes: dict[Split, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    languages: dict[str, list[int]] = field(default_factory=dict)
    """Documents and bytes."""
    licences: dict[str, list[int]] = field(default_factory=dict)
    sizes: Counter[int] = field(default_factory=Counter)
    """Documents by the number of bits of their size."""
    named: list[dict[str, str]] = field(default_factory=list)

    @property
    def dropped(self) -> dict[str, int]:
        return _in_order(sum((each.dropped for each in self.sources), Counter[str]()))


def account(
    config: CorpusConfig,
    sources: Sequence[Source],
    units: list[StagedUnit],
    selection: Selection,
    refused: dict[str, str],
) -> Accounts:
    """Add everything up; a source that the licence left nothing of moves to the refused ones."""
    accounts = Accounts(sources=[SourceAccount(source=source) for source in sources], refused=dict(refused))
    for index, unit in enumerate(units):
        _add_unit(accounts, unit, index, selection)
    if config.licences == "permissive":
        for each in accounts.sources:
            if not each.num_documents and not is_permissive(each.source.licence):
                accounts.refused[each.source.name] = f"licence {each.source.licence}"
        accounts.sources = [each for each in accounts.sources if each.source.name not in accounts.refused]
    return accounts


def check_size(config: CorpusConfig, accounts: Accounts, sources: Iterable[Source]) -> None:
    """Raises: CorpusError when too little is left to train on, with what was looked at and what would do."""
    num_documents = accounts.documents["train"]
    if num_documents >= config.min_documents:
        return
    reasons = [f"{accounts.documents['heldout']} held out"] if accounts.documents["heldout"] else []
    reasons += [f"{count} {reason}" for reason, count in accounts.dropped.items()]
    reasons += [f"{name} refused ({reason})" for name, reason in sorted(accounts.refused.items())[:10]]
    reasons += [source.note for source in sources if source.note][:10]
    raise CorpusError(
        f"the corpus has {num_documents} documents to train on, fewer than {config.min_documents}; "
        f"looked at {', '.join(config.sources)} for {' '.join(config.extensions)} files; "
        f"left out: {', '.join(reasons) or 'nothing, there are none'}; "
        "name more of your code, or relax the recipe's [corpus]"
    )


def manifest_of(
    config: CorpusConfig,
    accounts: Accounts,
    selection: Selection,
    *,
    corpus_hash: str,
    inputs_hash: str,
    shards: dict[Split, list[str]],
    num_short_problems: int,
) -> store.CorpusManifest:
    """The manifest of a corpus whose shards are written."""
    return store.CorpusManifest(
        corpus_hash=corpus_hash,
        inputs_hash=inputs_hash,
        config={key: list(value) if isinstance(value, tuple) else value for key, value in asdict(config).items()},
        splits={
            split: {
                "num_documents": accounts.documents[split],
                "num_bytes": accounts.num_bytes[split],
                "shards": shards[split],
            }
            for split in SPLITS
        },
        heldout_sources=[each["name"] for each in map(SourceAccount.entry, accounts.sources) if each["heldout"]],
        heldout_by=selection.heldout_by,
        dropped=accounts.dropped,
        refused_sources=dict(sorted(accounts.refused.items())),
        reserved=RESERVED_NAMES | RESERVED_REPOSITORIES,
        sources=[each.entry() for each in accounts.sources],
        languages=_largest_first(accounts.languages),
        licences=_largest_first(accounts.licences),
        sizes=[accounts.sizes[bits] for bits in range(max(accounts.sizes, default=-1) + 1)],
        named=accounts.named[:_MOST_NAMED],
        num_short_problems=num_short_problems,
    )


def corpus_hash(units: list[StagedUnit], selection: Selection) -> str:
    """The corpus's identity: a hash over the sorted hashes of its documents, split by split; see
    `store.corpus_digest`."""
    parts: dict[Split, Any] = {}
    for split in SPLITS:
        masks = [_mask(selection, index, split) for index in range(len(units))]
        digests = np.concatenate([unit.rows["digest"][mask] for unit, mask in zip(units, masks, strict=True)])
        parts[split] = np.sort(np.ascontiguousarray(digests).view("S32").ravel())
    state = hashlib.sha256()
    between = b""
    for split, digests in parts.items():
        for digest in digests.view("V32").tolist():
            state.update(between + f"{split} {digest.hex()}".encode())
            between = b"\n"
    return state.hexdigest()


def _add_unit(accounts: Accounts, unit: StagedUnit, index: int, selection: Selection) -> None:
    each = accounts.sources[unit.tally.source_number]
    each.dropped.update(unit.tally.dropped)
    each.dropped.update(selection.dropped(index))
    accounts.named += unit.tally.named
    for split in SPLITS:
        rows = unit.rows[_mask(selection, index, split)]
        num_bytes = int(rows["num_bytes"].sum())
        each.num_documents += len(rows)
        each.num_bytes += num_bytes
        each.num_heldout += len(rows) if split == "heldout" else 0
        accounts.documents[split] += len(rows)
        accounts.num_bytes[split] += num_bytes
        _add_names(accounts.languages, unit.tally.languages, rows["language"], rows["num_bytes"])
        _add_names(accounts.licences, unit.tally.licences, rows["licence"], rows["num_bytes"])
        accounts.sizes.update(Counter(int(size).bit_length() for size in rows["num_bytes"].tolist()))


def _add_names(
    totals: dict[str, list[int]], names: list[str], numbers: Any, sizes: Any
) -> None:  # Any: integer columns
    for number, name in enumerate(names):
        mine = numbers == number
        if mine.any():
            entry = totals.setdefault(name, [0, 0])
            entry[0] += int(mine.sum())
            entry[1] += int(sizes[mine].sum())


def _mask(selection: Selection, index: int, split: Split) -> Any:  # Any: booleans, [documents of the unit]
    fates, is_heldout = selection.of_unit(index)
    return (fates == KEPT) & (is_heldout == (split == "heldout"))


def _in_order(dropped: Counter[str]) -> dict[str, int]:
    """In the order of judging."""
    return {name: dropped[name] for name in SOURCES if dropped[name]}


def _largest_first(totals: dict[str, list[int]]) -> dict[str, dict[str, int]]:
    ordered = sorted(totals.items(), key=lambda item: (-item[1][1], item[0]))
    return {name: {"num_documents": documents, "num_bytes": num_bytes} for name, (documents, num_bytes) in ordered}
