/* Small servers in C, one a model, for the tests of `classify`: small KIND HOST PORT. Each echoes. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096, LINE = 512 };
static int listener;
static int set;

static void listen_at(const char *host, const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    int yes = 1;
    inet_pton(AF_INET, host, &address.sin_addr);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 128)) {
        perror("cannot listen");
        exit(1);
    }
}

/* Answer once; 0 when the client has gone. */
static int answer(int connection)
{
    char line[LINE];
    ssize_t size = recv(connection, line, sizeof line, 0);
    if (size > 0 && send(connection, line, size, MSG_NOSIGNAL) > 0)
        return 1;
    close(connection);
    return 0;
}

static void *converse(void *connection)
{
    while (answer((int)(intptr_t)connection))
        ;
    return NULL;
}

static void start(void *(*run)(void *), intptr_t argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, (void *)argument) == 0)
        pthread_detach(thread);
}

static intptr_t next(void) { return accept(listener, NULL, NULL); }

static void iterative(void)
{
    for (;;)
        converse((void *)next());
}

static void forks(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        intptr_t connection = next();
        if (fork() == 0) {
            converse((void *)connection);
            _exit(0);
        }
        close(connection);
    }
}

static void prefork(void)
{
    for (int worker = 0; worker < 4; worker++)
        if (fork() == 0)
            iterative();
    for (;;)
        pause();
}

static void threads(void)
{
    for (;;)
        start(converse, next());
}

/* A queue of connections, and the threads that wait for one. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static int queue[MOST], taken, put_in, idle;

static void put(int connection)
{
    pthread_mutex_lock(&lock);
    queue[put_in++ % MOST] = connection;
    pthread_cond_signal(&filled);
    pthread_mutex_unlock(&lock);
}

/* Wait for a connection; -1 when none has come for so many seconds (0: wait for ever). */
static int take(int seconds)
{
    struct timespec until;
    int connection = -1, late = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&lock);
    idle++;
    while (taken == put_in && !late)
        late = seconds ? pthread_cond_timedwait(&filled, &lock, &until) : pthread_cond_wait(&filled, &lock);
    idle--;
    if (taken != put_in)
        connection = queue[taken++ % MOST];
    pthread_mutex_unlock(&lock);
    return connection;
}

static void *work(void *unused)
{
    for (;;)
        converse((void *)(intptr_t)take(0));
    return unused;
}

static void pool(void)
{
    for (int worker = 0; worker < 5; worker++)
        start(work, 0);
    for (;;)
        put(next());
}

static void *converse_again(void *connection)
{
    int again = (int)(intptr_t)connection;
    for (; again >= 0; again = take(30))
        converse((void *)(intptr_t)again);
    return NULL;
}

/* A thread for each connection; those of former clients are used again. */
static void threads_cached(void)
{
    for (;;) {
        intptr_t connection = next();
        pthread_mutex_lock(&lock);
        int spare = idle - (put_in - taken);
        pthread_mutex_unlock(&lock);
        if (spare > 0)
            put(connection);
        else
            start(converse_again, connection);
    }
}

static void loop_select(void)
{
    fd_set all;
    int highest = listener;
    FD_ZERO(&all);
    FD_SET(listener, &all);
    for (;;) {
        fd_set ready = all;
        select(highest + 1, &ready, NULL, NULL, NULL);
        for (int file = 0; file <= highest; file++) {
            if (!FD_ISSET(file, &ready))
                continue;
            if (file == listener) {
                int connection = next();
                FD_SET(connection, &all);
                highest = connection > highest ? connection : highest;
            } else if (!answer(file))
                FD_CLR(file, &all);
        }
    }
}

static void loop_poll(void)
{
    static struct pollfd files[MOST];
    int count = 1;
    files[0] = (struct pollfd){listener, POLLIN, 0};
    for (;;) {
        poll(files, count, -1);
        for (int i = count - 1; i > 0; i--)
            if (files[i].revents && !answer(files[i].fd))
                files[i] = files[--count];
        if (files[0].revents)
            files[count++] = (struct pollfd){next(), POLLIN, 0};
    }
}

static void watch(int file, int events, int operation)
{
    struct epoll_event event = {.events = events, .data.fd = file};
    epoll_ctl(set, operation, file, &event);
}

/* A loop that accepts, and leaves everything else that is ready to other threads. */
static void loop(int events, void (*handle)(int))
{
    set = set ? set : epoll_create1(0);
    watch(listener, EPOLLIN, EPOLL_CTL_ADD);
    for (;;) {
        struct epoll_event ready;
        if (epoll_wait(set, &ready, 1, -1) < 1)
            continue;
        if (ready.data.fd == listener)
            watch(next(), events, EPOLL_CTL_ADD);
        else
            handle(ready.data.fd);
    }
}

static void answer_here(int connection) { answer(connection); }

static void loop_epoll(void) { loop(EPOLLIN, answer_here); }

static void loops(void)
{
    for (int worker = 0; worker < 3; worker++)
        if (fork() == 0)
            loop_epoll();
    for (;;)
        pause();
}

static void *answer_once(void *connection)
{
    if (answer((int)(intptr_t)connection))
        watch((int)(intptr_t)connection, EPOLLIN | EPOLLONESHOT, EPOLL_CTL_MOD);
    return NULL;
}

static void answer_in_thread(int connection) { start(answer_once, connection); }

/* A loop that makes a thread for each request. */
static void thread_per_request(void) { loop(EPOLLIN | EPOLLONESHOT, answer_in_thread); }

static void *think(void *done)
{
    for (;;) {
        uint64_t connection = take(0) + 1;
        usleep(1000);
        if (write((int)(intptr_t)done, &connection, sizeof connection) < 0)
            return NULL;
    }
}

