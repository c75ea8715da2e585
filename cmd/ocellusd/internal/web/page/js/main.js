// The frame of the page: who is logged in, where one is, and how the device does.

import { connection, post, refresh, session } from "./api.js";
import { dialog, fill, h, icon, notice, toast } from "./dom.js";
import { login, setup } from "./entry.js";
import * as feed from "./events-feed.js";
import { title } from "./format.js";
import * as events from "./events.js";
import * as live from "./live.js";
import * as models from "./models.js";
import * as people from "./people.js";
import * as system from "./system.js";
import * as teach from "./teach.js";

const places = [
  ["live", "Live", live], ["events", "Events", events], ["people", "People", people],
  ["teach", "Teach", teach], ["models", "Models", models], ["system", "System", system],
];

const app = document.getElementById("app");
let main = null; // of the shell; null while nobody is logged in
let shown = null; // {place, module, leave} of the view on show

// where reads the address: #/events/12?kind=loitering is the place events, with 12, and parameters.
function where() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").map(decodeURIComponent);
  return { place: parts[0] || "live", item: parts[1] || "", params: new URLSearchParams(search || "") };
}

function shell() {
  const links = places.map(([name, text]) => h("li", null, h("a", { href: `#/${name}`, id: `to-${name}` }, icon(name), h("span", null, text))));
  main = h("main", { id: "main", tabindex: "-1" });
  fill(app,
    h("a", { class: "skip", href: "#main", onclick: (e) => { e.preventDefault(); main.focus(); main.scrollIntoView(); } }, "Skip to the content"),
    h("header", { class: "top" },
      h("a", { class: "brand", href: "#/live" }, h("img", { src: "/icon.svg", alt: "", width: 30, height: 30 }), "Ocellus"),
      h("button", { type: "button", class: "plain account", onclick: account }, h("span", { class: "avatar", "aria-hidden": "true" }, (session.user[0] || "?").toUpperCase()),
        h("span", { class: "account-name" }, session.user), h("span", { class: "unseen" }, "Account"))),
    h("nav", { "aria-label": "Main" }, h("ul", null, links)),
    h("div", { class: "page" }, h("p", { class: "offline", id: "offline", role: "status" }), main));
}

function account() {
  const out = h("button", { type: "button", onclick: async () => {
    await post("/logout").catch(() => {});
    el.close();
    enter();
  } }, "Log out");
  const { el } = dialog(session.user, h("p", { class: "muted" }, `Role: ${session.role}.`), h("div", { class: "row end" }, out));
  el.classList.add("small");
}

// route shows the view of the address.
async function route(first) {
  if (!main) return;
  const at = where();
  const found = places.find(([name]) => name === at.place) || places[0];
  const [name, text, module] = found;
  if (shown && shown.place === name && module.changed && (await module.changed(at))) return;
  if (shown) shown.leave.abort();
  const leave = new AbortController();
  shown = { place: name, leave };
  document.title = `${text} · Ocellus`;
  for (const [other] of places) {
    const link = document.getElementById(`to-${other}`);
    if (other === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const heading = h("h1", { tabindex: "-1" }, text);
  const root = h("div", { class: `view ${name}` });
  fill(main, heading, root);
  if (first !== true) {
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  try {
    await module.show(root, at, leave.signal);
  } catch (err) {
    if (err.name === "AbortError" || leave.signal.aborted) return;
    if (err.name !== "Problem") throw err;
    fill(root, notice("This could not be shown", h("p", null, err.message), h("button", { type: "button", onclick: () => route() }, "Try again")));
  }
}

// enter shows what there is to see for who is there.
async function enter() {
  feed.stop();
  if (shown) shown.leave.abort();
  shown = main = null;
  document.title = "Ocellus";
  const token = new URLSearchParams(location.hash.slice(1)).get("setup");
  try {
    await refresh();
  } catch (err) {
    if (err.name !== "Problem") throw err;
    fill(app, h("main", { id: "main", class: "entry" }, h("h1", null, "Ocellus"), notice("The device is not to be reached", h("p", null, err.message),
      h("button", { type: "button", onclick: enter }, "Try again"))));
    return;
  }
  if (session.setup) return setup(app, token, enter);
  if (token && location.hash.includes(token)) history.replaceState(null, "", "#/live");
  if (!session.user) return login(app, enter);
  shell();
  feed.start();
  await route(true);
}

// Banner: only what lasts longer than a moment is said.
let late;
connection.addEventListener("online", (e) => {
  clearTimeout(late);
  const line = document.getElementById("offline");
  if (!line) return;
  if (e.detail) fill(line);
  else late = setTimeout(() => fill(line, "The device does not answer. Trying again…"), 3000);
});
connection.addEventListener("signedout", () => { toast("You are not logged in any more."); enter(); });

// What happens is said to who cannot see it.
feed.listen(new AbortController().signal, (e) => {
  const log = document.getElementById("news");
  log.append(h("p", null, `${title(e)}, ${e.camera}`));
  while (log.children.length > 5) log.firstChild.remove();
});

addEventListener("hashchange", () => {
  if (new URLSearchParams(location.hash.slice(1)).get("setup")) enter();
  else route();
});
enter();
