"""A pretrained model's folder or Hub name: its weights and its tokenizer.

Nothing is fetched unless the recipe says so, and no code of a model is ever run: `trust_remote_code` stays off.
"""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from tokenizers import AddedToken, Tokenizer

from lsp_server.errors import CheckpointError, RecipeError
from lsp_server.model.bundle import MANIFEST, Bundle, open_bundle
from lsp_server.model.embedded import named_model
from lsp_server.model.gpt2 import to_hf
from lsp_server.model.tokenizer import SENTINELS
from lsp_server.model.weights import load_gpt2
from trainer.config import ModelConfig

PROBE = 'def f(x):\n\tif x:\n        return  "é∆ <|x|>"\r\n# 1234  \n'
"""Text that a tokenizer for code must give back exactly."""
ROWS_MULTIPLE = 64
"""Rows of the embedding, as in our own vocabularies: it keeps matrix products aligned."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """A pretrained tokenizer with our sentinels in it."""

    backend: Tokenizer
    added_ids: tuple[int, ...]
    """Of the sentinels that it did not have."""

    @property
    def num_ids(self) -> int:
        """One more than the largest id."""
        return 1 + max(self.backend.get_vocab(with_added_tokens=True).values())


def location(config: ModelConfig) -> str:
    """A folder, or a name on the Hub; `embedded` is the model inside the package."""
    return str(named_model(config.pretrained))


def own_dtype(config: ModelConfig) -> torch.dtype:
    """What the model's weights are kept in."""
    from transformers import AutoConfig

    dtype = getattr(_load(config, AutoConfig, "config.json"), "dtype", None)
    return dtype if isinstance(dtype, torch.dtype) else torch.float32


def known_shape(config: ModelConfig) -> dict[str, int] | None:
    """Layers, width and vocabulary of a model that is on this machine; None where it is not."""
    from transformers import AutoConfig

    try:
        found = _load(dataclasses.replace(config, download=False), AutoConfig, "config.json")
    except (RecipeError, CheckpointError):
        return None
    return {"num_layers": found.num_hidden_layers, "width": found.hidden_size, "vocab_size": found.vocab_size}


def fingerprint(config: ModelConfig) -> str:
    """What tells one pretrained model from another: a folder's files by size and time, or a name on the Hub."""
    if not config.pretrained:
        return ""
    folder = Path(location(config))
    if not folder.is_dir():
        return config.pretrained
    files = sorted(path for path in folder.iterdir() if path.is_file())
    listing = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(listing).encode()).hexdigest()


def load_vocabulary(config: ModelConfig) -> Vocabulary:
    """The model's tokenizer, the missing sentinels behind its own ids.

    Raises: RecipeError when there is none, or text does not come back exactly, as with lower-casing ones.
    """
    from transformers import AutoTokenizer

    loaded = _load(config, AutoTokenizer, "tokenizer")
    if not getattr(loaded, "is_fast", False):
        raise RecipeError(f"model.pretrained {config.pretrained!r} has no tokenizer.json: choose a model with one")
    backend = Tokenizer.from_str(loaded.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    ids = backend.encode(PROBE, add_special_tokens=False).ids
    if backend.decode(ids, skip_special_tokens=False) != PROBE:
        raise RecipeError(
            f"model.pretrained {config.pretrained!r} has a tokenizer that does not give code back exactly: "
            "choose a model with a byte-level one, as GPT-2, Llama 3 and Qwen have"
        )
    known = backend.get_vocab(with_added_tokens=True)
    missing = [token for token in SENTINELS if token not in known]
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in missing])
    return Vocabulary(backend=backend, added_ids=_ids_of(backend, missing))


def _ids_of(backend: Tokenizer, tokens: list[str]) -> tuple[int, ...]:
    vocabulary = backend.get_vocab(with_added_tokens=True)
    return tuple(vocabulary[token] for token in tokens)


def load_network(config: ModelConfig, num_rows: int) -> Any:  # Any: transformers is untyped here
    """The model in fp32 with at least `num_rows` embeddings, new ones drawn like the old ones.

    Raises: RecipeError when it cannot be had, or its window is shorter than `model.context_tokens`; BundleError when it
    is an int8 bundle that cannot be used.
    """
    from transformers import AutoModelForCausalLM

    bundle = _int8_bundle(config)
    if bundle is not None:
        model = _dequantised(config, bundle)
    else:
        model = _load(config, AutoModelForCausalLM, "weights", dtype=torch.float32, **_dropout(config))
    longest = getattr(model.config, "max_position_embeddings", None)
    if longest is not None and config.context_tokens > longest:
        raise RecipeError(
            f"model.context_tokens is {config.context_tokens}, more than the {longest} positions of "
            f"{config.pretrained!r}: lower it"
        )
    rows = model.get_input_embeddings().num_embeddings
    if num_rows > rows:
        model.resize_token_embeddings(num_rows, pad_to_multiple_of=ROWS_MULTIPLE)  # new rows: arXiv 2211.10564's mean
    return model


def _int8_bundle(config: ModelConfig) -> Bundle | None:
    """Our bundle whose weights transformers cannot read; None for anything that it can."""
    folder = Path(location(config))
    bundle = open_bundle(folder) if (folder / MANIFEST).is_file() else None
    return bundle if bundle is not None and bundle.is_int8 else None


def _dequantised(config: ModelConfig, bundle: Bundle) -> Any:  # Any: transformers' model
    """As `from_pretrained` gives it: in fp32, without dropout until it is trained."""
    from transformers import AutoConfig, GPT2LMHeadModel

    settings = _load(config, AutoConfig, "config.json", dtype=torch.float32, **_dropout(config))
    model = GPT2LMHeadModel(settings)
    model.load_state_dict(to_hf(load_gpt2(bundle).state_dict()), strict=False)  # of tied ones it holds but one
    return model.eval()


def _dropout(config: ModelConfig) -> dict[str, Any]:
    """GPT-2's own names; other families have hardly any dropout to set."""
    from transformers import AutoConfig

    found = _load(config, AutoConfig, "config.json")
    if found.model_type != "gpt2":
        return {}
    return dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), config.dropout)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without transformers' warnings and bars: what matters is checked here."""
    from transformers.utils import logging

    had_bar, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if had_bar:
            logging.enable_progress_bar()


def _load(config: ModelConfig, kind: Any, what: str, **options: Any) -> Any:  # Any: transformers' classes
    name = location(config)
    is_folder = Path(name).is_dir()
    try:
        with _quietly():
            return kind.from_pretrained(name, local_files_only=is_folder or not config.download, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:160]
        if is_folder:
            raise CheckpointError(
                f"model.pretrained {name!r}: its {what} cannot be read ({reason}): give another folder"
            ) from error
        raise RecipeError(
            f"model.pretrained {name!r} is no folder, and its {what} is not in this machine's Hub cache ({reason}): "
            "give the folder of a model, or set model.download = true"
        ) from error
