"""The network that is timed: the shape of the base model, with random weights, written once as a bundle of ours.

Speed depends on the shape alone, but for two things that random weights would falsify, and that are mended here. A
GPT-2 with tied embeddings and random weights repeats its last token for ever, so that speculation would guess
everything; and its distribution is flat, so that top-p would keep half the vocabulary.
"""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.engine.texts import library_texts
from lsp_server.model.bundle import MANIFEST, Bundle, open_bundle
from lsp_server.model.gpt2 import GPT2, GPT2Config
from lsp_server.model.prompt import PromptLayout
from lsp_server.model.tokenizer import SENTINELS, CodeTokenizer
from lsp_server.model.weights import write_bundle

SHAPE = GPT2Config(vocab_size=16_384, context_tokens=1024, width=512, num_layers=8, num_heads=8)
LAYOUT = PromptLayout(context_tokens=1024, new_tokens=96, suffix_tokens=96)
SEED = 20_250
POSITION_GAIN = 10.0
BLOCK_GAIN = 8.0
"""Position and blocks outweigh the last token's own embedding: of 24 greedy tokens 22 differ, and after one more typed
token only 6 of the pairs come again (a gain of 4 repeats 16 of them: the position alone decides)."""
LOGIT_GAIN = 8.0
"""At temperature 0.4 a handful of tokens share the probability, as with trained weights."""


def random_bundle(folder: Path) -> Bundle:
    """The bundle in that folder, made if it is not there."""
    if not (folder / MANIFEST).is_file():
        tokenizer = CodeTokenizer.train(library_texts(), SHAPE.vocab_size)
        write_bundle(folder, network=random_network(), tokenizer=tokenizer, layout=LAYOUT, dtype=torch.float16)
    return open_bundle(folder)


@torch.no_grad()
def random_network(shape: GPT2Config = SHAPE) -> GPT2:
    torch.manual_seed(SEED)
    network = GPT2(shape)
    network.wpe.weight.mul_(POSITION_GAIN)
    for name, parameter in network.h.named_parameters():
        if name.endswith("weight") and "ln_" not in name:
            parameter.mul_(BLOCK_GAIN)
    network.ln_f.weight.fill_(LOGIT_GAIN)
    network.wte.weight[: len(SENTINELS)] = 0.0  # their logits are 0: never the highest, so nothing ends early
    return network


def num_weights_read(bundle: Bundle) -> int:
    """Weights that one decoding step reads: all blocks' matrices, and the token embedding as the output layer."""
    config = bundle.config
    width: int = config["n_embd"]
    return 12 * config["n_layer"] * width**2 + config["vocab_size"] * width  # type: ignore[no-any-return]  # JSON is Any
