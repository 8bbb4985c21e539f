/*
 * A driver of the wl device that does its worst: it takes the device from the kernel, as a PCI function, and writes
 * what it likes to its registers, its queues and its shared memory. It needs no driver of the kernel: the queues lie in
 * locked pages of this process, whose physical addresses /proc/self/pagemap tells root.
 *
 *   raw_ring [--seconds N] [--seed N] [--moods LETTERS] [--verbose]
 *
 * It lives many lives, each from one reset of the device to the next, in one of these moods:
 *
 *   c  honest rings, wild commands: ids that exist, that do not, or that are the device's; bodies of other commands
 *   r  wild rings: chains that loop or lead outside memory, 4 GiB long, nonsensical indirect tables, indexes that jump
 *   n  no buffers for what the device has to say, or too few, or too small
 *   f  wild registers: features, sizes, addresses of queues, resets and restarts in the middle
 *   m  many memories, mapped when the device is reset
 *   s  memories that are mapped when the device is stopped and started without a reset, and still at the next reset:
 *      the end of QEMU 11.1.3, so this mood is there only when it is asked for, to see whether a later QEMU survives it
 *
 * What it does depends on the seed alone (and on what the device answers). It prints what it did, and leaves the device
 * reset, to be given back to the kernel's driver. Two things it does not do, since they would only end this guest:
 * offer the device memory to write to that is neither its own nor outside memory; and, but for mood s, start the device
 * again that it has stopped without a reset, where memory may be mapped. QEMU takes what is mapped at such a start for
 * memory of the guest, and looks for it with a null pointer once a reset has unmapped it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

/* virtio's vendor, and its devices 30 and 63. */
#define VENDOR 0x1af4
#define DEVICE_BASE 0x1040
/* Capabilities of a virtio PCI function. */
#define CAP_VENDOR 0x09
#define CAP_COMMON 1
#define CAP_NOTIFY 2
#define CAP_SHARED 8
/* Bits of the device's status. */
#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER 2
#define STATUS_DRIVER_OK 4
#define STATUS_FEATURES_OK 8

#define DESC_NEXT 1
#define DESC_WRITE 2
#define DESC_INDIRECT 4

#define FEATURE_TRANS_FLAGS (1ull << 1)
#define FEATURE_USE_SHMEM (1ull << 3)
#define FEATURE_INDIRECT (1ull << 28)
#define FEATURE_EVENT_IDX (1ull << 29)
#define FEATURE_VERSION_1 (1ull << 32)

#define QUEUES 2
#define QUEUE_SIZE 256
#define SLOTS 64
#define IN_BUFFERS 64
/* Eight slots' indirect tables in a page. */
#define TABLE_BYTES 512u
#define TABLES (SLOTS * TABLE_BYTES / PAGE)
/* How much of the device's shared memory is read. */
#define WINDOW (16u << 20)

/* The common configuration, at its offsets. */
struct common {
  uint32_t device_feature_select, device_feature, driver_feature_select, driver_feature;
  uint16_t config_vector, queues;
  uint8_t status, generation;
  uint16_t queue_select, queue_size, queue_vector, queue_enable, queue_notify_off;
  uint32_t desc[2], avail[2], used[2];
};

struct desc {
  uint64_t address;
  uint32_t length;
  uint16_t flags, next;
};

struct queue {
  volatile struct desc* desc;
  volatile uint16_t *avail, *used;
  uint64_t desc_at, avail_at, used_at;
  volatile uint16_t* notify;
  uint16_t size, next, seen;
};

static struct queue queues[QUEUES];
static volatile struct common* common;
static volatile uint8_t *notify_area, *window;
static uint32_t notify_length, notify_multiplier;
static uint64_t window_at;
static char directory[512];
static int verbose;

/* Pages that the device may have. */
#define PAGES (3 * QUEUES + 2 * SLOTS + IN_BUFFERS + TABLES)
static uint8_t* memory;
static uint64_t page_at[PAGES];
static uint8_t *commands[SLOTS], *answers[SLOTS], *buffers[IN_BUFFERS], *tables[TABLES];
static uint64_t commands_at[SLOTS], answers_at[SLOTS], buffers_at[IN_BUFFERS], tables_at[TABLES];
static unsigned char busy[SLOTS];

/* What the device said last, for ids that exist. */
#define KNOWN 64
static uint32_t known[KNOWN];
static unsigned int known_next;

