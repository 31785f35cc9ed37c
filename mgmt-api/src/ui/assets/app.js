// The page of one node: asks for everything once, then again whenever an event says that something has changed; counters
// are asked for every few seconds while the page is seen.

import { NotAllowed, follow, get, setToken } from "./api.js";
import { clock, duration, element, short, state } from "./format.js";
import { buildGraph } from "./graph.js";
import * as tables from "./tables.js";
import * as topology from "./topology.js";

/** Events that the page remembers. */
const MOST_EVENTS = 300;
/** Milliseconds in which events are gathered before the page asks for what has changed. */
const GATHER = 200;
/** Milliseconds between two readings of the counters. */
const SAMPLE = 2000;
/** Milliseconds after which everything is asked for even without an event: timers and ages go on. */
const REFRESH = 10000;

const at = (id) => document.getElementById(id);
const known = { routes: [], rates: new Map(), samples: new Map(), events: [] };

/** Asks for what changes with events. */
async function refresh() {
  const [system, ospf, neighbors, database, routes, shm, steering, readiness] = await Promise.all(
    ["system", "ospf", "ospf/neighbors", "ospf/database", "routing/ribs/ipv4-default/routes", "shm", "steering", "system/ready"]
      .map((path) => get(path)));
  header(system);
  Object.assign(known, { system, ospf, shm, steering, readiness, routes: routes?.route ?? [] });
  tables.neighbors(neighbors?.neighbor);
  tables.nodes(shm);
  tables.steering(steering);
  showRoutes();
  topology.draw(buildGraph(database?.lsa ?? [], system, shm));
  overview();
}

/** Asks for what changes all the time. */
async function sample() {
  const [interfaces, rings] = await Promise.all([get("interfaces"), known.shm === undefined ? undefined : get("shm/rings")]);
  const now = performance.now();
  for (const one of interfaces.interface) {
    const previous = known.samples.get(one.name);
    const sum = (direction) => ["unicast", "broadcast", "multicast"].reduce((total, cast) => total + one.statistics[`${direction}-${cast}-pkts`], 0);
    const taken = { now, inOctets: one.statistics["in-octets"], outOctets: one.statistics["out-octets"], inPackets: sum("in"), outPackets: sum("out") };
    known.samples.set(one.name, taken);
    if (!previous) continue;
    const perSecond = (name) => Math.max(0, ((taken[name] - previous[name]) * 1000) / (now - previous.now));
    known.rates.set(one.name, {
      inBits: 8 * perSecond("inOctets"), outBits: 8 * perSecond("outOctets"), inPackets: perSecond("inPackets"), outPackets: perSecond("outPackets"),
    });
  }
  tables.interfaces(interfaces.interface, known.rates);
  tables.rings(rings, known.shm);
  known.interfaces = interfaces.interface;
  overview();
}

function header(system) {
  at("hostname").textContent = system.hostname;
  document.title = `${system.hostname} - Isthmus`;
  at("role").textContent = system.role === "abr" ? "area border router" : system.role;
  at("role").title = system["role-reason"];
  at("role").hidden = false;
  at("version").textContent = `Isthmus ${system.version}, up ${duration(system.uptime)}`;
}

function overview() {
  const { system, ospf, shm, readiness, routes, interfaces, steering } = known;
  if (!system) return;
  const total = (name) => [...known.rates.values()].reduce((sum, rates) => sum + rates[name], 0);
  const ready = readiness?.ready === true;
  const tile = (term, value, small) =>
    element("div", {}, element("dt", {}, term), element("dd", {}, value, small ? element("small", {}, small) : null));
  at("tiles").replaceChildren(
    tile("State", ready ? state("ready") : state("not ready", "bad"), system["role-reason"]),
    tile("Router id", system["router-id"] ?? "-", system["node-id"] ? `node ${system["node-id"]}` : "no fabric"),
    tile("Adjacencies", ospf ? `${ospf["adjacency-count"]} of ${ospf["neighbor-count"]}` : "-", ospf ? `${ospf["area-count"]} areas` : "OSPF does not run"),
    tile("Nodes", shm ? `${shm.active.length} active` : "-", shm ? `of ${shm.node.length} that ever joined` : "no fabric"),
    tile("Routes", short(routes.filter((route) => route.active).length), `${routes.length} in the table`),
    tile("In", short(total("inBits"), "bit/s"), short(total("inPackets"), "packets/s")),
    tile("Out", short(total("outBits"), "bit/s"), short(total("outPackets"), "packets/s")),
    tile("Common address", steering?.["common-address"]?.[0] ?? "-", steering ? `${steering.member.length} nodes take flows` : undefined),
  );
  at("checks").replaceChildren(...(system.check ?? []).map((check) =>
    element("li", {}, state(check.status), element("span", { class: "what" }, check.name), element("span", {}, check.detail))));
  if (interfaces && !interfaces.length) at("checks").append(element("li", {}, "no interface"));
}

