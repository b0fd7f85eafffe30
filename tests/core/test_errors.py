"""Messages: names of other people never steer a terminal."""

import pytest

from datmos.core.errors import DatmosError, printable, printable_lines, run_stage


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b-日本-é.wav", "a b-日本-é.wav"),
        ("日本\u3000語.wav", "日本\u3000語.wav"),  # a space
        ("\x1b[31mred\x07.wav", r"\x1b[31mred\x07.wav"),
        ("two\nlines\r.wav", r"two\nlines\r.wav"),
        ("\x9b2J\x7f", r"\x9b2J\x7f"),
        ("song\u202e3pm.wav", r"song\u202e3pm.wav"),
        ("\udcff.wav", r"\udcff.wav"),
        ("\u2028", r"\u2028"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_that_are_meant_stay(capsys: pytest.CaptureFixture[str]) -> None:
    assert printable_lines("a\x1b\nb") == "a\\x1b\nb"

    def fail() -> None:
        raise DatmosError("x\x1b]0;title\x07:\n  wrong")

    with pytest.raises(SystemExit):
        run_stage(fail)
    assert capsys.readouterr().err == "\nerror: x\\x1b]0;title\\x07:\n  wrong\n"
