"""Text that is rearranged and not lost, at the rates asked for, with whole characters everywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.model.prompt import PromptLayout, Sentinels, build_prompt
from lsp_server.model.tokenizer import CodeTokenizer
from trainer.dataset import FillInMiddle
from trainer.dataset.fill_in_middle import LONGEST_MIDDLE_LINES, cut_middle

LEARNT = CodeTokenizer.train([f"def function_{n}(value):\n    return value * {n} + 1\n" for n in range(60)], 320)
"""A constant, because hypothesis's tests take no function-scoped fixtures."""
SENTINELS = Sentinels.of(LEARNT)
ALWAYS = FillInMiddle.of(LEARNT, rate=1.0)


def piece_of(text: str) -> npt.NDArray[np.int64]:
    return np.asarray([*LEARNT.encode(text), SENTINELS.end_of_text])


def parts_of(ids: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Prefix, middle and suffix of a rearranged piece; SPM's middle is one with its prefix."""
    assert ids[0] == SENTINELS.fim_prefix
    assert ids[-1] == SENTINELS.end_of_text
    middle = ids.index(SENTINELS.fim_middle)
    if ids[1] == SENTINELS.fim_suffix:
        return ids[middle + 1 : -1], [], ids[2:middle]
    suffix = ids.index(SENTINELS.fim_suffix)
    return ids[1:suffix], ids[middle + 1 : -1], ids[suffix + 1 : middle]


@pytest.mark.parametrize("spm_share", [0.0, 1.0])
def test_rearranged_text_loses_nothing_but_the_suffixs_far_end(spm_share: float) -> None:
    text = "".join(f"    total_{n} = left_{n} + {n * 37}  # caf\u00e9\n\n" for n in range(12))
    piece = piece_of(text)
    fill = replace(ALWAYS, spm_share=spm_share)
    num_rearranged = 0

    for seed in range(200):
        row = fill.rearrange(piece, np.random.default_rng(seed)).tolist()
        assert len(row) <= len(piece)
        if row == piece.tolist():
            continue  # the suffix had no room to give
        num_rearranged += 1
        prefix, middle, suffix = parts_of(row)
        kept = LEARNT.decode(prefix) + LEARNT.decode(middle)
        assert text.startswith(kept)
        rest, shown = text[len(kept) :], LEARNT.decode(suffix)
        assert rest.startswith(shown), "the suffix keeps its start"
        assert len(rest) - len(shown) < 80, "and gives only what the sentinels and broken merges take"
        assert LEARNT.encode(rest)[: len(suffix)] == suffix, "tokens as serving would encode them"

    assert num_rearranged > 150


@given(st.text("ab \n\u00e9\u4f60\U0001f99c", min_size=24, max_size=80), st.integers(0, 2**32 - 1))
def test_no_character_is_cut(text: str, seed: int) -> None:
    row = ALWAYS.rearrange(piece_of(text), np.random.default_rng(seed)).tolist()

    if row[0] == SENTINELS.fim_prefix:
        prefix, middle, suffix = parts_of(row)
        shown = LEARNT.decode(prefix) + LEARNT.decode(middle) + LEARNT.decode(suffix)
        assert "\ufffd" not in shown
        assert text.startswith(shown)


@given(st.text("ab \n\u00e9", min_size=24, max_size=60), st.integers(0, 2**32 - 1))
def test_what_serving_asks_is_the_start_of_what_training_showed(text: str, seed: int) -> None:
    """Whatever was cut out: a prompt built from the same prefix and the suffix that is left begins the row."""
    row = replace(ALWAYS, spm_share=1.0).rearrange(piece_of(text), np.random.default_rng(seed)).tolist()
    if row[0] != SENTINELS.fim_prefix:
        return
    written, _, suffix = parts_of(row)
    layout = PromptLayout(context_tokens=600, new_tokens=100, suffix_tokens=200)
    starts = [
        list(build_prompt(SENTINELS, layout, prefix=written[:cut], suffix=suffix)) for cut in range(len(written) + 1)
    ]

    if suffix:  # without one, serving asks for plain text
        assert all(row[: len(start)] == start for start in starts)


def test_spm_share_1_puts_the_suffix_first_and_0_the_prefix() -> None:
    piece = piece_of("def add(left, right):\n    return left + right\n" * 3)
    prefixes = []

    for share in (0.0, 1.0):
        fill = replace(ALWAYS, spm_share=share)
        rows = [fill.rearrange(piece, np.random.default_rng(seed)).tolist() for seed in range(40)]
        rearranged = [row for row in rows if row[0] == SENTINELS.fim_prefix]
        prefixes.append(sum(row[1] != SENTINELS.fim_suffix for row in rearranged))

    assert prefixes[0] > 20
    assert prefixes[1] == 0


def test_rate_0_leaves_every_piece_as_it_is() -> None:
    piece = np.asarray(LEARNT.encode("def add(left, right):\n    return left + right\n" * 3))

    for seed in range(50):
        assert replace(ALWAYS, rate=0.0).rearrange(piece, np.random.default_rng(seed)) is piece


@pytest.mark.parametrize("text", ["short = 1\n", "cut in the middle of a character: \u4f60" * 3])
def test_pieces_that_cannot_be_cut_cleanly_stay_as_they_are(text: str) -> None:
    ids = LEARNT.encode(text)[: None if len(text) < 20 else -1]

    assert ALWAYS.rearrange(np.asarray(ids), np.random.default_rng(0)).tolist() == ids


def test_about_the_asked_for_share_is_rearranged() -> None:
    """500 draws at 0.5 stray by more than 65 (5.8 standard deviations) less than once in 10^8 seeds; ours is fixed."""
    piece = piece_of("def add(left, right):\n    return left + right\n" * 8)
    half = replace(ALWAYS, rate=0.5)

    drawn = [half.rearrange(piece, np.random.default_rng(seed)) is not piece for seed in range(500)]
    possible = [ALWAYS.rearrange(piece, np.random.default_rng(seed)) is not piece for seed in range(500)]

    assert sum(possible) > 400
    assert abs(sum(drawn) - sum(possible) / 2) < 65


def test_without_character_spans_middles_end_with_lines_or_inside_one() -> None:
    """Line-shaped: at most twelve lines, most ending right before a line break; character-shaped ones end anywhere."""
    text = "".join(f"value_{n} = compute(value_{n - 1})\n" for n in range(60))

    lines = [cut_middle(text, np.random.default_rng(seed), 0.0) for seed in range(300)]
    characters = [cut_middle(text, np.random.default_rng(seed), 1.0) for seed in range(300)]

    assert all(text[start:end].count("\n") <= LONGEST_MIDDLE_LINES for start, end in lines)
    assert sum(text[end : end + 1] in ("\n", "") for _, end in lines) > 250
    assert sum(text[end : end + 1] in ("\n", "") for _, end in characters) < 60
    assert all(0 <= start < end <= len(text) for start, end in [*lines, *characters])
