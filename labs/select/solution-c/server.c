/* Readiness, in C: one task serves every client, and poll() is the only call in which it waits. */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_LINE 65536          /* the longest line, in bytes, its LF included */
#define PIECE 16384             /* bytes asked of one recv() */
#define OUTGOING (4 * MAX_LINE) /* answers kept for a client that does not read */

/* One connection: the start of a line that is not complete yet, and the bytes still to send. */
struct client {
    int fd;
    long number;
    bool confirmed, ending;
    size_t in, out;
    char incoming[MAX_LINE + PIECE], outgoing[OUTGOING];
};

static void say(struct client *client, const char *bytes, size_t length)
{
    memcpy(client->outgoing + client->out, bytes, length);
    client->out += length;
}

static void refuse(struct client *client, const char *why)
{
    char line[128];
    say(client, line, snprintf(line, sizeof line, "ERROR %s\n", why));
    client->ending = true;
}

static void confirm(struct client *client, const char *line, size_t length)
{
    char right[64], why[96];
    size_t expected = snprintf(right, sizeof right, "CONFIRM %ld", client->number);
    if (length && line[length - 1] == '\r')
        length--;
    client->confirmed = length == expected && !memcmp(line, right, length);
    snprintf(why, sizeof why, "confirmation expected: %s", right);
    if (!client->confirmed)
        refuse(client, why);
}

/* Take every complete line that has arrived, and keep the rest for the next piece. */
static void take_lines(struct client *client)
{
    char *line = client->incoming, *end = line + client->in, *lf;
    while (!client->ending && (lf = memchr(line, '\n', end - line)) && lf - line < MAX_LINE) {
        if (client->confirmed)
            say(client, line, lf + 1 - line);
        else
            confirm(client, line, lf - line);
        line = lf + 1;
    }
    if (!client->ending && end - line >= MAX_LINE)
        refuse(client, "line longer than 65536 bytes");
    client->in = end - line;
    memmove(client->incoming, line, client->in);
}

/* The events to wait for: its bytes, while there is room for all their answers; room to send, while answers wait. */
static short interest(const struct client *client)
{
    bool room = client->out + client->in + PIECE + 128 <= OUTGOING;
    return (!client->ending && room ? POLLIN : 0) | (client->out ? POLLOUT : 0);
}

/* Give a client its turn: one recv() and one send(), neither of which waits. */
static void take_turn(struct client *client, short ready)
{
    if (interest(client) & POLLIN && ready & (POLLIN | POLLHUP | POLLERR)) {
        ssize_t n = recv(client->fd, client->incoming + client->in, PIECE, MSG_DONTWAIT);
        if (n > 0) {
            client->in += n;
            take_lines(client);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            client->ending = true;
        }
    }
    if (client->out) {
        ssize_t n = send(client->fd, client->outgoing, client->out, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0)
            memmove(client->outgoing, client->outgoing + n, client->out -= n);
        else if (errno != EAGAIN && errno != EINTR)
            client->ending = true, client->out = 0; /* it has gone: drop its answers */
    }
}

static int write_address(char *text, size_t size, const struct sockaddr_storage *address, socklen_t length)
{
    char host[64], port[8];
    getnameinfo((const void *)address, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    return snprintf(text, size, strchr(host, ':') ? "tcp://[%s]:%s" : "tcp://%s:%s", host, port);
}

static struct client *welcome(int listener)
{
    static long numbers = 0;
    struct sockaddr_storage peer, own;
    socklen_t peer_length = sizeof peer, own_length = sizeof own;
    int fd = accept4(listener, (void *)&peer, &peer_length, SOCK_NONBLOCK);
    struct client *client = fd < 0 ? NULL : calloc(1, sizeof *client);
    if (!client) {
        close(fd);
        return NULL;
    }
    char server[96], other[96];
    getsockname(fd, (void *)&own, &own_length);
    write_address(server, sizeof server, &own, own_length);
    write_address(other, sizeof other, &peer, peer_length);
    client->fd = fd;
    client->number = ++numbers;
    client->out = snprintf(client->outgoing, OUTGOING, "HELLO server=%s client=%s connection=%ld worker=%d/%d\n",
                           server, other, client->number, getpid(), gettid());
    return client;
}

static int listen_at(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int one = 1, failed = getaddrinfo(host, port, &hints, &found);
    int listener = failed ? -1 : socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
        bind(listener, found->ai_addr, found->ai_addrlen) || listen(listener, 128)) {
        fprintf(stderr, "cannot listen at %s port %s: %s\n", host, port, failed ? gai_strerror(failed) : strerror(errno));
        exit(1);
    }
    freeaddrinfo(found);
    return listener;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s HOST PORT [SERVICE]\n", argv[0]);
        return 2;
    }
    struct client **clients = NULL;
    struct pollfd *wanted = calloc(1, sizeof *wanted);
    size_t count = 0;
    wanted[0].fd = listen_at(argv[1], argv[2]);
    wanted[0].events = POLLIN;
    for (;;) {
        for (size_t i = 0; i < count; i++)
            wanted[i + 1] = (struct pollfd){.fd = clients[i]->fd, .events = interest(clients[i])};
        if (poll(wanted, count + 1, -1) < 0)
            continue;
        for (size_t i = count; i-- > 0;) { /* backwards, so that the last may fill the gap of one that ends */
            if (wanted[i + 1].revents)
                take_turn(clients[i], wanted[i + 1].revents);
            if (!interest(clients[i])) {
                close(clients[i]->fd);
                free(clients[i]);
                clients[i] = clients[--count];
            }
        }
        struct client *client = wanted[0].revents ? welcome(wanted[0].fd) : NULL;
        if (client) {
            clients = realloc(clients, (count + 1) * sizeof *clients);
            wanted = realloc(wanted, (count + 2) * sizeof *wanted);
            clients[count++] = client;
        }
    }
}
