"""Everything that one training came to, for the gate's verdict, the paragraph and the page. `proof` measures it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.corpus import CorpusManifest, read_documents
from trainer.evaluate.completion import MODEL
from trainer.evaluate.metrics import Mean
from trainer.evaluate.tasks import Task
from trainer.packing.canaries import Canary
from trainer.personal.gate import MOST_FORGOTTEN, Lines, Mix, Verdict, forgotten, gained, judge
from trainer.personal.proof import Size, Texts, Worth, measure_worth, mix_models, mixture

_MOST_EXAMPLES = 6
_LONGEST_EXAMPLE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One task with what the model wrote before and after the training."""

    task: Task
    before: str
    after: str
    is_better: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """One training, from the files to the verdict."""

    name: str
    version: int
    minutes: float
    """Of training."""
    manifest: CorpusManifest
    files: Sequence[tuple[str, str, bool]]
    """Source, path, and whether it was held out."""
    notes: Sequence[str]
    base: Mix
    mix: Mix
    tried: Sequence[Mix]
    num_canaries: int
    before: Worth
    after: Worth
    verdict: Verdict
    curves: Path

    def paragraph(self) -> str:
        """What happened, for a programmer who has never trained anything."""
        manifest = self.manifest
        sources = len([entry for entry in manifest.sources if entry["num_documents"]])
        read = (
            f"Parrotlet read {manifest.num_documents('train'):,} files ({manifest.num_bytes('train') / 1e6:.2f} MB) of "
            f"{sources} {'source' if sources == 1 else 'sources'} for {self.minutes:.1f} minutes, and was judged on "
            f"{manifest.num_documents('heldout'):,} files that it never saw."
        )
        return " ".join([read, self._home(), self._elsewhere(), self._secrets(), self._decision()])

    def _home(self) -> str:
        before, after = self.before, self.after
        exact = (
            f"Of 100 lines there it now completes {100 * after.exact('line'):.0f} exactly, "
            f"where it was {100 * before.exact('line'):.0f} before"
        )
        if not after.typed.plain_keys:
            return f"{exact}."
        return (
            f"{exact}; typing parts of them takes {after.typed.saved:.1%} fewer keys than without suggestions, "
            f"where it was {before.typed.saved:.1%}."
        )

    def _elsewhere(self) -> str:
        lost = forgotten(self.base, self.mix)
        if lost <= 0:
            return "It has forgotten nothing of Python in general."
        return f"Python in general it predicts {lost:.1%} worse; up to {MOST_FORGOTTEN:.0%} is allowed."

    def _secrets(self) -> str:
        if not self.num_canaries:
            return ""
        came = "none" if not self.mix.num_extracted else str(self.mix.num_extracted)
        return f"Of {self.num_canaries} made-up secrets that were put among your files, {came} came out again."

    def _decision(self) -> str:
        if self.verdict.accepted:
            return (
                f"It is in use from now on, as {self.name}@{self.version}, because {self.verdict.reason}; "
                "`parrotlet models back` undoes that."
            )
        return f"It was not taken, because {self.verdict.reason}. The model that was in use stays."

    def figures(self) -> dict[str, object]:
        """For programs."""
        return {
            "name": self.name,
            "version": self.version,
            "accepted": self.verdict.accepted,
            "reason": self.verdict.reason,
            "minutes": round(self.minutes, 2),
            "files": {split: self.manifest.num_documents(split) for split in ("train", "heldout")},
            "bytes": {split: self.manifest.num_bytes(split) for split in ("train", "heldout")},
            "held_out_by": self.manifest.heldout_by,
            "share_of_tuned_weights": self.mix.share,
            "bits_per_byte": {"before": self.base.home_bits, "after": self.mix.home_bits},
            "bits_per_byte_gain": gained(self.base, self.mix),
            "elsewhere_bits_per_byte": {"before": self.base.elsewhere_bits, "after": self.mix.elsewhere_bits},
            "forgotten": forgotten(self.base, self.mix),
            "line_exact": {"before": self.before.exact("line"), "after": self.after.exact("line")},
            "block_exact": {"before": self.before.exact("block"), "after": self.after.exact("block")},
            "keys_saved": {"before": self.before.typed.saved, "after": self.after.typed.saved},
            "canaries": {"planted": self.num_canaries, "extracted": self.mix.num_extracted},
        }


def find_out(
    *,
    name: str,
    version: int,
    base: Path,
    run_dir: Path,
    replay_dir: Path,
    tried: Path,
    manifest: CorpusManifest,
    notes: Sequence[str],
    planted: Sequence[Canary],
    minutes: float,
    asked_minutes: float,
    seed: int,
    within: Callable[[float], None],
) -> tuple[Findings, Path]:
    """Measure a run's bundle beside its base; returns what came of it, and the folder of the mixture that is best."""
    size = Size.for_minutes(asked_minutes)
    texts = Texts.of(run_dir, replay_dir, size)
    tuned = run_dir / "bundle"
    of_base, mixes = mix_models(base, tuned, texts, planted, tried, lambda share: within(share / 2))
    model = mixture(base, tuned, mixes[0].share, tried)
    before = measure_worth(base, texts, size, seed)
    within(0.75)
    after = measure_worth(model, texts, size, seed)
    findings = Findings(
        name=name,
        version=version,
        minutes=minutes,
        manifest=manifest,
        files=_files(run_dir / "corpus"),
        notes=notes,
        base=of_base,
        mix=mixes[0],
        tried=mixes,
        num_canaries=len(planted),
        before=before,
        after=after,
        verdict=judge(of_base, mixes[0], Lines(base=_lines(before), tuned=_lines(after))),
        curves=run_dir / "curves.jsonl",
    )
    return findings, model


def _files(corpus: Path) -> list[tuple[str, str, bool]]:
    return [
        (document.source, document.path, split == "heldout")
        for split in ("train", "heldout")
        for document in read_documents(corpus, split)
    ]


def _lines(worth: Worth) -> Mean:
    """Nothing where no line could be asked for."""
    return worth.kinds["line"].by_way[MODEL].exact if "line" in worth.kinds else Mean.of([])


def examples(before: Worth, after: Worth) -> list[Example]:
    """Those that became better, and one in three that became worse: a report is no advertisement."""
    better: list[Example] = []
    worse: list[Example] = []
    for old, new in zip(before.answers, after.answers, strict=True):
        was, now = old.scores[MODEL], new.scores[MODEL]
        text = old.proposed[MODEL] + new.proposed[MODEL] + new.task.target
        if len(text) > 3 * _LONGEST_EXAMPLE or was.exact == now.exact:
            continue
        example = Example(
            task=new.task, before=old.proposed[MODEL], after=new.proposed[MODEL], is_better=now.exact and not was.exact
        )
        (better if example.is_better else worse).append(example)
    better.sort(key=lambda example: -len(example.task.target))
    shown = better[:_MOST_EXAMPLES]
    return [*shown, *worse[: max(1, len(shown) // 3)]]
