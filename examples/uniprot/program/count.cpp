// etl-uniprot count: counts the entries of files without parsing them.
#include <cstdint>
#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <etl/io/source.hpp>
#include <etl/text.hpp>
#include <etl/uniprot/entries.hpp>

#include "common/standard_streams.hpp"
#include "inputs.hpp"
#include "options.hpp"

namespace program {

int count(const Count& options, const etl::StopToken& stop) {
  if (auto problem = check_inputs(options.files)) {
    say("etl-uniprot: {}\n", problem->message());
    return 2;
  }
  std::uint64_t all = 0;
  for (const auto& file : options.files) {
    auto source = etl::io::open_input(file);
    auto counted = source ? etl::uniprot::count_entries(std::move(*source), stop.drain())
                          : etl::Result<std::uint64_t>(etl::failure(std::move(source.error())));
    if (!counted) {
      say("etl-uniprot: {}\n", counted.error().message());
      return stop.drain().stop_requested() ? 4 : 1;
    }
    all += *counted;
    if (options.json)
      fmt::print("{{\"file\":{},\"entries\":{}}}\n", etl::json_string(display_name(file)), *counted);
    else
      fmt::print("{} {}\n", *counted, display_name(file));
  }
  if (options.files.size() > 1 && !options.json) fmt::print("{} in all\n", all);
  if (std::fflush(stdout) == 0) return 0;
  say("etl-uniprot: cannot write to standard output\n");
  return 1;
}

}  // namespace program
