"""Which language a file is written in, by its name's ending, and how that language writes comments. A table, no more.

The endings are those that GitHub Linguist lists (github.com/github-linguist/linguist, languages.yml), the table that
The Stack was sorted by; of an ending that several languages share, the commonest holds.
"""

from __future__ import annotations

from typing import Literal

CommentStyle = Literal["python", "c", "none"]

OTHER = "other"

_ENDINGS = {
    "Assembly": ".asm .s",
    "C": ".c .h",
    "C#": ".cs",
    "C++": ".cpp .cc .cxx .hpp .hh .hxx .ipp",
    "CMake": ".cmake",
    "CSS": ".css",
    "Clojure": ".clj .cljs .cljc",
    "Cython": ".pyx .pxd",
    "Dart": ".dart",
    "Elixir": ".ex .exs",
    "Erlang": ".erl .hrl",
    "F#": ".fs .fsi .fsx",
    "Fortran": ".f90 .f95 .f03 .f08 .f",
    "Go": ".go",
    "HTML": ".html .htm",
    "Haskell": ".hs",
    "JSON": ".json",
    "Java": ".java",
    "JavaScript": ".js .mjs .cjs .jsx",
    "Julia": ".jl",
    "Jupyter Notebook": ".ipynb",
    "Kotlin": ".kt .kts",
    "Lua": ".lua",
    "Markdown": ".md .markdown",
    "OCaml": ".ml .mli",
    "Objective-C": ".m",
    "PHP": ".php",
    "Perl": ".pl .pm",
    "PowerShell": ".ps1",
    "Python": ".py .pyi .pyw",
    "R": ".r",
    "Ruby": ".rb",
    "Rust": ".rs",
    "SQL": ".sql",
    "Scala": ".scala",
    "Shell": ".sh .bash",
    "Swift": ".swift",
    "TOML": ".toml",
    "TypeScript": ".ts .mts .cts .tsx",
    "YAML": ".yaml .yml",
    "Zig": ".zig",
}
_BY_ENDING = {ending: language for language, endings in _ENDINGS.items() for ending in endings.split()}

_C_LIKE = frozenset(
    {
        *("C", "C#", "C++", "Dart", "Go", "Java", "JavaScript", "Kotlin", "Objective-C", "PHP", "Rust", "Scala"),
        *("Swift", "TypeScript", "Zig"),
    }
)


def language_of(path: str) -> str:
    """The language's name as Linguist writes it, `other` where the table has none."""
    _, dot, ending = path.rpartition("/")[2].rpartition(".")
    return _BY_ENDING.get(f"{dot}{ending.lower()}", OTHER)


def comment_style(language: str) -> CommentStyle:
    """`python`: `#` and docstrings; `c`: `//` and `/* */`; `none`: comments are not counted."""
    if language in ("Python", "Cython", "Jupyter Notebook"):
        return "python"
    return "c" if language in _C_LIKE else "none"
