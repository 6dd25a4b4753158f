"""Mixes what the user's own code says into the model's distribution. Knows tensors, and nothing of where tokens stand.

    p = (1 - weight) p_model + weight p_memory        for each expectation in turn

Sources: the cache of Grave et al. 2017 (arXiv 1612.04426), kNN-LM (arXiv 1911.00172), infini-gram (arXiv 2401.17377).

Shape suffixes: V vocabulary, K tokens that the memory names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lsp_server.engine.device import pinned
from lsp_server.recall.recollection import Expectation


def mixed(logits_V: Tensor, expectations: Sequence[Expectation]) -> Tensor:
    """Log-probabilities V."""
    logprobs_V = logits_V.log_softmax(dim=0)
    kept, shares = 1.0, dict[int, float]()
    for each in expectations:
        kept *= 1 - each.weight
        shares = {token_id: share * (1 - each.weight) for token_id, share in shares.items()}
        for token_id, share in each.shares.items():
            shares[token_id] = shares.get(token_id, 0.0) + each.weight * share
    if not shares:
        return logprobs_V
    ids_K = _on(torch.tensor(list(shares)), logits_V)
    shares_K = _on(torch.tensor(list(shares.values()), dtype=logits_V.dtype), logits_V)
    logprobs_V = logprobs_V + math.log(kept)
    return logprobs_V.index_put((ids_K,), torch.logaddexp(logprobs_V[ids_K], shares_K.log()))


def _on(tensor: Tensor, other: Tensor) -> Tensor:
    return pinned(tensor, other.device).to(other.device, non_blocking=True)
