"""The sentences that `classify` prints: one for each way in which a model, or the lack of an answer, shows itself.

`{how}` is " using epoll" and the like, or nothing; the other names are numbers and tasks that the rules have found.
"""

FULL = "The server closed every connection immediately: it may be full, or refuse clients from this address."
DEFERRED = (
    "The kernel holds each connection back until its first bytes arrive (TCP_DEFER_ACCEPT), so silent connections show "
    "nothing. Send something with --send."
)
STUCK = "The server is not accepting connections: it is stopped, stuck, or at its limit."
HIDDEN = "You lack permission to see what the tasks are blocked in; run classify as the server's owner or as root."
CONTRADICTION = "The witnesses disagree: the server looks like {model}, but {names} rules that out."

BUSY_ITERATIVE = "One task serves another client, and all of our connections wait until that client has gone."
BUSY_PREFORK = "All {workers} processes serve other clients, and all of our connections wait."
BUSY_POOL = "All {workers} threads serve other clients, and all of our connections wait."

ONE_LOOP = "One task waits for all {held} clients at once{how}, and serves each as it becomes ready."
MANY_LOOPS = "{workers} {kind} each wait for many clients at once{how}."
LOOP_THAT_TRIES = "A single task holds all {held} connections and tries to read each in turn."
LOOP_BEHIND_DECOYS = (
    "One task answers every client by trying each connection in turn; the tasks that wait for the connections are "
    "decoys."
)
LOOP_WITH_WORKERS = "A task waits for all clients{how}, and other tasks handle the requests."
LOOP_DOUBTED = (
    "A task waits for all clients{how}. Whether other tasks work for it shows only when something is sent (--send), "
    "and which task answers shows only where tracing is allowed."
)
LOOP_HANDED = (
    "One process is handed all clients and waits for them{how}. {siblings} of the same parent may be handed clients as "
    "well, but this was not seen."
)
LOOP_AND_OTHERS = (
    "A loop waits for the clients{how}. {siblings} of the same parent could accept clients too, but waited for "
    "something else, so it is unclear which process serves."
)
LOOP_UNANSWERED = (
    "A task waits for all clients{how}. Some were answered, but {unanswered} were not: the server has workers that "
    "were not seen, or a limit."
)
LOOP_AMONG_DECOYS = "One task waits for all {held} clients{how} and answers them; the other tasks are decoys."
LOOPS_AMONG_DECOYS = "{workers} tasks each wait for many clients{how}, and answer them."
THREADS_DESPITE_LOOP = "Each connection is answered by its own thread, although a loop watches the connections too."
WAITED_FOR_TWICE = (
    "Both a loop and a task of its own wait for each connection; which of them answers could not be seen ({why})."
)

WORKERS_ON_FIRST_BYTES = (
    "A task waits for all silent clients{how}; when a client sends its first bytes, a worker takes it over "
    "({workers} in all)."
)
FORK_ON_FIRST_BYTES = (
    "When a client sends its first bytes, it gets a process of its own; until then a loop waits for it{how}."
)
THREAD_ON_FIRST_BYTES = (
    "When a client sends its first bytes, it gets a thread of its own; until then a loop waits for it{how}."
)
WORKERS_BEFORE_LOOP = "A worker reads each request, and a loop watches idle connections{how}."

UNSEEN = "The server accepts connections, but no task was seen waiting for any of them; try --send."
UNSURE_WHO_SERVES = (
    "Each connection has its own task that waits for it, but {doubt}, so another task may serve the clients; which "
    "task answers could not be seen ({why})."
)
ONLY_ONE = "Only one connection could be held, and none was left waiting."

ITERATIVE = "One task serves one client at a time, and accepts the next when that client has gone."
ITERATIVE_LOCKED = (
    "The server makes a thread for each client, but all of these threads need one lock: one client is served at a time."
)
ITERATIVE_WAITING = "The server makes {maker} for each client, and waits for it to end before it accepts the next."
POOL_OF_ONE = "Connections are accepted and queued for one worker thread, which serves one client at a time."
PREFORK_OF_ONE = "One process, made in advance, serves one client at a time; its parent only supervises it."

THREADS = "Each connection gets a new thread of its own, which ends with the connection."
THREADS_REFUSED = (
    "Each connection gets a new thread of its own, which ends with the connection. Beyond {served} clients at once, "
    "the server turns clients away."
)
THREADS_LIMITED = "Each connection gets a thread of its own, at most {served} at once; more clients wait."
THREADS_CACHED = "Each connection gets a thread of its own; threads of former clients are reused."
POOL = "{workers} threads serve one client each; more clients {queued}."
POOL_GROWN = "{workers} threads, made on demand, serve one client each; more clients {queued}."
POOL_NOT_FULL = "{workers} threads, made in advance, serve one client each."
POOL_DOUBTED = (
    "{served} threads serve one client each, and more clients wait. Another task may watch clients that have been "
    "answered; this shows only when the server answers something (--send)."
)
THREADS_OR_LOOPS = (
    "Each silent connection has a thread, but {idle} in epoll without any client; their purpose shows only when "
    "something is sent (--send)."
)
HURRIED = (
    "Each of {held} connections has a {kind} of its own, but time ran out before it was clear whether more connections "
    "would get one; try a longer --timeout."
)
HURRIED_LOOP = (
    "A task waits for all clients{how}, but time ran out before it was clear whether other tasks work for it; try a "
    "longer --timeout."
)
UNBOUNDED = (
    "Each of {held} connections has a thread, and more threads wait: this may be a larger pool, or threads without a "
    "limit; try a longer --timeout."
)

FORKS = "Each connection gets a process of its own, which ends with the connection."
PREFORK_GROWN = "Processes, made on demand, serve one client each and then wait for the next."
PREFORK = "{workers} processes, made in advance, serve one client each; more clients wait."
PREFORK_NOT_FULL = "{workers} processes, made in advance, serve one client each."
