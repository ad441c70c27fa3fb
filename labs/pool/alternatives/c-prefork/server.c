/* A pool of processes in C, forked beforehand: each accepts for itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT 65536
#define WORKERS 6

static bool send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        bytes += n;
        length -= n;
    }
    return true;
}

/* Receive up to the next LF; the length of the line with it, 0 at the end, -1 when it is too long. `held`: bytes in it. */
static ssize_t receive_line(int fd, char *buffer, size_t *held)
{
    for (size_t seen = 0;;) {
        char *lf = memchr(buffer + seen, '\n', *held - seen);
        if (lf)
            return lf + 1 - buffer;
        if (*held == LIMIT)
            return -1;
        seen = *held;
        ssize_t n = recv(fd, buffer + *held, LIMIT - *held, 0);
        if (n <= 0)
            return 0;
        *held += n;
    }
}

static void drop_line(char *buffer, size_t *held, size_t length)
{
    *held -= length;
    memmove(buffer, buffer + length, *held);
}

static void address(char *text, size_t size, int fd, int (*whose)(int, struct sockaddr *, socklen_t *))
{
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    char host[64] = "", port[8] = "";
    if (whose(fd, (struct sockaddr *)&name, &length) == 0)
        getnameinfo((struct sockaddr *)&name, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(text, size, strchr(host, ':') ? "tcp://[%s]:%s" : "tcp://%s:%s", host, port);
}

static void converse(int fd, long number, char *buffer)
{
    char own[96], peer[96], text[320], right[64];
    size_t held = 0;
    address(own, sizeof own, fd, getsockname);
    address(peer, sizeof peer, fd, getpeername);
    int length = snprintf(text, sizeof text, "HELLO server=%s client=%s connection=%ld worker=%d/%d\n", own, peer, number,
                          (int)getpid(), (int)gettid());
    if (!send_all(fd, text, length))
        return;
    ssize_t line = receive_line(fd, buffer, &held);
    if (line <= 0)
        return;
    ssize_t expected = snprintf(right, sizeof right, "CONFIRM %ld", number);
    ssize_t said = line - 1 - (line > 1 && buffer[line - 2] == '\r');
    if (said != expected || memcmp(buffer, right, expected) != 0) {
        length = snprintf(text, sizeof text, "ERROR confirmation expected: %s\n", right);
        send_all(fd, text, length);
        return;
    }
    do {
        drop_line(buffer, &held, line);
        line = receive_line(fd, buffer, &held);
    } while (line > 0 && send_all(fd, buffer, line));
    if (line < 0)
        send_all(fd, "ERROR line longer than 65536 bytes\n", 35);
}

static void work(int listener)
{
    static char buffer[LIMIT]; /* this process's own */
    for (long turn = 1;; turn++) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        converse(fd, getpid() * 1000000L + turn, buffer);
        close(fd);
    }
}

static int listen_at(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int one = 1;
    if (getaddrinfo(host, port, &hints, &found))
        return -1;
    int listener = socket(found->ai_family, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, found->ai_addr, found->ai_addrlen) || listen(listener, 64))
        return -1;
    freeaddrinfo(found);
    return listener;
}

int main(int argc, char **argv)
{
    int listener = argc < 3 ? -1 : listen_at(argv[1], argv[2]);
    if (listener < 0) {
        perror("cannot listen");
        return 1;
    }
    for (int i = 0; i < WORKERS; i++)
        if (fork() == 0)
            work(listener);
    while (wait(NULL) > 0)
        if (fork() == 0) /* replace the child that has ended */
            work(listener);
}
