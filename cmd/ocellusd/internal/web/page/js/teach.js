// Teach: what is learnt from verdicts on events, lessons, and what came of them.

import { del, get, may, post } from "./api.js";
import { busy, every, fill, h, notice, toast } from "./dom.js";
import { duration, sentence, share, when, words } from "./format.js";

const outcomes = { published: ["Better, and in use", "good"], refused: ["Not better: nothing changed", ""], failed: ["Failed: nothing changed", "bad"], stopped: ["Stopped", ""] };

// table shows before and after, in percent of examples that are right. Models shows it too.
export function table(groups, caption) {
  if (!groups || !groups.length) return null;
  const signed = (v) => (v > 0 ? "+" : v < 0 ? "−" : "±") + Math.abs(v).toFixed(1);
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, h("table", null, h("caption", { class: "unseen" }, caption),
    h("thead", null, h("tr", null, ["", "Examples", "Before", "After", "Change"].map((t) => (t ? h("th", { scope: "col" }, t) : h("td"))))),
    h("tbody", null, groups.map((g) => h("tr", null, h("th", { scope: "row" }, words(g.name)), h("td", null, g.n), h("td", null, g.before.toFixed(1) + " %"), h("td", null, g.after.toFixed(1) + " %"),
      h("td", { class: g.after > g.before ? "better" : g.after < g.before ? "worse" : "" }, signed(g.after - g.before), g.difference ? h("small", null, ` ${signed(g.difference.low)} … ${signed(g.difference.high)}`) : null))))));
}

function lesson(l) {
  const [text, tone] = outcomes[l.outcome] || [words(l.outcome), ""];
  return h("li", { class: "card" }, h("div", { class: "head" }, h("h3", null, `Lesson ${l.id}`), h("span", { class: `badge ${tone}` }, text)),
    h("p", { class: "muted" }, when(l.time), l.model ? `, version ${l.model}` : ""), l.reason ? h("p", null, sentence(l.reason)) : null, table(l.table, `Lesson ${l.id}: before and after`));
}

export async function show(root, at, signal) {
  const top = h("div"), running = h("section", { "aria-labelledby": "job", hidden: true }), history = h("div");
  const bar = h("progress", { max: 1, "aria-label": "How far the lesson is" });
  const says = h("p");
  const stop = h("button", { type: "button", onclick: () => busy(stop, async () => { await del("/teach/jobs/current"); toast("The lesson is being stopped."); }) }, "Stop");
  fill(running, h("div", { class: "card" }, h("div", { class: "head" }, h("h2", { id: "job" }, "A lesson is running"), may("operator") ? stop : null), bar, says));
  const start = h("button", { type: "button", class: "primary", onclick: () => busy(start, async () => {
    await post("/teach/jobs");
    toast("The lesson has begun. Cameras go on meanwhile.");
    await turn();
  }) }, "Start a lesson");
  fill(root, h("p", { class: "lead" }, "Say of events whether they are right. From that, a second opinion is learnt: a detection that it does not believe makes no event. What is learnt is used only if it is shown to be better on examples that were held back."),
    top, running, history);
  let drawn = "", was = null;

  function counts(t) {
    return h("ul", { class: "counts" }, t.labels.map((l) => {
      const n = t.examples[l] || 0;
      return h("li", { class: "card" }, h("p", { class: "big-number" }, String(n)), h("p", null, words(l)),
        h("progress", { max: t.minimum, value: Math.min(n, t.minimum), "aria-label": `Examples of ${l}` }),
        h("p", { class: "hint" }, n >= t.minimum ? "Enough for a lesson" : `${t.minimum - n} more for a lesson`));
    }));
  }

  async function turn() {
    const t = await get("/teach", signal);
    const text = JSON.stringify([t.available, t.why, t.examples, t.history, !!t.job]);
    if (text !== drawn) {
      drawn = text;
      const enough = t.labels.length > 0 && t.labels.every((l) => (t.examples[l] || 0) >= t.minimum);
      fill(top, t.available ? [counts(t), h("div", { class: "row" }, may("operator") && enough && !t.job ? start : null, h("a", { class: "button", href: "#/events?feedback=none&kind=pedestrian_entered" }, "Look through events"))] :
        notice("Teaching is not set up", h("p", null, sentence(t.why || "no classifier is set"))));
      fill(history, t.history.length ? [h("h2", null, "What came of lessons"), h("p", null, "An earlier version can be taken back on the page ", h("a", { href: "#/models" }, "Models"), "."), h("ol", { class: "lessons" }, t.history.map(lesson))] : null);
    }
    if (was && !t.job && t.history.length) toast(`The lesson has ended. ${(outcomes[t.history[0].outcome] || [words(t.history[0].outcome)])[0]}.`, (outcomes[t.history[0].outcome] || [])[1]);
    was = t.job;
    running.hidden = !t.job;
    if (t.job) {
      bar.value = t.job.progress;
      fill(says, t.job.state === "paused" ? "Paused, because the cameras need the device." : t.job.state === "starting" ? "Starting…" :
        `${share(t.job.progress)}${t.job.left_s ? `, about ${duration(t.job.left_s)} to go` : ""}${t.job.loss ? ` · loss ${t.job.loss.toFixed(3)}` : ""}`);
    }
  }
  await turn();
  every(1500, signal, turn);
}
