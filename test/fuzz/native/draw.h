/** An input as a list of decisions; 0 when nothing is left. */
#ifndef VIRTWL_TEST_FUZZ_NATIVE_DRAW_H_
#define VIRTWL_TEST_FUZZ_NATIVE_DRAW_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

class Draw {
 public:
  Draw(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  bool done() const { return at_ >= size_; }

  uint8_t Byte() { return at_ < size_ ? data_[at_++] : 0; }

  /** A number of [0, limit), limit at most 65,536. */
  uint32_t Below(uint32_t limit) {
    if (limit <= 1) return 0;
    uint32_t number = Byte();
    if (limit > 256) number |= static_cast<uint32_t>(Byte()) << 8;
    return number % limit;
  }

  /** Any double at all. */
  double Double() {
    uint8_t bytes[sizeof(double)];
    for (uint8_t& byte : bytes) byte = Byte();
    double number;
    std::memcpy(&number, bytes, sizeof number);
    return number;
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

#endif  // VIRTWL_TEST_FUZZ_NATIVE_DRAW_H_