function showRoutes() {
  tables.routes(known.routes, at("routes-filter").value, at("routes-all").checked);
}

/** An event arrives: it is shown, and what it may have changed is asked for soon, once for all that arrive together. */
function onEvent(message) {
  let event;
  try {
    event = JSON.parse(message.data);
  } catch {
    return;
  }
  if (event.type === undefined || event.message === undefined) return scheduleRefresh();
  known.events.unshift(event);
  known.events.length = Math.min(known.events.length, MOST_EVENTS);
  showEvents(event);
  scheduleRefresh();
}

let pending = null;
function scheduleRefresh() {
  pending ??= setTimeout(() => {
    pending = null;
    attempt(refresh);
  }, GATHER);
}

function showEvents(arrived) {
  const select = at("events-type");
  const listed = [...select.options].map((option) => option.value);
  for (const type of [...new Set(known.events.map((event) => event.type))].filter((type) => !listed.includes(type))) {
    select.append(element("option", { value: type }, type));
  }
  const rows = known.events.filter((event) => !select.value || event.type === select.value);
  at("events-list").replaceChildren(...(rows.length ? rows.map((event) => eventRow(event, event === arrived)) : [element("li", { class: "empty" }, "No event yet.")]));
}

function eventRow(event, isNew) {
  return element("li", { class: isNew ? "new" : undefined },
    element("time", { datetime: event.time, title: event.time }, clock(event.time)),
    element("span", { class: "kind" }, event.type),
    element("span", { class: "message" }, event.message));
}

/** Runs a request; what fails is said in the banner until something succeeds. */
async function attempt(work) {
  try {
    await work();
    at("banner").hidden = true;
    return true;
  } catch (error) {
    fail(error);
    return false;
  }
}

function fail(error) {
  const notAllowed = error instanceof NotAllowed;
  at("sign-in").hidden = !notAllowed;
  at("banner").textContent = notAllowed ? error.message : `The node does not answer: ${error.message}. Trying again.`;
  at("banner").hidden = false;
}

function onState(word, why, error) {
  at("live").dataset.state = word;
  at("live").textContent = word === "live" ? "live" : "not live";
  at("live").title = why ?? "";
  if (word === "live") attempt(refresh);
  else if (error) fail(error);
}

/** Light, dark, or as the system says. */
function theme() {
  const order = ["system", "light", "dark"];
  const apply = (wanted) => {
    if (wanted === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = wanted;
    at("theme").textContent = `Theme: ${wanted}`;
    localStorage.setItem("isthmus-theme", wanted);
  };
  apply(order.includes(localStorage.getItem("isthmus-theme")) ? localStorage.getItem("isthmus-theme") : "system");
  at("theme").addEventListener("click", () =>
    apply(order[(order.indexOf(localStorage.getItem("isthmus-theme")) + 1) % order.length]));
}

function sections() {
  const links = new Map([...document.querySelectorAll("nav a:not(.outside)")].map((link) => [link.hash.slice(1), link]));
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) links.get(entry.target.id)?.toggleAttribute("aria-current", entry.isIntersecting);
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const id of links.keys()) observer.observe(at(id));
}

async function run() {
  known.events = ((await get("events/recent"))?.event ?? []).reverse().slice(0, MOST_EVENTS);
  showEvents();
  await refresh();
  await sample();
  follow(onEvent, onState);
}

async function begin() {
  while (!(await attempt(run))) {
    // Without a token there is nothing to try again with.
    if (!at("sign-in").hidden) return;
    await new Promise((wake) => setTimeout(wake, SAMPLE));
  }
  setInterval(() => document.hidden || attempt(sample), SAMPLE);
  setInterval(() => document.hidden || attempt(refresh), REFRESH);
}

at("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(at("token").value.trim());
  location.reload();
});
at("routes-filter").addEventListener("input", showRoutes);
at("routes-all").addEventListener("change", showRoutes);
at("events-type").addEventListener("change", () => showEvents());
theme();
sections();
topology.start();
begin();
