/*
 * A program that does its worst with a gpu device, by the ioctls of the kernel's own virtio_gpu: several processes of
 * two threads each, that open contexts, submit commands, make, map, export and close resources at random, with
 * arguments that are right, nearly right, or nonsense; and a parent that kills them in whatever they wait for and
 * starts others in their place. What a program submits reaches the device as it is, so its commands are as wild as
 * those of a driver.
 *
 *   worst_gpu [--seconds N] [--seed N] [--processes N]
 *   worst_gpu check
 *
 * Each process draws from a seed of its own, which it has from the parent's; threads and kills make the order of things
 * a matter of luck all the same. It prints what was done, how much of it worked, and ends with 0 when everybody has
 * ended. With "check" it does no harm, and tells whether the device gives memory and the server "probe".
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
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#include "gpu_guest.h"

#define MAX_PROCESSES 16
/* What one process holds on to. */
#define CONTEXTS 12
#define RESOURCES 64
#define MAPS 40

struct resource {
  int fd;
  uint32_t handle, id;
  uint64_t size;
};

struct map {
  uint8_t* at;
  size_t length;
};

enum action {
  OPEN,
  OPEN_WILD,
  POLL_EVENT,
  SEND_SOME,
  WRITE_SOME,
  ASK_IMAGE,
  NEW_BLOB,
  MAP,
  UNMAP,
  TOUCH,
  CLOSE_RESOURCE,
  CLOSE_CONTEXT,
  WILD_COMMAND,
  WILD_IOCTL,
  EXPORT,
  STORM,
  FORK,
  ACTIONS
};
static const char* const action_names[ACTIONS] = {
    "open",  "open_wild", "poll_event",    "send",         "write",      "ask_image", "new_blob", "map", "unmap",
    "touch", "close",     "close_context", "wild_command", "wild_ioctl", "export",    "storm",    "fork"};
/* How often each comes, of the sum. */
static const unsigned int weights[ACTIONS] = {8, 3, 10, 24, 8, 14, 16, 14, 8, 12, 12, 4, 12, 10, 4, 1, 2};

#include "worst_processes.h"

static const char* const names[] = {"wayland",
                                    "probe",
                                    "allocator",
                                    "compositor",
                                    "echo",
                                    "none",
                                    "",
                                    ".",
                                    "..",
                                    "a/b",
                                    "a name that has thirty-one byte"};
#define NAMES (sizeof(names) / sizeof(names[0]))

static struct context contexts[CONTEXTS];
static struct resource resources[RESOURCES];
static struct map maps[MAPS];

static struct context* some_context(void) {
  unsigned int i;

  for (i = 0; i < 6; i++) {
    struct context* context = &contexts[below(CONTEXTS)];

    if (context->fd > 2 && context->ring) return context;
  }
  return &contexts[0];
}

static struct resource* some_resource(void) {
  unsigned int i;

  for (i = 0; i < 6; i++) {
    struct resource* resource = &resources[below(RESOURCES)];

    if (resource->fd > 2) return resource;
  }
  return &resources[0];
}

/* A word that is right, or was, or nearly is. */
static uint32_t a_number(void) {
  switch (below(8)) {
    case 0:
      return (uint32_t)draw();
    case 1:
      return 1u << below(32);
    case 2:
      return 0x80000000u + below(8);
    case 3:
      return 0xc0000000u + below(8);
    case 4:
      return some_context()->resource;
    case 5:
      return below(200);
    default:
      return some_resource()->id;
  }
}

static int open_one(void) {
  struct context* place = &contexts[below(CONTEXTS)];
  struct context made;
  unsigned int kind = below(8);
  int failed = open_node(&made);

  if (!failed) {
    if (kind < 2)
      failed = init_channel(&made, CHANNEL_NONE, NULL, 20);
    else if (kind == 2)
      failed = init_channel(&made, CHANNEL_WAYLAND, NULL, 20);
    else
      failed = init_channel(&made, CHANNEL_NAMED, names[below(one_in(3) ? NAMES : 2)], 52);
  }
  if (!failed && kind > 1) failed = ask_poll(&made);
  if (failed) {
    close_context(&made);
    return 0;
  }
  close_context(place);
  *place = made;
  return 1;
}

