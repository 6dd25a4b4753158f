from __future__ import annotations

import pytest
import torch

from lsp_server.errors import EngineError
from lsp_server.model.bundle import Bundle
from lsp_server.model.weights import load_gpt2
from trainer.corpus import Document
from trainer.evaluate.int8_loss import bits_per_byte, int8_loss, predict_natively, with_int8_weights
from trainer.evaluate.likelihood import Predict, predict_with

TEXT = "def add(left, right):\n    return left + right\n" * 8
DOCUMENTS = [Document(path="a.py", source="a", licence="MIT", sha256="0" * 64, text=TEXT)]


@pytest.fixture
def native(tiny_bundle: Bundle) -> Predict:
    try:
        return predict_natively(load_gpt2(tiny_bundle))
    except EngineError as error:
        pytest.skip(f"NOT TESTED, no native back end here: {error}")


def test_the_loss_is_the_share_by_which_bits_per_byte_grow(tiny_bundle: Bundle) -> None:
    network = load_gpt2(tiny_bundle)
    full = bits_per_byte(tiny_bundle.path, predict_with(network), DOCUMENTS, "fp32")
    packed = bits_per_byte(tiny_bundle.path, predict_with(with_int8_weights(network)), DOCUMENTS, "int8")
    assert int8_loss(tiny_bundle.path, DOCUMENTS) == pytest.approx(packed / full - 1)
    assert abs(packed / full - 1) < 0.05
    assert packed != full


def test_the_native_back_end_scores_text_nearly_as_torch_does(tiny_bundle: Bundle, native: Predict) -> None:
    full = bits_per_byte(tiny_bundle.path, predict_with(load_gpt2(tiny_bundle)), DOCUMENTS, "fp32")
    assert bits_per_byte(tiny_bundle.path, native, DOCUMENTS, "native") == pytest.approx(full, rel=0.1)


def test_the_native_back_end_packs_an_int8_bundle_to_the_integers_it_holds(
    tiny_bundle: Bundle, native: Predict
) -> None:
    original = load_gpt2(tiny_bundle).state_dict()
    packed = with_int8_weights(load_gpt2(tiny_bundle))
    # embeddings are rounded where they are looked up, norms and biases to fp16: no difference in the products
    matrices = {name for name, tensor in original.items() if tensor.ndim == 2 and name.startswith("h.")}
    packed.load_state_dict({name: original[name] for name in original.keys() - matrices}, strict=False)
    ids = [1, 7, 30, 200]
    torch.testing.assert_close(predict_natively(packed)(ids, 4), native(ids, 4), atol=1e-4, rtol=1e-4)
