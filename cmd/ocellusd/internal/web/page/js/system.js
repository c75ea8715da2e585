// System: how the device and its cameras do, who may come in, and the settings.

import { del, get, may, post, put, session } from "./api.js";
import { busy, choose, confirmed, dialog, every, field, fill, form, h, spark, toast } from "./dom.js";
import { bytes, duration, ms, per, share, when, words } from "./format.js";

const length = 60; // of the past that is drawn

function tile(name, value, note, past) {
  return h("li", { class: "card figure" }, h("h3", null, name), h("p", { class: "big-number" }, value), note ? h("p", { class: "hint" }, note) : null,
    past && past.length > 1 ? spark(past, `${name} in the last minutes`) : null);
}

export async function show(root, at, signal) {
  const figures = h("ul", { class: "figures-grid" }), cameras = h("div"), tasks = h("div");
  const past = { memory: [], temperature: [], load: [] };
  const keep = (list, v) => { list.push(v); if (list.length > length) list.shift(); };
  fill(root, h("section", { "aria-labelledby": "device" }, h("h2", { id: "device" }, "Device"), figures),
    h("section", { "aria-labelledby": "cameras" }, h("h2", { id: "cameras" }, "Cameras"), cameras),
    h("section", { "aria-labelledby": "tasks" }, h("h2", { id: "tasks" }, "Tasks"), tasks),
    may("admin") ? [users(), tokens(), audit(), settings()] : null);

  await every(3000, signal, async () => {
    const [sys, { cameras: list }] = await Promise.all([get("/system", signal), get("/cameras", signal)]);
    keep(past.memory, sys.memory.process);
    keep(past.load, sys.load.demand);
    if (sys.temperature_c !== null) keep(past.temperature, sys.temperature_c);
    fill(figures,
      tile("Memory", bytes(sys.memory.process), sys.memory.total ? `of this program; ${bytes(sys.memory.available)} of ${bytes(sys.memory.total)} are free` : null, past.memory),
      tile("Disk", bytes(sys.disk.free), `free; events and pictures take ${bytes(sys.disk.used)}`),
      tile("Load", share(sys.load.demand), sys.load.paused.length ? `paused: ${sys.load.paused.join(", ")}` : "of the time that tasks may take", past.load),
      tile("Temperature", sys.temperature_c === null ? "–" : `${sys.temperature_c.toFixed(0)} °C`, sys.temperature_c === null ? "no sensor tells" : null, past.temperature),
      tile("Events", String(sys.events.added), sys.events.lost ? `${sys.events.lost} could not be kept: ${sys.events.error}` : "since the start"),
      outbox(sys.outbox),
      tile("Running", duration(sys.uptime_s), `${sys.version}, ${sys.isa}`));
    fill(cameras, grid("Cameras", ["Camera", "State", "Frames", "Delay, median", "95 %", "99 %", "Dropped", "Opened again"], list.map((c) => [c.name, words(c.state), per(c.rate), ms(c.latency_ms.p50), ms(c.latency_ms.p95), ms(c.latency_ms.p99),
      c.drops, c.restarts])));
    fill(tasks, grid("Tasks", ["Camera", "Task", "Looks", "Time of one", "Errors", ""], list.flatMap((c) => c.task_status.map((t) => [c.name, words(t.name), per(t.rate), ms(t.mean_ms), t.errors, t.paused ? "paused" : ""]))));
  });
}

function outbox(o) {
  if (!o) return null;
  const waits = o.targets.reduce((n, t) => n + t.waiting, 0);
  const bad = o.targets.filter((t) => t.error);
  return tile("To be sent", o.targets.length ? String(waits) : "–", o.targets.length ? bad.map((t) => `${t.name}: ${t.error}`).join("; ") || "to the broker and webhooks" : "no broker and no webhook is set");
}

