"""A causal language model as `save_pretrained` writes it, without a manifest of ours: its files, and what is refused.

    config.json                       what the network is; transformers builds it, no code of the folder ever runs
    model.safetensors, or shards      with model.safetensors.index.json; pickled weights are refused
    tokenizer.json                    and tokenizer_config.json, generation_config.json where they are there

Reads no weights and imports no torch, so that the language server can open one; `hub_weights` loads the network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsp_server.errors import BundleError
from lsp_server.model.bundle import CONFIG, GENERATION_CONFIG, MANIFEST, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS
from lsp_server.model.fim_families import CONTROL_TOKENS, FimFamily, recognise
from lsp_server.model.hub_prompt import FimIds, PsmPrompts
from lsp_server.model.hub_tokenizer import CHOOSE_ANOTHER, HubTokenizer

INDEX = "model.safetensors.index.json"
MAX_CONTEXT_TOKENS = 2048
"""These models know windows of up to a million tokens. One core of an AMD EPYC reads 322 tokens a second of GPT-2 small
and 91 of Qwen2.5 0.5B's shape (fp32, transformers 5.23): 6 and 22 s at the first keystroke in a long file."""
LEAST_CONTEXT_TOKENS = 64
_WINDOW_KEYS = ("n_positions", "max_position_embeddings", "max_seq_len", "max_sequence_length", "seq_length", "n_ctx")
_SLIDING_KEYS = ("sliding_window", "attention_chunk_size")
_FULL_ATTENTION = ("full_attention", "sliding_attention", "chunked_attention")
_CAUSAL = ("ForCausalLM", "LMHeadModel")
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
SAVE_AGAIN = "save it again with save_pretrained of transformers, or choose another model"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubModel:
    """A folder that was looked through."""

    path: Path
    config: Mapping[str, Any]
    """config.json as it stands."""
    model_type: str
    vocab_size: int
    """Of the network: it may be padded beyond the tokenizer's."""
    family: FimFamily | None
    tokenizer: HubTokenizer
    prompts: PsmPrompts
    first_id: int
    """What stands before a document: the beginning of a text, or else the end of the one before."""
    drafts_path: Path | None = None
    """A table of drafts comes with our own models only."""

    @property
    def title(self) -> str:
        """What `doctor` calls it."""
        if self.family is None:
            return f"{self.model_type} of no known family, sees the text before the cursor only"
        return f"{self.model_type} of the {self.family.name} family, fills in the middle"

    @property
    def weights_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.path.glob("*.safetensors"))

    def load_tokenizer(self) -> HubTokenizer:
        return self.tokenizer


def open_hub_model(path: Path) -> HubModel:
    """Look a folder through.

    Raises: BundleError naming the file and the remedy.
    """
    if not (path / CONFIG).is_file():
        raise BundleError(f"{path} has neither {MANIFEST} nor {CONFIG}, it is no model folder: {CHOOSE_ANOTHER}")
    config = _read_json(path, CONFIG)
    _check_kind(path, config)
    _check_weights(path)
    tokenizer = _load_tokenizer(path, config)
    family = recognise(tokenizer.token_to_id)
    vocab_size = _size(path, config, "vocab_size")
    _check_ids(path, tokenizer, family, vocab_size)
    bos, blank = _bos(path, tokenizer), tokenizer.encode("\n")[0]
    return HubModel(
        path=path,
        config=config,
        model_type=str(config["model_type"]),
        vocab_size=vocab_size,
        family=family,
        tokenizer=tokenizer,
        prompts=PsmPrompts(
            context_tokens=_window(path, config),
            bos=bos,
            fim=None if family is None else _fim_ids(tokenizer, family),
            blank=blank,
        ),
        first_id=(*bos, *_ends(path, config, tokenizer), blank)[0],
    )


def _check_kind(path: Path, config: Mapping[str, Any]) -> None:
    """Only text from left to right, with attention over all of it."""
    if not isinstance(config.get("model_type"), str):
        raise BundleError(f"{path / CONFIG} has model_type {config.get('model_type')!r}: {SAVE_AGAIN}")
    architectures = config.get("architectures") or []
    foreign = [name for name in architectures if not str(name).endswith(_CAUSAL)]
    if foreign or config.get("is_encoder_decoder"):
        kind = foreign[0] if foreign else "an encoder with a decoder"
        raise BundleError(f"{path / CONFIG} is of {kind}, not of a causal language model: {CHOOSE_ANOTHER}")
    strange = [kind for kind in config.get("layer_types") or [] if kind not in _FULL_ATTENTION]
    if strange:
        raise BundleError(
            f"{path / CONFIG} has layers of type {strange[0]!r}, whose memory cannot go back to an earlier token: "
            f"{CHOOSE_ANOTHER} with attention in every layer"
        )


