"""The page of examples/images: what a person sees and can do, in a real browser on the real system."""

import re

import pytest
from page_steps import calls_of, data_transfer, drag, gray_picture, never_answer, pick, pixels_of, result, send
from playwright.sync_api import expect

# --- what comes back ---


def test_a_jpeg_comes_back_gray_beside_the_original(page, pictures, screenshots):
    pick(page, pictures / "chelsea.jpg")
    send(page)
    expect(gray_picture(page)).to_be_visible()
    assert pixels_of(gray_picture(page)) == {"size": [451, 300], "gray": True, "spread": pytest.approx(220, abs=35)}
    original = page.get_by_role("img", name="The original: chelsea.jpg")
    assert not pixels_of(original)["gray"]
    left, right = original.bounding_box(), gray_picture(page).bounding_box()
    assert left["x"] + left["width"] <= right["x"]
    assert left["y"] == right["y"]
    page.screenshot(path=screenshots / "gray.png")


@pytest.mark.parametrize(
    ("name", "saved_as", "start"),
    [("chelsea.jpg", "chelsea-gray.png", b"\x89PNG"), ("cat.gif", "cat-gray.gif", b"GIF8")],
)
def test_the_gray_picture_can_be_saved_under_a_sensible_name(page, pictures, tmp_path, name, saved_as, start):
    pick(page, pictures / name)
    send(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the gray picture").click()
    assert download.value.suggested_filename == saved_as
    download.value.save_as(tmp_path / saved_as)
    assert (tmp_path / saved_as).read_bytes().startswith(start)


def test_the_food_in_a_picture_is_named_with_a_search_link(page, pictures, screenshots):
    pick(page, pictures / "coffee.jpg")
    send(page, "Name the food")
    link = result(page).get_by_role("link", name="espresso")
    expect(link).to_be_visible()
    expect(page.locator("#sentence")).to_have_text("It is very likely a espresso in the picture")
    assert link.get_attribute("href") == "https://www.google.com/search?q=espresso"
    assert link.get_attribute("rel") == "noopener noreferrer"
    assert link.get_attribute("target") == "_blank"
    expect(page.get_by_role("status")).to_contain_text("espresso")
    page.screenshot(path=screenshots / "sentence.png")


def test_a_cat_is_no_food(page, pictures):
    pick(page, pictures / "chelsea.jpg")
    send(page, "Name the food")
    expect(page.locator("#sentence")).to_have_text("It does not appears to be any food item in the picture.")


def test_a_second_picture_takes_the_place_of_the_first(page, pictures):
    pick(page, pictures / "chelsea.jpg")
    send(page)
    expect(gray_picture(page)).to_be_visible()
    assert page.evaluate("objectUrls.size") == 2
    pick(page, pictures / "coffee.jpg")
    expect(gray_picture(page)).to_be_hidden()
    expect(page.get_by_role("link", name="Download")).to_be_hidden()
    expect(page.get_by_role("img", name="The original: coffee.jpg")).to_be_visible()
    assert page.evaluate("[...objectUrls]") == [page.locator("#original").get_attribute("src")]
    send(page)
    expect(gray_picture(page)).to_be_visible()
    assert pixels_of(gray_picture(page))["size"] == [600, 400]


def test_a_picture_of_exactly_the_largest_size_is_taken(page, pictures):
    pick(page, pictures / "largest.png")
    send(page)
    expect(gray_picture(page)).to_be_visible()


# --- ways in ---


def test_a_picture_can_be_dropped_anywhere_on_the_page(page, pictures, screenshots):
    drag(page, "dragEnter", pictures / "chelsea.jpg")
    drag(page, "dragOver", pictures / "chelsea.jpg")
    expect(page.locator("#drop")).to_have_attribute("data-over", "")
    page.screenshot(path=screenshots / "drag.png")
    drag(page, "drop", pictures / "chelsea.jpg")
    expect(page.get_by_role("img", name="The original: chelsea.jpg")).to_be_visible()
    expect(page.locator("#drop")).not_to_have_attribute("data-over", "")
    send(page)
    expect(gray_picture(page)).to_be_visible()


def test_a_picture_can_be_pasted(page, pictures):
    transfer = data_transfer(page, pictures / "coffee.jpg", "image/jpeg")
    page.evaluate("(clipboardData) => document.dispatchEvent(new ClipboardEvent('paste', {clipboardData}))", transfer)
    expect(page.get_by_role("img", name="The original: coffee.jpg")).to_be_visible()
    send(page)
    expect(gray_picture(page)).to_be_visible()


def test_dropping_or_pasting_what_is_no_file_is_explained(page):
    page.evaluate("document.dispatchEvent(new DragEvent('drop', {dataTransfer: new DataTransfer(), cancelable: true}))")
    expect(page.get_by_role("alert").filter(has_text="That was not a file")).to_be_visible()
    page.evaluate("document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: new DataTransfer()}))")
    expect(page.get_by_role("alert").filter(has_text="no picture on the clipboard")).to_be_visible()


def test_everything_works_with_the_keyboard_alone(page, pictures, screenshots):
    page.keyboard.press("Tab")
    expect(page.get_by_label("Choose a picture")).to_be_focused()
    assert page.locator("#file-label").evaluate("(label) => getComputedStyle(label).outlineStyle") == "solid"
    page.screenshot(path=screenshots / "focus.png")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(pictures / "coffee.jpg")
    expect(page.get_by_role("img", name="The original: coffee.jpg")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("radio", name="Turn it gray")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Name the food")).to_be_checked()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Send picture")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Result")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="espresso")).to_be_focused()


# --- what is refused before anything is sent ---


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("notes.txt", "“notes.txt” is not a picture."),
        ("disguised.png", "“disguised.png” does not look like a picture inside."),
        ("empty.png", "“empty.png” is empty."),
        ("web.webp", "“web.webp” is a WebP picture, which cannot be read here."),
        ("phone.heic", "“phone.heic” is a HEIC picture, which cannot be read here."),
        ("large.png", "“large.png” is too large: 8.1 MiB, and at most 8 MiB can be sent."),
    ],
)
def test_what_cannot_be_read_is_refused_in_words_and_not_sent(page, pictures, screenshots, name, words):
    calls = calls_of(page)
    pick(page, pictures / name)
    expect(page.get_by_role("alert").filter(has_text=words)).to_be_visible()
    send(page)
    expect(page.get_by_label("Choose a picture")).to_be_focused()
    expect(page.get_by_role("alert").filter(has_text=words)).to_be_visible()
    assert calls == []
    if name == "notes.txt":
        page.screenshot(path=screenshots / "refused.png")


