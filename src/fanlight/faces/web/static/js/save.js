// Saving a chart as PNG: its SVG, drawn by the browser at twice its size. Without scripts the link gives the SVG.
"use strict";
(() => {
  const SCALE = 2;

  const drawn = async (address) => {
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    const canvas = document.createElement("canvas");
    canvas.width = picture.naturalWidth * SCALE;
    canvas.height = picture.naturalHeight * SCALE;
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  };

  addEventListener("click", async (event) => {
    const link = event.target.closest?.(".files a");
    if (!link) return;
    link.closest("[popover]").hidePopover();
    if (!("png" in link.dataset)) return;
    event.preventDefault();
    const way = document.createElement("a");
    way.href = URL.createObjectURL(await drawn(link.href));
    way.download = new URL(link.href).pathname.split("/").pop().replace(/\.svg$/, ".png");
    way.click();
    setTimeout(() => URL.revokeObjectURL(way.href), 10000);
  });
})();