def _check_weights(path: Path) -> None:
    if (path / WEIGHTS).is_file():
        return
    if (path / INDEX).is_file():
        shards = _read_json(path, INDEX).get("weight_map")
        names = set(shards.values()) if isinstance(shards, dict) else set()
        missing = sorted(name for name in names if not (path / str(name)).is_file())
        if not names or missing:
            what = f"{missing[0]}, which {INDEX} names, is missing" if missing else f"{INDEX} names no weights"
            raise BundleError(f"{path}: {what}: copy the whole folder again")
        return
    pickled = next((file for pattern in _PICKLED for file in sorted(path.glob(pattern))), None)
    if pickled is not None:
        raise BundleError(
            f"{pickled} is pickled, and can run code when it is read: save it as safetensors with save_pretrained"
        )
    raise BundleError(f"{path} has no {WEIGHTS}: {SAVE_AGAIN}")


def _load_tokenizer(path: Path, config: Mapping[str, Any]) -> HubTokenizer:
    """The tokenizer, with every end of a text that one of the files names."""
    if not (path / TOKENIZER).is_file():
        remedy = "write one with AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
        raise BundleError(f"{path} has no {TOKENIZER}: {remedy}")
    tokenizer = HubTokenizer.load(path / TOKENIZER, CONTROL_TOKENS)
    tokenizer.end_with(_ends(path, config, tokenizer))
    return tokenizer


def _ends(path: Path, config: Mapping[str, Any], tokenizer: HubTokenizer) -> list[int]:
    ends = [*_ids(config.get("eos_token_id"))]
    if (path / GENERATION_CONFIG).is_file():
        ends += _ids(_read_json(path, GENERATION_CONFIG).get("eos_token_id"))
    named = tokenizer.token_to_id(_token(_tokenizer_config(path), "eos_token"))
    return [*ends, *_ids(named)]


def _check_ids(path: Path, tokenizer: HubTokenizer, family: FimFamily | None, vocab_size: int) -> None:
    """The network knows every token."""
    for token in family.tokens if family else ():
        number = tokenizer.token_to_id(token)
        if number is not None and number >= vocab_size:
            raise BundleError(
                f"{path / TOKENIZER} has {token} as {number}, beyond the network's {vocab_size} tokens: {SAVE_AGAIN}"
            )
    if tokenizer.vocab_size > vocab_size:
        size = tokenizer.vocab_size
        raise BundleError(f"{path / TOKENIZER} has {size} tokens, the network {vocab_size}: {SAVE_AGAIN}")


def _bos(path: Path, tokenizer: HubTokenizer) -> tuple[int, ...]:
    """What stands before every text: as tokenizer_config.json says, else as the tokenizer's own template has it."""
    settings = _tokenizer_config(path)
    adds = settings.get("add_bos_token")
    if adds is None:
        return tokenizer.leading_ids()
    number = tokenizer.token_to_id(_token(settings, "bos_token")) if adds else None
    return () if number is None else (number,)


def _window(path: Path, config: Mapping[str, Any]) -> int:
    """As long as the network, its sliding windows and our limit allow: within those, sliding attention is full."""
    known = next((key for key in _WINDOW_KEYS if config.get(key) is not None), None)
    if known is None:
        raise BundleError(f"{path / CONFIG} has none of {', '.join(_WINDOW_KEYS)}: add the window's length in tokens")
    limits = {key: _size(path, config, key) for key in (known, *_sliding(config))}
    shortest = min(limits, key=lambda key: limits[key])
    if limits[shortest] < LEAST_CONTEXT_TOKENS:
        found = f"{shortest} {limits[shortest]}"
        raise BundleError(f"{path / CONFIG} has {found}, and {LEAST_CONTEXT_TOKENS} are the least: {CHOOSE_ANOTHER}")
    return min(MAX_CONTEXT_TOKENS, limits[shortest])


def _sliding(config: Mapping[str, Any]) -> Iterator[str]:
    if config.get("use_sliding_window") is not False:
        yield from (key for key in _SLIDING_KEYS if config.get(key) is not None)


def _fim_ids(tokenizer: HubTokenizer, family: FimFamily) -> FimIds:
    prefix, suffix, middle = (tokenizer.token_to_id(each) for each in (family.prefix, family.suffix, family.middle))
    assert prefix is not None
    assert suffix is not None
    assert middle is not None
    return FimIds(prefix=prefix, suffix=suffix, middle=middle)


def _tokenizer_config(path: Path) -> dict[str, Any]:
    return _read_json(path, TOKENIZER_CONFIG) if (path / TOKENIZER_CONFIG).is_file() else {}


def _token(settings: Mapping[str, Any], key: str) -> str:
    """A token's text; it may stand as an object, and be absent."""
    value = settings.get(key)
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else ""


def _ids(value: object) -> list[int]:
    """One id, several, or none."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if type(each) is int]


def _size(path: Path, config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    if type(value) is not int or value < 1:
        raise BundleError(f"{path / CONFIG} has {key} {value!r}, not a number of tokens: {SAVE_AGAIN}")
    return value


def _read_json(path: Path, name: str) -> dict[str, Any]:
    try:
        values = json.loads((path / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path / name} cannot be read ({error}): {SAVE_AGAIN}") from error
    if not isinstance(values, dict):
        raise BundleError(f"{path / name} is not a JSON object: {SAVE_AGAIN}")
    return values
