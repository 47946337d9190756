"""The machine that follows the tutorials notices when what is printed is not what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import assert_agree, printed, steps

PAGE = """
```bash
there=somewhere
```

```python
a = 1
```

```bash
echo "$there" > file.txt
cat file.txt
```

```text
somewhere
```

```python
print(a + 1)
```
"""


@pytest.mark.parametrize(
    ("shown", "actual"),
    [
        ("AUROC 0.97 [0.95,\n 1.00]", "AUROC 0.965 [0.95, 1.00]"),
        ("…\nin all 1,024 rows …", "reading\nin all 1,025 rows and more"),
        ("id …, score 2.5…", "id a8-3, score 2.5137"),
        ("block 2", "block 2\n"),
    ],
)
def test_what_is_nearly_the_same_agrees(shown: str, actual: str) -> None:
    assert_agree(shown, actual)


@pytest.mark.parametrize(
    ("shown", "actual"),
    [
        ("AUROC 0.97", "AUROC 0.92"),
        ("AUROC 0.97", "AUROC 0.97, and more"),
        ("AUROC 0.97", "the AUROC 0.97"),
        ("it holds", "it fails"),
        ("…\nit holds …", "reading\nit fails"),
        ("rows 1,024", "rows -1,024"),
    ],
)
def test_what_differs_is_noticed(shown: str, actual: str) -> None:
    with pytest.raises(AssertionError, match="shown"):
        assert_agree(shown, actual)


def test_shell_and_session_stay_open_from_fence_to_fence(tmp_path: Path) -> None:
    said = [text for _, text in printed(PAGE, folder=tmp_path)]
    assert said == ["", "", "somewhere\n", "2\n"]
    assert [step.shown for step in steps(PAGE)] == [None, None, "somewhere\n", None]


def test_a_command_that_fails_ends_the_page(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ended with 1"):
        list(printed("```bash\nfalse\n```\n", folder=tmp_path))
