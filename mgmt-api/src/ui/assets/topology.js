// The drawing of the network. Positions are kept while the same routers are there, so that a change of state does not
// move anything.

import { element, shape, state } from "./format.js";

const positions = new Map();
let chosen = null;
let current = null;

/** Draws a graph, again whenever its box changes its width. */
export function draw(graph) {
  const sameShape = current && key(current) === key(graph);
  current = graph;
  if (!sameShape) layOut(graph);
  render();
}

export function start() {
  const box = document.getElementById("graph");
  let width = 0;
  new ResizeObserver(() => {
    if (Math.abs(box.clientWidth - width) < 8) return;
    width = box.clientWidth;
    if (current) render();
  }).observe(box);
}

function key(graph) {
  return [...graph.vertices.keys(), ...graph.links.keys()].sort().join(" ");
}

/** Forces with a fixed seed, from the positions of before: the same network is drawn the same way. */
function layOut(graph) {
  const order = [...graph.vertices.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  const bodies = order.map((vertex, index) => {
    const angle = (2 * Math.PI * index) / order.length;
    const near = vertex.kind === "node" ? 90 : 220;
    return { id: vertex.id, ...(positions.get(vertex.id) ?? { x: near * Math.cos(angle), y: near * Math.sin(angle) }) };
  });
  const links = [...graph.links.values()].map((link) => ({ source: link.a, target: link.b }));
  window.d3.forceSimulation(bodies)
    .force("charge", window.d3.forceManyBody().strength(-900))
    .force("link", window.d3.forceLink(links).id((body) => body.id).distance(130))
    .force("collide", window.d3.forceCollide(48))
    .force("x", window.d3.forceX().strength(0.05))
    .force("y", window.d3.forceY().strength(0.09))
    .stop()
    .tick(300);
  positions.clear();
  for (const { id, x, y } of bodies) positions.set(id, { x, y });
}

function render() {
  const box = document.getElementById("graph");
  const focused = document.activeElement?.getAttribute?.("data-id");
  if (!current.vertices.size) {
    box.replaceChildren(element("p", { class: "empty" }, "Nothing is known of the network yet."));
    return details();
  }
  const width = Math.max(300, box.clientWidth);
  const height = Math.min(Math.max(320, width * 0.62), 560);
  const place = fit(width, height);
  const colour = colours(current.areas);
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Routers and links" });
  const bundles = new Map();
  for (const link of current.links.values()) {
    const pair = `${link.a}|${link.b}`;
    bundles.set(pair, [...(bundles.get(pair) ?? []), link]);
  }
  for (const bundle of bundles.values()) {
    bundle.sort((a, b) => (a.id < b.id ? -1 : 1));
    bundle.forEach((link, index) => svg.append(drawLink(link, place, colour, index - (bundle.length - 1) / 2)));
  }
  for (const vertex of current.vertices.values()) svg.append(drawVertex(vertex, place(vertex.id)));
  box.replaceChildren(svg);
  if (focused) svg.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  legend(colour);
  details();
}

function fit(width, height) {
  const all = [...positions.values()];
  const least = (axis) => Math.min(...all.map((one) => one[axis]));
  const most = (axis) => Math.max(...all.map((one) => one[axis]));
  const [left, top, right, bottom] = [least("x"), least("y"), most("x"), most("y")];
  const scale = Math.min((width - 2 * MARGIN) / Math.max(right - left, 1), (height - 2 * MARGIN) / Math.max(bottom - top, 1), 2.6);
  return (id) => {
    const { x, y } = positions.get(id);
    return {
      x: width / 2 + (x - (left + right) / 2) * scale,
      y: height / 2 - 8 + (y - (top + bottom) / 2) * scale,
    };
  };
}

function drawLink(link, place, colour, offset) {
  const [from, to] = [place(link.a), place(link.b)];
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const bend = offset * 64;
  const middle = { x: (from.x + to.x) / 2 - (bend * (to.y - from.y)) / length, y: (from.y + to.y) / 2 + (bend * (to.x - from.x)) / length };
  const d = `M${from.x} ${from.y}Q${middle.x} ${middle.y} ${to.x} ${to.y}`;
  const line = shape("path", { class: `link${link.bothWays ? "" : " other"}`, d });
  if (link.bothWays) line.style.stroke = colour.get(link.area);
  const label = { x: (from.x + 2 * middle.x + to.x) / 4, y: (from.y + 2 * middle.y + to.y) / 4 + 4 };
  const costs = [...new Set([link.costs.get(link.a), link.costs.get(link.b)])].map((cost) => cost ?? "?").join("/");
  return choosable(`link ${link.id}`, `${title(link)}: cost ${costs}, area ${link.area}`, "",
    shape("path", { class: "hit", d }), line,
    shape("text", { class: "cost", x: label.x, y: label.y }, [link.network, costs].filter(Boolean).join(" ")));
}

function title(link) {
  return `${link.network || "Link"} between ${name(link.a)} and ${name(link.b)}`;
}

function name(id) {
  const vertex = current.vertices.get(id);
  if (vertex.kind === "node") return `node ${vertex.nodeId}`;
  return vertex.kind === "network" ? `network ${vertex.label}` : `router ${vertex.label}`;
}

function drawVertex(vertex, { x, y }) {
  const mark = vertex.kind === "network"
    ? shape("rect", { class: "mark", x: x - 11, y: y - 11, width: 22, height: 22, transform: `rotate(45 ${x} ${y})` })
    : vertex.kind === "outside"
      ? shape("rect", { class: "mark", x: x - 20, y: y - 15, width: 40, height: 30, rx: 6 })
      : shape("circle", { class: "mark", cx: x, cy: y, r: 20 });
  const notes = [vertex.areaBorder && "ABR", vertex.asBoundary && "ASBR", vertex.state !== "active" && vertex.state].filter(Boolean);
  return choosable(`vertex ${vertex.id}`, [name(vertex.id), ...notes].join(", "),
    `${vertex.kind} ${vertex.state ?? ""} ${vertex.self ? "self" : ""}`,
    vertex.self ? shape("circle", { class: "ring", cx: x, cy: y, r: 25 }) : null,
    mark,
    vertex.kind === "node" ? shape("text", { class: "inside", x, y: y + 4 }, String(vertex.nodeId)) : null,
    shape("text", { x, y: y + 39 }, vertex.label),
    notes.length ? shape("text", { class: "small", x, y: y + 53 }, notes.join(", ")) : null);
}

function choosable(id, label, kind, ...parts) {
  const group = shape("g", { class: `${kind}${chosen === id ? " chosen" : ""}`, role: "button", tabindex: 0, "data-id": id,
    "aria-label": label, "aria-pressed": String(chosen === id) }, ...parts);
  const choose = () => {
    chosen = chosen === id ? null : id;
    render();
  };
  group.addEventListener("click", choose);
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose();
  });
  return group;
}

