/*
 * The benchmark's floor: a process that does nothing but pass bytes and fds on, both ways, between the Wayland socket
 * that it listens on and another one. It looks into nothing; no relay that does can be quicker.
 *
 *   relay LISTEN CONNECT
 *
 * Each connection at LISTEN gets one of its own at CONNECT. It prints a line when it listens. SIGTERM or SIGINT ends it
 * with status 0, with all connections; LISTEN is removed.
 *
 * What is received is sent at once, from one buffer that all share. Only what the other end does not take is kept, with
 * the fds that belong to its first byte, and meanwhile its source is not read: a peer that does not read costs one
 * buffer. The kernel never joins the fds of two messages in one, so a client's batch of fds stays a batch.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Bytes that are received at once: more than libwayland holds back, less than a socket holds. */
#define BUFFER_SIZE 65536
/* SCM_MAX_FD of the kernel: most fds of one message. */
#define MAX_FDS 253
/* Events that are taken from the kernel at once. */
#define MAX_EVENTS 64
/* Connections that may wait to be accepted; the kernel bounds it by net.core.somaxconn. */
#define BACKLOG 1024

/* One of a connection's two sockets, and what was received from it and waits for the other to take it. */
struct end {
  struct connection* connection;
  struct end* other;
  int fd;
  unsigned watched; /* what epoll watches it for; 0 when it is not in the set */
  bool over;        /* nothing comes from it any more, or nobody takes it */
  char* pending;    /* NULL when nothing waits */
  size_t from, to;
  int fds[MAX_FDS], fd_count;
};

struct connection {
  struct end client, server;
  struct connection* next_closed;
};

static int epoll;
/* A connection that ended while events were handled: later ones of the same batch may name it. */
static struct connection* closed;
static volatile sig_atomic_t told_to_end;

static void on_signal(int number) {
  (void)number;
  told_to_end = 1;
}

static void die(const char* what, const char* on) {
  fprintf(stderr, "relay: %s %s: %s\n", what, on, strerror(errno));
  exit(1);
}

static int unix_socket(const char* path, struct sockaddr_un* address) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address->sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(address->sun_path, path);
  return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void close_fds(struct end* end) {
  for (int i = 0; i < end->fd_count; i++) close(end->fds[i]);
  end->fd_count = 0;
}

/* An end is watched for what can be done: reading unless something waits, writing when the other's bytes wait. */
static void watch(struct end* end) {
  unsigned wanted = (end->over || end->pending ? 0 : EPOLLIN) | (end->other->pending ? EPOLLOUT : 0);
  if (wanted == end->watched) return;
  /* Not asked for anything, it would still be told of a peer that is gone, over and over. */
  int operation = !wanted ? EPOLL_CTL_DEL : end->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  struct epoll_event event = {.events = wanted, .data.ptr = end};
  if (epoll_ctl(epoll, operation, end->fd, &event) < 0) die("watching", "a connection");
  end->watched = wanted;
}

/* Ends one direction; the other end learns of it when it has everything. */
static void finish(struct end* end) {
  end->over = true;
  free(end->pending);
  end->pending = NULL;
  close_fds(end);
  shutdown(end->other->fd, SHUT_WR);
}

/* Sends what it can of `bytes` to the other end, the fds with the first byte. Bytes sent; -1 when nobody takes any. */
static ssize_t pass(struct end* end, char* bytes, size_t length) {
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof end->fds)];
  struct iovec part = {bytes, length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (end->fd_count > 0) {
    size_t size = (size_t)end->fd_count * sizeof(int);
    memset(control, 0, CMSG_SPACE(size));
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(size);
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(size), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), end->fds, size);
  }
  ssize_t sent = sendmsg(end->other->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  close_fds(end);
  return sent;
}

