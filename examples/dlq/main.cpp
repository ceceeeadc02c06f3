// etl-dlq: shows the dead letters in any store of the library. A replay needs the pipeline's own program.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <etl/io/dead_letter_file.hpp>
#include <etl/sqlite/store.hpp>
#include <etl/text.hpp>
#ifdef WITH_POSTGRES
#include <etl/postgres/store.hpp>
#endif

#include "common/command_line.hpp"
#include "common/main.hpp"

namespace {

namespace fs = std::filesystem;
using etl::DeadLetter;
using Store = std::shared_ptr<etl::DeadLetterStore>;

constexpr program::About about{
    .name = "etl-dlq",
    .description =
        "Lists and deletes the dead letters of ETL pipelines. To replay letters, use the pipeline's own program.",
    .example = "etl-dlq list sqlite:orders.db"};

int complain(std::string_view what, int code = program::exit_failed) {
  program::say("etl-dlq: {}\n", what);
  return code;
}

// --- stores
// -----------------------------------------------------------------------------------------------------------

bool is_url(std::string_view name) { return name.starts_with("postgresql://") || name.starts_with("postgres://"); }

etl::Result<Store> open_postgres([[maybe_unused]] const std::string& url) {
#ifdef WITH_POSTGRES
  // Look first, so that a database that is not a store does not become one.
  auto connection = etl::postgres::Connection::open(url);
  if (!connection) return etl::failure(std::move(connection.error()));
  const auto there = connection->query("SELECT to_regclass(quote_ident(current_schema()) || '.etl_store') IS NOT NULL");
  if (!there) return etl::failure(there.error());
  if (there->text(0, 0) != "t")
    return etl::fatal(fmt::format(
        "{}: this database is not a store, because its first schema has no table etl_store; to name another "
        "schema, add ?options=-csearch_path%3DSCHEMA to the URL",
        connection->name()));
  auto store = etl::postgres::Store::open(url);
  if (!store) return etl::failure(std::move(store.error()));
  return *store;
#else
  return etl::fatal("this etl-dlq was built without PostgreSQL (libpq-dev)");
#endif
}

etl::Result<Store> open_store(const std::string& name, bool to_change) {
  if (is_url(name)) return open_postgres(name);
  constexpr std::string_view database = "sqlite:";
  const bool is_database = name.starts_with(database);
  const fs::path path = is_database ? name.substr(database.size()) : name;
  if (!is_database && path.extension() != ".ndjson")
    return etl::fatal(fmt::format(
        "{}: not a store: write sqlite:{} for a database, or name a file that ends in .ndjson, or a postgresql:// URL",
        name, name));
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    return etl::failure(etl::fatal(
        fmt::format("{}: no such file; the first run of a pipeline with this store makes it", path.string())));
  if (!is_database) return std::make_shared<etl::io::DeadLetterFile>(path);
  // Open it read-only first, so that a database that is not a store does not become one.
  auto store = etl::sqlite::Store::open(path, {.read_only = true});
  if (store && to_change) store = etl::sqlite::Store::open(path, {.create = false});
  if (!store) return etl::failure(std::move(store.error()));
  return *store;
}

etl::Result<std::optional<DeadLetter>> find(etl::DeadLetterStore& store, const std::string& id) {
  std::optional<DeadLetter> found;
  const auto listed = store.list("", [&](const DeadLetter& letter) {
    if (letter.id == id) found = letter;
    return !found;
  });
  if (!listed) return etl::failure(listed.error());
  return found;
}

// --- texts
// ------------------------------------------------------------------------------------------------------------

std::string time_text(std::chrono::system_clock::time_point time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}
/// The text for a terminal: on one line, without control characters.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  return out;
}
std::string first_error(const DeadLetter& letter) { return letter.errors.empty() ? "" : plain(letter.errors.front()); }

// --- commands
// ---------------------------------------------------------------------------------------------------------

struct Arguments {
  std::string store{};
  std::string pipeline{};
  std::string id{};
  std::vector<std::string> ids{};
  bool json = false;
  bool all = false;
};