function details() {
  const box = document.getElementById("details");
  const [kind, ...rest] = (chosen ?? "").split(" ");
  const id = rest.join(" ");
  const vertex = kind === "vertex" ? current.vertices.get(id) : undefined;
  const link = kind === "link" ? current.links.get(id) : undefined;
  if (vertex) box.replaceChildren(...vertexDetails(vertex));
  else if (link) box.replaceChildren(...linkDetails(link));
  else box.replaceChildren(element("p", { class: "empty" }, "Choose a router or a link to see what is known about it."));
}

function vertexDetails(vertex) {
  const facts = [
    ["Router id", vertex.kind === "network" ? null : vertex.label],
    ["State", vertex.state ? state(vertex.state) : null],
    ["Role", vertex.role ?? (vertex.areaBorder ? "abr" : null)],
    ["LSM", vertex.facts?.["lsm-address"]],
    ["GSM", vertex.facts?.["gsm-address"]],
    ["Weight", vertex.facts ? String(vertex.facts.weight) : null],
    ["Designated router", vertex.dr],
    ["Mask", vertex.mask],
    ["Areas", [...vertex.areas].sort().join(", ") || null],
    ["Networks", [...(vertex.stubs ?? [])].sort().join(", ") || null],
  ];
  const lsas = vertex.lsas.map((lsa) => element("li", {},
    `${lsa.header.type.replace(/^ospfv2-/, "")} ${lsa.header["lsa-id"]}, area ${lsa["area-id"] ?? "-"}, age ${lsa.header.age} s`));
  return [
    element("h3", {}, name(vertex.id)),
    list(facts),
    element("h3", {}, `Advertisements (${lsas.length})`),
    lsas.length ? element("ul", { tabindex: 0 }, lsas) : element("p", { class: "empty" }, "None in the database."),
  ];
}

function linkDetails(link) {
  const cost = (from, to) => [`${name(from)} to ${name(to)}`, link.costs.has(from) ? `cost ${link.costs.get(from)}` : "not advertised"];
  return [
    element("h3", {}, title(link)),
    list([["Area", link.area], cost(link.a, link.b), cost(link.b, link.a),
      ["State", link.bothWays ? state("up") : state("one end only", "bad")]]),
  ];
}

function list(facts) {
  return element("dl", {}, facts.filter(([, value]) => value)
    .flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]));
}

function legend(colour) {
  const line = (stroke, dash) => {
    const path = shape("path", { d: "M0 6h26", "stroke-width": 3, "stroke-dasharray": dash });
    path.style.stroke = stroke;
    return shape("svg", { width: 26, height: 12, "aria-hidden": "true" }, path);
  };
  document.getElementById("legend").replaceChildren(
    ...[...colour].map(([area, stroke]) => element("span", {}, line(stroke), `area ${area}`)),
    element("span", {}, line("var(--bad)", "5 4"), "advertised by one end only"),
    element("span", {}, "circle: node of the cluster · box: outside router · diamond: network"));
}

/** Colours that are told apart without red and green, and on both grounds. */
function colours(areas) {
  const palette = ["#0f8f8f", "#b8860b", "#8f63c7", "#3f83d6", "#c05a87", "#7a8794"];
  return new Map(areas.map((area, index) => [area, palette[index % palette.length]]));
}

/** Room around the outermost routers, for their names. */
const MARGIN = 62;
