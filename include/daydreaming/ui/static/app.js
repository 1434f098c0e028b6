"use strict";
// What HTML alone cannot do: follow Airflow's theme, refresh a part of a page, leave Airflow's frame for
// one of its own pages, and move by keyboard. Every page works without it, but for those.
(() => {
  const root = document.documentElement;

  // Airflow keeps the chosen theme in the storage that pages of one origin share.
  const followTheme = () => {
    let theme = null;
    try {
      theme = window.localStorage.getItem("theme");
    } catch {
      // Storage may be forbidden: the system's theme does.
    }
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
    else delete root.dataset.theme;
  };
  followTheme();
  window.addEventListener("storage", followTheme);

  // A part of the page that is fetched again: its answer replaces it, and says itself how often to ask.
  const refresh = async (part) => {
    const wait = Number(part.dataset.every || 0) * 1000;
    if (!wait) return;
    await new Promise((done) => setTimeout(done, wait));
    const now = document.getElementById(part.id);
    if (!now) return;
    if (document.hidden || now.contains(document.activeElement)) return refresh(now);
    try {
      const answer = await fetch(now.dataset.refresh, { headers: { "X-Requested-With": "fetch" } });
      if (answer.status === 401 || answer.status === 403) return window.location.reload();
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(now.id);
        if (fresh && fresh.outerHTML !== now.outerHTML) now.replaceWith(document.adoptNode(fresh));
      }
    } catch {
      // The server may be starting again: ask once more.
    }
    return refresh(document.getElementById(part.id) || part);
  };

  // Airflow's frame forbids a page to open others outside it. Of the same origin, we hand the address to
  // Airflow's own router instead.
  const openInAirflow = (event) => {
    const link = event.target.closest("a[data-airflow]");
    if (!link || window.parent === window || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const outer = window.parent;
    outer.history.pushState(null, "", link.href);
    outer.dispatchEvent(new outer.PopStateEvent("popstate", { state: null }));
  };

  // One letter for the links that carry it, unless somebody types.
  const byKey = (event) => {
    const at = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || at.isContentEditable) return;
    if (["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName)) return;
    const link = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!link) return;
    event.preventDefault();
    if (link.matches("a, button")) link.click();
    else link.focus();
  };

  // A choice is sent when it is made; without this, the form's button does.
  const sendChoice = (event) => {
    const form = event.target.closest("form[data-auto]");
    if (form && event.target.matches("select, input[type=checkbox], input[type=radio]")) form.requestSubmit();
  };

  document.addEventListener("click", openInAirflow);
  document.addEventListener("keydown", byKey);
  document.addEventListener("change", sendChoice);
  document.addEventListener("DOMContentLoaded", () => {
    for (const part of document.querySelectorAll("[data-refresh]")) refresh(part);
  });
})();
