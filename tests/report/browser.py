"""Pages as a browser lays them out: Chromium without a window, at several widths and in both colour schemes."""

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
WIDTHS = (500, 900, 1400)
SCHEMES = {"dark": 0, "light": 1}
MEASURES = (Path(__file__).parent / "measures.js").read_text()


def measured(page, scheme, folder):
    """What ``measures.js`` says of a page at every width: one dict each.

    The page lies in frames of these widths, so that its own policy on scripts holds while another document looks at it.
    """
    frames = "".join(
        f'<iframe style="width:{width}px;height:3000px;border:0" srcdoc="{escape(page, quote=True)}"></iframe>'
        for width in WIDTHS
    )
    folder.mkdir()
    path = folder / "frames.html"
    path.write_text(
        f"<!doctype html><meta charset=utf-8>{frames}<pre id=measures></pre><script>{MEASURES}</script>", "utf-8"
    )
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
        f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", "--window-size=1600,1000", "--dump-dom",
        "--virtual-time-budget=20000", path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'<pre id="measures">(.*?)</pre>', done.stdout, re.S)
    assert found, done.stderr[-2000:]
    return dict(zip(WIDTHS, json.loads(unescape(found[1])), strict=True))
