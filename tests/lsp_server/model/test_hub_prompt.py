from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.model.hub_prompt import MOST_NEW_TOKENS, MOST_SUFFIX_TOKENS, FimIds, PsmPrompts

PRE, SUF, MID, BOS, BLANK = 1, 2, 3, 4, 5
PROMPTS = PsmPrompts(
    context_tokens=64, bos=(BOS,), fim=FimIds(prefix=PRE, suffix=SUF, middle=MID), blank=BLANK
)  # 8 for the answer, 8 for the suffix
ids = st.lists(st.integers(10, 99), max_size=90)


@pytest.mark.parametrize(
    ("prompts", "prefix", "suffix", "expected"),
    [
        (PROMPTS, [10, 11], [20], (BOS, PRE, 10, 11, SUF, 20, MID)),
        (replace(PROMPTS, bos=()), [10, 11], [20], (PRE, 10, 11, SUF, 20, MID)),
        (PROMPTS, [], [20], (BOS, PRE, SUF, 20, MID)),
        (PROMPTS, [10, 11], [], (BOS, 10, 11)),
        (replace(PROMPTS, fim=None), [10, 11], [20], (BOS, 10, 11)),
        (PROMPTS, [], [], (BOS,)),
        (replace(PROMPTS, bos=()), [], [], (BLANK,)),
    ],
    ids=["whole", "no bos", "no prefix", "no suffix", "no family", "nothing", "nothing at all"],
)
def test_the_layout(prompts: PsmPrompts, prefix: list[int], suffix: list[int], expected: tuple[int, ...]) -> None:
    assert prompts.build(prefix=prefix, suffix=suffix) == expected


@given(prefix=ids, suffix=ids, has_bos=st.booleans(), has_family=st.booleans(), new_tokens=st.integers(1, 99))
def test_a_prompt_leaves_room_for_the_answer_and_a_prefix_within_its_budget_is_whole(
    prefix: list[int], suffix: list[int], has_bos: bool, has_family: bool, new_tokens: int
) -> None:
    prompts = replace(PROMPTS, bos=(BOS,) if has_bos else (), fim=PROMPTS.fim if has_family else None)
    prompts = prompts.with_new_tokens(new_tokens)
    assert prompts.new_tokens == min(new_tokens, 32)
    prompt = prompts.build(prefix=prefix, suffix=suffix)
    assert 0 < len(prompt) <= prompts.context_tokens - prompts.new_tokens
    kept = tuple(prefix[-prompts.prefix_tokens :])
    assert not kept or kept in {prompt[start : start + len(kept)] for start in range(len(prompt))}


def test_what_is_cut_lies_far_from_the_cursor() -> None:
    prompt = PROMPTS.build(prefix=range(1000, 1100), suffix=range(2000, 2100))
    assert prompt[-10:] == (SUF, *range(2000, 2008), MID)
    assert prompt[:2] == (BOS, PRE)
    assert prompt[2:-10] == tuple(range(1100 - PROMPTS.prefix_tokens, 1100))


def test_typing_keeps_the_prompt_up_to_the_cursor() -> None:
    before = PROMPTS.build(prefix=[10, 11], suffix=[20, 21])
    after = PROMPTS.build(prefix=[10, 11, 12], suffix=[20, 21])
    assert before[:4] == after[:4] == (BOS, PRE, 10, 11)


def test_a_long_window_goes_to_the_prefix() -> None:
    long = replace(PROMPTS, context_tokens=8192)
    assert (long.new_tokens, long.suffix_tokens) == (MOST_NEW_TOKENS, MOST_SUFFIX_TOKENS)
    assert replace(long, fim=None).suffix_tokens == 0
