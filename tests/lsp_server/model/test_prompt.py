"""What serving asks is the start of what training showed, within the budgets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.errors import PromptError
from lsp_server.model.prompt import PromptLayout, Sentinels, build_prompt, training_psm, training_spm

SENTINELS = Sentinels(end_of_text=0, fim_prefix=1, fim_suffix=2, fim_middle=3, file_separator=4)
LAYOUT = PromptLayout(context_tokens=64, new_tokens=8, suffix_tokens=12, neighbour_tokens=6)


def ids(most: int = 80, least: int = 0) -> st.SearchStrategy[list[int]]:
    """Of all lengths alike, where lists that hypothesis draws are mostly short; every id tells its place."""
    return st.integers(least, most).map(lambda length: list(range(5, 5 + length)))


@given(
    prefix=ids(LAYOUT.prefix_tokens),
    middle=ids(),
    suffix=ids(LAYOUT.suffix_tokens, least=1),
)
def test_what_serving_builds_is_a_prefix_of_what_training_built(
    prefix: list[int], middle: list[int], suffix: list[int]
) -> None:
    asked = build_prompt(SENTINELS, LAYOUT, prefix=prefix, suffix=suffix)
    shown = training_spm(SENTINELS, prefix, middle, suffix)

    assert shown[: len(asked)] == list(asked)
    assert shown[len(asked) :] == [*middle, SENTINELS.end_of_text]


@given(prefix=ids(), suffix=ids(), neighbours=ids())
def test_budgets_are_kept_and_far_ends_are_cut(prefix: list[int], suffix: list[int], neighbours: list[int]) -> None:
    prompt = list(build_prompt(SENTINELS, LAYOUT, prefix=prefix, suffix=suffix, neighbours=neighbours))

    assert len(prompt) <= LAYOUT.prompt_tokens
    kept_neighbours, rest = neighbours[:6], prompt[min(len(neighbours), 6) :]
    assert prompt[: len(kept_neighbours)] == kept_neighbours
    head = [1, 2, *suffix[:12], 3] if suffix else [0]
    assert rest[: len(head)] == head, "the suffix keeps its start"
    kept_prefix = rest[len(head) :]
    assert kept_prefix == prefix[len(prefix) - len(kept_prefix) :], "the prefix keeps its end"
    assert len(kept_prefix) == len(prefix) or len(prompt) == LAYOUT.prompt_tokens, "no room is wasted"
    assert len(kept_prefix) >= min(len(prefix), LAYOUT.prefix_tokens), "the prefix has its own budget"


def test_without_a_suffix_the_prompt_is_plain_text_as_a_document_begins() -> None:
    assert build_prompt(SENTINELS, LAYOUT, prefix=[7, 8]) == (0, 7, 8)


def test_psm_holds_the_same_parts_prefix_first() -> None:
    assert training_psm(SENTINELS, [7], [8], [9]) == [1, 7, 2, 9, 3, 8, 0]


def test_the_prefix_gets_what_the_others_leave() -> None:
    assert LAYOUT.prefix_tokens == 64 - 8 - 12 - 6 - 3
    assert LAYOUT.prompt_tokens == 56


def test_a_layout_survives_json() -> None:
    values = {"context_tokens": 64, "new_tokens": 8, "suffix_tokens": 12, "neighbour_tokens": 6}

    assert PromptLayout.from_json(values) == LAYOUT


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"context_tokens": 64, "new_tokens": 0, "suffix_tokens": 1}, "new_tokens", id="no answer"),
        pytest.param({"context_tokens": 64, "new_tokens": 1, "suffix_tokens": -1}, "negative", id="negative"),
        pytest.param({"context_tokens": 64, "new_tokens": 32, "suffix_tokens": 29}, "no token", id="no prefix left"),
        pytest.param({"context_tokens": 64, "new_tokens": 8.5, "suffix_tokens": 8}, "8.5", id="a fraction"),
        pytest.param({"context_tokens": "64", "new_tokens": 8, "suffix_tokens": 8}, "'64'", id="text"),
        pytest.param({"context_tokens": 64, "new_tokens": 8}, "suffix_tokens", id="a budget is missing"),
        pytest.param({"context": 64}, "'context'", id="an unknown budget"),
        pytest.param([64, 8, 8], r"\[64, 8, 8\]", id="a list"),
        pytest.param("64", "'64'", id="a string"),
    ],
)
def test_bad_layouts_are_refused(values: Any, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        PromptLayout.from_json(values)
