// What a chart says in text: the legend's values and the tip at the cursor.
"use strict";
(() => {
  const phrase = ({ model }, line, index) => {
    const value = index == null ? line.values.findLast((known) => known !== null) : line.values[index];
    return fanlight.phrase(value, line.unit || model.unit);
  };
  const legend = (chart, index) => {
    const values = chart.closest(".panel")?.querySelectorAll(".legend b") || [];
    chart.model.lines.forEach((line, i) => {
      if (values[i]) values[i].textContent = phrase(chart, line, index);
    });
  };
  const row = (name, text) => {
    const item = document.createElement("li");
    const value = document.createElement("b");
    value.textContent = text;
    item.append(name, value);
    return item;
  };
  const fill = (chart, index) => {
    const time = document.createElement("p");
    time.textContent = fanlight.local(chart.data[0][index], false);
    chart.tip.replaceChildren(time, ...chart.model.lines.map((line) => row(line.name, phrase(chart, line, index))));
  };

  // The cursor moved on this chart or, through the shared cursor, on another.
  const point = (chart) => {
    const { cursor, over } = chart.plot;
    legend(chart, cursor.idx);
    chart.tip.hidden = cursor.idx == null || cursor.left < 0 || !over.matches(":hover");
    if (chart.tip.hidden) return;
    fill(chart, cursor.idx);
    const width = chart.tip.offsetWidth;
    const left = cursor.left > over.clientWidth / 2 ? cursor.left - width - 14 : cursor.left + 14;
    chart.tip.style.left = `${Math.max(0, Math.min(left, over.clientWidth - width))}px`;
  };
  const tip = (plot) => {
    const box = plot.over.appendChild(document.createElement("div"));
    box.className = "tip";
    box.hidden = true;
    return box;
  };

  fanlight.tip = { legend, point, tip };
})();