/* A context whose making is nonsense. */
static int open_wild(void) {
  struct drm_virtgpu_param params[4];
  struct drm_virtgpu_context_init init = {.num_params = below(5), .ctx_set_params = (uintptr_t)params};
  struct context made;
  uint32_t words[13];
  unsigned int i;

  if (one_in(2)) {
    int fd = open(NODE, O_RDWR | O_CLOEXEC | O_NONBLOCK), failed;

    if (fd < 0) return 0;
    for (i = 0; i < 4; i++) {
      params[i].param = below(6);
      params[i].value = one_in(2) ? below(70) : draw();
    }
    failed = ioctl(fd, DRM_IOCTL_VIRTGPU_CONTEXT_INIT, &init);
    /* Where no context was made, the first use makes one of the old kind. */
    submit(fd, words, 4 * below(2), -1);
    close(fd);
    return !failed;
  }
  if (open_node(&made)) {
    close_context(&made);
    return 0;
  }
  for (i = 0; i < 13; i++) words[i] = one_in(3) ? (uint32_t)draw() : a_number();
  words[0] = head(INIT, one_in(3) ? 4 * below(14) : one_in(2) ? 20 : 52);
  if (one_in(2)) words[2] = words[3] = made.resource;
  if (one_in(2)) words[4] = one_in(2) ? CHANNEL_NAMED : below(40);
  submit(made.fd, words, one_in(4) ? 4 * below(14) : words[0] >> 16, (int)below(4) - 1);
  /* A second one is refused, or comes to nothing. */
  if (one_in(4)) init_channel(&made, CHANNEL_NAMED, "probe", 52);
  i = below(20);
  while (i--) ask_poll(&made);
  close_context(&made);
  return 1;
}

/* Takes what has come, and asks for more. What the ring says is the device's word: it is looked at, and never trusted.
 */
static int poll_event(void) {
  struct context* context = some_context();
  uint8_t event[64];

  if (context->fd < 3 || !context->ring) return 0;
  if (read(context->fd, event, sizeof(event)) <= 0) {
    if (one_in(30)) ask_poll(context);
    return 0;
  }
  ask_poll(context);
  return 1;
}

static int send_one(void) {
  struct context* context = some_context();
  uint32_t words[SENT_WORDS + 960] = {0}, count, bytes, length, i;

  if (context->fd < 3) return 0;
  count = one_in(3) ? below(one_in(4) ? 40 : 4) : 0;
  bytes = one_in(6) ? below(3800) : 4 * below(40);
  for (i = 0; i < count && i < SENT; i++) {
    static const uint32_t kinds[] = {1, 1, 3, 4, 0x10};

    words[4 + i] = a_number();
    words[4 + SENT + i] = one_in(8) ? (uint32_t)draw() : kinds[below(5)];
    words[4 + 2 * SENT + i] = one_in(2) ? 0 : a_number();
  }
  switch (below(4)) {
    case 0: /* what the allocator takes */
      words[SENT_WORDS] = (uint32_t)draw();
      words[SENT_WORDS + 2] = PAGE * (1 + below(64));
      bytes = 16;
      break;
    case 1: /* wl_display.get_registry, and a bind that may be one */
      memcpy(&words[SENT_WORDS],
             (uint32_t[]){1, 12 << 16 | 1, 2, 2, 40 << 16 | 0, 1 + below(40), 14, 0x635f6c77, 0x6f706d6f, 0x6f746973,
                          0x72, 1, 3},
             52);
      bytes = 52;
      break;
    default:
      for (i = 0; i < 64; i++) words[SENT_WORDS + i] = (uint32_t)draw();
  }
  words[2] = one_in(10) ? a_number() : count;
  words[3] = one_in(10) ? a_number() : bytes;
  length = 4 * SENT_WORDS + (bytes + 3) / 4 * 4;
  if (length > sizeof(words)) length = sizeof(words);
  words[0] = head(SEND, one_in(12) ? (uint32_t)draw() & 0xffff : 4 * SENT_WORDS + bytes);
  return !submit(context->fd, words, length, one_in(8) ? (int)below(3) : -1);
}

static int write_one(void) {
  struct context* context = some_context();
  uint32_t words[6 + 64], bytes = below(256), i;

  if (context->fd < 3) return 0;
  for (i = 0; i < 70; i++) words[i] = (uint32_t)draw();
  words[1] = 0;
  words[2] = a_number();
  words[3] = below(one_in(4) ? 4 : 2);
  words[4] = one_in(8) ? a_number() : bytes;
  words[0] = head(one_in(6) ? READ_PIPE : WRITE_PIPE, 24 + bytes);
  return !submit(context->fd, words, sizeof(words), -1);
}

static uint32_t a_width(void) {
  switch (below(10)) {
    case 0:
      return 0;
    case 1:
      return (uint32_t)draw();
    case 2:
      return 1u << below(32);
    default:
      return PAGE * (1 + below(32));
  }
}

