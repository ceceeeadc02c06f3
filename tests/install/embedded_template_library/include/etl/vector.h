#ifndef ETL_VECTOR_INCLUDED
#define ETL_VECTOR_INCLUDED

#include <cstddef>

#define ETL_VERSION "20.48.1"
#define ETL_NODISCARD [[nodiscard]]
#define ETL_OR_STD etl

namespace etl {

template <typename T, std::size_t MAX_SIZE_>
class vector {
 public:
  void push_back(const T& value) { data_[size_++] = value; }
  ETL_NODISCARD std::size_t size() const { return size_; }
  ETL_NODISCARD const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  T data_[MAX_SIZE_] = {};
  std::size_t size_ = 0;
};

// Names of that library which ours must leave alone at the top level of namespace etl.
template <typename K, typename V, std::size_t N>
class map {};
template <typename K, typename V, std::size_t N>
class flat_map {};
template <typename T, typename E>
class expected {};
template <typename T>
class optional {};
template <typename T>
class span {};
template <typename T>
class result {};
template <typename T>
class observer {};
class string_view {};
class exception {};
class error_handler {};
template <typename I, typename O, typename F>
O transform(I first, I last, O out, F f) {
  while (first != last) *out++ = f(*first++);
  return out;
}
template <typename V, typename T>
void visit(V&&, T&&) {}
class scheduler {};
class timer {};
class message_bus {};
class mutex {};
template <typename T>
class signal {};
namespace ranges {}
namespace views {}
namespace chrono {}

}  // namespace etl

#endif
