/*
 * What drivers of a guest's own share that do their worst (raw_ring.c, raw_ring_gpu.c): such a program takes its device
 * from the kernel and writes what it likes to its registers, its queues and its shared memory.
 *
 *   PROGRAM [--seconds N] [--seed N] [--moods LETTERS] [--verbose]
 *
 * With --verbose it tells of each life, looks whether the device answers an honest driver after it, and ends where not.
 *
 * It lives many lives, each from one reset of the device to the next, in one of these moods, or in one of the
 * program's:
 *
 *   c  honest rings, wild commands: ids that exist, that do not, or that are the device's; bodies of other commands
 *   r  wild rings: chains that loop or lead outside memory, 4 GiB long, nonsensical indirect tables, indexes that jump
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
 *
 * A program defines, before it includes this: DEVICE, the device's name; IDS, its virtio ids; MOODS, those that it has
 * by itself; COMMANDS, the queue that takes commands, where MESSAGES is the other; ANSWER_ROOM, bytes for an answer;
 * RACED, bytes of a command that may change while the device reads it; OWN_FEATURES, the device's, as a mask.
 */
#ifndef VIRTWL_TEST_RAW_RING_H_
#define VIRTWL_TEST_RAW_RING_H_

#include "raw_device.h"

/* ---- moods ------------------------------------------------------------------------------------------------------ */

static uint16_t a_queue_size(void) { return (uint16_t)(one_in(3) ? 1u << below(9) : QUEUE_SIZE); }

static uint64_t some_features(void) {
  uint64_t features = FEATURE_VERSION_1 | FEATURE_INDIRECT | FEATURE_EVENT_IDX;

  if (one_in(3)) features &= ~FEATURE_EVENT_IDX;
  if (one_in(6)) features &= ~FEATURE_INDIRECT;
  return features | own_features();
}

static void wild_commands(unsigned int lent, int give) {
  uint64_t features = some_features();
  unsigned int i, rounds = 1 + below(40);
  int slot;

  start(a_queue_size(), features, lent);
  for (i = 0; i < rounds; i++) {
    unsigned int count = 1 + below(SLOTS);

    while (count-- && (slot = free_slot()) >= 0) {
      uint32_t length = some_command((unsigned int)slot);

      issue((unsigned int)slot, length, (features & FEATURE_INDIRECT) != 0);
      /* What the device reads may change under it. */
      if (one_in(10)) commands[slot][below(RACED)] = (uint8_t)draw();
    }
    kick(COMMANDS);
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

  start(size, some_features(), below(BUFFERS + 1));
  for (i = 0; i < rounds; i++) {
    struct queue* queue = &queues[which = one_in(4) ? MESSAGES : COMMANDS];

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

static void wild_registers(void) {
  unsigned int i, j, steps = 1 + below(30);
  uint64_t features = some_features();

  if (one_in(3)) features = one_in(2) ? draw() : get_features() & draw();
  start(a_queue_size(), features, below(BUFFERS + 1));
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
        start(a_queue_size(), some_features(), below(BUFFERS + 1));
        break;
      case 10:
        common->queue_vector = (uint16_t)below(4);
        break;
      default:
        slot = free_slot();
        if (slot >= 0) issue((unsigned int)slot, some_command((unsigned int)slot), 0);
        kick(COMMANDS);
        break;
    }
    if (one_in(3)) collect(one_in(2));
  }
}

/* A slot that is free, if need be when the device has answered; -1 where it does not. */
static int next_slot(void) {
  int slot = free_slot();

  if (slot >= 0) return slot;
  kick(COMMANDS);
  return settle(1) ? free_slot() : -1;
}

/* Makes so many memories and maps them; whether it could offer all. */
static int make_memories(unsigned int count, uint32_t most_pages) {
  unsigned int i, number;
  uint32_t length;
  int slot;

  for (number = 0;; number++) {
    if ((slot = next_slot()) < 0) return 0;
    if (!(length = before_memories((unsigned int)slot, number))) break;
    issue((unsigned int)slot, length, 0);
  }
  for (i = 0; i < count; i++) {
    uint32_t pages = 1 + below(most_pages);

    for (number = 0;; number++) {
      if ((slot = next_slot()) < 0) return 0;
      if (!(length = make_memory((unsigned int)slot, number, 1 + i, pages))) break;
      issue((unsigned int)slot, length, 0);
    }
  }
  kick(COMMANDS);
  return 1;
}

/* Memory that is there when the device is reset. */
static void many_memories(void) {
  unsigned int i, count = 1 + below(one_in(5) ? 500 : 60);

  start(QUEUE_SIZE, some_features() | OWN_FEATURES, BUFFERS);
  if (!make_memories(count, 8)) return;
  if (!one_in(4)) settle(1);
  touch_window();
  /* Some are closed, in no order; the rest is left for the reset. */
  for (i = 0; i < count / 2; i++) {
    int slot = free_slot();

    if (slot < 0) break;
    issue((unsigned int)slot, close_memory((unsigned int)slot, 1 + below(count)), 0);
    if (one_in(8)) kick(COMMANDS);
  }
  kick(COMMANDS);
  if (one_in(2)) settle(1);
}

/* Memory that is there when the device is stopped and started again, without a reset between. */
static void stops(void) {
  const uint8_t without = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
  unsigned int i, times = 1 + below(3);

  start(QUEUE_SIZE, some_features() | OWN_FEATURES, BUFFERS);
  make_memories(1 + below(SLOTS), 8);
  if (!one_in(4)) settle(1);
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

/* How long an answer may take. The guest is emulated. */
#define ANSWER_SECONDS 10

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

/* Whether the device answers a driver that does all as it should. */
static int answers_an_honest_one(void) {
  struct queue* queue = &queues[COMMANDS];
  double end = now() + ANSWER_SECONDS;

  noisy = 0;
  reset();
  start(QUEUE_SIZE, FEATURE_VERSION_1 | FEATURE_INDIRECT | FEATURE_EVENT_IDX | OWN_FEATURES, BUFFERS);
  issue(0, close_memory(0, 1), 0);
  kick(COMMANDS);
  while (queue->used[1] != queue->next && now() < end) usleep(200);
  return queue->used[1] == queue->next;
}

int main(int argc, char** argv) {
  const char* moods = "crfm" MOODS;
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
    if (i + 1 == argc) die("usage: [--seconds N] [--seed N] [--moods LETTERS] [--verbose]");
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
        wild_commands(BUFFERS, 1);
        break;
      case 'r':
        wild_rings();
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
        if (!live(mood)) die("no mood %c", mood);
    }
    if (verbose && !answers_an_honest_one()) {
      printf("life %lu, mood %c: no answers any more\n", lives, mood);
      break;
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

#endif /* VIRTWL_TEST_RAW_RING_H_ */
