"""What the model has to beat: a compressor, copying what followed the longest match, and a 6-gram of the file itself.

Both ways to answer see the same file with the same hole as the model, and end their answers by the task's kind: a line
at its end, a block where `lsp_server.model.blocks` sees it end, a span where the text behind the hole begins. No torch.
"""

from __future__ import annotations

import lzma
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from lsp_server.model.blocks import block_end
from trainer.evaluate.tasks import LONGEST_BLOCK, LONGEST_SPAN, Task

GRAM_TOKENS = 6
"""Five of context and the one that follows."""
MOST_TOKENS = 96
"""Of a 6-gram's answer: as many as the embedded model may write."""
_LANDMARK = 12
"""A span's end is recognised by this many characters behind the hole."""
_TOKEN = re.compile(r"\n[ \t]*|[^\S\n]+|\w+|[^\w\s]")
_XZ_FILTERS = ({"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME},)


def xz_bits_per_byte(texts: Iterable[str]) -> float:
    """Each file by itself at xz's strongest, without the container's header."""
    num_bits = num_bytes = 0
    for text in texts:
        content = text.encode()
        num_bits += 8 * len(lzma.compress(content, format=lzma.FORMAT_RAW, filters=_XZ_FILTERS))
        num_bytes += len(content)
    return num_bits / num_bytes


def copy(task: Task) -> str:
    """What followed the longest match of the text before the cursor, in this file.

    Both the text above and the text below count as places to copy from; of equal matches above, the last one wins.
    """
    above = _longest_match(task.before, task.before[:-1])
    below = _longest_match(task.before, task.after)
    length, source, end = above if above[0] >= below[0] else below
    return _ended(task, source[end : end + LONGEST_BLOCK + LONGEST_SPAN]) if length else ""


def _longest_match(before: str, source: str) -> tuple[int, str, int]:
    """Length of the longest suffix of `before` that occurs in `source`, that source, and where the last match ends."""
    shortest, longest = 0, min(len(before), len(source))
    while shortest < longest:  # a suffix of a match matches too, so lengths can be halved
        middle = (shortest + longest + 1) // 2
        if before[-middle:] in source:
            shortest = middle
        else:
            longest = middle - 1
    at = source.rfind(before[len(before) - shortest :]) if shortest else 0
    return shortest, source, at + shortest


def ngram(task: Task) -> str:
    """Word after word what most often followed the last five words and marks in this file, or the last four, and so on.

    Of equally frequent ones, the one that came last. A file of 20 KB is all it has ever read.
    """
    file = _File(task.before, task.after)
    written: list[str] = []
    text = ""
    while len(written) < MOST_TOKENS:
        following = file.most_likely(written)
        if following is None:
            break
        written.append(following)
        text += following
        if len(answer := _ended(task, text)) < len(text):
            return answer
    return text


class _File:
    """The tokens of a file with a hole, and where each of them stands, by itself and behind another."""

    def __init__(self, before: str, after: str) -> None:
        self._before = _TOKEN.findall(before)
        self._tokens = [*self._before, "", *_TOKEN.findall(after)]  # the hole is a token that nothing follows
        self._places: dict[tuple[str, ...], list[int]] = defaultdict(list)
        last = ""
        for place, token in enumerate(self._tokens[:-1]):
            if token and self._tokens[place + 1]:
                self._places[(token,)].append(place)
                self._places[last, token].append(place)
            last = token

    def most_likely(self, written: list[str]) -> str | None:
        """The next token behind the text above and what was written; None where its last token never came before."""
        context = [*self._before[1 - GRAM_TOKENS :], *written][1 - GRAM_TOKENS :]
        places = self._places.get(tuple(context[-2:])) or self._places.get(tuple(context[-1:]), [])
        matches = [(self._overlap(place, context), place) for place in places]
        longest = max((length for length, _place in matches), default=0)
        counts = Counter(self._tokens[place + 1] for length, place in reversed(matches) if length == longest)
        return counts.most_common(1)[0][0] if counts else None

    def _overlap(self, place: int, context: list[str]) -> int:
        length = 0
        while length < len(context) and length <= place and self._tokens[place - length] == context[-1 - length]:
            length += 1
        return length


def _ended(task: Task, text: str) -> str:
    """The part of a text that belongs into the task's hole."""
    if task.kind in ("line", "word"):
        return text.split("\n", 1)[0]
    if task.kind == "block":
        return text[: block_end(task.before.rpartition("\n")[2], text)]
    landmark = task.after[:_LANDMARK]
    found = text.find(landmark) if landmark else -1
    return text[:found] if found >= 0 else text[:LONGEST_SPAN]