/* Since the last reset: whether a command was given (memory may be mapped), and whether the device was stopped. */
static int commanded, stopped;

static unsigned long lives, started, offered, answered, made, refused, messages, kicks, stuck;

static void die(const char* format, ...) {
  va_list list;

  va_start(list, format);
  vfprintf(stderr, format, list);
  va_end(list);
  fprintf(stderr, " (%s)\n", strerror(errno));
  exit(1);
}

static void barrier(void) { __sync_synchronize(); }

/* ---- finding the device ---------------------------------------------------------------------------------------- */

static void put(const char* path, const char* text) {
  int fd = open(path, O_WRONLY);

  if (fd < 0) die("cannot open %s", path);
  if (write(fd, text, strlen(text)) < 0) die("cannot write \"%s\" to %s", text, path);
  close(fd);
}

static unsigned int number_in(const char* device, const char* name) {
  char path[600], text[32] = "";
  int fd;

  snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", device, name);
  fd = open(path, O_RDONLY);
  if (fd < 0) return 0;
  read(fd, text, sizeof(text) - 1);
  close(fd);
  return (unsigned int)strtoul(text, NULL, 0);
}

static void find_device(char* address, size_t room) {
  DIR* list = opendir("/sys/bus/pci/devices");
  struct dirent* entry;
  char path[600];

  while (list && (entry = readdir(list))) {
    unsigned int id = number_in(entry->d_name, "device");

    if (number_in(entry->d_name, "vendor") != VENDOR || (id != DEVICE_BASE + 30 && id != DEVICE_BASE + 63)) continue;
    snprintf(address, room, "%.31s", entry->d_name);
    snprintf(directory, sizeof(directory), "/sys/bus/pci/devices/%.31s", entry->d_name);
    closedir(list);
    snprintf(path, sizeof(path), "%s/driver/unbind", directory);
    if (access(path, F_OK) == 0) put(path, address);
    return;
  }
  errno = ENODEV;
  die("no wl device");
}

static volatile uint8_t* map_bar(unsigned int bar, uint64_t offset, size_t length) {
  char path[600];
  uint64_t from = offset & ~(uint64_t)(PAGE - 1);
  void* map;
  int fd;

  snprintf(path, sizeof(path), "%s/resource%u", directory, bar);
  fd = open(path, O_RDWR);
  if (fd < 0) die("cannot open %s", path);
  map = mmap(NULL, length + (offset - from), PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)from);
  if (map == MAP_FAILED) die("cannot map %s", path);
  close(fd);
  return (volatile uint8_t*)map + (offset - from);
}

static uint64_t bar_at(unsigned int bar) {
  char path[600];
  unsigned long long begin = 0;
  unsigned int i;
  FILE* list;

  snprintf(path, sizeof(path), "%s/resource", directory);
  list = fopen(path, "r");
  for (i = 0; list && i <= bar; i++)
    if (fscanf(list, "%llx %*x %*x", &begin) != 1) begin = 0;
  if (list) fclose(list);
  return begin;
}

static uint32_t config32(const uint8_t* config, unsigned int at) {
  uint32_t value;

  memcpy(&value, config + at, sizeof(value));
  return value;
}

static void map_device(void) {
  uint8_t config[256];
  uint16_t command;
  char path[600];
  unsigned int cap;
  int fd;

  snprintf(path, sizeof(path), "%s/config", directory);
  fd = open(path, O_RDWR);
  if (fd < 0 || pread(fd, config, sizeof(config), 0) != sizeof(config)) die("cannot read %s", path);
  /* Memory, bus mastering, and no interrupts: nobody here would take them. */
  memcpy(&command, config + 4, 2);
  command = (uint16_t)(command | 0x406);
  pwrite(fd, &command, 2, 4);
  close(fd);

  for (cap = config[0x34] & ~3u; cap; cap = config[cap + 1] & ~3u) {
    uint32_t offset = config32(config, cap + 8), length = config32(config, cap + 12);

    if (config[cap] != CAP_VENDOR) continue;
    switch (config[cap + 3]) {
      case CAP_COMMON:
        common = (volatile void*)map_bar(config[cap + 4], offset, length);
        break;
      case CAP_NOTIFY:
        notify_length = length;
        notify_multiplier = config32(config, cap + 16);
        notify_area = map_bar(config[cap + 4], offset, length);
        break;
      case CAP_SHARED:
        window_at = bar_at(config[cap + 4]) + offset;
        window = map_bar(config[cap + 4], offset, WINDOW);
        break;
    }
  }
  if (!common || !notify_area || !window) die("the device lacks something");
}