/* Asks for memory of the guest's own; the answer is in the ring when it is looked for. */
static int ask_image(void) {
  struct context* context = some_context();
  uint32_t words[6] = {
      head(IMAGE, 24),           0, a_width(), one_in(6) ? a_number() : 1, one_in(10) ? a_number() : R8,
      one_in(3) ? a_number() : 0};
  struct drm_virtgpu_3d_wait wait = {.handle = context->handle, .flags = one_in(2) ? VIRTGPU_WAIT_NOWAIT : 0};

  if (context->fd < 3 || !context->ring) return 0;
  context->ring[RING_BLOB] = 0;
  if (submit_query(context, words, sizeof(words))) return 0;
  ioctl(context->fd, DRM_IOCTL_VIRTGPU_WAIT, &wait);
  return context->ring[RING_BLOB] != 0;
}

static int keep(struct resource made) {
  struct resource* place = &resources[below(RESOURCES)];
  struct resource gone = *place;

  *place = made;
  if (gone.fd > 2) ioctl(gone.fd, DRM_IOCTL_GEM_CLOSE, &(struct drm_gem_close){.handle = gone.handle});
  return 1;
}

static int new_blob(void) {
  struct context* context = some_context();
  struct resource made = {.fd = context->fd};
  uint32_t memory = VIRTGPU_BLOB_MEM_HOST3D, flags = VIRTGPU_BLOB_FLAG_USE_MAPPABLE | VIRTGPU_BLOB_FLAG_USE_SHAREABLE;
  uint64_t id;

  if (context->fd < 3 || !context->ring) return 0;
  /* Mostly memory that there is: what is refused here looks made to the guest. */
  if (!one_in(4) && ask_memory(context, PAGE * (1 + below(16)))) return 0;
  id = one_in(6) ? below(50) : one_in(20) ? draw() : context->ring[RING_BLOB];
  made.size = !one_in(4) ? context->ring[RING_SIZE] : one_in(20) ? draw() : (uint64_t)PAGE * below(40);
  if (one_in(10)) flags = below(8);
  if (one_in(12)) {
    /* The guest's own memory is the guest's own affair, and there is little of it. */
    memory = one_in(2) ? VIRTGPU_BLOB_MEM_GUEST : VIRTGPU_BLOB_MEM_HOST3D_GUEST;
    made.size = (uint64_t)PAGE * below(20);
  }
  if (blob(context->fd, memory, flags, made.size, id, &made.handle, &made.id)) return 0;
  return keep(made);
}

static int map_one(void) {
  struct resource* resource = some_resource();
  size_t length = one_in(6) ? PAGE * (1 + below(64)) : (size_t)(resource->size + PAGE - 1) / PAGE * PAGE;
  unsigned int i = below(MAPS);
  uint8_t* at;

  if (resource->fd < 3 || length == 0 || length > 64u << 20) return 0;
  at = map_handle(resource->fd, one_in(20) ? a_number() : resource->handle, length);
  if (at == MAP_FAILED) return 0;
  if (maps[i].at) munmap(maps[i].at, maps[i].length);
  maps[i] = (struct map){at, length};
  return 1;
}

static int unmap_one(void) {
  struct map* map = &maps[below(MAPS)];
  struct map gone = *map;

  map->at = NULL;
  return gone.at && !munmap(gone.at, gone.length);
}

/* By a system call, which fails where a mapping is gone or has nothing behind it and a load would raise a signal. */
static int touch_one(void) {
  struct map map = maps[below(MAPS)];
  int ends[2], good;

  if (!map.at || map.length == 0 || pipe(ends)) return 0;
  map.at += below((uint32_t)map.length);
  good = write(ends[1], map.at, 1) == 1 && read(ends[0], map.at, 1) == 1;
  close(ends[0]);
  close(ends[1]);
  return good;
}

static int close_resource(void) {
  struct resource* resource = some_resource();
  struct resource gone = *resource;

  if (gone.fd < 3) return 0;
  if (!one_in(8)) memset(resource, 0, sizeof(*resource));
  return !ioctl(gone.fd, DRM_IOCTL_GEM_CLOSE, &(struct drm_gem_close){.handle = gone.handle});
}

/* Its resources go with it, also those that the table still has. */
static int close_one_context(void) {
  unsigned int i = below(CONTEXTS), k;
  int fd = contexts[i].fd;

  if (fd < 3) return 0;
  for (k = 0; k < RESOURCES; k++)
    if (resources[k].fd == fd) memset(&resources[k], 0, sizeof(resources[k]));
  close_context(&contexts[i]);
  return 1;
}

