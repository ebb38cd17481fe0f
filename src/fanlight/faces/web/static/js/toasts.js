// Short words at the corner of the page: said politely, over the content, and gone again. A key is said once.
"use strict";
(() => {
  const LIFETIME = 8000;
  const MOST = 5;
  const box = document.getElementById("toasts");
  const said = new Set();

  // Returns what changes the text or ends it; `lasting` ones stay until then.
  fanlight.toast = (state, text, { key = "", lasting = false } = {}) => {
    if (key && said.has(key)) return null;
    if (key) said.add(key);
    const line = document.createElement("p");
    const write = (newState, newText) => {
      const mark = document.createElement("i");
      mark.className = `mark ${newState}`;
      line.className = `toast ${newState}`;
      line.replaceChildren(mark, newText);
    };
    const end = () => setTimeout(() => line.remove(), LIFETIME);
    write(state, text);
    box.append(line);
    while (box.children.length > MOST) box.firstChild.remove();
    if (!lasting) end();
    return { write, end };
  };
  fanlight.said = (key) => said.add(key);
})();
