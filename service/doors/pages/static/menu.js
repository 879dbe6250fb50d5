// Tables whose rows can be put in another order: a column's heading becomes a button.
"use strict";

function sorted(table, head, by) {
  const up = head.getAttribute("aria-sort") !== "ascending";
  const body = table.tBodies[0];
  const rows = [...body.rows];
  // What has no number stays last, whichever way.
  const key = (row) => Number(row.dataset[by]);
  rows.sort((a, b) => {
    const [one, other] = [key(a), key(b)];
    if (Number.isFinite(one) && Number.isFinite(other)) return up ? one - other : other - one;
    return Number.isFinite(other) - Number.isFinite(one);
  });
  body.append(...rows);
  for (const each of table.tHead.querySelectorAll("[aria-sort]")) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
}

function enhance() {
  for (const head of document.querySelectorAll(".sortable th[data-by]")) {
    if (head.querySelector("button")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.title = head.dataset.says;
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sorted(head.closest("table"), head, head.dataset.by));
  }
}

enhance();
document.addEventListener("htmx:after:swap", enhance);