/* Bytes as the device's commands: several in one buffer, with sizes and kinds that may not be. */
static int wild_command(void) {
  struct context* context = some_context();
  uint32_t words[1024], length = 4 * (1 + below(one_in(4) ? 1024 : 40)), at = 0, i;

  if (context->fd < 3) return 0;
  for (i = 0; i < 1024; i++) words[i] = one_in(3) ? a_number() : one_in(2) ? 0 : (uint32_t)draw();
  while (at < length / 4) {
    static const uint8_t kinds[] = {INIT, IMAGE, POLL_RING, SEND, RECEIVE, READ_PIPE, WRITE_PIPE, CONNECTED, HANG_UP};
    uint32_t size = 8 + 4 * below(30);

    words[at] = head(one_in(8) ? (uint8_t)draw() : kinds[below(9)], one_in(8) ? (uint32_t)draw() & 0xffff : size) |
                (one_in(8) ? 0xff00 & (uint32_t)draw() : 0);
    at += size / 4;
  }
  return !submit(context->fd, words, one_in(10) ? below(length) : length, (int)below(4) - 1);
}

/* Of buffers as programs with a GPU have them. By their sizes, 11 words: what is in them is nonsense here. */
#define DRM_IOCTL_TRANSFER_FROM_HOST _IOC(_IOC_READ | _IOC_WRITE, 'd', 0x46, 44)
#define DRM_IOCTL_TRANSFER_TO_HOST _IOC(_IOC_READ | _IOC_WRITE, 'd', 0x47, 44)

static int wild_ioctl(void) {
  static const unsigned long known[] = {DRM_IOCTL_VIRTGPU_MAP,          DRM_IOCTL_VIRTGPU_EXECBUFFER,
                                        DRM_IOCTL_VIRTGPU_GETPARAM,     DRM_IOCTL_VIRTGPU_RESOURCE_INFO,
                                        DRM_IOCTL_VIRTGPU_CONTEXT_INIT, DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB,
                                        DRM_IOCTL_VIRTGPU_WAIT,         DRM_IOCTL_PRIME_HANDLE_TO_FD,
                                        DRM_IOCTL_TRANSFER_TO_HOST,     DRM_IOCTL_TRANSFER_FROM_HOST};
  struct context* context = some_context();
  unsigned long request = known[below(10)];
  uint32_t words[64];
  unsigned int i;

  if (context->fd < 3) return 0;
  for (i = 0; i < 64; i++) words[i] = one_in(3) ? (uint32_t)draw() : one_in(2) ? a_number() : 0;
  switch (request) {
    case DRM_IOCTL_VIRTGPU_MAP:
    case DRM_IOCTL_VIRTGPU_RESOURCE_INFO:
    case DRM_IOCTL_TRANSFER_TO_HOST:
    case DRM_IOCTL_TRANSFER_FROM_HOST:
    case DRM_IOCTL_VIRTGPU_WAIT:
      if (!one_in(6)) words[0] = words[2] = some_resource()->handle;
      break;
    case DRM_IOCTL_VIRTGPU_EXECBUFFER: {
      struct drm_virtgpu_execbuffer* arg = (void*)words;

      /*
       * The kernel makes room for these before it reads them, in memory that is no process's: hundreds of MiB, and it
       * ended one process after the other for it, the parent too. 4 MiB are more than the device takes.
       */
      arg->size &= 0x3fffff;
      arg->num_bo_handles &= 0xffff;
      break;
    }
    case DRM_IOCTL_VIRTGPU_RESOURCE_CREATE_BLOB: {
      struct drm_virtgpu_resource_create_blob* arg = (void*)words;

      /* As in new_blob: what it costs the guest itself is bounded. */
      if (arg->blob_mem != VIRTGPU_BLOB_MEM_HOST3D) arg->size &= 0xffff;
      break;
    }
  }
  if (ioctl(context->fd, request, words)) return 0;
  /* A descriptor that comes of it is nobody's. */
  if (request == DRM_IOCTL_PRIME_HANDLE_TO_FD) close((int)words[2]);
  return 1;
}

