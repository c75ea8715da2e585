// Live: the cameras, what is seen in them, and what happened last.

import { frameURL, get, may, put, streamURL } from "./api.js";
import { busy, every, fill, h, icon, notice, toast } from "./dom.js";
import { card as eventCard } from "./events.js";
import { listen } from "./events-feed.js";
import { ms, per, words } from "./format.js";
import { editor } from "./shapes.js";

// A browser opens few connections to one device without HTTP/2: then only so many pictures are streams, and the others are asked for one after the other.
const streams = location.protocol === "https:" ? 16 : 2;
const pause = 1000; // from one picture that is asked for to the next

const states = { running: "Live", opening: "Opening", waiting: "Waiting for the camera", frozen: "The picture stands still", stopped: "Stopped" };

let overlay = true;

// tile shows one camera.
function tile(name, signal) {
  const picture = h("img", { class: "picture", alt: `Picture of camera ${name}`, decoding: "async" });
  const state = h("span", { class: "state" });
  const figures = h("p", { class: "figures" });
  const chips = h("ul", { class: "chips", "aria-label": "Looks for" });
  const cover = h("p", { class: "cover" });
  const stop = h("button", { type: "button", class: "plain", onclick: () => { playing = !playing; look(); } });
  const arm = may("operator") ? h("button", { type: "button", class: "plain", onclick: () => busy(arm, async () => {
    await put(`/cameras/${encodeURIComponent(name)}/armed`, { armed: !armed });
    armed = !armed;
    toast(armed ? `${name} makes events.` : `${name} makes no events until you say so.`);
    look();
  }) }) : null;
  const shapes = may("operator") ? h("button", { type: "button", class: "plain", onclick: () => editor(last, frameURL(name, false)) }, icon("shapes"), h("span", null, "Zones")) : null;
  const el = h("article", { class: "camera card", "aria-label": `Camera ${name}` },
    h("div", { class: "stage" }, picture, cover),
    h("div", { class: "camera-line" }, h("h2", null, name), state),
    figures,
    h("div", { class: "camera-line" }, chips, h("div", { class: "row" }, shapes, arm, stop)));

  let playing = true, visible = true, streaming = false, armed = true, last = null, seen = "";

  // look makes the picture, and the names of buttons, what they are to be.
  function look() {
    fill(stop, icon(playing ? "pause" : "play"), h("span", null, playing ? "Pause" : "Play"));
    if (arm) {
      fill(arm, icon("bell"), h("span", null, armed ? "Events on" : "Events off"));
      arm.setAttribute("aria-pressed", armed);
    }
    const on = playing && visible && !document.hidden && !signal.aborted;
    const want = on ? (streaming ? "stream" : "frames") + overlay : "";
    if (want === seen) return;
    seen = want;
    if (!on) picture.src = playing || signal.aborted ? "" : frameURL(name, overlay) + `&at=${Date.now()}`; // either ends a stream
    else if (streaming) picture.src = streamURL(name, overlay);
    else ask();
  }

  function ask() {
    picture.src = frameURL(name, overlay) + `&at=${Date.now()}`;
  }

  picture.addEventListener("load", () => {
    cover.hidden = true;
    if (seen && !streaming) setTimeout(() => { if (seen && !streaming) ask(); }, pause);
  });
  picture.addEventListener("error", () => {
    if (!seen) return;
    cover.hidden = false;
    const tried = seen;
    setTimeout(() => { if (seen === tried) { seen = ""; look(); } }, 2000);
  });
  new IntersectionObserver((list) => { visible = list[list.length - 1].isIntersecting; look(); }).observe(el);
  document.addEventListener("visibilitychange", look, { signal });
  signal.addEventListener("abort", look);

  return {
    el,
    set stream(on) { if (on !== streaming) { streaming = on; look(); } },
    redraw: look,
    // update shows how the camera does.
    update(c) {
      last = c;
      armed = c.armed;
      if (c.width) el.querySelector(".stage").style.aspectRatio = `${c.width} / ${c.height}`;
      fill(state, h("span", { class: `dot ${c.state === "running" ? "good" : c.state === "opening" ? "" : "bad"}`, "aria-hidden": "true" }), states[c.state] || words(c.state));
      const running = c.state === "running";
      fill(cover, running ? "Waiting for a picture…" : c.error || states[c.state] || words(c.state));
      fill(figures, running ? `${per(c.rate)} frames · ${c.width}×${c.height}${c.latency_ms.p50 ? ` · seen after ${ms(c.latency_ms.p50)}` : ""}` : c.error || "");
      fill(chips, c.task_status.map((t) => h("li", { class: t.paused ? "chip off" : "chip", title: t.paused ? "Paused because the device cannot keep up" : null }, words(t.name), t.paused ? " (paused)" : "")));
      look();
    },
  };
}

export async function show(root, at, signal) {
  const grid = h("div", { class: "cameras" });
  const latest = h("ol", { class: "latest" });
  const boxes = h("button", { type: "button", "aria-pressed": String(overlay), onclick: () => {
    overlay = !overlay;
    boxes.setAttribute("aria-pressed", overlay);
    for (const t of tiles.values()) t.redraw();
  } }, icon("boxes"), "Show what is seen");
  const side = h("section", { class: "side", "aria-labelledby": "latest" }, h("div", { class: "head" }, h("h2", { id: "latest" }, "Latest"), h("a", { href: "#/events" }, "All events")), latest);
  const tiles = new Map();
  fill(root, h("div", { class: "tools" }, boxes), h("div", { class: "live-grid" }, grid, side));

  const recent = [];
  function draw() {
    fill(latest, recent.length ? recent.slice(0, 8).map((e) => eventCard(e, { small: true })) : h("li", { class: "empty" }, "Nothing has happened yet. Events appear here as they come."));
  }
  async function catchUp() {
    const page = await get("/events?limit=8", signal);
    recent.splice(0, recent.length, ...page.events);
    draw();
  }
  listen(signal, (e) => {
    recent.unshift(e);
    recent.splice(8);
    draw();
  }, () => catchUp().catch(() => {}));

  await every(2000, signal, async () => {
    const { cameras } = await get("/cameras", signal);
    const names = cameras.map((c) => c.name);
    if (names.join() !== [...tiles.keys()].join()) {
      for (const [name, t] of tiles) if (!names.includes(name)) { t.el.remove(); tiles.delete(name); }
      for (const c of cameras) {
        if (!tiles.has(c.name)) tiles.set(c.name, tile(c.name, signal));
        grid.append(tiles.get(c.name).el);
      }
      grid.dataset.count = cameras.length;
      if (!cameras.length) fill(grid, notice("No camera is set up", h("p", null, "Name one in the settings, under cameras. They are read again when the file changes.")));
    }
    cameras.forEach((c, i) => {
      const t = tiles.get(c.name);
      t.update(c);
      t.stream = i < streams;
    });
  });
  if (!signal.aborted) await catchUp();
}
