"""The article's system under app-ids of this test run alone: sidecars find each other by multicast, also those of other test runs on the machine."""

import io
import os
import re
from pathlib import Path

import skimage
from PIL import Image
from sidecar import ROOT

FOLDER = ROOT / "examples/images"
MANIFEST = FOLDER / "trilby.toml"
APPS = ("go-web-port", "image-api-go", "image-api-rs")


def own(app):
    """The app-id that an app of the manifest has in this test run."""
    return f"{app}-{os.getpid()}"


def write_manifest(folder, apps=APPS, more=""):
    """Of these apps of the article, with what they need; `more` is what the manifest says besides, with `own` names."""
    parts = re.split(r"^(?=# ---- )", MANIFEST.read_text(), flags=re.M)
    text = "".join(part for part in parts if not any(f"[app.{app}]" in part for app in set(APPS) - set(apps)))
    for app in APPS:
        text = text.replace(app, own(app))
    text = re.sub(r'^((?:files|module|path) = ")((?:web|functions|models)\b[^"]*")', rf"\g<1>{FOLDER}/\2", text, flags=re.M)
    text = text.replace('workdir = "functions"', f'workdir = "{FOLDER}/functions"')
    manifest = folder / "trilby.toml"
    manifest.write_text(text + more)
    return manifest


def picture(name, kind):
    """The bytes of one of scikit-image's, as "PNG" or "JPEG"."""
    out = io.BytesIO()
    Image.open(Path(skimage.data_dir) / name).convert("RGB").save(out, kind)
    return out.getvalue()


def is_gray(picture):
    red, green, blue = Image.open(io.BytesIO(picture)).convert("RGB").split()
    return red.tobytes() == green.tobytes() == blue.tobytes()
