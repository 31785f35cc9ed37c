"""Checks the files of deploy/ by the schemas of those who read them. Prints what is wrong, one finding on each line.

    check.py kubernetes FILE...     every document, strictly, by the schemas of Kubernetes (package kubernetes-validate)
    check.py patched BASE PATCH     the objects of BASE with PATCH merged into the one that it names, as `kubernetes`
    check.py servicemonitor FILE    the Prometheus operator's: the keys by its manual
    check.py kustomization FILE     its own schema is of no release: the keys by hand, and that all files are there
    check.py containerlab FILE      the topology, by the keys of its manual
    check.py configurations FILE    prints, as JSON, the node configurations that are in a file of Kubernetes or Compose

Compose files are checked by check-jsonschema, which has their schema.
"""

import json
import pathlib
import re
import sys

import yaml

VERSION = "1.30"


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


def kubernetes(paths):
    for path in paths:
        for document in documents(path):
            yield from object_findings(path.name, document)


def object_findings(name, document):
    import kubernetes_validate

    try:
        kubernetes_validate.validate(document, VERSION, strict=True)
    except Exception as error:  # every refusal of the package is a finding
        where = ".".join(map(str, getattr(error, "path", [])))
        yield f"{name}: {document.get('kind')} {where}: {getattr(error, 'message', error)}"


def patched(paths):
    base, patch = paths
    (change,) = documents(patch)
    named = [one for one in documents(base) if (one["kind"], one["metadata"]["name"]) == (change["kind"], change["metadata"]["name"])]
    if len(named) != 1:
        yield f"{patch.name}: {base.name} has no {change['kind']} {change['metadata']['name']}"
        return
    pods = [one["spec"]["template"]["spec"] for one in (named[0], change)]
    for kind in ("initContainers", "containers"):
        missing = {one["name"] for one in pods[1].get(kind, [])} - {one["name"] for one in pods[0][kind]}
        yield from (f"{patch.name}: {base.name} has no container {name}" for name in missing)
    yield from object_findings(patch.name, merged(named[0], change))


def merged(base, change):
    """A strategic merge: mappings by key, lists of what has a name by name, other lists replaced."""
    if isinstance(base, dict) and isinstance(change, dict):
        return {**base, **{key: merged(base.get(key), value) for key, value in change.items()}}
    if isinstance(base, list) and all(isinstance(one, dict) and "name" in one for one in base + change):
        names = {one["name"]: one for one in base}
        for one in change:
            names[one["name"]] = merged(names.get(one["name"]), one)
        return list(names.values())
    return change


SERVICE_MONITOR_ENDPOINT = {"port", "path", "scheme", "interval", "scrapeTimeout", "authorization", "tlsConfig", "params",
                            "relabelings", "metricRelabelings", "honorLabels"}


def servicemonitor(paths):
    for path in paths:
        (document,) = documents(path)
        if (document["apiVersion"], document["kind"]) != ("monitoring.coreos.com/v1", "ServiceMonitor"):
            yield f"{path.name}: not a ServiceMonitor"
        yield from unknown(path.name, document, {"apiVersion", "kind", "metadata", "spec"})
        spec = document["spec"]
        yield from unknown("spec", spec, {"selector", "endpoints", "namespaceSelector", "jobLabel", "targetLabels"})
        yield from unknown("spec.selector", spec["selector"], {"matchLabels", "matchExpressions"})
        for endpoint in spec["endpoints"]:
            yield from unknown("endpoints[]", endpoint, SERVICE_MONITOR_ENDPOINT)
            yield from unknown("authorization", endpoint["authorization"], {"type", "credentials"})
            yield from unknown("credentials", endpoint["authorization"]["credentials"], {"name", "key", "optional"})
            yield from unknown("tlsConfig", endpoint["tlsConfig"], {"ca", "cert", "keySecret", "serverName", "insecureSkipVerify"})
            if endpoint["tlsConfig"].get("insecureSkipVerify") or endpoint["scheme"] != "https":
                yield "endpoints[]: the certificate is not asked for"


