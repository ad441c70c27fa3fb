/* Iterative echo server in C. */
#include <errno.h>
#include <netdb.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_LINE = 65536 };

static int send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, 0);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -1;
        data += sent;
        size -= sent;
    }
    return 0;
}

static int say(int fd, const char *text)
{
    return send_all(fd, text, strlen(text));
}

static void write_address(char *text, size_t size, const struct sockaddr_in *address)
{
    char host[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address->sin_addr, host, sizeof host);
    snprintf(text, size, "tcp://%s:%d", host, ntohs(address->sin_port));
}

static void converse(int fd, const struct sockaddr_in *peer, long number)
{
    static char buffer[MAX_LINE];
    size_t filled = 0;
    int confirmed = 0;
    char text[256], server[64], client[64], expected[64];
    struct sockaddr_in own;
    socklen_t length = sizeof own;

    getsockname(fd, (struct sockaddr *)&own, &length);
    write_address(server, sizeof server, &own);
    write_address(client, sizeof client, peer);
    snprintf(text, sizeof text, "HELLO server=%s client=%s connection=%ld worker=%d\n", server, client, number, getpid());
    snprintf(expected, sizeof expected, "CONFIRM %ld", number);
    if (say(fd, text) < 0)
        return;
    for (;;) {
        ssize_t got = recv(fd, buffer + filled, sizeof buffer - filled, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return;
        filled += got;
        char *line = buffer, *end;
        while ((end = memchr(line, '\n', buffer + filled - line))) {
            size_t size = end - line;
            if (confirmed) {
                if (send_all(fd, line, size + 1) < 0)
                    return;
            } else {
                if (size > 0 && line[size - 1] == '\r')
                    size--;
                if (size != strlen(expected) || memcmp(line, expected, size) != 0) {
                    snprintf(text, sizeof text, "ERROR confirmation expected: %s\n", expected);
                    say(fd, text);
                    return;
                }
                confirmed = 1;
            }
            line = end + 1;
        }
        filled -= line - buffer;
        memmove(buffer, line, filled);
        if (filled == sizeof buffer) {
            say(fd, "ERROR line longer than 65536 bytes\n");
            return;
        }
    }
}

int main(int argc, char **argv)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int one = 1, problem;

    if (argc < 3) {
        fprintf(stderr, "usage: server HOST PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* a client that has gone is an error of send(), not the end of the server */
    if ((problem = getaddrinfo(argv[1], argv[2], &hints, &found))) {
        fprintf(stderr, "%s: %s\n", argv[1], gai_strerror(problem));
        return 1;
    }
    int listener = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, found->ai_addr, found->ai_addrlen) < 0 || listen(listener, 16) < 0) {
        perror(argv[2]);
        return 1;
    }
    for (long number = 1;; number++) {
        struct sockaddr_in peer;
        socklen_t length = sizeof peer;
        int fd = accept(listener, (struct sockaddr *)&peer, &length);
        if (fd < 0)
            continue;
        converse(fd, &peer, number);
        close(fd);
    }
}
