from __future__ import annotations

import pytest

from benchmarks.engine.network import SHAPE
from lsp_server.model.gpt2 import GPT2, GPT2Config, to_hf
from trainer.conversion.gguf_names import tensor_name


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("wte.weight", "token_embd.weight"),
        ("wpe.weight", "position_embd.weight"),
        ("ln_f.bias", "output_norm.bias"),
        ("h.0.ln_1.weight", "blk.0.attn_norm.weight"),
        ("h.3.attn.c_proj.bias", "blk.3.attn_output.bias"),
        ("h.11.mlp.c_fc.weight", "blk.11.ffn_up.weight"),
    ],
)
def test_tensors_have_the_names_that_llama_cpp_reads(ours: str, theirs: str) -> None:
    assert tensor_name(ours) == theirs


@pytest.mark.parametrize("name", ["lm_head.weight", "h.0.attn.bias", "h.0.attn.masked_bias", "x.0.ln_1.weight"])
def test_what_a_gpt2_does_not_need_is_refused(name: str) -> None:
    with pytest.raises(KeyError):
        tensor_name(name)


def test_every_tensor_of_a_bundle_has_a_name_of_its_own() -> None:
    small = GPT2Config(vocab_size=300, context_tokens=8, width=8, num_layers=2, num_heads=SHAPE.num_heads)
    names = [name.removeprefix("transformer.") for name in to_hf(GPT2(small).state_dict())]
    assert len({tensor_name(name) for name in names}) == len(names)
