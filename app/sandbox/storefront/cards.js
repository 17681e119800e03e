// A badge as a card. All that the service sends becomes text or an `src`, never markup.

import { day, number } from "./dates.js";

const STATUSES = new Set(["live", "upcoming", "expired"]);

/** Return the card of a badge, from the page's template. */
export function card(badge) {
  const item = clone("card");
  const [state, words] = progress(badge);
  item.dataset.state = state;
  item.querySelector("h3").textContent = badge.name ?? "Unnamed badge";
  item.querySelector(".description").textContent = badge.description ?? "";
  item.querySelector(".state use").setAttribute("href", `#icon-${state}`);
  item.querySelector(".state span").textContent = words;
  item.querySelector(".period").append(...period(badge));
  showPicture(item.querySelector(".medal"), badge, state);
  return item;
}

/** Return `count` cards without content, for the time until badges are there. */
export function skeletons(count) {
  return Array.from({ length: count }, () => clone("skeleton"));
}

function clone(template) {
  return document.getElementById(template).content.firstElementChild.cloneNode(true);
}

/** Return how far the customer is with a badge, for the eye and in words. */
function progress(badge) {
  if (badge.earned) {
    const count = badge.earnCount ?? 1;
    return ["earned", count > 1 ? `Earned ${number(count)} times` : "Earned"];
  }
  return badge.issueStatus ? ["joined", "Joined"] : ["open", "Not earned yet"];
}

/** Show the picture that suits the state best; without any, the first letter of the name. */
function showPicture(medal, badge, state) {
  const order = {
    earned: ["earned", "inProgress", "unearned"],
    joined: ["inProgress", "unearned", "earned"],
    open: ["unearned", "inProgress", "earned"],
  };
  const image = order[state].map((tag) => badge.images[tag]).find(Boolean);
  const picture = medal.querySelector("img");
  const showLetter = () => {
    medal.replaceChildren((badge.name ?? "?").slice(0, 1));
    medal.ariaHidden = "true";
  };
  if (!image) return showLetter();
  picture.addEventListener("error", showLetter);
  picture.src = image.url;
}

/** Return when the badge was earned, and its own period; a status that this page does not know is shown as it is. */
function period(badge) {
  const { status, startsAt, expiresAt, lastEarnedAt, earnCount } = badge;
  const parts = [];
  if (lastEarnedAt) parts.push([earnCount > 1 ? "Last " : "On ", day(lastEarnedAt)]);
  if (status === "upcoming" && startsAt) parts.push(["Starts ", day(startsAt)]);
  else if (status === "expired") parts.push(expiresAt ? ["Ended ", day(expiresAt)] : ["Ended"]);
  else if (expiresAt) parts.push(["Ends ", day(expiresAt)]);
  if (status && !STATUSES.has(status)) parts.push([status]);
  return parts.map(line);
}

function line(parts) {
  const element = document.createElement("span");
  element.append(...parts);
  return element;
}
