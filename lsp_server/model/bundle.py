"""The model bundle on disk: its files, hashes and refusals. Reads no weights and imports no torch, so that the language
server can open one; `weights` loads and writes the network.

    config.json, model.safetensors, generation_config.json, tokenizer.json, tokenizer_config.json
                        as transformers writes them for GPT2LMHeadModel
    model.int8.safetensors
                        in place of model.safetensors: half the size, matrices in int8 (format 2, see `weights`)
    parrotlet.json      format version, sentinel ids, prompt layout, sha256 of every other file, and provenance
    drafts.safetensors  what usually follows a few tokens, for the engine's drafts; may be absent
    README.md           the model card
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lsp_server.errors import BundleError, PromptError
from lsp_server.model.embedded import EMBEDDED as EMBEDDED  # read from here by those who open it
from lsp_server.model.prompt import PromptLayout, Sentinels, SpmPrompts
from lsp_server.model.tokenizer import CodeTokenizer

FORMAT_VERSION = 2
"""The newest that is read. A bundle is written as 1 unless its weights are int8, which older Parrotlets cannot read."""
MANIFEST = "parrotlet.json"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INT8_WEIGHTS = "model.int8.safetensors"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
GENERATION_CONFIG = "generation_config.json"
MODEL_CARD = "README.md"
DRAFTS = "drafts.safetensors"
FILES = (CONFIG, WEIGHTS, GENERATION_CONFIG, TOKENIZER, TOKENIZER_CONFIG, MODEL_CARD)
"""Of every bundle; one with int8 weights has them in place of the others."""
REMEDY = "export it again with `parrotlet-train export`, or choose another model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A verified model folder."""

    path: Path
    config: Mapping[str, Any]
    """config.json as it stands."""
    layout: PromptLayout
    sentinels: Sentinels
    provenance: Mapping[str, Any]
    """Recipe, corpus hash, tokens seen and held-out figures, as the trainer wrote them."""
    fingerprint: str
    """Hash over the manifest, and so over every file."""
    has_drafts: bool
    is_int8: bool = False

    @property
    def title(self) -> str:
        """What `doctor` calls it."""
        return str(self.provenance.get("run", "unnamed"))

    @property
    def prompts(self) -> SpmPrompts:
        return SpmPrompts(sentinels=self.sentinels, layout=self.layout)

    @property
    def weights_path(self) -> Path:
        return self.path / (INT8_WEIGHTS if self.is_int8 else WEIGHTS)

    @property
    def weights_bytes(self) -> int:
        return self.weights_path.stat().st_size

    @property
    def drafts_path(self) -> Path | None:
        return self.path / DRAFTS if self.has_drafts else None

    @property
    def tokenizer_path(self) -> Path:
        return self.path / TOKENIZER

    def load_tokenizer(self) -> CodeTokenizer:
        return CodeTokenizer.load(self.tokenizer_path)


def open_bundle(path: Path | None = None) -> Bundle:
    """Open and verify a bundle; None is the embedded model.

    Raises: BundleError naming the file and the remedy: missing, changed, too new, or not fitting together.
    """
    path = (EMBEDDED if path is None else path).expanduser().resolve()
    if not path.is_dir():
        raise BundleError(f"there is no model folder at {path}: {REMEDY}")
    manifest = _read_json(path, MANIFEST)
    _check_version(path, manifest)
    _check_hashes(path, manifest)
    config = _read_json(path, CONFIG)
    try:
        layout = PromptLayout.from_json(manifest["prompt"])
        sentinels = Sentinels(**manifest["sentinels"])
    except (KeyError, TypeError, PromptError) as error:
        raise BundleError(f"{path / MANIFEST} is incomplete ({error}): {REMEDY}") from error
    bundle = Bundle(
        path=path,
        config=config,
        layout=layout,
        sentinels=sentinels,
        provenance=manifest.get("provenance", {}),
        fingerprint=_sha256(path / MANIFEST),
        has_drafts=DRAFTS in manifest["sha256"],
        is_int8=manifest["format_version"] == 2,
    )
    _check_fit(bundle)
    return bundle


def seal_bundle(
    path: Path, *, layout: PromptLayout, sentinels: Sentinels, provenance: Mapping[str, Any] | None = None
) -> Bundle:
    """Write the manifest over the files that stand in `path`, and open the result."""
    version = 2 if (path / INT8_WEIGHTS).is_file() and not (path / WEIGHTS).is_file() else 1
    names = _names(version, with_drafts=(path / DRAFTS).is_file())
    manifest = {
        "format_version": version,
        "sentinels": asdict(sentinels),
        "prompt": asdict(layout),
        "sha256": {name: _sha256(_existing(path, name)) for name in names},
        "provenance": dict(provenance or {}),
    }
    (path / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return open_bundle(path)


def _names(version: int, *, with_drafts: bool) -> list[str]:
    """The files of a bundle of that format."""
    names = [INT8_WEIGHTS if name == WEIGHTS and version == 2 else name for name in FILES]
    return [*names, DRAFTS] if with_drafts else names


def _existing(path: Path, name: str) -> Path:
    file = path / name
    if not file.is_file():
        raise BundleError(f"{path} has no {name}: {REMEDY}")
    return file


def _read_json(path: Path, name: str) -> dict[str, Any]:
    try:
        values = json.loads(_existing(path, name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path / name} cannot be read ({error}): {REMEDY}") from error
    if not isinstance(values, dict):
        raise BundleError(f"{path / name} is not a JSON object: {REMEDY}")
    return values


def _check_version(path: Path, manifest: Mapping[str, Any]) -> None:
    version = manifest.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise BundleError(f"{path / MANIFEST} has format_version {version!r}: {REMEDY}")
    if version > FORMAT_VERSION:
        raise BundleError(f"{path} has format {version}, this Parrotlet reads up to {FORMAT_VERSION}: update Parrotlet")


def _check_hashes(path: Path, manifest: Mapping[str, Any]) -> None:
    hashes = manifest.get("sha256")
    if not isinstance(hashes, dict):
        raise BundleError(f"{path / MANIFEST} lists no sha256 hashes: {REMEDY}")
    for name in _names(manifest["format_version"], with_drafts=DRAFTS in hashes):
        if hashes.get(name) != _sha256(_existing(path, name)):
            raise BundleError(f"{path / name} does not match its hash in {MANIFEST}, it is damaged: {REMEDY}")


def _check_fit(bundle: Bundle) -> None:
    """The parts were made for each other."""
    tokenizer = bundle.load_tokenizer()
    if Sentinels.of(tokenizer) != bundle.sentinels:
        raise BundleError(f"the sentinels of {bundle.tokenizer_path} are not those of {MANIFEST}: {REMEDY}")
    vocab_size, positions = _config_size(bundle, "vocab_size"), _config_size(bundle, "n_positions")
    if tokenizer.vocab_size > vocab_size:
        raise BundleError(
            f"{bundle.tokenizer_path} has {tokenizer.vocab_size} tokens, the network {vocab_size}: {REMEDY}"
        )
    if bundle.layout.context_tokens > positions:
        raise BundleError(
            f"{bundle.path / MANIFEST} plans for {bundle.layout.context_tokens} tokens, the network has {positions} "
            f"positions: {REMEDY}"
        )


def _config_size(bundle: Bundle, key: str) -> int:
    value = bundle.config.get(key)
    if type(value) is not int:
        raise BundleError(f"{bundle.path / CONFIG} has {key} {value!r}, not a number: {REMEDY}")
    return value


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise BundleError(f"{file} cannot be read ({error}): {REMEDY}") from error
    return digest.hexdigest()
