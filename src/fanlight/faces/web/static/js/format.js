// Values as text for charts, by the same rules as the pages (formats.py), so that a legend never says it twice differently.
"use strict";
(() => {
  const SMALLEST = 1e-6;
  const NARROW = "\u202f";
  const LARGE = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
  const BYTES = [[2 ** 40, "TB"], [2 ** 30, "GB"], [2 ** 20, "MB"], [2 ** 10, "kB"]];

  const significant = (value) => {
    const rounded = Number(value.toExponential(2));
    if (Math.abs(rounded) < 5e-7) return "0";
    const decimals = 2 - Math.floor(Math.log10(Math.abs(rounded)));
    return rounded.toFixed(Math.min(Math.max(decimals, 0), 6));
  };
  const bare = (text) => text.replace(/(\.\d*[1-9])0+(?!\d)|\.0+(?!\d)/, "$1");
  const trimmed = (value) => bare(significant(value));
  const scaled = (value, steps) => {
    const step = steps.find(([limit]) => Math.abs(value) >= limit * 0.9995);
    return step && [significant(value / step[0]), step[1]];
  };

  const number = (value) => value > 0 && value < SMALLEST ? ["<0.000001", ""] : (Math.abs(value) >= 10_000 && scaled(value, LARGE)) || [trimmed(value), ""];
  const integer = (value) => {
    if (Math.abs(value) >= 100_000) return scaled(value, LARGE);
    return [String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, NARROW), ""];
  };
  const span = (value) => {
    const whole = Math.floor(value);
    const parts = [[Math.floor(whole / 86400), "d"], [Math.floor(whole / 3600) % 24, "h"], [Math.floor(whole / 60) % 60, "m"], [whole % 60, "s"]];
    const first = parts.findIndex(([amount]) => amount);
    if (first < 0) return "0s";
    return parts.slice(first, first + 2).filter(([amount]) => amount).map(([amount, unit]) => amount + unit).join(" ");
  };
  const seconds = (value) => {
    const size = Math.abs(value);
    if (!size) return ["0", "ms"];
    if (size < 0.0009995) return [trimmed(value * 1e6), "µs"];
    if (size < 0.9995) return [trimmed(value * 1e3), "ms"];
    return size < 99.95 ? [significant(value), "s"] : [span(value), ""];
  };
  const percent = (value) => [Math.abs(value) >= 0.01 || !value ? trimmed(value) : "<0.01", "%"];
  const per = (suffix) => (value) => [number(value).join(""), suffix];
  const UNITS = {
    seconds, integer, percent, bar: seconds, rate: per("/s"), per_minute: per("/min"),
    ratio: (value) => percent(value * 100),
    bytes: (value) => scaled(value, BYTES) || [String(Math.round(value)), "B"],
  };

  const phrase = (value, unit) => {
    if (value === null || value === undefined || !Number.isFinite(value)) return "–";
    const [text, suffix] = (UNITS[unit] || number)(value);
    return suffix ? text + (suffix.startsWith("/") ? "" : " ") + suffix : text;
  };
  fanlight.span = span;
  fanlight.phrase = phrase;
  // On an axis zeros after the point say nothing.
  fanlight.tick = (value, unit) => bare(phrase(value, unit));
})();
