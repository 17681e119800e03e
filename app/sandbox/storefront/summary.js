// The strip at the top: what a home screen shows, from one request to /me/badges/summary.

import { day, number } from "./dates.js";

const strip = document.getElementById("summary");

/** Show a summary. A part named in `incomplete` is unknown; null otherwise means there is none. */
export function showSummary({ totals, lastEarned, nextToExpire, incomplete }) {
  const unknown = new Set(incomplete);
  for (const [name, total] of Object.entries(totals)) {
    fill(`totals.${name}`, unknown, total === null ? [] : [number(total)]);
  }
  fill("lastEarned", unknown, lastEarned ? dated(lastEarned, lastEarned.lastEarnedAt) : []);
  fill("nextToExpire", unknown, nextToExpire ? dated(nextToExpire, nextToExpire.expiresAt) : []);
  strip.ariaBusy = "false";
}

/** Show that nothing is known: while it is being fetched, or after that failed. */
export function clearSummary({ busy }) {
  strip.ariaBusy = String(busy);
  for (const place of strip.querySelectorAll("[data-part]")) {
    place.className = "unknown";
    place.textContent = busy ? "…" : "unknown";
  }
}

function fill(part, unknown, content) {
  const place = strip.querySelector(`[data-part="${part}"]`);
  if (place === null) return; // a later service may count more than this page shows
  const known = !unknown.has(part);
  place.className = known && content.length > 0 ? "" : "unknown";
  place.replaceChildren(...(known ? content : ["unknown"]));
  if (place.childNodes.length === 0) place.textContent = "none";
}

function dated(badge, time) {
  const name = badge.name ?? "Unnamed badge";
  return time === null ? [name] : [`${name} `, day(time)];
}
