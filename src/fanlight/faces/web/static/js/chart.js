// <fan-chart data="{...}">: lines over time by uPlot. An update changes the attribute and only sets new data; the cursor and the zoom are
// shared by all charts of the page.
"use strict";
(() => {
  const SHARED = ["mousemove", "mouseleave", "mouseenter"];
  const LEAST_DRAG = 6;
  const charts = new Set();
  const resized = new ResizeObserver((entries) => entries.forEach((entry) => entry.target.fit()));
  let zoomed = null;

  const LIVE_STEP = 5; // seconds a point of the live window covers; longer ones have finer ones behind them

  // The address says what is looked at, so that it can be reloaded and passed on.
  const address = (range) => {
    const url = new URL(location);
    for (const name of ["from", "to", ...(range ? ["range"] : [])]) url.searchParams.delete(name);
    if (range) for (const [place, name] of ["from", "to"].entries()) url.searchParams.set(name, range[place].toFixed(3));
    return url;
  };
  const zoom = (range) => {
    if (zoomed || range) history.replaceState(history.state, "", address(range));
    zoomed = range;
    for (const chart of charts) chart.zoom();
  };
  const shape = (model) => JSON.stringify([model.unit, model.lines.map((line) => [line.name, line.tone, line.unit, line.fill])]);

  class FanChart extends HTMLElement {
    static observedAttributes = ["data"];

    connectedCallback() {
      charts.add(this);
      resized.observe(this);
      this.build();
    }
    disconnectedCallback() {
      charts.delete(this);
      resized.unobserve(this);
      this.drop();
    }
    attributeChangedCallback() {
      if (!this.plot) return;
      const before = shape(this.model);
      this.read();
      if (shape(this.model) !== before) return this.build();
      this.plot.setData(this.data, !zoomed);
      if (zoomed) this.plot.redraw();
      fanlight.tip.legend(this, this.plot.cursor.idx);
    }

    read() {
      this.model = JSON.parse(this.getAttribute("data"));
      const { start, step, lines } = this.model;
      const length = Math.max(0, ...lines.map((line) => line.values.length));
      this.data = [Array.from({ length }, (_, i) => start + i * step), ...lines.map((line) => line.values)];
    }
    build() {
      this.drop();
      this.read();
      this.plot = new uPlot(this.options(), this.data, this);
      this.tip = fanlight.tip.tip(this.plot);
      if (zoomed) this.zoom();
    }
    drop() {
      this.plot?.destroy();
      this.plot = null;
      this.replaceChildren();
    }
    fit() {
      if (this.plot && this.clientWidth) this.plot.setSize({ width: this.clientWidth, height: this.clientHeight });
    }
    options() {
      return {
        ...fanlight.look.parts(this.model),
        width: this.clientWidth || 300,
        height: this.clientHeight || 186,
        legend: { show: false },
        cursor: {
          y: false, points: { size: 6 }, drag: { x: true, y: false, setScale: false }, bind: { dblclick: () => () => zoom(null) },
          sync: { key: "fanlight", filters: { pub: (type) => SHARED.includes(type) } },
        },
        hooks: {
          setCursor: [(plot) => this.tip && plot === this.plot && fanlight.tip.point(this)],
          setSelect: [(plot) => this.selected(plot)],
          draw: [(plot) => fanlight.look.marks(plot, this.model)],
        },
      };
    }

    selected(plot) {
      const { left, width } = plot.select;
      if (width < LEAST_DRAG) return;
      const range = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
      plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
      if (this.model.step > LIVE_STEP) location.assign(address(range));
      else zoom(range);
    }
    zoom() {
      this.querySelector(".zoom")?.remove();
      if (!zoomed) return this.plot.setData(this.data, true);
      this.plot.setScale("x", { min: zoomed[0], max: zoomed[1] });
      const bar = this.appendChild(document.createElement("div"));
      bar.className = "zoom";
      if (this.model.select) bar.append(this.spanLink());
      const reset = bar.appendChild(document.createElement("button"));
      reset.textContent = "Reset zoom";
      reset.addEventListener("click", () => zoom(null));
    }
    spanLink() {
      const link = document.createElement("a");
      const { select } = this.model;
      const [from, to] = zoomed.map((at) => at.toFixed(3));
      link.href = `${select}${select.includes("?") ? "&" : "?"}from=${from}&to=${to}`;
      link.textContent = "Show what happened here →";
      return link;
    }
  }

  const repaint = () => {
    fanlight.look.forget();
    for (const chart of charts) chart.build();
  };
  new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  fanlight.resetZoom = () => zoom(null);
  // After the vendored scripts, which come later.
  document.addEventListener("DOMContentLoaded", () => customElements.define("fan-chart", FanChart));
})();
