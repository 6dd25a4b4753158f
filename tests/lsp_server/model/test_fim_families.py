from __future__ import annotations

import pytest
from hub_folders import FAMILY_TOKENS, byte_level, of_family

from lsp_server.model.fim_families import CONTROL_TOKENS, FAMILIES, recognise


@pytest.mark.parametrize("name", FAMILY_TOKENS)
def test_a_family_is_known_by_its_tokens(name: str) -> None:
    family = recognise(of_family(name).token_to_id)
    assert family is not None
    assert family.name == name


def test_every_family_has_a_case_above() -> None:
    assert {family.name for family in FAMILIES} == set(FAMILY_TOKENS)


@pytest.mark.parametrize(
    ("specials", "reason"),
    [
        ((), "no special tokens at all"),
        (("<|endoftext|>",), "GPT-2 and most others"),
        (("<fim_prefix>", "<fim_suffix>"), "a middle is missing"),
        (("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"), "of neither Qwen nor Gemma: trained who knows how"),
        (("[PREFIX]", "[SUFFIX]", "[MIDDLE]"), "Codestral's, trained suffix first"),
    ],
)
def test_a_tokenizer_of_no_family_is_not_guessed_at(specials: tuple[str, ...], reason: str) -> None:
    assert recognise(byte_level(specials).token_to_id) is None, reason


def test_the_tokens_of_every_family_are_control_tokens() -> None:
    assert {"<|fim_prefix|>", "▁<EOT>", "<｜fim▁hole｜>", "<fim-middle>", "<file_sep>"} <= CONTROL_TOKENS
