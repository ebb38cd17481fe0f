// Tells what happened wherever the viewer is: a word at the corner, and, when allowed and looked away from, the browser's notification.
"use strict";
(() => {
  const box = document.getElementById("notify");
  const why = document.getElementById("notify-why");
  const possible = "Notification" in window && isSecureContext;
  const painted = Date.parse(document.querySelector("[data-updated]").dateTime) / 1000;
  let first = true;

  const stored = () => {
    try {
      return localStorage.getItem("fanlight.notify") === "1";
    } catch {
      return false;
    }
  };
  const remember = (on) => {
    try {
      if (on) localStorage.setItem("fanlight.notify", "1");
      else localStorage.removeItem("fanlight.notify");
    } catch {
      // No storage: the choice holds for this page.
    }
  };
  const show = () => {
    box.disabled = !possible || Notification.permission === "denied";
    box.checked = possible && wanted && Notification.permission === "granted";
    why.textContent = !possible ? "needs HTTPS" : Notification.permission === "denied" ? "blocked by the browser" : "";
    why.hidden = !why.textContent;
  };
  let wanted = stored();

  fanlight.notifying = () => possible && wanted && Notification.permission === "granted";
  // What was there when the page came is not news.
  fanlight.notices = (notices) => {
    for (const { key, at, text, type, state } of [...notices].reverse()) {
      if (first && at <= painted) fanlight.said(key);
      else if (type === "action" && fanlight.acting) continue; // the answer is about to tell it
      else if (fanlight.toast(state || "idle", `${type}: ${text}`, { key }) && document.hidden && fanlight.notifying()) {
        new Notification(`${document.title}: ${type}`, { body: text, tag: key });
      }
    }
    first = false;
  };

  box.addEventListener("change", async () => {
    wanted = box.checked;
    if (wanted && Notification.permission !== "granted") await Notification.requestPermission();
    wanted = wanted && Notification.permission === "granted";
    remember(wanted);
    show();
  });
  show();
})();
