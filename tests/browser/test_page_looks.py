"""The page of examples/images for everybody: window sizes, schemes, contrast, names, and its policy."""

import pytest
from page_steps import gray_picture, never_answer, pick, send
from playwright.sync_api import expect

PHONE = {"width": 360, "height": 740}


def walk_through(page, pictures):
    """Stops at each look that the page can have and yields its name."""
    yield "start"
    pick(page, pictures / "notes.txt")
    expect(page.get_by_role("alert").filter(has_text="not a picture")).to_be_visible()
    yield "refused"
    pick(page, pictures / "coffee.jpg")
    expect(page.get_by_role("img", name="The original")).to_be_visible()
    yield "chosen"
    send(page, "Name the food")
    expect(page.locator("#sentence")).to_be_visible()
    yield "sentence"
    send(page, "Turn it gray")
    expect(gray_picture(page)).to_be_visible()
    yield "gray"
    pick(page, pictures / "truncated.png")
    send(page)
    expect(page.locator("#failure")).to_be_visible()
    yield "error"
    never_answer(page)
    send(page)
    expect(page.locator("#busy")).to_be_visible()
    yield "busy"


# Every visible text's contrast (WCAG 2.2, 1.4.3) against the nearest background behind it, where that is under 4.5.
LOW_CONTRAST = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => channels(colour).slice(0, 3)
    .map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const isClear = (element) => element.parentElement && channels(getComputedStyle(element).backgroundColor)[3] === 0;
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
    if (element.closest("[aria-disabled], noscript, .unseen")) continue;
    let behind = element;
    while (isClear(behind)) behind = behind.parentElement;
    const [low, high] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor]
      .map(luminance).sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) found.push(`${texts.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""
# Elements that stick out of the window to the side.
STICKING_OUT = """(pixels) => [...document.querySelectorAll("html, body *")].filter((element) => {
  const {left, right, width} = element.getBoundingClientRect();
  return width > 1 && element.checkVisibility() && (left < 0 || right > pixels || element.scrollWidth > pixels);
}).map((element) => element.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("device", "viewport"), [("desktop", None), ("phone", PHONE)])
def test_every_state_fits_and_is_legible(open_page, pictures, screenshots, scheme, device, viewport):
    page = open_page(
        color_scheme=scheme, **({"viewport": viewport, "has_touch": True, "is_mobile": True} if viewport else {})
    )
    for state in walk_through(page, pictures):
        assert page.evaluate(STICKING_OUT, page.viewport_size["width"]) == [], state
        assert page.evaluate(LOW_CONTRAST) == [], state
        page.screenshot(path=screenshots / f"{device}-{scheme}-{state}.png", full_page=bool(viewport))


def test_all_controls_and_pictures_have_accessible_names(page, pictures):
    tree = page.context.new_cdp_session(page)
    roles = {"button", "link", "radio", "group", "progressbar", "image", "region", "heading"}
    seen = set()
    for state in walk_through(page, pictures):
        for node in tree.send("Accessibility.getFullAXTree")["nodes"]:
            role = node.get("role", {}).get("value")
            if node["ignored"] or role not in roles:
                continue
            seen.add(role)
            assert node["name"].get("value", "").strip(), f"{role} without a name in state {state}"
    assert seen == roles


def test_the_mark_is_shown(page):
    assert page.locator(".masthead img").evaluate("(mark) => mark.naturalWidth") > 0


@pytest.mark.provokes_policy
def test_the_policy_forbids_what_the_page_does_not_need(page):
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    refused = page.evaluate(
        "async (url) => { try { await fetch(url); return false } catch { return true } }", "https://www.google.com/"
    )
    assert refused
    assert set(page.evaluate("violations")) == {"connect-src: https://www.google.com/"}


def test_the_page_asks_for_nothing_from_elsewhere(page, web_url):
    urls = []
    page.on("request", lambda request: urls.append(request.url))
    page.reload(wait_until="networkidle")
    assert urls
    assert [url for url in urls if not url.startswith(f"{web_url}/")] == []
