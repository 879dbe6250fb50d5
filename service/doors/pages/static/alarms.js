// The list of predictions, kept up to date by server-sent events.
"use strict";

const live = document.getElementById("live");
const events = new EventSource(live.dataset.events);

function say(isLive) {
  const word = live.querySelector("[role=status]");
  const text = isLive ? live.dataset.on : live.dataset.off;
  if (word.textContent !== text) word.textContent = text;
  live.classList.toggle("on", isLive);
}

events.addEventListener("open", () => say(true));
events.addEventListener("error", () => say(false));
events.addEventListener("changed", () => window.htmx?.trigger("#recent", "changed"));
window.addEventListener("pagehide", () => events.close());
