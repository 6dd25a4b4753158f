"""An editor's settings, merged key by key."""

from __future__ import annotations

from typing import Any

import pytest

from lsp_server.errors import SettingsError
from lsp_server.settings import LengthMode, MenuMode, Settings, merge, to_camel


def test_good_values_are_taken_and_the_rest_stays() -> None:
    merged, errors = merge(
        Settings(max_new_tokens=7),
        {
            "enabled": False,
            "disabledLanguages": ["markdown", "plaintext"],
            "length": "line",
            "completionMenu": "off",
            "temperature": 0.5,
        },
    )

    assert errors == []
    assert merged == Settings(
        max_new_tokens=7,
        enabled=False,
        disabled_languages=("markdown", "plaintext"),
        length=LengthMode.LINE,
        completion_menu=MenuMode.OFF,
        temperature=0.5,
    )


def test_a_whole_number_serves_where_a_fraction_may_stand() -> None:
    merged, errors = merge(Settings(), {"temperature": 1})

    assert errors == []
    assert merged.temperature == 1.0
    assert isinstance(merged.temperature, float)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        pytest.param("maxNewToken", 5, "did you mean parrotlet.maxNewTokens", id="a misspelt key"),
        pytest.param("max_new_tokens", 5, "is not a setting", id="a key in snake case"),
        pytest.param("xyzzy", 5, "parrotlet.xyzzy is not a setting", id="a key near nothing"),
        pytest.param("maxNewTokens", "5", "parrotlet.maxNewTokens is '5'", id="text for a number"),
        pytest.param("maxNewTokens", True, "is True: give a value of type int", id="a truth value for a number"),
        pytest.param("maxNewTokens", 5.0, "is 5.0: give a value of type int", id="a fraction for a number"),
        pytest.param("temperature", True, "is True: give a value of type float", id="a truth value for a fraction"),
        pytest.param("enabled", 1, "is 1: give a value of type bool", id="a number for a truth value"),
        pytest.param("enabled", None, "is None", id="null"),
        pytest.param("disabledLanguages", "python", "give a list of strings", id="one string for a list"),
        pytest.param("disabledLanguages", [1], "give a list of strings", id="a list of numbers"),
        pytest.param("length", "word", "is 'word': choose one of block, line", id="an unknown choice"),
        pytest.param("length", {"a": 1}, "choose one of block, line", id="an object for a choice"),
        pytest.param("maxNewTokens", 0, "is 0: choose a value from 1 to 512", id="below the range"),
        pytest.param("maxNewTokens", 513, "is 513: choose a value from 1 to 512", id="above the range"),
        pytest.param("topP", 0.0, "parrotlet.topP is 0.0: choose a value from", id="no probability at all"),
        pytest.param("temperature", float("nan"), "is nan: choose a value", id="not a number"),
        pytest.param("deadlineMs", 9, "is 9: choose a value from 10", id="a deadline that cannot be met"),
    ],
)
def test_a_bad_entry_is_left_out_and_told_while_the_others_are_taken(key: str, value: Any, message: str) -> None:
    merged, errors = merge(Settings(), {"debounceMs": 11, key: value, "topK": 12})

    assert merged == Settings(debounce_ms=11, top_k=12)
    assert len(errors) == 1
    assert message in str(errors[0])
    assert "\n" not in str(errors[0])


def test_settings_of_our_own_making_are_checked_too() -> None:
    with pytest.raises(SettingsError, match="numCandidates is 9"):
        Settings(num_candidates=9)


def test_names_are_spelled_in_camel_case_for_editors() -> None:
    assert to_camel("max_new_tokens") == "maxNewTokens"
    assert to_camel("enabled") == "enabled"
