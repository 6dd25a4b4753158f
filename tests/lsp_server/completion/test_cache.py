from __future__ import annotations

import pytest

from lsp_server.completion.cache import CAPACITY, MAX_CHARACTERS, Suggestion, TypedThroughCache
from lsp_server.completion.snapshot import Snapshot
from lsp_server.settings import Settings

SETTINGS = Settings()
CASES = [
    # document now, texts found (None: ask the model), reason
    ("x = |\ny", ["compute(a)", "count"], "the same place"),
    ("x = c|\ny", ["ompute(a)", "ount"], "the first character of both was typed"),
    ("x = com|\ny", ["pute(a)"], "typed through one of them"),
    ("x = compute(a)|\ny", None, "all of it was typed"),
    ("x = comx|\ny", None, "something else was typed"),
    ("x =|\ny", None, "deleted to before where it was offered"),
    ("x = com|\nz", None, "the text below is different"),
    ("z = com|\ny", None, "the text above is different"),
    ("x = com|)\ny", None, "the editor closed a bracket"),
]


def at_cursor(document: str, uri: str = "u", cells: tuple[str, ...] = ()) -> Snapshot:
    text = document.replace("|", "")
    return Snapshot(uri=uri, language="python", text=text, offset=document.index("|"), cells_before=cells)


def suggestions(*texts: str) -> tuple[Suggestion, ...]:
    return tuple(Suggestion(text=text, mean_logprob=-1.0) for text in texts)


@pytest.fixture
def cache() -> TypedThroughCache:
    cache = TypedThroughCache()
    cache.put(at_cursor("x = |\ny"), SETTINGS, automatic=False, suggestions=suggestions("compute(a)", "count"))
    return cache


@pytest.mark.parametrize(("document", "texts", "reason"), CASES, ids=[case[2] for case in CASES])
def test_what_an_explicit_request_finds(
    cache: TypedThroughCache, document: str, texts: list[str] | None, reason: str
) -> None:
    found = cache.find(at_cursor(document), SETTINGS, automatic=False)
    assert (found and [each.text for each in found]) == texts
    assert all(each.from_cache for each in found or [])


def test_backspacing_to_where_it_was_offered_finds_it_again(cache: TypedThroughCache) -> None:
    cache.put(at_cursor("x = com|\ny"), SETTINGS, automatic=False, suggestions=suggestions("mit()"))
    found = cache.find(at_cursor("x = c|\ny"), SETTINGS, automatic=False)
    assert found is not None
    assert found[0].text == "ompute(a)"


def test_an_automatic_request_takes_the_first_only(cache: TypedThroughCache) -> None:
    found = cache.find(at_cursor("x = c|\ny"), SETTINGS, automatic=True)
    assert found is not None
    assert [each.text for each in found] == ["ompute(a)"]


def test_an_explicit_request_wants_more_than_an_automatic_answer() -> None:
    cache = TypedThroughCache()
    cache.put(at_cursor("x = |"), SETTINGS, automatic=True, suggestions=suggestions("1"))
    assert cache.find(at_cursor("x = |"), SETTINGS, automatic=False) is None


@pytest.mark.parametrize(
    ("snapshot", "settings", "reason"),
    [
        (at_cursor("x = |\ny", uri="other"), SETTINGS, "another document"),
        (at_cursor("x = |\ny", cells=("a",)), SETTINGS, "other cells above"),
        (at_cursor("x = |\ny"), Settings(max_new_tokens=8), "other settings"),
    ],
)
def test_other_questions_find_nothing(
    cache: TypedThroughCache, snapshot: Snapshot, settings: Settings, reason: str
) -> None:
    assert cache.find(snapshot, settings, automatic=True) is None, reason


def test_that_there_is_nothing_to_suggest_is_known_for_the_same_place_only() -> None:
    cache = TypedThroughCache()
    cache.put(at_cursor("x|"), SETTINGS, automatic=True, suggestions=())
    assert cache.find(at_cursor("x|"), SETTINGS, automatic=True) == []
    assert cache.find(at_cursor("xy|"), SETTINGS, automatic=True) is None


def test_what_is_left_is_never_blank() -> None:
    cache = TypedThroughCache()
    cache.put(at_cursor("x|"), SETTINGS, automatic=True, suggestions=suggestions("y\n  \nz"))
    assert cache.find(at_cursor("xy\n  \nz|"), SETTINGS, automatic=True) is None
    assert cache.find(at_cursor("xy|"), SETTINGS, automatic=True) is not None


def test_closed_documents_and_old_answers_are_forgotten(cache: TypedThroughCache) -> None:
    cache.forget("v")
    assert cache.find(at_cursor("x = |\ny"), SETTINGS, automatic=True) is not None
    cache.forget("u")
    assert cache.find(at_cursor("x = |\ny"), SETTINGS, automatic=True) is None
    for number in range(CAPACITY + 1):
        cache.put(at_cursor("|", uri=str(number)), SETTINGS, automatic=True, suggestions=())
    assert cache.find(at_cursor("|", uri="0"), SETTINGS, automatic=True) is None
    assert cache.find(at_cursor("|", uri="1"), SETTINGS, automatic=True) == []


def test_large_documents_push_older_answers_out() -> None:
    cache = TypedThroughCache()
    documents = [at_cursor("x" * (MAX_CHARACTERS // 3) + "|", uri=str(number)) for number in range(4)]
    for document in documents:
        cache.put(document, SETTINGS, automatic=True, suggestions=())
    found = [cache.find(document, SETTINGS, automatic=True) for document in documents]
    assert found == [None, [], [], []]
    huge = at_cursor("x" * (MAX_CHARACTERS + 1) + "|")
    cache.put(huge, SETTINGS, automatic=True, suggestions=())
    assert cache.find(huge, SETTINGS, automatic=True) == [], "the latest is always kept"
