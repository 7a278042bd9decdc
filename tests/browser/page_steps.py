"""What a person does on the page of examples/images, and what a test looks at there."""

import base64


def pick(page, path):
    page.get_by_label("Choose a").set_input_files(path)


def send(page, what=None):
    if what:
        page.get_by_role("radio", name=what).check()
    page.get_by_role("button", name="Send picture").click()


def result(page):
    return page.get_by_role("region", name="Result")


def gray_picture(page):
    return result(page).get_by_role("img", name="in shades of gray")


def calls_of(page):
    """The calls that the page makes from now on."""
    calls = []
    page.on("request", lambda request: calls.append(request) if request.url.endswith("/api/hello") else None)
    return calls


def answer_with(page, **answer):
    page.route("**/api/hello", lambda route: route.fulfill(**answer))


def never_answer(page):
    page.route("**/api/hello", lambda route: None)


def drag(page, kind, path):
    """One step (`dragEnter`, `dragOver`, `drop`) of dragging a file from the desktop to the page's lower end."""
    size = page.viewport_size
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    where = {"x": size["width"] / 2, "y": size["height"] - 5}
    page.context.new_cdp_session(page).send("Input.dispatchDragEvent", {"type": kind, "data": data} | where)


def data_transfer(page, path, media_type):
    return page.evaluate_handle(
        """({name, type, base64}) => {
          const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, {type}));
          return transfer;
        }""",
        {"name": path.name, "type": media_type, "base64": base64.b64encode(path.read_bytes()).decode()},
    )


def pixels_of(image):
    """Size, whether every pixel is gray, and how far its values spread."""
    return image.evaluate(
        """(image) => {
          const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
          const context = canvas.getContext("2d");
          context.drawImage(image, 0, 0);
          const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
          let [gray, low, high] = [true, 255, 0];
          for (let i = 0; i < data.length; i += 4) {
            gray &&= data[i] === data[i + 1] && data[i] === data[i + 2];
            low = Math.min(low, data[i]);
            high = Math.max(high, data[i]);
          }
          return {size: [canvas.width, canvas.height], gray, spread: high - low};
        }"""
    )
