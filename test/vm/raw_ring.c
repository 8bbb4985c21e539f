/*
 * A driver of the wl device that does its worst, as raw_ring.h has it, and in one mood more:
 *
 *   n  no buffers for what the device has to say, or too few, or too small
 */
#define _GNU_SOURCE
#define DEVICE "wl device"
#define IDS {30, 63}
#define MOODS "n"
#define MESSAGES 0
#define COMMANDS 1
#define ANSWER_ROOM 64
#define RACED 64
#define FEATURE_TRANS_FLAGS (1ull << 1)
#define FEATURE_USE_SHMEM (1ull << 3)
#define OWN_FEATURES (FEATURE_TRANS_FLAGS | FEATURE_USE_SHMEM)

#include "raw_ring.h"

/* What the device said last, for ids that exist. */
#define KNOWN 64
static uint32_t known[KNOWN];
static unsigned int known_next;

static void offer_buffer(unsigned int i) {
  if (i >= queues[0].size) return;
  describe(&queues[0], i, buffers_at[i], PAGE, DESC_WRITE, 0);
  offer(&queues[0], (uint16_t)i);
}

static void lend(unsigned int count) {
  unsigned int i;

  for (i = 0; i < count && i < BUFFERS; i++) offer_buffer(i);
}

static uint64_t own_features(void) {
  uint64_t features = OWN_FEATURES;

  if (one_in(6)) features &= ~FEATURE_TRANS_FLAGS;
  if (one_in(10)) features &= ~FEATURE_USE_SHMEM;
  return features;
}

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

static uint32_t some_command(unsigned int slot) {
  return one_in(6) ? a_name(commands[slot], names[below(4)]) : a_command(commands[slot]);
}

static void take_answer(unsigned int slot) {
  uint32_t words[3];

  memcpy(words, answers[slot], sizeof(words));
  if (words[0] == 0x1001) {
    made++;
    known[known_next++ % KNOWN] = words[2];
  } else if (words[0] >= 0x1100 && words[0] <= 0x1105) {
    refused++;
  }
}

static void take_messages(int give) {
  struct queue* in = &queues[MESSAGES];
  uint32_t words[3];
  int given = 0;

  while (in->used[1] != in->seen) {
    uint32_t first = in->used[2 + 4 * (in->seen % in->size)];

    in->seen++;
    messages++;
    memcpy(words, buffers[first % BUFFERS], sizeof(words));
    if (words[0] == 0x100) known[known_next++ % KNOWN] = words[2];
    if (give) {
      offer_buffer(first % BUFFERS);
      given = 1;
    }
  }
  if (given) kick(MESSAGES);
}

static unsigned int waiting(void) { return 0; }

static uint32_t before_memories(unsigned int slot, unsigned int number) {
  (void)slot;
  (void)number;
  return 0;
}

static uint32_t make_memory(unsigned int slot, unsigned int number, uint32_t id, uint32_t pages) {
  if (number) return 0;
  memset(commands[slot], 0, 32);
  put32(commands[slot], 0, 0x100);
  put32(commands[slot], 8, id);
  put32(commands[slot], 24, PAGE * pages);
  return 32;
}

static uint32_t close_memory(unsigned int slot, uint32_t id) {
  memset(commands[slot], 0, 32);
  put32(commands[slot], 0, 0x101);
  put32(commands[slot], 8, id);
  return 12;
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
      for (i = 0; i < BUFFERS; i++) {
        describe(&queues[MESSAGES], i, buffers_at[i], below(64), DESC_WRITE, 0);
        offer(&queues[MESSAGES], (uint16_t)i);
      }
      kick(MESSAGES);
      for (i = 0; i < 20; i++) {
        int slot = free_slot();

        if (slot < 0) break;
        issue((unsigned int)slot, i < 4 ? a_name(commands[slot], names[i % 3]) : a_command(commands[slot]), 0);
        kick(COMMANDS);
        settle(0);
      }
  }
}

static int live(char mood) {
  if (mood != 'n') return 0;
  no_buffers();
  return 1;
}
