"""Which models were taught to fill in the middle, known by the tokens of their tokenizers. A table and its look-up.

All of these were trained prefix, suffix, middle. Knows no files and no prompts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FimFamily:
    """The tokens that ask a family of models for the middle, and the others that its text never holds."""

    name: str
    prefix: str
    suffix: str
    middle: str
    marks: tuple[str, ...] = ()
    """Tokens that tell it from a family with the same three."""
    others: tuple[str, ...] = ()

    @property
    def tokens(self) -> tuple[str, ...]:
        """Everything that must never be read from a user's text, and that ends an answer."""
        return (self.prefix, self.suffix, self.middle, *self.marks, *self.others)


FAMILIES = (
    # Source: arXiv 2402.19173, section 5.1; tokens of bigcode/starcoder2-3b
    FimFamily(
        name="StarCoder2",
        prefix="<fim_prefix>",
        suffix="<fim_suffix>",
        middle="<fim_middle>",
        marks=("<file_sep>",),
        others=("<fim_pad>", "<repo_name>", "<|endoftext|>"),
    ),
    # Source: arXiv 2305.06161, section 5; tokens of bigcode/starcoderbase-1b, and of IBM's Granite code models
    FimFamily(
        name="StarCoder",
        prefix="<fim_prefix>",
        suffix="<fim_suffix>",
        middle="<fim_middle>",
        others=("<fim_pad>", "<filename>", "<reponame>", "<gh_stars>", "<|endoftext|>"),
    ),
    # Source: model card of bigcode/santacoder
    FimFamily(
        name="SantaCoder",
        prefix="<fim-prefix>",
        suffix="<fim-suffix>",
        middle="<fim-middle>",
        others=("<fim-pad>", "<|endoftext|>"),
    ),
    # Source: arXiv 2409.12186, section 2.1
    FimFamily(
        name="Qwen2.5-Coder",
        prefix="<|fim_prefix|>",
        suffix="<|fim_suffix|>",
        middle="<|fim_middle|>",
        marks=("<|file_sep|>",),
        others=("<|fim_pad|>", "<|repo_name|>", "<|endoftext|>"),
    ),
    # Source: model card of google/codegemma-2b
    FimFamily(
        name="CodeGemma",
        prefix="<|fim_prefix|>",
        suffix="<|fim_suffix|>",
        middle="<|fim_middle|>",
        marks=("<|file_separator|>",),
    ),
    # Source: README of deepseek-ai/DeepSeek-Coder, "Code Insertion"; the hole stands where the suffix begins
    FimFamily(
        name="DeepSeek-Coder",
        prefix="<｜fim▁begin｜>",
        suffix="<｜fim▁hole｜>",
        middle="<｜fim▁end｜>",
        others=("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<|EOT|>"),
    ),
    # Source: arXiv 2308.12950, section 2.3, and `infilling_prompt_tokens` of meta-llama/codellama
    FimFamily(name="CodeLlama", prefix="▁<PRE>", suffix="▁<SUF>", middle="▁<MID>", others=("▁<EOT>",)),
)
"""The first that fits holds."""
CONTROL_TOKENS = frozenset(token for family in FAMILIES for token in family.tokens)
"""Never text, whichever of the families a tokenizer belongs to, and though Qwen's file calls them ordinary."""


def recognise(token_to_id: Callable[[str], int | None]) -> FimFamily | None:
    """The family of the tokenizer behind `token_to_id`; None for one without a way to fill in the middle."""
    for family in FAMILIES:
        needed = (family.prefix, family.suffix, family.middle, *family.marks)
        if all(token_to_id(token) is not None for token in needed):
            return family
    return None
