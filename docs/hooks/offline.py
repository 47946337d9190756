"""Nothing on a page may come from a network, not even a script that a page never needs."""

from __future__ import annotations

import re
from typing import Any

# what nbconvert puts into every notebook for diagrams, which ours have none of
_DIAGRAMS = re.compile(
    r"<script type=\"module\">(?:(?!</script>).)*\.jp-Mermaid(?:(?!</script>).)*</script>", re.DOTALL
)


def on_post_page(output: str, **_: Any) -> str:
    """Leave out the script that would fetch another one."""
    return _DIAGRAMS.sub("", output)
