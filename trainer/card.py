"""The model card: what a model was made from, how, and what it is worth, from a run's files. Measures nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from math import log2
from pathlib import Path, PurePath
from string import Template
from typing import Any

from lsp_server.errors import CheckpointError
from lsp_server.model.bundle import MODEL_CARD, Bundle, seal_bundle
from lsp_server.model.embedded import named_model
from lsp_server.model.hub_folder import HubModel
from lsp_server.model.opening import open_model
from trainer.arithmetic import gpt2_parameters
from trainer.config import Recipe
from trainer.corpus import CorpusManifest, read_manifest
from trainer.evaluate import Figures, read_figures
from trainer.evaluate.code.pass_at_k import CodeFigures
from trainer.evaluate.code.results import read_results
from trainer.evaluate.completion import KindFigures
from trainer.evaluate.memory_figures import ALTERNATIVES, REPEATED, Memorisation, read_memorisation
from trainer.evaluate.metrics import Mean
from trainer.folders import whole_folder
from trainer.tuning.settings import PROVENANCE

_TEMPLATE = Path(__file__).parent / "card_template.md"
_COLUMNS = 5
"""Of the tables of sources: the name, version, licence, files and bytes."""
_DRAFTS = """
`drafts.safetensors` lists what usually follows two or three tokens in that corpus. The engine guesses by it what the
network will say, and lets the network decide.
"""


def write_card(recipe: Recipe, run_dir: Path) -> Path:
    """Write the card and the held-out figures into RUN/bundle, and seal it again; returns the card.

    Raises: BundleError, CheckpointError, CorpusError or EvaluationError for what an earlier stage has not left.
    """
    model = open_model(run_dir / "bundle")
    manifest, figures = read_manifest(run_dir / "corpus"), read_figures(run_dir)
    code, memory = read_results(run_dir / "evaluation"), read_memorisation(run_dir / "evaluation")
    made_from = _provenance(model)
    values = {
        "run": recipe.run,
        **_model_values(model, made_from),
        **_figure_values(figures, code),
        "memory": _memory(memory),
        **_training_values(recipe, made_from),
        **_data_values(recipe, manifest),
    }
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(values)
    with whole_folder(model.path) as folder:
        shutil.copytree(model.path, folder, dirs_exist_ok=True)
        (folder / MODEL_CARD).write_text(text, encoding="utf-8")
        if isinstance(model, Bundle):
            judged = {"heldout": asdict(figures), "code": {name: asdict(entry) for name, entry in code.items()}}
            origin = {**made_from, **{name: found for name, found in judged.items() if found}}
            seal_bundle(folder, layout=model.layout, sentinels=model.sentinels, provenance=origin)
    return model.path / MODEL_CARD


def _provenance(model: Bundle | HubModel) -> Mapping[str, Any]:  # Any: JSON
    if isinstance(model, Bundle):
        return model.provenance
    path = model.path / PROVENANCE
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): run `parrotlet-train export` again") from error


def _model_values(model: Bundle | HubModel, made_from: Mapping[str, Any]) -> dict[str, object]:
    prompts = model.prompts
    return {
        **(_shape_of_ours(model.config) if isinstance(model, Bundle) else _shape_of_hub(model, made_from)),
        "window": prompts.context_tokens,
        "suffix_tokens": prompts.suffix_tokens,
        "prefix_tokens": prompts.prefix_tokens,
        "new_tokens": prompts.new_tokens,
    }


def _shape_of_ours(config: Mapping[str, Any]) -> dict[str, object]:  # Any: JSON
    num_parameters = gpt2_parameters(
        num_layers=config["n_layer"],
        width=config["n_embd"],
        vocab_size=config["vocab_size"],
        context_tokens=config["n_positions"],
    )
    return {
        "network": f"GPT-2: {config['n_layer']} layers, width {config['n_embd']}, {config['n_head']} heads",
        "vocabulary": f"{config['vocab_size']:,}",
        "parameters": f"{num_parameters / 1e6:.1f}",
        "dtype": config["dtype"],
        "prompt": "`<|fim_prefix|><|fim_suffix|>` suffix `<|fim_middle|>` prefix",
        "drafts": _DRAFTS,
    }


def _shape_of_hub(model: HubModel, made_from: Mapping[str, Any]) -> dict[str, object]:
    config = model.config
    return {
        "network": f"{model.model_type}: {config.get('num_hidden_layers')} layers, width {config.get('hidden_size')}",
        "vocabulary": f"{model.vocab_size:,}",
        "parameters": f"{made_from['parameters'] / 1e6:.1f}",
        "dtype": config.get("dtype", "float32"),
        "prompt": "`<|fim_prefix|>` prefix `<|fim_suffix|>` suffix `<|fim_middle|>`",
        "drafts": "",
    }


def _figure_values(figures: Figures, code: Mapping[str, CodeFigures]) -> dict[str, object]:
    return {
        "heldout_files": figures.num_documents,
        "heldout_mb": f"{figures.num_bytes / 1e6:.1f}",
        "bits_per_byte": f"{figures.bits_per_byte:.3f}",
        "xz_bits_per_byte": f"{figures.xz_bits_per_byte:.3f}",
        "accuracy": f"{figures.next_token_accuracy:.1%}",
        "completion": "\n".join(_completion_row(kind, entry) for kind, entry in figures.completion.items()),
        "bits_by_source": ", ".join(f"{name} {value:.2f}" for name, value in figures.bits_per_byte_by_source.items()),
        "code": _code_table(code),
    }


def _completion_row(kind: str, entry: KindFigures) -> str:
    model, copied, ngram = (entry.by_way[way] for way in ("model", "copy", "6-gram"))
    return (
        f"| {kind} ({entry.num_tasks} tasks) | {_percent(model.exact)} | {model.edit_similarity.value:.1%} "
        f"| {model.kept.value:.1%} | {model.parses.value:.1%} "
        f"| {copied.exact.value:.1%} / {copied.edit_similarity.value:.1%} "
        f"| {ngram.exact.value:.1%} / {ngram.edit_similarity.value:.1%} |"
    )


def _code_table(code: Mapping[str, CodeFigures]) -> str:
    """pass@k, where benchmarks have been run; otherwise nothing."""
    if not code:
        return ""
    rows = [
        f"| {group} ({entry.num_problems:,} problems) | "
        + ", ".join(f"pass@{k} {_percent(mean)}" for k, mean in entry.pass_at.items())
        + f" | {entry.num_samples} at temperature {entry.temperature:g} |"
        for group, entry in code.items()
    ]
    return "\n".join(["", "| benchmark | result | samples |", "|---|---|---|", *rows, ""])


def _memory(memory: Memorisation | None) -> str:
    """What the model repeats of its training text, where that was measured; otherwise nothing."""
    if memory is None:
        return ""
    trained, heldout = memory.trained, memory.heldout
    parts = [
        f"Shown what stands before a place in its training text, it writes the next {REPEATED} characters exactly at "
        f"{trained.num_repeated} of {trained.num_places} places, and at {heldout.num_repeated} of {heldout.num_places} "
        f"in held-out text; {trained.mean_characters:.0f} and {heldout.mean_characters:.0f} characters on average. "
        f"The longest run, {trained.longest_characters} characters or more, is of `{trained.longest_place}`."
    ]
    if memory.canaries:
        parts.append(_canary_table(memory))
    return "\n".join(["", "## What it repeats", "", *parts, ""])


def _canary_table(memory: Memorisation) -> str:
    rows = []
    for copies in sorted({canary.copies for canary in memory.canaries}):
        group = [canary for canary in memory.canaries if canary.copies == copies]
        mean = sum(canary.exposure for canary in group) / len(group)
        rows.append(f"| {copies} | {sum(canary.is_extracted for canary in group)} of {len(group)} | {mean:.1f} bits |")
    most = log2(ALTERNATIVES + 1)
    head = [
        "",
        f"Made-up secrets were planted in the text. Exposure is 1 bit by chance, and {most:.1f} at most.",
        "",
        "| copies | come out when asked for | exposure |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *rows])


def _percent(mean: Mean) -> str:
    return f"{mean.value:.1%} ± {mean.error:.1%}"


def _training_values(recipe: Recipe, made_from: Mapping[str, Any]) -> dict[str, object]:  # Any: JSON
    fit = recipe.fit
    return {
        "origin": _origin(recipe, made_from),
        "tokens_seen": f"{made_from['tokens_seen'] / 1e6:.1f}",
        "steps": f"{made_from['steps']:,}",
        "rows": fit.batch_rows * fit.accumulate,
        "row_tokens": fit.row_tokens,
        "minutes": f"{made_from['training_seconds'] / 60:.0f}",
        "energy": _energy(made_from),
        "optimizer": {"adamw": "AdamW", "muon": "Muon and AdamW"}[fit.optimizer],
        "learning_rate": f"{fit.learning_rate:g}",
        "schedule": fit.schedule,
        "seed": recipe.seed,
        "fim_rate": f"{fit.fim_rate:.0%}",
        "spm_share": f"{fit.spm_share:.0%}",
    }


def _origin(recipe: Recipe, made_from: Mapping[str, Any]) -> str:  # Any: JSON
    """What training began with."""
    if not recipe.model.pretrained:
        return "Trained from random weights."
    tuning = recipe.tuning
    how = f"by adapters of rank {tuning.rank} (LoRA)" if tuning.method == "lora" else "in full"
    before = made_from.get("tokens_before", 0)
    seen = f", which had seen {before / 1e6:.1f} million tokens" if before else ""
    parts = [f"Fine-tuned {how} from `{made_from['pretrained']}`{seen}."]
    if tuning.replay_sources:
        sources = ", ".join(f"`{PurePath(source).name}`" for source in tuning.replay_sources)  # no paths in a model
        parts.append(f"{tuning.replay_share:.0%} of the rows replayed {sources}.")
    if tuning.interpolation < 1:
        parts.append(f"The weights are {tuning.interpolation:.0%} the tuned ones, the rest the base model's.")
    return " ".join(parts)


def _energy(made_from: Mapping[str, Any]) -> str:  # Any: JSON
    """Where and for how much electricity, where the run has said it."""
    if not made_from.get("machine"):
        return ""
    return f" on {made_from['machine']}, about {made_from['kilowatt_hours']:.2g} kWh by rated power"


def _data_values(recipe: Recipe, manifest: CorpusManifest) -> dict[str, object]:
    permissive = recipe.corpus.licences == "permissive"  # weights made from one's own code carry no licence of ours
    return {
        "license_line": "license: apache-2.0\n" if permissive else "",
        "train_files": f"{manifest.num_documents('train'):,}",
        "train_mb": f"{manifest.num_bytes('train') / 1e6:.1f}",
        "corpus_hash": manifest.corpus_hash,
        "trained_on": _trained_on(recipe, manifest),
        "held_out": _table([each for each in manifest.sources if each["heldout"]]),
    }


def _trained_on(recipe: Recipe, manifest: CorpusManifest) -> str:
    """The sources of the corpus, and what a tuned model's base says that it was trained on besides."""
    own = _table([each for each in manifest.sources if not each["heldout"]])
    before = _rows_beyond(own, _trained_on_before(recipe))
    if not before:
        return own
    return f"{own}\n\nThe models that it goes on from were trained on these, too:\n\n{_headed(before)}"


