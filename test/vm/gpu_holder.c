/*
 * Holds a gpu device whose guest is about to restart: a channel whose server is waited for, and memory of the host in
 * several places. Says so, and does nothing more.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gpu_guest.h"

#define PIECES 3

int main(void) {
  struct context server, memory;
  uint32_t handle, resource;
  volatile uint8_t* map;
  int i;

  setvbuf(stdout, NULL, _IONBF, 0);
  if (open_node(&server) || init_channel(&server, CHANNEL_NAMED, "echo", 52) || ask_poll(&server) ||
      open_node(&memory) || init_channel(&memory, CHANNEL_NONE, NULL, 20) || ask_memory(&memory, PAGE)) {
    printf("no context: %s\n", strerror(errno));
    return 1;
  }
  for (i = 0; i < PIECES; i++) {
    if (blob(memory.fd, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, PAGE, memory.ring[RING_BLOB], &handle,
             &resource) ||
        (map = map_handle(memory.fd, handle, PAGE)) == MAP_FAILED) {
      printf("memory is not mapped: %s\n", strerror(errno));
      return 1;
    }
    map[i] = 1;
    if (map[i] != 1) return 1;
  }
  printf("ready\n");
  for (;;) pause();
}
