/* Lab select, in C. The protocol is complete and right, but the server serves one client after the other: converse() and
   main() wait in accept(), recv() and send(), each time for one client. Let poll() be the only call that waits, and let
   it wait for all of them. Answers stay in `outgoing` until the kernel has taken them. */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_LINE 65536          /* the longest line, in bytes, its LF included */
#define PIECE 16384             /* bytes asked of one recv() */
#define OUTGOING (4 * MAX_LINE) /* room for answers; stop reading from a client that has filled it */

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

/* Hold the whole conversation. Waits in send() and in recv(). */
static void converse(struct client *client)
{
    for (;;) {
        while (client->out) {
            ssize_t n = send(client->fd, client->outgoing, client->out, MSG_NOSIGNAL);
            if (n < 0)
                return;
            memmove(client->outgoing, client->outgoing + n, client->out -= n);
        }
        if (client->ending)
            return;
        ssize_t n = recv(client->fd, client->incoming + client->in, PIECE, 0);
        if (n <= 0)
            return;
        client->in += n;
        take_lines(client);
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
    int fd = accept(listener, (void *)&peer, &peer_length);
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
    int listener = failed ? -1 : socket(found->ai_family, SOCK_STREAM, 0);
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
    int listener = listen_at(argv[1], argv[2]);
    for (;;) {
        struct client *client = welcome(listener); /* waits in accept() */
        if (client) {
            converse(client);
            close(client->fd);
            free(client);
        }
    }
}
