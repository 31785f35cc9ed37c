"""What a person sees of a running cluster."""

import os
import re
import signal

import pytest
from playwright.sync_api import expect

expect.set_options(timeout=30_000)


def rows(page, table):
    return page.locator(f"#{table} tbody tr")


def test_everything_is_shown_without_an_error_and_without_another_host(cluster, tab):
    one = tab()
    page = one.open(cluster.url(1))
    system = cluster.get(1, "api/v1/system")
    expect(page).to_have_title(f"{system['hostname']} - Isthmus")
    expect(page.locator("#role")).to_have_text("area border router")
    expect(page.locator("#tiles")).to_contain_text("ready")
    expect(page.locator("#checks li")).to_have_count(len(system["check"]))
    # Three nodes and the router outside; between nodes a line for each network.
    expect(page.locator("#graph g.node")).to_have_count(3)
    expect(page.locator("#graph g.outside")).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile("LSM between node 1 and node 3"))).to_have_count(1)
    expect(page.get_by_role("button", name=re.compile("backbone between node 1 and node 2"))).to_have_count(1)
    neighbors = cluster.get(1, "api/v1/ospf/neighbors")["neighbor"]
    expect(rows(page, "neighbors-table")).to_have_count(len(neighbors))
    expect(page.locator("#neighbors-count")).to_have_text(f"{len(neighbors)} of {len(neighbors)} full")
    active = [route for route in cluster.get(1, "api/v1/routing/ribs/ipv4-default/routes")["route"] if route["active"]]
    expect(rows(page, "routes-table")).to_have_count(len(active))
    expect(rows(page, "nodes-table")).to_have_count(3)
    expect(rows(page, "rings-table")).to_have_count(len(cluster.get(1, "api/v1/shm/rings")["ring"]))
    first = cluster.get(1, "api/v1/shm")["first-ring"]
    for ring in first:
        slots = f"{ring['geometry']['slots']} slots of "
        expect(page.locator("#rings-summary")).to_contain_text(slots)
        expect(page.locator("#rings-summary")).to_contain_text(f"on the {ring['network'].upper()}")
    expect(rows(page, "groups-table")).to_have_count(4)
    head = page.locator("#groups-table thead")
    for title in ["Position", "Overwritten"]:
        expect(head).to_contain_text(title)
    expect(rows(page, "steering-table")).to_have_count(3)
    expect(rows(page, "interfaces-table")).to_have_count(3)
    expect(rows(page, "interfaces-table").first).to_contain_text("bit/s")
    expect(page.locator("#events-list li").first).to_be_visible()
    one.screenshot("wide-light")
    assert one.errors == []
    elsewhere = [url for url in one.requests if not url.startswith(cluster.url(1))]
    assert elsewhere == []


def test_what_happens_is_seen_without_reloading(cluster, tab):
    page = tab().open(cluster.url(1))
    expect(page.locator("#neighbors-count")).to_have_text("6 of 6 full")
    page.evaluate("window.sameDocument = true")
    try:
        cluster.patch(1, "api/v1/interfaces/up0", {"enabled": False})
        expect(page.locator("#neighbors-table")).not_to_contain_text("up0")
        expect(page.locator("#role")).to_have_text("internal")
        expect(page.locator("#events-list")).to_contain_text("OSPF interface up0 is down")
        expect(rows(page, "interfaces-table").filter(has_text="up0")).to_contain_text("down")
    finally:
        cluster.patch(1, "api/v1/interfaces/up0", {"enabled": True})
    expect(page.locator("#role")).to_have_text("area border router")
    expect(page.locator("#neighbors-count")).to_have_text("6 of 6 full")
    expect(page.locator("#events-list")).to_contain_text(re.compile("OSPF neighbor .* on up0 is full"))
    assert page.evaluate("window.sameDocument")


def test_a_router_and_a_link_tell_about_themselves(cluster, tab):
    page = tab().open(cluster.url(3))
    page.get_by_role("button", name=re.compile("^node 1, ABR")).click()
    expect(page.locator("#details")).to_contain_text("10.77.0.1")
    expect(page.locator("#details")).to_contain_text("router-lsa 10.77.0.1")
    link = page.get_by_role("button", name=re.compile("GSM between node 1 and node 3"))
    # By the keyboard, as without a pointer.
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#details")).to_contain_text("cost 3")
    expect(page.locator("#details")).to_contain_text("node 3 to node 1")


