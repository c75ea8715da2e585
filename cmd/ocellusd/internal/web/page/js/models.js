// Models: the networks that are there, which of them look, and what lessons changed.

import { del, get, may, post, send } from "./api.js";
import { busy, choose, confirmed, field, fill, form, h, toast } from "./dom.js";
import { table } from "./teach.js";
import { when, words } from "./format.js";

const tasks = {
  pedestrians: ["People", "Finds people in the picture"],
  second_opinion: ["Second opinion", "Says of each detection whether it is a person; this is what lessons teach"],
  scene: ["Scene", "Names the parts of the picture"],
  face_detector: ["Faces: finding", "Finds faces in the picture"],
  face_embedder: ["Faces: telling apart", "Turns a face into numbers that tell people apart"],
};

const title = (m) => (m.version === "built-in" ? "Built in" : `Version ${m.version}`);

function row(m, newer, reload) {
  const name = (tasks[m.task] || [words(m.task)])[0];
  const back = newer ? "Roll back" : "Use";
  const use = may("admin") && !m.active ? h("button", { type: "button", "aria-label": `${back} ${newer ? "to" : ""} ${title(m).toLowerCase()} of ${name}`.replace("  ", " "), onclick: () => busy(use, async () => {
    await post(`/models/${m.task}/activate`, { version: m.version });
    toast(`${name}: ${title(m).toLowerCase()} is in use.`, "good");
    await reload();
    document.querySelector("main h1").focus();
  }) }, back) : null;
  const remove = may("admin") && !m.active && m.version !== "built-in" && m.task !== "second_opinion" ? h("button", { type: "button", class: "plain danger-text", "aria-label": `Remove ${title(m).toLowerCase()} of ${name}`, onclick: () => busy(remove, async () => {
    if (!(await confirmed(`Remove ${title(m).toLowerCase()}?`, "The file is deleted from the device.", "Remove"))) return;
    await del(`/models/${m.task}/${m.version}`);
    await reload();
    document.querySelector("main h1").focus();
  }) }, "Remove") : null;
  return h("li", { class: m.active ? "model in-use" : "model" },
    h("div", { class: "head" }, h("div", null, h("h3", null, title(m), m.active ? h("span", { class: "badge good" }, "In use") : null),
      h("p", { class: "muted" }, words(m.source), m.time ? `, ${when(m.time)}` : "", m.sha256 ? h("span", { class: "code", title: `SHA-256 ${m.sha256}` }, " " + m.sha256.slice(0, 12)) : null)),
    h("div", { class: "row" }, remove, use)),
    table(m.figures, `${name}, ${title(m).toLowerCase()}: before and after`));
}

export async function show(root, at, signal) {
  const list = h("div");
  async function reload() {
    const { models } = await get("/models", signal);
    const order = [...new Set([...Object.keys(tasks), ...models.map((m) => m.task)])].filter((t) => models.some((m) => m.task === t));
    fill(list, order.map((t) => {
      const [name, about] = tasks[t] || [words(t), ""];
      const number = (m) => (m.version === "built-in" ? 0 : Number(m.version));
      const here = models.filter((m) => m.task === t).sort((a, b) => number(b) - number(a));
      const active = here.find((m) => m.active);
      return h("section", { class: "card task", "aria-labelledby": `task-${t}` }, h("h2", { id: `task-${t}` }, name), h("p", { class: "muted" }, about),
        h("ul", { class: "plain-list" }, here.map((m) => row(m, active && number(m) < number(active), reload))));
    }), order.length ? null : h("p", { class: "empty" }, "There is no network. Send one below."));
  }
  fill(root, list, may("admin") ? upload(reload) : null);
  await reload();
}

function upload(reload) {
  const file = h("input", { type: "file", accept: ".onnx", required: true });
  return form({ class: "card stack", "aria-labelledby": "send" }, async (data, el) => {
    await send(`/models?task=${data.get("task")}`, file.files[0]);
    toast("The network was read and kept. It is not in use yet.", "good");
    el.reset();
    await reload();
  },
  h("h2", { id: "send" }, "Send a network"),
  field("For", choose({ name: "task", required: true }, Object.entries(tasks).filter(([t]) => t !== "second_opinion").map(([t, [name]]) => [t, name]), "pedestrians")),
  field("ONNX file", file, "It is read and checked before it is kept, and used only when you say so."),
  h("button", { type: "submit" }, "Send"));
}
