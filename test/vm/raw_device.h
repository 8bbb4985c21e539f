/*
 * A device as a driver of a guest's own has it: taken from the kernel as a PCI function, with its registers, two queues
 * and its shared memory. It needs no driver of the kernel: the queues lie in locked pages of this process, whose
 * physical addresses /proc/self/pagemap tells root. For raw_ring.h, which says what a program defines before it
 * includes this.
 */
#ifndef VIRTWL_TEST_RAW_DEVICE_H_
#define VIRTWL_TEST_RAW_DEVICE_H_

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

/* virtio's vendor, and where the ids of its devices begin. */
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

#define FEATURE_INDIRECT (1ull << 28)
#define FEATURE_EVENT_IDX (1ull << 29)
#define FEATURE_VERSION_1 (1ull << 32)

#define QUEUES 2
#define QUEUE_SIZE 256
#define SLOTS 64
/* Pages of the program's own use. */
#define BUFFERS 64
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
#define PAGES (3 * QUEUES + 2 * SLOTS + BUFFERS + TABLES)
static uint8_t* memory;
static uint64_t page_at[PAGES];
static uint8_t *commands[SLOTS], *answers[SLOTS], *buffers[BUFFERS], *tables[TABLES];
static uint64_t commands_at[SLOTS], answers_at[SLOTS], buffers_at[BUFFERS], tables_at[TABLES];
static unsigned char busy[SLOTS];

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

/* ---- what the program has ---------------------------------------------------------------------------------------- */

/* Offers the device what it may answer or say something with, so much of it. */
static void lend(unsigned int count);
/* Some features of the device's own. */
static uint64_t own_features(void);
/* Writes some command that may be one to the slot. Its length. */
static uint32_t some_command(unsigned int slot);
/* What came back with this slot. */
static void take_answer(unsigned int slot);
/* Takes what came back on MESSAGES, and offers it again where "give" is. */
static void take_messages(int give);
/* Answered late on purpose: so many commands that wait are no fault. */
static unsigned int waiting(void);
/* Writes the command of that number among those that make a memory of so many pages and map it: its length, or 0. */
static uint32_t make_memory(unsigned int slot, unsigned int number, uint32_t id, uint32_t pages);
/* What comes before the first of them: as that. */
static uint32_t before_memories(unsigned int slot, unsigned int number);
static uint32_t close_memory(unsigned int slot, uint32_t id);
/* A life in a mood of the program's own; 0 where there is no such mood. */
static int live(char mood);

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
    static const unsigned int ids[] = IDS;
    unsigned int id = number_in(entry->d_name, "device"), i;

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]) && id != DEVICE_BASE + ids[i];) i++;
    if (i == sizeof(ids) / sizeof(ids[0]) || number_in(entry->d_name, "vendor") != VENDOR) continue;
    snprintf(address, room, "%.31s", entry->d_name);
    snprintf(directory, sizeof(directory), "/sys/bus/pci/devices/%.31s", entry->d_name);
    closedir(list);
    snprintf(path, sizeof(path), "%s/driver/unbind", directory);
    if (access(path, F_OK) == 0) put(path, address);
    return;
  }
  errno = ENODEV;
  die("no %s", DEVICE);
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
  for (i = 0; i < BUFFERS; i++) buffers_at[i] = page_at[page], buffers[i] = memory + PAGE * page++;
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

/* As a driver should, up to and with what it lends the device. */
static void start(uint16_t size, uint64_t features, unsigned int lent) {
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
  lend(lent);
  common->status = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
  started++;
  if (lent) kick(MESSAGES);
}

static uint32_t put32(uint8_t* at, uint32_t offset, uint32_t value) {
  memcpy(at + offset, &value, 4);
  return offset + 4;
}

static int free_slot(void) {
  unsigned int i;

  for (i = 0; i < SLOTS; i++)
    if (!busy[i] && 2 * i + 1 < queues[COMMANDS].size) return (int)i;
  return -1;
}

/* Offers a command honestly: directly, through an indirect table, or in parts through one. */
static void issue(unsigned int slot, uint32_t length, int indirect) {
  struct queue* queue = &queues[COMMANDS];
  uint32_t room = one_in(10) ? below(ANSWER_ROOM) : ANSWER_ROOM;

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
  memset(answers[slot], 0, ANSWER_ROOM);
  offer(queue, (uint16_t)(2 * slot));
}

/* Takes what the device has given back; `give` says whether what was lent goes to it again. */
static void collect(int give) {
  struct queue* queue = &queues[COMMANDS];

  while (queue->used[1] != queue->seen) {
    uint32_t first = queue->used[2 + 4 * (queue->seen % queue->size)];
    unsigned int slot = first / 2 % SLOTS;

    queue->seen++;
    answered++;
    busy[slot] = 0;
    take_answer(slot);
  }
  take_messages(give);
}

/* Waits until the device has answered everything; whether it did. It does not where a server holds the sender back. */
static int settle(int give) {
  double end = now() + 0.5;

  while ((uint16_t)(queues[COMMANDS].next - queues[COMMANDS].used[1]) > waiting()) {
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

#endif /* VIRTWL_TEST_RAW_DEVICE_H_ */
