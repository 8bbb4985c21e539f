/*
 * What the C programs of guests share: making vfds, transactions, names of errnos, and numbers from a seed. Each
 * program is one file and includes this one, which needs nothing but the driver's header and libc. A program that sends
 * or receives more than a page at once defines TXN_DATA before it includes this.
 */
#ifndef VIRTWL_TEST_GUEST_H_
#define VIRTWL_TEST_GUEST_H_

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "virtwl_uapi.h"

#define PAGE 4096u

/* Room for data of a transaction, in bytes. */
#ifndef TXN_DATA
#define TXN_DATA PAGE
#endif

struct txn {
  struct virtwl_ioctl_txn head;
  uint8_t data[TXN_DATA];
};

/* A new vfd through "on", /dev/wl0 or a context: with a name where there is one, else of that size. -1 and errno. */
static inline int make_vfd(int on, uint32_t type, uint32_t size, const char* name) {
  struct virtwl_ioctl_new arg;

  memset(&arg, 0, sizeof(arg));
  arg.type = type;
  arg.fd = -1;
  if (name)
    strncpy(arg.name, name, sizeof(arg.name) - 1);
  else
    arg.size = size;
  return ioctl(on, VIRTWL_IOCTL_NEW, &arg) ? -1 : arg.fd;
}

/* Sends so many bytes, at most TXN_DATA, and descriptors. */
static inline int send_txn(int on, const void* data, uint32_t length, const int* fds, unsigned int count) {
  struct txn txn;
  unsigned int i;

  for (i = 0; i < VIRTWL_SEND_MAX_ALLOCS; i++) txn.head.fds[i] = i < count ? fds[i] : -1;
  txn.head.len = length;
  memcpy(txn.data, data, length);
  return ioctl(on, VIRTWL_IOCTL_SEND, &txn);
}

/* What became of a call that returns a negative number on failure: the errno's name, or that it worked. */
static inline const char* outcome(long value) { return value < 0 ? strerrorname_np(errno) : "works"; }

/* For SIGBUS: says this and ends. */
static const char* said_on_bus;

static inline void on_bus(int number) {
  (void)number;
  if (write(1, said_on_bus, strlen(said_on_bus)) < 0) _exit(1);
  _exit(0);
}

static inline double now(void) {
  struct timespec time;

  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Of each thread; to be set, and not to 0, before anything is drawn. */
static __thread uint64_t draw_state;

/* xorshift64*: the same numbers from the same seed, everywhere. */
static inline uint64_t draw(void) {
  draw_state ^= draw_state >> 12;
  draw_state ^= draw_state << 25;
  draw_state ^= draw_state >> 27;
  return draw_state * 0x2545f4914f6cdd1dull;
}

static inline uint32_t below(uint32_t bound) { return (uint32_t)((draw() >> 32) % bound); }

static inline int one_in(uint32_t bound) { return below(bound) == 0; }

#endif /* VIRTWL_TEST_GUEST_H_ */
