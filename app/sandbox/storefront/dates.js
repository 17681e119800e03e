// Dates and numbers in the visitor's own locale and time zone.

const HOUR = 3_600_000; // milliseconds
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const times = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const moments = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const numbers = new Intl.NumberFormat();

/** Return a `time` element that shows the day of an RFC 3339 time. */
export function day(text) {
  return timeElement(new Date(text), days);
}

/** Return a `time` element that shows a moment: without its day where it is only hours ago. */
export function moment(date) {
  return timeElement(date, Math.abs(Date.now() - date) < 12 * HOUR ? times : moments);
}

export function number(value) {
  return numbers.format(value);
}

function timeElement(date, format) {
  const element = document.createElement("time");
  element.dateTime = date.toISOString();
  element.textContent = format.format(date);
  return element;
}
