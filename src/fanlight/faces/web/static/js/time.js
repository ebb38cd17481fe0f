// Times arrive as UTC and become the viewer's own; hovering one says its UTC and its age.
"use strict";
const fanlight = (window.fanlight = {});
(() => {
  const two = (n) => String(n).padStart(2, "0");
  const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const day = (date) => date.toLocaleDateString(undefined, { month: "short", day: "numeric" });

  // A whole second is known to the second, as that of a service's last call.
  const local = (seconds, millis) => {
    const date = new Date(seconds * 1000);
    if (Number.isNaN(date.getTime())) return "–";
    const time = millis && seconds % 1 ? `${clock(date)}.${String(date.getMilliseconds()).padStart(3, "0")}` : clock(date);
    return date.toDateString() === new Date().toDateString() ? time : `${day(date)} ${time}`;
  };

  const age = (seconds) => {
    const past = Date.now() / 1000 - seconds;
    if (past < 1) return "just now";
    const [amount, unit] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([size]) => past >= size);
    return `${Math.floor(past / amount)} ${unit} ago`;
  };

  const seconds = (time) => Date.parse(time.dateTime) / 1000;

  const localise = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      time.textContent = local(seconds(time), !("updated" in time.dataset));
    }
  };

  // Before the swap, so that an unchanged time is an unchanged node and the morph leaves it alone.
  document.addEventListener("htmx:before:swap", (event) => {
    for (const task of event.detail.tasks) localise(task.fragment);
  });
  document.addEventListener("pointerover", (event) => {
    const time = event.target.closest?.("time[datetime]");
    if (time) time.title = `${time.dateTime} · ${age(seconds(time))}`;
  });
  localise(document);
  Object.assign(fanlight, { local, clock, day });
})();
