"""A proxy of aiohttp and uvloop with nothing on: what the gateway's library takes by itself.

`python -m bench.gateway_bare PLAN`, PLAN is a JSON object: `port`, `certificate`, `key`, `model`,
the URL of the model.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys

import aiohttp
import uvloop
from aiohttp import web


async def serve(plan: dict[str, str]) -> None:
    """Pass everything on until standard input ends."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def pass_on(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            async with session.post(plan["model"] + request.path, data=body) as answer:
                content = await answer.read()
            return web.Response(body=content, content_type="application/x-ndjson")

        app = web.Application()
        app.router.add_post("/{path:.*}", pass_on)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(plan["certificate"], plan["key"])
        await web.TCPSite(runner, "127.0.0.1", int(plan["port"]), ssl_context=context).start()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(serve(json.loads(sys.argv[1])))
