/* SPDX-License-Identifier: MIT */
/*
 * Does memory cross? A program of a guest that asks the host's allocator for memory, maps it, writes a pattern into it,
 * and sends it back to the host, whose probe server looks for the pattern and writes another one, which is looked for
 * here. The host process must offer both: `virtwl host --allocator=64M --probe`.
 *
 *   probe [DEVICE]     prints what it did, and exits with 1 where something failed
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <virtwl.h>

#define SIZE 65536u
#define SEED 42u
#define TIMEOUT_MS 30000

/* Ends the program where a call failed. */
static int need(int result, const char* what) {
  if (result >= 0) return result;
  fprintf(stderr, "cannot %s: %s\n", what, strerror(errno));
  exit(1);
}

/* The pattern that the probe server knows: see docs/protocols.md. */
static uint32_t word(uint32_t index, uint32_t seed) {
  uint32_t value = (index ^ seed) * 0x9e3779b1u;

  value ^= value >> 15;
  return value * 0x85ebca77u;
}

int main(int argc, char** argv) {
  const uint64_t size = SIZE;
  const uint32_t seed = SEED;
  unsigned char request[12], reply[9];
  struct pollfd answer = {.events = POLLIN};
  uint32_t* words;
  uint32_t i;
  size_t have = 0;
  int device, allocator, memory, probe;

  device = need(virtwl_open(argc > 1 ? argv[1] : NULL), "open the device");
  allocator = need(virtwl_connect(device, "allocator"), "connect to the allocator");
  memory = need(virtwl_allocate(allocator, 1, SIZE, TIMEOUT_MS), "get memory of the host");
  words = virtwl_map(memory, SIZE);
  if (!words) need(-1, "map it");
  for (i = 0; i < SIZE / 4; i++) words[i] = word(i, SEED);

  /* The memory goes along, and stays ours as well. */
  memcpy(request, &size, sizeof(size));
  memcpy(request + sizeof(size), &seed, sizeof(seed));
  probe = need(virtwl_connect(device, "probe"), "connect to the probe server");
  need((int)virtwl_send(probe, request, sizeof(request), &memory, 1), "send it");

  /* A stream may come in any parts. */
  for (answer.fd = probe; have < sizeof(reply);) {
    ssize_t received;

    if (need(poll(&answer, 1, TIMEOUT_MS), "wait for the answer") == 0) errno = ETIMEDOUT, need(-1, "get an answer");
    received = need((int)virtwl_receive(probe, reply + have, sizeof(reply) - have, NULL, NULL), "receive");
    if (received == 0) errno = ECONNRESET, need(-1, "receive");
    have += (size_t)received;
  }
  if (reply[0] != 0) {
    fprintf(stderr, "the host does not see what was written: verdict %d\n", reply[0]);
    return 1;
  }
  printf("the host sees %u bytes of it\n", SIZE);
  for (i = 0; i < SIZE / 4 && words[i] == word(i, ~SEED); i++);
  if (i < SIZE / 4) {
    fprintf(stderr, "what the host wrote does not show from byte %u on\n", i * 4);
    return 1;
  }
  printf("what the host wrote shows here\n");

  virtwl_unmap(words, SIZE);
  close(memory);
  close(probe);
  close(allocator);
  close(device);
  return 0;
}