/* A resource of one opening, taken by another, and perhaps sent and mapped there. */
static int export_one(void) {
  struct resource* from = some_resource();
  struct context* to = some_context();
  struct drm_prime_handle prime = {.handle = from->handle, .flags = DRM_CLOEXEC | DRM_RDWR};
  struct drm_virtgpu_resource_info info = {0};
  void* at;

  if (from->fd < 3 || to->fd < 3 || ioctl(from->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime)) return 0;
  at = mmap(NULL, PAGE * (1 + below(8)), PROT_READ | PROT_WRITE, MAP_SHARED, prime.fd, one_in(4) ? PAGE : 0);
  if (at != MAP_FAILED) munmap(at, PAGE);
  if (ioctl(to->fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime)) {
    close(prime.fd);
    return 0;
  }
  close(prime.fd);
  info.bo_handle = prime.handle;
  ioctl(to->fd, DRM_IOCTL_VIRTGPU_RESOURCE_INFO, &info);
  return keep((struct resource){to->fd, prime.handle, info.res_handle, from->size});
}

/* As many mapped resources as there may be, and more, of one opening, which goes then. */
static int storm(void) {
  struct context made;
  unsigned int count = 20 + below(one_in(3) ? 600 : 80), i, mapped = 0;

  if (open_node(&made) || init_channel(&made, CHANNEL_NONE, NULL, 20) || ask_memory(&made, PAGE)) {
    close_context(&made);
    return 0;
  }
  for (i = 0; i < count && now() < end; i++) {
    uint32_t handle, resource;
    struct drm_virtgpu_map arg = {0};

    if (blob(made.fd, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, PAGE, made.ring[RING_BLOB], &handle,
             &resource))
      break;
    arg.handle = handle;
    mapped += !ioctl(made.fd, DRM_IOCTL_VIRTGPU_MAP, &arg);
  }
  close_context(&made);
  return mapped > 0;
}

static int fork_one(void) {
  pid_t child = fork();

  if (child < 0) return 0;
  if (!child) {
    unsigned int turns = below(40);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(1);
    while (turns--) {
      poll_event();
      send_one();
      if (one_in(3)) close_resource();
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

static int (*const acts[ACTIONS])(void) = {
    open_one,  open_wild,      poll_event,        send_one,     write_one,  ask_image,  new_blob, map_one, unmap_one,
    touch_one, close_resource, close_one_context, wild_command, wild_ioctl, export_one, storm,    fork_one};

static void* work(void* argument) {
  unsigned int sum = 0, i;

  draw_state = *(uint64_t*)argument;
  for (i = 0; i < ACTIONS; i++) sum += weights[i];
  while (now() < end) {
    unsigned int at = below(sum), action = 0;

    while (at >= weights[action]) at -= weights[action++];
    __atomic_fetch_add(&counts->tried[action], 1, __ATOMIC_RELAXED);
    if (acts[action]()) __atomic_fetch_add(&counts->worked[action], 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

/* What the other thread has unmapped, or a ring that has gone with its opening: the process goes, as one that is
 * killed. */
static void on_fault(int number) {
  (void)number;
  _exit(0);
}

static void prepare(void) {
  signal(SIGSEGV, on_fault);
  signal(SIGBUS, on_fault);
}

/* How long the server may take to answer, in milliseconds: the guest is emulated. */
#define ANSWER_MS 60000

static int check(void) {
  struct context server, memory;
  struct pollfd event;
  uint32_t handle, resource;
  uint8_t* map;

  if (open_node(&server) || init_channel(&server, CHANNEL_NAMED, "probe", 52) || ask_poll(&server)) {
    printf("no context: %s\n", strerror(errno));
    return 1;
  }
  event = (struct pollfd){server.fd, POLLIN, 0};
  if (poll(&event, 1, ANSWER_MS) != 1 || (server.ring[0] & 0xff) != CONNECTED || server.ring[2] != 0) {
    printf("the server does not answer: %x %x\n", server.ring[0], server.ring[2]);
    return 1;
  }
  if (open_node(&memory) || init_channel(&memory, CHANNEL_NONE, NULL, 20) || ask_memory(&memory, PAGE)) {
    printf("no memory: %s\n", strerror(errno));
    return 1;
  }
  if (blob(memory.fd, VIRTGPU_BLOB_MEM_HOST3D, VIRTGPU_BLOB_FLAG_USE_MAPPABLE, PAGE, memory.ring[RING_BLOB], &handle,
           &resource) ||
      (map = map_handle(memory.fd, handle, PAGE)) == MAP_FAILED) {
    printf("memory is not mapped: %s\n", strerror(errno));
    return 1;
  }
  map[0] = 1;
  return map[0] != 1;
}

int main(int argc, char** argv) {
  struct worst_options options = worst_options(argc, argv);

  if (begin_counting(&options)) return 1;
  if (options.check) return check();
  return run_processes(&options, prepare, work);
}
