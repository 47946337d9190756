"""Write the rules of the verdict into their page, from the rules themselves.

python docs/reference/verdict_rules.py
"""

from pathlib import Path

from tiltmeter.evaluation import rules_page

PAGE = Path(__file__).parent / "verdict.md"
START, END = "<!-- written by docs/reference/verdict_rules.py -->\n", "<!-- end of what is written -->\n"


def filled(page: str) -> str:
    """Return the page with the present rules between its two marks."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{rules_page()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(PAGE)
