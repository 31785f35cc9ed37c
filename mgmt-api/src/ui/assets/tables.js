// The tables of the page: columns, and rows made from the bodies of the API.

import { duration, element, octets, short, state } from "./format.js";

/**
 * Shows rows in a container. A column is [title, value(row) -> text or element, "number" if it is one]. On narrow
 * screens a row becomes a card, in which each cell names its column.
 */
function table(id, columns, rows, empty) {
  const container = document.getElementById(id);
  if (!rows.length) {
    container.replaceChildren(element("p", { class: "empty" }, empty));
    return;
  }
  const head = columns.map(([title, , kind]) => element("th", { scope: "col", class: kind }, title));
  const body = rows.map((row) =>
    element("tr", { class: row.quiet ? "quiet" : undefined },
      columns.map(([title, value, kind]) => element("td", { class: kind, "data-column": title }, value(row) ?? "")))
  );
  container.replaceChildren(
    element("table", {}, element("thead", {}, element("tr", {}, head)), element("tbody", {}, body)));
}

export function neighbors(ospf) {
  const rows = ospf ?? [];
  const full = rows.filter((row) => row.state === "full").length;
  document.getElementById("neighbors-count").textContent = rows.length ? `${full} of ${rows.length} full` : "";
  table("neighbors-table", [
    ["Neighbor", (row) => row["neighbor-router-id"]],
    ["State", (row) => state(row.state)],
    ["Interface", (row) => row.interface],
    ["Area", (row) => row["area-id"]],
    ["Address", (row) => row.address],
    ["Priority", (row) => String(row.priority), "number"],
    ["Up for", (row) => (row["up-time"] === undefined || row["up-time"] === null ? "" : duration(row["up-time"])), "number"],
    ["Dead in", (row) => `${row["dead-timer"] ?? "-"} s`, "number"],
    ["Retransmit", (row) => String(row.statistics["nbr-retrans-qlen"]), "number"],
  ], rows, ospf ? "No neighbor has been heard yet. `isthmus show ospf interface` shows what the router waits for." : "OSPF does not run on this node.");
}

export function interfaces(rows, rates) {
  table("interfaces-table", [
    ["Interface", (row) => row.name],
    ["State", (row) => state(row["oper-status"])],
    ["Admin", (row) => row["admin-status"]],
    ["Driver", (row) => row.driver],
    ["Addresses", (row) => row.address.map((one) => `${one.ip}/${one["prefix-length"]}`).join(", ")],
    ["MTU", (row) => String(row.mtu), "number"],
    ["In", (row) => rate(rates.get(row.name), "in"), "number"],
    ["Out", (row) => rate(rates.get(row.name), "out"), "number"],
    ["Drops", (row) => drops(row.statistics), "number"],
  ], rows, "This node has no interface.");
}

function rate(rates, direction) {
  return rates ? `${short(rates[`${direction}Bits`], "bit/s")} · ${short(rates[`${direction}Packets`], "pps")}` : "…";
}

function drops(statistics) {
  const all = Object.entries(statistics.drops ?? {});
  const sum = all.reduce((total, [, count]) => total + count, 0);
  return element("span", { title: all.map(([reason, count]) => `${reason}: ${count}`).join("\n") }, short(sum));
}

export function routes(all, filter, withInactive) {
  const wanted = filter.trim().toLowerCase();
  const rows = all
    .filter((row) => withInactive || row.active)
    .map((row) => ({ ...row, quiet: !row.active, via: via(row) }))
    .filter((row) => !wanted || text(row).includes(wanted));
  const shown = rows.slice(0, MOST_ROWS);
  document.getElementById("routes-count").textContent =
    rows.length > shown.length ? `${shown.length} of ${rows.length} shown: filter them` : String(rows.length || "");
  table("routes-table", [
    ["Prefix", (row) => row["destination-prefix"]],
    ["Source", (row) => [row["source-protocol"], row["route-type"]].filter(Boolean).join(" ")],
    ["Area", (row) => row["area-id"] ?? ""],
    ["Metric", (row) => String(row.metric ?? ""), "number"],
    ["Preference", (row) => String(row["route-preference"]), "number"],
    ["Next hops", (row) => row.via],
    ["Chosen", (row) => (row.active ? "yes" : "no")],
  ], shown, wanted ? "No route matches the filter." : "There is no route yet.");
}

function via(row) {
  if (row["special-next-hop"]) return row["special-next-hop"];
  return row["next-hops"].map((hop) => [hop["next-hop"], hop["outgoing-interface"]].filter(Boolean).join(" on ")).join(", ");
}

function text(row) {
  return [row["destination-prefix"], row["source-protocol"], row["route-type"], row["area-id"], row.via].join(" ").toLowerCase();
}

