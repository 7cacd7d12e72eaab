"""OHIF in a browser: opens a study as a person would, and says what the page shows.

What is drawn is read from the page's DOM (thumbnails, the overlay's SVG); which film it is drawn on, and what OHIF
understood of a report, from the services that the viewer itself hangs on `window`.
"""

import contextlib
import io
import json

import numpy as np
from PIL import Image
from playwright.sync_api import TimeoutError as Timeout
from playwright.sync_api import sync_playwright

from failure import Slow

# Two shared cores draw by software: seconds become tens of seconds.
PATIENCE = 90_000
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
         "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"]
# The tour of a first visit lies over the picture.
INIT = "localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour']));"

SERIES = """services.displaySetService.getActiveDisplaySets().map(d => ({
  id: d.displaySetInstanceUID, series: d.SeriesInstanceUID, modality: d.Modality, description: d.SeriesDescription,
  number: d.SeriesNumber, handler: d.SOPClassHandlerId, unsupported: !!d.unsupported,
  loaded: !!d.isLoaded, instances: (d.instances || []).map(i => i.SOPInstanceUID),
  measurements: d.measurements && d.measurements.map(m => ({
    tracking: m.TrackingUniqueIdentifier, name: m.TrackingIdentifier, labels: m.labels, loaded: m.loaded,
    image: m.ReferencedSOPInstanceUID || null, type: m.graphicType || null,
    points: m.coords.length ? Array.from(m.coords[0].GraphicData) : [] })),
}))"""

# Every line that waits to be drawn, with its film, whichever film is in the viewport.
LINES = """cornerstoneTools.annotation.state.getAllAnnotations()
  .filter(a => a.metadata.toolName === 'DICOMSRDisplay' && a.metadata.referencedImageId)
  .map(a => [a.data.TrackingUniqueIdentifier, a.metadata.referencedImageId.split('/instances/')[1].split('/')[0]])"""

# The film in the viewport, and the closed lines drawn over it, in the film's pixels.
SHOWN = """(() => {
  const id = services.viewportGridService.getState().activeViewportId;
  const viewport = services.cornerstoneViewportService.getCornerstoneViewport(id);
  if (!viewport || !viewport.getCurrentImageId) return null;
  const image = viewport.getCurrentImageId();
  const pane = document.querySelector('[data-cy="viewport-pane"]');
  const lines = [...pane.querySelectorAll('polyline')].map(l => l.getAttribute('points').trim().split(/\\s+(?=\\S+,)/)
    .map(p => p.split(',').map(Number))
    .map(p => cornerstone.utilities.worldToImageCoords(image, viewport.canvasToWorld(p))));
  const texts = [...pane.querySelectorAll('svg text')].map(t =>
    [...t.querySelectorAll('tspan')].map(s => s.textContent));
  return { image: image.split('/instances/')[1].split('/')[0], lines, texts };
})()"""


class Viewer:
    """One browser; a page for each study."""

    def __init__(self, address):
        self.address = address
        self.outside = []

    @contextlib.contextmanager
    def running(self):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            self.version = browser.version
            self.context = browser.new_context(viewport={"width": 1280, "height": 800})
            self.context.set_default_timeout(PATIENCE)
            self.context.add_init_script(INIT)
            self.context.route(lambda url: not url.startswith((self.address, "data:", "blob:")), self.block)
            try:
                yield self
            finally:
                browser.close()

    def block(self, route):
        self.outside.append(route.request.url)
        route.abort()

    @contextlib.contextmanager
    def study(self, uid, query=""):
        page = self.context.new_page()
        try:
            yield Study(page, f"{self.address}/viewer?StudyInstanceUIDs={uid}{query}")
        finally:
            page.close()


class Study:
    """A study that is open in a page."""

    def __init__(self, page, url):
        self.page, self.errors = page, []
        page.on("pageerror", lambda error: self.errors.append(str(error)[:300]))
        page.on("console", lambda m: m.type == "error" and self.errors.append(m.text[:300]))
        page.goto(url, wait_until="domcontentloaded")
        page.locator('[data-cy^="study-browser-thumbnail"]').first.wait_for()
        page.locator('[data-cy="viewport-pane"] canvas').first.wait_for()
        self.until("a film is shown", f"{SHOWN} !== null")

    def until(self, what, script, patience=PATIENCE):
        """Waits until the script says true; errors in it are a no."""
        try:
            self.page.wait_for_function(f"() => {{ try {{ return {script} }} catch (e) {{ return false }} }}",
                                        timeout=patience)
        except Timeout:
            raise Slow(f"not within {patience // 1000} s: {what}; the page reported {self.errors}") from None

    def series(self):
        return self.page.evaluate(SERIES)

    def listed(self):
        """What the list of series shows: modality and description."""
        rows = self.page.locator('[data-cy^="study-browser-thumbnail"]')
        return rows.evaluate_all("rows => rows.map(r => [r.id.replace('thumbnail-', ''), r.innerText])")

    def load(self, series):
        """Opens a series by a double click on it; gives it as it is afterwards."""
        row = self.page.locator(f'[id="thumbnail-{series["id"]}"]')
        opened = ("[...services.viewportGridService.getState().viewports.values()]"
                  f".some(v => v.displaySetInstanceUIDs.includes({json.dumps(series['id'])}))")
        # A click that meets the list while it is drawn again is lost: a person would click once more.
        for last in (False, False, True):
            row.dblclick()
            try:
                self.until("the series opens", opened, PATIENCE // 6)
                break
            except Slow:
                if last:
                    raise
        return self.again(series)

    def again(self, series):
        return next(s for s in self.series() if s["id"] == series["id"])

    def shown(self):
        return self.page.evaluate(SHOWN)

    def lines(self):
        """The film of each line, by tracking UID."""
        return dict(self.page.evaluate(LINES))

    def drawn(self, image):
        """Waits until something is drawn over that film; gives what is shown."""
        there = f"(s => s && s.image === {json.dumps(image)} && s.lines.length && s.texts.length)({SHOWN})"
        try:
            self.until("the line is drawn", there, PATIENCE // 3)
        except Slow as error:
            now = self.shown()
            raise Slow(f"{error}; wanted film {image}, shown is {now and now['image']} with {now and now['texts']}") from None
        # One more frame, for the picture below the lines.
        self.page.wait_for_timeout(1500)
        return self.shown()

    def coloured(self):
        """How many coloured points the middle of the viewport has: a film is grey, the writing at the borders is not."""
        shot = self.page.locator('[data-cy="viewport-pane"] canvas').first.screenshot()
        pixels = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), dtype=int)
        rows, columns = pixels.shape[0] // 5, pixels.shape[1] // 5
        pixels = pixels[rows:-rows, columns:-columns]
        return int((pixels.max(2) - pixels.min(2) > 60).sum())

    def picture(self, target):
        self.page.screenshot(path=str(target))

    def patient(self):
        """The patient's name: as the header shows it, and in ideographs as the viewer has it."""
        self.page.get_by_text("Patient", exact=True).first.click()
        self.page.get_by_text("Patient", exact=True).first.wait_for(state="detached")
        films = "services.displaySetService.getActiveDisplaySets().filter(d => d.Modality !== 'SR')"
        names = self.page.evaluate(f"{films}[0].instances[0].PatientName")
        return self.page.locator("body").inner_text().splitlines()[0], names