def _trained_on_before(recipe: Recipe) -> str:
    """That section of the base's card; empty where there is none."""
    name = recipe.model.pretrained
    try:
        card = (named_model(name) / MODEL_CARD).read_text(encoding="utf-8") if name else ""
    except OSError:
        return ""
    return card.partition("\n## Trained on\n")[2].partition("\n## ")[0]


def _rows_beyond(own: str, before: str) -> list[str]:
    """Table rows of `before` with more of a source than `own` has and than other rows have, in their order."""
    most = {key: num_bytes for key, num_bytes, _row in _rows(own)}
    kept: dict[tuple[str, ...], str] = {}
    for key, num_bytes, row in _rows(before):
        if num_bytes > most.get(key, -1):
            most[key], kept[key] = num_bytes, row
    return list(kept.values())


def _rows(table: str) -> Iterator[tuple[tuple[str, ...], int, str]]:
    """Source, version and licence, then the bytes, then the row itself."""
    for row in table.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if len(cells) == _COLUMNS and cells[-1].replace(",", "").isdigit():
            yield tuple(cells[:3]), int(cells[-1].replace(",", "")), row


def _table(sources: list[dict[str, Any]]) -> str:  # Any: JSON
    used = sorted((each for each in sources if each["num_documents"]), key=lambda each: -int(each["num_bytes"]))
    if not used:
        return "A share of the files of the sources above, chosen by their hashes."
    rows = [
        f"| {each['name']} | {each['version']} | {each['licence']} "
        f"| {each['num_documents']:,} | {each['num_bytes']:,} |"
        for each in used
    ]
    return _headed(rows)


def _headed(rows: Sequence[str]) -> str:
    return "\n".join(["| source | version | licence | files | bytes |", "|" + "---|" * _COLUMNS, *rows])
