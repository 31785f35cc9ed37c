"""What schemathesis is told beyond the description of the API: how long tools may take.

Values that the node would take are cut down; those that it must refuse stay as they are.
"""

import schemathesis

# The longest that is sent, and the longest that is allowed.
TOOLS = {
    "/api/v1/tools/ping": {"count": (2, 1000), "interval": (0.05, 60), "timeout": (0.05, 60)},
    "/api/v1/tools/traceroute": {"max-hops": (2, 64), "probes": (2, 10), "timeout": (0.05, 60)},
    "/api/v1/tools/throughput": {"duration": (0.05, 10)},
    "/api/v1/tools/capture": {"duration": (0.05, 86400)},
}


def number_of(value):
    """A number, also one in the text of a query; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def shorten(values, limits):
    for name, (longest, allowed) in limits.items():
        value = values.get(name)
        number = number_of(value)
        # Without the member its default holds, which takes seconds, or a day.
        if value is None and name not in values or number is not None and longest < number <= allowed:
            values[name] = longest


@schemathesis.hook
def before_call(context, case, kwargs):
    limits = TOOLS.get(case.path)
    values = case.query if case.path.endswith("capture") else case.body
    if limits and isinstance(values, dict) and values:
        shorten(values, limits)
