"""What the pages link to outside ``docs/`` comes along, so that every link leads somewhere without a network.

Markdown (the design, the benchmarks, CONTRIBUTING) becomes pages as it is; a spec or a program becomes a page that
shows it. Links between all of them are written as for the repository, and are turned here into links within the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)(#[^)\s]*)?(\))")
_HREF = re.compile(r"(<a [^>]*href=\")([^\"#]+)(#[^\"]*)?(\")")
_FENCE = re.compile(r"(```.*?```)", re.DOTALL)
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".jsonl": "json"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for every file of the repository that pages link to, and for those that these link to."""
    root = Path(config.docs_dir).parent
    todo = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    seen = set(todo)
    while todo:
        here = todo.pop()
        if not here.endswith((".md", ".ipynb")):
            continue
        text = (root / here).read_text(encoding="utf-8") if (root / here).is_file() else ""
        for _, target, _, _ in _LINK.findall(_FENCE.sub("", text)):
            there = _in_repository(here, target, root)
            if there is not None and there not in seen and not there.startswith("docs/"):
                seen.add(there)
                todo.append(there)
                files.append(File.generated(config, _page_of(there), content=_content(root / there)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files, **_: Any) -> str:
    """Turn links within the repository into links within the site."""
    root = Path(config.docs_dir).parent
    here = _source_of(page.file.src_uri)

    def within_the_site(found: re.Match[str]) -> str:
        there = _in_repository(here, found[2], root)
        if there is None:
            return found[0]
        target = _on_the_site(there)
        if files.get_file_from_path(target) is None:
            return found[0]
        relative = posixpath.relpath(target, posixpath.dirname(page.file.src_uri) or ".")
        return f"{found[1]}{relative}{found[3] or ''}{found[4]}"

    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(within_the_site, part) for part in parts)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files, **_: Any) -> str:
    """Do the same in notebooks, which come as HTML."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    root, here = Path(config.docs_dir).parent, f"docs/{page.file.src_uri}"

    def within_the_site(found: re.Match[str]) -> str:
        there = _in_repository(here, found[2], root)
        file = None if there is None else files.get_file_from_path(_on_the_site(there))
        return found[0] if file is None else f"{found[1]}{file.url_relative_to(page.file)}{found[3] or ''}{found[4]}"

    return _HREF.sub(within_the_site, html)


def _in_repository(here: str, target: str, root: Path) -> str | None:
    """Return the path of a link's target from the root of the repository, None where it is no file of it."""
    if "://" in target or target.startswith("mailto:"):
        return None
    there = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
    if (root / there).is_dir():
        return next((f"{there}/{name}" for name in ("README.md", "index.md") if (root / there / name).is_file()), None)
    return there if (root / there).is_file() else None


def _on_the_site(there: str) -> str:
    return there.removeprefix("docs/") if there.startswith("docs/") else _page_of(there)


def _page_of(there: str) -> str:
    return f"project/{there}" if there.endswith(".md") else f"project/{there}.md"


def _source_of(src_uri: str) -> str:
    return src_uri.removeprefix("project/") if src_uri.startswith("project/") else f"docs/{src_uri}"


def _content(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    return f"# {path.name}\n\n```{_LANGUAGES.get(path.suffix, 'text')}\n{text.rstrip()}\n```\n"
