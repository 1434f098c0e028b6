"""Drawings read back: as a browser would, and with numbers instead of texts."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

NAMESPACE = "{http://www.w3.org/2000/svg}"


def drawing(markup: str) -> ET.Element:
    """The root of a drawing; text that was not escaped is an error here."""
    return ET.fromstring(markup)


def elements(markup: str, name: str) -> list[ET.Element]:
    """All elements of a name, in their order."""
    return list(drawing(markup).iter(f"{NAMESPACE}{name}"))


def number(element: ET.Element, name: str) -> float:
    """An attribute as a number."""
    return float(element.attrib[name])


def texts(markup: str) -> list[str]:
    """What is written, without titles and the description."""
    return [_own_text(element) for element in elements(markup, "text")]


def marks(markup: str, name: str, fill: str) -> list[ET.Element]:
    """Elements that are painted with a custom property."""
    return [e for e in elements(markup, name) if e.attrib.get("fill", "").startswith(f"var(--{fill},")]


def boxes(markup: str) -> Iterator[tuple[float, float]]:
    """Where everything is: x and y of each end."""
    for element in drawing(markup).iter():
        for x, y in (("x", "y"), ("x1", "y1"), ("x2", "y2"), ("cx", "cy")):
            if x in element.attrib:
                yield number(element, x), number(element, y)


def _own_text(element: ET.Element) -> str:
    children = "".join(child.tail or "" for child in element)
    return (element.text or "") + children
