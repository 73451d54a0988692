/* Load for a charging node: one thread, one outstanding request a connection, closed or open loop.
 *
 *   charging_load PROTO ADDRESS CONNECTIONS SECONDS RATE KIND ACCOUNTS TAG
 *
 * PROTO framed (unix socket path) or http (host:port). RATE 0 is a closed loop; else requests a second, and latency
 * counts from the instant a request was due, so that waiting is not left out. KIND plain (a debit of an amount) or
 * rich (a debit of rated use from accounts with buckets and pools). Prints one JSON object.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024
#define SAMPLES 4000000

struct connection {
    int fd, busy;
    uint64_t due;
    size_t have, want, header;
    char in[8192];
};

static struct connection all[MAX_CONNECTIONS];
static uint32_t *samples;
static size_t count, refused, serial, failures;
static int http, rich, connections;
static long accounts;
static const char *address, *tag;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static int dial(void) {
    int fd;
    if (!http) {
        struct sockaddr_un to = {.sun_family = AF_UNIX};
        strncpy(to.sun_path, address, sizeof to.sun_path - 1);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&to, sizeof to)) { perror("connect"); exit(2); }
    } else {
        char host[256];
        snprintf(host, sizeof host, "%s", address);
        char *colon = strrchr(host, ':');
        *colon = 0;
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
        if (getaddrinfo(host, colon + 1, &hints, &found)) { perror("address"); exit(2); }
        fd = socket(found->ai_family, SOCK_STREAM, 0);
        if (connect(fd, found->ai_addr, found->ai_addrlen)) { perror("connect"); exit(2); }
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        freeaddrinfo(found);
    }
    return fd;
}

static void ask(struct connection *c, uint64_t due) {
    char body[512], out[1024];
    long account = (long)(((uint64_t)serial * 2654435761u) % (uint64_t)accounts);
    int size;
    if (rich)
        size = snprintf(body, sizeof body,
                        "{\"op\":\"debit\",\"account\":\"r%ld\",\"id\":\"%s-%zu\",\"meter\":\"bench.data\",\"units\":%zu}",
                        account, tag, serial, 100 + serial % 400);
    else
        size = snprintf(body, sizeof body,
                        "{\"op\":\"debit\",\"account\":\"a%ld\",\"id\":\"%s-%zu\",\"amount_nano\":1000}", account, tag, serial);
    serial++;
    int length;
    if (http)
        length = snprintf(out, sizeof out,
                          "POST /v1/charge HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                          size, body);
    else {
        out[0] = (char)(size >> 24); out[1] = (char)(size >> 16); out[2] = (char)(size >> 8); out[3] = (char)size;
        memcpy(out + 4, body, (size_t)size);
        length = size + 4;
    }
    c->busy = 1; c->due = due; c->have = 0; c->want = 0; c->header = 0;
    if (write(c->fd, out, (size_t)length) != length) { perror("write"); exit(2); }
}

/* 1 when the answer is whole */
static int heard(struct connection *c) {
    ssize_t got = read(c->fd, c->in + c->have, sizeof c->in - 1 - c->have);
    if (got <= 0) { perror("the node hung up"); exit(2); }
    c->have += (size_t)got;
    c->in[c->have] = 0;
    if (!c->want) {
        if (http) {
            char *end = strstr(c->in, "\r\n\r\n"), *at = strcasestr(c->in, "content-length:");
            if (!end || !at) return 0;
            c->header = (size_t)(end + 4 - c->in);
            c->want = c->header + (size_t)atol(at + 15);
        } else {
            if (c->have < 4) return 0;
            unsigned char *b = (unsigned char *)c->in;
            c->header = 4;
            c->want = 4 + (((size_t)b[0] << 24) | ((size_t)b[1] << 16) | ((size_t)b[2] << 8) | b[3]);
        }
    }
    if (c->have < c->want) return 0;
    if (strstr(c->in + c->header, "\"ok\":false")) {
        refused++;
        if (!strstr(c->in + c->header, "insufficient_balance") && failures++ == 0)
            fprintf(stderr, "%s\n", c->in + c->header);
    }
    return 1;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double at(double part) { return count ? samples[(size_t)(part * (double)(count - 1))] / 1000.0 : 0; }

int main(int argc, char **argv) {
    if (argc != 9) { fprintf(stderr, "see the head of this file\n"); return 2; }
    http = !strcmp(argv[1], "http");
    address = argv[2];
    connections = atoi(argv[3]);
    double seconds = atof(argv[4]), rate = atof(argv[5]);
    rich = !strcmp(argv[6], "rich");
    accounts = atol(argv[7]);
    tag = argv[8];
    if (connections > MAX_CONNECTIONS) return 2;
    samples = malloc(SAMPLES * sizeof *samples);
    int poll = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        all[i].fd = dial();
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &e);
    }
    uint64_t began = now_ns(), end = began + (uint64_t)(seconds * 1e9);
    size_t due_count = 0, late = 0;
    int open_loop = rate > 0, busy = 0;
    struct epoll_event events[MAX_CONNECTIONS];
    if (!open_loop)
        for (int i = 0; i < connections; i++) { ask(&all[i], now_ns()); busy++; }
    while (1) {
        uint64_t now = now_ns();
        if (now >= end && (!busy || now > end + 5000000000ull)) break;
        int wait = 100;
        if (open_loop && now < end) {
            int next = 0;
            while (1) {
                uint64_t due = began + (uint64_t)((double)due_count / rate * 1e9);
                if (due > now || due >= end) break;
                while (next < connections && all[next].busy) next++;
                if (next == connections) { late++; break; }
                ask(&all[next], due);
                busy++;
                due_count++;
            }
            uint64_t due = began + (uint64_t)((double)due_count / rate * 1e9);
            wait = due > now ? (int)((due - now) / 1000000ull) : (next == connections ? 1 : 0);
        }
        int ready = epoll_wait(poll, events, MAX_CONNECTIONS, wait);
        now = now_ns();
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!heard(c)) continue;
            if (count < SAMPLES) samples[count++] = (uint32_t)((now - c->due) / 1000 > 4000000000u ? 4000000000u : (now - c->due) / 1000);
            c->busy = 0;
            busy--;
            if (!open_loop && now < end) { ask(c, now); busy++; }
        }
    }
    double took = (double)(now_ns() - began) / 1e9;
    if (open_loop || took > seconds) took = took < seconds ? seconds : took;
    qsort(samples, count, sizeof *samples, ascending);
    printf("{\"requests\":%zu,\"seconds\":%.3f,\"rps\":%.0f,\"refused\":%zu,\"failures\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
           "\"p999_ms\":%.3f,\"max_ms\":%.3f,\"unsent\":%zu}\n",
           count, took, (double)count / took, refused, failures, at(0.5), at(0.99), at(0.999), at(1), late ? (size_t)(rate * seconds) - due_count : 0);
    return failures ? 1 : 0;
}
