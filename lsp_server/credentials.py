"""What credentials look like, by detect-secrets' detectors, and whether a text holds one. Never keeps what it found.

The detectors are BigCode's (github.com/bigcode-project/bigcode-dataset, pii/utils/keys_detection.py) and those that
detect-secrets has gained since. The keyword and basic-authentication detectors stay out, as there: `password = "x"` in
documentation is no secret. Nothing is verified: that would send the secret to its issuer.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Protocol

MIN_CHARACTERS = 16
"""A key has at least 64 bits: sixteen hexadecimal digits."""
MARKERS = ("PRIVATE KEY", "PuTTY-User-Key-File-2")
"""Secrets whose own line has no long run of characters."""

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

_DIGEST_WORDS = re.compile(r"sha|md5|hash|digest|checksum|crc|byte|commit|revision", flags=re.IGNORECASE)
_ENTROPY = ("Base64HighEntropyString", "HexHighEntropyString")
_ENDS = ("", '"', "'")
"""A suggestion may break off before the quote that tells a string from other text."""
_LONG_RUN = re.compile(r"[A-Za-z0-9+/=_-]{16,}")


class _Detector(Protocol):
    @property
    def secret_type(self) -> str: ...

    def analyze_line(self, filename: str, line: str, line_number: int) -> set[_Secret]: ...


class _Secret(Protocol):
    secret_value: str | None


def holds_credential(text: str) -> bool:
    """Whether a detector objects to any line. Fast where no line has a long run of letters and digits."""
    suspicious = (line for line in text.splitlines() if _is_suspicious(line))
    return any(kinds_in_line(line + end) for line in suspicious for end in _ENDS)


def _is_suspicious(line: str) -> bool:
    return any(marker in line for marker in MARKERS) or any(
        any(character.isdigit() for character in run) and any(character.isalpha() for character in run)
        for run in _LONG_RUN.findall(line)
    )


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