static void make_pages(void) {
  unsigned int i, page = 0;
  int fd = open("/proc/self/pagemap", O_RDONLY);

  put("/proc/sys/vm/compact_unevictable_allowed", "0");
  memory =
      mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | MAP_LOCKED, -1, 0);
  if (memory == MAP_FAILED || madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE)) die("no memory");
  memset(memory, 0, PAGES * PAGE);
  for (i = 0; i < PAGES; i++) {
    uint64_t entry = 0;

    pread(fd, &entry, 8, (off_t)(((uintptr_t)memory / PAGE + i) * 8));
    page_at[i] = (entry & ((1ull << 55) - 1)) * PAGE;
    if (!page_at[i]) die("no physical address");
  }
  close(fd);
#define TAKE(what) ((what##_at) = page_at[page], memory + PAGE * page++)
  for (i = 0; i < QUEUES; i++) {
    queues[i].desc = (volatile void*)TAKE(queues[i].desc);
    queues[i].avail = (volatile void*)TAKE(queues[i].avail);
    queues[i].used = (volatile void*)TAKE(queues[i].used);
  }
  for (i = 0; i < SLOTS; i++) {
    commands_at[i] = page_at[page], commands[i] = memory + PAGE * page++;
    answers_at[i] = page_at[page], answers[i] = memory + PAGE * page++;
  }
  for (i = 0; i < IN_BUFFERS; i++) buffers_at[i] = page_at[page], buffers[i] = memory + PAGE * page++;
  for (i = 0; i < TABLES; i++) tables_at[i] = page_at[page], tables[i] = memory + PAGE * page++;
}

/* ---- honest use ------------------------------------------------------------------------------------------------- */

static void kick(unsigned int queue) {
  kicks++;
  barrier();
  *queues[queue].notify = (uint16_t)queue;
}

static void offer(struct queue* queue, uint16_t head) {
  offered++;
  queue->avail[2 + queue->next % queue->size] = head;
  barrier();
  queue->avail[1] = ++queue->next;
}

static void describe(struct queue* queue, unsigned int at, uint64_t address, uint32_t length, unsigned int flags,
                     unsigned int next) {
  volatile struct desc* desc = &queue->desc[at % QUEUE_SIZE];

  desc->address = address;
  desc->length = length;
  desc->flags = (uint16_t)flags;
  desc->next = (uint16_t)next;
}

static void offer_buffer(unsigned int i) {
  if (i >= queues[0].size) return;
  describe(&queues[0], i, buffers_at[i], PAGE, DESC_WRITE, 0);
  offer(&queues[0], (uint16_t)i);
}

static void reset(void) {
  double end = now() + 30;

  common->status = 0;
  while (common->status && now() < end) usleep(1000);
  memset(busy, 0, sizeof(busy));
  commanded = stopped = 0;
}

/* Any status, but none that starts the device where that would be the end of QEMU: see above. */
static void set_status(uint8_t status) {
  if ((status & STATUS_DRIVER_OK) && stopped && commanded) reset();
  if (status == 0) {
    reset();
    return;
  }
  common->status = status;
  if (!(status & STATUS_DRIVER_OK)) stopped = 1;
}

static void place(unsigned int i, uint16_t size, uint64_t desc, uint64_t avail, uint64_t used) {
  common->queue_select = (uint16_t)i;
  common->queue_size = size;
  common->queue_vector = 0xffff;
  common->desc[0] = (uint32_t)desc, common->desc[1] = (uint32_t)(desc >> 32);
  common->avail[0] = (uint32_t)avail, common->avail[1] = (uint32_t)(avail >> 32);
  common->used[0] = (uint32_t)used, common->used[1] = (uint32_t)(used >> 32);
  queues[i].notify = (volatile uint16_t*)(notify_area + common->queue_notify_off * notify_multiplier);
}

static void set_features(uint64_t features) {
  common->driver_feature_select = 0;
  common->driver_feature = (uint32_t)features;
  common->driver_feature_select = 1;
  common->driver_feature = (uint32_t)(features >> 32);
}

static uint64_t get_features(void) {
  uint64_t features;

  common->device_feature_select = 0;
  features = common->device_feature;
  common->device_feature_select = 1;
  return features | (uint64_t)common->device_feature << 32;
}

