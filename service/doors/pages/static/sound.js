// A sound for alarms that are raised while the list is open: off until somebody turns it on, made here, and
// heard again until it is silenced or somebody has acknowledged what it tells of.
"use strict";
{
  const KEPT = "ifonly.sound";
  const AGAIN_MS = 15000;
  const RANKS = ["low", "medium", "high", "urgent"];
  // Of each priority: hertz, and when, in seconds. The more urgent, the higher, and the more often.
  const TONES = {
    low: [[440, 0]],
    medium: [[660, 0], [660, 0.3]],
    high: [[880, 0], [880, 0.2], [880, 0.4]],
    urgent: [[988, 0], [1319, 0.15], [988, 0.3], [1319, 0.45], [988, 0.6], [1319, 0.75]],
  };
  const LENGTH = 0.12;
  const button = document.getElementById("sound");
  const silence = document.getElementById("silence");
  const heard = new Set(); // raises that were sounded, or silenced
  let sounding = new Map(); // raise to priority
  let context = null;
  let again = null;

  // Kept by the browser: whoever sits here wants it, whichever account they use. (Some keep nothing.)
  function isWanted() {
    try {
      return localStorage.getItem(KEPT) === "on";
    } catch {
      return button.dataset.wanted === "on";
    }
  }

  function want(isOn) {
    button.dataset.wanted = isOn ? "on" : "off";
    try {
      localStorage.setItem(KEPT, isOn ? "on" : "off");
    } catch {
      // for this page alone, then
    }
  }

  // Browsers play nothing before somebody has touched the page.
  function open() {
    context ??= new AudioContext();
    context.onstatechange = show;
    return context.state === "running" ? Promise.resolve() : context.resume().catch(() => {});
  }

  function show() {
    const isOn = isWanted();
    const state = !isOn ? "off" : context?.state === "running" ? "on" : "blocked";
    if (button.dataset.state !== state) {
      button.dataset.state = state;
      button.querySelector("span").textContent = button.dataset[state];
    }
    button.setAttribute("aria-pressed", String(isOn));
    silence.hidden = !isOn || sounding.size === 0;
  }

  function play(priority) {
    if (!isWanted() || context?.state !== "running") return;
    const start = context.currentTime + 0.02;
    for (const [hertz, after] of TONES[priority]) {
      const tone = new OscillatorNode(context, { type: "triangle", frequency: hertz });
      const volume = new GainNode(context, { gain: 0 });
      const at = start + after;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(0.25, at + 0.01); // no click at either end
      volume.gain.setValueAtTime(0.25, at + LENGTH - 0.03);
      volume.gain.linearRampToValueAtTime(0, at + LENGTH);
      tone.connect(volume).connect(context.destination);
      tone.start(at);
      tone.stop(at + LENGTH);
    }
    button.dataset.sounded = String(Number(button.dataset.sounded ?? 0) + 1);
    button.dataset.priority = priority;
  }

  function worst() {
    const ranks = [...sounding.values()].map((priority) => RANKS.indexOf(priority));
    return RANKS[Math.max(...ranks)];
  }

  function repeat() {
    clearInterval(again);
    again = null;
    if (sounding.size > 0) again = setInterval(() => play(worst()), AGAIN_MS);
    show();
  }

  // All that was raised since the page was opened, and that nobody has acknowledged.
  function told(raised) {
    const known = new Map(raised.map((each) => [each.raise, RANKS.includes(each.priority) ? each.priority : "medium"]));
    const before = sounding;
    sounding = new Map([...known].filter(([raise]) => before.has(raise) || !heard.has(raise)));
    const isNew = [...sounding.keys()].some((raise) => !heard.has(raise));
    for (const raise of known.keys()) heard.add(raise);
    if (isNew) play(worst());
    repeat();
  }

  button.addEventListener("click", async () => {
    const turnsOn = button.dataset.state === "off";
    const wasBlocked = button.dataset.state === "blocked";
    want(turnsOn || wasBlocked);
    if (turnsOn || wasBlocked) {
      await open();
      play("medium"); // so that it is known to be heard
    }
    show();
  });
  silence.addEventListener("click", () => {
    sounding = new Map();
    repeat();
    button.focus();
  });
  for (const touch of ["pointerdown", "keydown"]) {
    document.addEventListener(touch, () => {
      if (isWanted() && context?.state !== "running") open().then(show);
    });
  }
  document.addEventListener("ifonly:raised", (event) => told(event.detail));
  button.hidden = false;
  if (isWanted()) open().then(show);
  show();
}
