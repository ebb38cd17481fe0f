// Keeps the page live. The stream does the work; this decides when it is opened, given up, replaced by polling, and resumed.
// Every failure of any kind (refused, ended, silent, half-open) goes one way: `failed`.
"use strict";
(() => {
  const TRIES_BEFORE_POLLING = 4;
  const LONGEST_WAIT = 10_000;
  const LIVE_AGAIN_AFTER = 30_000;
  const HIDDEN_GRACE = 10_000;
  const root = document.getElementById("live");
  const pattern = document.getElementById("stream");
  const address = pattern.getAttribute("hx-sse:connect");
  const usual = Number(document.body.dataset.interval) || 1;
  let stream = pattern;
  let connection = null;
  let failures = 0;
  let heard = Date.now();
  let paused = false;
  let timer = 0;
  let pollTimer = 0;
  let hiddenTimer = 0;

  const chosen = () => {
    try {
      return Number(localStorage.getItem("fanlight.interval")) || 0;
    } catch {
      return 0;
    }
  };
  const pace = () => chosen() || usual;
  const away = () => document.hidden && !fanlight.notifying(); // who wants to be notified is never away
  const url = () => (chosen() ? `${address}${address.includes("?") ? "&" : "?"}interval=${chosen()}` : address);
  const show = (state) => {
    if (root.dataset.state === state) return;
    root.dataset.state = state;
    root.querySelector("[data-word]").textContent = state;
    document.dispatchEvent(new CustomEvent("fanlight:state", { detail: state }));
  };

  // A closed element is never used again: htmx would reconnect it by itself.
  const close = () => {
    clearTimeout(timer);
    const [old, its] = [stream, connection];
    stream = connection = null;
    if (!old) return;
    htmx.trigger(old, "htmx:abort");
    old.remove();
    its?.abortController?.abort();
  };
  const open = () => {
    close();
    heard = Date.now();
    stream = pattern.cloneNode(false);
    stream.removeAttribute("data-htmx-powered");
    stream.setAttribute("hx-sse:connect", url());
    document.body.append(stream);
    htmx.process(stream);
  };
  const wait = () => Math.min(500 * 2 ** failures, LONGEST_WAIT) * (0.7 + Math.random() * 0.6);
  const failed = () => {
    close();
    if (paused || away()) return;
    failures += 1;
    if (failures < TRIES_BEFORE_POLLING) show("reconnecting");
    else if (!pollTimer) poll();
    timer = setTimeout(open, pollTimer ? LIVE_AGAIN_AFTER : wait());
  };

  const renew = () => htmx.ajax("GET", location.href, { source: "#main", target: "#main", select: "#main", swap: "outerMorph" });
  const poll = () => {
    pollTimer = setTimeout(poll, Math.max(pace(), 5) * 1000);
    if (away()) return;
    renew();
  };
  const stopPolling = () => {
    clearTimeout(pollTimer);
    pollTimer = 0;
  };
  const polled = (response) => {
    if (!pollTimer || connection) return;
    const answered = response?.status < 400;
    const back = answered && root.dataset.state === "offline"; // it was gone, not full
    show(answered ? "polling" : [401, 403].includes(response?.status) ? "signed out" : "offline");
    if (answered) document.dispatchEvent(new CustomEvent("fanlight:update", { detail: {} }));
    if (back) open();
  };

  document.addEventListener("htmx:sse:after:connection", (event) => {
    if (event.target !== stream) return;
    connection = event.detail.connection;
    heard = Date.now();
    stopPolling();
    show("live");
  });
  document.addEventListener("htmx:sse:before:message", (event) => {
    if (event.target !== stream) return;
    heard = Date.now();
    failures = 0;
  });
  document.addEventListener("htmx:sse:close", (event) => event.target === stream && failed());
  // Ends for every first answer, whatever it was: without a connection by now it was no stream.
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx.sourceElement === stream && stream && !connection) failed();
    else if (ctx.sourceElement?.id === "main") polled(ctx.response);
  });

  const resume = () => {
    failures = 0;
    if (!paused) open();
  };
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiddenTimer);
    if (away()) hiddenTimer = setTimeout(close, HIDDEN_GRACE);
    else if (!connection) resume();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && resume());
  addEventListener("online", () => !connection && resume());

  // Called by the page's one timer: a stream that went silent is replaced.
  const watch = () => {
    const silent = Date.now() - heard > 2500 * pace() + 5000;
    if (stream && silent && !away()) failed();
  };
  const toggle = () => {
    paused = !paused;
    if (paused) {
      close();
      stopPolling();
      show("paused");
    } else {
      show("connecting");
      resume();
    }
    return paused;
  };

  // Runs before htmx starts, which then connects the element the page came with.
  pattern.setAttribute("hx-sse:connect", url());
  fanlight.live = { pace, chosen, toggle, watch, renew, restart: () => !paused && resume(), isPaused: () => paused };
})();
