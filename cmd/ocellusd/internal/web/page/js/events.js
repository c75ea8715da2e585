// Events: what happened, by day, with filters; each opens, and people say whether it is right.

import { del, get, may, post, query, snapshotURL } from "./api.js";
import { busy, choose, confirmed, dialog, field, fill, form, h, icon, notice, s, toast } from "./dom.js";
import { listen } from "./events-feed.js";
import { ago, day, duration, key, kindIcon, kinds, share, time, title, tone, when, words } from "./format.js";

const verdicts = { right: "Right", wrong: "Wrong" };

// thumb is the part of a snapshot that an event is about.
function thumb(e) {
  if (!e.snapshot) return h("span", { class: `thumb none ${tone(e)}` }, icon(kindIcon(e)));
  const img = h("img", { class: "thumb", alt: "", loading: "lazy", decoding: "async", src: snapshotURL(e) });
  img.addEventListener("load", () => {
    if (!e.box) return;
    const W = img.naturalWidth, H = img.naturalHeight, [x, y, w, h] = e.box;
    const percent = (part, whole) => `${((100 * Math.min(whole, Math.max(0, part))) / whole).toFixed(1)}%`;
    img.style.objectPosition = `${percent(x + w / 2, W)} ${percent(y + h / 2, H)}`;
    // Browsers that can show a part of a picture come closer.
    const high = Math.min(H, Math.max(1.5 * h, 1.1 * w, H / 3)), wide = Math.min(W, 1.4 * high);
    const left = Math.min(Math.max(0, x + w / 2 - wide / 2), W - wide), top = Math.min(Math.max(0, y + h / 2 - high / 2), H - high);
    img.style.objectViewBox = `inset(${percent(top, H)} ${percent(W - left - wide, W)} ${percent(H - top - high, H)} ${percent(left, W)})`;
  });
  return img;
}

function badge(e) {
  if (!e.feedback) return null;
  return h("span", { class: `badge ${e.feedback === "right" ? "good" : "bad"}` }, icon(e.feedback === "right" ? "check" : "cross"), verdicts[e.feedback]);
}

// card is an event in a list. Small ones say how long ago it was.
export function card(e, { small, search } = {}) {
  return h("li", { class: `event ${small ? "small" : ""}`, "data-id": e.id },
    h("a", { href: `#/events/${e.id}${search || ""}` },
      thumb(e),
      h("span", { class: "event-text" },
        h("span", { class: `event-title ${tone(e)}` }, icon(kindIcon(e)), h("span", null, title(e))),
        h("span", { class: "event-where" }, e.camera, " · ", h("time", { datetime: e.time }, small ? `${time(e.time)}, ${ago(e.time)}` : time(e.time)))),
      badge(e)));
}

// enrolForm gives the face of an event a name.
function enrolForm(e, done) {
  return form({ class: "inline", "aria-label": "Make this face known" }, async (data) => {
    const name = data.get("name").trim();
    await post("/people", { name, event: e.id });
    toast(`${name} is known now.`, "good");
    done();
  },
  field("Who is this?", h("input", { name: "name", required: true, maxlength: 64, autocomplete: "off" })),
  h("button", { type: "submit", class: "primary" }, "Enrol"));
}

// picture is the snapshot of an event, with the box that it is about.
function picture(e) {
  if (!e.snapshot) return h("p", { class: "empty" }, "No picture was kept of this event.");
  const img = h("img", { src: snapshotURL(e), alt: `${title(e)}, camera ${e.camera}` });
  const frame = h("div", { class: "snapshot" }, img);
  img.addEventListener("load", () => {
    if (!e.box) return;
    const [x, y, w, hh] = e.box;
    frame.append(s("svg", { viewBox: `0 0 ${img.naturalWidth} ${img.naturalHeight}`, "aria-hidden": "true" },
      s("rect", { class: "halo", x, y, width: w, height: hh, rx: 3, "vector-effect": "non-scaling-stroke" }),
      s("rect", { x, y, width: w, height: hh, rx: 3, "vector-effect": "non-scaling-stroke" })));
  });
  return frame;
}

// facts lists what is known of an event.
function facts(e) {
  const rows = [["When", when(e.time) + ", " + ago(e.time)], ["Camera", e.camera]];
  if (e.zone) rows.push([e.kind === "line_crossed" ? "Line" : "Zone", e.zone]);
  if (e.label && e.kind === "line_crossed") rows.push(["Direction", e.label]);
  if (e.score && e.kind !== "scene_changed") rows.push(["Score", share(e.score)]);
  if (e.data && e.data.second) rows.push(["Second opinion", share(e.data.second)]);
  if (e.data && e.data.stay_s) rows.push(["Stayed", duration(e.data.stay_s)]);
  if (e.similarity) rows.push([e.name ? `Similarity to ${e.name}` : "Most alike", e.similarity.toFixed(2)]);
  if (e.kind === "scene_changed" && e.data && e.data.after) {
    const names = [...new Set([...Object.keys(e.data.before || {}), ...Object.keys(e.data.after)])];
    for (const n of names) rows.push([words(n), `${share((e.data.before || {})[n] || 0)} → ${share(e.data.after[n] || 0)}`]);
  }
  return h("dl", { class: "facts" }, rows.map(([k, v]) => h("div", null, h("dt", null, k), h("dd", null, v))));
}

