/*
 * A driver of the gpu device that does its worst, as raw_ring.h has it, and in one mood more:
 *
 *   p  channels with POLLs that wait, more than may, when the device is reset or their rings are taken from them
 *
 * Among wild commands there are honest ones, each the next that a context needs to become a channel of a server and to
 * speak with it: what is behind them is reached, too. The device writes to rings, so these are pages of this process,
 * or nowhere in the guest's RAM.
 */
#define _GNU_SOURCE
#define DEVICE "gpu device"
#define IDS {16}
#define MOODS "p"
#define COMMANDS 0
/* The queue of cursors, on which the device has nothing to do. */
#define MESSAGES 1
#define ANSWER_ROOM 512
/* Behind are addresses of rings. */
#define RACED 56
#define FEATURE_VIRGL 1ull
#define FEATURE_RESOURCE_BLOB (1ull << 3)
#define FEATURE_CONTEXT_INIT (1ull << 4)
#define OWN_FEATURES (FEATURE_VIRGL | FEATURE_RESOURCE_BLOB | FEATURE_CONTEXT_INIT)

#include "raw_ring.h"

#include "gpu_guest.h"

/* The device's commands, and the answers that say that one was done. */
#define GET_DISPLAY_INFO 0x100
#define RESOURCE_UNREF 0x102
#define GET_CAPSET_INFO 0x108
#define GET_CAPSET 0x109
#define RESOURCE_CREATE_BLOB 0x10c
#define CTX_CREATE 0x200
#define CTX_DESTROY 0x201
#define CTX_ATTACH_RESOURCE 0x202
#define CTX_DETACH_RESOURCE 0x203
#define SUBMIT_3D 0x207
#define RESOURCE_MAP_BLOB 0x208
#define RESOURCE_UNMAP_BLOB 0x209
#define ANSWERS_GOOD 0x1100
#define ANSWERS_BAD 0x1200

#define HEADER 24
#define FLAG_FENCE 1u
/* Of the id of an image: it is that and the image's pages. */
#define IMAGE_ID 0x40000000u
/* RAM is below, as far as there is any. */
#define RAM_END 0xa0000000u

/* Contexts that become channels; their rings are resources from RINGS on, in a page of "buffers" each. */
#define CHANNELS 16
#define RINGS 1000u
static const char* const names[] = {"wayland", "probe",          "allocator", "compositor",
                                    "echo",    "no such server", "",          "../wayland"};
#define NAMES (sizeof(names) / sizeof(names[0]))

/* How far each context has come, and, by slot, a POLL that may wait: its context's number and one. */
static unsigned char stage[CHANNELS], polled[SLOTS];

static uint32_t a_context(void) {
  switch (below(10)) {
    case 0:
      return (uint32_t)draw();
    case 1:
      return 0;
    default:
      return 1 + below(CHANNELS);
  }
}

static uint32_t a_resource(void) {
  switch (below(8)) {
    case 0:
      return (uint32_t)draw();
    case 1:
      return 0;
    case 2:
    case 3:
      return RINGS + below(CHANNELS);
    default:
      return 1 + below(60);
  }
}

static uint32_t a_word(void) {
  switch (below(6)) {
    case 0:
      return (uint32_t)draw();
    case 1:
      return 1u << below(32);
    case 2:
      return UINT32_MAX - below(64);
    case 3:
      return one_in(2) ? a_resource() : 0x80000000u + below(8);
    default:
      return below(64);
  }
}

static uint32_t put64(uint8_t* at, uint32_t offset, uint64_t value) {
  memcpy(at + offset, &value, 8);
  return offset + 8;
}

/* A command's header. */
static uint32_t begin(uint8_t* bytes, uint32_t type, uint32_t flags, uint32_t context) {
  memset(bytes, 0, 512);
  put32(bytes, 0, type);
  put32(bytes, 4, flags);
  put64(bytes, 8, draw());
  put32(bytes, 16, context);
  return HEADER;
}

static uint32_t of_resource(uint8_t* bytes, uint32_t type, uint32_t context, uint32_t resource) {
  put32(bytes, begin(bytes, type, FLAG_FENCE, context), resource);
  return HEADER + 8;
}

