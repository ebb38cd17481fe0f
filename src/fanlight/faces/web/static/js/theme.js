// Sets the viewer's theme before anything is painted. Loaded in the head, blocking, so it stays this small.
(() => {
  try {
    const theme = localStorage.getItem("fanlight.theme");
    if (["auto", "dark", "light", "terminal"].includes(theme)) document.documentElement.dataset.theme = theme;
  } catch {
    // No storage (private mode): the page's own theme stays.
  }
})();
