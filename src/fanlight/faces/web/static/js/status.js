// Says how live the page is: the countdown to the next refresh, the time of the last, uptime, instances, badges. Owns the page's one timer.
"use strict";
(() => {
  const TICK = 250;
  const at = (name) => document.querySelector(`[data-${name}]`);
  const put = (element, text) => {
    if (element && element.textContent !== text) element.textContent = text;
  };
  let due = 0;

  const countdown = () => {
    const state = document.getElementById("live").dataset.state;
    if (["reconnecting", "offline", "signed out", "paused"].includes(state)) return `· as of ${at("updated").textContent}`;
    if (state !== "live" || !due) return "";
    const left = Math.max(due - Date.now(), 0) / 1000;
    return `· next in ${fanlight.live.pace() < 5 ? left.toFixed(1) : Math.ceil(left)} s`;
  };
  const tick = () => {
    if (document.hidden) return;
    put(at("next"), countdown());
    fanlight.release();
    fanlight.live.watch();
  };

  const updated = (seconds) => {
    const time = at("updated");
    time.setAttribute("datetime", new Date(seconds * 1000).toISOString());
    put(time, fanlight.local(seconds, false));
  };
  const badges = (counts) => {
    for (const badge of document.querySelectorAll("[data-badge]")) {
      const count = counts[badge.dataset.badge] || 0;
      badge.hidden = !count;
      put(badge, String(count));
    }
  };
  // The stream changes panels in their places; a page that has other panels now is fetched anew.
  const arranged = (names) => {
    const wanted = new Set(names.map((name) => `panel-${name}`));
    const shown = [...document.querySelectorAll("#main .panel[id^=panel-]")].map((panel) => panel.id);
    if (shown.length !== wanted.size || shown.some((id) => !wanted.has(id))) fanlight.live.renew();
  };
  const said = (status) => {
    updated(status.at ?? Date.now() / 1000);
    due = Date.now() + (status.next ?? fanlight.live.pace()) * 1000;
    if (status.instances) put(at("instances"), `${status.instances} ${status.instances === 1 ? "worker" : "workers"}`);
    if (status.uptime) put(at("uptime"), fanlight.span(status.uptime));
    if (status.panels) arranged(status.panels);
    if (status.badges) badges(status.badges);
    if (status.notices) fanlight.notices(status.notices);
    if (status.dropped) {
      at("dropped").hidden = false;
      put(at("dropped"), `${status.dropped} updates dropped`);
    }
  };

  document.addEventListener("status", (event) => {
    if (typeof event.detail?.data === "string") said(JSON.parse(event.detail.data));
  });
  document.addEventListener("fanlight:update", () => said({}));
  document.addEventListener("fanlight:state", tick);
  setInterval(tick, TICK);
})();
