/*
 * A program that does its worst with /dev/wl0, with nothing but its header: several processes of two threads each, that
 * make, map, send, receive, fork and close at random, with arguments that are right, nearly right, or nonsense; and a
 * parent that kills them in whatever they wait for and starts others in their place.
 *
 *   worst [--seconds N] [--seed N] [--processes N]
 *   worst check
 *
 * Each process draws from a seed of its own, which it has from the parent's; threads and kills make the order of things
 * a matter of luck all the same. It prints what was done, how much of it worked, and ends with 0 when everybody has
 * ended. With "check" it does no harm, and tells whether the device gives memory, a pipe, and the server "probe".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TXN_DATA 65536
#include "guest.h"

#define MAX_PROCESSES 16
/* Descriptors and mappings that one process holds on to. */
#define FDS 64
#define MAPS 40

struct map {
  uint8_t* at;
  size_t length;
};

enum action {
  NEW_MEMORY,
  NEW_CONTEXT,
  NEW_PIPE,
  NEW_NONSENSE,
  SEND,
  RECEIVE,
  MAP,
  UNMAP,
  TOUCH,
  CLOSE,
  WILD_IOCTL,
  FORK,
  POLL,
  DUP,
  STORM,
  ACTIONS
};
static const char* const action_names[ACTIONS] = {"new_memory", "new_context", "new_pipe", "new_nonsense", "send",
                                                  "receive",    "map",         "unmap",    "touch",        "close",
                                                  "wild_ioctl", "fork",        "poll",     "dup",          "storm"};
/* How often each comes, of the sum. */
static const unsigned int weights[ACTIONS] = {20, 6, 8, 4, 24, 10, 14, 8, 12, 14, 10, 2, 4, 2, 1};

#include "worst_processes.h"

static const char* const names[] = {"wayland",
                                    "allocator",
                                    "probe",
                                    "compositor",
                                    "echo",
                                    "none",
                                    "",
                                    ".",
                                    "..",
                                    "a/b",
                                    "a name that has thirty-one byte"};

static int wl;
/* A third of the table is for each kind, where it is known. */
enum kind { MEMORY, CONTEXT, PIPE, KINDS };
static int fds[FDS];
static struct map maps[MAPS];
static __thread struct txn txn;

static unsigned int place(enum kind kind) { return (unsigned int)kind * (FDS / KINDS) + below(FDS / KINDS); }

static int any(void) {
  if (one_in(20)) return wl;
  if (one_in(40)) return (int)draw();
  return fds[below(FDS)];
}

/* Mostly one of this kind. */
static int some(enum kind kind) {
  unsigned int i;

  if (one_in(6)) return any();
  for (i = 0; i < 4; i++) {
    int fd = fds[place(kind)];

    if (fd >= 0) return fd;
  }
  return -1;
}

/* The table is shared by threads, and what is overwritten in a race stays open until the process ends: so be it. */
static int keep(int fd, enum kind kind) {
  unsigned int i = place(kind);

  if (fd < 0) return 0;
  if (fds[i] > 2) close(fds[i]);
  /* What waits for ever would only wait. */
  if (!one_in(30)) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  fds[i] = fd;
  return 1;
}

static int new_vfd(uint32_t type, uint32_t size, const char* name) {
  int fd = make_vfd(fds[0] != wl && one_in(10) ? any() : wl, type, size, name);

  if (fd >= 0 && type == VIRTWL_IOCTL_NEW_ALLOC) __atomic_fetch_add(&counts->memories, 1, __ATOMIC_RELAXED);
  return fd;
}

static uint32_t a_size(void) {
  switch (below(10)) {
    case 0:
      return 0;
    case 1:
      return (uint32_t)draw();
    case 2:
      return 1u << below(32);
    case 3:
      return 1 + below(4u << 20);
    default:
      return 1 + below(16 * PAGE);
  }
}

static int map_one(void) {
  static const int kinds[] = {MAP_SHARED, MAP_PRIVATE};
  size_t length = PAGE * (1 + below(16));
  off_t offset = one_in(4) ? (off_t)PAGE * below(8) : 0;
  int protection = one_in(4) ? PROT_READ : PROT_READ | PROT_WRITE;
  unsigned int i = below(MAPS);
  uint8_t* at = mmap(NULL, one_in(20) ? (size_t)draw() >> 20 : length, protection, kinds[one_in(4)], some(MEMORY),
                     one_in(20) ? (off_t)draw() : offset);

  if (at == MAP_FAILED) return 0;
  /* Partly unmapped at once, now and then. */
  if (one_in(5) && length > PAGE) munmap(at, PAGE);
  if (maps[i].at) munmap(maps[i].at, maps[i].length);
  maps[i] = (struct map){at, length};
  return 1;
}

