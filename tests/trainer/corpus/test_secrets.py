"""Credentials of every kind are found, look-alikes are not, and nothing is sent anywhere to ask."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lsp_server import credentials
from trainer.corpus import secrets


def scattered(*parts: str) -> str:
    """A secret's shape put together when the test runs, so that no scanner takes this file for one that leaks."""
    return "".join(parts)


SECRETS = [
    ("AWS Access Key", scattered("KEY = 'AK", "IA", "Q7R2" * 4, "'")),
    ("GitHub Token", scattered("TOKEN = 'gh", "p_", "a1B2" * 9, "'")),
    ("GitLab Token", scattered("token: gl", "pat-", "x9Y8_z7W6-v5U4t3S2r1")),
    ("Private Key", scattered('KEY = """-----BEGIN RSA PRI', "VATE KEY-----")),
    ("Slack Token", scattered("xo", "xb-", "123456789012-", "a1b2c3d4e5f6")),
    ("Stripe Access Key", scattered("s", "k_live_", "a1B2c3D4e5F6g7H8i9J0k1L2")),
    ("PyPI Token", scattered("py", "pi-AgEIcHlwaS5vcmc", "a1B2c3D4" * 10)),
    (
        "SendGrid API Key",
        scattered("S", "G.", "a1B2c3D4e5F6g7H8i9J0k1", ".", "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V"),
    ),
    ("OpenAI Token", scattered("s", "k-", "a1B2c3D4e5F6g7H8i9J0", "T3Blbk", "FJ", "a1B2c3D4e5F6g7H8i9J0")),
    ("Hex High Entropy String", scattered("password = '", "3b7f9c0d1e", "a45682d4f1b3c5e7", "'")),
    ("Base64 High Entropy String", scattered("value = 'q8Zr+T1vXy", "/7kLmN0pWs3Q2uJdC5bE9fHg4q8T1", "'")),
]

HARMLESS = [
    ("a digest beside its name", "SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'"),
    ("a UUID", "namespace = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'"),
    ("an alphabet", "alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789_-'"),
    ("counting", "digits = '0123456789abcdef'"),
    ("a long name", "from tests.test_integration_of_http2_connections import case_0815"),
    ("words without a digit", "message = 'risk-" + "a" * 40 + "'"),
    ("a keyword with a word behind it", "password = 'hunter'"),
    ("an identifier", "user_id = 'a94f0c1db23e4578'"),
]


@pytest.mark.parametrize(("kind", "line"), SECRETS, ids=[kind for kind, _ in SECRETS])
def test_a_secret_is_told_by_its_kind(kind: str, line: str) -> None:
    assert kind in secrets.find_secrets(f"import os\n\n{line}\nx = 1\n")


@pytest.mark.parametrize(("why", "line"), HARMLESS, ids=[why for why, _ in HARMLESS])
def test_a_look_alike_is_none(why: str, line: str) -> None:
    assert secrets.find_secrets(f"{line}\n") == []


@pytest.mark.parametrize(("kind", "line"), SECRETS, ids=[kind for kind, _ in SECRETS])
def test_the_literal_parts_hold_back_no_detector(kind: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = secrets.kinds_in_line(line)
    monkeypatch.setattr(credentials, "_PARTS", [("", name) for name in credentials._DETECTORS])
    assert secrets.kinds_in_line(line) == quick


@pytest.mark.parametrize(("kind", "line"), SECRETS, ids=[kind for kind, _ in SECRETS])
def test_what_keeps_a_file_out_of_the_corpus_is_never_offered(kind: str, line: str) -> None:
    assert credentials.holds_credential(f"x = 1\n{line}\ny = 2")


@pytest.mark.parametrize(("why", "line"), HARMLESS, ids=[why for why, _ in HARMLESS])
def test_a_look_alike_is_offered(why: str, line: str) -> None:
    assert not credentials.holds_credential(line)


@given(before=st.text(max_size=40), after=st.text(max_size=40), secret=st.sampled_from(SECRETS))
def test_a_secret_is_found_wherever_it_stands(before: str, after: str, secret: tuple[str, str]) -> None:
    text = f"{before}\n{secret[1]}\n{after}"
    assert secret[1] in secrets.suspicious_lines(text)


def test_no_secret_is_shown_to_its_issuer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **keywords: object) -> None:
        raise AssertionError("a detector reached for the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    for _, line in SECRETS:
        secrets.find_secrets(line)
