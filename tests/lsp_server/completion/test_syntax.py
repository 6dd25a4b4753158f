"""What a parser says around the cursor. `|` is the cursor in every document."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lsp_server.completion import syntax as module
from lsp_server.completion.snapshot import Snapshot
from lsp_server.completion.syntax import Place, Syntax

FITS = [
    # document, text, fits, reason
    ("x = |", "1", True, "a value"),
    ("x = |", "1)", False, "a bracket that nothing opened"),
    ("x = |", "f(1", False, "a bracket that stays open"),
    ("x = f(|", "1", True, "one that was open may stay so"),
    ("x = f(|2\n", "1)", False, "two statements on a line"),
    ("x = f(|\ny = 1\n", "1", True, "whatever stands below"),
    ("x = f(|", "1)", True, "or be closed"),
    ("x = f(|)", "1", True, "it may be closed already"),
    ("def f():\n    |\n", "return 1", True, "a block that was empty"),
    ("def f():\n    |\n", "return ) 1", False, "nonsense"),
    ("x = [\n    1,\n    |\n]\n", "2,", True, "lines within brackets"),
    ("x = [\n    1,\n    |\n]\n", "2, = 3", False, "nonsense within brackets"),
    ("def broken(:\n    pass\n\n\nx = |\n", "1", True, "an error that was there is no fault of the text"),
    ("def broken(:\n    pass\n\n\nx = |\n", "1 1", False, "one more is"),
    ('"""Says |\n"""\n', "anything ) at all", True, "prose has no syntax"),
    ('def f():\n    """Says\n    |\n\n\ndef g():\n    """Says"""\n', '"""', True, "the end of a string begun above"),
    ("for x in y:\n    |", 's = """a', False, "a string without end"),
]


def at_cursor(document: str, language: str = "python", uri: str = "u") -> Snapshot:
    return Snapshot(uri=uri, language=language, text=document.replace("|", "", 1), offset=document.index("|"))


@pytest.mark.parametrize(("document", "text", "fits", "reason"), FITS, ids=[case[3] for case in FITS])
def test_fits(document: str, text: str, fits: bool, reason: str) -> None:
    assert Syntax().fits(at_cursor(document), text) is fits


@pytest.mark.parametrize(
    ("document", "place", "reason"),
    [
        ("x = |1", Place.CODE, ""),
        ("x = 1  # a|", Place.COMMENT, ""),
        ("x = 'a|'", Place.STRING, "on the line"),
        ('def f():\n    """Says\n    |\n    """\n', Place.STRING, "begun above"),
        ('def f():\n    """Says"""\n    |\n', Place.CODE, "a string that has ended"),
        ("x = '#|'", Place.STRING, "no comment"),
    ],
)
def test_place(document: str, place: Place, reason: str) -> None:
    assert Syntax().place(at_cursor(document)) is place, reason


@pytest.mark.parametrize(
    "line", ["x = ", "for x", "from a im", "x = {'a", "from a", "x = [y for ", "with a() as b, c() ", "try", "if x"]
)
def test_a_line_that_is_not_ended_yet_can_be_right(line: str) -> None:
    assert Syntax().can_be_right(at_cursor(line + "|\n"))


@pytest.mark.parametrize("line", [" = ", "x = = ", "1 1 ", "x ) "])
def test_a_line_that_is_broken_already_cannot(line: str) -> None:
    assert not Syntax().can_be_right(at_cursor(line + "|\n"))


@pytest.mark.parametrize(
    ("language", "document", "sound", "broken"),
    [
        ("javascript", "function f() {\n  |\n}\n", "return g(1);", "return g(1;"),
        ("typescript", "function f(a: number) {\n  |\n}\n", "const x: string = `a`;", "const : = 1;"),
        ("typescriptreact", "const a = <div>\n  |\n</div>\n", "<p>a</p>", "<p = >"),
        ("go", "package a\nfunc f() {\n\t|\n}\n", "return g(1)", "return ) 1"),
        ("rust", "fn f() {\n    |\n}\n", "let x = g(1);", "let = = ;"),
        ("java", "class A {\n  |\n}\n", "int f() { return 1; }", "int f( {"),
        ("c", "int f() {\n  |\n}\n", "return 1;", "return ) 1;"),
        ("cpp", "int f() {\n  |\n}\n", "std::vector<int> a;", "std::<> a;"),
    ],
)
def test_other_languages_are_parsed_where_their_grammar_is_installed(
    language: str, document: str, sound: str, broken: str
) -> None:
    assert Syntax().fits(at_cursor(document, language), sound)
    assert not Syntax().fits(at_cursor(document, language), broken)


