// On every page: times as the reader's clock shows them.
"use strict";

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

localTimes(document);
document.addEventListener("htmx:after:swap", () => localTimes(document));
