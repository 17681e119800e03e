"""The yardstick: a bare aiohttp handler that answers everybody with the same bytes and headers.

`python bare.py SETTINGS`
"""

import asyncio
import base64
import json
import sys
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web


def application(settings: dict[str, Any]) -> web.Application:
    """Return the application; nothing is checked, read or logged."""
    headers: dict[str, str] = settings["sample"]["headers"]
    body = base64.b64decode(settings["sample"]["body"])

    async def badges(_: web.Request) -> web.Response:
        return web.Response(body=body, headers=headers)

    app = web.Application()
    app.router.add_get("/me/badges", badges)
    return app


async def main(settings: dict[str, Any]) -> None:
    """Serve until the process is ended."""
    runner = web.AppRunner(application(settings), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, settings["host"], settings["port"]).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(json.loads(Path(sys.argv[1]).read_text())))
