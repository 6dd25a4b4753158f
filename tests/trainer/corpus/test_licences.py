"""Licence expressions and texts, case by case."""

from __future__ import annotations

import pytest

from trainer.corpus import licences


@pytest.mark.parametrize(
    ("expression", "permissive"),
    [
        ("MIT", True),
        ("Apache-2.0", True),
        ("BSD-3-Clause", True),
        ("ISC", True),
        ("PSF-2.0", True),
        ("Python-2.0", True),
        ("Apache-2.0 AND MIT", True),
        ("MIT OR GPL-3.0-only", True),  # we may choose MIT
        ("Apache-2.0 OR BSD-2-Clause", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("MIT AND (GPL-2.0-only OR BSD-3-Clause)", True),
        ("(MIT)", True),
        ("MPL-2.0 AND MIT", False),  # both bind
        ("MIT AND MPL-2.0", False),
        ("GPL-3.0-or-later", False),
        ("MIT OR GPL-3.0-only AND LGPL-3.0-only", True),  # AND binds tighter than OR
        ("(MIT OR GPL-3.0-only) AND LGPL-3.0-only", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("Apache-2.0 WITH Commons-Clause", False),  # an exception that takes rights away
        ("Unlicense", False),  # free, but not on the list
        ("CC0-1.0", False),
        ("LicenseRef-Proprietary", False),
        ("unknown", False),
        ("", False),
        ("MIT AND", False),
        ("(MIT", False),
        ("MIT MIT", False),
        ("MIT License, see file", False),
    ],
)
def test_expression(expression: str, permissive: bool) -> None:
    assert licences.is_permissive(expression) is permissive


MIT_CLASSIFIER = "License :: OSI Approved :: MIT License"
GPL_CLASSIFIER = "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"


@pytest.mark.parametrize(
    ("expression", "text", "classifiers", "expected"),
    [
        ("MIT", "GPL", [], "MIT"),  # the new field is the authors' last word
        (None, "Apache 2.0 License", [], "Apache-2.0"),
        (None, "Apache License, Version 2.0", [], "Apache-2.0"),
        (None, "The MIT License", [], "MIT"),
        (None, "3-Clause BSD License", [], "BSD-3-Clause"),
        (None, "BSD", ["License :: OSI Approved :: BSD License"], "BSD-3-Clause"),
        (None, "ISC License", [], "ISC"),
        (None, None, [MIT_CLASSIFIER], "MIT"),
        (None, None, ["License :: OSI Approved", MIT_CLASSIFIER, "Topic :: Text Processing"], "MIT"),
        (None, "MIT", [GPL_CLASSIFIER], "GPL-3.0-only"),  # a contradiction is not permissive
        (None, None, [MIT_CLASSIFIER, GPL_CLASSIFIER], "GPL-3.0-only AND MIT"),
        (None, None, ["License :: Other/Proprietary License"], "unknown"),
        (None, "GPLv3", [], "GPLv3"),
        (None, None, [], "unknown"),
    ],
)
def test_metadata(expression: str | None, text: str | None, classifiers: list[str], expected: str) -> None:
    assert licences.from_metadata(expression, text, classifiers) == expected


MIT_TEXT = 'Permission is hereby granted, free of charge, to any\n person obtaining a copy ... provided "AS IS"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MIT_TEXT, "MIT"),
        ("Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        ("Redistribution and use in source and binary forms ... Neither the name of", "BSD-3-Clause"),
        ("Redistribution and use in source and binary forms ...", "BSD-2-Clause"),
        ("GNU GENERAL PUBLIC LICENSE Version 3", "GPL-3.0-only"),
        ("GNU LESSER GENERAL PUBLIC LICENSE", "LGPL-3.0-only"),
        (MIT_TEXT + " except parts under the GNU General Public License", "GPL-3.0-only"),
        ("All rights reserved.", "unknown"),
        ("", "unknown"),
    ],
)
def test_licence_text(text: str, expected: str) -> None:
    assert licences.from_text(text) == expected
