"""What int8 costs in bits per byte: of the weights alone, and of the native engine, whose inputs are int8 too.

Shape suffixes: T tokens of a window, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from lsp_server.engine.backend import Span
from lsp_server.engine.device import default_num_threads
from lsp_server.engine.native_backend import NativeBackend
from lsp_server.model.bundle import open_bundle
from lsp_server.model.gpt2 import GPT2
from lsp_server.model.int8_weights import from_int8, to_int8
from lsp_server.model.weights import load_gpt2
from trainer.corpus import Document
from trainer.evaluate.likelihood import Likelihood, Predict, Scorer, predict_with

MEASURED_BYTES = 200_000


def int8_loss(bundle: Path, documents: Sequence[Document]) -> float:
    """The share of bits per byte that int8 weights cost, such as 0.001; computed in fp32."""
    network = load_gpt2(open_bundle(bundle))
    full = bits_per_byte(bundle, predict_with(network), documents, "fp32")
    return bits_per_byte(bundle, predict_with(with_int8_weights(network)), documents, "int8") / full - 1


def with_int8_weights(network: GPT2) -> GPT2:
    """A copy whose weights are those of an int8 bundle, dequantised."""
    copy = GPT2(network.config).requires_grad_(requires_grad=False).eval()
    copy.load_state_dict(from_int8(to_int8(network.state_dict(), torch.float16)))
    return copy


def predict_natively(network: GPT2) -> Predict:
    """The native back end as it is shipped. Raises: EngineError where it does not run."""
    backend = NativeBackend(network, default_num_threads())

    def predict(ids: Sequence[int], num_logits: int) -> torch.Tensor:
        (logits_TV,) = backend.forward([Span(cache=backend.new_cache(), ids=ids, num_logits=num_logits)])
        return logits_TV

    return predict


def bits_per_byte(bundle: Path, predict: Predict, documents: Sequence[Document], name: str) -> float:
    """Of all documents together."""
    opened = open_bundle(bundle)
    tokenizer = opened.load_tokenizer()
    scorer = Scorer(
        predict=predict,
        context_tokens=int(opened.config["n_positions"]),
        tokenizer=tokenizer,
        first_id=tokenizer.end_of_text,
    )
    total = Likelihood()
    for document in tqdm(documents, desc=f"bits per byte, {name}", unit="file", delay=2):
        total += scorer.score(document.text)
    return total.bits_per_byte