int list(etl::DeadLetterStore& store, const Arguments& arguments) {
  if (!arguments.json)
    fmt::print("{:<32}  {:<12}  {:>4}  {:>10}  {:<9}  {:>5}  {:<20}  {}\n", "ID", "PIPELINE", "PART", "SEQ", "STAGE",
               "TRIES", "TIME", "ERROR");
  const auto done = store.list(arguments.pipeline, [&](const DeadLetter& one) {
    if (arguments.json)
      fmt::print("{}\n", etl::io::to_json(one));
    else
      fmt::print("{:<32}  {:<12}  {:>4}  {:>10}  {:<9}  {:>5}  {:<20}  {}\n", plain(one.id), plain(one.pipeline),
                 one.partition, one.seq, to_string(one.stage), one.attempts, time_text(one.time), first_error(one));
    return true;
  });
  return done ? 0 : complain(done.error().message());
}

int show(const DeadLetter& letter) {
  fmt::print(
      "id         {}\npipeline   {}\nrun        {}\npartition  {}{}{}\nseq        {}\nbatch      {}\nposition   {}\n",
      plain(letter.id), plain(letter.pipeline), plain(letter.run), letter.partition,
      letter.partition_id.empty() ? "" : ": ", plain(letter.partition_id), letter.seq, letter.batch,
      letter.position ? plain(letter.position->text()) : "-");
  fmt::print("stage      {}\nattempts   {}\ntime       {}\n", to_string(letter.stage), letter.attempts,
             time_text(letter.time));
  if (letter.replays > 0) fmt::print("replays    {}\n", letter.replays);
  if (letter.results > 0) {
    std::uint64_t loaded = 0;
    for (const etl::SeqRange range : letter.loaded.ranges()) loaded += range.end - range.first;
    fmt::print("loaded     {} of its {} results; a replay loads the others\n", loaded, letter.results);
  }
  for (const std::string& error : letter.errors)
    fmt::print("{}{}\n", &error == letter.errors.data() ? "error      " : "caused by  ", plain(error));
  if (letter.payload)
    fmt::print("payload    {} bytes; `etl-dlq payload` writes them\n", letter.payload->size());
  else
    fmt::print("payload    none: the pipeline has no `serialize` and no `describe`\n");
  return 0;
}

int show_json(const DeadLetter& letter) {
  fmt::print("{}\n", etl::io::to_json(letter));
  return 0;
}

int payload(const DeadLetter& letter) {
  if (!letter.payload)
    return complain(
        fmt::format("{}: this letter has no payload: its pipeline has no `serialize` and no `describe`", letter.id));
  std::fwrite(letter.payload->data(), 1, letter.payload->size(), stdout);
  return 0;
}

int with_letter(etl::DeadLetterStore& store, const std::string& id, int (*command)(const DeadLetter&)) {
  const auto found = find(store, id);
  if (!found) return complain(found.error().message());
  if (!*found) return complain(fmt::format("there is no letter with the id {}; `etl-dlq list` shows them", id));
  return command(**found);
}

int purge(etl::DeadLetterStore& store, const Arguments& arguments) {
  std::set<std::string> ids(arguments.ids.begin(), arguments.ids.end());
  if (ids.empty())
    if (const auto listed = store.list(arguments.pipeline,
                                       [&](const DeadLetter& one) {
                                         ids.insert(one.id);
                                         return true;
                                       });
        !listed)
      return complain(listed.error().message());
  const auto gone = store.purge(std::vector<std::string>(ids.begin(), ids.end()));
  if (!gone) return complain(gone.error().message());
  fmt::print("{} purged\n", *gone);
  if (*gone < ids.size()) return complain(fmt::format("there is no letter for {} of these ids", ids.size() - *gone));
  return 0;
}

