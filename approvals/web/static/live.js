"use strict";
// Comfort only: every page works without it.

const pad = (n) => String(n).padStart(2, "0");

function remaining(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  if (d) return `${d} d ${h} h`;
  if (h) return `${h} h ${pad(m)} min`;
  return `${pad(m)}:${pad(s % 60)}`;
}

// The server's clock decides, so count from the time of the answer and not from this machine's idea of now.
let skew = 0;
function tick() {
  for (const el of document.querySelectorAll("[data-deadline]")) {
    const left = Number(el.dataset.deadline) - Date.now() - skew;
    el.textContent = remaining(left);
    el.classList.toggle("soon", left < 120000);
  }
}

function localTimes(root) {
  for (const el of root.querySelectorAll("time[data-local]:not([title])")) {
    const at = new Date(Number(el.dataset.local));
    if (isNaN(at)) continue;
    el.title = `${at.toLocaleString()} where you are`;
    // The deadline says both times, where they differ.
    if (el.closest("[data-both]") && at.getTimezoneOffset() !== 0) {
      const here = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      el.after(` (${here} where you are)`);
    }
  }
}

async function look(url) {
  const answer = await fetch(url, { credentials: "same-origin", redirect: "error", cache: "no-store" });
  const date = Date.parse(answer.headers.get("date") || "");
  if (!isNaN(date) && Math.abs(date - Date.now()) > 5000) skew = date - Date.now();
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

const notice = document.querySelector("body > .status");
function say(text) {
  if (!notice) return;
  notice.textContent = text;
  notice.hidden = !text;
}

// What is new waits while somebody has a finger, a focus or a tick on what is old: nothing moves under them.
const queue = document.querySelector("[data-live]");
let newer = "";
const busy = () => queue.contains(document.activeElement) || queue.querySelector("[name=pick]:checked");
function show() {
  if (!newer) return;
  const at = document.activeElement?.closest?.(".card-link")?.getAttribute("href");
  queue.innerHTML = newer;
  newer = "";
  say("");
  localTimes(queue);
  tick();
  if (at) [...queue.querySelectorAll(".card-link")].find((link) => link.getAttribute("href") === at)?.focus();
}
let shown = "";
async function freshQueue() {
  const html = await (await look(queue.dataset.live)).text();
  if (html === shown) return;
  shown = newer = html;
  if (busy()) say("The queue has changed: press r to show it.");
  else show();
}

const review = document.querySelector("[data-pulse]");
async function freshReview() {
  const { pulse } = await (await look(review.dataset.pulse)).json();
  if (pulse === review.dataset.seen) return;
  const form = review.querySelector("fieldset"), note = review.querySelector(".changed");
  if (form) form.disabled = true;
  if (note) note.hidden = false;
}

// One look at a time; what is told meanwhile makes one more.
let looking = false, again = false, lost = false;
async function fresh() {
  if (looking) { again = true; return; }
  looking = true;
  do {
    again = false;
    try {
      if (queue) await freshQueue();
      if (review) await freshReview();
      if (lost) { lost = false; say(""); }
    } catch {
      lost = true;
      say("No connection: what you see may be old. Trying again.");
    }
  } while (again);
  looking = false;
}

// A browser opens few connections to one place, so only the page that is looked at keeps one.
let stream = null, number = queue?.dataset.number;
function listen() {
  if (document.hidden || stream || !(queue || review)) return;
  stream = new EventSource(document.body.dataset.stream);
  stream.onmessage = (event) => {
    if (event.data === number && !lost) return;
    number = event.data;
    fresh();
  };
  stream.onerror = () => {
    if (stream?.readyState !== EventSource.CLOSED) return;
    stream = null;
    fresh();
    setTimeout(listen, 5000);
  };
}
function hush() {
  stream?.close();
  stream = null;
}
if (document.body.dataset.stream) {
  listen();
  document.addEventListener("visibilitychange", () => { if (document.hidden) hush(); else listen(); });
  window.addEventListener("pagehide", hush);
}

// What can wait comes after the page.
for (const part of document.querySelectorAll("[data-part]")) {
  look(part.dataset.part).then((answer) => answer.text()).then((html) => {
    part.innerHTML = html;
    localTimes(part);
  }).catch(() => {});
}

// A second click is not a second vote. The button's value must still be sent, hence the pause.
document.addEventListener("submit", (event) => {
  const form = event.target.querySelector("fieldset");
  if (form) setTimeout(() => { form.disabled = true; }, 0);
});
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

localTimes(document);
tick();
setInterval(tick, 1000);