static int unmap_one(void) {
  struct map* map = &maps[below(MAPS)];

  if (!map->at) return 0;
  if (one_in(3)) return !munmap(map->at + PAGE * below((uint32_t)(map->length / PAGE)), PAGE);
  munmap(map->at, map->length);
  map->at = NULL;
  return 1;
}

/*
 * By a system call, which fails where a mapping is gone and a load would raise a signal: what the other thread unmapped
 * belongs to another mapping by now, or to none.
 */
static int touch_one(void) {
  struct map* map = &maps[below(MAPS)];
  int ends[2], good;
  uint8_t* at = map->at;
  size_t length = map->length;

  if (!at || pipe(ends)) return 0;
  at += below((uint32_t)length);
  good = write(ends[1], at, 1) == 1 && read(ends[0], at, 1) == 1;
  close(ends[0]);
  close(ends[1]);
  return good;
}

static int send_one(void) {
  uint32_t length = one_in(20) ? (uint32_t)draw() : one_in(6) ? below(TXN_DATA) : below(200), i, count;
  int on = some(one_in(4) ? PIPE : CONTEXT);

  for (i = 0; i < VIRTWL_SEND_MAX_ALLOCS; i++) txn.head.fds[i] = -1;
  count = one_in(3) ? below(one_in(3) ? VIRTWL_SEND_MAX_ALLOCS + 1 : 4) : 0;
  for (i = 0; i < count; i++)
    txn.head.fds[one_in(10) ? below(VIRTWL_SEND_MAX_ALLOCS) : i] = some(one_in(3) ? PIPE : MEMORY);
  switch (below(4)) {
    case 0: /* what the allocator takes */
      memset(txn.data, 0, 16);
      ((uint32_t*)txn.data)[0] = (uint32_t)draw();
      ((uint32_t*)txn.data)[2] = a_size();
      length = 16;
      break;
    case 1: { /* wl_display.get_registry, and a bind that may be one */
      uint32_t words[] = {1,          12 << 16 | 1, 2, 2, 40 << 16 | 0, 1 + below(40), 14, 0x635f6c77, 0x6f706d6f,
                          0x6f746973, 0x72,         1, 3};

      memcpy(txn.data, words, sizeof(words));
      length = sizeof(words);
      break;
    }
    case 2:
      for (i = 0; i < 64; i++) txn.data[i] = (uint8_t)draw();
      break;
  }
  txn.head.len = length;
  if (one_in(6) && length <= TXN_DATA) return write(on, txn.data, length) >= 0;
  return !ioctl(on, VIRTWL_IOCTL_SEND, &txn);
}

static int receive_one(void) {
  unsigned int i;

  txn.head.len = one_in(20) ? (uint32_t)draw() >> 8 : below(TXN_DATA);
  if (txn.head.len > TXN_DATA) txn.head.len = TXN_DATA;
  if (one_in(6)) return read(some(PIPE), txn.data, txn.head.len) > 0;
  if (ioctl(some(CONTEXT), VIRTWL_IOCTL_RECV, &txn)) return 0;
  for (i = 0; i < VIRTWL_SEND_MAX_ALLOCS; i++)
    if (txn.head.fds[i] >= 0) keep(txn.head.fds[i], MEMORY);
  return 1;
}

static int wild_ioctl(void) {
  static const unsigned long known[] = {VIRTWL_IOCTL_NEW, VIRTWL_IOCTL_SEND, VIRTWL_IOCTL_RECV,
                                        VIRTWL_IOCTL_DMABUF_SYNC};
  unsigned long request = known[below(4)];
  uint8_t bytes[512];
  unsigned int i;
  void* argument = bytes;

  for (i = 0; i < sizeof(bytes); i++) bytes[i] = (uint8_t)(one_in(3) ? draw() : 0);
  if (one_in(4))
    request = _IOC(below(4), 'w', below(8), below(200));
  else if (one_in(10))
    request = (unsigned long)draw();
  if (one_in(10)) argument = (void*)(uintptr_t)(draw() >> below(64));
  /* RECV writes as much as it is told that there is room for. */
  if (request == VIRTWL_IOCTL_RECV && argument == bytes) ((struct virtwl_ioctl_txn*)bytes)->len = 100;
  return ioctl(any(), request, argument) >= 0;
}

