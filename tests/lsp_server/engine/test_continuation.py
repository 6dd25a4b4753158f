"""One candidate being written: characters in pieces, stop rules, cuts, and what is streamed meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server.engine.api import Candidate, CompletionRequest, FinishReason, StopRule
from lsp_server.engine.continuation import Continuation, ranked

END = 256


class ByteTokenizer:
    """Token n is the byte n, and 256 is the only sentinel."""

    @property
    def sentinel_ids(self) -> dict[str, int]:
        return {"<|endoftext|>": END}

    def decode(self, ids: list[int], /) -> str:
        return bytes(ids).decode("utf-8", errors="replace")


def write(
    tokens: list[int] | bytes, *, stop: StopRule = StopRule.NONE, line_prefix: str = "", max_new_tokens: int = 10_000
) -> tuple[Candidate, list[str]]:
    """Feed tokens until the candidate is complete; also what it streamed."""
    pieces: list[str] = []
    request = CompletionRequest(document="d", prompt_ids=(1,), stop=stop, line_prefix=line_prefix)
    continuation = Continuation(ByteTokenizer(), request, max_new_tokens=max_new_tokens, on_text=pieces.append)
    for token in tokens:
        if continuation.finish_reason is None:
            continuation.add(token, -0.5)
    if continuation.finish_reason is None:
        continuation.finish(FinishReason.DEADLINE)
    return continuation.candidate(), pieces


def test_a_sentinel_ends_the_text_and_is_not_in_it() -> None:
    candidate, _ = write([*b"ab", END, *b"cd"])
    assert (candidate.text, candidate.token_ids) == ("ab", tuple(b"ab"))
    assert candidate.finish_reason is FinishReason.END_OF_TEXT


def test_the_token_limit_ends_the_text() -> None:
    candidate, _ = write(b"abcdef", max_new_tokens=4)
    assert (candidate.text, candidate.finish_reason) == ("abcd", FinishReason.LENGTH)


def test_a_character_in_several_tokens_is_streamed_whole() -> None:
    candidate, pieces = write("aé€😀b".encode())
    assert candidate.text == "aé€😀b"
    assert pieces == ["a", "é", "€", "😀", "b"]


@pytest.mark.parametrize("num_bytes", [1, 2, 3])
def test_half_a_character_at_the_end_is_left_out(num_bytes: int) -> None:
    candidate, pieces = write("x😀".encode()[: 1 + num_bytes])
    assert candidate.text == "".join(pieces) == "x"


def test_bytes_that_never_become_a_character_stay_visible() -> None:
    assert write(b"a\xffb")[0].text == "a\ufffdb"


@pytest.mark.parametrize(
    ("stop", "line_prefix", "written", "kept"),
    [
        (StopRule.NONE, "", "a\n\n\nb\n", "a\n\n\nb\n"),
        (StopRule.LINE, "x = ", "1 + 2\ny = 3", "1 + 2"),
        (StopRule.LINE, "", "\nfirst\nsecond", "\nfirst"),  # line breaks before the text do not end it
        (StopRule.BLOCK, "x = ", "1\ny", "1"),  # behind code that opens nothing: the rest of the line
        (StopRule.BLOCK, "def f():", "\n    return 1\n\ndef", "\n    return 1"),
        (StopRule.BLOCK, "    ", "a = 1\n    b = 2\nc", "a = 1\n    b = 2"),
    ],
)
def test_the_stop_rule_cuts_the_text_and_its_tokens(stop: StopRule, line_prefix: str, written: str, kept: str) -> None:
    candidate, pieces = write(written.encode(), stop=stop, line_prefix=line_prefix)
    assert candidate.text == kept
    assert candidate.token_ids == tuple(kept.encode())
    assert "".join(pieces) == kept
    if kept != written:
        assert candidate.finish_reason is FinishReason.STOP_RULE


def test_an_empty_answer_has_no_tokens() -> None:
    candidate, pieces = write([END])
    assert (candidate.text, candidate.token_ids, pieces) == ("", (), [])


LINES = st.lists(st.sampled_from(["", "  ", "    x", "  y:", "z = (", ")", "}", "    ", "é"]), max_size=8)


@given(
    lines=LINES,
    stop=st.sampled_from(StopRule),
    line_prefix=st.sampled_from(["", "    ", "def f():", "  x = ", "if a {"]),
)
def test_the_streamed_pieces_join_to_the_final_text(lines: list[str], stop: StopRule, line_prefix: str) -> None:
    candidate, pieces = write("\n".join(lines).encode(), stop=stop, line_prefix=line_prefix)
    assert "".join(pieces) == candidate.text


def test_candidates_are_ranked_by_mean_logprob_and_empty_ones_come_last() -> None:
    def candidate(text: str, mean_logprob: float) -> Candidate:
        return Candidate(text=text, token_ids=(), mean_logprob=mean_logprob, finish_reason=FinishReason.LENGTH)

    order = ranked([candidate("bad", -3.0), candidate("", 0.0), candidate("good", -0.1), candidate("fair", -1.0)])
    assert [each.text for each in order] == ["good", "fair", "bad", ""]


def sure(text: str, logprobs: list[float], least: float, begins_with: str = "") -> Candidate:
    """One token for each byte; those without a log-probability of their own are certain."""
    request = CompletionRequest(document="d", prompt_ids=(1,), least_probability=least, begins_with=begins_with)
    continuation = Continuation(ByteTokenizer(), request, max_new_tokens=100)
    for number, token in enumerate(text.encode()):
        if continuation.finish_reason is None:
            continuation.add(token, logprobs[number] if number < len(logprobs) else 0.0)
    if continuation.finish_reason is None:
        continuation.finish(FinishReason.DEADLINE)
    return continuation.candidate()


@pytest.mark.parametrize(
    ("text", "doubt_at", "kept", "reason"),
    [
        ("a = foo(bar)", 12, "a = foo(bar)", "sure of all of it"),
        ("a = foo(bar)", 8, "a = foo(", "what follows a mark is doubtful"),
        ("a = foo(bar)", 10, "a = foo(", "a word whose rest is doubtful is no word"),
        ("a = foo(bar)", 7, "a = foo", "a mark behind a word is doubtful"),
        ("a = foo(bar)", 0, "", "the first letter already"),
        ("word", 2, "", "nothing but a part of a word"),
    ],
)
def test_an_answer_ends_before_the_word_that_makes_it_too_unlikely(
    text: str, doubt_at: int, kept: str, reason: str
) -> None:
    candidate = sure(text, [0.0] * doubt_at + [-1.0], least=0.5)
    assert candidate.text == kept, reason
    assert (candidate.finish_reason is FinishReason.UNSURE) == (kept != text)
    assert len(candidate.token_ids) == len(kept)


def test_many_small_doubts_are_one_large_one() -> None:
    assert sure("a,b,c,d,e,f", [-0.1] * 11, least=0.5).text == "a,b,c,"


def test_what_the_answer_begins_with_is_no_part_of_its_text() -> None:
    candidate = sure("foobar(x)", [], least=0.5, begins_with="foo")
    assert (candidate.text, len(candidate.token_ids)) == ("bar(x)", 9)
    assert sure("fo", [], least=0.0, begins_with="foo").text == ""
