"""Near duplicates: hashes that never change, signatures that estimate, and a join that agrees with comparing
everything."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.corpus.near import near_duplicates
from trainer.corpus.shingles import gram_hashes, word_hashes
from trainer.corpus.signatures import bands_of, signature_of, similarities

VOCABULARY = [f"word{number}" for number in range(400)]


def words(seed: int, count: int = 300) -> list[str]:
    return random.Random(seed).choices(VOCABULARY, k=count)


def edited(text: list[str], share: float, seed: int) -> list[str]:
    """The same words, of which a share is replaced in one stretch."""
    start = random.Random(seed).randrange(len(text) // 2)
    count = int(share * len(text))
    return [*text[:start], *(f"new{seed}x{number}" for number in range(count)), *text[start + count :]]


def jaccard(first: list[str], second: list[str]) -> float:
    one, two = ({tuple(text[place : place + 5]) for place in range(len(text) - 4)} for text in (first, second))
    return len(one & two) / len(one | two)


@given(text=st.text())
def test_words_are_those_of_a_regular_expression(text: str) -> None:
    found = re.findall(r"[A-Za-z0-9_]+", text)
    hashes = word_hashes(text).tolist()
    assert len(hashes) == len(found)
    assert len(set(hashes)) == len(set(found))


def test_hashes_are_the_same_in_every_run() -> None:
    assert word_hashes("def parse(line):").tolist() == [int(word_hashes(word)[0]) for word in ("def", "parse", "line")]
    assert hex(int(word_hashes("parse")[0])) == "0xab82c9e9324a988a"


def test_case_is_folded_on_demand() -> None:
    assert word_hashes("Parse Line", fold_case=True).tolist() == word_hashes("parse line", fold_case=True).tolist()
    assert word_hashes("Parse").tolist() != word_hashes("parse").tolist()


def test_grams_tell_order() -> None:
    first, second = (gram_hashes(word_hashes(text), 2).tolist() for text in ("a b c", "b a c"))
    assert len(first) == 2
    assert not set(first) & set(second)
    assert len(gram_hashes(word_hashes("a b"), 5)) == 1
    assert len(gram_hashes(word_hashes(""), 5)) == 0


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.5])
def test_signatures_estimate_jaccard(share: float) -> None:
    """250 values: a standard error of at most 0.032, so 0.16 is five of them; below one false failure in a million."""
    text = words(1)
    other = edited(text, share, seed=2)
    signatures = [signature_of(" ".join(each)) for each in (text, other)]
    estimate = similarities(*(np.array([each]) for each in signatures))[0]
    assert abs(estimate - jaccard(text, other)) < 0.16


def test_a_short_text_has_no_signature() -> None:
    assert signature_of("x = 1\n") is None


def join(texts: list[list[str]], parts: int = 1) -> dict[int, int]:
    signatures = np.array([signature_of(" ".join(text)) for text in texts])
    bands = np.array([bands_of(signature) for signature in signatures])
    cuts = np.array_split(np.arange(len(texts)), parts)
    return near_duplicates(
        [bands[cut] for cut in cuts], [signatures[cut] for cut in cuts], np.arange(len(texts)), threshold=0.7
    )


def test_of_each_cluster_the_first_stays() -> None:
    base, other = words(1), words(2)
    texts = [base, other, edited(base, 0.03, 3), edited(other, 0.03, 4), words(5), edited(base, 0.5, 6)]
    assert join(texts) == {2: 0, 3: 1}
    assert join(texts, parts=3) == {2: 0, 3: 1}  # in however many files they lie


def test_what_only_a_band_claims_is_checked() -> None:
    signatures = np.array([signature_of(" ".join(words(seed))) for seed in (1, 2)])
    bands = np.array([bands_of(signature) for signature in signatures])
    bands[1] = bands[0]  # as if all bands had met
    assert near_duplicates([bands], [signatures], np.arange(2), 0.7) == {}


@settings(max_examples=20)
@given(data=st.data())
def test_the_join_finds_what_comparing_everything_finds(data: st.DataObject) -> None:
    """Edits of at most 3 % leave a similarity above 0.9, which 25 bands of 10 miss once in 20,000 pairs."""
    count = data.draw(st.integers(2, 6))
    copies = data.draw(st.lists(st.tuples(st.integers(0, count - 1), st.sampled_from([0.0, 0.03])), max_size=6))
    bases = [words(100 + number) for number in range(count)]
    texts = bases + [edited(bases[base], share, 7 + number) for number, (base, share) in enumerate(copies)]
    assert join(texts) == {count + number: base for number, (base, _) in enumerate(copies)}
