// Elements and numbers for people. Text goes into the page as text, never as markup.

/** An element with attributes, and children that are elements or text. */
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same in SVG. */
export function shape(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** 1234567 as `1.23 M`. */
export function short(value, unit = "") {
  const steps = ["", "k", "M", "G", "T", "P"];
  let step = 0;
  while (Math.abs(value) >= 1000 && step < steps.length - 1) {
    value /= 1000;
    step += 1;
  }
  const digits = step === 0 && Number.isInteger(value) ? 0 : value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${steps[step]}${unit}`.trim();
}

/** Octets in binary units. */
export function octets(value) {
  const steps = ["B", "KiB", "MiB", "GiB", "TiB"];
  let step = 0;
  while (value >= 1024 && step < steps.length - 1) {
    value /= 1024;
    step += 1;
  }
  return `${step === 0 ? value : value.toFixed(1)} ${steps[step]}`;
}

/** Seconds as `2d 03:04:05`. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const days = Math.floor(whole / 86400);
  const two = (value) => String(value).padStart(2, "0");
  const clock = `${two(Math.floor(whole / 3600) % 24)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return days ? `${days}d ${clock}` : clock;
}

/** The time of day of an event, with the date if it was another day. */
export function clock(time) {
  const date = new Date(time);
  const text = date.toLocaleTimeString([], { hour12: false });
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return date.toDateString() === new Date().toDateString() ? `${text}.${millis}` : `${date.toLocaleDateString()} ${text}`;
}

/** A word in the colour of what it means. */
export function state(word, kind = kindOf(word)) {
  return element("span", { class: `state ${kind}` }, word);
}

function kindOf(word) {
  const base = String(word).split("/")[0];
  if (["full", "active", "up", "ok", "ready"].includes(base)) return "good";
  if (["failed", "down", "quarantined", "error"].includes(base)) return "bad";
  if (["init", "attempt", "exstart", "exchange", "loading", "suspect", "joining", "allocated", "connected", "warning", "waiting"]
    .includes(base)) return "warn";
  return "";
}
