#pragma once
// What clang-tidy must find: the test that finds it shows that the other tests could fail.
#include <cstddef>
#include <string>
#include <utility>

inline std::size_t bad(std::string text) {
  const std::string other = std::move(text);
  return other.size() + text.size();
}
