/* A load generator of one thread on epoll, in closed loop, to check the kit's own against: it shares nothing with it.
 *
 *     generator HOST PORT CONNECTIONS SECONDS LINE ANSWER CONFIRM CHURN
 *
 * LINE is sent without its LF; the answer must be LINE itself where ANSWER is 0, else so many bytes. CONFIRM and CHURN are
 * 0 or 1. Prints one line of JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 65536
#define BUCKETS 65536 /* exponent and 8 bits of the mantissa of a float: 0.4 % */

static struct sockaddr_in server;
static char line[MOST + 1], answer[MOST + 1];
static size_t line_length, answer_length;
static int by_content, confirm, churn;
static uint64_t histogram[BUCKETS], requests, errors;
static struct { uint64_t since; size_t got; } *state;

static void fail(const char *what) { perror(what); exit(1); }

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void record(uint64_t latency) {
    union { float f; uint32_t bits; } value = { .f = latency };
    histogram[value.bits >> 15 & (BUCKETS - 1)]++;
}

static double percentile(double part) {
    uint64_t all = 0, seen = 0;
    for (int i = 0; i < BUCKETS; i++) all += histogram[i];
    for (int i = 0; i < BUCKETS; i++)
        if ((seen += histogram[i]) && seen >= part * all) {
            union { uint32_t bits; float f; } value = { .bits = (uint32_t)i << 15 | 1 << 14 };
            return value.f / 1e9;
        }
    return 0;
}

/* Connect, confirm, and leave the socket blocking: the loop only reads what epoll says is there. */
static int dial(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server)) fail("connect");
    if (confirm) {
        char hello[512], reply[32];
        size_t got = 0;
        for (ssize_t n; !got || hello[got - 1] != '\n'; got += n)
            if ((n = recv(fd, hello + got, sizeof hello - 1 - got, 0)) <= 0) fail("hello");
        hello[got] = 0;
        const char *number = strstr(hello, "connection=");
        if (!number) { fprintf(stderr, "no HELLO: %s", hello); exit(1); }
        int n = sprintf(reply, "CONFIRM %lu\n", strtoul(number + 11, NULL, 10));
        if (send(fd, reply, n, 0) != n) fail("confirm");
    }
    return fd;
}

static void ask(int fd) {
    state[fd].got = 0;
    if (send(fd, line, line_length, MSG_NOSIGNAL) != (ssize_t)line_length) errors++;
}

static int dial_and_ask(int poll) {
    uint64_t began = now();
    int fd = dial();
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    state[fd].since = began;
    ask(fd);
    return fd;
}

/* Take what came; 0 when the connection is of no more use. */
static int take(int poll, int fd) {
    char got[MOST];
    ssize_t n = recv(fd, got, sizeof got, 0);
    size_t before = state[fd].got;
    if (n <= 0 || before + n > answer_length || (by_content && memcmp(got, answer + before, n))) {
        errors++;
        close(fd);
        return 0;
    }
    if ((state[fd].got += n) < answer_length) return 1;
    uint64_t then = now();
    record(then - state[fd].since);
    requests++;
    if (churn) {
        close(fd);
        dial_and_ask(poll);
    } else {
        state[fd].since = then;
        ask(fd);
    }
    return 1;
}

static void drive(int poll, uint64_t end) {
    struct epoll_event events[1024];
    while (now() < end) {
        int n = epoll_wait(poll, events, 1024, 50);
        for (int i = 0; i < n; i++) take(poll, events[i].data.fd);
    }
}

static double cpu(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    if (argc != 9) { fprintf(stderr, "see the head of generator.c\n"); return 2; }
    server = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
    inet_pton(AF_INET, argv[1], &server.sin_addr);
    int connections = atoi(argv[3]);
    double seconds = atof(argv[4]);
    line_length = snprintf(line, sizeof line, "%s\n", argv[5]);
    by_content = !atoi(argv[6]);
    answer_length = by_content ? line_length : (size_t)atoi(argv[6]);
    memcpy(answer, line, line_length);
    confirm = atoi(argv[7]), churn = atoi(argv[8]);
    struct rlimit descriptors;
    getrlimit(RLIMIT_NOFILE, &descriptors);
    descriptors.rlim_cur = descriptors.rlim_max;
    setrlimit(RLIMIT_NOFILE, &descriptors);
    state = calloc(descriptors.rlim_cur, sizeof *state);
    int poll = epoll_create1(0);
    for (int i = 0; i < connections; i++) dial_and_ask(poll);
    drive(poll, now() + 0.25 * seconds * 1e9);
    memset(histogram, 0, sizeof histogram), requests = 0;
    uint64_t began = now();
    double used = cpu();
    drive(poll, began + seconds * 1e9);
    double took = (now() - began) / 1e9;
    printf("{\"requests\": %lu, \"seconds\": %f, \"requests_per_second\": %f, \"errors\": %lu, \"cpu_share\": %f, "
           "\"p50\": %.9f, \"p99\": %.9f, \"p99.9\": %.9f}\n", requests, took, requests / took, errors,
           (cpu() - used) / took, percentile(0.5), percentile(0.99), percentile(0.999));
    return 0;
}
