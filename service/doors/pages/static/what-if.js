// Sliders: what is set is asked about as it moves; what follows moves along. Above each, the curve of
// the model's word along it; below them, the plane of two: a click there sets both.
"use strict";

(() => {
  const REST_MS = 150;
  const packed = document.querySelector(".later > template");
  packed.replaceWith(packed.content);
  const section = document.getElementById("what-if");
  const outcome = document.getElementById("outcome");
  const before = outcome.innerHTML;
  const levers = new Map([...section.querySelectorAll(".lever")].map((l) => [l.dataset.feature, l]));
  const language = document.documentElement.lang;
  const settings = new Map(); // feature to the value it is set to, as the form writes it
  let asking = null;
  let timer = 0;
  let drawing = null;
  let rested = 0;

  const slider = (lever) => lever.querySelector("input[type=range]");
  const field = (lever) => lever.querySelector("input[type=number]");

  // Where a slider stands, on its curve and in the number beside it.
  function place(lever) {
    const input = slider(lever);
    if (!input) return;
    const missing = lever.dataset.present === "" && !lever.matches(".set, .follows");
    field(lever).value = missing ? "" : String(Number(Number(input.value).toFixed(Number(lever.dataset.decimals))));
    const share = (Number(input.value) - Number(input.min)) / (Number(input.max) - Number(input.min) || 1);
    const mark = lever.querySelector(".curve-place .at");
    if (mark) mark.setAttribute("d", missing ? "" : `M${(share * mark.ownerSVGElement.viewBox.baseVal.width).toFixed(1)} 0v${mark.ownerSVGElement.viewBox.baseVal.height}`);
  }

  function inWords(lever, value) {
    const digits = Number(lever.dataset.decimals);
    const number = new Intl.NumberFormat(language, { minimumFractionDigits: 0, maximumFractionDigits: digits });
    return lever.dataset.prefix + number.format(Number(value)) + lever.dataset.suffix;
  }

  function show(lever, text, state) {
    const output = lever.querySelector("output");
    if (output) output.textContent = text;
    const word = lever.querySelector(".state");
    if (word) word.textContent = word.dataset[state];
    lever.classList.toggle("set", state === "set");
    lever.classList.toggle("follows", state === "follows");
    const input = slider(lever);
    if (input) input.setAttribute("aria-valuetext", text);
    const release = lever.querySelector(".release");
    if (release) release.hidden = state !== "set";
    place(lever);
  }

  // What is not set is as it was read, until an answer says that it follows.
  function rest(lever) {
    const input = slider(lever);
    const output = lever.querySelector("output");
    if (input) input.value = lever.dataset.present;
    for (const radio of lever.querySelectorAll("input[type=radio]")) radio.checked = radio.value === lever.dataset.present;
    show(lever, output ? output.dataset.present : lever.dataset.said || "", "stays");
  }

  function set(feature, value) {
    const lever = levers.get(feature);
    if (!lever) return;
    settings.set(feature, value);
    const input = slider(lever);
    if (input) {
      input.value = value;
      show(lever, inWords(lever, value), "set");
    }
    for (const radio of lever.querySelectorAll("input[type=radio]")) radio.checked = radio.value === value;
  }

  function body() {
    const values = {};
    for (const [feature, value] of settings) values[feature] = value !== "" && Number.isFinite(Number(value)) ? Number(value) : value;
    return JSON.stringify({ set: values });
  }

  function remember() {
    const said = new URLSearchParams([...settings]).toString();
    history.replaceState(null, "", said ? `#${said}` : location.pathname + location.search);
  }

  function post(path, signal) {
    return fetch(`${section.dataset.address}/${path}?row=${section.dataset.row}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": section.dataset.token, "HX-Request": "true" },
      body: body(),
      signal,
    });
  }

  // Curves move when others are set: once sliders rest, for nobody reads a curve while it changes.
  async function curves() {
    if (!document.getElementById("what-if-legend")) return;
    drawing?.abort();
    const mine = (drawing = new AbortController());
    try {
      const reply = await post("curves", mine.signal);
      const text = await reply.text();
      if (!reply.ok || mine.signal.aborted) return;
      const drawn = document.createElement("template");
      drawn.innerHTML = text;
      for (const part of drawn.content.querySelectorAll("[data-put]")) document.getElementById(part.dataset.put)?.replaceChildren(part);
      for (const lever of levers.values()) place(lever);
      section.dataset.drawn = String(Number(section.dataset.drawn || 0) + 1);
    } catch (error) {
      if (error.name !== "AbortError") for (const old of section.querySelectorAll(".curve-place")) old.replaceChildren();
    }
  }

  async function ask(path = "what-if") {
    if (asking) asking.abort();
    const mine = (asking = new AbortController());
    try {
      const reply = await post(path, mine.signal);
      const text = await reply.text();
      if (mine.signal.aborted) return;
      outcome.innerHTML = text;
      follow();
      mark();
    } catch (error) {
      if (error.name !== "AbortError") outcome.textContent = outcome.dataset.failed;
    }
    section.dataset.asked = String(Number(section.dataset.asked || 0) + 1);
  }

  function follow() {
    const moved = new Map([...outcome.querySelectorAll("[data-follows]")].map((e) => [e.dataset.follows, e.dataset]));
    for (const [feature, lever] of levers) {
      if (settings.has(feature)) continue;
      const found = moved.get(feature);
      if (!found) {
        rest(lever);
        continue;
      }
      const input = slider(lever);
      if (input) input.value = found.value;
      show(lever, found.text, "follows");
    }
  }

  const keep = document.getElementById("keep"); // only where something can be set
  const toSuggestion = document.getElementById("to-suggestion"); // only where something is suggested

  function changed() {
    remember();
    mark();
    if (keep) keep.disabled = !settings.size;
    clearTimeout(timer);
    clearTimeout(rested);
    rested = setTimeout(curves, REST_MS);
    if (settings.size) {
      timer = setTimeout(ask, 20);
    } else {
      if (asking) asking.abort();
      for (const lever of levers.values()) rest(lever);
      outcome.innerHTML = before;
    }
  }

  function apply(values) {
    settings.clear();
    for (const lever of levers.values()) rest(lever);
    for (const [feature, value] of Object.entries(values)) set(feature, String(value));
    changed();
  }

  const suggestion = () => document.querySelector("#answer [data-settings]");

  section.addEventListener("input", (event) => {
    const lever = event.target.closest(".lever");
    if (!lever || event.target.type === "number") return;
    if (event.target.type === "radio" && event.target.value === lever.dataset.present) settings.delete(lever.dataset.feature);
    else set(lever.dataset.feature, event.target.value);
    changed();
  });

  // A number is set once it is written: on the way to 55 stands a 5.
  section.addEventListener("change", (event) => {
    if (event.target.type !== "number") return;
    const { value, min, max } = event.target;
    const lever = event.target.closest(".lever");
    if (value === "") letGo(lever);
    else set(lever.dataset.feature, String(Math.min(Math.max(Number(value), Number(min)), Number(max))));
    changed();
  });

  section.querySelector("form.levers").addEventListener("submit", (event) => event.preventDefault());

  function letGo(lever) {
    settings.delete(lever.dataset.feature);
    rest(lever);
  }

  section.addEventListener("click", (event) => {
    const release = event.target.closest(".release");
    if (!release) return;
    const lever = release.closest(".lever");
    letGo(lever);
    slider(lever).focus();
    changed();
  });

  document.getElementById("reset")?.addEventListener("click", () => apply({}));
  keep?.addEventListener("click", () => ask("what-if/record"));
  toSuggestion?.addEventListener("click", () => {
    const found = suggestion();
    if (found) apply(JSON.parse(found.dataset.settings));
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-settings]");
    if (!button) return;
    apply(JSON.parse(button.dataset.settings));
    section.scrollIntoView();
    document.getElementById("what-if-title").focus({ preventScroll: true });
  });
  // --- the plane of two levers ---

  let at = null; // the cell that is pointed at: column and row, from below

  function plane() {
    const svg = document.querySelector(".plane > svg");
    if (!svg) return null;
    const read = (name) => JSON.parse(svg.dataset[name]);
    const [left, top, across, down] = read("frame");
    const xs = read("xs");
    const ys = read("ys");
    const ends = (values) => {
      const last = values.length - 1;
      return last ? [values[0] - (values[1] - values[0]) / 2, values[last] + (values[last] - values[last - 1]) / 2] : [values[0] - 0.5, values[0] + 0.5];
    };
    const share = (values, value) => (value - ends(values)[0]) / (ends(values)[1] - ends(values)[0]);
    return {
      svg, xs, ys, left, top, across, down,
      lever: (axis) => levers.get(svg.dataset[axis]),
      x: (value) => left + across * share(xs, value),
      y: (value) => top + down * (1 - share(ys, value)),
      value: (values, part) => ends(values)[0] + part * (ends(values)[1] - ends(values)[0]),
      held: read("held"),
      said: (i, j) => read("words")[read("cells")[j][i]],
    };
  }

  const nearest = (values, value) => values.reduce((best, each, k) => (Math.abs(each - value) < Math.abs(values[best] - value) ? k : best), 0);

  function read(drawn) {
    const [i, j] = at;
    const texts = [["x", drawn.xs[i]], ["y", drawn.ys[j]]].map(([axis, value]) => `${drawn.lever(axis).querySelector("label").textContent} ${inWords(drawn.lever(axis), value)}`);
    document.querySelector(".plane-reading").textContent = `${texts.join(", ")}: ${drawn.said(i, j)}`;
    const [x, y] = [drawn.x(drawn.xs[i]), drawn.y(drawn.ys[j])];
    drawn.svg.querySelector(".cursor").setAttribute("d", `M${drawn.left} ${y}h${drawn.across}M${x} ${drawn.top}v${drawn.down}`);
  }

  const same = (one, other) => one === other || (one && other && Number(one) === Number(other));

  // Where the sliders stand, if this is the plane of what they say: all else as it holds it.
  function mark() {
    const drawn = plane();
    if (!drawn) return;
    const { x, y } = drawn.svg.dataset;
    const others = [...settings].filter(([feature]) => feature !== x && feature !== y);
    const isHere = settings.size && others.length === Object.keys(drawn.held).length && others.every(([feature, value]) => same(drawn.held[feature], value));
    const spot = drawn.svg.querySelector(".set-here");
    spot.setAttribute("cx", isHere ? drawn.x(Number(slider(drawn.lever("x")).value)) : -99);
    spot.setAttribute("cy", isHere ? drawn.y(Number(slider(drawn.lever("y")).value)) : -99);
  }

  function pointed(event) {
    const drawn = plane();
    const spot = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawn.svg.getScreenCTM().inverse());
    const [across, up] = [(spot.x - drawn.left) / drawn.across, 1 - (spot.y - drawn.top) / drawn.down];
    if (Math.min(across, up) < 0 || Math.max(across, up) > 1) return null;
    at = [nearest(drawn.xs, drawn.value(drawn.xs, across)), nearest(drawn.ys, drawn.value(drawn.ys, up))];
    return drawn;
  }

  function take(drawn) {
    const number = (axis, value) => String(Number(value.toFixed(Number(drawn.lever(axis).dataset.decimals))));
    const { x, y } = drawn.svg.dataset;
    apply({ ...drawn.held, [x]: number("x", drawn.xs[at[0]]), [y]: number("y", drawn.ys[at[1]]) });
  }

  const onPlane = (event) => event.target.closest?.(".plane > svg");

  document.addEventListener("pointermove", (event) => {
    const drawn = onPlane(event) && pointed(event);
    if (drawn) read(drawn);
  });
  document.addEventListener("click", (event) => {
    const drawn = onPlane(event) && pointed(event);
    if (!drawn) return;
    read(drawn);
    take(drawn);
  });
  document.addEventListener("keydown", (event) => {
    if (!onPlane(event) || event.ctrlKey || event.altKey || event.metaKey) return;
    const drawn = plane();
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1], Enter: [0, 0] }[event.key];
    if (!step) return;
    event.preventDefault();
    at ??= [nearest(drawn.xs, Number(slider(drawn.lever("x")).value)), nearest(drawn.ys, Number(slider(drawn.lever("y")).value))];
    at = at.map((k, axis) => Math.min(Math.max(k + step[axis], 0), [drawn.xs, drawn.ys][axis].length - 1));
    read(drawn);
    if (event.key === "Enter") take(drawn);
  });

  document.addEventListener("htmx:after:swap", (event) => {
    if (document.querySelector(".plane .cursor")?.getAttribute("d") === "") at = null; // another plane
    mark();
    if (toSuggestion) toSuggestion.disabled = !suggestion();
  });

  const said = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  if (Object.keys(said).length) apply(said);
  else curves();
})();
