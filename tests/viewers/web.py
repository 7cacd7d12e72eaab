"""The viewer's web server: OHIF's own static files, our configuration, and Orthanc's DICOMweb below the same origin.

One origin spares CORS, and a request to any other host is then a fault that the browser side can count.
"""

import contextlib
import http.client
import http.server
import mimetypes
import threading
from pathlib import Path

# What a site would write too, but for the dialogs that are switched off.
CONFIG = """
window.config = {
  name: 'Centinela viewer test',
  routerBasename: null,
  extensions: [], modes: [], customizationService: [CUSTOMIZATIONS],
  showStudyList: true,
  maxNumberOfWebWorkers: 1,
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: false,
  showLoadingIndicator: true,
  investigationalUseDialog: { option: 'never' },
  defaultDataSourceName: 'pacs',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
    sourceName: 'pacs',
    configuration: {
      friendlyName: 'PACS', name: 'pacs',
      wadoUriRoot: '/dicom-web', qidoRoot: '/dicom-web', wadoRoot: '/dicom-web',
      qidoSupportsIncludeField: false, supportsReject: false,
      imageRendering: 'wadors', thumbnailRendering: 'wadors',
      enableStudyLazyLoad: true, supportsFuzzyMatching: false, supportsWildcard: true,
      bulkDataURI: { enabled: true },
      omitQuotationForMultipartRequest: true,
    },
  }],
};
"""
NAMES = Path(__file__).with_name("finding_names.js")


def configuration(named):
    """OHIF's configuration; `named` with the finding's name in the labels."""
    before = NAMES.read_text() if named else ""
    return before + CONFIG.replace("CUSTOMIZATIONS", "findingNames" if named else "")


PASSED_ON = ("accept", "content-type")
mimetypes.add_type("application/wasm", ".wasm")
mimetypes.add_type("text/javascript", ".js")


def handler(dist, orthanc_port, config, failures):
    """A request handler for one folder, one Orthanc and one configuration of OHIF."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path = self.path.split("?")[0]
            if path.startswith("/dicom-web/"):
                self.forward()
            elif path == "/app-config.js":
                self.answer(200, "text/javascript", config.encode())
            else:
                self.file(path)

        def file(self, path):
            target = (dist / path.lstrip("/")).resolve()
            if not target.is_relative_to(dist):
                self.answer(403, "text/plain", b"outside")
                return
            if not target.is_file():
                # Addresses of OHIF's own router have no file: they get the page.
                target = dist / "index.html"
            kind = mimetypes.guess_type(target.name)[0] or "application/octet-stream"
            self.answer(200, kind, target.read_bytes())

        def forward(self):
            link = http.client.HTTPConnection("127.0.0.1", orthanc_port, timeout=120)
            headers = {k: self.headers[k] for k in PASSED_ON if k in self.headers}
            # Orthanc writes BulkDataURI and RetrieveURL with this origin.
            headers["Host"] = self.headers["Host"]
            try:
                link.request("GET", self.path, headers=headers)
                answer = link.getresponse()
                body = answer.read()
            finally:
                link.close()
            if answer.status >= 400:
                failures.append(f"{answer.status} {self.path}")
            self.answer(answer.status, answer.getheader("Content-Type", "application/octet-stream"), body)

        def answer(self, status, kind, body):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            # What OHIF needs for SharedArrayBuffer.
            self.send_header("Cross-Origin-Opener-Policy", "same-origin")
            self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


@contextlib.contextmanager
def serving(dist, orthanc_port, named=False):
    """Serves until the block ends; gives the address and the list of DICOMweb requests that failed."""
    failures = []
    dist = Path(dist).resolve()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(dist, orthanc_port, configuration(named), failures))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", failures
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
