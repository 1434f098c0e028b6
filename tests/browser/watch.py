"""What a browser says that goes wrong in a page of ours, and what can be measured of its looks."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.sync_api import ConsoleMessage, Frame, Page, Response

from daydreaming.ui.lazy import URL_PREFIX

#: Tells of what the content security policy has stopped, whatever the console says of it.
_TELL_OF_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`${location.href}: the policy has stopped ${event.violatedDirective} ${event.blockedURI}`));
"""
#: Of one page: what is wrong with it, as sentences. No page is wider than the window; whatever can be
#: filled in or pressed has a name; tables have headers; there is one heading of the first order.
_LOOK = """() => {
  const problems = [];
  const shown = (e) => e.checkVisibility({ checkVisibilityCSS: true });
  const brief = (e) => e.outerHTML.slice(0, 120);
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth)
    problems.push(`${root.scrollWidth} pixels wide in a window of ${root.clientWidth}`);
  if (!root.lang) problems.push("no language");
  if (document.querySelectorAll("h1").length !== 1) problems.push("not one h1");
  if (!document.querySelector("main")) problems.push("no main");
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (!field.labels.length && !field.ariaLabel && !field.getAttribute("aria-labelledby"))
      problems.push(`no label: ${brief(field)}`);
  for (const one of document.querySelectorAll("a[href], button, summary"))
    if (shown(one) && !one.textContent.trim() && !one.ariaLabel && !one.querySelector("[aria-label], title"))
      problems.push(`no name: ${brief(one)}`);
  const unnamed = "img:not([alt]), svg:not([role=img]):not([aria-hidden=true])";
  for (const image of document.querySelectorAll(unnamed))
    problems.push(`neither named nor hidden: ${brief(image)}`);
  for (const cell of document.querySelectorAll("th:not([scope])")) problems.push(`no scope: ${brief(cell)}`);
  for (const box of document.querySelectorAll(".scroll"))
    if (box.tabIndex !== 0 || !box.ariaLabel) problems.push(`not to be scrolled by key: ${brief(box)}`);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) problems.push(`twice: #${id}`);
  return problems;
}"""


class Watch:
    """Collects what goes wrong in pages of ours; Airflow's own troubles are Airflow's."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def follow(self, page: Page) -> None:
        """Listen to a page and its frames from now on."""
        page.add_init_script(_TELL_OF_VIOLATIONS)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.problems.append(f"error in {page.url}: {error}"))
        page.on("response", self._answered)

    def _heard(self, message: ConsoleMessage) -> None:
        text = f"{message.location['url']} {message.text}"
        if message.type == "error" and URL_PREFIX in text:
            self.problems.append(text)

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and URL_PREFIX in response.url:
            self.problems.append(f"{response.status} {response.url}")


def what_is_wrong(page: Page | Frame) -> Sequence[str]:
    """What can be measured of a page's looks and access; nothing where all is well."""
    found: Sequence[str] = page.evaluate(_LOOK)
    return found
