/* SPDX-License-Identifier: MIT */
/*
 * The client of the host's allocator: a request of 16 bytes goes out, a status byte comes back, and memory with it. The
 * protocol is in docs/protocols.md and src/allocator/protocol.ts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "virtwl.h"

#define NANOSECONDS_A_SECOND 1000000000ll
#define NANOSECONDS_A_MILLISECOND 1000000ll

static long long now(void) {
  struct timespec time;

  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * NANOSECONDS_A_SECOND + time.tv_nsec;
}

/* When a wait is over: in nanoseconds, or never. */
struct deadline {
  int never;
  long long at;
};

static struct deadline deadline_in(int timeout_ms) {
  return (struct deadline){.never = timeout_ms < 0, .at = now() + timeout_ms * NANOSECONDS_A_MILLISECOND};
}

static int fail(int error) {
  errno = error;
  return -1;
}

static int again(void) { return errno == EAGAIN || errno == EINTR; }

/* Waits until the context is ready or has ended: 0, or -1. Signals do not end it. */
static int wait_for(int context, short events, const struct deadline* deadline) {
  struct pollfd watched = {.fd = context, .events = events};

  /* poll(2) would pass by a negative one, and wait. */
  if (context < 0) return fail(EBADF);
  for (;;) {
    const long long left = deadline->at - now();
    struct timespec timeout = {0};
    int ready;

    if (left > 0) {
      timeout.tv_sec = (time_t)(left / NANOSECONDS_A_SECOND);
      timeout.tv_nsec = (long)(left % NANOSECONDS_A_SECOND);
    }
    ready = ppoll(&watched, 1, deadline->never ? NULL : &timeout, NULL);
    if (ready > 0) return watched.revents & POLLNVAL ? fail(EBADF) : 0;
    if (ready == 0) return fail(ETIMEDOUT);
    if (errno != EINTR) return -1;
  }
}

static void put_u64(unsigned char* bytes, uint64_t value) {
  for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(value >> 8 * i);
}

static int send_request(int allocator, uint64_t id, uint64_t size, const struct deadline* deadline) {
  unsigned char request[16];
  ssize_t sent;

  put_u64(request, id);
  put_u64(request + 8, size);
  do {
    if (wait_for(allocator, POLLOUT, deadline)) return -1;
    sent = virtwl_send(allocator, request, sizeof(request), NULL, 0);
  } while (sent < 0 && again());
  if (sent < 0) return -1;
  /* A message of virtio_wl goes as a whole or not at all. */
  return sent == sizeof(request) ? 0 : fail(EPROTO);
}

static int refusal(unsigned char status) {
  switch (status) {
    case 1:
      return EINVAL;
    case 2:
      return EFBIG;
    case 3:
      return EDQUOT;
    case 4:
      return ENOMEM;
  }
  return EPROTO;
}

/* The status byte and the descriptor that belongs to it, each of which may come before the other. */
struct reply {
  int has_status;
  unsigned char status;
  int memory;
};

/* Until the reply is whole: 0, or -1. */
static int receive_reply(int allocator, struct reply* reply, const struct deadline* deadline) {
  int fds[VIRTWL_MAX_FDS];
  size_t count;

  while (!reply->has_status || (reply->status == 0 && reply->memory < 0)) {
    unsigned char byte;
    ssize_t received;

    if (wait_for(allocator, POLLIN, deadline)) return -1;
    received = virtwl_receive(allocator, &byte, 1, fds, &count);
    if (received < 0 && again()) continue;
    if (received < 0) return -1;
    if (received == 0 && count == 0) return fail(ECONNRESET);
    if (count > 0 && reply->memory < 0) reply->memory = fds[--count];
    if (count > 0 || (received > 0 && reply->has_status)) {
      while (count > 0) close(fds[--count]);
      return fail(EPROTO);
    }
    if (received > 0) {
      reply->has_status = 1;
      reply->status = byte;
    }
  }
  return 0;
}

int virtwl_allocate(int allocator, uint64_t id, uint64_t size, int timeout_ms) {
  const struct deadline deadline = deadline_in(timeout_ms);
  struct reply reply = {.memory = -1};
  int error = 0;

  /* With a size of 0 some ids ask the allocator for something else than memory. */
  if (size == 0) return fail(EINVAL);
  if (send_request(allocator, id, size, &deadline)) return -1;
  if (receive_reply(allocator, &reply, &deadline))
    error = errno;
  else if (reply.status != 0)
    error = reply.memory < 0 ? refusal(reply.status) : EPROTO;
  else if (virtwl_kind(reply.memory) != VIRTWL_MEMORY)
    error = EPROTO;
  if (!error) return reply.memory;
  if (reply.memory >= 0) close(reply.memory);
  return fail(error);
}
