/* Your fork server: ./server HOST PORT. For now it serves one client after the other. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Write an address as HELLO does. */
static void written(const struct sockaddr_in *address, char text[40])
{
    snprintf(text, 40, "tcp://%s:%d", inet_ntoa(address->sin_addr), ntohs(address->sin_port));
}

/* Serve one client, from HELLO to its end. */
static void converse(int connection, long number)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    char server[40], client[40], text[4096];
    ssize_t came;

    getsockname(connection, (struct sockaddr *)&address, &size);
    written(&address, server);
    getpeername(connection, (struct sockaddr *)&address, &size);
    written(&address, client);
    int length = snprintf(text, sizeof text, "HELLO server=%s client=%s connection=%ld worker=%d\n",
                          server, client, number, getpid()); /* the task that calls this */
    send(connection, text, length, 0);

    /* TODO: the conversation. This one serves friendly clients only: it takes the bytes of one recv() for whole lines,
       and any first line for CONFIRM; and send() may take only a part. */
    while (recv(connection, text, 1, 0) == 1 && text[0] != '\n')
        ;
    while ((came = recv(connection, text, sizeof text, 0)) > 0)
        send(connection, text, came, 0);
    close(connection);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

    if (argc < 3 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
        fprintf(stderr, "usage: %s HOST PORT\n", argv[0]);
        return 2;
    }
    address.sin_port = htons(atoi(argv[2]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 128) < 0) {
        perror("cannot listen");
        return 1;
    }
    for (long number = 1;; number++) {
        int connection = accept(listener, NULL, NULL);
        /* TODO: fork(): a child does this and ends. Which process closes which socket? Who waits for the child? */
        converse(connection, number);
    }
}
