/* Client in C: poll() on standard input and the connection. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 65536 };

static void fail(const char *why)
{
    fflush(stdout);
    fprintf(stderr, "client: %s\n", why);
    exit(1);
}

static int dial(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *one;
    int problem = getaddrinfo(host, port, &hints, &found), fd = -1;

    if (problem)
        fail(gai_strerror(problem));
    for (one = found; one; one = one->ai_next) {
        fd = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
        if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen) == 0)
            return fd;
        close(fd);
    }
    fail(strerror(errno));
    return -1;
}

static long confirmed_number(int fd)
{
    char line[1024], *at;
    size_t size = 0;
    long number;

    do {
        ssize_t got = recv(fd, line + size, 1, 0);
        if (got < 0)
            fail(strerror(errno));
        if (got == 0 || size == sizeof line - 2)
            fail("the server did not say HELLO");
    } while (line[size++] != '\n');
    line[size] = 0;
    if (strncmp(line, "HELLO ", 6) != 0 || !(at = strstr(line, " connection=")) || (number = strtol(at + 12, NULL, 10)) < 1)
        fail("the server did not say HELLO");
    return number;
}

static long count_lines(const char *data, ssize_t size)
{
    long count = 0;
    while (size-- > 0)
        count += *data++ == '\n';
    return count;
}

int main(int argc, char **argv)
{
    static char outgoing[SIZE], incoming[SIZE];
    ssize_t filled, got;
    long asked = 0, answered = 0;
    int reading = 1;

    if (argc < 3)
        fail("usage: client HOST PORT");
    signal(SIGPIPE, SIG_IGN);
    int fd = dial(argv[1], argv[2]);
    filled = sprintf(outgoing, "CONFIRM %ld\n", confirmed_number(fd));
    for (;;) {
        struct pollfd ends[2] = {{.fd = fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
        if (filled)
            ends[0].events |= POLLOUT;
        if (reading && filled < SIZE)
            ends[1].fd = 0;
        if (poll(ends, 2, -1) < 0)
            fail(strerror(errno));
        if (ends[1].revents) {
            got = read(0, outgoing + filled, SIZE - filled);
            if (got <= 0) {
                reading = 0;
                if (filled == 0)
                    shutdown(fd, SHUT_WR);
            } else {
                asked += count_lines(outgoing + filled, got);
                filled += got;
            }
        }
        if (ends[0].revents & POLLOUT) {
            got = send(fd, outgoing, filled, MSG_DONTWAIT);
            if (got < 0 && errno != EAGAIN)
                fail(strerror(errno));
            if (got > 0) {
                memmove(outgoing, outgoing + got, filled - got);
                filled -= got;
                if (filled == 0 && !reading)
                    shutdown(fd, SHUT_WR);
            }
        }
        if (ends[0].revents & (POLLIN | POLLHUP | POLLERR)) {
            got = recv(fd, incoming, SIZE, 0);
            if (got < 0)
                fail(strerror(errno));
            if (got == 0)
                break;
            answered += count_lines(incoming, got);
            fwrite(incoming, 1, got, stdout);
        }
    }
    if (reading || answered < asked)
        fail("the server has gone");
    return 0;
}
