"""Tiny pretrained checkpoints, as transformers writes them: GPT-2 with its Conv1D, and Llama with two tables or one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from trainer.config import ModelConfig, Recipe
from trainer.recipe import parse_recipe

TEXTS = [f"def function_{number}(value):\n    return value * {number} + 1\n" for number in range(60)]


@pytest.fixture(autouse=True)
def _fresh_accelerator(fresh_accelerator: None) -> None:
    """Every test here trains."""


def byte_level_tokenizer(end: str) -> Tokenizer:
    """As GPT-2's: ByteLevel with its own pattern, one special token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=301,
        special_tokens=[AddedToken(end, special=True, normalized=False)],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, end: str) -> int:
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, bos_token=end).save_pretrained(folder)
    return int(tokenizer.get_vocab_size())


@pytest.fixture(scope="session")
def gpt2_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained") / "tiny-gpt2"
    size = save_tokenizer(byte_level_tokenizer("<|endoftext|>"), folder, "<|endoftext|>")
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=size, n_positions=128, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def make_llama(folder: Path, *, tied: bool) -> Path:
    size = save_tokenizer(byte_level_tokenizer("<|end|>"), folder, "<|end|>")
    torch.manual_seed(2)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=128,
        tie_word_embeddings=tied,
        bos_token_id=0,
        eos_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_llama(tmp_path_factory.mktemp("pretrained") / "tiny-llama", tied=False)


@pytest.fixture(scope="session")
def tied_llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_llama(tmp_path_factory.mktemp("pretrained") / "tied-llama", tied=True)


def tuning_recipe(pretrained: Path, **tuning: Any) -> Recipe:
    """A few steps over short rows."""
    return parse_recipe(
        {
            "run": "tuned",
            "seed": 3,
            "model": {"pretrained": str(pretrained), "context_tokens": 128},
            "prompt": {"suffix_tokens": 16, "new_tokens": 16},
            "fit": {
                "batch_rows": 4,
                "row_tokens": 48,
                "max_steps": 3,
                "learning_rate": 1e-2,
                "eval_steps": 0,
                "precision": "fp32",
                "samples": 0,
            },
            "tuning": tuning,
        }
    )


def model_config(pretrained: Path | str, **changes: Any) -> ModelConfig:
    return ModelConfig(**{"pretrained": str(pretrained), "context_tokens": 128, **changes})
