"""A chart as inline SVG: static, themed by the page's CSS variables, with tooltips that need no script."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import vl_convert
from markupsafe import Markup

FIT = 430
"""Charts up to this width (px) shrink to a phone's; wider ones scroll in their own box, or they could not be read."""
HALF = 520
"""Charts up to this width (px) stand two abreast on a desktop page."""
GROWTH = 1.3
"""How far a small chart may grow to fill its place."""


def to_svg(spec: dict[str, Any], label: str) -> Markup:
    """Convert a Vega-Lite spec whose data are inline; ``label`` is what a screen reader says.

    The result holds no script, no id and no reference to anything outside itself; names and texts from the
    data are escaped. A mark's description becomes its ``<title>``.
    """
    root = ET.fromstring(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))
    _tidy(root)
    width = float(root.get("width", "0"))
    height = float(root.get("height", "0"))
    view = {"viewBox": root.get("viewBox", ""), "width": f"{width:.0f}", "height": f"{height:.0f}"}
    root.attrib.clear()
    kind = "fit" if width <= FIT else "wide" if width <= HALF else "wide huge"
    style = f"max-width:{GROWTH * width:.0f}px" if kind == "fit" else ""
    root.attrib.update({"class": kind, "role": "img", "aria-label": label, "style": style, **view})
    # safe: ElementTree has escaped every text and attribute
    return Markup(ET.tostring(root, encoding="unicode"))


def _tidy(element: ET.Element) -> None:
    """Drop the namespace (HTML knows SVG), invisible frames and ARIA roles; turn descriptions into titles."""
    element.tag = element.tag.rpartition("}")[2]
    description = element.get("aria-label") if element.tag != "g" else None
    for name in [n for n in element.attrib if n.startswith("aria-") or n in ("role", "class", "pointer-events")]:
        del element.attrib[name]
    for child in list(element):
        if child.get("class") in ("background", "foreground") and child.get("stroke") is None:
            element.remove(child)
        else:
            _tidy(child)
    if description:
        title = ET.Element("title")
        title.text = description
        element.insert(0, title)