// judge is the pair of buttons by which people say whether an event is right.
function judge(e, changed) {
  const says = h("p", { class: "hint", role: "status" });
  const buttons = Object.entries(verdicts).map(([v, text]) => {
    const b = h("button", { type: "button", class: `verdict ${v}`, "aria-pressed": e.feedback === v, onclick: () => busy(b, async () => {
      const verdict = e.feedback === v ? "" : v;
      const out = await post(`/events/${e.id}/feedback`, { verdict });
      e.feedback = verdict;
      for (const other of buttons) other.setAttribute("aria-pressed", other === b && verdict !== "");
      fill(says, verdict === "" ? "Taken back." : out.example ? `Noted. It is an example to learn from: ${words(out.label).toLowerCase()}.` : `Noted. ${out.reason ? "It is no example: " + out.reason + "." : ""}`);
      changed(e);
    }) }, icon(v === "right" ? "check" : "cross"), text);
    return b;
  });
  return h("section", { "aria-labelledby": "judge" }, h("h3", { id: "judge" }, "Is this right?"), h("div", { class: "row" }, buttons), says);
}

// here says whether the address is that of this place still, and of an event of it where an id is given: it can be another already while news of that is on its way.
function here(id) {
  const [place, item] = location.hash.replace(/^#\/?/, "").split("?")[0].split("/").map(decodeURIComponent);
  return place === "events" && (id === undefined || item === String(id));
}

export async function show(root, at, signal) {
  opened = () => false; // until the list is there
  const params = Object.fromEntries(["camera", "kind", "name", "day", "feedback"].map((n) => [n, at.params.get(n) || ""]));
  const [{ cameras }, known] = await Promise.all([get("/cameras", signal), get("/people", signal).catch(() => ({ people: [] }))]);
  if (signal.aborted) return;
  const list = h("div", { class: "days" });
  const more = h("button", { type: "button", hidden: true, onclick: () => busy(more, () => page(next)) }, "Show earlier ones");
  const fresh = h("button", { type: "button", class: "primary fresh", hidden: true, onclick: () => { scrollTo({ top: 0 }); waiting.splice(0).forEach(put); fresh.hidden = true; } });
  const search = () => query(params);

  const filters = h("form", { class: "filters", "aria-label": "Filter events", onchange: apply, onsubmit: (e) => { e.preventDefault(); apply(); } },
    field("Camera", choose({ name: "camera" }, [["", "All"], ...cameras.map((c) => [c.name, c.name])], params.camera)),
    field("What", choose({ name: "kind" }, [["", "Everything"], ...Object.entries(kinds).map(([k, v]) => [k, v.name])], params.kind)),
    field("Person", choose({ name: "name" }, [["", "Anybody"], ...known.people.map((p) => [p.name, p.name])], params.name)),
    field("Verdict", choose({ name: "feedback" }, [["", "Any or none"], ["none", "None yet"], ["right", "Right"], ["wrong", "Wrong"]], params.feedback)),
    field("Day", h("input", { type: "date", name: "day", value: params.day, max: key(Date.now()) })),
    h("button", { type: "button", onclick: () => { location.hash = "#/events"; } }, "Show all"));

  function apply() {
    const data = new FormData(filters);
    const q = query(Object.fromEntries(data));
    if (here()) history.replaceState(null, "", "#/events" + q);
    Object.assign(params, Object.fromEntries(data));
    reload().catch((err) => { if (err.name === "Problem") fill(list, notice("The events could not be read", h("p", null, err.message))); });
  }

  let next = 0, all = [], waiting = [], turn = 0;

  function section(e, first) {
    const k = key(e.time);
    let box = list.querySelector(`section[data-day="${k}"]`);
    if (!box) {
      box = h("section", { "data-day": k, "aria-labelledby": "day-" + k }, h("h2", { id: "day-" + k }, day(e.time)), h("ol", { class: "timeline" }));
      if (first) list.prepend(box);
      else list.append(box);
    }
    return box.querySelector("ol");
  }

  // put shows an event at the top.
  function put(e) {
    if (all.some((x) => x.id === e.id)) return;
    list.querySelector(".empty")?.remove();
    all.unshift(e);
    section(e, true).prepend(card(e, { search: search() }));
  }

  const matches = (e) => (!params.camera || e.camera === params.camera) && (!params.kind || e.kind === params.kind) && (!params.name || e.name === params.name) &&
    (!params.day || key(e.time) === params.day) && (!params.feedback || params.feedback === "none");

  async function page(before) {
    const mine = turn;
    const span = {};
    if (params.day) {
      const from = new Date(`${params.day}T00:00:00`), to = new Date(from);
      to.setDate(to.getDate() + 1);
      Object.assign(span, { since: from.toISOString(), until: to.toISOString() });
    }
    const got = await get("/events" + query({ camera: params.camera, kind: params.kind, name: params.name, feedback: params.feedback, ...span, before, limit: 50 }), signal);
    if (mine !== turn || signal.aborted) return;
    next = got.next;
    more.hidden = !next;
    for (const e of got.events) {
      if (all.some((x) => x.id === e.id)) continue;
      all.push(e);
      section(e, false).append(card(e, { search: search() }));
    }
    if (!all.length) fill(list, h("p", { class: "empty" }, Object.values(params).some(Boolean) ? "No event is like that." : "Nothing has happened yet."));
  }

  async function reload() {
    turn++;
    all = [];
    waiting = [];
    fresh.hidden = true;
    fill(list);
    await page(0);
  }

  function redraw(e) {
    const i = all.findIndex((x) => x.id === e.id);
    if (i >= 0) all[i] = e;
    list.querySelector(`li[data-id="${e.id}"]`)?.replaceWith(card(e, { search: search() }));
  }

  // open shows one event over the list.
  let pane = null;
  async function open(id) {
    if (pane) {
      pane.keep = true;
      pane.el.close();
      pane = null;
    }
    if (!id) return;
    const e = all.find((x) => String(x.id) === id) || (await get(`/events/${encodeURIComponent(id)}`, signal));
    if (!here(id)) return;
    const i = all.findIndex((x) => x.id === e.id);
    const step = (j, name, text) => h("button", { type: "button", class: "plain", "aria-label": text, disabled: i < 0 || !all[j], onclick: () => { location.hash = `#/events/${all[j].id}${search()}`; } }, icon(name));
    const { el, closed } = dialog(title(e), picture(e), facts(e));
    const mine = (pane = { el });
    el.classList.add("detail");
    if (may("operator")) {
      if (e.kind === "face_unknown" || e.kind === "face_known") el.append(enrolForm(e, () => el.close()));
      el.append(judge(e, redraw));
    }
    const remove = may("operator") ? h("button", { type: "button", class: "plain danger-text", onclick: () => busy(remove, async () => {
      if (!(await confirmed("Delete this event?", "The event, its picture and the example made of it are deleted. This cannot be undone.", "Delete"))) return;
      await del(`/events/${e.id}`);
      all = all.filter((x) => x.id !== e.id);
      list.querySelector(`li[data-id="${e.id}"]`)?.remove();
      toast("Deleted.");
      el.close();
    }) }, "Delete") : null;
    el.append(h("div", { class: "dialog-foot" }, step(i - 1, "left", "The event after this one"), step(i + 1, "right", "The event before this one"), h("span", { class: "grow" }), remove));
    el.addEventListener("keydown", (k) => {
      if (k.target.matches("input, select, textarea")) return;
      const j = k.key === "ArrowLeft" ? i - 1 : k.key === "ArrowRight" ? i + 1 : -1;
      if (i >= 0 && all[j]) location.hash = `#/events/${all[j].id}${search()}`;
    });
    closed.then(() => {
      if (mine.keep || signal.aborted) return;
      pane = null;
      if (!here(e.id)) return;
      history.replaceState(null, "", "#/events" + search());
      list.querySelector(`li[data-id="${e.id}"] a`)?.focus();
    });
  }
  signal.addEventListener("abort", () => {
    opened = () => false;
    if (pane) pane.el.close();
  });

  opened = (now) => {
    const same = Object.keys(params).every((n) => (now.params.get(n) || "") === params[n]);
    if (!same) return false;
    open(now.item).catch((err) => missing(err, now.item));
    return true;
  };
  const missing = (err, id) => {
    if (signal.aborted || !here(id)) return;
    if (err.name !== "Problem") throw err;
    toast(err.status === 404 ? "This event is not there any more." : err.message, "bad");
    history.replaceState(null, "", "#/events" + search());
  };

  listen(signal, (e) => {
    if (!matches(e)) return;
    if (scrollY < 200 && !pane) return put(e);
    waiting.push(e);
    fresh.hidden = false;
    fill(fresh, waiting.length === 1 ? "1 new event" : `${waiting.length} new events`);
  }, () => {
    if (all.length) get("/events?limit=50", signal).then((got) => got.events.reverse().filter(matches).forEach((e) => { if (e.id > all[0].id) put(e); })).catch(() => {});
  });

  fill(root, h("details", { class: "filter-box", open: innerWidth > 700 || Object.values(params).some(Boolean) }, h("summary", null, "Filter"), filters), fresh, list, h("div", { class: "row center" }, more));
  await reload();
  if (at.item) await open(at.item).catch((err) => missing(err, at.item));
}

// changed takes another address of this view; false says that it has to be shown anew.
let opened = () => false;
export const changed = (at) => opened(at);
