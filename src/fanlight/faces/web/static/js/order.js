// Rows keep their order while somebody is there: an update of a sorted table changes values in place, new rows come last. The server's order is
// taken when asked for (a click on a header loads the page anew) or when nobody has touched the page for a minute.
"use strict";
(() => {
  const ALONE = 60_000;
  let touched = Date.now();
  for (const name of ["pointermove", "pointerdown", "keydown", "wheel", "scroll"]) {
    addEventListener(name, () => { touched = Date.now(); }, { passive: true });
  }

  const keep = (panel, fragment) => {
    const body = fragment.querySelector("tbody");
    if (!body) return;
    const places = new Map([...panel.querySelectorAll("tbody tr")].map((row, place) => [row.id, place]));
    const place = (row) => places.get(row.id) ?? places.size;
    body.append(...[...body.rows].sort((one, other) => place(one) - place(other)));
  };

  document.addEventListener("htmx:before:swap", (event) => {
    if (Date.now() - touched > ALONE) return;
    for (const { type, target, fragment } of event.detail.tasks) {
      if (type === "partial" && target?.matches("[data-ordered]")) keep(target, fragment);
    }
  });
})();
