// The queue of what is to be judged, worked with keys: j, k, a, r, c, u, ?.
"use strict";

const REMEMBERED = "ifonly.review-keys";
const help = document.getElementById("keys");
const toggle = document.getElementById("keys-on");
let next = null; // where to go on once a verdict is recorded

function remembered() {
  try {
    return localStorage.getItem(REMEMBERED) !== "off";
  } catch {
    return true; // a browser that keeps nothing
  }
}

function remember(isOn) {
  try {
    localStorage.setItem(REMEMBERED, isOn ? "on" : "off");
  } catch {
    // a browser that keeps nothing
  }
}

toggle.checked = remembered();
toggle.addEventListener("change", () => remember(toggle.checked));

function entries() {
  return [...document.querySelectorAll("#waiting > li")];
}

function here() {
  return document.activeElement?.closest("#waiting > li") ?? null;
}

function go(step) {
  const all = entries();
  const at = all.indexOf(here());
  const to = at === -1 ? all[step > 0 ? 0 : all.length - 1] : all[at + step];
  to?.focus();
  to?.scrollIntoView({ block: "nearest" });
}

// Not while somebody types; and no key that is held down judges one after the other.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  const isField = event.target.matches("input, select, textarea");
  if (isField && event.key === "Escape") event.target.closest("#waiting > li")?.focus();
  if (isField || (!toggle.checked && event.key !== "?")) return;
  if (event.key === "j") go(1);
  else if (event.key === "k") go(-1);
  else if (event.repeat) return;
  else if (event.key === "a" || event.key === "r") here()?.querySelector(`[data-key="${event.key}"]`)?.click();
  else if (event.key === "u") document.querySelector("#session [data-key=u]")?.click();
  else if (event.key === "c") here()?.querySelector("input[name=comment]")?.focus();
  else if (event.key === "?") {
    help.open = !help.open;
    help.querySelector("summary").focus();
  } else return;
  event.preventDefault();
});

document.addEventListener("submit", (event) => {
  const entry = event.target.closest("#waiting > li");
  if (entry === null) return;
  const all = entries();
  const open = all.filter((each) => each !== entry && !each.classList.contains("judged"));
  next = open.find((each) => all.indexOf(each) > all.indexOf(entry)) ?? open[0] ?? null;
}, true);

document.addEventListener("htmx:after:swap", () => {
  if (document.querySelector("#waiting") === null) return;
  const to = next ?? document.querySelector("#waiting > li.judged:last-of-type");
  next = null;
  to?.focus();
  to?.scrollIntoView({ block: "nearest" });
});

// After something was taken back the page is another; it goes on where that was.
if (location.hash.startsWith("#e-")) document.getElementById(location.hash.slice(1))?.focus();
