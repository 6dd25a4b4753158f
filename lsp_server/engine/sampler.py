"""Draws the next token of each row from its logits. Knows nothing of text, of the cache or of the network.

Shape suffixes: B rows, K sorted tokens, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lsp_server.engine.api import SamplingParams
from lsp_server.engine.device import pinned
from lsp_server.errors import EngineError

FIRST_SORTED = 64
"""Tokens sorted first for top-p; a full sort of a 32k vocabulary takes 3 ms, the first 64 take 0.1 ms (CPU)."""
SORT_GROWTH = 8
MIN_TEMPERATURE = 1e-6
"""Below this, division by the temperature leaves fp32; drawing is greedy long before."""


class Sampler:
    """Greedy or random choice for several rows, each with a random generator of its own."""

    def __init__(self, params: SamplingParams, num_rows: int) -> None:
        self._params = params
        self._generators = [_new_generator(params.seed, row) for row in range(num_rows)]

    def draw(self, logits_BV: Tensor, rows: Sequence[int]) -> tuple[list[int], list[float]]:
        """One token id and its log-probability at temperature 1 for each of the rows named.

        Raises: EngineError when the logits are not finite numbers.
        """
        ids_B = logits_BV.argmax(dim=1) if self._params.greedy else self._sample(logits_BV, rows)
        logprobs = logits_BV.log_softmax(dim=1).gather(1, ids_B[:, None])[:, 0].tolist()
        if not all(map(math.isfinite, logprobs)):
            raise EngineError(f"the model computes no finite numbers on {logits_BV.device}: use --device cpu")
        return ids_B.tolist(), logprobs

    def _sample(self, logits_BV: Tensor, rows: Sequence[int]) -> Tensor:
        shifted_BV = logits_BV - logits_BV.amax(dim=1, keepdim=True)
        probs_BK, ids_BK = self._distribution(shifted_BV / max(self._params.temperature, MIN_TEMPERATURE))
        # 1 - [0, 1) is never 0, and the left-most place that reaches it never has probability 0.
        uniforms_B1 = torch.stack([1 - torch.rand(1, generator=self._generators[row]) for row in rows])
        cumulative_BK = probs_BK.cumsum(dim=1)
        uniforms_B1 = pinned(uniforms_B1, probs_BK.device).to(probs_BK.device, non_blocking=True)
        targets_B1 = uniforms_B1 * cumulative_BK[:, -1:]
        last_place = cumulative_BK.shape[1] - 1  # passed only where the logits are no numbers
        places_B1 = torch.searchsorted(cumulative_BK, targets_B1).clamp(max=last_place)
        return places_B1[:, 0] if ids_BK is None else ids_BK.gather(1, places_B1)[:, 0]

    def _distribution(self, scaled_BV: Tensor) -> tuple[Tensor, Tensor | None]:
        """Probabilities after top-k and top-p, BK, and the tokens they belong to; None is the vocabulary in order."""
        top_k, top_p = self._params.top_k, self._params.top_p
        if top_k:
            top_BK, ids_BK = scaled_BV.topk(min(top_k, scaled_BV.shape[1]), dim=1)
            probs_BK = top_BK.softmax(dim=1)
        elif top_p < 1.0:
            probs_BK, ids_BK = _sorted_head(scaled_BV, top_p)
        else:
            return scaled_BV.softmax(dim=1), None
        if top_p < 1.0:
            probability_before_BK = probs_BK.cumsum(dim=1) - probs_BK
            probs_BK = probs_BK.masked_fill(probability_before_BK >= top_p, 0.0)
        return probs_BK, ids_BK


def _sorted_head(scaled_BV: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """The most likely tokens, sorted, as many as reach `top_p` in every row: probabilities BK and ids BK."""
    vocab_size = scaled_BV.shape[1]
    total_B1 = scaled_BV.logsumexp(dim=1, keepdim=True)
    is_on_gpu = scaled_BV.device.type != "cpu"  # there a full sort is cheap, and looking at the sum would wait for it
    width = vocab_size if is_on_gpu else min(FIRST_SORTED, vocab_size)
    while True:
        top_BK, ids_BK = scaled_BV.topk(width, dim=1)
        probs_BK = (top_BK - total_B1).exp()
        if width == vocab_size or bool((probs_BK.sum(dim=1) >= top_p).all()):
            return probs_BK, ids_BK
        width = min(width * SORT_GROWTH, vocab_size)


def _new_generator(seed: int | None, row: int) -> torch.Generator:
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed((seed + row) % 2**63)
    return generator
