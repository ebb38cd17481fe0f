// Buttons that do something: asked first if they say so, posted with their fields, and answered with what truly happened.
"use strict";
(() => {
  const STATES = { success: "ok", error: "error", running: "idle" };
  const FOLLOW = 1000;
  fanlight.acting = 0;
  const dialog = document.getElementById("confirm");
  const fieldset = document.getElementById("confirm-fields");
  const complaint = document.getElementById("confirm-error");

  const control = (field, given) => {
    if (field.kind === "choice") {
      const select = document.createElement("select");
      if (!field.required && field.default === null) select.append(new Option("", ""));
      for (const choice of field.choices) select.append(new Option(choice, choice));
      if (given !== null) select.value = given;
      return select;
    }
    const input = document.createElement("input");
    input.type = { boolean: "checkbox", text: "text" }[field.kind] || "number";
    if (field.kind === "number") input.step = "any";
    if (field.kind === "boolean") input.checked = given === true;
    else if (given !== null) input.value = given;
    return input;
  };
  const row = (field, given) => {
    const label = document.createElement("label");
    const name = document.createElement("span");
    const input = control(field, given ? (given[field.name] ?? null) : field.default);
    name.textContent = field.title;
    input.name = field.name;
    input.required = field.required && field.kind !== "boolean";
    label.append(name, input);
    return label;
  };
  const value = (field) => {
    const input = fieldset.querySelector(`[name="${field.name}"]`);
    return field.kind === "boolean" ? input.checked : input.value;
  };
  const values = (fields) => {
    const given = fields.map((field) => [field, value(field)]);
    return Object.fromEntries(given.filter(([field, text]) => text !== "" || field.kind === "text").map(([field, text]) => [field.name, text]));
  };

  // The values to send, or null when the answer was no. `given` are those that were refused, and why.
  const asked = (question, title, fields, given, refusal) => {
    if (!question && !fields.length) return Promise.resolve({});
    document.getElementById("confirm-text").textContent = question || title;
    document.getElementById("confirm-yes").textContent = title;
    fieldset.replaceChildren(...fields.map((field) => row(field, given)));
    fieldset.hidden = !fields.length;
    complaint.textContent = refusal ? `Not done: ${refusal}` : "";
    complaint.hidden = !refusal;
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((answer) => {
      dialog.addEventListener("close", () => answer(dialog.returnValue === "yes" ? values(fields) : null), { once: true });
    });
  };

  const get = async (address, options) => {
    const response = await fetch(address, { credentials: "same-origin", ...options });
    const answer = await response.json().catch(() => ({}));
    if (answer.status) return answer;
    const message = answer.error?.message || `the server answered ${response.status}`;
    return { status: "error", message, refused: response.status === 422 };
  };
  const post = (address, given) =>
    get(address, { method: "POST", headers: { Accept: "application/json", "Content-Type": "application/json" }, body: JSON.stringify(given) });

  // Until the answer names its run, nobody can tell whether a notice is about it: it waits.
  const posted = async (action, given) => {
    fanlight.acting += 1;
    try {
      return await post(action, given);
    } finally {
      fanlight.acting -= 1;
    }
  };

  const follow = async (run, title, toast) => {
    for (;;) {
      await new Promise((wait) => setTimeout(wait, FOLLOW));
      const answer = await get(`api/runs/${run}`).catch(() => null);
      if (!answer) continue; // the server is away for a moment
      toast.write(STATES[answer.status] || "error", `${answer.status}: ${answer.status === "running" ? `${title} ${answer.message}` : answer.message}`);
      if (answer.status !== "running") return;
    }
  };

  const run = async (button, before, refusal) => {
    const { action, confirm } = button.dataset;
    const title = button.textContent.trim();
    const fields = JSON.parse(button.dataset.fields || "[]");
    const given = await asked(confirm, title, fields, before, refusal);
    if (!given) return;
    button.disabled = true;
    try {
      const { status, message, run: id, refused } = await posted(action, given);
      if (refused && fields.length) {
        button.disabled = false;
        await run(button, given, message); // nothing that was typed is lost
        return;
      }
      if (id) fanlight.said(id);
      const toast = fanlight.toast(STATES[status] || "error", `${status}: ${message || ""}`, { lasting: true });
      if (status === "running") await follow(id, title, toast);
      toast.end();
    } catch {
      fanlight.toast("error", `error: ${title}: the server could not be reached`);
    } finally {
      button.disabled = false;
    }
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (!button) return;
    const allowed = document.body.dataset.role !== "viewer" || button.dataset.for === "viewer";
    if (allowed) run(button);
    else fanlight.toast("error", "error: only operators can run actions");
  });
})();
