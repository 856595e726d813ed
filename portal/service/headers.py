"""Headers of every answer: what a page may load, from whom, and who may frame it."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portal.service import network

# Streamlit brings its styles inline, and charts compile their expressions.
_POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' data: blob: ws: wss:",
    "worker-src": "'self' blob:",
    "frame-src": "'self'",
    "frame-ancestors": "'self'",
    "object-src": "'none'",
    "base-uri": "'self'",
}


class Headers:
    """Middleware that states the policy; a text of a release that became markup loads nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        policy = dict(_POLICY)
        if network.is_on():
            policy["img-src"] += f" {network.IMAGES}"
            policy["frame-src"] += f" {network.FRAMES}"
        self._headers = {
            "Content-Security-Policy": "; ".join(" ".join(part) for part in policy.items()),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and add the headers to its answer."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, add if scope["type"] == "http" else send)
