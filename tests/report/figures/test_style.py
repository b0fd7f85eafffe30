from datmos.report.figures.style import COLOURS, LINES, MARKERS, make_looks


def test_no_two_strategies_look_alike() -> None:
    count = len(COLOURS) * len(MARKERS)
    names = [f"strategy_{number}" for number in range(count)]
    looks = make_looks("plain", ["plain", *names], ["ridge", "svr"])
    assert len({(look.colour, look.marker) for look in looks.values()}) == count + 3
    assert looks["plain"].colour == "black"
    assert len({look.line for look in looks.values()}) == len(LINES)


def test_a_look_does_not_depend_on_who_is_baseline_among_others() -> None:
    looks = make_looks("plain", ["plain", "dat"], ["ridge"])
    assert looks == make_looks("plain", ["dat", "plain"], ["ridge"])
    assert looks["ridge"].colour not in (looks["dat"].colour, looks["plain"].colour)