/* As a driver should, up to and with its buffers for messages. */
static void start(uint16_t size, uint64_t features, unsigned int in_buffers) {
  unsigned int i;

  common->status = STATUS_ACKNOWLEDGE;
  common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
  set_features(features);
  common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
  for (i = 0; i < QUEUES; i++) {
    struct queue* queue = &queues[i];

    memset((void*)queue->desc, 0, PAGE);
    memset((void*)queue->avail, 0, PAGE);
    memset((void*)queue->used, 0, PAGE);
    queue->size = size;
    queue->next = 0;
    queue->seen = 0;
    place(i, size, queue->desc_at, queue->avail_at, queue->used_at);
    common->queue_enable = 1;
  }
  for (i = 0; i < in_buffers && i < IN_BUFFERS; i++) offer_buffer(i);
  common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
  started++;
  if (in_buffers) kick(0);
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

static const char* const names[] = {"wayland", "allocator",  "probe",
                                    "echo",    "compositor", "no such server",
                                    "",        "../wayland", "a name that is thirty-two bytes.."};

static uint32_t an_id(void) {
  switch (below(12)) {
    case 0:
      return 0x40000000u + below(64);
    case 1:
      return 0;
    case 2:
      return 0x80000000u | below(64);
    case 3:
      return (uint32_t)draw();
    case 4:
    case 5:
    case 6:
      return known[below(KNOWN)];
    default:
      return 1 + below(100);
  }
}

static uint32_t a_size(void) {
  switch (below(8)) {
    case 0:
      return 0;
    case 1:
      return UINT32_MAX - below(PAGE);
    case 2:
      return 1u << below(32);
    case 3:
      return (uint32_t)draw();
    default:
      return 1 + below(16 * PAGE);
  }
}

static uint32_t put32(uint8_t* at, uint32_t offset, uint32_t value) {
  memcpy(at + offset, &value, 4);
  return offset + 4;
}

/* Writes some command that may be one, and returns its length. */
static uint32_t a_command(uint8_t* bytes) {
  static const uint32_t types[] = {0x100, 0x100, 0x101, 0x101, 0x102, 0x102, 0x102, 0x105, 0x105,
                                   0x109, 0x10a, 0x10a, 0x10a, 0x103, 0x104, 0x106, 0x107, 0x108};
  uint32_t type = types[below(sizeof(types) / sizeof(types[0]))], at, i, count;

  memset(bytes, 0, 256);
  if (one_in(30)) type = (uint32_t)draw();
  put32(bytes, 0, type);
  put32(bytes, 4, one_in(10) ? (uint32_t)draw() : 0);
  at = put32(bytes, 8, an_id());
  switch (one_in(20) ? 0x100 + below(12) : type) {
    case 0x100:
    case 0x105:
    case 0x107:
    case 0x10a:
      at = put32(bytes, at, type == 0x105 ? 1 + below(2) : one_in(6) ? (uint32_t)draw() : 0);
      at = put32(bytes, at, one_in(6) ? (uint32_t)draw() : 0);
      at = put32(bytes, at, one_in(6) ? (uint32_t)draw() : 0);
      at = put32(bytes, at, a_size());
      if (type == 0x10a)
        strncpy((char*)bytes + 28, names[below(sizeof(names) / sizeof(names[0]))], 32), at = 64;
      else
        at += 4;
      break;
    case 0x102:
    case 0x109:
      count = one_in(3) ? below(40) : 0;
      at = put32(bytes, at, one_in(30) ? (uint32_t)draw() : count);
      for (i = 0; i < count; i++) {
        if (type == 0x109) at = put32(bytes, at, one_in(4) ? below(5) : 0);
        at = put32(bytes, at, an_id());
      }
      switch (below(4)) {
        case 0: /* what the allocator takes */
          at = put32(bytes, at, (uint32_t)draw()), at = put32(bytes, at, 0);
          at = put32(bytes, at, a_size()), at = put32(bytes, at, 0);
          break;
        case 1: /* wl_display.get_registry */
          at = put32(bytes, at, 1), at = put32(bytes, at, 12 << 16 | 1), at = put32(bytes, at, 2);
          break;
        case 2:
          count = below(1 + PAGE - at);
          for (i = 0; i < count; i++) bytes[at + i] = (uint8_t)draw();
          at += count;
          break;
        default:
          break;
      }
      break;
    default:
      at = put32(bytes, at, (uint32_t)draw());
      break;
  }
  if (one_in(10)) at = below(at + 1);
  if (one_in(10) && at) bytes[below(at)] = (uint8_t)draw();
  return at;
}

static uint32_t a_name(uint8_t* bytes, const char* name) {
  memset(bytes, 0, 64);
  put32(bytes, 0, 0x10a);
  put32(bytes, 8, 1 + below(100));
  strncpy((char*)bytes + 28, name, 31);
  return 64;
}

static int free_slot(void) {
  unsigned int i;

  for (i = 0; i < SLOTS; i++)
    if (!busy[i] && 2 * i + 1 < queues[1].size) return (int)i;
  return -1;
}

/* Offers a command honestly: directly, through an indirect table, or in parts through one. */
static void submit(unsigned int slot, uint32_t length, int indirect) {
  struct queue* queue = &queues[1];
  uint32_t room = one_in(10) ? below(64) : 64;

  if (length == 0) length = 1;
  busy[slot] = 1;
  commanded = 1;
  if (indirect && one_in(3)) {
    unsigned int at_page = slot % (PAGE / TABLE_BYTES) * TABLE_BYTES;
    struct desc* table = (struct desc*)(tables[slot / (PAGE / TABLE_BYTES)] + at_page);
    /* No chain is longer than the queue. */
    unsigned int i, parts = 1 + below(queue->size < 9 ? queue->size - 1u : 8);
    uint32_t at = 0;

    for (i = 0; i < parts; i++) {
      uint32_t part = i == parts - 1 ? length - at : below(length - at + 1);

      table[i] = (struct desc){commands_at[slot] + at, part, DESC_NEXT, (uint16_t)(i + 1)};
      at += part;
    }
    table[parts] = (struct desc){answers_at[slot], room, DESC_WRITE, 0};
    describe(queue, 2 * slot, tables_at[slot / (PAGE / TABLE_BYTES)] + at_page, (parts + 1) * sizeof(struct desc),
             DESC_INDIRECT, 0);
  } else {
    describe(queue, 2 * slot, commands_at[slot], length, DESC_NEXT, 2 * slot + 1);
    describe(queue, 2 * slot + 1, answers_at[slot], room, DESC_WRITE, 0);
  }
  memset(answers[slot], 0, 64);
  offer(queue, (uint16_t)(2 * slot));
}

/* Takes what the device has given back; `give` says whether buffers go to it again. */
static void collect(int give) {
  struct queue *in = &queues[0], *out = &queues[1];
  uint32_t words[7];
  int given = 0;

  while (out->used[1] != out->seen) {
    uint32_t head = out->used[2 + 4 * (out->seen % out->size)];
    unsigned int slot = head / 2 % SLOTS;

    out->seen++;
    answered++;
    busy[slot] = 0;
    memcpy(words, answers[slot], sizeof(words));
    if (words[0] == 0x1001) {
      made++;
      known[known_next++ % KNOWN] = words[2];
    } else if (words[0] >= 0x1100 && words[0] <= 0x1105) {
      refused++;
    }
  }
  while (in->used[1] != in->seen) {
    uint32_t head = in->used[2 + 4 * (in->seen % in->size)];

    in->seen++;
    messages++;
    memcpy(words, buffers[head % IN_BUFFERS], sizeof(words));
    if (words[0] == 0x100) known[known_next++ % KNOWN] = words[2];
    if (give) {
      offer_buffer(head % IN_BUFFERS);
      given = 1;
    }
  }
  if (given) kick(0);
}

/* Waits until the device has answered everything; whether it did. It does not where a server holds the sender back. */
static int settle(int give) {
  double end = now() + 0.5;

  while (queues[1].used[1] != queues[1].next) {
    collect(give);
    if (now() > end) {
      stuck++;
      return 0;
    }
    usleep(200);
  }
  collect(give);
  return 1;
}

static void touch_window(void) {
  unsigned int i, at = below(WINDOW / 8), step = 1 + below(5000);
  volatile uint64_t* words = (volatile uint64_t*)window;

  for (i = 0; i < 64; i++) {
    at = (at + step) % (WINDOW / 8);
    if (i & 1)
      words[at] = at;
    else
      (void)words[at];
  }
}

/* ---- moods ------------------------------------------------------------------------------------------------------ */

static uint16_t a_queue_size(void) { return (uint16_t)(one_in(3) ? 1u << below(9) : QUEUE_SIZE); }

static uint64_t some_features(void) {
  uint64_t features =
      FEATURE_VERSION_1 | FEATURE_TRANS_FLAGS | FEATURE_USE_SHMEM | FEATURE_INDIRECT | FEATURE_EVENT_IDX;

  if (one_in(3)) features &= ~FEATURE_EVENT_IDX;
  if (one_in(6)) features &= ~FEATURE_INDIRECT;
  if (one_in(6)) features &= ~FEATURE_TRANS_FLAGS;
  if (one_in(10)) features &= ~FEATURE_USE_SHMEM;
  return features;
}

static void wild_commands(unsigned int in_buffers, int give) {
  uint64_t features = some_features();
  unsigned int i, rounds = 1 + below(40);
  int slot;

  start(a_queue_size(), features, in_buffers);
  for (i = 0; i < rounds; i++) {
    unsigned int count = 1 + below(SLOTS);

    while (count-- && (slot = free_slot()) >= 0) {
      uint32_t length = one_in(6) ? a_name(commands[slot], names[below(4)]) : a_command(commands[slot]);

      submit((unsigned int)slot, length, (features & FEATURE_INDIRECT) != 0);
      /* What the device reads may change under it. */
      if (one_in(10)) commands[slot][below(64)] = (uint8_t)draw();
    }
    kick(1);
    if (one_in(3)) touch_window();
    if (!one_in(5) && !settle(give)) break;
  }
}

static uint64_t an_address(int writable) {
  switch (below(10)) {
    case 0:
      return draw();
    case 1:
      return ~0ull - below(64);
    case 2:
      return 1ull << below(64);
    case 3:
      return 0xfee00000 + below(PAGE);
    case 4:
      return window_at + (uint64_t)below(WINDOW);
    case 5:
      return (window_at + (4ull << 30)) - below(64);
    case 6:
      return writable ? 0xfffc0000u : below(1u << 29);
    case 7:
      return 0xa0000 + below(0x20000);
    default:
      return page_at[3 * QUEUES + below(PAGES - 3 * QUEUES)] + (one_in(3) ? below(PAGE) : 0);
  }
}

static int is_own(uint64_t address, uint32_t length) {
  unsigned int i;

  for (i = 0; i < PAGES; i++)
    if (address >= page_at[i] && address + length <= page_at[i] + PAGE) return 1;
  return 0;
}

static uint32_t a_length(void) {
  switch (below(8)) {
    case 0:
      return UINT32_MAX - below(16);
    case 1:
      return 0;
    case 2:
      return 1u << below(32);
    case 3:
      return (uint32_t)draw();
    default:
      return below(PAGE);
  }
}

/* A descriptor by chance. What the device may write to is ours whole, or nowhere in the guest's RAM. */
static struct desc a_desc(uint16_t size) {
  struct desc desc;

  desc.flags = (uint16_t)(one_in(6) ? draw() : below(8));
  desc.next = (uint16_t)(one_in(6) ? draw() : below(size));
  desc.address = an_address(desc.flags & DESC_WRITE);
  desc.length = a_length();
  if (desc.flags & DESC_WRITE) {
    int in_ram = desc.address < (4ull << 30) && !is_own(desc.address, desc.length);

    if (in_ram && desc.address < 0xa0000000u) desc.flags = (uint16_t)(desc.flags & ~DESC_WRITE);
  }
  return desc;
}

static void wild_rings(void) {
  uint16_t size = a_queue_size();
  unsigned int i, j, rounds = 1 + below(30), which;

  start(size, some_features(), below(IN_BUFFERS + 1));
  for (i = 0; i < rounds; i++) {
    struct queue* queue = &queues[which = one_in(4) ? 0 : 1];

    switch (below(8)) {
      case 0: /* chains by chance */
        for (j = 0; j < QUEUE_SIZE; j++) {
          struct desc desc = a_desc(size);

          describe(queue, j, desc.address, desc.length, desc.flags, desc.next);
        }
        offer(queue, (uint16_t)below(size));
        break;
      case 1: /* an indirect table by chance */
        for (j = 0; j < PAGE / sizeof(struct desc); j++) ((struct desc*)tables[0])[j] = a_desc(size);
        describe(queue, 0, tables_at[0] + (one_in(4) ? below(64) : 0), one_in(3) ? a_length() : 16 * below(257),
                 DESC_INDIRECT | (one_in(4) ? below(4) : 0), below(size));
        offer(queue, 0);
        break;
      case 2: /* an index that jumps */
        queue->next = (uint16_t)(queue->next + (one_in(2) ? draw() : below(2 * size)));
        queue->avail[1] = queue->next;
        break;
      case 3: /* a head beyond the table */
        offer(queue, (uint16_t)draw());
        break;
      case 4: /* a loop */
        describe(queue, 0, commands_at[0], 16, DESC_NEXT, 1 % size);
        describe(queue, 1, commands_at[0], 16, DESC_NEXT, 0);
        offer(queue, 0);
        break;
      case 5: /* 4 GiB to read */
        for (j = 0; j < size; j++) describe(queue, j, commands_at[0], PAGE, j == size - 1u ? 0 : DESC_NEXT, j + 1);
        describe(queue, size - 1u, page_at[0], UINT32_MAX, 0, 0);
        offer(queue, 0);
        break;
      case 6: /* its own rings as buffers, and as answers */
        describe(queue, 0, queue->avail_at, PAGE, DESC_NEXT, 1 % size);
        describe(queue, 1, queue->used_at, PAGE, DESC_WRITE, 0);
        offer(queue, 0);
        break;
      default: /* noise over the rings */
        for (j = 0; j < 64; j++) {
          if (one_in(2))
            queue->avail[below(PAGE / 2)] = (uint16_t)draw();
          else
            queue->used[below(PAGE / 2)] = (uint16_t)draw();
        }
        break;
    }
    kick(which);
    if (one_in(4)) kick(1 - which);
    if (one_in(4)) usleep(below(2000));
  }
}

static void no_buffers(void) {
  unsigned int i;

  switch (below(3)) {
    case 0:
      wild_commands(0, 0);
      return;
    case 1:
      wild_commands(below(8), 0);
      return;
    default:
      start(QUEUE_SIZE, some_features(), 0);
      for (i = 0; i < IN_BUFFERS; i++) {
        describe(&queues[0], i, buffers_at[i], below(64), DESC_WRITE, 0);
        offer(&queues[0], (uint16_t)i);
      }
      kick(0);
      for (i = 0; i < 20; i++) {
        int slot = free_slot();

        if (slot < 0) break;
        submit((unsigned int)slot, i < 4 ? a_name(commands[slot], names[i % 3]) : a_command(commands[slot]), 0);
        kick(1);
        settle(0);
      }
  }
}

static void wild_registers(void) {
  unsigned int i, j, steps = 1 + below(30);
  uint64_t features = some_features();

  if (one_in(3)) features = one_in(2) ? draw() : get_features() & draw();
  start(a_queue_size(), features, below(IN_BUFFERS + 1));
  for (i = 0; i < steps; i++) {
    struct queue* queue = &queues[j = below(QUEUES)];
    int slot;

    switch (below(12)) {
      case 0:
        set_status((uint8_t)below(16));
        break;
      case 1:
        set_status(STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
        break;
      case 2:
        set_features(draw());
        break;
      case 3:
        common->queue_select = (uint16_t)(one_in(2) ? below(4) : draw());
        break;
      case 4:
        common->queue_size = (uint16_t)(one_in(2) ? 1u << below(16) : draw());
        break;
      case 5:
        common->queue_enable = (uint16_t)below(3);
        break;
      case 6:
        place(j, a_queue_size(), an_address(0), an_address(0), an_address(1) | (0xfffull << 40));
        break;
      case 7:
        place(j, QUEUE_SIZE, queue->desc_at, queue->avail_at, queue->used_at);
        break;
      case 8:
        *(volatile uint16_t*)(notify_area + (below(notify_length) & ~3u)) = (uint16_t)draw();
        break;
      case 9:
        reset();
        start(a_queue_size(), some_features(), below(IN_BUFFERS + 1));
        break;
      case 10:
        common->queue_vector = (uint16_t)below(4);
        break;
      default:
        slot = free_slot();
        if (slot >= 0) submit((unsigned int)slot, a_command(commands[slot]), 0);
        kick(1);
        break;
    }
    if (one_in(3)) collect(one_in(2));
  }
}

/* Memory that is there when the device is reset. */
static void many_memories(void) {
  unsigned int i, count = 1 + below(one_in(5) ? 500 : 60);

  start(QUEUE_SIZE, some_features() | FEATURE_USE_SHMEM | FEATURE_TRANS_FLAGS, IN_BUFFERS);
  for (i = 0; i < count; i++) {
    int slot = free_slot();

    if (slot < 0) {
      kick(1);
      if (!settle(1) || (slot = free_slot()) < 0) return;
    }
    memset(commands[slot], 0, 32);
    put32(commands[slot], 0, 0x100);
    put32(commands[slot], 8, 1 + i);
    put32(commands[slot], 24, PAGE * (1 + below(8)));
    submit((unsigned int)slot, 32, 0);
  }
  kick(1);
  if (!one_in(4)) settle(1);
  touch_window();
  /* Some are closed, in no order; the rest is left for the reset. */
  for (i = 0; i < count / 2; i++) {
    int slot = free_slot();

    if (slot < 0) break;
    memset(commands[slot], 0, 32);
    put32(commands[slot], 0, 0x101);
    put32(commands[slot], 8, 1 + below(count));
    submit((unsigned int)slot, 12, 0);
    if (one_in(8)) kick(1);
  }
  kick(1);
  if (one_in(2)) settle(1);
}

/* Memory that is there when the device is stopped and started again, without a reset between. */
static void stops(void) {
  const uint8_t without = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
  unsigned int i, count = 1 + below(SLOTS), times = 1 + below(3);

  start(QUEUE_SIZE, some_features() | FEATURE_USE_SHMEM | FEATURE_TRANS_FLAGS, IN_BUFFERS);
  for (i = 0; i < count; i++) {
    int slot = free_slot();

    if (slot < 0) break;
    memset(commands[slot], 0, 32);
    put32(commands[slot], 0, 0x100);
    put32(commands[slot], 8, 1 + i);
    put32(commands[slot], 24, PAGE * (1 + below(8)));
    submit((unsigned int)slot, 32, 0);
  }
  kick(1);
  if (!one_in(4)) settle(1);
  for (i = 0; i < times; i++) {
    common->status = without;
    if (one_in(3)) usleep(below(2000));
    common->status = without | STATUS_DRIVER_OK;
    if (!one_in(3)) usleep(below(20000));
    if (one_in(2)) touch_window();
  }
}

/* Another processor of the guest, that uses the device meanwhile. */
static volatile int noisy, over;

static void* noise(void* unused) {
  uint32_t at = 0;

  (void)unused;
  while (!over) {
    if (!noisy || !queues[0].notify) {
      usleep(1000);
      continue;
    }
    at = (at * 1103515245u + 12345u);
    if (at & 0x10000) *queues[at >> 17 & 1].notify = (uint16_t)(at >> 17 & 1);
    ((volatile uint32_t*)window)[(at >> 8) % (WINDOW / 4)] = at;
    if ((at & 0x3f) == 0) usleep(500);
  }
  return NULL;
}

int main(int argc, char** argv) {
  const char* moods = "crnfm";
  double seconds = 10, end;
  uint64_t seed = (uint64_t)time(NULL);
  char address[32];
  pthread_t other;
  int i;

  for (i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--verbose")) {
      verbose = 1;
      continue;
    }
    if (i + 1 == argc) die("usage: raw_ring [--seconds N] [--seed N] [--moods LETTERS] [--verbose]");
    if (!strcmp(argv[i], "--seconds"))
      seconds = atof(argv[++i]);
    else if (!strcmp(argv[i], "--seed"))
      seed = strtoull(argv[++i], NULL, 0);
    else if (!strcmp(argv[i], "--moods"))
      moods = argv[++i];
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("seed %llu\n", (unsigned long long)seed);
  draw_state = seed ? seed : 1;
  find_device(address, sizeof(address));
  map_device();
  make_pages();
  pthread_create(&other, NULL, noise, NULL);
  end = now() + seconds;
  while (now() < end) {
    char mood = moods[below((uint32_t)strlen(moods))];

    lives++;
    if (verbose) printf("life %lu: %c\n", lives, mood);
    reset();
    noisy = one_in(3);
    switch (mood) {
      case 'c':
        wild_commands(IN_BUFFERS, 1);
        break;
      case 'r':
        wild_rings();
        break;
      case 'n':
        no_buffers();
        break;
      case 'f':
        wild_registers();
        break;
      case 'm':
        many_memories();
        break;
      case 's':
        stops();
        break;
      default:
        die("no mood %c", mood);
    }
  }
  over = 1;
  pthread_join(other, NULL);
  reset();
  printf("lives %lu started %lu offered %lu answered %lu made %lu refused %lu messages %lu kicks %lu stuck %lu\n",
         lives, started, offered, answered, made, refused, messages, kicks, stuck);
  put("/sys/bus/pci/drivers/virtio-pci/bind", address);
  printf("the device is the kernel's again\n");
  return 0;
}
