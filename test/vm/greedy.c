/*
 * A program that wants more of the host's memory than it may have. It takes orders, a line each, from its standard
 * input, and answers each with a line; what it got it keeps until it is told otherwise.
 *
 *   take SOURCE SIZE       pieces of SIZE until there are no more; how many, and why no more
 *   one SOURCE SIZE        one piece: OK, or why not. It is let go at once
 *   map N                  maps that many pieces of each source and closes their descriptors; how many in all
 *   give SERVER N          sends that many of each over a context to a server, and closes their descriptors; likewise
 *   hangup                 closes the contexts of "give"
 *   fork N                 gives that many of each to a child process; likewise
 *   reap                   ends the children
 *   connections N SIZE     so many connections to the allocator, each of which asks for SIZE; how many there were, and
 *                          how many got it. All are closed
 *   drop                   lets go of everything
 *
 * SOURCE is "alloc", the device's own memory, or "allocator", the host's server.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define MOST 1024
#define PATIENCE_MS 60000

enum source { ALLOC, ALLOCATOR, SOURCES };

struct piece {
  enum source source;
  int fd;
  uint8_t* map;
  size_t size;
};

static int wl, allocator = -1;
static struct piece pieces[MOST];
static int contexts[MOST];
static pid_t children[MOST];
static unsigned int piece_count, context_count, child_count;
static char why[32];

static int new_vfd(uint32_t type, uint32_t size, const char* name) {
  int fd = make_vfd(wl, type, size, name);

  if (fd < 0) snprintf(why, sizeof(why), "%s", outcome(fd));
  return fd;
}

static int ask(int context, uint64_t size) {
  uint64_t words[2] = {1, size};

  return send_txn(context, words, sizeof(words), NULL, 0);
}

/* The allocator's answer: a descriptor, or -1 and why. The status comes as one byte. */
static int answer(int context) {
  struct pollfd p = {context, POLLIN, 0};
  struct txn txn;

  snprintf(why, sizeof(why), "silence");
  if (poll(&p, 1, PATIENCE_MS) <= 0) return -1;
  memset(&txn, 0, sizeof(txn));
  txn.head.len = 1;
  if (ioctl(context, VIRTWL_IOCTL_RECV, &txn) || txn.head.len != 1) {
    snprintf(why, sizeof(why), "hangup");
    return -1;
  }
  snprintf(why, sizeof(why), "status%u", txn.data[0]);
  return txn.head.fds[0];
}

static enum source named(const char* source) { return strcmp(source, "alloc") ? ALLOCATOR : ALLOC; }

static int get(enum source source, uint64_t size) {
  if (source == ALLOC) return new_vfd(VIRTWL_IOCTL_NEW_ALLOC, (uint32_t)size, NULL);
  if (allocator < 0) allocator = new_vfd(VIRTWL_IOCTL_NEW_CTX_NAMED, 0, "allocator");
  if (allocator < 0 || ask(allocator, size)) return -1;
  return answer(allocator);
}

/* The next piece of this source that has a descriptor. */
static struct piece* with_fd(enum source source) {
  unsigned int i;

  for (i = 0; i < piece_count; i++)
    if (pieces[i].fd >= 0 && pieces[i].source == source) return &pieces[i];
  return NULL;
}

/* Does something with so many pieces of each source, as far as it can be done; with how many. */
static unsigned int with_each(unsigned int count, int (*act)(struct piece* piece, int with), int with) {
  unsigned int done = 0, i;
  int source;

  for (source = 0; source < SOURCES; source++) {
    for (i = 0; i < count; i++) {
      struct piece* piece = with_fd((enum source)source);

      if (!piece || act(piece, with)) break;
      close(piece->fd);
      piece->fd = -1;
      done++;
    }
  }
  return done;
}

static void take(enum source source, uint64_t size) {
  unsigned int count = 0;
  int fd;

  while (piece_count < MOST && (fd = get(source, size)) >= 0) {
    unsigned int i = 0;

    while (i < piece_count && (pieces[i].fd >= 0 || pieces[i].map)) i++;
    pieces[i] = (struct piece){source, fd, NULL, size};
    if (i == piece_count) piece_count++;
    count++;
  }
  printf("%u %s\n", count, why);
}