// grid is a table that can be scrolled sideways where it is too wide.
function grid(caption, head, rows) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${caption}, table` }, h("table", null, h("caption", { class: "unseen" }, caption),
    h("thead", null, h("tr", null, head.map((t) => (t ? h("th", { scope: "col" }, t) : h("td"))))),
    h("tbody", null, rows.map((r) => h("tr", null, r.map((v, i) => (i ? h("td", null, String(v)) : h("th", { scope: "row" }, v))))))));
}

// section is a part that is read when it is opened.
function section(title, load) {
  const body = h("div", { class: "stack" });
  const reload = async () => {
    try {
      fill(body, await load(reload));
    } catch (err) {
      if (err.name !== "Problem") throw err;
      fill(body, h("p", { class: "error" }, err.message));
    }
  };
  return h("details", { class: "card", ontoggle: (e) => { if (e.target.open) reload(); } }, h("summary", null, h("h2", null, title)), body);
}

const roles = [["viewer", "Viewer: looks"], ["operator", "Operator: judges events, enrols people, teaches"], ["admin", "Admin: everything"]];

function users() {
  return section("Users", async (reload) => {
    const { users: list } = await get("/users");
    return [h("ul", { class: "plain-list" }, list.map((u) => {
      const remove = h("button", { type: "button", class: "plain danger-text", "aria-label": `Remove ${u.name}`, onclick: () => busy(remove, async () => {
        if (!(await confirmed(`Remove ${u.name}?`, `${u.name} is logged out and cannot log in any more.`, "Remove"))) return;
        await del(`/users/${encodeURIComponent(u.name)}`);
        await reload();
      }) }, "Remove");
      return h("li", { class: "line" }, h("span", { class: "grow" }, h("strong", null, u.name), ` · ${u.role}`),
        h("button", { type: "button", class: "plain", "aria-label": `Password of ${u.name}`, onclick: () => password(u.name) }, "Password"), u.name === session.user ? null : remove);
    })),
    form({ class: "inline", "aria-label": "Add a user" }, async (data) => {
      await post("/users", { name: data.get("name").trim(), password: data.get("password"), role: data.get("role") });
      await reload();
    },
    field("Name", h("input", { name: "name", required: true, maxlength: 64, autocomplete: "off" })),
    field("Password", h("input", { name: "password", type: "password", required: true, autocomplete: "new-password" })),
    field("Role", choose({ name: "role" }, roles, "viewer")),
    h("button", { type: "submit" }, "Add"))];
  });
}

function password(name) {
  const { el } = dialog(`New password of ${name}`, form({ class: "stack" }, async (data) => {
    await put(`/users/${encodeURIComponent(name)}/password`, { password: data.get("password") });
    toast(`${name} has another password, and must log in again.`, "good");
    el.close();
  },
  field("Password", h("input", { name: "password", type: "password", required: true, autocomplete: "new-password" }), "At least 10 characters."),
  h("button", { type: "submit", class: "primary" }, "Set")));
  el.classList.add("small");
}

function tokens() {
  return section("Tokens of programs", async (reload) => {
    const { tokens: list } = await get("/tokens");
    return [h("p", { class: "muted" }, "A program shows a token to use the API, or to read /metrics."),
      h("ul", { class: "plain-list" }, list.map((t) => {
        const remove = h("button", { type: "button", class: "plain danger-text", "aria-label": `Remove ${t.name}`, onclick: () => busy(remove, async () => {
          if (!(await confirmed(`Remove ${t.name}?`, "Programs that use this token are refused from now on.", "Remove"))) return;
          await del(`/tokens/${t.id}`);
          await reload();
        }) }, "Remove");
        return h("li", { class: "line" }, h("span", { class: "grow" }, h("strong", null, t.name), ` · ${t.role} · since ${when(t.created)}${t.expires ? ` · until ${when(t.expires)}` : ""}`), remove);
      })),
      form({ class: "inline", "aria-label": "Make a token" }, async (data) => {
        const made = await post("/tokens", { name: data.get("name").trim(), role: data.get("role") });
        await reload();
        dialog("The new token", h("p", null, "It is shown this once. Whoever has it may use the API."), h("pre", { tabindex: "0", "aria-label": "Token" }, h("code", null, made.secret)));
      },
      field("Name", h("input", { name: "name", required: true, maxlength: 64, autocomplete: "off" })),
      field("Role", choose({ name: "role" }, roles, "viewer")),
      h("button", { type: "submit" }, "Make"))];
  });
}

function audit() {
  return section("Who did what", async () => {
    const { entries } = await get("/audit?limit=100");
    return grid("Who did what", ["When", "Who", "What", "Whom", ""], entries.map((e) => [when(e.time), e.actor, e.action, e.subject, e.detail || ""]));
  });
}

function settings() {
  return section("Settings", async () => {
    const { text, values } = await get("/config");
    return [h("p", { class: "muted" }, "Without secrets. They are changed in the file; the program reads it again when it changes."),
      text ? h("pre", { tabindex: "0", "aria-label": "Settings file" }, h("code", null, text)) : h("p", null, "There is no file: what the program does by itself is in force."),
      h("details", null, h("summary", null, "All values, defaults included"), h("pre", { tabindex: "0", "aria-label": "All values" }, h("code", null, JSON.stringify(values, null, 2))))];
  });
}
