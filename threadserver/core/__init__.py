"""The ground floor: a server and the conversations that it holds. Read it in one sitting, in this order.

::

    steps          the twelve steps of a connection, in words
    conversation   the protocol without any I/O
    server         what every concurrency model shares
    models         the models themselves: ``thread`` and ``iterative``

and then what the server stands on: `address`, `listener`, `accepting`, `limits`, `children` (for fork), `loop` (for
select, poll and epoll). Nothing here imports anything from another folder of the kit.
"""
