"""The browser's page and the terminal beside it: the same numbers at the same moment."""

from __future__ import annotations

import html
import re

from tests.cli.terminal import DRAWN, Start
from tests.cli.test_console import Eventually, ask

FIGURE = re.compile(
    r'<section class="panel stat".*?<h2[^>]*>(.*?)</h2>.*?<b>(.*?)</b>.*?<p class="detail">(.*?)</p>', re.DOTALL
)


def plain(markup: str) -> str:
    """Markup as a person reads it; a narrow space is one of any width."""
    return html.unescape(re.sub(r"<[^>]+>", "", markup)).replace("\u202f", " ").replace("\xa0", " ").strip()


def figures(page: str) -> dict[str, tuple[str, str]]:
    """(value, detail) of the page's figures by their titles."""
    return {plain(title): (plain(value), plain(detail)) for title, value, detail in FIGURE.findall(page)}


def drawn(screen: list[str], titles: list[str]) -> dict[str, tuple[str, str]]:
    """The same of a screen: what stands in the boxes with these titles, their sparklines left out."""
    found = {}
    for title in titles:
        y = next((y for y, row in enumerate(screen) if f" {title} " in row and "╭" in row), -1)
        if y < 0:
            continue
        left = screen[y].index(f"╭─ {title} ")
        right = screen[y].index("╮", left)
        box = [row[left + 1 : right].strip() for row in screen[y + 1 : y + 4]]
        found[title] = (box[0], box[2])
    return found


def test_the_page_and_the_terminal_show_the_same_numbers(start: Start, eventually: Eventually) -> None:
    """TTY-3, X-1: every figure of the overview, the latency percentiles among them, and the count of each error."""
    terminal = start("run", "plain:app", "--port", "0", "--no-access-log", "--dashboard")
    terminal.resize(200, 60)
    place = terminal.until(r"dashboard at http://([\d.:]+)/").group(1)
    terminal.until("In flight", terminal.until(DRAWN).end())
    for number in range(60):
        ask(place, "/missing" if number % 20 == 0 else f"/items/{number % 3}")
    seen: list[dict[str, tuple[str, str]]] = []

    def same() -> bool:
        in_browser = figures(ask(place, "/dashboard/"))
        in_terminal = drawn(terminal.screen(), list(in_browser))
        seen[:] = [in_browser, in_terminal]
        return "60 in all" in str(in_browser) and in_browser == in_terminal

    eventually(same)
    in_browser, _ = seen
    assert len(in_browser) == 6
    assert in_browser["Error rate"] == ("5 %", "3 of 60 · limit 5 %")
    assert re.fullmatch(r"p50 [\d.]+ (ms|µs) · p99 [\d.]+ (ms|µs)", in_browser["Latency p95"][1])
    eventually(lambda: any(re.search(r" client +\S+ +3 ", row) for row in terminal.screen()))  # drawn once a second
    terminal.type("q")
    assert terminal.end() == 0
