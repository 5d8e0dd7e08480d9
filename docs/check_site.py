"""Check the built site: links lead somewhere, nothing is loaded from elsewhere, figures are drawn.

python docs/check_site.py [docs/_build/html]
"""

import pathlib
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urlsplit


class Page(HTMLParser):
    """The anchors of a page, its links, and what a browser loads for it."""

    def __init__(self, file: pathlib.Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note what one tag names, links to and loads."""
        given = {name: value for name, value in attributes if value}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        source = given.get("src") if tag in ("img", "script") else None
        if tag == "link" and given.get("rel") == "stylesheet":
            source = given.get("href")
        if source and not source.startswith("data:"):
            self.loaded.append(source)


def faults(site: pathlib.Path) -> list[str]:
    """One line for each fault."""
    pages = {file.resolve(): Page(file) for file in sorted(site.rglob("*.html"))}
    found = []
    for file, page in pages.items():
        name = file.relative_to(site.resolve())
        found += [f"{name} loads {s}" for s in page.loaded if urlsplit(s).netloc]
        text = file.read_text(encoding="utf-8")
        if "&lt;Figure size" in text:
            found.append(f"{name} shows the name of a figure instead of the figure")
        if "_NestedSequence" in text:
            found.append(f"{name} spells out ArrayLike in a signature")
        for link in [*page.links, *page.loaded]:
            if urlsplit(link).scheme or urlsplit(link).netloc:
                continue
            path, anchor = urldefrag(link)
            target = (file.parent / unquote(urlsplit(path).path)).resolve() if path else file
            if not target.exists():
                found.append(f"{name} links to {link}: no such file")
            elif anchor and target in pages and unquote(anchor) not in pages[target].anchors:
                found.append(f"{name} links to {link}: no such anchor")
    return found


def main() -> int:
    """Print the faults; the exit status is 1 if there are any, or no pages."""
    site = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "docs/_build/html")
    number = len(list(site.rglob("*.html")))
    found = faults(site)
    print("\n".join([*found, f"{number} pages, {len(found)} faults"]))
    return 1 if found or not number else 0


if __name__ == "__main__":
    sys.exit(main())
