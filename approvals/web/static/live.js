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

function every(seconds, job) {
  let pause = seconds;
  const run = async () => {
    if (!document.hidden) {
      try { await job(); pause = seconds; } catch { pause = Math.min(pause * 2, 60); }
    }
    setTimeout(run, pause * 1000);
  };
  setTimeout(run, pause * 1000);
}

const queue = document.querySelector("[data-live]");
if (queue) {
  let shown = "";
  every(3, async () => {
    const html = await (await look(queue.dataset.live)).text();
    // Nothing moves under a finger, a focus or an open selection.
    if (html === shown || queue.contains(document.activeElement)) return;
    queue.innerHTML = html;
    shown = html;
    localTimes(queue);
    tick();
  });
}

const review = document.querySelector("[data-pulse]");
if (review) {
  every(3, async () => {
    const { pulse } = await (await look(review.dataset.pulse)).json();
    if (pulse === review.dataset.seen) return;
    const form = review.querySelector("fieldset"), note = review.querySelector(".changed");
    if (form) form.disabled = true;
    if (note) note.hidden = false;
  });
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
