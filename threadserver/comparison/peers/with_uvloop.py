"""The asyncio server on uvloop's event loop, which is libuv's."""

import uvloop

from threadserver.comparison.peers.with_asyncio import main

if __name__ == "__main__":
    uvloop.run(main())
