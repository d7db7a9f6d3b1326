"""The container's command: read the environment and serve until told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from lab.standins.rocketchat import app, modes
from lab.standins.rocketchat.kept.store import StoreError
from lab.standins.rocketchat.workspace import Config

BAD_CONFIGURATION = 78
# Names without a setting behind them; MONGO_URL is taken and not used, the store is our own.
DATA = "/app/uploads"


def config_from(environment: Mapping[str, str]) -> Config:
    """Return the configuration; raises ValueError for what makes no sense."""
    return Config(
        data=Path(environment.get("STANDIN_DATA", DATA)),
        environment=dict(environment),
        modes=modes.from_environment(environment),
        host=environment.get("BIND_IP", "0.0.0.0"),  # noqa: S104 - as the official image
        port=int(environment.get("PORT", "3000")),
        forwarded_count=int(environment.get("HTTP_FORWARDED_COUNT", "0")),
        tokens_secret=environment.get("CREATE_TOKENS_FOR_USERS_SECRET", ""),
    )


async def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await app.serve(config, stop=stop)


def main() -> int:
    """Run the stand-in; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        config = config_from(os.environ)
        logging.getLogger(__name__).info(
            "stand-in for Rocket.Chat %s on port %s", config.modes.version, config.port
        )
        asyncio.run(run(config))
    except (ValueError, OSError, StoreError) as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - no trace for a bad value
        return BAD_CONFIGURATION
    return 0


if __name__ == "__main__":
    sys.exit(main())
