/* C with a stream for each direction, getc() and small stacks. */
#define _GNU_SOURCE
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { MAX_LINE = 65536 };

static long numbers;

/* Read a line with its LF. Return its length, 0 at the end, MAX_LINE + 1 when it is too long. */
static int read_line(FILE *in, char *line)
{
    int length = 0, c;
    while ((c = getc(in)) != EOF) {
        line[length++] = c;
        if (c == '\n')
            return length;
        if (length == MAX_LINE)
            return MAX_LINE + 1;
    }
    return 0;
}

static void converse(FILE *in, FILE *out, int connection)
{
    static __thread char line[MAX_LINE];
    struct sockaddr_in server, client;
    socklen_t size = sizeof server;
    char name[INET_ADDRSTRLEN], expected[40];
    long number = __atomic_add_fetch(&numbers, 1, __ATOMIC_RELAXED);
    int length;

    getsockname(connection, (struct sockaddr *)&server, &size);
    getpeername(connection, (struct sockaddr *)&client, &size);
    fprintf(out, "HELLO server=tcp://%s:%d", inet_ntop(AF_INET, &server.sin_addr, name, sizeof name), ntohs(server.sin_port));
    fprintf(out, " client=tcp://%s:%d", inet_ntop(AF_INET, &client.sin_addr, name, sizeof name), ntohs(client.sin_port));
    fprintf(out, " connection=%ld worker=%d/%d\n", number, getpid(), gettid());
    fflush(out);

    if (!(length = read_line(in, line)))
        return;
    snprintf(expected, sizeof expected, "CONFIRM %ld", number);
    size_t word = strlen(expected);
    size_t blank = length == (int)word + 2 && line[word] == '\r';
    if (length != (int)(word + blank) + 1 || memcmp(line, expected, word) != 0) {
        fprintf(out, "ERROR confirmation expected: %s\n", expected);
        return;
    }
    while ((length = read_line(in, line))) {
        if (length > MAX_LINE) {
            fprintf(out, "ERROR line longer than %d bytes\n", MAX_LINE);
            return;
        }
        if (fwrite(line, 1, length, out) != (size_t)length || fflush(out) == EOF)
            return;
    }
}

static void *serve(void *argument)
{
    int connection = (int)(long)argument, second = dup(connection);
    FILE *in = fdopen(connection, "r"), *out = fdopen(second, "w");
    converse(in, out, connection);
    fclose(out);
    fclose(in);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    pthread_attr_t detached;
    sigset_t pipes;

    if (argc < 3)
        return 2;
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipes, NULL); /* every thread inherits it */
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, 256 * 1024);
    inet_pton(AF_INET, argv[1], &address.sin_addr);
    address.sin_port = htons(atoi(argv[2]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, SOMAXCONN))
        return perror(argv[2]), 1;
    for (;;) {
        pthread_t thread;
        long connection = accept(listener, NULL, NULL);
        if (connection >= 0 && pthread_create(&thread, &detached, serve, (void *)connection) != 0)
            close(connection);
    }
}
