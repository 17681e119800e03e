// The page: what the visitor chose, and what is shown for it.

import { Problem, Session } from "./api.js";
import { card, skeletons } from "./cards.js";
import * as notices from "./notices.js";
import { clearSummary, showSummary } from "./summary.js";

const element = (id) => document.getElementById(id);
const filters = element("filters");
const list = element("badges");

const PAGE_SIZE = 10; // the service's default
const SECOND_LOOK = 1500; // milliseconds

const state = {
  session: null,
  address: null, // of the page of badges that the visitor wants to see
  shown: null, // the address of the badges that are shown
  links: {},
  look: null, // the timer of a second look, after stale badges
  listing: new AbortController(), // ends the requests that nobody waits for any more
  summing: new AbortController(),
};

/** Return the address of the first page of what the filters say. */
function chosenAddress() {
  const { view, status } = Object.fromEntries(new FormData(filters));
  // The defaults are left out: then the summary and the lists share the service's cache entries.
  const query = new URLSearchParams({ view });
  if (view === "earned") query.set("sort", "-lastEarnedAt");
  if (status) query.set("status", status);
  return new URL(`/me/badges?${query}`, location.href).href;
}

/**
 * Fetch and show the page of badges at `state.address`.
 * `attempts` counts the tries that were made without being told to; `again`: a second look.
 */
async function loadBadges({ pull = false, attempts = 0, again = false } = {}) {
  clearTimeout(state.look);
  notices.stopCountdown();
  state.listing.abort();
  const { signal } = (state.listing = new AbortController());
  const { address } = state;
  list.ariaBusy = "true";
  try {
    const answer = await state.session.get(address, { signal, pull });
    showBadges(answer, address);
    if (attempts > 0) loadSummary();
    if (!again) lookAgain(answer.freshness);
  } catch (problem) {
    if (signal.aborted) return;
    if (!(problem instanceof Problem)) throw problem;
    showFailure(problem, address, attempts);
  }
  list.ariaBusy = "false";
}

/** Stale badges come at once while the service fetches newer ones: get those, too. Only once. */
function lookAgain({ stale, failed }) {
  if (!stale || failed) return;
  state.look = setTimeout(() => loadBadges({ again: true }), SECOND_LOOK);
}

/** Fetch and show the summary. If that fails it stays as it is, or unknown: the list says why. */
async function loadSummary({ pull = false } = {}) {
  state.summing.abort();
  const { signal } = (state.summing = new AbortController());
  try {
    const { body } = await state.session.get("/me/badges/summary", { signal, pull });
    showSummary(body);
  } catch (problem) {
    if (signal.aborted) return;
    if (element("summary").ariaBusy === "true") clearSummary({ busy: false });
    if (!(problem instanceof Problem)) throw problem;
  }
}

function showBadges({ body, links, freshness, headers }, address) {
  const { number, totalPages, totalItems } = body.page;
  const title = `${chosenLabel()}${totalItems === null ? "" : ` (${totalItems})`}`;
  const position = totalPages === null ? `Page ${number}` : `Page ${number} of ${totalPages}`;
  Object.assign(state, { links, shown: address });
  notices.hideProblem();
  notices.showFreshness(freshness);
  notices.showHeaders(address, headers);
  list.replaceChildren(...body.badges.map(card));
  list.hidden = body.badges.length === 0;
  element("empty").hidden = !list.hidden;
  element("results-title").textContent = title;
  element("position").textContent = position;
  for (const button of element("pages").querySelectorAll("button")) {
    button.disabled = !canTurnTo(button.dataset.page);
  }
  element("pages").hidden = !links.next && !links.prev;
  const shown = list.hidden ? "No badges here." : `${body.badges.length} shown. ${position}.`;
  notices.announce(`${title}. ${shown}`);
}

/** Show a problem. Badges of the very same address stay: better those than none. */
function showFailure(problem, address, attempts) {
  if (state.shown !== address) clearBadges([]);
  const seconds = problem.retryIn(attempts);
  const retry = () => loadBadges({ attempts: seconds === null ? 0 : attempts + 1 });
  notices.showProblem(problem, { seconds, retry });
}

function clearBadges(instead) {
  Object.assign(state, { shown: null, links: {} });
  notices.hideProblem();
  notices.hideFreshness();
  list.replaceChildren(...instead);
  list.hidden = instead.length === 0;
  element("empty").hidden = true;
  element("pages").hidden = true;
  element("results-title").textContent = chosenLabel();
}

function chosenLabel() {
  return filters.querySelector('[name="view"]:checked').parentElement.textContent;
}

/** "First" and "Last" lead nowhere new where there is nothing before or after. */
function canTurnTo(relation) {
  const way = { first: "prev", prev: "prev", next: "next", last: "next" }[relation];
  return Boolean(state.links[way] && state.links[relation]);
}

function showChosen() {
  state.address = chosenAddress();
  return loadBadges();
}

/** Whatever the last customer saw goes at once, before the next one's badges are there. */
function signIn(customer) {
  state.session = new Session(customer);
  clearBadges(skeletons(PAGE_SIZE));
  clearSummary({ busy: true });
  loadSummary();
  showChosen();
}

async function turnTo(relation) {
  state.address = state.links[relation];
  await loadBadges();
  element("results-title").focus();
}

/** Not while the service has asked to be left alone for some seconds. */
function refresh({ currentTarget }) {
  if (currentTarget.ariaDisabled === "true") return;
  loadSummary({ pull: true });
  loadBadges({ pull: true });
}

function listen() {
  element("customer").addEventListener("change", (event) => signIn(event.target.value));
  element("refresh").addEventListener("click", refresh);
  filters.addEventListener("change", showChosen);
  filters.addEventListener("submit", (event) => event.preventDefault());
  element("show-available").addEventListener("click", () => {
    filters.reset();
    filters.elements.view.value = "available";
    showChosen();
    element("results-title").focus();
  });
  element("pages").addEventListener("click", ({ target }) => {
    if (target.dataset.page) turnTo(target.dataset.page);
  });
}

/** The sandbox tells who may sign in; a shop has its own login instead of this. */
async function start() {
  try {
    const answer = await fetch("/customers", { signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw await Problem.of(answer);
    const names = (await answer.json()).map(({ name }) => name);
    element("customer").replaceChildren(...names.map((name) => new Option(name)));
    listen();
    signIn(names[0]);
  } catch (error) {
    clearBadges([]);
    clearSummary({ busy: false });
    notices.showProblem(Problem.from(error), { seconds: null, retry: () => location.reload() });
  }
}

clearBadges(skeletons(PAGE_SIZE));
clearSummary({ busy: true });
start();
