#pragma once
/// System calls on files that fail when a test says so. `failing_calls.cpp` defines them in place of the C library's,
/// so it belongs into a program of its own.

#include <string>
#include <vector>

namespace test {

/// What becomes of the call.
enum class Failure {
  Nothing,  ///< it is not made, and fails
  Half,     ///< a write takes half of its bytes, and the next one fails; of others: as `Nothing`
  Done,     ///< it is made, and says that it has failed
  Kill,     ///< the process ends there, in the middle of a write
  Full      ///< the disk is full: a write takes half of its bytes, and every further one fails
};

/// Of write, pwrite, fsync, fdatasync, ftruncate, rename and unlink, the call with this number from now on, counted
/// from 1, fails once. (Nothing is made durable in truth, which takes its time: no test cuts the power.) Not
/// thread-safe.
void fail_call(int number, Failure how);
/// No further call fails. Whether one has.
bool stop_failing();
/// The calls since `fail_call`, as "fsync name", without folders; "fsync folder/" of a folder.
[[nodiscard]] const std::vector<std::string>& calls();

}  // namespace test
