// The device's events as they come, by Server-Sent Events. While the page cannot be seen the connection is closed: browsers allow only a few to one device.

import { get, setOnline } from "./api.js";

const listeners = new Set();
let source = null;
let running = false;

function open() {
  if (source || document.hidden || !running) return;
  source = new EventSource("/api/v1/events/stream");
  source.addEventListener("open", () => {
    setOnline(true);
    for (const l of listeners) if (l.caughtUp) l.caughtUp();
  });
  source.addEventListener("event", (m) => {
    const e = JSON.parse(m.data);
    for (const l of listeners) l.event(e);
  });
  source.addEventListener("error", () => {
    setOnline(false);
    // A refusal ends an EventSource for good: it is tried again later, and asked whether somebody is still logged in.
    if (source && source.readyState === EventSource.CLOSED) {
      close();
      get("/events?limit=1").catch(() => {});
      setTimeout(open, 5000);
    }
  });
}

function close() {
  if (source) source.close();
  source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));

// start begins to listen to the device; stop ends it.
export function start() {
  running = true;
  open();
}

export function stop() {
  running = false;
  close();
}

// listen calls event for each event that comes until the signal, and caughtUp each time when events may have been missed before.
export function listen(signal, event, caughtUp) {
  const l = { event, caughtUp };
  listeners.add(l);
  signal.addEventListener("abort", () => listeners.delete(l));
}
