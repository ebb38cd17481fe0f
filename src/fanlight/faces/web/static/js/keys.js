// The keyboard: one key each, never while typing, never with a modifier.
"use strict";
(() => {
  const keys = document.getElementById("keys");
  let going = 0; // until when the letter after g counts

  const filter = () => {
    const field = document.querySelector("[data-filter]") || document.querySelector(".filters select");
    field?.focus();
    field?.select?.();
  };
  const go = (letter) => document.querySelector(`[data-key="${CSS.escape(letter)}"]`)?.click();
  const KEYS = {
    p: () => fanlight.pause(),
    t: () => fanlight.nextTheme(),
    "/": filter,
    "?": () => keys.showModal(),
    g: () => { going = Date.now() + 1500; },
    0: () => fanlight.resetZoom?.(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    if (event.key === "End" && event.target.closest("[data-end]")) fanlight.follow();
    else if (going > Date.now()) {
      going = 0;
      go(event.key);
    } else if (KEYS[event.key]) {
      event.preventDefault();
      KEYS[event.key]();
    }
  });
  document.addEventListener("click", (event) => {
    const skip = event.target.closest("[data-skip]");
    if (!skip) return;
    event.preventDefault();
    document.getElementById("main").focus();
  });
})();
