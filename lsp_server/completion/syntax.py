"""What a parser says of a document around its cursor: whether code stands there, and whether a suggestion fits.

The document is parsed without the cursor's line, which is unfinished by nature: so the tree stays as it is while a line
is typed, and what else is broken in the file is known beforehand. tree-sitter parses again only what an edit touched.
A language whose grammar is not installed has no tree: everything fits. Knows no model and no settings.
"""

from __future__ import annotations

import importlib
import re
from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache

from tree_sitter import Language, Node, Parser, Tree

from lsp_server.completion.brackets import QUOTES, read
from lsp_server.completion.line_rest import closers_missing
from lsp_server.completion.snapshot import Snapshot

MAX_DOCUMENTS = 64
MAX_CHARACTERS = 400_000
"""Some 10,000 lines: the first parse takes 5 microseconds a line, and runs while somebody types."""
MAX_LINE = 2_000
_WORD_BEFORE = re.compile(r"\w+$")
GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "javascriptreact": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "typescriptreact": ("tree_sitter_typescript", "language_tsx"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "java": ("tree_sitter_java", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
}
"""By LSP language id: a package and its function. Python's comes with us, the others where they are installed."""


_ENDINGS = (
    *("", "_", "_,", "_: _,", ":", "_:", "_):", "import _", "_ import _", "_ in _:", "as _:", "else _", "if _"),
    *('": _,', "': _,", "_():", "_ = _", "_ in _"),
)
"""What might end a line in one language or another, the likeliest first."""


class Place(str, Enum):
    """What stands at the cursor."""

    CODE = "code"
    COMMENT = "comment"
    STRING = "string"
    """Of one line or of many, docstrings included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    """A document around its cursor's line."""

    head: str
    """With its line end."""
    prefix: str
    suffix: str
    tail: str
    """From the line's end on."""

    @classmethod
    def of(cls, snapshot: Snapshot) -> _Lines:
        prefix, suffix = snapshot.line_prefix, snapshot.line_suffix
        return cls(
            head=snapshot.text[: snapshot.offset - len(prefix)],
            prefix=prefix,
            suffix=suffix,
            tail=snapshot.text[snapshot.offset + len(suffix) :],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    """A document without its cursor's line."""

    language: str
    source: bytes
    hole: int
    """Bytes before the line."""
    tree: Tree
    num_errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Region:
    """The statements of the outermost level before and behind the hole, or around it and behind, parsed by themselves.

    A suggestion is judged in it: that takes a tenth of the time, and errors elsewhere do not matter.
    """

    of: _Parsed
    source: bytes
    hole: int
    tree: Tree
    num_errors: int


class Syntax:
    """The trees of the documents in use."""

    def __init__(self) -> None:
        self._documents: OrderedDict[str, _Parsed] = OrderedDict()
        self._region: _Region | None = None
        """The latest one."""

    def prepare(self, snapshot: Snapshot) -> None:
        """Parse ahead of the question."""
        self._parsed(snapshot)

    def forget(self, uri: str) -> None:
        self._documents.pop(uri, None)

    def place(self, snapshot: Snapshot) -> Place:
        """From the line's beginning and, where there is a parser, from what the line stands in."""
        if self._multiline_string(snapshot) is not None:
            return Place.STRING
        reading = read(snapshot.line_prefix[-MAX_LINE:], snapshot.language)
        if reading.in_comment:
            return Place.COMMENT
        return Place.STRING if reading.quote else Place.CODE

    def string_end(self, snapshot: Snapshot) -> str:
        """The quotes that end the string of many lines in which the cursor's line stands; empty outside."""
        node = self._multiline_string(snapshot)
        text = (node.text or b"") if node is not None else b""
        return next((quote for quote in QUOTES if text.endswith(quote.encode())), "")

    def fits(self, snapshot: Snapshot, text: str) -> bool:
        """Whether the document has no more errors with the text at its cursor than without the cursor's line.

        What the line had left open before may stay open; what the text opens, it has to close.
        """
        parsed = self._parsed(snapshot)
        if parsed is None or self._multiline_string(snapshot) is not None:
            return True
        lines = _Lines.of(snapshot)
        line = lines.prefix + text + lines.suffix
        closers = closers_missing(line, snapshot.language, len(lines.prefix))
        if self._region is None or self._region.of is not parsed:
            self._region = _region(parsed)
        region = self._region
        new = (line + closers).encode("utf-8", "replace")
        source, tree = _replaced(region, region.hole, region.hole, new)
        return _num_errors(_parse(parsed.language, source, tree).root_node) <= region.num_errors

    def can_be_right(self, snapshot: Snapshot) -> bool:
        """Whether the cursor's line could still be ended well; where it is broken already, no text is to blame."""
        word = _WORD_BEFORE.search(snapshot.line_prefix)
        begun = len(word[0]) if word else 0
        text = snapshot.text[: snapshot.offset - begun] + snapshot.after
        before_word = replace(snapshot, text=text, offset=snapshot.offset - begun)
        return any(self.fits(before_word, ending) for ending in _ENDINGS)

    def _multiline_string(self, snapshot: Snapshot) -> Node | None:
        """The string in which the cursor's line begins, of a document that is sound but for that line."""
        parsed = self._parsed(snapshot)
        if parsed is None or parsed.num_errors:
            return None
        node = parsed.tree.root_node.descendant_for_byte_range(parsed.hole, parsed.hole)
        while node is not None:
            if node.type in ("string", "template_string") and node.start_byte < parsed.hole < node.end_byte:
                return node
            node = node.parent
        return None

    def _parsed(self, snapshot: Snapshot) -> _Parsed | None:
        has_parser = snapshot.language in GRAMMARS and _parser(snapshot.language) is not None
        if not has_parser or len(snapshot.text) > MAX_CHARACTERS:
            return None
        lines = _Lines.of(snapshot)
        if len(lines.prefix) + len(lines.suffix) > MAX_LINE:
            return None
        head = lines.head.encode("utf-8", "replace")
        source = head + lines.tail.encode("utf-8", "replace")
        parsed = self._documents.get(snapshot.uri)
        if parsed is None or parsed.language != snapshot.language:
            parsed = _new(snapshot.language, source, len(head), None)
        elif parsed.source != source:
            parsed = _new(snapshot.language, source, len(head), parsed)
        elif parsed.hole != len(head):
            parsed = replace(parsed, hole=len(head))
        self._documents[snapshot.uri] = parsed
        self._documents.move_to_end(snapshot.uri)
        if len(self._documents) > MAX_DOCUMENTS:
            self._documents.popitem(last=False)
        return parsed


def _new(language: str, source: bytes, hole: int, older: _Parsed | None) -> _Parsed:
    tree = None if older is None else _edited(older, source)
    parsed = _parse(language, source, tree)
    return _Parsed(language=language, source=source, hole=hole, tree=parsed, num_errors=_num_errors(parsed.root_node))


def _edited(older: _Parsed, source: bytes) -> Tree:
    """The older tree, told what has changed."""
    start = _num_equal(older.source, source)
    most = min(len(older.source), len(source)) - start
    end = _num_equal(older.source[start:][::-1][:most], source[start:][::-1][:most])
    _, tree = _replaced(older, start, len(older.source) - end, source[start : len(source) - end])
    return tree


def _region(parsed: _Parsed) -> _Region:
    statements = parsed.tree.root_node.children
    number = bisect_left(statements, parsed.hole, key=lambda statement: statement.start_byte)
    start = parsed.source.rfind(b"\n", 0, statements[number - 1].start_byte) + 1 if number else 0
    source = parsed.source[start : statements[number + 1].start_byte if number + 1 < len(statements) else None]
    tree = _parse(parsed.language, source, None)
    num_errors = _num_errors(tree.root_node)
    return _Region(of=parsed, source=source, hole=parsed.hole - start, tree=tree, num_errors=num_errors)


def _replaced(parsed: _Parsed | _Region, start: int, end: int, new: bytes) -> tuple[bytes, Tree]:
    """The source with `new` in place of what stood from `start` to `end`, and the tree, told so."""
    source = parsed.source[:start] + new + parsed.source[end:]
    tree = parsed.tree.copy()
    tree.edit(
        start,
        end,
        start + len(new),
        _point(parsed.source, start),
        _point(parsed.source, end),
        _point(source, start + len(new)),
    )
    return source, tree


def _point(source: bytes, at: int) -> tuple[int, int]:
    """Row, and bytes before it in the row."""
    return source.count(b"\n", 0, at), at - source.rfind(b"\n", 0, at) - 1


def _num_equal(one: bytes, other: bytes) -> int:
    """Bytes before the first difference, found by halving: comparing slices is fast."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _num_errors(root: Node) -> int:
    """Parts that could not be read, and marks that the parser had to make up; line ends among those have no node."""
    number, waiting = 0, [root] if root.has_error else []
    while waiting:
        node = waiting.pop()
        inner = [] if node.is_error else [child for child in node.children if child.has_error]
        waiting += inner
        number += not inner
    return number


def _parse(language: str, source: bytes, older: Tree | None) -> Tree:
    parser = _parser(language)
    assert parser is not None
    return parser.parse(source) if older is None else parser.parse(source, older)


@cache
def _parser(language: str) -> Parser | None:
    """None where the grammar is not installed."""
    package, function = GRAMMARS[language]
    try:
        grammar = importlib.import_module(package)
    except ImportError:
        return None
    return Parser(Language(getattr(grammar, function)()))
