#include "stream_copy.h"

#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace virtwl {

#ifdef __SSE2__

namespace {

/** What one turn of the loops moves: a cache line, so that the processor writes whole ones. */
constexpr size_t kLine = 64;

size_t BytesToLine(const uint8_t* address) { return (kLine - reinterpret_cast<uintptr_t>(address) % kLine) % kLine; }

bool Overlap(const uint8_t* a, const uint8_t* b, size_t length) {
  const uintptr_t first = reinterpret_cast<uintptr_t>(a);
  const uintptr_t second = reinterpret_cast<uintptr_t>(b);
  return first < second ? second - first < length : first - second < length;
}

}  // namespace

void StreamCopy(uint8_t* to, const uint8_t* from, size_t length) {
  const size_t head = BytesToLine(to);
  // What is short is not worth the fence, and rows that overlap in one mapping need an order.
  if (length < head + kLine || Overlap(to, from, length)) {
    std::memmove(to, from, length);
    return;
  }
  std::memcpy(to, from, head);
  size_t at = head;
  for (; at + kLine <= length; at += kLine) {
    const __m128i* source = reinterpret_cast<const __m128i*>(from + at);
    __m128i* target = reinterpret_cast<__m128i*>(to + at);
    const __m128i first = _mm_loadu_si128(source);
    const __m128i second = _mm_loadu_si128(source + 1);
    const __m128i third = _mm_loadu_si128(source + 2);
    const __m128i fourth = _mm_loadu_si128(source + 3);
    _mm_stream_si128(target, first);
    _mm_stream_si128(target + 1, second);
    _mm_stream_si128(target + 2, third);
    _mm_stream_si128(target + 3, fourth);
  }
  std::memcpy(to + at, from + at, length - at);
  // Other stores may overtake streaming ones, and the next one may tell the compositor of this frame.
  _mm_sfence();
}

#else

void StreamCopy(uint8_t* to, const uint8_t* from, size_t length) { std::memmove(to, from, length); }

#endif

}  // namespace virtwl
