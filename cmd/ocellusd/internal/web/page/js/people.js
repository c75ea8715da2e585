// People: who is known by their face. Pictures are sent to be looked at and are not kept.

import { del, get, may, send } from "./api.js";
import { busy, confirmed, field, fill, form, h, notice, s, toast } from "./dom.js";
import { card } from "./events.js";
import { plural, sentence, when } from "./format.js";

const initials = (name) => name.split(/\s+/).map((w) => w[0]).slice(0, 2).join("").toUpperCase();

function person(p, reload) {
  const forget = may("operator") ? h("button", { type: "button", class: "danger-text", "aria-label": `Forget ${p.name}`, onclick: () => busy(forget, async () => {
    if (!(await confirmed(`Forget ${p.name}?`, `The key of ${p.name}’s face is destroyed: nothing can bring it back. Events that name ${p.name} stay until they are deleted.`, "Forget"))) return;
    await del(`/people/${encodeURIComponent(p.name)}`);
    toast(`${p.name} is forgotten.`);
    await reload();
    document.querySelector("main h1").focus();
  }) }, "Forget") : null;
  return h("li", { class: "card person" }, h("span", { class: "avatar big", "aria-hidden": "true" }, initials(p.name)),
    h("div", { class: "grow" }, h("h3", null, p.name),
      h("p", { class: "muted" }, p.templates ? `${plural(p.templates, "picture")} · since ${when(p.enrolled)}` : "Has to be enrolled again: another network is in use"),
      h("a", { href: `#/events?name=${encodeURIComponent(p.name)}` }, "Events", h("span", { class: "unseen" }, ` of ${p.name}`))),
    forget);
}

// enrol is the form by which pictures make somebody known.
function enrol(reload) {
  const chosen = h("ul", { class: "previews", "aria-label": "Chosen pictures" });
  const file = h("input", { type: "file", name: "picture", accept: "image/*", multiple: true, required: true, onchange: () => previews(chosen, file.files) });
  return form({ class: "card stack", "aria-labelledby": "enrol" }, async (data, el) => {
    const name = data.get("name").trim();
    data.set("name", name);
    if (file.files.length > 10) throw Object.assign(new Error("At most ten pictures at once."), { name: "Problem" });
    await send("/people", data);
    toast(`${name} is known now.`, "good");
    el.reset();
    fill(chosen);
    await reload();
  },
  h("h2", { id: "enrol" }, "Make somebody known"),
  field("Name", h("input", { name: "name", required: true, maxlength: 64, autocomplete: "off" })),
  field("Pictures of the face", file, "One face each, up to ten, from different sides. The device keeps numbers that tell faces apart, encrypted, and no picture."),
  chosen,
  h("button", { type: "submit", class: "primary" }, "Enrol"));
}

function previews(list, files) {
  fill(list, [...files].slice(0, 10).map((f) => {
    const img = h("img", { src: URL.createObjectURL(f), alt: f.name });
    img.addEventListener("load", () => URL.revokeObjectURL(img.src));
    return h("li", null, img);
  }));
}

// identify asks whose the faces in a picture are.
function identify() {
  const out = h("div", { role: "status" });
  const file = h("input", { type: "file", name: "picture", accept: "image/*", required: true });
  return form({ class: "card stack", "aria-labelledby": "identify" }, async () => {
    const { faces } = await send("/identify", file.files[0]);
    const img = h("img", { src: URL.createObjectURL(file.files[0]), alt: "The picture that was looked at" });
    const frame = h("div", { class: "snapshot" }, img);
    img.addEventListener("load", () => {
      URL.revokeObjectURL(img.src);
      frame.append(s("svg", { viewBox: `0 0 ${img.naturalWidth} ${img.naturalHeight}`, "aria-hidden": "true" },
        faces.map((f) => s("rect", { x: f.box[0], y: f.box[1], width: f.box[2], height: f.box[3], rx: 3, "vector-effect": "non-scaling-stroke" }))));
    });
    fill(out, frame, faces.length ? h("ul", { class: "plain-list" }, faces.map((f) => h("li", null, h("strong", null, f.name === "unknown" ? "Someone unknown" : f.name),
      f.reason ? `: ${f.reason}` : ` · similarity ${f.similarity.toFixed(2)}`))) : h("p", null, "No face is seen in it."));
  },
  h("h2", { id: "identify" }, "Who is this?"),
  field("A picture", file, "It is looked at and not kept."),
  h("button", { type: "submit" }, "Look"), out);
}

export async function show(root, at, signal) {
  const list = h("div");
  async function reload() {
    const got = await get("/people", signal);
    fill(list, got.available ? null : notice("Faces are not set up", h("p", null, sentence(got.why || "there is no network for faces")),
      h("p", null, "Name a detector and an embedder under tasks.faces in the settings, or send them on the page ", h("a", { href: "#/models" }, "Models"), ".")),
    got.people.length ? h("ul", { class: "people-list" }, got.people.map((p) => person(p, reload))) :
      h("p", { class: "empty" }, "Nobody is known. Whoever you make known is named in events; everybody else stays unknown."),
    got.available ? h("p", { class: "hint" }, `A face is somebody’s from a similarity of ${got.threshold.toFixed(2)} on.`) : null);
    forms.hidden = !got.available;
    if (got.available && may("operator")) await strangers();
  }
  const seen = h("section", { "aria-labelledby": "strangers", hidden: true });
  async function strangers() {
    const { events } = await get("/events?kind=face_unknown&limit=6", signal);
    seen.hidden = !events.length;
    fill(seen, h("h2", { id: "strangers" }, "Seen lately and not known"), h("ol", { class: "timeline" }, events.map((e) => card(e))));
  }
  const forms = h("div", { class: "two", hidden: true }, may("operator") ? [enrol(reload), identify()] : null);
  fill(root, list, seen, forms);
  await reload();
}
