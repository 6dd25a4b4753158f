from __future__ import annotations

import random
from itertools import islice, pairwise

from benchmarks.engine.protocol import common_prefix
from benchmarks.engine.texts import TextSource, code_places, library_texts, typed_length, typed_prompts
from lsp_server.model.bundle import open_bundle


def test_each_prompt_continues_the_one_before_by_a_typed_character() -> None:
    text = tuple(range(typed_length(10, 7)))
    prompts = typed_prompts(text, 10, 8)
    assert [len(prompt) for prompt in prompts] == [10, 11, 12, 14, 15, 16, 18, 19]
    assert all(later[: len(earlier)] == earlier for earlier, later in pairwise(prompts))


def test_slices_of_the_library_are_as_long_as_asked_for() -> None:
    texts = TextSource(open_bundle().load_tokenizer(), 3, random.Random(0))
    first, second = texts.draw(100), texts.draw(100)
    assert len(first) == len(second) == 100
    assert first != second


def test_places_in_code_share_all_but_the_typed_end() -> None:
    bundle = open_bundle()
    for place in islice(code_places(bundle, library_texts(), random.Random(0)), 10):
        assert len(place.prompt) <= bundle.layout.prompt_tokens
        assert place.prompt != place.earlier
        assert len(place.prompt) - common_prefix(place.earlier, place.prompt) <= 8


def test_the_same_seed_gives_the_same_places() -> None:
    bundle = open_bundle()
    once, again = (list(islice(code_places(bundle, library_texts(), random.Random(3)), 3)) for _ in range(2))
    assert once == again
