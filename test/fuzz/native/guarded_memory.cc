/**
 * libFuzzer: mappings of files that shrink and grow meanwhile, under the guard against SIGBUS. Every access to a
 * mapping ends, with what the file holds or with zeros; a mapping says that it has faulted exactly when memory of it
 * was found gone; what was mapped without the guard's knowledge is not touched. Rectangles are copied between such
 * mappings.
 *
 * Once a page was lost, the mapping from there on is the guard's zeros, and stays so when the file grows again.
 */
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../../../bindings/rect_copy.h"
#include "../../../bindings/sigbus.h"
#include "draw.h"

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kPages = 4;
constexpr int kFiles = 2;
constexpr int kMappings = 4;

[[noreturn]] void Wrong(const char* what) {
  fprintf(stderr, "guarded_memory: %s\n", what);
  abort();
}

struct Mapping {
  int file = -1;
  uint8_t* address = nullptr;
  size_t pages = 0;
  bool writable = false;
  virtwl::GuardedRange* guard = nullptr;
  /** The first page that was found gone: from here on it holds what was written since, or zeros. */
  size_t lostFrom = 0;
};

struct State {
  int files[kFiles];
  size_t filePages[kFiles];
  Mapping mappings[kMappings];
};

void Drop(Mapping& mapping) {
  if (mapping.address == nullptr) return;
  virtwl::UnguardRange(mapping.guard);
  munmap(mapping.address, mapping.pages * kPage);
  mapping = {};
}

void Make(Draw& draw, State& state, Mapping& mapping) {
  Drop(mapping);
  mapping.file = static_cast<int>(draw.Below(kFiles));
  mapping.pages = 1 + draw.Below(kPages);
  mapping.writable = draw.Below(3) > 0;
  const int protection = mapping.writable ? PROT_READ | PROT_WRITE : PROT_READ;
  void* address = mmap(nullptr, mapping.pages * kPage, protection, MAP_SHARED, state.files[mapping.file], 0);
  if (address == MAP_FAILED) Wrong("mmap failed");
  mapping.address = static_cast<uint8_t*>(address);
  mapping.guard = virtwl::GuardRange(address, mapping.pages * kPage, protection);
  mapping.lostFrom = mapping.pages;
}

/** What is known to happen when a page is touched. */
void Touched(const State& state, Mapping& mapping, size_t page) {
  if (page >= state.filePages[mapping.file]) mapping.lostFrom = std::min(mapping.lostFrom, page);
}

void CheckFaulted(const Mapping& mapping) {
  if (virtwl::RangeFaulted(mapping.guard) != (mapping.lostFrom < mapping.pages))
    Wrong("a fault that was none, or none that was one");
}

void Touch(Draw& draw, State& state, Mapping& mapping) {
  const size_t page = draw.Below(static_cast<uint32_t>(mapping.pages));
  volatile uint8_t* place = mapping.address + page * kPage + draw.Below(kPage);
  const bool lost = page >= mapping.lostFrom || page >= state.filePages[mapping.file];
  const bool first = lost && page < mapping.lostFrom;
  Touched(state, mapping, page);
  if (mapping.writable && draw.Below(2) == 0) {
    const uint8_t byte = draw.Byte();
    *place = byte;
    if (*place != byte) Wrong("what was written is not there");
    // Zeros again, so that what is lost is known to read as zeros.
    if (lost) *place = 0;
  } else if (const uint8_t byte = *place; first && byte != 0) {
    Wrong("lost memory is not zero");
  }
  CheckFaulted(mapping);
}

void CopyBetween(Draw& draw, State& state, Mapping& dst, Mapping& src) {
  if (!dst.writable) return;
  double numbers[virtwl::kRectCopyNumbers];
  const uint32_t limits[] = {2 * kPage, kPage + 64, 2 * kPage, kPage + 64, kPage + 64, 5};
  for (size_t i = 0; i < virtwl::kRectCopyNumbers; i++) numbers[i] = draw.Below(limits[i]);
  virtwl::RectCopy copy;
  if (virtwl::CheckRectCopy(numbers, dst.pages * kPage, src.pages * kPage, &copy) != nullptr) return;
  virtwl::CopyRect(copy, dst.address, src.address);
  // Which page was met first depends on how memmove goes: what the guard has done tells.
  for (Mapping* mapping : {&dst, &src}) {
    const bool mayFault = state.filePages[mapping->file] < mapping->pages;
    if (virtwl::RangeFaulted(mapping->guard) && mapping->lostFrom == mapping->pages && !mayFault)
      Wrong("a fault in memory that is there");
  }
  // From here on their contents are unknown.
  Drop(dst);
  Drop(src);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Draw draw(data, size);
  static uint8_t* const bystander =
      static_cast<uint8_t*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  std::memset(bystander, 0x5a, kPage);
  State state = {};
  for (int i = 0; i < kFiles; i++) {
    state.files[i] = memfd_create("fuzz", MFD_CLOEXEC);
    state.filePages[i] = kPages;
    if (state.files[i] < 0 || ftruncate(state.files[i], kPages * kPage) != 0) Wrong("no file");
  }
  while (!draw.done()) {
    Mapping& mapping = state.mappings[draw.Below(kMappings)];
    switch (draw.Below(6)) {
      case 0:
        Make(draw, state, mapping);
        break;
      case 1: {
        const uint32_t file = draw.Below(kFiles);
        state.filePages[file] = draw.Below(kPages + 1);
        if (ftruncate(state.files[file], static_cast<off_t>(state.filePages[file] * kPage)) != 0)
          Wrong("ftruncate failed");
        break;
      }
      case 2:
        Drop(mapping);
        break;
      case 3: {
        Mapping& other = state.mappings[draw.Below(kMappings)];
        if (mapping.address != nullptr && other.address != nullptr && &mapping != &other)
          CopyBetween(draw, state, mapping, other);
        break;
      }
      default:
        if (mapping.address != nullptr) Touch(draw, state, mapping);
    }
  }
  for (Mapping& mapping : state.mappings) Drop(mapping);
  for (int file : state.files) close(file);
  for (size_t i = 0; i < kPage; i++)
    if (bystander[i] != 0x5a) Wrong("memory that is nobody's mapping was touched");
  return 0;
}
