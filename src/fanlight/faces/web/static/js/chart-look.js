// How a chart looks: colours of the theme, axes, lines, deploy markers and limits, as uPlot wants them.
"use strict";
(() => {
  const NAMES = ["muted", "line", "edge", "accent", "second", "ok", "warn", "error"];
  let palette = null;

  // Resolved by the browser, since a custom property may hold light-dark().
  const colours = () => {
    if (palette) return palette;
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.forcedColorAdjust = "none"; // lines stay apart where the system allows few colours
    palette = {};
    for (const name of NAMES) {
      probe.style.color = `var(--${name})`;
      palette[name] = getComputedStyle(probe).color;
    }
    palette.main = palette.accent;
    palette.font = getComputedStyle(document.body).fontFamily;
    probe.remove();
    return palette;
  };
  const faint = (colour) => colour.replace("rgb(", "rgba(").replace(")", ", .13)");

  const range = (_, low, high) => {
    const top = Math.max(high ?? 0, 0);
    return [Math.min(low ?? 0, 0), top ? top * 1.08 : 1];
  };
  const EDGE = 8; // beside the plot, where no axis is
  const LETTER = 6.4; // about what a digit takes
  const timeLabels = (plot, splits) => {
    const days = plot.scales.x.max - plot.scales.x.min > 172_800;
    const step = splits.length > 1 ? splits[1] - splits[0] : Infinity;
    const room = plot.bbox.width / devicePixelRatio + EDGE;
    return splits.map((at) => {
      const date = new Date(at * 1000);
      const clock = fanlight.clock(date);
      const day = days && (step > 43_200 || clock.startsWith("00:00"));
      const text = day ? fanlight.day(date) : clock.slice(0, step < 60 ? 8 : 5);
      const place = plot.valToPos(at, "x");
      // It would touch the lowest label of the other axis, or be cut off at the end.
      return place < 16 || place + (text.length * LETTER) / 2 > room ? "" : text;
    });
  };
  // From one mark of an axis to the next: in powers of two for bytes, in whole numbers for what is counted.
  const STEPS = {
    bytes: Array.from({ length: 50 }, (_, power) => 2 ** power),
    integer: Array.from({ length: 45 }, (_, place) => [1, 2, 5][place % 3] * 10 ** Math.floor(place / 3)),
  };
  const axis = (scale, unit, side) => {
    const { muted, line, font } = colours();
    return {
      ...(STEPS[unit] && { incrs: STEPS[unit] }), scale, side, stroke: muted, font: `11px ${font}`, gap: 7, space: 30, ticks: { show: false }, grid: { stroke: line, width: 1 },
      values: (_, splits) => splits.map((value) => fanlight.tick(value, unit)),
      size: (_, values) => 14 + Math.max(4, ...(values || []).map((text) => String(text).length)) * 6.6,
    };
  };
  const timeAxis = () => ({ ...axis("x", "time", 2), grid: { show: false }, gap: 4, size: 22, space: 74, values: timeLabels });

  // Only points without neighbours: a line cannot show them.
  const lonely = (plot, index) => {
    const values = plot.data[index];
    const found = [];
    values.forEach((value, i) => value != null && values[i - 1] == null && values[i + 1] == null && found.push(i));
    return found;
  };
  const series = ({ name, tone, unit, fill }, usual, repeated) => {
    const stroke = colours()[tone] || colours().main;
    return {
      label: name, scale: unit && unit !== usual ? "second" : "y", stroke, width: 1.4, dash: repeated ? [5, 4] : undefined, fill: fill ? faint(stroke) : undefined,
      points: { show: true, size: 3, filter: lonely },
    };
  };

  const dashed = (ctx, colour, x0, y0, x1, y1) => {
    ctx.strokeStyle = colour;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x0, y0);
    ctx.lineTo(x1, y1);
    ctx.stroke();
  };
  // A marker, and its name where that ends before `room`; where there is room for the next one's.
  const marker = ({ ctx, bbox }, x, text, room) => {
    const ratio = devicePixelRatio;
    const { muted, edge, font } = colours();
    dashed(ctx, edge, x, bbox.top, x, bbox.top + bbox.height);
    ctx.font = `${11 * ratio}px ${font}`;
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    ctx.fillStyle = muted;
    const { width } = ctx.measureText(text);
    const turned = x + width + 8 * ratio > bbox.left + bbox.width;
    const left = x + (turned ? -5 * ratio - width : 5 * ratio);
    if (left + width > room) return room;
    ctx.fillText(text, left, bbox.top + ratio);
    return left - 5 * ratio;
  };
  // The newest first: an older name is left out where it would lie over a newer one.
  const marks = (plot, { markers, limit }) => {
    const { ctx, bbox } = plot;
    let room = Infinity;
    ctx.save();
    for (const { at, text } of [...markers].reverse()) {
      const x = Math.round(plot.valToPos(at, "x", true));
      if (x >= bbox.left && x <= bbox.left + bbox.width) room = marker(plot, x, text, room);
    }
    if (limit !== null && limit <= plot.scales.y.max) {
      const y = Math.round(plot.valToPos(limit, "y", true));
      dashed(ctx, colours().error, bbox.left, y, bbox.left + bbox.width, y);
    }
    ctx.restore();
  };

  // Scales, axes and series of a chart's data.
  const parts = ({ lines, unit }) => {
    const second = lines.find((line) => line.unit && line.unit !== unit);
    const scales = { x: { time: true }, y: { range } };
    const axes = [timeAxis(), axis("y", unit, 3)];
    if (second) {
      scales.second = { range };
      axes.push({ ...axis("second", second.unit, 1), grid: { show: false } });
    }
    return { scales, axes, padding: [8, second ? 0 : EDGE, 0, 0], series: [{}, ...lines.map((line, i) => series(line, unit, lines.slice(0, i).some(({ tone }) => tone === line.tone)))] };
  };

  fanlight.look = { parts, marks, forget: () => { palette = null; } };
})();
