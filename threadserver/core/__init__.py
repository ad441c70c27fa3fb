"""The ground floor: a server and the conversations that it holds. Nothing here imports from the kit's other folders.

Read these in order; they are all that a model needs to work::

    steps            the twelve steps of a connection, in words
    conversation     the protocol, without I/O: what the server says, state by state
    services         what it does with a line: echo, upper, sleep …
    models/thread    the documented model: a new thread for each connection
    models/iterative the baseline: one client after the other
    server           what every model shares: accept, converse, close, stop

Then what the server stands on, in any order::

    address          addresses as people write them and as the kernel takes them
    listener         steps 1 to 3: socket(), bind(), listen()
    accepting        the errors of accept(), and what to do when descriptors run out
    admission        numbers, the limit on connections, and clients that are refused
    timeouts         ending clients that do not confirm or are idle
    running          Ctrl-C and SIGTERM; `serving` and `main`

What some models also need::

    forking          both sides of a fork()            children    waiting for forked children, without zombies
    loop             select, poll and epoll            ports       several listening sockets at one port
    coroutines       asyncio

The rest is not the server itself: `trace` and `recording` (the steps as they happen), `loading` (a user's own models
and services), `errors`.
"""
