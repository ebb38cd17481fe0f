// Buttons that do something: asked first if they say so, posted, and answered with what truly happened.
"use strict";
(() => {
  const STATES = { success: "ok", error: "error", running: "idle" };
  const LIFETIME = 8000;
  const dialog = document.getElementById("confirm");

  const toast = (status, message) => {
    const state = STATES[status] || "error";
    const box = document.createElement("p");
    const mark = document.createElement("i");
    box.className = `toast ${state}`;
    mark.className = `mark ${state}`;
    box.append(mark, `${status}: ${message}`);
    document.getElementById("toasts").append(box);
    setTimeout(() => box.remove(), LIFETIME);
  };

  const agreed = (question, title) => {
    if (!question) return Promise.resolve(true);
    document.getElementById("confirm-text").textContent = question;
    document.getElementById("confirm-yes").textContent = title;
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((answer) => {
      dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
    });
  };

  const post = async (address) => {
    const response = await fetch(address, { method: "POST", credentials: "same-origin", headers: { Accept: "application/json" } });
    const answer = await response.json().catch(() => ({}));
    if (answer.status) return [answer.status, answer.message || ""];
    return ["error", answer.error?.message || `the server answered ${response.status}`];
  };

  const run = async (button) => {
    const { action, confirm } = button.dataset;
    const title = button.textContent.trim();
    if (!(await agreed(confirm, title))) return;
    button.disabled = true;
    try {
      toast(...(await post(action)));
    } catch {
      toast("error", `${title}: the server could not be reached`);
    } finally {
      button.disabled = false;
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (!button) return;
    if (document.body.dataset.role === "viewer") toast("error", "only operators can run actions");
    else run(button);
  });
})();