static uint32_t new_context(uint8_t* bytes, uint32_t context) {
  begin(bytes, CTX_CREATE, FLAG_FENCE, context);
  put32(bytes, HEADER + 4, CAPSET);
  return HEADER + 72;
}

static uint32_t put_blob(uint8_t* bytes, uint32_t resource, uint32_t kind, uint32_t entries, uint64_t id,
                         uint64_t size) {
  put32(bytes, HEADER, resource);
  put32(bytes, HEADER + 4, kind);
  put32(bytes, HEADER + 8, VIRTGPU_BLOB_FLAG_USE_MAPPABLE);
  put32(bytes, HEADER + 12, entries);
  put64(bytes, HEADER + 16, id);
  return put64(bytes, HEADER + 24, size);
}

static uint32_t new_ring(uint8_t* bytes, unsigned int channel) {
  uint32_t at;

  begin(bytes, RESOURCE_CREATE_BLOB, FLAG_FENCE, 1 + channel);
  at = put_blob(bytes, RINGS + channel, VIRTGPU_BLOB_MEM_GUEST, 1, 0, PAGE);
  at = put64(bytes, at, buffers_at[channel]);
  put32(bytes, at, PAGE);
  return at + 8;
}

static uint32_t new_image(uint8_t* bytes, uint32_t context, uint32_t resource, uint32_t pages) {
  begin(bytes, RESOURCE_CREATE_BLOB, FLAG_FENCE, context);
  return put_blob(bytes, resource, VIRTGPU_BLOB_MEM_HOST3D, 0, IMAGE_ID + pages, (uint64_t)PAGE * pages);
}

static uint32_t map_at(uint8_t* bytes, uint32_t resource, uint64_t offset) {
  of_resource(bytes, RESOURCE_MAP_BLOB, 0, resource);
  return put64(bytes, HEADER + 8, offset);
}

/* ---- cross-domain ----------------------------------------------------------------------------------------------- */

/* Where the commands of a submission begin. */
#define PAYLOAD (HEADER + 8)

static uint32_t submission(uint8_t* bytes, uint32_t length) {
  put32(bytes, HEADER, length);
  return PAYLOAD + length;
}

static uint32_t put_init(uint8_t* at, uint32_t ring, uint32_t channel, const char* name) {
  uint32_t length = channel == CHANNEL_NAMED ? 52 : 20;

  put32(at, 0, head(INIT, length));
  put32(at, 8, ring);
  put32(at, 12, ring);
  put32(at, 16, channel);
  if (channel == CHANNEL_NAMED) strncpy((char*)at + 20, name, 31);
  return length;
}

/* Data that a server takes, or noise; with identifiers that there are, or not. */
static uint32_t put_send(uint8_t* at) {
  static const uint32_t kinds[] = {1, 1, 3, 4, 0x10};
  uint32_t count = one_in(3) ? below(5) : 0, bytes = 16, i;

  for (i = 0; i < count; i++) {
    put32(at, 16 + 4 * i, a_word());
    put32(at, 16 + 4 * (SENT + i), one_in(8) ? a_word() : kinds[below(5)]);
  }
  switch (below(4)) {
    case 0: /* what the allocator takes */
      put32(at, 4 * SENT_WORDS, (uint32_t)draw());
      put32(at, 4 * SENT_WORDS + 8, PAGE * (1 + below(64)));
      break;
    case 1: /* wl_display.get_registry */
      put32(at, 4 * SENT_WORDS, 1);
      put32(at, 4 * SENT_WORDS + 4, 12 << 16 | 1);
      put32(at, 4 * SENT_WORDS + 8, 2);
      bytes = 12;
      break;
    default:
      bytes = below(one_in(8) ? 2000 : 64);
      for (i = 0; i < bytes; i += 4) put32(at, 4 * SENT_WORDS + i, (uint32_t)draw());
  }
  put32(at, 0, head(SEND, 4 * SENT_WORDS + bytes));
  put32(at, 8, one_in(10) ? a_word() : count);
  put32(at, 12, one_in(10) ? a_word() : bytes);
  return 4 * SENT_WORDS + bytes;
}

