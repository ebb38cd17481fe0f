// A narrow window shows some of the tabs: the current one is among them.
"use strict";
(() => {
  const current = document.querySelector(".tabs [aria-current]");
  if (current) current.parentElement.scrollLeft = current.offsetLeft - (current.parentElement.clientWidth - current.offsetWidth) / 2;
})();
