#include <etl/etl.hpp>

#include <etl/vector.h>

int ours_first();
int ours_first() {
  const int numbers[] = {1, 2, 3};
  int twice[3] = {};
  etl::transform(numbers, numbers + 3, twice, [](int n) { return 2 * n; });
  const etl::map<int, int, 3> theirs{};
  const etl::optional<int> unset{};
  static_cast<void>(theirs);
  static_cast<void>(unset);
  return twice[2] == 6 ? 0 : 1;
}