def test_the_end_of_the_string_around_the_cursor_is_known() -> None:
    syntax = Syntax()
    assert syntax.string_end(at_cursor("'''Says\n|\n'''\n")) == "'''"
    assert syntax.string_end(at_cursor("x = 1\n|\n")) == ""
    assert syntax.string_end(at_cursor('"""Says\n|\n\ndef f():\n    """Says"""\n    x = )\n')) == "", (
        "in a broken file nobody knows which quotes belong together"
    )


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        (at_cursor("x = |", "plaintext"), "no grammar"),
        (at_cursor("x = |" + " " * module.MAX_CHARACTERS), "too long"),
        (at_cursor("x" * module.MAX_LINE + " = |"), "a line too long"),
        (at_cursor("x = 1\r\ny = |\r\n"), "other line ends"),
        (at_cursor("x = '\u05e9\u05dc\u05d5\u05dd' + |  # \U0001f600\n"), "any script"),
        (at_cursor("x = '\ud800' + |\n"), "half a character"),
        (at_cursor("|"), "an empty document"),
    ],
)
def test_any_document_can_be_asked_about(snapshot: Snapshot, reason: str) -> None:
    syntax = Syntax()
    assert syntax.fits(snapshot, "1"), reason
    syntax.prepare(snapshot)


def test_without_its_grammar_a_language_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(module.GRAMMARS, "cobol", ("tree_sitter_no_such_language", "language"))
    assert Syntax().fits(at_cursor("x = |", "cobol"), ")))")


def test_an_edited_document_is_judged_like_a_new_one() -> None:
    """The tree that is kept and edited is the fast twin of one that is parsed from nothing."""
    source = random.Random(0)
    text = "".join(f"def f{number}(a, b):\n    x = [a, b]\n    return x\n\n\n" for number in range(20))
    kept = Syntax()
    verdicts = set()
    for _ in range(150):
        at = source.randrange(len(text) + 1)
        end = min(len(text), at + source.choice([0, 0, 1, 30]))
        text = text[:at] + source.choice(["", "x", "(", "]", '"""', "\n", "é", "y = 1\n"]) + text[end:]
        snapshot = Snapshot(uri="u", language="python", text=text, offset=min(at, len(text)))
        if source.random() < 0.1:
            text = text.replace("(", "").replace('"""', "").replace("]", "")
        for offered in ("x", "x)", "f(x)\n    y", "= 1"):
            new = Syntax().fits(snapshot, offered)
            assert kept.fits(snapshot, offered) is new, (text, at)
            verdicts.add(new)
        assert kept.place(snapshot) is Syntax().place(snapshot)
    assert verdicts == {True, False}


def test_a_region_is_judged_like_the_whole_document() -> None:
    """The statement around the cursor, parsed by itself, is the fast twin of the whole document."""
    text = Path(module.__file__).read_text(encoding="utf-8")
    parser = module._parser("python")
    assert parser is not None
    syntax = Syntax()
    verdicts = set()
    lines = text.split("\n")
    for number, line in enumerate(lines):
        head, tail = "\n".join(lines[:number]) + "\n" * (number > 0), "\n" + "\n".join(lines[number + 1 :])
        if parser.parse((head + tail).encode()).root_node.has_error:
            continue  # elsewhere an error counts for the whole document only
        indent = line[: len(line) - len(line.lstrip())]
        snapshot = Snapshot(uri="u", language="python", text=head + indent + tail, offset=len(head + indent))
        if syntax.place(snapshot) is Place.STRING:
            continue
        for offered in (line.strip() or "pass", "x = 1 1", "x)", "else:", "return"):
            whole = not parser.parse((head + indent + offered + tail).encode()).root_node.has_error
            assert syntax.fits(snapshot, offered) is whole, (number, offered)
            verdicts.add(whole)
    assert verdicts == {True, False}


def test_documents_out_of_use_are_dropped() -> None:
    syntax = Syntax()
    for number in range(module.MAX_DOCUMENTS * 2):
        syntax.prepare(at_cursor("x|", uri=str(number)))
    assert len(syntax._documents) == module.MAX_DOCUMENTS
    syntax.forget(str(module.MAX_DOCUMENTS * 2 - 1))
    assert len(syntax._documents) == module.MAX_DOCUMENTS - 1
