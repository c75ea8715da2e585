// Zones and lines are drawn over a still picture of the camera, by hand or with the arrow keys.

import { put } from "./api.js";
import { busy, dialog, fill, h, icon, s, toast } from "./dom.js";

const clamp = (v) => Math.round(1000 * Math.min(1, Math.max(0, v))) / 1000;
const pct = (v) => `${Math.round(100 * v)} %`;

// editor opens the window in which the zones and lines of a camera are changed.
export function editor(camera, picture) {
  const shapes = [...camera.zones.map((z) => ({ zone: true, name: z.name, points: z.points.map((p) => [...p]) })), ...camera.lines.map((l) => ({ zone: false, name: l.name, points: [[...l.from], [...l.to]] }))];
  const W = camera.width || 16, H = camera.height || 9;
  const canvas = s("svg", { viewBox: `0 0 ${W} ${H}`, class: "shapes", role: "group", "aria-label": "Zones and lines over the picture" });
  const list = h("ul", { class: "plain-list" });
  let chosen = shapes.length ? 0 : -1;

  const name = (stem) => {
    let n = 1;
    while (shapes.some((x) => x.name === `${stem}${n}`)) n++;
    return `${stem}${n}`;
  };

  function addShape(zone) {
    shapes.push(zone ? { zone, name: name("zone"), points: [[0.3, 0.3], [0.7, 0.3], [0.7, 0.8], [0.3, 0.8]] } : { zone, name: name("line"), points: [[0.2, 0.6], [0.8, 0.6]] });
    chosen = shapes.length - 1;
    draw();
    list.lastChild.querySelector("input").focus();
  }

  // handle is a corner that is moved with the pointer or the arrow keys.
  function handle(shape, i) {
    const p = shape.points[i];
    const label = () => `${shape.zone ? `Corner ${i + 1}` : i ? "End" : "Beginning"} of ${shape.name}: ${pct(p[0])} across, ${pct(p[1])} down. Arrow keys move it${shape.zone && shape.points.length > 3 ? ", Delete removes it" : ""}.`;
    const el = s("circle", { class: "handle", cx: p[0] * W, cy: p[1] * H, r: W / 60, tabindex: "0", role: "button", "aria-label": label() });
    function move(x, y) {
      p[0] = clamp(x);
      p[1] = clamp(y);
      el.setAttribute("cx", p[0] * W);
      el.setAttribute("cy", p[1] * H);
      el.setAttribute("aria-label", label());
      outline();
    }
    el.addEventListener("keydown", (e) => {
      const step = e.shiftKey ? 0.05 : 0.01;
      const d = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[e.key];
      if (d) {
        e.preventDefault();
        move(p[0] + d[0], p[1] + d[1]);
      } else if (e.key === "Delete" && shape.zone && shape.points.length > 3) {
        shape.points.splice(i, 1);
        draw();
        canvas.querySelector(".handle").focus();
      }
    });
    el.addEventListener("pointerdown", (e) => {
      e.preventDefault();
      el.focus();
      el.setPointerCapture(e.pointerId);
      const follow = (m) => {
        const box = canvas.getBoundingClientRect();
        move((m.clientX - box.left) / box.width, (m.clientY - box.top) / box.height);
      };
      el.addEventListener("pointermove", follow);
      el.addEventListener("pointerup", () => el.removeEventListener("pointermove", follow), { once: true });
    });
    return el;
  }

  // between adds a corner in the middle of an edge.
  function between(shape, i) {
    const a = shape.points[i], b = shape.points[(i + 1) % shape.points.length];
    const at = [clamp((a[0] + b[0]) / 2), clamp((a[1] + b[1]) / 2)];
    const act = () => {
      shape.points.splice(i + 1, 0, at);
      draw();
      canvas.querySelectorAll(".handle")[i + 1].focus();
    };
    const el = s("circle", { class: "between", cx: at[0] * W, cy: at[1] * H, r: W / 90, tabindex: "0", role: "button", "aria-label": `Add a corner of ${shape.name} after corner ${i + 1}` });
    el.addEventListener("click", act);
    el.addEventListener("keydown", (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); act(); } });
    return el;
  }

  const outlines = s("g"), handles = s("g");
  canvas.append(outlines, handles);

  function outline() {
    fill(outlines, shapes.map((x, k) => {
      const points = x.points.map((p) => `${p[0] * W},${p[1] * H}`).join(" ");
      const cls = `${x.zone ? "zone" : "gate"} ${k === chosen ? "chosen" : ""}`;
      if (x.zone) return s("polygon", { points, class: cls, "vector-effect": "non-scaling-stroke" });
      const [[x0, y0], [x1, y1]] = x.points.map((p) => [p[0] * W, p[1] * H]);
      const len = Math.hypot(x1 - x0, y1 - y0) || 1, n = [-(y1 - y0) / len, (x1 - x0) / len], m = [(x0 + x1) / 2, (y0 + y1) / 2], l = W / 14;
      const tip = [m[0] + n[0] * l, m[1] + n[1] * l], side = [(x1 - x0) / len * l / 3, (y1 - y0) / len * l / 3], foot = [m[0] + n[0] * l * 0.6, m[1] + n[1] * l * 0.6];
      return s("g", { class: cls }, s("polyline", { points, "vector-effect": "non-scaling-stroke" }),
        s("polyline", { points: `${m} ${tip} ${foot[0] + side[0]},${foot[1] + side[1]} ${tip} ${foot[0] - side[0]},${foot[1] - side[1]}`, "vector-effect": "non-scaling-stroke" }));
    }));
  }

  function draw() {
    outline();
    const x = shapes[chosen];
    fill(handles, x ? [x.zone ? x.points.map((_, i) => between(x, i)) : null, x.points.map((_, i) => handle(x, i))] : null);
    fill(list, shapes.map((shape, k) => h("li", { class: `shape ${k === chosen ? "chosen" : ""}` },
      h("input", { value: shape.name, "aria-label": shape.zone ? "Name of the zone" : "Name of the line", maxlength: 32, pattern: "[a-z0-9_\\-]{1,32}", title: "Lower case letters, digits, - and _",
        onfocus: () => { if (chosen !== k) { chosen = k; redrawHandles(); } }, oninput: (e) => { shape.name = e.target.value; } }),
      shape.zone ? h("span", { class: "muted" }, "zone") : h("button", { type: "button", class: "plain", onclick: () => { shape.points.reverse(); draw(); } }, "Turn round"),
      h("button", { type: "button", class: "plain danger-text", "aria-label": `Remove ${shape.name}`, onclick: () => { shapes.splice(k, 1); chosen = Math.min(chosen, shapes.length - 1); draw(); } }, icon("cross")))));
  }

  // redrawHandles shows those of the chosen shape, and leaves the list as it is, so that the focus stays.
  function redrawHandles() {
    outline();
    const x = shapes[chosen];
    fill(handles, [x.zone ? x.points.map((_, i) => between(x, i)) : null, x.points.map((_, i) => handle(x, i))]);
    [...list.children].forEach((li, k) => li.classList.toggle("chosen", k === chosen));
  }

  const save = h("button", { type: "button", class: "primary", onclick: () => busy(save, async () => {
    await put(`/cameras/${encodeURIComponent(camera.name)}/zones`, { zones: shapes.filter((x) => x.zone).map((x) => ({ name: x.name, points: x.points })),
      lines: shapes.filter((x) => !x.zone).map((x) => ({ name: x.name, from: x.points[0], to: x.points[1] })) });
    toast(`The zones and lines of ${camera.name} are set.`, "good");
    el.close();
  }) }, "Save");
  const { el } = dialog(`Zones and lines of ${camera.name}`,
    h("p", { class: "muted" }, "Whoever enters or leaves a zone, or crosses a line, makes an event. The arrow at a line shows which way is in. Without zones the whole picture is one."),
    h("div", { class: "snapshot" }, h("img", { src: `${picture}&at=${Date.now()}`, alt: "" }), canvas),
    h("div", { class: "row" }, h("button", { type: "button", onclick: () => addShape(true) }, "Add a zone"), h("button", { type: "button", onclick: () => addShape(false) }, "Add a line")),
    list, h("div", { class: "dialog-foot" }, h("span", { class: "grow" }), h("button", { type: "button", onclick: () => el.close() }, "Cancel"), save));
  el.classList.add("detail");
  draw();
}