static void one(enum source source, uint64_t size) {
  int fd = get(source, size);

  if (fd >= 0) close(fd);
  printf("%s\n", fd >= 0 ? "OK" : why);
}

static int map_piece(struct piece* piece, int with) {
  uint8_t* map = mmap(NULL, piece->size, PROT_READ | PROT_WRITE, MAP_SHARED, piece->fd, 0);

  (void)with;
  if (map == MAP_FAILED) return -1;
  /* Its first page goes: a part of a mapping holds as much as the whole. */
  map[0] = 1;
  munmap(map, PAGE);
  piece->map = map;
  return 0;
}

static int send_piece(struct piece* piece, int context) { return send_txn(context, "m", 1, &piece->fd, 1); }

static int leave_piece(struct piece* piece, int with) {
  (void)piece;
  (void)with;
  return 0;
}

static void give(const char* server, unsigned int count) {
  int context = new_vfd(VIRTWL_IOCTL_NEW_CTX_NAMED, 0, server);

  if (context >= 0) contexts[context_count++ % MOST] = context;
  printf("%u\n", with_each(count, send_piece, context));
}

static void hangup(void) {
  while (context_count > 0) close(contexts[--context_count]);
  printf("OK\n");
}

static void give_to_child(unsigned int count) {
  pid_t child;

  fflush(stdout);
  child = fork();
  if (!child) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  children[child_count++ % MOST] = child;
  /* The child has all of them; those that are kept here are not its alone. */
  printf("%u\n", with_each(count, leave_piece, 0));
}

static void reap(void) {
  while (child_count > 0) {
    pid_t child = children[--child_count];

    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
  printf("OK\n");
}

static void connections(unsigned int count, uint64_t size) {
  static int opened[MOST * 2];
  unsigned int there = 0, got = 0, i;

  while (there < count && there < MOST * 2 &&
         (opened[there] = new_vfd(VIRTWL_IOCTL_NEW_CTX_NAMED, 0, "allocator")) >= 0)
    there++;
  for (i = 0; i < there; i++) ask(opened[i], size);
  for (i = 0; i < there; i++) {
    int fd = answer(opened[i]);

    if (fd >= 0) {
      got++;
      close(fd);
    }
  }
  for (i = 0; i < there; i++) close(opened[i]);
  printf("%u %u\n", there, got);
}

static void drop(void) {
  unsigned int i;

  for (i = 0; i < piece_count; i++) {
    if (pieces[i].fd >= 0) close(pieces[i].fd);
    if (pieces[i].map) munmap(pieces[i].map, pieces[i].size);
  }
  piece_count = 0;
  if (allocator >= 0) close(allocator);
  allocator = -1;
  printf("OK\n");
}

int main(void) {
  char line[256], order[32], what[64];
  unsigned long long number, size;

  wl = open("/dev/wl0", O_RDWR | O_CLOEXEC);
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("%s\n", wl < 0 ? "no device" : "ready");
  while (fgets(line, sizeof(line), stdin)) {
    if (sscanf(line, "take %63s %llu", what, &size) == 2)
      take(named(what), size);
    else if (sscanf(line, "one %63s %llu", what, &size) == 2)
      one(named(what), size);
    else if (sscanf(line, "map %llu", &number) == 1)
      printf("%u\n", with_each((unsigned int)number, map_piece, 0));
    else if (sscanf(line, "give %63s %llu", what, &number) == 2)
      give(what, (unsigned int)number);
    else if (sscanf(line, "fork %llu", &number) == 1)
      give_to_child((unsigned int)number);
    else if (sscanf(line, "connections %llu %llu", &number, &size) == 2)
      connections((unsigned int)number, size);
    else if (sscanf(line, "%31s", order) == 1 && !strcmp(order, "hangup"))
      hangup();
    else if (!strcmp(order, "reap"))
      reap();
    else if (!strcmp(order, "drop"))
      drop();
    else
      printf("what?\n");
  }
  return 0;
}
