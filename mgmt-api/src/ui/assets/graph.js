// The network as the link state database describes it: routers and transit networks, the links between them with the
// costs of both directions, joined with what the shared memory says about the nodes.

/**
 * @param lsas the body of `/ospf/database`
 * @param system the body of `/system`
 * @param shm the body of `/shm`, or undefined
 * @returns {{vertices: Map, links: Map, areas: string[]}}
 */
export function buildGraph(lsas, system, shm) {
  const graph = { vertices: new Map(), links: new Map(), areas: [] };
  for (const node of shm?.node ?? []) addNode(graph, node);
  const members = new Map(
    (shm?.node ?? []).flatMap((node) => node.facts
      ? [[node.facts["lsm-address"], "LSM"], [node.facts["gsm-address"], "GSM"]]
      : []));
  const usable = lsas.filter((lsa) => lsa.header.age < MAX_AGE);
  for (const lsa of usable.filter((one) => one.body?.network)) addNetwork(graph, lsa);
  for (const lsa of usable.filter((one) => one.body?.router)) addRouter(graph, lsa, members);
  for (const lsa of usable) graph.vertices.get(lsa.header["adv-router"])?.lsas.push(lsa);
  const self = graph.vertices.get(system["router-id"]);
  if (self) self.self = true;
  // What only one end speaks of is not there yet, or not any more (RFC 2328 section 16.1, step 2b).
  for (const link of graph.links.values()) link.bothWays = link.costs.size === 2;
  graph.areas = [...new Set(usable.map((lsa) => lsa["area-id"]).filter(Boolean))].sort();
  return graph;
}

function addNode(graph, node) {
  const id = node.facts?.["router-id"] ?? node.facts?.["lsm-address"] ?? `node-${node["node-id"]}`;
  const vertex = router(graph, id);
  Object.assign(vertex, { kind: "node", nodeId: node["node-id"], state: node.state, role: node.facts?.role, facts: node.facts,
    self: node.local });
}

function addRouter(graph, lsa, members) {
  const from = router(graph, lsa.header["adv-router"]);
  const area = lsa["area-id"];
  from.areas.add(area);
  from.areaBorder ||= lsa.body.router["rtr-lsa-bits"].includes("abr-bit");
  from.asBoundary ||= lsa.body.router["rtr-lsa-bits"].includes("asbr-bit");
  for (const link of lsa.body.router.links) {
    if (link.type === "point-to-point-link") {
      router(graph, link["link-id"]);
      const network = members.get(link["link-data"]) ?? (link["link-data"].startsWith("0.") ? "backbone" : "");
      addLink(graph, from.id, link["link-id"], area, network, link.metric);
    } else if (link.type === "transit-network-link") {
      const network = transit(graph, area, link["link-id"]);
      addLink(graph, from.id, network.id, area, "", link.metric);
    } else if (link.type === "stub-network-link") {
      from.stubs.add(`${link["link-id"]}/${prefixLength(link["link-data"])}`);
    }
  }
}

function addNetwork(graph, lsa) {
  const network = transit(graph, lsa["area-id"], lsa.header["lsa-id"]);
  network.lsas.push(lsa);
  network.dr = lsa.header["adv-router"];
  network.mask = lsa.body.network["network-mask"];
  for (const attached of lsa.body.network["attached-routers"] ?? []) {
    router(graph, attached);
    addLink(graph, network.id, attached, lsa["area-id"], "", 0);
  }
}

function router(graph, id) {
  return vertex(graph, id, () => ({ kind: "outside", label: id, stubs: new Set(), areaBorder: false, asBoundary: false }));
}

function transit(graph, area, address) {
  return vertex(graph, `${area} ${address}`, () => ({ kind: "network", label: address, area }));
}

function vertex(graph, id, make) {
  if (!graph.vertices.has(id)) graph.vertices.set(id, { id, lsas: [], areas: new Set(), ...make() });
  return graph.vertices.get(id);
}

/** One line for each pair of ends, area and network; parallel links of the same kind share it, at the least cost. */
function addLink(graph, from, to, area, network, metric) {
  const [a, b] = from < to ? [from, to] : [to, from];
  const id = [a, b, area, network].join("|");
  if (!graph.links.has(id)) graph.links.set(id, { id, a, b, area, network, costs: new Map() });
  const costs = graph.links.get(id).costs;
  costs.set(from, Math.min(metric, costs.get(from) ?? Infinity));
}

function prefixLength(mask) {
  return mask.split(".").reduce((bits, octet) => bits + Number(octet).toString(2).replaceAll("0", "").length, 0);
}

/** RFC 2328 appendix B: seconds at which an advertisement is being withdrawn. */
const MAX_AGE = 3600;
