// On every page: times as the reader's clock shows them; whatever else runs once the page is seen.
"use strict";

const LATEST_MS = 500; // for browsers that do not say when they have painted, and tabs nobody looks at
const later = document.currentScript.dataset.later.split(" ");

function localTimes(root) {
  const shown = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.valueOf())) {
      time.title = time.dateTime;
      time.textContent = shown.format(moment);
      time.dataset.local = "";
    }
  }
}

// Beside UTC, which stays: the hour as whoever reads it knows it.
function bothTimes(root) {
  // Written as UTC beside it is, which Swedish has for its own; with what it is ahead of that.
  const shown = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });
  const zone = new Intl.DateTimeFormat("en", { timeZoneName: "shortOffset" });
  for (const time of root.querySelectorAll("time[data-both]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.valueOf()) && moment.getTimezoneOffset() !== 0) {
      const offset = zone.formatToParts(moment).find((part) => part.type === "timeZoneName").value;
      time.querySelector(".here").textContent = `${shown.format(moment)} (${offset.replace("GMT", "")})`;
    }
    delete time.dataset.both;
  }
  // A table to be downloaded has the reader's own time beside UTC, too.
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  for (const link of root.querySelectorAll("a[data-zone='']")) {
    const to = new URL(link.href);
    if (timeZone) to.searchParams.set("zone", timeZone);
    link.href = to.pathname + to.search;
    link.dataset.zone = timeZone ?? "UTC";
  }
}

// One after the other, in the order in which the page names them.
function run() {
  for (const source of later.splice(0)) {
    const script = document.createElement("script");
    script.src = source;
    script.async = false;
    document.head.append(script);
  }
}

function times() {
  localTimes(document);
  bothTimes(document);
}

times();
document.addEventListener("htmx:after:swap", times);
new PerformanceObserver(run).observe({ type: "paint", buffered: true });
setTimeout(run, LATEST_MS);
