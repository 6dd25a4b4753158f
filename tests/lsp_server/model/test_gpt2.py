"""The network against transformers' GPT-2, and cached decoding against full recomputation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers import GPT2Config as ReferenceConfig
from transformers import GPT2LMHeadModel as ReferenceModel

from lsp_server.model.bundle import FILES, MANIFEST, Bundle, seal_bundle
from lsp_server.model.gpt2 import GPT2, GPT2Config, from_hf, to_hf
from lsp_server.model.prompt import PromptLayout, Sentinels
from lsp_server.model.tokenizer import CodeTokenizer
from lsp_server.model.weights import load_gpt2


class GrowingMemory:
    """The simplest KeyValueMemory: a concatenation for each layer, and attention written out."""

    def __init__(self) -> None:
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}
        self.positions_T = torch.arange(0)

    def expect(self, num_new: int) -> GrowingMemory:
        start = len(self.positions_T) and int(self.positions_T[-1]) + 1
        self.positions_T = torch.arange(start, start + num_new)
        return self

    def attend(self, layer: int, queries_BHTD: Tensor, keys_BHTD: Tensor, values_BHTD: Tensor) -> Tensor:
        if layer in self._layers:
            old_keys, old_values = self._layers[layer]
            keys_BHTD, values_BHTD = torch.cat([old_keys, keys_BHTD], 2), torch.cat([old_values, values_BHTD], 2)
        self._layers[layer] = keys_BHTD, values_BHTD
        scores = queries_BHTD @ keys_BHTD.transpose(2, 3) / queries_BHTD.shape[3] ** 0.5
        seen = torch.arange(keys_BHTD.shape[2]) <= self.positions_T[:, None]
        return scores.masked_fill(~seen, float("-inf")).softmax(3) @ values_BHTD


@pytest.fixture(name="ids_BT")
def token_ids(network: GPT2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(network.config.vocab_size, (2, 20), generator=generator)


@pytest.fixture
def reference(network: GPT2) -> ReferenceModel:
    shape = network.config
    config = ReferenceConfig(
        vocab_size=shape.vocab_size,
        n_positions=shape.context_tokens,
        n_embd=shape.width,
        n_layer=shape.num_layers,
        n_head=shape.num_heads,
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(2)
    model = ReferenceModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


@torch.no_grad()
def reference_logits(model: ReferenceModel, ids_BT: Tensor) -> Tensor:
    logits_BTV: Tensor = model(ids_BT, use_cache=False).logits
    return logits_BTV


def test_their_weights_in_our_network_give_their_logits(
    network: GPT2, reference: ReferenceModel, ids_BT: Tensor
) -> None:
    network.load_state_dict(from_hf(reference.state_dict()))

    torch.testing.assert_close(network(ids_BT), reference_logits(reference, ids_BT), atol=2e-5, rtol=1e-5)


def test_names_and_orientations_survive_the_way_there_and_back(network: GPT2) -> None:
    state = network.state_dict()

    back = from_hf(to_hf(state))

    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_a_model_saved_by_transformers_loads_with_its_logits(
    reference: ReferenceModel, bundle: Bundle, tokenizer: CodeTokenizer, layout: PromptLayout, ids_BT: Tensor
) -> None:
    reference.save_pretrained(bundle.path)
    theirs = seal_bundle(bundle.path, layout=layout, sentinels=Sentinels.of(tokenizer))

    loaded = load_gpt2(theirs)

    torch.testing.assert_close(loaded(ids_BT), reference_logits(reference, ids_BT), atol=2e-5, rtol=1e-5)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_bundle_opens_in_transformers_with_our_logits(bundle: Bundle, network: GPT2, ids_BT: Tensor) -> None:
    theirs = AutoModelForCausalLM.from_pretrained(bundle.path, local_files_only=True, dtype=torch.float32).eval()

    torch.testing.assert_close(reference_logits(theirs, ids_BT), network(ids_BT), atol=2e-5, rtol=1e-5)


def test_a_bundles_tokenizer_opens_in_transformers_and_agrees(bundle: Bundle, tokenizer: CodeTokenizer) -> None:
    theirs = AutoTokenizer.from_pretrained(bundle.path, local_files_only=True)
    text = "def add(left, right):\n\treturn  left +\u00e9\u4f60 right_of_2024\r\n\n    # end , .\n"

    assert theirs.encode(text) == tokenizer.encode(text)
    assert theirs.decode(tokenizer.encode(text)) == text
    assert theirs.eos_token_id == tokenizer.end_of_text


def test_a_bundle_loads_exactly_what_was_written(bundle: Bundle, network: GPT2) -> None:
    loaded = load_gpt2(bundle)

    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in loaded.state_dict().items())
    assert {path.name for path in bundle.path.iterdir()} == {*FILES, MANIFEST}


@pytest.mark.parametrize(
    "lengths",
    [
        pytest.param([20], id="all at once"),
        pytest.param([1] * 20, id="one at a time"),
        pytest.param([8, 1, 1, 10], id="a prompt, two steps, then several new tokens"),
    ],
)
def test_cached_decoding_equals_full_recomputation(network: GPT2, ids_BT: Tensor, lengths: list[int]) -> None:
    memory = GrowingMemory()

    parts = [network.hidden(part, memory.expect(part.shape[1])) for part in torch.split(ids_BT, lengths, dim=1)]

    torch.testing.assert_close(torch.cat(parts, dim=1), network.hidden(ids_BT), atol=2e-5, rtol=1e-5)


def test_input_longer_than_the_positions_is_refused(network: GPT2) -> None:
    with pytest.raises(ValueError, match="49 tokens do not fit 48 positions"):
        network(torch.zeros(1, 49, dtype=torch.long))


def test_dropout_acts_in_training_only() -> None:
    shape = GPT2Config(vocab_size=32, context_tokens=8, width=16, num_layers=1, num_heads=2, dropout=0.5)
    network = GPT2(shape)
    ids_BT = torch.arange(8)[None]

    assert torch.equal(network.eval()(ids_BT), network(ids_BT))
    assert not torch.equal(network.train()(ids_BT), network(ids_BT))


@pytest.mark.parametrize("sizes", [{"width": 30}, {"num_layers": 0}], ids=["heads do not divide the width", "no layer"])
def test_impossible_shapes_are_refused(sizes: dict[str, int]) -> None:
    shape = {"vocab_size": 32, "context_tokens": 8, "width": 32, "num_layers": 1, "num_heads": 4}

    with pytest.raises(ValueError, match=r"num_heads 4 does not divide|must be at least 1"):
        GPT2Config(**{**shape, **sizes})
