// Nothing moves while it is read: a table, feed or log that is hovered, focused, selected from or scrolled away from its new end keeps
// its rows; the newest update waits and is applied when it is left.
"use strict";
(() => {
  const waiting = new Map(); // panel id -> the newest message that holds its update
  const hovers = matchMedia("(hover: hover)");
  const SLACK = 6;

  const atEnd = (box) => box.scrollHeight - box.scrollTop - box.clientHeight < SLACK;
  const away = (box) => ("end" in box.dataset ? !atEnd(box) : box.scrollTop > SLACK);
  const selected = (box) => {
    const selection = getSelection();
    return !selection.isCollapsed && box.contains(selection.anchorNode);
  };
  const reading = (panel) => {
    const box = panel?.matches("[data-hold]") && panel.querySelector(".scroll");
    if (!box) return false;
    const focus = box.querySelector(":focus-visible");
    return Boolean(focus) || (hovers.matches && box.matches(":hover")) || selected(box) || away(box);
  };

  const mark = (panel, held) => {
    const sign = panel.querySelector(".held");
    if (sign && sign.hidden === held) sign.hidden = !held;
  };
  const hold = (panel, text) => {
    waiting.set(panel.id, text);
    mark(panel, true);
  };
  // A poll morphs the whole page: what is being read is put in place of its update.
  const keep = (fragment) => {
    for (const panel of document.querySelectorAll("[data-hold]")) {
      if (reading(panel)) fragment.querySelector(`#${CSS.escape(panel.id)}`)?.replaceWith(panel.cloneNode(true));
    }
  };

  document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
    for (let place = tasks.length - 1; place >= 0; place--) {
      const { type, target, fragment } = tasks[place];
      const other = ctx.only && target?.id !== ctx.only;
      if (type === "main") keep(fragment);
      else if (!other && reading(target)) hold(target, ctx.text);
      else if (!other) {
        waiting.delete(target?.id);
        continue;
      }
      if (type !== "main") tasks.splice(place, 1);
    }
    following = [...document.querySelectorAll("[data-end]")].filter(atEnd);
  });

  let following = [];
  document.addEventListener("htmx:after:swap", () => following.forEach(toEnd));
  const toEnd = (box) => { box.scrollTop = box.scrollHeight; };

  // Applies what waited for panels that are no longer read; called by the page's one timer.
  fanlight.release = () => {
    for (const [id, text] of waiting) {
      const panel = document.getElementById(id);
      if (panel && reading(panel)) continue;
      waiting.delete(id);
      const source = document.getElementById("stream");
      if (panel && source) htmx.swap({ text, only: id, sourceElement: source, swap: "none" });
    }
  };

  const follow = (box) => {
    toEnd(box);
    if (box.contains(document.activeElement)) document.activeElement.blur();
  };
  document.addEventListener("click", (event) => {
    const sign = event.target.closest("[data-follow]");
    if (sign) follow(sign.closest(".panel").querySelector("[data-end]"));
  });
  fanlight.follow = () => document.querySelectorAll("[data-end]").forEach(follow);
  document.querySelectorAll("[data-end]").forEach(toEnd);
})();