def test_routes_are_filtered(cluster, tab):
    page = tab().open(cluster.url(3))
    page.locator("#routes-filter").fill("192.0.2")
    expect(rows(page, "routes-table")).to_have_count(1)
    expect(rows(page, "routes-table")).to_contain_text("inter-area")
    page.locator("#routes-filter").fill("no such route")
    expect(page.locator("#routes-table")).to_contain_text("No route matches the filter.")


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_light_and_dark_follow_the_system_and_the_button(cluster, tab):
    light = tab(scheme="light").open(cluster.url(2))
    shown = tab(scheme="dark")
    dark = shown.open(cluster.url(2))
    assert background(light) != background(dark)
    shown.screenshot("wide-dark")
    dark.locator("#theme").click()
    expect(dark.locator("#theme")).to_have_text("Theme: light")
    assert background(dark) == background(light)
    dark.reload()
    expect(dark.locator("#theme")).to_have_text("Theme: light")
    assert background(dark) == background(light)


@pytest.mark.parametrize("width", [320, 390, 768])
def test_narrow_screens_need_no_sideways_scrolling(cluster, tab, width):
    one = tab(width=width, height=800, scheme="dark")
    page = one.open(cluster.url(1))
    expect(rows(page, "interfaces-table").first).to_contain_text("bit/s")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("nav a", has_text="Events").click()
    expect(page.locator("#events")).to_be_in_viewport()
    one.screenshot(f"narrow-{width}")
    assert one.errors == []


def test_every_text_has_enough_contrast_in_both_themes(cluster, tab):
    for scheme in ["light", "dark"]:
        page = tab(scheme=scheme).open(cluster.url(1))
        expect(rows(page, "interfaces-table").first).to_contain_text("bit/s")
        poor = page.evaluate(CONTRAST)
        assert poor == [], scheme


def test_what_the_network_says_is_text_and_never_markup(cluster, tab):
    one = tab()
    hostile = '<img src=x onerror="document.title=1"><script>alert(1)</script>'

    def answer(route):
        body = route.fetch().json()
        body["hostname"] = hostile
        body["check"][0]["detail"] = hostile
        route.fulfill(json=body)

    one.page.route("**/api/v1/system", answer)
    page = one.open(cluster.url(1))
    expect(page.locator("#hostname")).to_have_text(hostile)
    expect(page.locator("#checks")).to_contain_text(hostile)
    assert page.locator("img[src=x]").count() == 0
    assert one.errors == []


def test_no_page_may_run_what_is_not_the_nodes_own(cluster, tab):
    one = tab()
    page = one.open(cluster.url(1))
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.stranger = 1'}))")
    assert page.evaluate("window.stranger") is None
    assert any("Content Security Policy" in error for error in one.errors)


def test_a_node_that_asks_for_a_token_is_shown_to_who_has_one(guarded, tab):
    page = tab().page
    page.goto(guarded.url)
    expect(page.locator("#sign-in")).to_be_visible()
    expect(page.locator("#banner")).to_be_visible()
    page.locator("#token").fill("isthmus_of_nobody")
    page.locator("#sign-in button").click()
    expect(page.locator("#sign-in")).to_be_visible()
    page.locator("#token").fill(guarded.secret)
    page.locator("#sign-in button").click()
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator("#sign-in")).to_be_hidden()
    expect(rows(page, "nodes-table")).to_have_count(1)
    expect(page.locator("#events-list li").first).to_be_visible()
    assert guarded.secret not in page.content()


def test_programs_get_the_list_of_resources_where_browsers_get_the_page(cluster):
    listed = cluster.get(1, "")
    assert listed["name"] == "isthmus"
    assert any(resource["path"] == "/api/v1/system" for resource in listed["resource"])


def test_a_dead_node_is_seen_by_the_others_and_its_own_page_says_so(cluster, tab):
    """The last test, since the node stays dead."""
    seen = tab().open(cluster.url(1))
    own = tab().open(cluster.url(3))
    os.kill(cluster.pid(3), signal.SIGKILL)
    expect(rows(seen, "nodes-table").nth(2)).to_contain_text("failed")
    expect(seen.locator("#graph g.node.failed")).to_have_count(1)
    expect(seen.locator("#events-list")).to_contain_text("node 3 has failed")
    expect(own.locator("#live")).to_have_text("not live")
    expect(own.locator("#banner")).to_contain_text("The node does not answer")


# Elements whose text stands out less than 4.5 to 1 from the ground behind it (WCAG 2.2, success criterion 1.4.3).
CONTRAST = """
() => {
  const channel = (value) => { const c = value / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || node.closest("svg, script, noscript, option") || !node.checkVisibility()) continue;
    const [a, b] = [luminance(parse(getComputedStyle(node).color)), luminance(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName} "${node.textContent.slice(0, 30)}" ${ratio.toFixed(2)}`);
  }
  return poor;
}
"""
