// Requests to the API of the device that serves the page.

import { sentence } from "./format.js";

// Problem is an answer that says what is wrong.
export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.name = "Problem";
    this.status = status;
  }
}

// session is who looks at the page.
export const session = { user: "", role: "anyone", csrf: "", setup: false };

const roles = ["anyone", "viewer", "operator", "admin"];

// may says whether who looks has at least a role.
export function may(role) {
  return roles.indexOf(session.role) >= roles.indexOf(role);
}

// connection tells listeners of "online" whether the device answers, and of "signedout" that nobody is logged in any more.
export const connection = new EventTarget();
let online = true;

export function setOnline(now) {
  if (now === online) return;
  online = now;
  connection.dispatchEvent(new CustomEvent("online", { detail: now }));
}

async function ask(method, path, options = {}) {
  const headers = {};
  if (options.json !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && session.csrf) headers["X-CSRF-Token"] = session.csrf;
  if (options.media) headers["Content-Type"] = options.media;
  let response;
  try {
    response = await fetch("/api/v1" + path, {
      method, headers, signal: options.signal, credentials: "same-origin",
      body: options.json !== undefined ? JSON.stringify(options.json) : options.body,
    });
  } catch (err) {
    if (err.name === "AbortError") throw err;
    setOnline(false);
    throw new Problem(0, "The device does not answer.");
  }
  setOnline(true);
  if (response.ok) return response.status === 204 ? null : body(response);
  let detail = "";
  try {
    const problem = await response.json();
    detail = problem.detail || problem.title || "";
  } catch {
    // What a proxy says in between is no problem document.
  }
  if (response.status === 401 && path !== "/login" && session.user) connection.dispatchEvent(new Event("signedout"));
  throw new Problem(response.status, sentence(detail || `The device answered ${response.status}.`));
}

async function body(response) {
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

export const get = (path, signal) => ask("GET", path, { signal });
export const post = (path, json) => ask("POST", path, { json });
export const put = (path, json) => ask("PUT", path, { json });
export const del = (path) => ask("DELETE", path);
// send posts a FormData, or a file as it is.
export const send = (path, data) => ask("POST", path, data instanceof FormData ? { body: data } : { body: data, media: data.type.startsWith("image/") ? data.type : "application/octet-stream" });

// query writes the parameters that are not empty.
export function query(params) {
  const q = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value) q.set(name, value);
  const text = q.toString();
  return text ? "?" + text : "";
}

// refresh asks who looks.
export async function refresh() {
  Object.assign(session, await get("/session"));
}

export const frameURL = (camera, overlay) => `/api/v1/cameras/${encodeURIComponent(camera)}/frame.jpg?overlay=${overlay ? 1 : 0}`;
export const streamURL = (camera, overlay) => `/api/v1/cameras/${encodeURIComponent(camera)}/stream.mjpg?overlay=${overlay ? 1 : 0}`;
export const snapshotURL = (event) => `/api/v1/events/${event.id}/snapshot.jpg`;
