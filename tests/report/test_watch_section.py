"""What the report says of run time stands in the record."""

from __future__ import annotations

from records import make_barren, make_evidence

from tiltmeter.report._lookup import look_up
from tiltmeter.report._watch import watch_section


def test_shares_flagged_and_pushes_are_shown_with_their_intervals() -> None:
    found = watch_section(look_up(make_evidence()))
    assert "At most 1 % of groups are flagged with 95 % confidence, on facts, false." in found.check
    assert found.flagged is not None and found.hiding is not None
    first, second, *_ = found.flagged.rows
    assert [cell.text for cell in second.cells] == ["26.0 %", "21.0 %", "31.0 %"]
    assert (first.remark, second.remark) == ("trained on", "")
    # what is flagged no more than was certified is nothing to look at
    assert not first.cells[0].weak and second.cells[0].weak
    row = found.hiding.rows[0]
    assert [cell.text for cell in row.cells] == ["812", "1.23", "0.06", "0.105", "–"]
    assert row.cells[3].interval == "[0.055, 0.155]"
    assert found.hiding.reasons == ("half of the texts or more were not hidden",)


def test_without_a_threshold_nothing_is_flagged_and_nothing_is_to_hide() -> None:
    found = watch_section(look_up(make_evidence(certified=False)))
    assert found.check == "Nothing can be flagged: 120 negative groups; 299 are needed."
    assert found.flagged is None and found.hiding is None
    assert watch_section(look_up(make_barren())).check.startswith("Nothing was checked")