static int finished[2];
static char asked[MOST][LINE];
static ssize_t sizes[MOST];

static void read_or_send(int file)
{
    uint64_t done;
    if (file != finished[0]) {
        sizes[file] = recv(file, asked[file], LINE, 0);
        if (sizes[file] > 0)
            put(file);
        else
            close(file);
    } else if (read(file, &done, sizeof done) == sizeof done)
        send(done - 1, asked[done - 1], sizes[done - 1], MSG_NOSIGNAL);
}

/* Workers compute, the loop reads and sends. */
static void loop_sends(void)
{
    if (pipe(finished))
        exit(1);
    for (int worker = 0; worker < 3; worker++)
        start(think, finished[1]);
    set = epoll_create1(0);
    watch(finished[0], EPOLLIN, EPOLL_CTL_ADD);
    loop(EPOLLIN, read_or_send);
}

/* io_uring by its bare system calls (io_uring(7)). */
struct ring {
    int file;
    unsigned pending, *tail, *mask, *array, *head, *done, *done_mask;
    struct io_uring_sqe *entries;
    struct io_uring_cqe *results;
};

static struct ring ring_of(unsigned size)
{
    struct io_uring_params p = {0};
    struct ring ring = {.file = syscall(SYS_io_uring_setup, size, &p)};
    if (ring.file < 0) {
        perror("io_uring");
        exit(1);
    }
    char *in = mmap(NULL, p.sq_off.array + p.sq_entries * 4, 3, MAP_SHARED, ring.file, IORING_OFF_SQ_RING);
    char *out = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof *ring.results, 3, MAP_SHARED, ring.file,
                     IORING_OFF_CQ_RING);
    ring.entries = mmap(NULL, p.sq_entries * sizeof *ring.entries, 3, MAP_SHARED, ring.file, IORING_OFF_SQES);
    ring.tail = (void *)(in + p.sq_off.tail);
    ring.mask = (void *)(in + p.sq_off.ring_mask);
    ring.array = (void *)(in + p.sq_off.array);
    ring.head = (void *)(out + p.cq_off.head);
    ring.done = (void *)(out + p.cq_off.tail);
    ring.done_mask = (void *)(out + p.cq_off.ring_mask);
    ring.results = (void *)(out + p.cq_off.cqes);
    return ring;
}

static void ask(struct ring *ring, int operation, int file, void *buffer, unsigned length)
{
    unsigned at = *ring->tail & *ring->mask;
    ring->entries[at] = (struct io_uring_sqe){.opcode = operation, .fd = file, .addr = (uintptr_t)buffer,
                                              .len = length, .user_data = (uint64_t)file << 8 | operation};
    ring->array[at] = at;
    __atomic_store_n(ring->tail, *ring->tail + 1, __ATOMIC_RELEASE);
    ring->pending++;
}

/* Wait for the next result; of what it is, stands in ``of``. */
static int result(struct ring *ring, uint64_t *of)
{
    while (*ring->head == __atomic_load_n(ring->done, __ATOMIC_ACQUIRE)) {
        syscall(SYS_io_uring_enter, ring->file, ring->pending, 1, IORING_ENTER_GETEVENTS, NULL, 0);
        ring->pending = 0;
    }
    struct io_uring_cqe *found = &ring->results[*ring->head & *ring->done_mask];
    int result = found->res;
    *of = found->user_data;
    __atomic_store_n(ring->head, *ring->head + 1, __ATOMIC_RELEASE);
    return result;
}

static void loop_ring(void)
{
    static char lines[MOST][LINE];
    struct ring ring = ring_of(256);
    ask(&ring, IORING_OP_ACCEPT, listener, NULL, 0);
    for (;;) {
        uint64_t of;
        int found = result(&ring, &of), file = of >> 8, operation = of & 255;
        if (operation == IORING_OP_ACCEPT) {
            ask(&ring, IORING_OP_RECV, found, lines[found], LINE);
            ask(&ring, IORING_OP_ACCEPT, listener, NULL, 0);
        } else if (operation == IORING_OP_RECV && found > 0)
            ask(&ring, IORING_OP_SEND, file, lines[file], found);
        else if (operation == IORING_OP_SEND && found > 0)
            ask(&ring, IORING_OP_RECV, file, lines[file], LINE);
        else
            close(file);
    }
}

static void loops_rings(void)
{
    for (int worker = 0; worker < 3; worker++)
        if (fork() == 0)
            loop_ring();
    for (;;)
        pause();
}

static void *converse_by_ring(void *connection)
{
    int file = (int)(intptr_t)connection;
    char line[LINE];
    struct ring ring = ring_of(4);
    uint64_t of;
    for (;;) {
        ask(&ring, IORING_OP_RECV, file, line, LINE);
        int size = result(&ring, &of);
        if (size <= 0 || send(file, line, size, MSG_NOSIGNAL) < 0)
            break;
    }
    close(file);
    close(ring.file);
    return NULL;
}

static void threads_rings(void)
{
    for (;;)
        start(converse_by_ring, next());
}

static const struct {
    const char *name;
    void (*serve)(void);
} kinds[] = {
    {"iterative", iterative},     {"forks", forks},         {"prefork", prefork},
    {"threads", threads},         {"pool", pool},           {"threads_cached", threads_cached},
    {"loop_select", loop_select}, {"loop_poll", loop_poll}, {"loop_epoll", loop_epoll},
    {"loops", loops},             {"loop_ring", loop_ring}, {"thread_per_request", thread_per_request},
    {"loop_sends", loop_sends},   {"loops_rings", loops_rings}, {"threads_rings", threads_rings},
};

int main(int count, char **words)
{
    if (count != 4)
        return 2;
    listen_at(words[2], words[3]);
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, words[1]) == 0)
            kinds[i].serve();
    return 2;
}
