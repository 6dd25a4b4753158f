"""Licence names: reading them, and deciding which ones let a trained model be passed on.

Knows nothing of where text comes from. Only what is stated counts: a licence that is missing or not understood is
never permissive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

UNKNOWN = "unknown"

PERMISSIVE = frozenset(
    {
        *("MIT", "Apache-2.0", "ISC", "PSF-2.0", "Python-2.0", "Python-2.0.1"),
        *("BSD-1-Clause", "BSD-2-Clause", "BSD-3-Clause", "BSD-4-Clause"),
    }
)
"""The MIT, BSD, Apache, ISC and PSF families. Others, however free, are left out until someone judges them."""

PERMISSIVE_EXCEPTIONS = frozenset({"LLVM-exception"})
"""What may follow WITH: exceptions that only add rights."""

_CLASSIFIERS = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "The Unlicense (Unlicense)": "Unlicense",
}

_PLAIN_NAMES = {
    "mit": "MIT",
    "expat": "MIT",
    "apache": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache20": "Apache-2.0",
    "apacheversion20": "Apache-2.0",
    "apachesoftware": "Apache-2.0",
    "apachesoftware20": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "newbsd": "BSD-3-Clause",
    "bsd3clause": "BSD-3-Clause",
    "3clausebsd": "BSD-3-Clause",
    "bsd2clause": "BSD-2-Clause",
    "2clausebsd": "BSD-2-Clause",
    "simplifiedbsd": "BSD-2-Clause",
    "isc": "ISC",
    "psf": "PSF-2.0",
    "psf20": "PSF-2.0",
    "pythonsoftwarefoundation": "PSF-2.0",
}
"""What authors write for an SPDX id, lower case, without punctuation and the words "the" and "license"."""

_TEXTS = (
    ("AGPL-3.0-only", ("gnu affero general public license",)),
    ("LGPL-3.0-only", ("gnu lesser general public license",)),
    ("GPL-3.0-only", ("gnu general public license",)),
    ("MPL-2.0", ("mozilla public license",)),
    ("CC-BY-NC", ("creative commons", "noncommercial")),
    ("EPL-2.0", ("eclipse public license",)),
    ("Python-2.0", ("python software foundation license",)),
    ("Apache-2.0", ("apache license", "version 2.0")),
    ("MIT", ("permission is hereby granted, free of charge, to any person obtaining a copy", 'provided "as is"')),
    ("MIT", ("permission is hereby granted, free of charge, to any person obtaining a copy", "provided “as is”")),
    ("ISC", ("permission to use, copy, modify, and/or distribute this software for any purpose",)),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "neither the name")),
    ("BSD-2-Clause", ("redistribution and use in source and binary forms",)),
)
"""Licence texts by phrases that only they hold, the restrictive ones first."""

_HEADER = re.compile(r"SPDX-License-Identifier:[ \t]*([^\n]*)")
_HEADER_CHARACTERS = 4000
"""How far into a file its header is looked for: behind a copyright notice, before the code."""

_KEYS = {
    key.lower(): key
    for key in (
        *PERMISSIVE,
        *("AGPL-3.0-only", "GPL-2.0-only", "GPL-3.0-only", "LGPL-2.1-only", "LGPL-3.0-only", "MPL-2.0", "EPL-2.0"),
        *("Unlicense", "CC0-1.0", "Artistic-2.0", "EPL-1.0", "BSL-1.0", "Zlib", "WTFPL"),
    )
}
_KEYS |= {
    f"{key}gpl-{version}": f"{key.upper()}GPL-{version}-only"
    for key in ("", "a", "l")
    for version in ("2.0", "2.1", "3.0")
}
"""SPDX ids in lower case, as GitHub's interface and the data sets made from it write them."""


def is_permissive(expression: str) -> bool:
    """Whether an SPDX expression is permissive: every part of an AND, at least one part of an OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression)
    try:
        value, rest = _either(tokens)
    except ValueError:
        return False
    return value and not rest


def from_metadata(expression: str | None, text: str | None, classifiers: Iterable[str]) -> str:
    """Make an SPDX expression of a distribution's `License-Expression`, `License` and `Classifier` fields."""
    if expression:
        return expression.strip()
    from_text = _from_plain_name(text or "")
    leaves = [line.rpartition("::")[2].strip() for line in classifiers if line.startswith("License ::")]
    named = sorted(
        {_CLASSIFIERS.get(leaf, UNKNOWN) for leaf in leaves if leaf not in ("OSI Approved", "DFSG approved")}
    )
    if from_text != UNKNOWN and all(is_permissive(name) for name in named):
        return from_text
    return " AND ".join(named) if named else from_text


def from_header(text: str) -> str:
    """The expression of a file's own SPDX header (spdx.dev/learn/handling-license-info), `""` where it has none."""
    if "SPDX-License-Identifier" not in text[:_HEADER_CHARACTERS]:
        return ""
    match = _HEADER.search(text[:_HEADER_CHARACTERS])
    return match[1].strip().removesuffix("*/").removesuffix("-->").strip() if match else ""


def from_keys(value: object) -> str:
    """An expression from a row's licence: one name, or a list of them that all bind."""
    names = value if isinstance(value, (list, tuple)) else [value]
    found = {_KEYS.get(name.strip().lower(), name.strip()) for name in names if isinstance(name, str) and name.strip()}
    return " AND ".join(sorted(found)) or UNKNOWN


def from_text(text: str) -> str:
    """Name the licence that a LICENSE file holds, or `unknown`."""
    words = " ".join(text.lower().split())
    for name, phrases in _TEXTS:
        if all(phrase in words for phrase in phrases):
            return name
    return UNKNOWN


def _from_plain_name(text: str) -> str:
    if text.strip().upper() == "UNKNOWN":  # what old packaging tools wrote for nothing
        return UNKNOWN
    if len(text) > 200:
        return from_text(text)
    if is_permissive(text):
        return text.strip()
    key = re.sub(r"[^a-z0-9]", "", re.sub(r"\b(the|license|licence|v(?=\d))", "", text.lower()))
    return _PLAIN_NAMES.get(key, text.strip() or UNKNOWN)


def _either(tokens: list[str]) -> tuple[bool, list[str]]:
    value, tokens = _both(tokens)
    while tokens and tokens[0].upper() == "OR":
        right, tokens = _both(tokens[1:])
        value = value or right
    return value, tokens


def _both(tokens: list[str]) -> tuple[bool, list[str]]:
    value, tokens = _single(tokens)
    while tokens and tokens[0].upper() == "AND":
        right, tokens = _single(tokens[1:])
        value = value and right
    return value, tokens


def _single(tokens: list[str]) -> tuple[bool, list[str]]:
    if not tokens:
        raise ValueError("a licence expression ends too early")
    head, tokens = tokens[0], tokens[1:]
    if head == "(":
        value, tokens = _either(tokens)
        if not tokens or tokens[0] != ")":
            raise ValueError("a parenthesis is not closed")
        return value, tokens[1:]
    value = head in PERMISSIVE
    if tokens and tokens[0].upper() == "WITH":
        value = value and tokens[1:2] != [] and tokens[1] in PERMISSIVE_EXCEPTIONS
        tokens = tokens[2:]
    return value, tokens
