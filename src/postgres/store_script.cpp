/// The statements of a store.

#include "store_script.hpp"

#include <chrono>
#include <cstdint>
#include <memory>

#include <libpq-fe.h>

#include <etl/postgres/source.hpp>

#include "state.hpp"

namespace etl::inline v0::postgres::detail {

std::string Script::literal(std::string_view text) const {
  const std::string safe = escaped(text);
  const std::unique_ptr<char, void (*)(void*)> quoted(PQescapeLiteral(connection_->handle(), safe.data(), safe.size()),
                                                      PQfreemem);
  return quoted ? quoted.get() : "NULL";  // out of memory
}

void Script::head(const std::string& pipeline, const Checkpoint& c) {
  add("INSERT INTO {} AS old VALUES({},{},{},{},{},{}) ON CONFLICT(pipeline) DO UPDATE SET "
      "(fingerprint,batch_size,partition_count,finished,run)=(excluded.fingerprint,excluded.batch_size,"
      "excluded.partition_count,excluded.finished,excluded.run) WHERE old.run IN ('',excluded.run)",
      names_->checkpoints, literal(pipeline), literal(c.fingerprint), integer(c.batch_size), integer(c.partition_count),
      c.finished, literal(c.run));
}

void Script::owner(const std::string& pipeline, std::string_view how) {
  add("SELECT run FROM {} WHERE pipeline={} {}", names_->checkpoints, literal(pipeline), how);
}

void Script::progress(const std::string& pipeline, const PartitionProgress& p) {
  std::string settled;
  for (const SeqRange range : p.gaps.ranges())
    settled += fmt::format("{}{},{}", settled.empty() ? "" : ",", integer(range.first), integer(range.end));
  add("INSERT INTO {} VALUES({},{},{},{},{},'{{{}}}') ON CONFLICT(pipeline,partition) DO UPDATE SET "
      "watermark=excluded.watermark,position=excluded.position,position_seq=excluded.position_seq,"
      "settled=excluded.settled",
      names_->partitions, literal(pipeline), p.partition, integer(p.watermark), place(p.position),
      integer(p.position_seq), settled);
}

void Script::letter(const DeadLetter& l) {
  using namespace std::chrono;
  std::string errors, payload = "NULL";
  for (const std::string& error : l.errors) errors.append(errors.empty() ? "" : ",").append(literal(error));
  if (l.payload) {
    payload = "'\\x";
    for (const char c : *l.payload) fmt::format_to(std::back_inserter(payload), "{:02x}", static_cast<std::uint8_t>(c));
    payload += '\'';
  }
  const auto day = floor<days>(l.time);
  add("INSERT INTO {} VALUES({},{},{},{},{},{},{},'{}',{},ARRAY[{}]::text[],'{}',{}) ON CONFLICT(id) DO UPDATE SET "
      "(pipeline,run,partition,seq,batch,position,stage,attempts,errors,time,payload)=(excluded.pipeline,excluded.run,"
      "excluded.partition,excluded.seq,excluded.batch,excluded.position,excluded.stage,excluded.attempts,excluded."
      "errors,"
      "excluded.time,excluded.payload)",
      names_->letters, literal(l.id), literal(l.pipeline), literal(l.run), l.partition, integer(l.seq),
      integer(l.batch), place(l.position), to_string(l.stage), l.attempts, errors,
      time_text(sys_days(day), floor<microseconds>(l.time - day)), payload);
}

void Script::purge(std::span<const std::string> ids) {
  std::string all;
  for (const std::string& id : ids) all.append(all.empty() ? "" : ",").append(literal(id));
  if (!all.empty()) add("DELETE FROM {} WHERE id IN ({})", names_->letters, all);
}

void Script::claim(const std::string& pipeline, const std::string& run) {
  add("UPDATE {} SET run={} WHERE pipeline={}", names_->checkpoints, literal(run), literal(pipeline));
}

void Script::forget_partitions(const std::string& pipeline) {
  add("DELETE FROM {} WHERE pipeline={}", names_->partitions, literal(pipeline));
}

void Script::forget(const std::string& pipeline) {
  add("DELETE FROM {} WHERE pipeline={}", names_->checkpoints, literal(pipeline));
  forget_partitions(pipeline);
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
