// Elements, and the small things of the page that every view has.

const SVG = "http://www.w3.org/2000/svg";

function build(el, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else if (name === "class") el.setAttribute("class", value);
    else if (name === "value") el.value = value;
    else el.setAttribute(name, value === true ? "" : value);
  }
  add(el, children);
  return el;
}

function add(el, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    el.append(child);
  }
}

// h makes an element of HTML. Properties that begin with "on" are listeners; children that are null or false are left out.
export function h(tag, props, ...children) {
  return build(document.createElement(tag), props, children);
}

// s makes an element of SVG.
export function s(tag, props, ...children) {
  return build(document.createElementNS(SVG, tag), props, children);
}

// fill puts children in the place of those that an element has.
export function fill(el, ...children) {
  el.replaceChildren();
  add(el, children);
  return el;
}

// icon is one of the symbols of index.html, for the eye only.
export function icon(name) {
  return s("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, s("use", { href: "#i-" + name }));
}

// toast shows a short line for a while. Screen readers read it out.
export function toast(text, kind) {
  const line = h("p", { class: "toast " + (kind || "") }, text);
  const box = document.getElementById("toasts");
  box.append(line);
  while (box.children.length > 3) box.firstChild.remove();
  setTimeout(() => line.remove(), kind === "bad" ? 9000 : 5000);
}

// every calls f now and then every so many milliseconds, while the page can be seen, until the signal. It waits for f to be done.
export function every(ms, signal, f) {
  let timer;
  async function turn() {
    clearTimeout(timer);
    if (signal.aborted) return;
    if (!document.hidden) {
      try {
        await f();
      } catch (err) {
        if (err.name !== "AbortError" && err.name !== "Problem") throw err;
      }
    }
    if (!signal.aborted) timer = setTimeout(turn, ms);
  }
  signal.addEventListener("abort", () => clearTimeout(timer));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) turn(); }, { signal });
  return turn();
}

// busy runs f while a button cannot be pressed, and shows what went wrong.
export async function busy(button, f) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    await f();
  } catch (err) {
    if (err.name === "Problem") toast(err.message, "bad");
    else if (err.name !== "AbortError") throw err;
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

// form makes a form whose errors are shown at its end. send is called with its FormData.
export function form(props, send, ...children) {
  const error = h("p", { class: "error", role: "alert" });
  const el = h("form", {
    ...props,
    onsubmit: async (e) => {
      e.preventDefault();
      const button = el.querySelector("button[type=submit]");
      if (button.getAttribute("aria-disabled") === "true") return;
      fill(error);
      button.setAttribute("aria-disabled", "true");
      try {
        await send(new FormData(el), el);
      } catch (err) {
        if (err.name !== "Problem") throw err;
        fill(error, err.message);
      } finally {
        button.removeAttribute("aria-disabled");
      }
    },
  }, ...children, error);
  return el;
}

let fields = 0;

// field is an input or a select with its label, and a hint below.
export function field(label, input, hint) {
  if (!input.id) input.id = "f" + ++fields;
  let note = null;
  if (hint) {
    note = h("small", { id: input.id + "-hint" }, hint);
    input.setAttribute("aria-describedby", note.id);
  }
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, note);
}

// choose is a select of [value, text] pairs.
export function choose(props, options, chosen) {
  const el = h("select", props, options.map(([value, text]) => h("option", { value }, text)));
  el.value = chosen || "";
  return el;
}

// dialog opens a window over the page; Escape and its button close it. The promise returned by `closed` is kept when it is closed.
export function dialog(title, ...children) {
  const heading = h("h2", { tabindex: "-1", id: "dialog-title" }, title);
  const el = h("dialog", { "aria-labelledby": "dialog-title" },
    h("div", { class: "dialog-head" }, heading, h("button", { class: "plain", type: "button", "aria-label": "Close", onclick: () => el.close() }, icon("cross"))),
    ...children);
  const closed = new Promise((done) => el.addEventListener("close", () => { el.remove(); done(); }));
  // A press on what is behind closes it too.
  el.addEventListener("click", (e) => { if (e.target === el) el.close(); });
  document.body.append(el);
  el.showModal();
  heading.focus();
  return { el, closed };
}

// confirmed asks whether something is to be done, and says whether it was allowed.
export async function confirmed(title, text, yes) {
  let answer = false;
  const ok = h("button", { type: "button", class: "danger", onclick: () => { answer = true; el.close(); } }, yes);
  const no = h("button", { type: "button", onclick: () => el.close() }, "Cancel");
  const { el, closed } = dialog(title, h("p", null, text), h("div", { class: "row end" }, no, ok));
  el.classList.add("small");
  no.focus();
  await closed;
  return answer;
}

// notice is a box for what is not as it should be, or not there yet.
export function notice(title, ...children) {
  return h("div", { class: "notice" }, h("p", { class: "notice-title" }, title), ...children);
}

// spark draws numbers as a line.
export function spark(values, label) {
  const most = Math.max(...values, 1e-9);
  const points = values.map((v, i) => `${(100 * i) / Math.max(values.length - 1, 1)},${23 - (21 * v) / most}`);
  return s("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", role: "img", "aria-label": label },
    s("polyline", { points: points.join(" "), "vector-effect": "non-scaling-stroke" }));
}
