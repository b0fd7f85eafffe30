"""Messages: names of other people never steer a terminal."""

import pytest

from datmos.core.errors import DatmosError, brief, printable, printable_lines, printable_message, run_stage


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
    assert printable_message("no\nerror: yours:\n  first\n  second") == "no\\nerror: yours:\n  first\n  second"

    def fail() -> None:
        raise DatmosError("x\x1b]0;title\x07:\n  wrong")

    with pytest.raises(SystemExit):
        run_stage(fail)
    assert capsys.readouterr().err == "\nerror: x\\x1b]0;title\\x07:\n  wrong\n"


def test_what_is_shown_of_a_value_is_short() -> None:
    nested: list[object] = ["x" * 1000] * 9
    for _ in range(30):
        nested = [nested] * 9
    for value in (nested, {"a": nested}, "x" * 10**6, {str(n): n for n in range(10**5)}):
        assert len(brief(value)) < 3000
    assert brief({"lambda": 0.1, "K": [1, 2]}) == "{'K': [1, 2], 'lambda': 0.1}"
