"""What schemathesis is told beyond the description of the API: how long tools may take."""

import schemathesis

LONGEST = 0.05


def shorter(values, limits):
    """The values, with those that say how long something takes cut down. Values of another type stay as they are."""
    if not isinstance(values, dict):
        return values
    for name, limit in limits.items():
        value = values.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > limit:
            values[name] = limit
    return values


TOOLS = {
    "/api/v1/tools/ping": {"count": 2, "interval": LONGEST, "timeout": LONGEST},
    "/api/v1/tools/traceroute": {"max-hops": 2, "probes": 2, "timeout": LONGEST},
    "/api/v1/tools/throughput": {"duration": LONGEST},
}


@schemathesis.hook
def map_body(context, body):
    limits = TOOLS.get(context.operation.path)
    if limits and isinstance(body, dict):
        # Their defaults take seconds.
        for name, limit in limits.items():
            body.setdefault(name, limit)
        return shorter(body, limits)
    return body


@schemathesis.hook
def before_call(context, case, kwargs):
    """A capture goes on until its count, its duration or the client ends it."""
    if case.path == "/api/v1/tools/capture" and isinstance(case.query, dict):
        duration = case.query.get("duration")
        if duration is None or isinstance(duration, (int, float)) and duration > LONGEST:
            case.query["duration"] = LONGEST
