/**
 * The text of a message, put together of its parts. What operator+ does with a temporary on the right is compiled into
 * us from C++20 on, and calls what libstdc++ has since GCC 13 only (_M_replace_cold): an addon that was built on Debian
 * 13 could not be loaded on Debian 12. To append needs nothing newer.
 */
#ifndef VIRTWL_BINDINGS_JOINED_H_
#define VIRTWL_BINDINGS_JOINED_H_

#include <initializer_list>
#include <string>
#include <string_view>

namespace virtwl {

inline std::string Joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text.append(part);
  return text;
}

}  // namespace virtwl

#endif  // VIRTWL_BINDINGS_JOINED_H_
