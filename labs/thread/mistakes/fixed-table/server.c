/* Keeps the threads in a table of 64, and accepts no client when it is full. */
#define _GNU_SOURCE
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#define MAX_LINE 65536 /* bytes, the LF included */

struct client { int connection; long number; };

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
    snprintf(hello, sizeof hello, "HELLO server=%s client=%s connection=%ld worker=%d/%d\n",
             server, client, number, getpid(), gettid());
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
static void converse(int connection, long number, char *buffer)
{
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

/* The new thread: steps 8a to 12. */
static void *serve(void *argument)
{
    struct client client = *(struct client *)argument;
    char *buffer = malloc(MAX_LINE);
    free(argument);
    pthread_detach(pthread_self()); /* it is never joined: it frees its stack when it ends */
    if (buffer && greet(client.connection, client.number))
        converse(client.connection, client.number, buffer);
    close(client.connection);
    free(buffer);
    return NULL;
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

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s HOST PORT\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN); /* a client that has gone is an error of send(), not the end of the server */
    pthread_t threads[64];
    int listener = listen_at(argv[1], argv[2]);
    for (long number = 1; number <= 64; number++) {
        int connection = accept(listener, NULL, NULL); /* steps 6 and 8 */
        struct client *client = malloc(sizeof *client); /* of its own: this loop will have gone on before it is read */
        *client = (struct client){connection, number};
        if (connection >= 0 && pthread_create(&threads[number - 1], NULL, serve, client) == 0)
            continue;
        say(connection, "ERROR server is full\n");
        close(connection);
        free(client);
    }
    pause(); /* the table is full */
}
