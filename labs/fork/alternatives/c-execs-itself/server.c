/* C: each child executes this program again, with the connection as its standard input and output. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { MAX_LINE = 65536 };

/* The child's program: the connection is descriptor 0 and 1. */
static int converse(const char *number)
{
    static char line[MAX_LINE + 1];
    struct sockaddr_in server, client;
    socklen_t size = sizeof server;
    char expected[40], name[INET_ADDRSTRLEN];
    int length = 0, confirmed = 0, c;

    getsockname(0, (struct sockaddr *)&server, &size);
    getpeername(0, (struct sockaddr *)&client, &size);
    printf("HELLO server=tcp://%s:%d", inet_ntop(AF_INET, &server.sin_addr, name, sizeof name), ntohs(server.sin_port));
    printf(" client=tcp://%s:%d", inet_ntop(AF_INET, &client.sin_addr, name, sizeof name), ntohs(client.sin_port));
    printf(" connection=%s worker=%d\n", number, getpid());
    fflush(stdout);
    snprintf(expected, sizeof expected, "CONFIRM %s", number);
    while ((c = getchar()) != EOF) {
        line[length++] = c;
        if (length == MAX_LINE && c != '\n')
            return printf("ERROR line longer than %d bytes\n", MAX_LINE), 0;
        if (c != '\n')
            continue;
        if (confirmed) {
            fwrite(line, 1, length, stdout);
        } else {
            int end = length - 1 - (length > 1 && line[length - 2] == '\r');
            confirmed = end == (int)strlen(expected) && memcmp(line, expected, end) == 0;
            if (!confirmed)
                return printf("ERROR confirmation expected: %s\n", expected), 0;
        }
        length = 0;
        if (fflush(stdout) == EOF)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int yes = 1;

    if (argc == 2)
        return converse(argv[1]);
    if (argc < 3)
        return 2;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    inet_pton(AF_INET, argv[1], &address.sin_addr);
    address.sin_port = htons(atoi(argv[2]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, SOMAXCONN))
        return perror(argv[2]), 1;
    signal(SIGCHLD, SIG_IGN);
    for (long number = 1;; number++) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection >= 0 && vfork() == 0) {
            char text[24];
            snprintf(text, sizeof text, "%ld", number);
            dup2(connection, 0);
            dup2(connection, 1);
            execl("/proc/self/exe", argv[0], text, (char *)NULL);
            _exit(1);
        }
        if (connection >= 0)
            close(connection);
    }
}