int stats(etl::DeadLetterStore& store, bool json) {
  struct Count {
    std::size_t letters = 0, bytes = 0;
    std::chrono::system_clock::time_point oldest = std::chrono::system_clock::time_point::max();
    std::chrono::system_clock::time_point newest = std::chrono::system_clock::time_point::min();
  };
  std::map<std::pair<std::string, std::string_view>, Count> counts;
  std::size_t total = 0;
  const auto listed = store.list("", [&](const DeadLetter& one) {
    Count& count = counts[{one.pipeline, to_string(one.stage)}];
    ++count.letters, ++total;
    count.bytes += one.payload ? one.payload->size() : 0;
    count.oldest = std::min(count.oldest, one.time);
    count.newest = std::max(count.newest, one.time);
    return true;
  });
  if (!listed) return complain(listed.error().message());
  if (json) {
    for (const auto& [key, count] : counts)
      fmt::print(R"({{"pipeline":{},"stage":{},"letters":{},"payload_bytes":{},"oldest":"{}","newest":"{}"}})"
                 "\n",
                 etl::json_string(key.first), etl::json_string(key.second), count.letters, count.bytes,
                 time_text(count.oldest), time_text(count.newest));
    return 0;
  }
  fmt::print("{:<20}  {:<12}  {:>8}  {:>13}  {:<20}  {}\n", "PIPELINE", "STAGE", "LETTERS", "PAYLOAD BYTES", "OLDEST",
             "NEWEST");
  for (const auto& [key, count] : counts)
    fmt::print("{:<20}  {:<12}  {:>8}  {:>13}  {:<20}  {}\n", plain(key.first), key.second, count.letters, count.bytes,
               time_text(count.oldest), time_text(count.newest));
  fmt::print("{} letters\n", total);
  return 0;
}

int run(int argc, char** argv) {
  Arguments arguments;
  const auto owned = program::make_app(about);
  CLI::App& app = *owned;
  const auto command = [&](const char* name, const char* what) {
    CLI::App* const made = app.add_subcommand(name, what);
    made->add_option("STORE", arguments.store,
                     "sqlite:PATH, postgresql://USER@HOST/DATABASE, or a file whose name ends in .ndjson")
        ->required();
    return made;
  };
  CLI::App* const lists = command("list", "List letters, one per line, by pipeline, partition and item number");
  lists->add_option("--pipeline", arguments.pipeline, "Only letters of this pipeline");
  lists->add_flag(
      "--json", arguments.json,
      "Print one JSON object per line; etl-dlq can read the output as a store if it is saved as a .ndjson file");
  CLI::App* const shows = command("show", "Show one letter in full");
  CLI::App* const payloads = command("payload", "Write the item of one letter to standard output, byte for byte");
  for (CLI::App* const one : {shows, payloads}) one->add_option("ID", arguments.id, "Id of the letter")->required();
  CLI::App* const purges = command("purge", "Delete letters permanently");
  CLI::Option* const ids = purges->add_option("ID", arguments.ids, "Ids of letters");
  CLI::Option* const of_pipeline = purges->add_option("--pipeline", arguments.pipeline, "All letters of this pipeline");
  CLI::Option* const everything = purges->add_flag("--all", arguments.all, "All letters");
  ids->excludes(of_pipeline)->excludes(everything);
  of_pipeline->excludes(everything);
  shows->add_flag("--json", arguments.json, "Print one JSON object on standard output");
  CLI::App* const counts = command("stats", "Count letters by pipeline and stage");
  counts->add_flag("--json", arguments.json, "Print one JSON object per line on standard output");
  program::finish_help(app, about);

  const auto check = [&] {
    if (purges->parsed() && arguments.ids.empty() && arguments.pipeline.empty() && !arguments.all)
      throw CLI::ValidationError("purge", "give ids, --pipeline or --all");
  };
  if (const auto code = program::parse(app, argc, argv, check)) return *code;
  const auto store = open_store(arguments.store, purges->parsed());
  if (!store) return complain(store.error().message(), program::exit_usage);
  int code = 0;
  if (lists->parsed()) code = list(**store, arguments);
  if (shows->parsed()) code = with_letter(**store, arguments.id, arguments.json ? show_json : show);
  if (payloads->parsed()) code = with_letter(**store, arguments.id, payload);
  if (purges->parsed()) code = purge(**store, arguments);
  if (counts->parsed()) code = stats(**store, arguments.json);
  return program::printed(about.name, code);
}

}  // namespace

int main(int argc, char** argv) {
  return program::run_main(about.name, [=] { return run(argc, argv); });
}