/* Receives from `end` and passes it on. What is not taken is kept. */
static void receive(struct end* end) {
  static char buffer[BUFFER_SIZE];
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof end->fds)];
  struct iovec part = {buffer, sizeof buffer};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t length = recvmsg(end->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (length <= 0) return finish(end);
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_type == SCM_RIGHTS) {
    end->fd_count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(end->fds, CMSG_DATA(header), (size_t)end->fd_count * sizeof(int));
  }
  if (message.msg_flags & MSG_CTRUNC) {
    fprintf(stderr, "relay: fds were lost, since this process may have no more: raise its limit (ulimit -n)\n");
    return finish(end);
  }
  ssize_t sent = pass(end, buffer, (size_t)length);
  if (sent == length) return;
  if (sent < 0) return finish(end);
  end->from = 0;
  end->to = (size_t)(length - sent);
  end->pending = malloc(end->to);
  if (!end->pending) die("keeping", "what a peer does not take");
  memcpy(end->pending, buffer + sent, end->to);
}

static void pass_pending(struct end* end) {
  ssize_t sent = pass(end, end->pending + end->from, end->to - end->from);
  if (sent < 0) return finish(end);
  end->from += (size_t)sent;
  if (end->from < end->to) return;
  free(end->pending);
  end->pending = NULL;
}

/* Closes both sockets; the memory goes after the batch of events. */
static void close_connection(struct connection* connection) {
  struct end* ends[] = {&connection->client, &connection->server};
  for (int i = 0; i < 2; i++) {
    close_fds(ends[i]);
    free(ends[i]->pending);
    close(ends[i]->fd);
    ends[i]->fd = -1;
  }
  connection->next_closed = closed;
  closed = connection;
}

static void handle(struct end* end, unsigned events) {
  if (end->fd < 0) return; /* closed by an earlier event of this batch */
  if (end->other->pending && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))) pass_pending(end->other);
  if (!end->pending && !end->over && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) receive(end);
  if (end->over && end->other->over) return close_connection(end->connection);
  watch(end);
  watch(end->other);
}

static void accept_connection(int listener, const char* path) {
  int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  if (client < 0) {
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
    die("accepting a connection at", "its socket");
  }
  /* Waits while the other's backlog is full, but for nobody's bytes: that one accepts without us. */
  struct sockaddr_un address;
  int server = unix_socket(path, &address);
  if (server < 0 || connect(server, (struct sockaddr*)&address, sizeof address) < 0) {
    fprintf(stderr, "relay: connecting to %s: %s\n", path, strerror(errno));
    if (server >= 0) close(server);
    close(client);
    return;
  }
  struct connection* connection = calloc(1, sizeof *connection);
  if (!connection) die("memory for", "a connection");
  connection->client = (struct end){.connection = connection, .other = &connection->server, .fd = client};
  connection->server = (struct end){.connection = connection, .other = &connection->client, .fd = server};
  watch(&connection->client);
  watch(&connection->server);
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: relay LISTEN CONNECT, both paths of Unix sockets\n");
    return 2;
  }
  /* Signals come while it waits, and at no other time. */
  sigset_t blocked, waiting;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGINT);
  sigprocmask(SIG_BLOCK, &blocked, &waiting);
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);

  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  struct sockaddr_un address;
  int listener = unix_socket(argv[1], &address);
  if (listener < 0 || bind(listener, (struct sockaddr*)&address, sizeof address) < 0) die("listening at", argv[1]);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (listen(listener, BACKLOG) < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
    die("listening at", argv[1]);
  printf("listening\n");
  fflush(stdout);

  while (!told_to_end) {
    struct epoll_event events[MAX_EVENTS];
    int count = epoll_pwait(epoll, events, MAX_EVENTS, -1, &waiting);
    if (count < 0 && errno != EINTR) die("waiting for", "events");
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr)
        handle(events[i].data.ptr, events[i].events);
      else
        accept_connection(listener, argv[2]);
    }
    while (closed) {
      struct connection* connection = closed;
      closed = connection->next_closed;
      free(connection);
    }
  }
  unlink(argv[1]);
  return 0;
}
