"use strict";
// Keys. None of them works while somebody types, and none approves by itself: it takes a, then y.

const help = document.querySelector("dialog.keys");
const links = () => [...document.querySelectorAll(".card-link")];
const typing = (el) => el.matches("textarea, select, input:not([type=checkbox])") || el.isContentEditable;
const form = () => document.querySelector(".decide");
const button = (name) => form()?.querySelector(`button[value="${name}"]`);
const empty = (field) => field && !field.value.trim();

function step(by) {
  const all = links(), at = all.indexOf(document.activeElement);
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

let armed = 0;
function arm() {
  if (!button("approve") || form().querySelector("fieldset").disabled) return;
  armed = Date.now();
  form().classList.add("armed");
  say("Approve? y approves, Esc lets go.");
  setTimeout(() => { if (Date.now() - armed >= 5000) disarm(); }, 5100);
}
function disarm() {
  if (!armed) return;
  armed = 0;
  form()?.classList.remove("armed");
  say("");
}

// Leads to what is missing first; with all there, it presses the button.
function press(name) {
  const to = button(name);
  if (!to || to.matches(":disabled")) return;
  const reason = form().querySelector("textarea"), canned = form().querySelector("select");
  const typed = form().querySelector("[name=typed]");
  const wanted = name !== "approve" || form().dataset.reason === "always";
  if (wanted && empty(reason) && (name === "ask" || empty(canned))) {
    say(name === "ask" ? "Write your question, then Esc, then c." : "Write the reason, then Esc, then the key again.");
    reason.focus();
  } else if (name === "approve" && empty(typed)) {
    say("Type the name, then Esc, then a and y again.");
    typed.focus();
  } else {
    to.click();
  }
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  o: () => document.activeElement?.matches(".card-link") && document.activeElement.click(),
  a: arm,
  y: () => { if (armed) { disarm(); press("approve"); } },
  d: () => press("deny"),
  c: () => press("ask"),
  r: () => { if (typeof show === "function" && queue) show(); else if (review?.querySelector(".changed:not([hidden])")) location.reload(); },
  "/": () => { const field = document.querySelector("[data-search]"); if (field) field.focus(); else location.href = "/history?focus=search"; },
  "?": () => help?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (event.key === "Escape") {
    disarm();
    if (typing(document.activeElement)) document.activeElement.blur();
    return;
  }
  if (help?.open || typing(event.target) || event.repeat) return;
  const act = KEYS[event.key];
  if (!act) { disarm(); return; }
  if (event.key !== "a" && event.key !== "y") disarm();
  event.preventDefault();
  act();
});
if (new URLSearchParams(location.search).get("focus") === "search") document.querySelector("[data-search]")?.focus();
