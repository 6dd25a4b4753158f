"""Several documents in one row read as each by itself."""

from __future__ import annotations

import pytest
import torch

from lsp_server.model.document_mask import DocumentMask
from lsp_server.model.gpt2 import GPT2, GPT2Config

SEGMENTS_BT = torch.tensor([[0, 0, 0, 1, 2, 2, 2, 2], [1, 1, 1, 1, 1, 1, 1, 5]])


@pytest.fixture
def network() -> GPT2:
    torch.manual_seed(0)
    network = GPT2(GPT2Config(vocab_size=50, context_tokens=8, width=32, num_layers=2, num_heads=2))
    with torch.no_grad():
        network.wpe.weight.mul_(20)  # positions that the test could overlook at their small start
    return network.eval()


def test_each_document_has_the_logits_it_has_alone(network: GPT2) -> None:
    ids_BT = torch.randint(50, SEGMENTS_BT.shape, generator=torch.Generator().manual_seed(1))
    logits_BTV = network(ids_BT, SEGMENTS_BT)

    for row, segments_T in enumerate(SEGMENTS_BT):
        for segment in segments_T.unique():
            places = torch.nonzero(segments_T == segment)[:, 0]
            alone = network(ids_BT[row, places][None])[0]
            torch.testing.assert_close(logits_BTV[row, places], alone)


def test_one_document_a_row_changes_nothing(network: GPT2) -> None:
    ids_BT = torch.randint(50, (2, 8))

    torch.testing.assert_close(network(ids_BT, torch.zeros(2, 8, dtype=torch.int64)), network(ids_BT))


def test_positions_begin_anew_and_nobody_sees_what_comes_later() -> None:
    mask = DocumentMask.of(SEGMENTS_BT)

    assert mask.positions_T.tolist() == [[0, 1, 2, 0, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5, 6, 0]]
    assert not mask.mask_B1TT.triu(1).any()
    assert mask.mask_B1TT[0, 0].sum(dim=1).tolist() == [1, 2, 3, 1, 1, 2, 3, 4]


def test_attention_drops_out_as_it_does_without_a_mask() -> None:
    network = GPT2(GPT2Config(vocab_size=50, context_tokens=8, width=32, num_layers=1, num_heads=2, dropout=0.5))
    network.train()
    rows = []

    for segments in (torch.zeros_like(SEGMENTS_BT), None):
        torch.manual_seed(3)
        rows.append(network(SEGMENTS_BT, segments))

    torch.testing.assert_close(*rows)
