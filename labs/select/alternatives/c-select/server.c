/* Readiness with select() in C: new sets of descriptors for each call, and a table indexed by descriptor. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT 65536
#define ROOM (3 * LIMIT)

typedef struct {
    int number; /* 0: no connection has this descriptor */
    int confirmed, last;
    char in[2 * LIMIT], out[ROOM];
    int in_length, out_length;
} Connection;

static Connection *table[FD_SETSIZE];

static void put(Connection *c, const char *bytes, int length)
{
    memcpy(c->out + c->out_length, bytes, length);
    c->out_length += length;
}

static void put_text(Connection *c, const char *text)
{
    put(c, text, strlen(text));
}

static void one_line(Connection *c, const char *line, int length)
{
    char expected[40], text[100];
    int want = sprintf(expected, "CONFIRM %d", c->number);
    if (c->confirmed) {
        put(c, line, length);
        put(c, "\n", 1);
    } else if ((length == want || (length == want + 1 && line[want] == '\r')) && memcmp(line, expected, want) == 0) {
        c->confirmed = 1;
    } else {
        sprintf(text, "ERROR confirmation expected: %s\n", expected);
        put_text(c, text);
        c->last = 1;
    }
}

static void received(Connection *c, int n)
{
    int start = 0;
    c->in_length += n;
    for (int i = 0; i < c->in_length && !c->last; i++)
        if (c->in[i] == '\n' && i - start < LIMIT) {
            one_line(c, c->in + start, i - start);
            start = i + 1;
        }
    c->in_length -= start;
    memmove(c->in, c->in + start, c->in_length);
    if (c->in_length >= LIMIT && !c->last) {
        put_text(c, "ERROR line longer than 65536 bytes\n");
        c->last = 1;
    }
}

static int may_read(const Connection *c)
{
    return !c->last && c->out_length < LIMIT / 2;
}

static void finish(int fd)
{
    free(table[fd]);
    table[fd] = NULL;
    close(fd);
}

static void describe(char *text, const struct sockaddr_storage *address)
{
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_in *four = (const void *)address;
    const struct sockaddr_in6 *six = (const void *)address;
    if (address->ss_family == AF_INET6)
        sprintf(text, "tcp://[%s]:%d", inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host), ntohs(six->sin6_port));
    else
        sprintf(text, "tcp://%s:%d", inet_ntop(AF_INET, &four->sin_addr, host, sizeof host), ntohs(four->sin_port));
}

static void welcome(int listener)
{
    static int number = 0;
    struct sockaddr_storage names[2];
    socklen_t length = sizeof names[0];
    char server[80], client[80], hello[300];
    int fd = accept(listener, (struct sockaddr *)&names[1], &length);
    if (fd < 0)
        return;
    if (fd >= FD_SETSIZE) { /* select() cannot wait for it */
        send(fd, "ERROR server is full\n", 21, MSG_DONTWAIT);
        close(fd);
        return;
    }
    length = sizeof names[0];
    getsockname(fd, (struct sockaddr *)&names[0], &length);
    describe(server, &names[0]);
    describe(client, &names[1]);
    table[fd] = calloc(1, sizeof(Connection));
    table[fd]->number = ++number;
    sprintf(hello, "HELLO server=%s client=%s connection=%d worker=%d\n", server, client, number, (int)getpid());
    put_text(table[fd], hello);
}

static void serve(int fd, int readable, int writable)
{
    Connection *c = table[fd];
    int gone = 0;
    if (readable) {
        int n = recv(fd, c->in + c->in_length, LIMIT, MSG_DONTWAIT);
        if (n > 0)
            received(c, n);
        else if (n == 0)
            c->last = 1;
        else
            gone = errno != EAGAIN;
    }
    if (writable && !gone) {
        int n = send(fd, c->out, c->out_length, MSG_DONTWAIT);
        gone = n < 0 && errno != EAGAIN;
        if (n > 0) {
            c->out_length -= n;
            memmove(c->out, c->out + n, c->out_length);
        }
    }
    if (gone || (c->last && c->out_length == 0))
        finish(fd);
}

static int make_listener(const char *host, int port)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *four = (void *)&address;
    struct sockaddr_in6 *six = (void *)&address;
    int on = 1;
    address.ss_family = strchr(host, ':') ? AF_INET6 : AF_INET;
    four->sin_port = htons(port); /* at the same place in both */
    if (inet_pton(address.ss_family, host, strchr(host, ':') ? (void *)&six->sin6_addr : (void *)&four->sin_addr) != 1)
        inet_pton(AF_INET, "127.0.0.1", &four->sin_addr); /* a name */
    int listener = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&address, sizeof address) < 0 || listen(listener, 128) < 0) {
        perror("listen");
        exit(1);
    }
    return listener;
}

int main(int argc, char *argv[])
{
    if (argc < 3)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    int listener = make_listener(argv[1], atoi(argv[2]));
    for (;;) {
        fd_set readable, writable;
        FD_ZERO(&readable);
        FD_ZERO(&writable);
        FD_SET(listener, &readable);
        for (int fd = 0; fd < FD_SETSIZE; fd++) {
            if (table[fd] && may_read(table[fd]))
                FD_SET(fd, &readable);
            if (table[fd] && table[fd]->out_length > 0)
                FD_SET(fd, &writable);
        }
        if (select(FD_SETSIZE, &readable, &writable, NULL, NULL) < 0)
            continue;
        for (int fd = 0; fd < FD_SETSIZE; fd++)
            if (table[fd] && (FD_ISSET(fd, &readable) || FD_ISSET(fd, &writable)))
                serve(fd, FD_ISSET(fd, &readable), FD_ISSET(fd, &writable));
        if (FD_ISSET(listener, &readable))
            welcome(listener);
    }
}
