"""Links between pages lead to a page, and to a heading on it."""

import re
from pathlib import Path

import pytest

from tests.examples.catalogue import ROOT

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / "changelog.d").glob("*.md"),
    ]
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def links(page: Path) -> list[str]:
    return _LINK.findall(_CODE.sub("", page.read_text()))


def headings(page: Path) -> set[str]:
    """As they are named in links: words in small letters, with dashes between them."""
    texts = _HEADING.findall(_CODE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    missing = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, heading = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (heading and heading not in headings(path)):
            missing.append(link)
    assert missing == []


def test_every_page_of_the_docs_is_linked_from_another() -> None:
    linked = {
        (page.parent / link.partition("#")[0]).resolve() for page in PAGES for link in links(page)
    }
    folders = {ROOT / "docs", ROOT / "docs" / "decisions"}
    assert [str(page) for page in PAGES if page.parent in folders and page not in linked] == []
