// The list of alarms: kept up to date by server-sent events, worked with keys.
"use strict";

const PATIENCE_MS = 3000; // without a connection, before the page says that it is stale
const REST_MS = 2000; // between two refreshes: a list that never rests cannot be read
const live = document.getElementById("live");
const stale = document.getElementById("stale");
const events = new EventSource(live.dataset.events);
let fresh = Date.now(); // when the page was known to be up to date
let lost = null;
let next = null;
let known = newest();

function say(isLive) {
  const word = live.querySelector("[role=status]");
  const text = isLive ? live.dataset.on : live.dataset.off;
  if (word.textContent !== text) word.textContent = text;
  live.classList.toggle("on", isLive);
}

// Nobody must take what stands here for what is: it cannot be missed, and says since when.
function warn() {
  const time = document.getElementById("stale-since");
  time.dateTime = new Date(fresh).toISOString();
  time.textContent = new Date(fresh).toLocaleTimeString(document.documentElement.lang);
  stale.hidden = false;
}

function isHeld() {
  const here = document.activeElement;
  return document.querySelector("#recent details[open]") !== null || (here !== null && here.matches("#recent input, #recent select"));
}

// What somebody is writing is not pulled from under their hands.
function refresh() {
  next ??= setTimeout(() => {
    next = null;
    if (isHeld()) refresh();
    else window.htmx?.trigger("#recent", "changed");
  }, REST_MS);
}

function newest() {
  return document.querySelector("[data-newest]")?.dataset.newest ?? "";
}

function tell() {
  if (newest() !== known && newest() !== "") document.getElementById("news").textContent = document.querySelector("[data-news]").dataset.news;
  known = newest();
  for (const age of document.querySelectorAll("[data-age]")) {
    const minutes = Math.floor((Date.now() - Date.parse(age.dataset.age)) / 60000);
    if (!Number.isFinite(minutes)) continue;
    const spoken = new Intl.RelativeTimeFormat(document.documentElement.lang, { style: "short" });
    age.textContent = minutes < 120 ? spoken.format(-minutes, "minute") : spoken.format(-Math.floor(minutes / 60), "hour");
  }
}

events.addEventListener("open", () => {
  clearTimeout(lost);
  lost = null;
  if (!stale.hidden) refresh(); // what happened meanwhile was not heard
  stale.hidden = true;
  say(true);
});
events.addEventListener("error", () => {
  say(false);
  lost ??= setTimeout(warn, PATIENCE_MS);
});
window.addEventListener("offline", () => {
  say(false);
  warn();
});
window.addEventListener("online", refresh);
events.addEventListener("changed", (event) => {
  refresh();
  document.dispatchEvent(new CustomEvent("ifonly:raised", { detail: JSON.parse(event.data || "[]") }));
});
document.addEventListener("htmx:after:swap", () => {
  fresh = Date.now();
  tell();
});
setInterval(() => {
  if (events.readyState === EventSource.OPEN) fresh = Date.now();
  tell();
}, 15000);
setInterval(refresh, 60000); // what was shelved comes back by itself, and nobody says so
window.addEventListener("pagehide", () => events.close());
tell();

// j and k: to the next entry, and back; a, s: what its buttons say. Only while an entry has the focus, so
// that nobody who speaks to their computer does something by a word.
document.addEventListener("keydown", (event) => {
  const row = event.target.closest?.("#episodes tbody tr");
  if (!row || event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select, textarea")) return;
  const to = { j: row.nextElementSibling, k: row.previousElementSibling }[event.key];
  if (to) to.querySelector("a").focus();
  else if (event.key.length === 1) row.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
});