/* As many memories as there may be, closed in some order. */
static int storm(void) {
  int made[500];
  unsigned int count = 20 + below(one_in(4) ? 480 : 80), i, got = 0;

  for (i = 0; i < count; i++) {
    int fd = new_vfd(VIRTWL_IOCTL_NEW_ALLOC, PAGE * (1 + below(4)), NULL);

    if (fd >= 0) made[got++] = fd;
  }
  for (i = got; i > 1; i--) {
    unsigned int j = below(i);
    int swap = made[i - 1];

    made[i - 1] = made[j];
    made[j] = swap;
  }
  for (i = 0; i < got; i++) close(made[i]);
  return got > 0;
}

static int fork_one(void) {
  pid_t child = fork();

  if (child < 0) return 0;
  if (!child) {
    unsigned int i, turns = below(40);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = 300000}}, NULL);
    for (i = 0; i < turns; i++) {
      receive_one();
      send_one();
      if (one_in(3)) close(any());
    }
    _exit(0);
  }
  if (one_in(2)) {
    usleep(below(3000));
    kill(child, SIGKILL);
  }
  waitpid(child, NULL, 0);
  return 1;
}

static int act(enum action action) {
  struct pollfd polled = {any(), (short)draw(), 0};

  switch (action) {
    case NEW_MEMORY:
      return keep(new_vfd(VIRTWL_IOCTL_NEW_ALLOC, a_size(), NULL), MEMORY);
    case NEW_CONTEXT:
      return keep(
          new_vfd(VIRTWL_IOCTL_NEW_CTX_NAMED, 0, names[below(one_in(3) ? sizeof(names) / sizeof(names[0]) : 3)]),
          CONTEXT);
    case NEW_PIPE:
      return keep(new_vfd(one_in(2) ? VIRTWL_IOCTL_NEW_PIPE_READ : VIRTWL_IOCTL_NEW_PIPE_WRITE, 0, NULL), PIPE);
    case NEW_NONSENSE:
      return keep(new_vfd(below(8), (uint32_t)draw(), one_in(2) ? names[below(11)] : NULL), (enum kind)below(KINDS));
    case SEND:
      return send_one();
    case RECEIVE:
      return receive_one();
    case MAP:
      return map_one();
    case UNMAP:
      return unmap_one();
    case TOUCH:
      return touch_one();
    case CLOSE: {
      unsigned int i = below(FDS);
      int fd = fds[i];

      fds[i] = -1;
      return fd > 2 && !close(fd);
    }
    case WILD_IOCTL:
      return wild_ioctl();
    case FORK:
      return fork_one();
    case POLL:
      return poll(&polled, 1, (int)below(20)) > 0;
    case DUP:
      return keep(dup(any()), (enum kind)below(KINDS));
    case STORM:
      return storm();
    default:
      return 0;
  }
}

static void* work(void* argument) {
  unsigned int sum = 0, i;

  draw_state = *(uint64_t*)argument;
  for (i = 0; i < ACTIONS; i++) sum += weights[i];
  while (now() < end) {
    unsigned int at = below(sum), action = 0;

    while (at >= weights[action]) at -= weights[action++];
    __atomic_fetch_add(&counts->tried[action], 1, __ATOMIC_RELAXED);
    if (act((enum action)action)) __atomic_fetch_add(&counts->worked[action], 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

static void prepare(void) {
  int i;

  for (i = 0; i < FDS; i++) fds[i] = -1;
}

static int check(void) {
  int memory = new_vfd(VIRTWL_IOCTL_NEW_ALLOC, PAGE, NULL), context, ends;
  uint8_t* map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);

  context = new_vfd(VIRTWL_IOCTL_NEW_CTX_NAMED, 0, "probe");
  ends = new_vfd(VIRTWL_IOCTL_NEW_PIPE_READ, 0, NULL);
  if (map == MAP_FAILED || context < 0 || ends < 0) {
    printf("memory %d map %d context %d pipe %d: %s\n", memory, map != MAP_FAILED, context, ends, strerror(errno));
    return 1;
  }
  map[0] = 1;
  return 0;
}

int main(int argc, char** argv) {
  struct worst_options options = worst_options(argc, argv);

  wl = open("/dev/wl0", O_RDWR | O_CLOEXEC);
  if (wl < 0) {
    perror("/dev/wl0");
    return 1;
  }
  if (begin_counting(&options)) return 1;
  if (options.check) {
    fds[0] = wl;
    return check();
  }
  return run_processes(&options, prepare, work);
}
