from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccx_cli.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("(water OR river) AND NOT blue-c", "(water OR river) AND NOT blue-c"),
        ("naïve 鳥", "naïve 鳥"),
        ("\x1b[2Jgone", "�[2Jgone"),
        ("\x9b31m", "�31m"),
        ("two\nlines\r", "two�lines�"),
        ("\u202eesrever", "�esrever"),
        ("a\u2028b", "a�b"),
    ],
)
def test_only_what_a_terminal_would_obey_is_replaced(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_nothing_is_left_to_obey_and_no_letter_is_moved(text: str) -> None:
    shown = printable(text)
    assert len(shown) == len(text)
    assert all(ord(letter) >= 32 and not 127 <= ord(letter) < 160 for letter in shown)
    assert printable(shown) == shown