export function nodes(shm) {
  document.getElementById("fabric-summary").textContent = shm
    ? `Segment ${shm.segment}, ${shm.facility} facility${shm.coherence ? `, ${shm.coherence} coherence` : ""}${mappingCost(shm["mapping-cost"])}, ${shm.active.length} active of at most ${shm["max-nodes"]} nodes; ` +
      `${octets(shm["arena-size"] - shm["arena-free"])} of this node's arena of ${octets(shm["arena-size"])} in use. ` +
      (shm.doorbell ?? []).map((one) => `Queue ${one.queue} waited ${short(one.waits)} times and heard its doorbell ${short(one.heard)} times.`).join(" ")
    : "This node has no shared memory: it is a plain router.";
  const links = (node, network) => shm.link.find((one) => one.peer === node && one.network === network)?.state;
  const link = (row, network) => (row.local ? "" : state(links(row["node-id"], network) ?? "down"));
  table("nodes-table", [
    ["Node", (row) => `${row["node-id"]}${row.local ? " (this one)" : ""}`],
    ["State", (row) => state(row.state)],
    ["Role", (row) => row.facts?.role ?? ""],
    ["LSM address", (row) => row.facts?.["lsm-address"] ?? ""],
    ["GSM address", (row) => row.facts?.["gsm-address"] ?? ""],
    ["LSM link", (row) => link(row, "lsm")],
    ["GSM link", (row) => link(row, "gsm")],
    ["Weight", (row) => String(row.facts?.weight ?? ""), "number"],
    ["Incarnation", (row) => String(row.incarnation), "number"],
    ["Doorbell", (row) => (row.doorbell ? `${row.doorbell.kind}, rung ${short(row.doorbell.rung)}` : "")],
    ["Heartbeat", (row) => `${Math.round(row["heartbeat-age"] * 1000)} ms`, "number"],
  ], shm?.node ?? [], "No node.");
}

function mappingCost(cost) {
  return cost ? `, ${cost["read-ns"]} ns to read a line and ${cost["write-ns"]} ns to write one` : "";
}

/** The ring with which a pair begins on each network: what it became since is in the table. */
function firstRings(rings) {
  return rings?.length
    ? `A pair begins with ${rings.map((one) => `${one.geometry.slots} slots of ${octets(one.geometry["buffer-size"])} (${octets(one.geometry.size)}) on the ${one.network.toUpperCase()}`).join(", ")}.`
    : "";
}

export function rings(body, shm) {
  document.getElementById("rings-summary").textContent = firstRings(shm?.["first-ring"]);
  table("rings-table", [
    ["Network", (row) => row.network],
    ["From", (row) => String(row.transmitter), "number"],
    ["To", (row) => String(row.receiver), "number"],
    ["Queue", (row) => String(row.queue), "number"],
    ["Epoch", (row) => String(row.epoch), "number"],
    ["Slots", (row) => `${row.geometry.slots} × ${octets(row.geometry["buffer-size"])}`, "number"],
    ["In use", (row) => meter(row.occupancy, row.geometry.slots)],
    ["Frames", (row) => short(row.frames), "number"],
    ["Octets", (row) => octets(row.octets), "number"],
    ["Full", (row) => short(row.full), "number"],
    ["Invalid", (row) => short(row.invalid), "number"],
    ["Distance", (row) => (row["distance-ns"] === undefined ? "" : `${row["distance-ns"]} ns`), "number"],
    ["Copy", (row) => row["copy-routine"] ?? ""],
  ], body?.ring ?? [], "No ring: no other node is connected.");
  table("groups-table", [
    ["Network", (row) => row.network],
    ["Kind", (row) => row.kind],
    ["Owner", (row) => (row.owner === undefined ? "none" : `node ${row.owner}`)],
    ["Generation", (row) => String(row.generation), "number"],
    ["Position", (row) => short(row.position), "number"],
    ["Submitted", (row) => short(row.submitted), "number"],
    ["Delivered", (row) => short(row.delivered), "number"],
    ["Lost", (row) => short(row.lost), "number"],
    ["Overwritten", (row) => short(row.overwritten), "number"],
    ["Filtered", (row) => short(row.filtered), "number"],
    ["Unwanted", (row) => short(row.unwanted), "number"],
    ["Unordered", (row) => short(row.unordered), "number"],
    ["Readers' lag (lost)", (row) => row.reader.map((one) => `${one["node-id"]}: ${one.lag ?? "-"} (${short(one.lost)})`).join(", ")],
  ], body?.["group-ring"] ?? [], "No broadcast or multicast ring.");
}

export function steering(body) {
  document.getElementById("steering-summary").textContent = body?.["common-address"]?.length
    ? `${body["common-address"].join(", ")}: epoch ${body.epoch}, a table of ${body.slots} slots; ` +
      `${body["no-active-node"]} packets found no node that takes flows.`
    : "There is no common address.";
  table("steering-table", [
    ["Node", (row) => String(row["node-id"])],
    ["Weight", (row) => String(row.weight), "number"],
    ["Share", (row) => [meter(row.share, 1), ` ${(row.share * 100).toFixed(1)} %`]],
    ["Steered packets", (row) => short(row["steered-packets"]), "number"],
    ["Steered octets", (row) => octets(row["steered-octets"]), "number"],
  ].map(([title, value, kind]) => [title, (row) => wrap(value(row)), kind]), body?.member ?? [], "No node takes flows.");
}

function wrap(value) {
  return Array.isArray(value) ? element("span", {}, value) : value;
}

function meter(value, most) {
  const bar = element("i");
  bar.style.width = `${Math.min(100, (100 * value) / most)}%`;
  return element("span", { class: "meter", role: "img", "aria-label": `${value} of ${most}` }, bar);
}

/** Rows that a browser shows without becoming slow. */
const MOST_ROWS = 500;
