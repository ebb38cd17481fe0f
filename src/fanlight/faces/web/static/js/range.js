// The form for a range of one's own: local times in the fields, epoch seconds in the address, everything else as it is.
"use strict";
(() => {
  const form = document.getElementById("range-form");
  const two = (n) => String(n).padStart(2, "0");
  const local = (seconds) => {
    const at = new Date(seconds * 1000);
    const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
    return `${day}T${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":")}`;
  };
  const epoch = (text) => Date.parse(text) / 1000;

  form.addEventListener("toggle", (event) => {
    if (event.newState !== "open") return;
    const url = new URL(location);
    const now = Date.now() / 1000;
    form.elements.from.value = local(Number(url.searchParams.get("from")) || now - 3600);
    form.elements.to.value = local(Number(url.searchParams.get("to")) || now);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { from, to } = form.elements;
    const early = epoch(from.value) < epoch(to.value);
    to.setCustomValidity(early ? "" : "This is not after the beginning.");
    if (!early) return form.reportValidity();
    const url = new URL(location);
    url.searchParams.delete("range");
    url.searchParams.set("from", epoch(from.value));
    url.searchParams.set("to", epoch(to.value));
    location.assign(url);
  });
  form.addEventListener("input", () => form.elements.to.setCustomValidity(""));
})();
