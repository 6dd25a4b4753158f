"""Follows offered suggestions through the edits of their documents; offers and edits are all it needs of an editor.

An offer stays open while the document grows by its text at its place, typed or inserted at once. An answer that is the
rest of an open offer is that offer still. Anything else ends it. Owns no clock, no timer and no file.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lsp_server.statistics.offer import Offer, Outcome
from lsp_server.statistics.spans import Edit, Spans

LOOKS = (30.0, 300.0)
"""Seconds behind an acceptance at which it is seen how much of it still stands there."""
_ENDED_REMEMBERED = 100
_PAIRS = ("()", "[]", "{}", '""', "''", "``")
"""What editors make of one typed character."""


@dataclass(slots=True, kw_only=True)
class _Open:
    """An offer that may still be accepted."""

    offer: Offer
    at: int
    """Where its text begins."""
    texts: list[str]
    """Candidates that fit what has been written since."""
    written: str = ""
    """Of its text, what stands in the document."""
    accepted: Spans = field(default_factory=Spans)

    @property
    def cursor(self) -> int:
        return self.at + len(self.written)


@dataclass(slots=True, kw_only=True)
class _Accepted:
    """An offer of which something was accepted, until its last look."""

    offer: Offer
    uri: str
    ended_at: float
    accepted: Spans
    num_looks: int = 0


class Follower:
    """The offers of one editor window."""

    def __init__(self, on_end: Callable[[Offer], None], on_kept: Callable[[Offer], None]) -> None:
        """`on_end` is called for each offer, and again if the editor corrects it; `on_kept` for each `kept` value."""
        self._on_end, self._on_kept = on_end, on_kept
        self._open: dict[str, _Open] = {}
        self._accepted: list[_Accepted] = []
        self._ended: OrderedDict[int, Offer] = OrderedDict()

    def offer(self, uri: str, at: int, texts: Sequence[str], offer: Offer, now: float) -> int:
        """Suggestions are shown at an offset; returns the key of the offer that they belong to."""
        known = self._open.get(uri)
        if known is not None and known.cursor == at and any(known.written + texts[0] == text for text in known.texts):
            return known.offer.key
        self._end(uri, now)
        self._open[uri] = _Open(offer=offer, at=at, texts=list(texts))
        return offer.key

    def edit(self, uri: str, edit: Edit, now: float) -> None:
        """A document has changed."""
        for each in self._accepted:
            if each.uri == uri:
                each.accepted.follow(edit)
        known = self._open.get(uri)
        if known is None:
            return
        known.accepted.follow(edit)
        if not (_goes_on(known, edit) or _goes_back(known, edit)) or known.written in known.texts:
            self._end(uri, now)

    def accept(self, key: int, now: float) -> None:
        """The editor says that it inserted an offer. Mostly its edit has said so already; where the editor indents what
        it inserts, the edit was another."""
        for uri, known in list(self._open.items()):
            if known.offer.key == key:
                self._end(uri, now)
        offer = self._ended.get(key)
        if offer is not None and offer.outcome is not Outcome.WHOLE:
            offer.outcome = Outcome.WHOLE
            offer.accepted_characters = offer.characters - offer.typed_characters
            offer.num_accepts += 1
            self._on_end(offer)

    def close(self, uri: str, now: float) -> None:
        """The document is gone: what it would have kept, nobody knows."""
        self._end(uri, now)
        self._accepted = [each for each in self._accepted if each.uri != uri]

    def stop(self, now: float) -> None:
        """The editor leaves."""
        for uri in list(self._open):
            self.close(uri, now)

    def look(self, now: float) -> None:
        """See what is left of what was accepted, where it is time."""
        for each in list(self._accepted):
            while each.num_looks < len(LOOKS) and now >= each.ended_at + LOOKS[each.num_looks]:
                kept = each.accepted.num_characters
                if each.num_looks == 0:
                    each.offer.kept_30_s = kept
                else:
                    each.offer.kept_5_min = kept
                each.num_looks += 1
                self._on_kept(each.offer)
            if each.num_looks == len(LOOKS):
                self._accepted.remove(each)

    def _end(self, uri: str, now: float) -> None:
        known = self._open.pop(uri, None)
        if known is None:
            return
        offer = known.offer
        is_whole = known.written in known.texts
        if offer.accepted_characters:
            offer.outcome = Outcome.WHOLE if is_whole else Outcome.PART
            self._accepted.append(_Accepted(offer=offer, uri=uri, ended_at=now, accepted=known.accepted))
        elif is_whole:
            offer.outcome = Outcome.TYPED
        self._ended[offer.key] = offer
        while len(self._ended) > _ENDED_REMEMBERED:
            self._ended.popitem(last=False)
        self._on_end(offer)


def _goes_on(known: _Open, edit: Edit) -> bool:
    """Take an edit that writes the offer's next characters; whether it was one."""
    text, start = _added(known, edit), known.cursor
    if not text:
        return False
    known.texts = [each for each in known.texts if each.startswith(known.written + text)]
    known.written += text
    if _is_typed(edit):
        known.offer.typed_characters += len(text)
    else:
        known.offer.accepted_characters += len(text)
        known.offer.num_accepts += 1
        known.accepted.add(start, start + len(text))
    return True


def _added(known: _Open, edit: Edit) -> str:
    """What an edit wrote of an offer at its cursor: some editors write again what stands before it."""
    if edit.at + edit.removed != known.cursor:
        return ""
    text = edit.inserted[edit.removed :]
    if not edit.removed and text in _PAIRS and not _fits(known, text):
        text = text[:1]
    return text if _fits(known, text) else ""


def _fits(known: _Open, text: str) -> bool:
    return any(each.startswith(known.written + text) for each in known.texts)


def _goes_back(known: _Open, edit: Edit) -> bool:
    """Take an edit that deletes from the end of what is written of the offer; whether it was one."""
    if edit.inserted or edit.at + edit.removed != known.cursor or edit.removed > len(known.written):
        return False
    known.written = known.written[: len(known.written) - edit.removed]
    known.offer.typed_characters = min(known.offer.typed_characters, len(known.written))
    return True


def _is_typed(edit: Edit) -> bool:
    """One key: a character, a pair of brackets, or a line break with the indentation that the editor adds."""
    is_line_break = edit.inserted[:1] in ("\n", "\r") and not edit.inserted.strip()
    return edit.removed == 0 and (len(edit.inserted) == 1 or edit.inserted in _PAIRS or is_line_break)