def unknown(where, mapping, allowed):
    for key in mapping:
        if key not in allowed:
            yield f"{where}: unknown key {key}"


def kustomization(paths):
    for path in paths:
        (document,) = documents(path)
        allowed = {"apiVersion", "kind", "namespace", "resources", "configMapGenerator", "labels", "images", "patches"}
        yield from unknown(path.name, document, allowed)
        files = list(document.get("resources", []))
        for patch in document.get("patches", []):
            yield from unknown("patches[]", patch, {"path", "target"})
            files.append(patch["path"])
        for generator in document.get("configMapGenerator", []):
            yield from unknown("configMapGenerator[]", generator, {"name", "files", "behavior"})
            files += [name.split("=")[-1] for name in generator["files"]]
        for name in files:
            # A folder is another kustomization.
            if not (path.parent / name).is_file() and not (path.parent / name / "kustomization.yaml").is_file():
                yield f"{path.name}: {name} is missing"
        for image in document.get("images", []):
            yield from unknown("images[]", image, {"name", "newName", "newTag", "digest"})


CONTAINERLAB_NODE = {"kind", "image", "binds", "cap-add", "exec", "cmd", "entrypoint", "env", "ports", "sysctls", "devices",
                     "startup-delay", "network-mode", "restart-policy", "user", "memory", "cpu", "stages"}


def containerlab(paths):
    for path in paths:
        (document,) = documents(path)
        yield from unknown(path.name, document, {"name", "prefix", "mgmt", "topology"})
        yield from unknown("mgmt", document.get("mgmt", {}), {"network", "ipv4-subnet", "ipv6-subnet", "bridge", "mtu"})
        topology = document["topology"]
        yield from unknown("topology", topology, {"defaults", "kinds", "nodes", "links"})
        for kind, settings in topology.get("kinds", {}).items():
            yield from unknown(f"kinds.{kind}", settings, CONTAINERLAB_NODE)
        for name, node in topology["nodes"].items():
            yield from unknown(f"nodes.{name}", node, CONTAINERLAB_NODE)
            for key in ("kind", "image"):
                if not isinstance(node.get(key), str):
                    yield f"nodes.{name}: no {key}"
            for bind in node.get("binds", []):
                source = bind.split(":")[0]
                if not source.startswith("/") and not (path.parent / source).is_file():
                    yield f"nodes.{name}: {source} is missing"
        used = set()
        for link in topology.get("links", []):
            yield from unknown("links[]", link, {"endpoints", "mtu", "vars"})
            if len(link["endpoints"]) != 2:
                yield f"links: {link['endpoints']} is no pair"
            for end in link["endpoints"]:
                node, _, interface = end.partition(":")
                if node not in topology["nodes"]:
                    yield f"links: there is no node {node}"
                if not re.match(r"^eth[1-9][0-9]*$", interface):
                    yield f"links: {end}: an interface of kind linux is eth1 or a later one"
                if end in used:
                    yield f"links: {end} is used twice"
                used.add(end)


def configurations(paths):
    found = {}
    for path in paths:
        for document in documents(path):
            if document.get("kind") == "ConfigMap":
                for key, text in document["data"].items():
                    found[f"{document['metadata']['name']}/{key}"] = text
            if "services" in document:
                for name, config in document.get("configs", {}).items():
                    found[name] = config["content"]
    print(json.dumps(found))
    return []


def main():
    checks = {
        "kubernetes": kubernetes,
        "patched": patched,
        "servicemonitor": servicemonitor,
        "kustomization": kustomization,
        "containerlab": containerlab,
        "configurations": configurations,
    }
    findings = list(checks[sys.argv[1]]([pathlib.Path(name) for name in sys.argv[2:]]))
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


main()
