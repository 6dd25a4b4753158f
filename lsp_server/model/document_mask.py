"""Attention that stays within a document where several stand in one training row. Knows nothing of how rows are made.

Shape suffixes as in `lsp_server.model.gpt2`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class DocumentMask:
    """A batch's documents, as `GPT2.hidden` takes a memory: it keeps nothing, and tells who sees whom.

    Positions begin anew in each document. So a document reads the same in a row as by itself, and as it does when it is
    served: a prompt begins at position 0. What it costs is practice at the last positions, which only long documents
    give.
    """

    positions_T: Tensor
    """BT here: each token's place in its document."""
    mask_B1TT: Tensor
    """True where a query (third axis) sees a key (fourth axis)."""
    dropout: float = 0.0

    @classmethod
    def of(cls, segments_BT: Tensor, dropout: float = 0.0) -> DocumentMask:
        """`dropout` is that of attention while training."""
        places_T = torch.arange(segments_BT.shape[1], device=segments_BT.device)
        begins_BT = torch.ones_like(segments_BT, dtype=torch.bool)
        begins_BT[:, 1:] = segments_BT[:, 1:] != segments_BT[:, :-1]
        starts_BT = torch.where(begins_BT, places_T, 0).cummax(dim=1).values
        same_BTT = segments_BT[:, :, None] == segments_BT[:, None, :]
        causal_TT = places_T[:, None] >= places_T[None, :]
        return cls(places_T - starts_BT, (same_BTT & causal_TT)[:, None], dropout)

    def attend(self, _layer: int, queries_BHTD: Tensor, keys_BHTD: Tensor, values_BHTD: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(
            queries_BHTD, keys_BHTD, values_BHTD, attn_mask=self.mask_B1TT, dropout_p=self.dropout
        )
