"""A server that is far away: a proxy that lets each request wait, exponentially distributed, before
it hands it on. Run by stores.py, as a process of its own: far.py PORT SECONDS prints its own port.
"""

import asyncio
import random
import sys

BLOCK = 64 << 10


async def hand_on(reader, writer, mean):
    try:
        while data := await reader.read(BLOCK):
            if mean > 0:
                await asyncio.sleep(random.expovariate(1 / mean))
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # the other end has gone
    finally:
        writer.close()


async def serve(port, mean):
    async def connect(reader, writer):
        there, to = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(hand_on(reader, to, mean), hand_on(there, writer, 0))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
