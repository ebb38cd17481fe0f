// What the viewer chooses for this browser: theme, refresh interval, pause; and filters that apply as soon as one is chosen.
"use strict";
(() => {
  const THEMES = ["auto", "dark", "light", "terminal"];
  const page = document.documentElement;
  const pause = document.getElementById("pause");
  const interval = document.getElementById("interval");
  const remember = (name, value) => {
    try {
      if (value) localStorage.setItem(`fanlight.${name}`, value);
      else localStorage.removeItem(`fanlight.${name}`);
    } catch {
      // No storage: the choice holds for this page.
    }
  };
  const showTheme = () => {
    const radio = document.querySelector(`#themes [value="${page.dataset.theme}"]`);
    if (radio) radio.checked = true;
  };
  const theme = (name) => {
    page.dataset.theme = name;
    remember("theme", name);
    showTheme();
  };

  fanlight.nextTheme = () => theme(THEMES[(THEMES.indexOf(page.dataset.theme) + 1) % THEMES.length]);
  fanlight.pause = () => {
    const paused = fanlight.live.toggle();
    pause.textContent = paused ? "Resume" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
  };

  pause.addEventListener("click", fanlight.pause);
  document.getElementById("themes").addEventListener("change", (event) => theme(event.target.value));
  interval.addEventListener("change", () => {
    remember("interval", interval.value);
    fanlight.live.restart();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });
  // Empty fields and defaults stay out of the address.
  document.addEventListener("formdata", (event) => {
    if (!event.target.matches(".filters")) return;
    for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
  });

  interval.value = String(fanlight.live.chosen() || "");
  showTheme();
})();
