/// The SQL statements of a store.

#include "store_script.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <libpq-fe.h>

#include <etl/postgres/source.hpp>

#include "state.hpp"

namespace etl::inline v0::postgres::detail {

std::string stored(Connection& connection, std::string_view text) {
  const char* const encoding = PQparameterStatus(connection.handle(), "server_encoding");
  const std::string_view name = encoding == nullptr ? "UTF8" : encoding;
  return escaped(text, name != "UTF8" && name != "SQL_ASCII");
}

std::string Script::literal(std::string_view text) const {
  const std::string safe = stored(*connection_, text);
  const std::unique_ptr<char, void (*)(void*)> quoted(PQescapeLiteral(connection_->handle(), safe.data(), safe.size()),
                                                      PQfreemem);
  return quoted ? quoted.get() : "NULL";  // null: out of memory
}

void Script::head(const std::string& pipeline, const Checkpoint& c) {
  add("INSERT INTO {} AS old VALUES({},{},{},{},{}) ON CONFLICT(pipeline) DO UPDATE SET "
      "(fingerprint,batch_size,finished,run)=(excluded.fingerprint,excluded.batch_size,"
      "excluded.finished,excluded.run) WHERE old.run IN ('',excluded.run)",
      names_->checkpoints, literal(pipeline), literal(c.fingerprint), integer(c.batch_size), c.finished,
      literal(c.run));
}

void Script::owner(const std::string& pipeline) {
  add("SELECT run FROM {} WHERE pipeline={}", names_->checkpoints, literal(pipeline));
}

void Script::share(const std::string& pipeline) {
  add("SELECT pg_advisory_xact_lock_shared({})", names_->key_of(pipeline));
  add("SELECT run FROM {} WHERE pipeline={} FOR SHARE", names_->checkpoints, literal(pipeline));
}

void Script::limit_waits() {
  const auto limit = connection_->state().options.lock_timeout;
  add("SET LOCAL lock_timeout={}", limit.count() > 0 ? limit.count() : 10'000);
}

void Script::exclude(const std::string& pipeline) { add("SELECT pg_advisory_xact_lock({})", names_->key_of(pipeline)); }

namespace {

/// The ranges as an array of PostgreSQL.
std::string settled_text(const SeqRanges& gaps) {
  std::string settled = "'{";
  for (const SeqRange range : gaps.ranges())
    settled += fmt::format("{}{},{}", settled.size() > 2 ? "," : "", integer(range.first), integer(range.end));
  return settled += "}'";
}
std::string ends_text(const std::vector<std::uint64_t>& ends) {
  std::string text = "'{";
  for (const std::uint64_t end : ends) text += fmt::format("{}{}", text.size() > 2 ? "," : "", integer(end));
  return text += "}'";
}

}  // namespace

void Script::progress(const std::string& pipeline, const PartitionProgress& p) {
  add("UPDATE {} SET watermark={},position={},position_seq={},settled={} WHERE pipeline={} AND partition={}",
      names_->partitions, integer(p.watermark), place(p.position), integer(p.position_seq), settled_text(p.gaps),
      literal(pipeline), p.partition);
}

void Script::partitions(const std::string& pipeline, std::span<const PartitionProgress> all) {
  std::string numbers;
  for (const PartitionProgress& p : all)
    fmt::format_to(std::back_inserter(numbers), "{}{}", numbers.empty() ? "" : ",", p.partition);
  add("DELETE FROM {} old WHERE pipeline={} AND NOT EXISTS(SELECT 1 FROM unnest('{{{}}}'::bigint[]) AS kept(partition) "
      "WHERE kept.partition=old.partition)",
      names_->partitions, literal(pipeline), numbers);
  constexpr std::size_t at_once = 1000;
  while (!all.empty()) {
    const auto some = all.first(std::min(at_once, all.size()));
    all = all.subspan(some.size());
    std::string values;
    for (const PartitionProgress& p : some)
      fmt::format_to(std::back_inserter(values), "{}({},{},{},{},{},{},{},{},{})", values.empty() ? "" : ",",
                     literal(pipeline), p.partition, integer(p.watermark), place(p.position), integer(p.position_seq),
                     settled_text(p.gaps), literal(p.id), literal(p.fingerprint), ends_text(p.ends));
    // A partition that has not changed is not written again, because there may be many.
    add("INSERT INTO {} AS old VALUES{} ON CONFLICT(pipeline,partition) DO UPDATE SET "
        "(watermark,position,position_seq,settled,id,fingerprint,ends)=(excluded.watermark,excluded.position,"
        "excluded.position_seq,excluded.settled,excluded.id,excluded.fingerprint,excluded.ends) WHERE (old.watermark,"
        "old.position,old.position_seq,old.settled,old.id,old.fingerprint,old.ends) IS DISTINCT FROM "
        "(excluded.watermark,excluded.position,excluded.position_seq,excluded.settled,excluded.id,"
        "excluded.fingerprint,excluded.ends)",
        names_->partitions, values);
  }
}

void Script::letter(const DeadLetter& l) {
  using namespace std::chrono;
  std::string errors, payload = "NULL";
  for (const std::string& error : l.errors) errors.append(errors.empty() ? "" : ",").append(literal(error));
  if (l.payload) {
    payload = "decode('";  // a literal of the form '\x61' depends on standard_conforming_strings
    for (const char c : *l.payload) fmt::format_to(std::back_inserter(payload), "{:02x}", static_cast<std::uint8_t>(c));
    payload += "','hex')";
  }
  const auto day = floor<days>(l.time);
  add("INSERT INTO {} VALUES({},{},{},{},{},{},{},'{}',{},ARRAY[{}]::text[],'{}',{},{},{},{},{}) ON CONFLICT(id) DO "
      "UPDATE SET (pipeline,run,partition,seq,batch,position,stage,attempts,errors,time,payload,partition_id,results,"
      "loaded,replays)=(excluded.pipeline,excluded.run,excluded.partition,excluded.seq,excluded.batch,"
      "excluded.position,excluded.stage,excluded.attempts,excluded.errors,excluded.time,excluded.payload,"
      "excluded.partition_id,excluded.results,excluded.loaded,excluded.replays)",
      names_->letters, literal(l.id), literal(l.pipeline), literal(l.run), l.partition, integer(l.seq),
      integer(l.batch), place(l.position), to_string(l.stage), l.attempts, errors,
      time_text(sys_days(day), floor<microseconds>(l.time - day)), payload, literal(l.partition_id), integer(l.results),
      settled_text(l.loaded), l.replays);
}

void Script::purge(std::span<const std::string> ids) {
  std::string all;
  for (const std::string& id : ids) all.append(all.empty() ? "" : ",").append(literal(id));
  if (!all.empty()) add("DELETE FROM {} WHERE id IN ({})", names_->letters, all);
}

void Script::claim(const std::string& pipeline, const std::string& run) {
  add("UPDATE {} SET run={} WHERE pipeline={}", names_->checkpoints, literal(run), literal(pipeline));
}

void Script::forget(const std::string& pipeline) {
  add("DELETE FROM {} WHERE pipeline={}", names_->checkpoints, literal(pipeline));
  add("DELETE FROM {} WHERE pipeline={}", names_->partitions, literal(pipeline));
}

Result<Rows> Script::run(std::string_view doing) const {
  Result<Rows> done = postgres::run(*connection_, sql_, doing);
  if (!done && done.error().error_class == ErrorClass::Rejected) done.error().error_class = ErrorClass::Fatal;
  return done;
}

std::string Script::place(const std::optional<Position>& position) const {
  return position ? literal(position->text()) : "NULL";
}

}  // namespace etl::inline v0::postgres::detail
