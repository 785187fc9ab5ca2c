"""The trading page at `/`: the files that the build of `web/` has made, and what a browser may do with them.

The page gets everything from this origin and runs nothing that isn't one of its files: the Content-Security-Policy
forbids the rest. Assets carry a hash of their content in their names and are kept for ever; the page itself is asked
for anew each time. Where there is no build, `/` says so in words and everything else works.
"""

import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
GUARDED = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
# What the build makes; anything else in the folder is not served.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
PACKED = {".css", ".html", ".js", ".svg"}
PAGE = "index.html"

NO_PAGE = """Glassbook order gateway

The trading page has not been built here: that takes Node from PyPI and packages from the npm registry, once.
`make install` builds it, and `make up` tries again.

/docs            every endpoint, with examples
/openapi.json    the same for programs
/refusals        every reason why something is refused
/api/v1/markets  the markets
/readyz          whether it is ready
"""


class File(NamedTuple):
    body: bytes
    packed: bytes | None  # by gzip
    media_type: str


def read_page(folder: Path | None) -> dict[str, File]:
    """The files of a build by their paths, such as `assets/index-4f2c.js`; none where there is no whole build."""
    if folder is None or not (folder / PAGE).is_file():
        return {}
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in MEDIA_TYPES:
            body = path.read_bytes()
            packed = gzip.compress(body, mtime=0) if path.suffix in PACKED else None
            found[path.relative_to(folder).as_posix()] = File(body, packed, MEDIA_TYPES[path.suffix])
    return found


def page_routes(folder: Path | None) -> list[Route]:
    """Routes for the page as it lies in the folder now."""
    files = read_page(folder)
    page = files.pop(PAGE, File(NO_PAGE.encode(), None, "text/plain; charset=utf-8"))
    routes = {"/": _serves(page, ASK_AGAIN)} | {f"/{name}": _serves(file, FOR_EVER) for name, file in files.items()}
    return [Route(path, serve, methods=["GET"], include_in_schema=False) for path, serve in routes.items()]


def _serves(file: File, cache: str) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        headers = GUARDED | {"cache-control": cache}
        body = file.body
        if file.packed is not None:
            headers["vary"] = "accept-encoding"
            if "gzip" in request.headers.get("accept-encoding", ""):
                body, headers["content-encoding"] = file.packed, "gzip"
        return Response(body, headers=headers, media_type=file.media_type)

    return serve
