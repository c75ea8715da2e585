// What is seen before somebody is logged in: the first start, and the login.

import { post } from "./api.js";
import { field, fill, form, h, notice } from "./dom.js";

function card(app, title, ...children) {
  const heading = h("h1", { tabindex: "-1" }, title);
  fill(app, h("main", { id: "main", class: "entry" }, h("div", { class: "card" }, h("img", { src: "/icon.svg", alt: "", width: 52, height: 52 }), heading, ...children)));
  return heading;
}

function password(label, name, complete) {
  return field(label, h("input", { name, type: "password", autocomplete: complete, required: true, maxlength: 512 }), complete === "new-password" ? "At least 10 characters." : null);
}

// setup makes the first user with the token of the one-time link.
export function setup(app, token, done) {
  document.title = "Welcome · Ocellus";
  if (!token) {
    card(app, "Welcome", notice("Open the link that the program printed",
      h("p", null, "Nobody has a password here yet. When it started, the program wrote a one-time link to its log. Open it in a browser on this device to choose one."),
      h("pre", null, h("code", null, "journalctl -u ocellusd | grep setup"))));
    return;
  }
  card(app, "Welcome",
    h("p", { class: "muted" }, "Choose the name and the password with which you will log in to this device."),
    form({ class: "stack" }, async (data) => {
      await post("/setup", { token, user: data.get("user").trim(), password: data.get("password") });
      if (location.hash.includes(token)) history.replaceState(null, "", "#/live");
      await done();
    },
    field("Name", h("input", { name: "user", autocomplete: "username", required: true, maxlength: 64 })),
    password("Password", "password", "new-password"),
    h("button", { type: "submit", class: "primary wide" }, "Begin")));
  document.querySelector("input[name=user]").focus();
}

// login begins a session.
export function login(app, done) {
  document.title = "Log in · Ocellus";
  card(app, "Ocellus",
    form({ class: "stack" }, async (data) => {
      await post("/login", { user: data.get("user").trim(), password: data.get("password") });
      await done();
    },
    field("Name", h("input", { name: "user", autocomplete: "username", required: true, maxlength: 64 })),
    password("Password", "password", "current-password"),
    h("button", { type: "submit", class: "primary wide" }, "Log in")));
  document.querySelector("input[name=user]").focus();
}
