"""Finding credentials by detect-secrets' detectors. Names a secret's kind and never holds on to the secret itself.

A file with one is dropped whole: a model repeats what it has seen, and masking what was found would leave what was not;
detectors of this kind find about half of the keys there are (SantaCoder, arXiv 2301.03988, section 4.3).

The detectors are BigCode's (github.com/bigcode-project/bigcode-dataset, pii/utils/keys_detection.py) and those that
detect-secrets has gained since. The keyword and basic-authentication detectors stay out, as there: `password = "x"` in
documentation is no secret. Nothing is verified: that would send the secret to its issuer.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from functools import cache
from typing import Protocol

import numpy as np

MIN_CHARACTERS = 16
"""A key has at least 64 bits: sixteen hexadecimal digits."""

_ASSIGNED = ("key", "pwd", "pw", "pass", "token")
_DETECTORS = {
    "ArtifactoryDetector": ("akc", "ap"),
    "AWSKeyDetector": ("a3t", "abia", "acca", "akia", "asia", "aws"),
    "AzureStorageKeyDetector": ("accountkey=",),
    "CloudantDetector": ("cl",),
    "DiscordBotTokenDetector": (".",),
    "GitHubTokenDetector": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    "GitLabTokenDetector": ("gl", "gr1348941"),
    "IbmCloudIamDetector": _ASSIGNED,
    "IbmCosHmacDetector": ("secret",),
    "JwtTokenDetector": ("eyj",),
    "MailchimpDetector": ("-us",),
    "NpmDetector": (":_authtoken",),
    "OpenAIDetector": ("t3blbkfj",),
    "PrivateKeyDetector": ("private key", "putty-user-key-file-2"),
    "PypiTokenDetector": ("pypi-ag",),
    "SendGridDetector": ("sg.",),
    "SlackDetector": ("xox", "hooks.slack.com"),
    "SoftlayerDetector": ("softlayer", "sl"),
    "SquareOAuthDetector": ("sq0csp-",),
    "StripeDetector": ("k_live_",),
    "TelegramBotTokenDetector": (":",),
    "TwilioKeyDetector": ("ac", "sk"),
    "Base64HighEntropyString": ("'", '"'),
    "HexHighEntropyString": ("'", '"'),
}
"""Each detector, and parts of which every one of its secrets' lines holds one, in lower case."""
_PARTS = [(part, name) for name, parts in _DETECTORS.items() for part in parts]

_MARKERS = ("PRIVATE KEY", "PuTTY-User-Key-File-2")
"""Secrets whose own line has no long run of characters."""

_DIGEST_WORDS = re.compile(r"sha|md5|hash|digest|checksum|crc|byte|commit|revision", flags=re.IGNORECASE)
_ENTROPY = ("Base64HighEntropyString", "HexHighEntropyString")

_RUN, _DIGIT, _LETTER = 4, 1, 2
_KINDS = bytes(
    _RUN * (byte in b"+/=_-")
    | (_RUN | _DIGIT) * (byte in string.digits.encode())
    | (_RUN | _LETTER) * (byte in string.ascii_letters.encode())
    for byte in range(256)
)
"""What each byte is in a run: a table, since looking up takes a tenth of asking."""


class _Detector(Protocol):
    @property
    def secret_type(self) -> str: ...

    def analyze_line(self, filename: str, line: str, line_number: int) -> set[_Secret]: ...


class _Secret(Protocol):
    secret_value: str | None


def find_secrets(text: str) -> list[str]:
    """The kinds of secrets in the first line that holds one; empty where none does."""
    for line in suspicious_lines(text):
        kinds = kinds_in_line(line)
        if kinds:
            return kinds
    return []


def suspicious_lines(text: str) -> Iterator[str]:
    """The lines that a detector could object to: the detectors take 60 times as long as this.

    A line is suspicious when it has MIN_CHARACTERS in a row, a digit and a letter among them, or one of the markers.
    What has no digit is left out on purpose: names and words have that shape, too.
    """
    data = b"\n" + text.encode() + b"\n"
    wanted = {start for marker in _MARKERS for start in _places(data, marker.encode())}
    wanted.update(_long_runs(data))
    end = -1
    for start in sorted(wanted):
        if start > end:
            end = data.find(b"\n", start)
            yield data[data.rfind(b"\n", 0, start) + 1 : end].decode()


def kinds_in_line(line: str) -> list[str]:
    """Ask the detectors about one line, and leave out what is a placeholder or an identifier by its look."""
    folded = line.lower()
    asked = {name for part, name in _PARTS if part in folded}
    return sorted(
        {
            detector.secret_type
            for name, detector in _detectors().items()
            if name in asked
            for secret in detector.analyze_line(filename="", line=line, line_number=0)
            if secret.secret_value and not _is_harmless(secret.secret_value, line, name)
        }
    )


def _places(data: bytes, marker: bytes) -> Iterator[int]:
    place = data.find(marker)
    while place >= 0:
        yield place
        place = data.find(marker, place + 1)


def _long_runs(data: bytes) -> list[int]:
    """Where the runs begin that are long enough and hold a digit and a letter; `data` begins and ends outside."""
    kinds = np.frombuffer(data.translate(_KINDS), dtype=np.uint8)
    is_run = kinds != 0
    edges = (np.flatnonzero(is_run[1:] != is_run[:-1]) + 1).reshape(-1, 2)
    edges = edges[edges[:, 1] - edges[:, 0] >= MIN_CHARACTERS]
    if not len(edges):
        return []
    held = np.bitwise_or.reduceat(kinds, edges.ravel())[::2]
    return [int(start) for start in edges[held == _RUN | _DIGIT | _LETTER, 0]]


def _is_harmless(secret: str, line: str, detector: str) -> bool:
    from detect_secrets.filters import heuristic

    is_alphabet = len(set(secret)) == len(
        secret
    )  # 16 random letters of 64 repeat one 9 times in 10, longer ones always
    if detector in _ENTROPY and (
        is_alphabet
        or len(secret) < MIN_CHARACTERS
        or _DIGEST_WORDS.search(line)
        or heuristic.is_likely_id_string(secret, line)
    ):
        return True
    return bool(
        heuristic.is_sequential_string(secret)
        or heuristic.is_potential_uuid(secret)
        or heuristic.is_templated_secret(secret)
    )


@cache
def _detectors() -> dict[str, _Detector]:
    from detect_secrets.core.plugins.initialize import from_plugin_classname

    return {name: from_plugin_classname(name) for name in _DETECTORS}
