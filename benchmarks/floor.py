"""The least that a webhook can cost here: bare FastAPI and one committed INSERT, nothing verified or read.

`python -m benchmarks.floor PORT LEDGER_URL`. What the doors take is only worth something beside it: machines
differ, and so does one machine from one minute to the next.
"""

import sqlite3
import sys
from collections.abc import Awaitable, Callable

import asyncpg
import uvicorn
import uvloop
from fastapi import FastAPI, Request

Keep = Callable[[bytes], Awaitable[None]]


async def keeper(url: str) -> Keep:
    """What keeps a body, on the disk when it returns."""
    if url.startswith("postgresql"):
        pool = await asyncpg.create_pool(url.replace("+asyncpg", ""))
        await pool.execute("CREATE TABLE IF NOT EXISTS floor (id bigserial PRIMARY KEY, body bytea)")

        async def keep_there(body: bytes) -> None:
            await pool.execute("INSERT INTO floor (body) VALUES ($1)", body)

        return keep_there
    db = sqlite3.connect(url.partition(":///")[2] + ".floor", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE IF NOT EXISTS floor (id INTEGER PRIMARY KEY, body BLOB)")

    async def keep_here(body: bytes) -> None:
        db.execute("INSERT INTO floor (body) VALUES (?)", (body,))

    return keep_here


async def serve(port: int, url: str) -> None:
    app, keep = FastAPI(), await keeper(url)

    @app.post("/webhooks/standard")
    async def receive(request: Request) -> dict[str, str]:
        await keep(await request.body())
        return {"result": "accepted"}

    await uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", access_log=False)).serve()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2]))