/* Some command of cross-domain: its length. There is room for a SEND of 2,000 bytes of data. */
static uint32_t put_some(uint8_t* at) {
  static const uint8_t kinds[] = {INIT,    IMAGE,     IMAGE,      POLL_RING,  SEND,      SEND,   SEND,
                                  RECEIVE, READ_PIPE, WRITE_PIPE, WRITE_PIPE, CONNECTED, HANG_UP};
  uint8_t kind = kinds[below(sizeof(kinds))];
  uint32_t length, i;

  if (kind == SEND) return put_send(at);
  if (kind == INIT && one_in(2))
    return put_init(at, one_in(2) ? RINGS + below(CHANNELS) : a_resource(), one_in(2) ? CHANNEL_NAMED : below(32),
                    names[below(NAMES)]);
  length = one_in(3) ? 8 + 4 * below(20) : kind == IMAGE || kind == WRITE_PIPE ? 24 + 4 * below(8) : 16;
  for (i = 8; i < length; i += 4) put32(at, i, a_word());
  if (kind == IMAGE && one_in(2)) put32(at, 16, R8);
  if (kind == WRITE_PIPE && one_in(2)) put32(at, 16, length - 24);
  put32(at, 0, head(one_in(20) ? (uint8_t)draw() : kind, one_in(12) ? (uint32_t)draw() & 0xffff : length));
  return length;
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

/* The next that a context needs: to be made, a ring, that attached, INIT, and then it speaks and waits for answers. */
static uint32_t honest(uint8_t* bytes, unsigned int slot, unsigned int channel) {
  uint32_t context = 1 + channel, length;

  switch (stage[channel]++) {
    case 0:
      return new_context(bytes, context);
    case 1:
      return new_ring(bytes, channel);
    case 2:
      return of_resource(bytes, CTX_ATTACH_RESOURCE, context, RINGS + channel);
    case 3:
      begin(bytes, SUBMIT_3D, FLAG_FENCE, context);
      length = put_init(bytes + PAYLOAD, RINGS + channel, one_in(6) ? CHANNEL_WAYLAND : CHANNEL_NAMED,
                        names[below(one_in(4) ? NAMES : 3)]);
      return submission(bytes, length);
    case 4:
      begin(bytes, SUBMIT_3D, FLAG_FENCE, context);
      put32(bytes, PAYLOAD, head(POLL_RING, 16));
      polled[slot] = (unsigned char)(1 + channel);
      return submission(bytes, 16);
    default:
      stage[channel] = one_in(6) ? 5 : 4;
      begin(bytes, SUBMIT_3D, one_in(4) ? FLAG_FENCE : 0, context);
      return submission(bytes, put_send(bytes + PAYLOAD));
  }
}

/* Wherever the command names the guest's memory, it is ours, or nowhere in its RAM. */
static void keep_rings_ours(uint8_t* bytes) {
  uint32_t at, kind, length;
  uint64_t address;

  memcpy(&kind, bytes + HEADER + 4, 4);
  if (kind != VIRTGPU_BLOB_MEM_GUEST) return;
  for (at = 56; at + 16 <= PAGE; at += 16) {
    memcpy(&address, bytes + at, 8);
    memcpy(&length, bytes + at + 8, 4);
    if (address < RAM_END && !is_own(address, length)) put64(bytes, at, buffers_at[below(BUFFERS)]);
    if (address < RAM_END && length > PAGE) put32(bytes, at + 8, PAGE);
  }
}

static uint32_t a_blob(uint8_t* bytes) {
  uint32_t kind = one_in(3) ? VIRTGPU_BLOB_MEM_GUEST : one_in(10) ? below(5) : VIRTGPU_BLOB_MEM_HOST3D;
  uint32_t count = kind != VIRTGPU_BLOB_MEM_GUEST ? 0 : one_in(3) ? below(20) : 1, pages = 1 + below(20), at, i;
  uint64_t id = one_in(6) ? a_word() : IMAGE_ID + pages;
  uint64_t size = one_in(8) ? an_address(0) : one_in(8) ? a_word() : (uint64_t)PAGE * pages;

  at = put_blob(bytes, a_resource(), kind, one_in(10) ? a_word() : count, id, size);
  put32(bytes, HEADER + 8, below(8));
  for (i = 0; i < count; i++) {
    at = put64(bytes, at, an_address(1));
    at = put32(bytes, at, one_in(4) ? a_length() : one_in(3) ? below(PAGE) : PAGE);
    at += 4;
  }
  return at;
}

/* Some command that may be one. */
static uint32_t a_command(uint8_t* bytes) {
  static const uint32_t types[] = {RESOURCE_CREATE_BLOB,
                                   RESOURCE_CREATE_BLOB,
                                   RESOURCE_CREATE_BLOB,
                                   RESOURCE_MAP_BLOB,
                                   RESOURCE_MAP_BLOB,
                                   RESOURCE_UNMAP_BLOB,
                                   RESOURCE_UNREF,
                                   SUBMIT_3D,
                                   SUBMIT_3D,
                                   SUBMIT_3D,
                                   SUBMIT_3D,
                                   CTX_ATTACH_RESOURCE,
                                   CTX_ATTACH_RESOURCE,
                                   CTX_DETACH_RESOURCE,
                                   CTX_CREATE,
                                   CTX_DESTROY,
                                   GET_CAPSET,
                                   GET_CAPSET_INFO,
                                   GET_DISPLAY_INFO};
  uint32_t type = types[below(sizeof(types) / sizeof(types[0]))], at, i, count;

  at = begin(bytes, one_in(30) ? a_word() : type, one_in(3) ? 0 : one_in(10) ? a_word() : FLAG_FENCE, a_context());
  switch (one_in(20) ? types[below(sizeof(types) / sizeof(types[0]))] : type) {
    case RESOURCE_CREATE_BLOB:
      at = a_blob(bytes);
      break;
    case SUBMIT_3D:
      count = 1 + below(one_in(6) ? 20 : 2);
      at = PAYLOAD;
      while (count-- && at < PAGE / 3) at += put_some(bytes + at);
      put32(bytes, HEADER, one_in(12) ? a_word() : at - PAYLOAD);
      put32(bytes, HEADER + 4, one_in(20) ? a_word() : 0);
      break;
    case RESOURCE_MAP_BLOB:
      at = put32(bytes, at, a_resource()) + 4;
      at = put64(bytes, at, one_in(4) ? an_address(0) : (uint64_t)PAGE * below(one_in(4) ? 1u << 20 : 64));
      break;
    case CTX_CREATE:
      at = put32(bytes, at, below(70));
      at = put32(bytes, at, one_in(6) ? a_word() : CAPSET) + 64;
      break;
    case GET_CAPSET:
      at = put32(bytes, at, one_in(4) ? a_word() : CAPSET);
      at = put32(bytes, at, one_in(4) ? a_word() : 1);
      break;
    case CTX_DESTROY:
    case GET_DISPLAY_INFO:
      break;
    default:
      at = put32(bytes, at, a_resource()) + 4;
  }
  if (one_in(12)) at = below(at + 1);
  if (one_in(12))
    for (i = below(4); i--;) bytes[below(RACED)] = (uint8_t)draw();
  return at;
}

static uint32_t some_command(unsigned int slot) {
  uint8_t* bytes = commands[slot];
  uint32_t length;

  polled[slot] = 0;
  if (one_in(2)) return honest(bytes, slot, below(CHANNELS));
  memset(bytes, 0, PAGE);
  length = a_command(bytes);
  keep_rings_ours(bytes);
  return length;
}

/* ---- what raw_ring.h asks for ----------------------------------------------------------------------------------- */

static void lend(unsigned int count) {
  unsigned int i;

  /* The device is about to start. */
  memset(stage, 0, sizeof(stage));
  memset(polled, 0, sizeof(polled));
  for (i = 0; i < count && i < queues[MESSAGES].size; i++) {
    unsigned int page = CHANNELS + i % (BUFFERS - CHANNELS);

    describe(&queues[MESSAGES], i, buffers_at[page], one_in(8) ? a_length() : 56, 0, 0);
    offer(&queues[MESSAGES], (uint16_t)i);
  }
}

static uint64_t own_features(void) {
  uint64_t features = OWN_FEATURES;

  if (one_in(6)) features &= ~FEATURE_VIRGL;
  if (one_in(6)) features &= ~FEATURE_RESOURCE_BLOB;
  if (one_in(10)) features &= ~FEATURE_CONTEXT_INIT;
  return features;
}

static void take_answer(unsigned int slot) {
  uint32_t answer;

  memcpy(&answer, answers[slot], 4);
  if (answer >= ANSWERS_BAD)
    refused++;
  else if (answer >= ANSWERS_GOOD) {
    made++;
    if (polled[slot]) messages++;
  }
  polled[slot] = 0;
}

static void take_messages(int give) {
  struct queue* queue = &queues[MESSAGES];
  int given = 0;

  while (queue->used[1] != queue->seen) {
    uint32_t first = queue->used[2 + 4 * (queue->seen % queue->size)];

    queue->seen++;
    if (!give || one_in(4)) continue;
    offer(queue, (uint16_t)(first % queue->size));
    given = 1;
  }
  if (given) kick(MESSAGES);
}

static unsigned int waiting(void) {
  unsigned int i, count = 0;

  for (i = 0; i < SLOTS; i++) count += busy[i] && polled[i];
  return count;
}

static uint32_t before_memories(unsigned int slot, unsigned int number) {
  return number ? 0 : new_context(commands[slot], 1);
}

static uint32_t make_memory(unsigned int slot, unsigned int number, uint32_t id, uint32_t pages) {
  uint32_t length = 0;

  if (number == 0) length = new_image(commands[slot], 1, id, pages);
  if (number == 1) length = map_at(commands[slot], id, (uint64_t)id * 16 * PAGE);
  return length;
}

/* Unmapped first, or not. */
static uint32_t close_memory(unsigned int slot, uint32_t id) {
  return of_resource(commands[slot], one_in(2) ? RESOURCE_UNMAP_BLOB : RESOURCE_UNREF, 0, id);
}

/* ---- polls ------------------------------------------------------------------------------------------------------ */

static void polls(void) {
  unsigned int i, count = 1 + below(200);
  int slot;

  start(QUEUE_SIZE, some_features() | OWN_FEATURES, below(BUFFERS + 1));
  for (i = 0; i < count; i++) {
    unsigned int channel = below(CHANNELS), again = 0;

    if (stage[channel] > 4) {
      stage[channel] = 4;
      again = one_in(2);
    }
    do {
      if ((slot = free_slot()) < 0) {
        kick(COMMANDS);
        /* All that there are may wait. */
        if (!settle(1) || (slot = free_slot()) < 0) return;
      }
      polled[slot] = 0;
      issue((unsigned int)slot, honest(commands[slot], (unsigned int)slot, channel), one_in(4));
    } while (again--);
    if (one_in(8)) kick(COMMANDS);
  }
  kick(COMMANDS);
  if (one_in(2)) settle(1);
  /* What they wait with goes. */
  for (i = 0; i < 20 && (slot = free_slot()) >= 0; i++) {
    static const uint32_t types[] = {CTX_DESTROY, CTX_DETACH_RESOURCE, RESOURCE_UNREF, RESOURCE_CREATE_BLOB};
    uint32_t type = types[below(4)];
    unsigned int channel = below(CHANNELS);

    polled[slot] = 0;
    issue((unsigned int)slot,
          type == RESOURCE_CREATE_BLOB ? new_ring(commands[slot], channel)
                                       : of_resource(commands[slot], type, 1 + channel, RINGS + channel),
          0);
    if (one_in(2)) kick(COMMANDS);
  }
  kick(COMMANDS);
  if (one_in(2)) settle(1);
}

static int live(char mood) {
  if (mood != 'p') return 0;
  polls();
  return 1;
}
