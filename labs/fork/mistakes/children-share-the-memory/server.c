/* Mistake: each client has a process, but clone() with CLONE_VM leaves all of them one memory: threads, unprotected. */
#define _GNU_SOURCE
#include <errno.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define MAX_LINE 65536 /* bytes, the LF included */

static bool send_all(int connection, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(connection, data, length, 0);
        if (sent < 0)
            return false;
        data += sent, length -= sent;
    }
    return true;
}

static bool say(int connection, const char *text) { return send_all(connection, text, strlen(text)); }

/* Write a socket's address as HELLO does: an IPv4 address on an IPv6 socket is written as IPv4. */
static void written(int connection, int (*name)(int, struct sockaddr *, socklen_t *), char text[96])
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char host[64] = "", port[8] = "";
    name(connection, (struct sockaddr *)&address, &length);
    getnameinfo((struct sockaddr *)&address, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    char *plain = strncmp(host, "::ffff:", 7) == 0 ? host + 7 : host;
    snprintf(text, 96, strchr(plain, ':') ? "tcp://[%s]:%s" : "tcp://%s:%s", plain, port);
}

static bool greet(int connection, long number)
{
    char server[96], client[96], hello[300];
    written(connection, getsockname, server);
    written(connection, getpeername, client);
    snprintf(hello, sizeof hello, "HELLO server=%s client=%s connection=%ld worker=%d\n",
             server, client, number, getpid());
    return say(connection, hello);
}

/* Is this the expected confirmation? With its LF, and perhaps a CR before it. */
static bool confirms(const char *line, size_t length, long number)
{
    char expected[40];
    size_t word = snprintf(expected, sizeof expected, "CONFIRM %ld", number);
    bool cr = length == word + 2 && line[word] == '\r';
    return (cr || length == word + 1) && memcmp(line, expected, word) == 0;
}

/* Step 10: cut the stream into lines, and answer each as soon as it is complete. */
static void converse(int connection, long number)
{
    char buffer[MAX_LINE]; /* on the stack: static memory is shared by all */
    size_t used = 0;
    ssize_t came;
    bool confirmed = false;
    while ((came = recv(connection, buffer + used, MAX_LINE - used, 0)) > 0) {
        used += came;
        char *line = buffer, *lf;
        for (; (lf = memchr(line, '\n', buffer + used - line)); line = lf + 1) {
            size_t length = lf + 1 - line;
            if (confirmed) {
                if (!send_all(connection, line, length))
                    return;
            } else if (!(confirmed = confirms(line, length, number))) {
                char error[80];
                snprintf(error, sizeof error, "ERROR confirmation expected: CONFIRM %ld\n", number);
                say(connection, error);
                return;
            }
        }
        used -= line - buffer;
        memmove(buffer, line, used);
        if (used == MAX_LINE) {
            say(connection, "ERROR line longer than 65536 bytes\n");
            return;
        }
    }
}

/* Collect the children that have ended. One signal may stand for several: so go on until none is left. */
static void reap(int signal_number)
{
    int saved = errno; /* this may interrupt a call that has just failed */
    (void)signal_number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    errno = saved;
}

static int listen_at(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int one = 1, failed = getaddrinfo(host, port, &hints, &found);
    if (failed) {
        fprintf(stderr, "%s: %s\n", host, gai_strerror(failed));
        exit(1);
    }
    int listener = socket(found->ai_family, found->ai_socktype, found->ai_protocol);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, found->ai_addr, found->ai_addrlen) < 0 || listen(listener, 128) < 0) {
        perror("cannot listen");
        exit(1);
    }
    freeaddrinfo(found);
    return listener;
}

#define STACK (1 << 18)

struct client { int listener, connection; long number; };

static int child(void *argument)
{
    struct client *client = argument;
    close(client->listener);
    if (greet(client->connection, client->number))
        converse(client->connection, client->number);
    _exit(0);
}

/* Start a child on a stack of its own, which is never freed. */
static pid_t start(int listener, int connection, long number)
{
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED)
        return -1;
    struct client *client = (struct client *)stack;
    *client = (struct client){listener, connection, number};
    return clone(child, stack + STACK, CLONE_VM | SIGCHLD, client);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s HOST PORT\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* a client that has gone is an error of send(), not the end of its child */
    struct sigaction reaping = {.sa_handler = reap, .sa_flags = SA_RESTART}; /* so that accept() goes on after it */
    sigaction(SIGCHLD, &reaping, NULL);
    int listener = listen_at(argv[1], argv[2]);
    for (long number = 1;; number++) {
        int connection = accept(listener, NULL, NULL); /* steps 6 and 8 */
        pid_t child = connection < 0 ? -1 : start(listener, connection, number);
        if (child < 0)
            say(connection, "ERROR server is full\n");
        close(connection); /* the parent does not converse; while it held this, the client would never see the end */
    }
}
