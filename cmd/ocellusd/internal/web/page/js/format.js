// How things are written.

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const short = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const date = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const time = (t) => clock.format(new Date(t));
export const hour = (t) => short.format(new Date(t));
export const when = (t) => full.format(new Date(t));

// key is the local day of a time, as date inputs write it.
export function key(t) {
  const d = new Date(t);
  const two = (n) => String(n).padStart(2, "0");
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}

// day is the day of a time, in words.
export function day(t) {
  const k = key(t), now = new Date(), before = new Date();
  before.setDate(now.getDate() - 1);
  if (k === key(now)) return "Today";
  if (k === key(before)) return "Yesterday";
  return date.format(new Date(t));
}

// ago is how long since a time, roughly.
export function ago(t) {
  const seconds = Math.max(0, (Date.now() - new Date(t)) / 1000);
  return seconds < 5 ? "just now" : duration(seconds) + " ago";
}

// duration writes seconds in one or two units.
export function duration(seconds) {
  const n = Math.round(seconds);
  if (n < 60) return `${n} s`;
  if (n < 3600) return `${Math.round(n / 60)} min`;
  if (n < 86400) return `${Math.floor(n / 3600)} h ${Math.round((n % 3600) / 60)} min`;
  return `${Math.floor(n / 86400)} d ${Math.round((n % 86400) / 3600)} h`;
}

export function bytes(n) {
  for (const [unit, size] of [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (n >= size) return `${(n / size).toFixed(n / size < 10 ? 1 : 0)} ${unit}`;
  }
  return `${n} B`;
}

export const share = (v) => `${Math.round(100 * v)} %`;
export const ms = (v) => (v ? `${v < 10 ? v.toFixed(1) : Math.round(v)} ms` : "–");
export const per = (v) => `${v.toFixed(v < 9.95 ? 1 : 0)}/s`;
export const plural = (n, one, many) => `${n} ${n === 1 ? one : many || one + "s"}`;

// words writes a name in lower case with underscores for people.
export function words(name) {
  const t = name.replaceAll("_", " ");
  return t[0].toUpperCase() + t.slice(1);
}

// sentence begins with a capital and ends with a full stop.
export function sentence(text) {
  const t = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(t) ? t : t + ".";
}

// kinds are those of events: what to say of them in filters, and their icon.
export const kinds = {
  pedestrian_entered: { name: "Person entered", icon: "person" },
  pedestrian_left: { name: "Person left", icon: "out" },
  line_crossed: { name: "Line crossed", icon: "line" },
  loitering: { name: "Person stays", icon: "clock" },
  face_known: { name: "Known face", icon: "face" },
  face_unknown: { name: "Unknown face", icon: "face", tone: "warn" },
  scene_changed: { name: "Scene changed", icon: "scene" },
  camera_lost: { name: "Camera lost", icon: "cameraoff", tone: "bad" },
  camera_found: { name: "Camera found", icon: "camera" },
};

export const kindIcon = (e) => (kinds[e.kind] || { icon: "bell" }).icon;
export const tone = (e) => (kinds[e.kind] || {}).tone || "";

// title says what happened.
export function title(e) {
  const zone = e.zone ? ` ${e.zone}` : "";
  switch (e.kind) {
    case "pedestrian_entered": return zone ? `Person entered${zone}` : "Person came into view";
    case "pedestrian_left": return zone ? `Person left${zone}` : "Person went out of view";
    case "line_crossed": return `Person crossed${zone}${e.label ? `, going ${e.label}` : ""}`;
    case "loitering": return zone ? `Person stays in${zone}` : "Person stays in view";
    case "face_known": return `${e.name} was seen`;
    case "face_unknown": return "Someone unknown";
    case "scene_changed": return e.label ? `Scene changed: ${e.data && e.data.change < 0 ? "less" : "more"} ${words(e.label).toLowerCase()}` : "Scene changed";
    case "camera_lost": return "Camera lost";
    case "camera_found": return "Camera is back";
  }
  return words(e.kind);
}
