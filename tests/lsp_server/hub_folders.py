"""Folders as `save_pretrained` writes them: random networks of several architectures, tokenizers of all families."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = ["def add(left, right):\n    return left + right\n\n\nclass Point:\n    pass\n" * 4]
ASCII = [chr(number) for number in range(33, 127)]
WINDOW = 128
SENTENCEPIECE_TOKENS = ("<unk>", "<s>", "</s>")

FAMILY_TOKENS: dict[str, tuple[str, ...]] = {
    "StarCoder": ("<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>"),
    "SantaCoder": ("<|endoftext|>", "<fim-prefix>", "<fim-middle>", "<fim-suffix>", "<fim-pad>"),
    "StarCoder2": ("<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<file_sep>"),
    "Qwen2.5-Coder": ("<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|file_sep|>"),
    "CodeGemma": ("<bos>", "<eos>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|file_separator|>"),
    "DeepSeek-Coder": (
        "<｜begin▁of▁sentence｜>",
        "<｜end▁of▁sentence｜>",
        "<｜fim▁begin｜>",
        "<｜fim▁hole｜>",
        "<｜fim▁end｜>",
    ),
    "CodeLlama": (*SENTENCEPIECE_TOKENS, "▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"),
}


def byte_level(specials: Sequence[str] = ("<|endoftext|>",), *, declared: bool = True) -> Tokenizer:
    """GPT-2's kind; with `declared` false the file calls its special tokens ordinary, as Qwen's does."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=290, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokens = [AddedToken(token, special=declared, normalized=False) for token in specials]
    tokenizer.add_special_tokens(tokens) if declared else tokenizer.add_tokens(tokens)
    return tokenizer


def sentencepiece(kind: str = "prepend", specials: Sequence[str] = SENTENCEPIECE_TOKENS) -> Tokenizer:
    """Llama's kind in two spellings, `prepend` and `metaspace`: a space before each text, bytes where no token is."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    fallback = [decoders.ByteFallback(), decoders.Fuse()]
    if kind == "prepend":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), *fallback, decoders.Strip(" ", 1, 0)])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
        tokenizer.decoder = decoders.Sequence([*fallback, decoders.Metaspace(prepend_scheme="always", split=False)])
    trainer = trainers.BpeTrainer(
        vocab_size=160, special_tokens=list(specials), initial_alphabet=[*ASCII, "▁"], show_progress=False
    )
    tokenizer.train_from_iterator([line for text in TEXTS for line in text.splitlines()], trainer)
    description = json.loads(tokenizer.to_str())
    vocabulary = description["model"]["vocab"]
    for byte in range(256):
        vocabulary[f"<0x{byte:02X}>"] = len(vocabulary)
    tokenizer = Tokenizer.from_str(json.dumps(description))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return tokenizer


def of_family(family: str) -> Tokenizer:
    specials = FAMILY_TOKENS[family]
    if family == "CodeLlama":
        return sentencepiece("prepend", specials)
    return byte_level(specials, declared=family != "Qwen2.5-Coder")


def network_of(
    kind: str, vocab_size: int, window: int = WINDOW
) -> Any:  # Any: transformers' models share no useful type
    """Weights so large that its choices are clear, where freshly initialised ones nearly tie."""
    llama_like = {
        "vocab_size": vocab_size,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": window,
    }
    gpt_like = {"vocab_size": vocab_size, "n_positions": window, "n_embd": 32, "n_layer": 2, "n_head": 4}
    configs = {
        "gpt2": lambda: transformers.GPT2Config(**gpt_like),
        "gpt_bigcode": lambda: transformers.GPTBigCodeConfig(**gpt_like, multi_query=True),
        "llama": lambda: transformers.LlamaConfig(**llama_like),
        "qwen2": lambda: transformers.Qwen2Config(**llama_like),
        "starcoder2": lambda: transformers.Starcoder2Config(**llama_like, sliding_window=4 * WINDOW),
        "mistral": lambda: transformers.MistralConfig(**llama_like, sliding_window=WINDOW // 2),
    }
    config = configs[kind]()
    config.bos_token_id = config.eos_token_id = None
    network = transformers.AutoModelForCausalLM.from_config(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.3, generator=generator)
    return network.eval()


def save_hub_model(
    folder: Path,
    kind: str = "gpt2",
    tokenizer: Tokenizer | None = None,
    *,
    window: int = WINDOW,
    **tokenizer_config: object,
) -> Path:
    """Write a whole folder."""
    tokenizer = tokenizer or byte_level()
    network_of(kind, tokenizer.get_vocab_size(), window).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    return folder


def edit_json(file: Path, **changes: object) -> None:
    """Set keys; None takes one away."""
    values = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
