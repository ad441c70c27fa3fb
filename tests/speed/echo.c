/* The fastest server to load: one thread on epoll that echoes bytes. Prints its port. `echo CONFIRM`, 0 or 1. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static char confirmed[65536];

int main(int argc, char **argv) {
    int confirm = argc > 1 && atoi(argv[1]), poll = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof here;
    struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, events[256];
    if (bind(listener, (struct sockaddr *)&here, length) || listen(listener, 4096)) return 1;
    getsockname(listener, (struct sockaddr *)&here, &length);
    printf("%d\n", ntohs(here.sin_port)), fflush(stdout);
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            char got[65536];
            if (fd == listener) {
                if ((fd = accept(listener, NULL, NULL)) < 0) continue;
                event.data.fd = fd;
                epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
                if (fd < (int)sizeof confirmed) confirmed[fd] = !confirm;
                if (confirm) dprintf(fd, "HELLO server=- client=- connection=%d worker=%d\n", fd, getpid());
                continue;
            }
            ssize_t size = recv(fd, got, sizeof got, 0);
            char *rest = got;
            if (size > 0 && !confirmed[fd]) { /* CONFIRM, and the first line may have come with it */
                confirmed[fd] = 1;
                rest = memchr(got, '\n', size) + 1;
                size -= rest - got;
                if (!size) continue;
            }
            if (size <= 0 || send(fd, rest, size, MSG_NOSIGNAL) != size) close(fd);
        }
    }
}
