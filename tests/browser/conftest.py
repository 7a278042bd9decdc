"""A headless Chromium on the page of examples/images, as the real system serves it."""

import os
from pathlib import Path

import pytest
import skimage
from PIL import Image
from playwright.sync_api import expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1280, "height": 860}
MAX_BODY = 8 * 1024 * 1024  # the default limit, which the page carries in its meta element

# Counts, from before the page's own scripts on, what breaks its policy and which object URLs it holds.
WATCH = """
globalThis.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.effectiveDirective}: ${event.blockedURI}`));

globalThis.objectUrls = new Set();
const {createObjectURL, revokeObjectURL} = URL;
URL.createObjectURL = (blob) => {
  const url = createObjectURL(blob);
  objectUrls.add(url);
  return url;
};
URL.revokeObjectURL = (url) => {
  objectUrls.delete(url);
  revokeObjectURL(url);
};
"""

expect.set_options(timeout=20_000)


def pytest_configure(config):
    config.addinivalue_line("markers", "provokes_policy: the test itself does what the page's policy forbids")


@pytest.fixture(scope="session")
def web_url(request):
    """TRILBY_WEB_URL, or the web app of the session's `system` fixture."""
    url = os.environ.get("TRILBY_WEB_URL") or request.getfixturevalue("system").url("go-web-port")
    return url.rstrip("/")


@pytest.fixture(scope="session")
def screenshots():
    folder = Path(os.environ.get("TRILBY_SCREENSHOTS") or Path(__file__).parents[2] / "build" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of pictures, and of files that only seem to be some."""
    folder = tmp_path_factory.mktemp("pictures")
    data = Path(skimage.data_dir)
    for name in ("coffee", "chelsea"):
        Image.open(data / f"{name}.png").convert("RGB").save(folder / f"{name}.jpg", quality=92)
    png = (data / "chelsea.png").read_bytes()
    (folder / "truncated.png").write_bytes(png[: len(png) // 2])
    (folder / "large.png").write_bytes(png + bytes(MAX_BODY + 1 - len(png)))
    (folder / "largest.png").write_bytes(png + bytes(MAX_BODY - len(png)))
    (folder / "cat.gif").write_bytes((data / "no_time_for_that_tiny.gif").read_bytes())
    (folder / "notes.txt").write_text("No picture at all.\n")
    (folder / "disguised.png").write_text("No picture at all.\n")
    (folder / "empty.png").write_bytes(b"")
    (folder / "web.webp").write_bytes(b"RIFF\x24\0\0\0WEBPVP8 " + bytes(32))
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(32))
    return folder


@pytest.fixture
def open_page(request, browser, web_url):
    """Opens the page in a context of its own; when the test ends, the page must have had nothing to complain about."""
    provokes_policy = request.node.get_closest_marker("provokes_policy")
    opened = []

    def open_one(**options):
        context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce"} | options)
        context.add_init_script(WATCH)
        page = context.new_page()
        complaints = []
        opened.append((context, page, complaints))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
        # Playwright starts to intercept file choosers in its own time, so a test's wait for one must not be the first.
        page.on("filechooser", lambda chooser: None)
        page.goto(web_url)
        return page

    def is_complaint(message):
        # Chromium itself logs each failed request; when a test makes the call fail, that is no complaint.
        is_failed_call = message.text.startswith("Failed to load resource") and "/api/hello" in message.location["url"]
        is_provoked = provokes_policy and ("Content Security Policy" in message.text or "sandbox" in message.text)
        return message.type in ("error", "warning") and not is_failed_call and not is_provoked

    yield open_one
    for context, page, complaints in opened:
        violations = page.evaluate("violations")
        context.close()
        assert complaints == []
        assert provokes_policy or violations == []


@pytest.fixture
def page(open_page):
    return open_page()
