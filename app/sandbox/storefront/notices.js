// What the page says about itself: how fresh the badges are, what went wrong, what has changed.

import { moment } from "./dates.js";

const element = (id) => document.getElementById(id);
let countdown = null; // the timer of the one countdown that there may be

/** Say a sentence to those who can't see what has changed. */
export function announce(text) {
  element("announcement").textContent = text;
}

/** Show as of when the badges are. Only stale ones that can't be replaced deserve a warning. */
export function showFreshness({ asOf, stale, failed }) {
  const line = element("as-of");
  line.hidden = asOf === null;
  if (asOf === null) return;
  line.classList.toggle("stale", failed);
  line.replaceChildren("As of ", moment(asOf));
  if (failed) line.append(". Newer badges can't be fetched right now.");
  else if (stale) line.append(", looking for newer ones …");
}

export function hideFreshness() {
  element("as-of").hidden = true;
  element("answer").textContent = "";
}

/** Show to developers what was asked, and what the service's headers said. A shop leaves it out. */
export function showHeaders(address, headers) {
  const { pathname, search } = new URL(address);
  const names = ["Cache-Status", "Age", "ETag", "X-Request-Id"];
  const told = names.map((name) => `${name}: ${headers.get(name)}`);
  element("answer").textContent = [`GET ${pathname}${search}`, ...told].join("\n");
}

/** Show a problem; where `seconds` is a number, count down and call `retry` at the end. */
export function showProblem(problem, { seconds, retry }) {
  hideProblem();
  element("problem-title").textContent = problem.title;
  element("problem-detail").textContent = problem.detail;
  element("problem-request").hidden = problem.requestId === null;
  element("problem-request").querySelector("code").textContent = problem.requestId ?? "";
  element("problem-retry").hidden = seconds !== null || !problem.mayPass;
  element("problem-retry").onclick = retry;
  element("problem").hidden = false;
  if (seconds !== null) countDown(Date.now() + seconds * 1000, retry);
}

export function hideProblem() {
  stopCountdown();
  element("problem").hidden = true;
}

export function stopCountdown() {
  clearInterval(countdown);
  element("refresh").ariaDisabled = "false";
  element("problem-countdown").hidden = true;
}

function countDown(end, retry) {
  const line = element("problem-countdown");
  const tick = () => {
    // Measured anew each time: browsers slow down the timers of a page in the background.
    const left = Math.ceil((end - Date.now()) / 1000);
    line.textContent = `Trying again in ${left} s`;
    if (left <= 0) retry(); // which stops the countdown
  };
  line.hidden = false;
  element("refresh").ariaDisabled = "true"; // which, unlike `disabled`, leaves the focus there
  tick();
  countdown = setInterval(tick, 1000);
}