def test_a_picture_must_be_chosen_first(page):
    calls = calls_of(page)
    send(page)
    expect(page.get_by_role("alert").filter(has_text="Choose a picture first.")).to_be_visible()
    assert calls == []


def test_a_refused_file_is_not_sent_in_place_of_the_one_before(page, pictures):
    calls = calls_of(page)
    pick(page, pictures / "chelsea.jpg")
    expect(page.get_by_role("img", name="The original")).to_be_visible()
    pick(page, pictures / "notes.txt")
    expect(page.get_by_role("img", name="The original")).to_be_hidden()
    send(page)
    assert calls == []


# --- while it runs ---


def test_progress_is_shown_and_the_upload_can_be_cancelled(page, pictures, screenshots):
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 1024 * 1024},
    )
    pick(page, pictures / "largest.png")
    send(page)
    expect(page.locator("#busy-percent")).to_have_text(re.compile(r"[2-9]\d %"))
    progress = page.get_by_role("progressbar", name="Uploading…")
    assert 20 <= progress.evaluate("(bar) => bar.value") <= 99
    page.screenshot(path=screenshots / "uploading.png")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_have_text("Cancelled.")
    expect(progress).to_be_hidden()
    expect(page.get_by_role("button", name="Send picture")).to_be_focused()


def test_after_the_upload_it_says_that_the_function_works(page, pictures, screenshots):
    held = page.context.new_cdp_session(page)
    held.send("Fetch.enable", {"patterns": [{"urlPattern": "*/api/hello", "requestStage": "Response"}]})
    pick(page, pictures / "chelsea.jpg")
    send(page)
    expect(page.get_by_role("status")).to_have_text("Working…")
    expect(page.get_by_role("progressbar", name="Working…")).to_be_visible()
    assert not page.locator("#progress").evaluate("(bar) => bar.hasAttribute('value')")
    expect(page.get_by_role("button", name="Send picture")).to_have_attribute("aria-disabled", "true")
    page.screenshot(path=screenshots / "working.png")
    page.keyboard.press("Escape")
    expect(page.get_by_role("status")).to_have_text("Cancelled.")
    held.send("Fetch.disable")
    send(page)
    expect(gray_picture(page)).to_be_visible()


def test_pressing_send_twice_sends_once(page, pictures):
    calls = calls_of(page)
    never_answer(page)
    pick(page, pictures / "chelsea.jpg")
    send(page)
    expect(page.locator("#busy")).to_be_visible()
    page.get_by_role("button", name="Send picture").press("Enter")
    expect(page.locator("#busy")).to_be_visible()
    assert len(calls) == 1


def test_choosing_another_picture_drops_the_answer_to_the_first(page, pictures):
    never_answer(page)
    pick(page, pictures / "chelsea.jpg")
    send(page)
    expect(page.locator("#busy")).to_be_visible()
    pick(page, pictures / "coffee.jpg")
    expect(page.locator("#waiting")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("Chosen: coffee.jpg.")
    page.unroute_all(behavior="ignoreErrors")
    send(page)
    expect(gray_picture(page)).to_be_visible()
    assert pixels_of(gray_picture(page))["size"] == [600, 400]
