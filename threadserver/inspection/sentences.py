"""The sentences that a student reads: one for each way in which a model, or the lack of an answer, shows itself.

`{how}` is ", with epoll" and the like, or nothing; the other names are numbers and tasks that the path has found.
"""

FULL = "The server closed every connection at once: it may be full, or not take clients from here."
DEFERRED = (
    "The kernel keeps connections back until the first bytes come (TCP_DEFER_ACCEPT); silence shows nothing, so say "
    "something with --send."
)
STUCK = "The server accepts no connection at present: it is stopped, stuck, or at its limit."
HIDDEN = "What the tasks are blocked in may not be seen; run classify as the server's owner or as root."
CONTRADICTION = "The witnesses contradict each other: it looks like {model}, but not to the witness {names}."

BUSY_ITERATIVE = "One task serves another client, and all of ours wait until it has gone."
BUSY_PREFORK = "All {workers} processes serve other clients, and all of ours wait."
BUSY_POOL = "All {workers} threads serve other clients, and all of ours wait."

ONE_LOOP = "One task waits for all {held} clients at once{how}, and serves whoever is ready."
MANY_LOOPS = "{workers} {kind} each wait for many clients at once{how}."
LOOP_THAT_TRIES = "One task alone has all {held} connections and tries each in turn."
LOOP_BEHIND_DECOYS = "One task answers every client, trying each in turn; the tasks that wait for them are decoys."
LOOP_WITH_WORKERS = "A task waits for all clients{how}, and other tasks work on what they say."
LOOP_DOUBTED = (
    "A task waits for all clients{how}; whether others work for it shows only when something is said (--send), and "
    "who sends the answer only where that may be traced."
)
LOOP_HANDED = (
    "One process is handed all clients, and waits for them{how}; whether the {brothers} beside it, made by the same "
    "parent, would get others was not shown."
)
LOOP_AND_OTHERS = (
    "A loop waits for the clients{how}; beside it {brothers} of the same parent could accept too, but waited for "
    "something else: who serves was not shown."
)
LOOP_UNANSWERED = (
    "A task waits for all clients{how}, but while some had their answer, {unanswered} were left without: it has "
    "workers that were not seen, or a limit."
)
LOOP_AMONG_DECOYS = "One task waits for all {held} clients{how} and answers them; the others are decoys."
LOOPS_AMONG_DECOYS = "{workers} tasks each wait for many clients{how}, and they answer."
THREADS_DESPITE_LOOP = "Each connection is answered by a thread of its own, though a loop watches them, too."
WAITED_FOR_TWICE = (
    "Each connection is waited for twice, by a loop and by a task of its own; who answers could not be seen ({why})."
)

WORKERS_ON_FIRST_BYTES = (
    "A task waits for all silent clients{how}; with its first bytes a client gets one of {workers} workers."
)
FORK_ON_FIRST_BYTES = "With its first bytes each client gets a process of its own; until then a loop waits for it{how}."
THREAD_ON_FIRST_BYTES = (
    "With its first bytes each client gets a thread of its own; until then a loop waits for it{how}."
)
WORKERS_BEFORE_LOOP = "A worker reads each request, and a loop keeps idle connections{how}."

UNSEEN = "Connections are accepted, but no task was seen to wait for any of them; try --send."
UNSURE_WHO_SERVES = (
    "A task of its own waits for each connection, but {doubt}, so another may serve them; who answers could not be "
    "seen ({why})."
)
ONLY_ONE = "Only one connection could be held, and none was left waiting."

ITERATIVE = "One task serves one client at a time; the next is accepted when it has gone."
ITERATIVE_LOCKED = "It makes a thread for each client, but they wait for one lock: one client is served at a time."
ITERATIVE_WAITING = "It makes {maker} for a client, and waits until it has ended before it accepts the next."
POOL_OF_ONE = "Connections are accepted and queued for one worker thread, which serves one at a time."
PREFORK_OF_ONE = "A process made beforehand serves one client at a time, and its master only watches over it."

THREADS = "Each connection gets a new thread of its own, which ends with it."
THREADS_REFUSED = (
    "Each connection gets a new thread of its own, which ends with it. Beyond {served} at once they are turned away."
)
THREADS_LIMITED = "Each connection gets a thread of its own, {served} at once; more clients wait."
THREADS_CACHED = "Each connection gets a thread of its own; threads of former clients are used again."
POOL = "{workers} threads serve one client each; more clients {queued}."
POOL_GROWN = "{workers} threads, made as they were needed, serve one client each; more clients {queued}."
POOL_NOT_FULL = "Threads made beforehand, {workers} of them, serve one client each."
POOL_DOUBTED = (
    "{served} threads serve one client each, and more wait; but a task beside them may keep clients once they are "
    "answered: that shows only when something is said that is answered (--send)."
)
THREADS_OR_LOOPS = (
    "Each silent connection has a thread, but {empty} tasks wait in epoll for clients not given to them yet: what they "
    "are for shows only when something is said (--send)."
)
HURRIED = (
    "Each of {held} connections has a {kind} of its own, but the time was up before it was known whether others would; "
    "give it a longer --time-limit."
)
HURRIED_LOOP = (
    "A task waits for all clients{how}, but the time was up before it was known whether others work for it; give it a "
    "longer --time-limit."
)
UNBOUNDED = (
    "Each of {held} connections has a thread, and threads stay for more: a pool of more or without bound; a longer "
    "--time-limit can tell."
)

FORKS = "Each connection gets a process of its own, which ends with it."
PREFORK_GROWN = "Processes, made as they were needed, serve one client each and wait for the next."
PREFORK = "{workers} processes made beforehand serve one client each; more clients wait."
PREFORK_NOT_FULL = "Processes made beforehand, {workers} of them, serve one client each."
