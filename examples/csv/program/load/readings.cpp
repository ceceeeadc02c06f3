#include "readings.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <etl/csv/readings.hpp>

namespace program {
namespace {

namespace csv = etl::csv;
namespace readings = etl::csv::readings;
namespace fs = std::filesystem;

class ReadingRows final : public Rows {
 public:
  ReadingRows(readings::Chunk chunk, std::shared_ptr<const csv::RecordDecoder> decoder, std::string file)
      : chunk_(std::move(chunk)), decoder_(std::move(decoder)), file_(std::move(file)) {}
  std::size_t size() const noexcept override { return chunk_.size(); }
  etl::Result<void> decode(std::size_t i, csv::Record& out) const override {
    const readings::Reading reading = chunk_[i];
    if (auto fault = reading.fault(file_)) return etl::failure(*std::move(fault));
    if (auto decoded = decoder_->decode(reading, out); !decoded) return decoded;
    out.emplace_back(static_cast<std::int64_t>(reading.line()));
    out.emplace_back(static_cast<std::int64_t>(reading.number()));
    return {};
  }
  std::string text(std::size_t i) const override { return chunk_[i].text(); }

 private:
  readings::Chunk chunk_;
  std::shared_ptr<const csv::RecordDecoder> decoder_;
  std::string file_;
};

class ReadingsInput final : public Input {
 public:
  ReadingsInput(fs::path file, csv::StreamMap map, csv::RecordDecoder decoder)
      : file_(std::move(file)),
        map_(std::move(map)),
        decoder_(std::make_shared<const csv::RecordDecoder>(std::move(decoder))) {}

  std::string settings() const override {
    std::string streams;
    for (const auto& [id, target] : map_.streams) streams += fmt::format(", {} to {}", id, map_.targets[target]);
    return fmt::format("readings '{}' of '{}'{}", map_.readings, map_.id, streams);
  }
  etl::Result<std::unique_ptr<RowSource>> open(const csv::Part& part, const std::optional<etl::Position>& from,
                                               const std::stop_token& stop) override;
  std::string place(const csv::Record& record) const override {
    return fmt::format("{} element {}, reading {}", display_name(file_),
                       std::get<std::int64_t>(record[record.size() - 2]), std::get<std::int64_t>(record.back()));
  }
  const readings::LeftOut* left_out() const override { return &left_out_; }

 private:
  class Source;
  fs::path file_;
  csv::StreamMap map_;
  std::shared_ptr<const csv::RecordDecoder> decoder_;
  readings::LeftOut left_out_{};
};

class ReadingsInput::Source final : public RowSource {
 public:
  Source(readings::Reader reader, ReadingsInput& input) : reader_(std::move(reader)), input_(input) {}
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source() override { input_.left_out_ = reader_.left_out(); }
  etl::Result<std::shared_ptr<const Rows>> next(const std::stop_token& stop) override {
    auto chunk = reader_.next(stop);
    if (!chunk) return etl::failure(std::move(chunk.error()));
    if (!*chunk) return nullptr;
    return std::make_shared<const ReadingRows>(*std::move(*chunk), input_.decoder_, reader_.name());
  }
  etl::Position position() const override { return etl::Position(reader_.position()); }
  std::uint64_t bytes_read() const noexcept override { return reader_.bytes_read(); }

 private:
  readings::Reader reader_;
  ReadingsInput& input_;
};

etl::Result<std::unique_ptr<RowSource>> ReadingsInput::open(const csv::Part& /*part*/,
                                                            const std::optional<etl::Position>& from,
                                                            const std::stop_token& /*stop*/) {
  const auto begin = from ? from->number() : std::uint64_t{0};
  if (!begin) return etl::failure(other_version());
  auto reader = readings::Reader::open(file_, map_, {.begin = *begin});
  if (!reader) return etl::failure(std::move(reader.error()));
  return std::make_unique<Source>(*std::move(reader), *this);
}

}  // namespace

etl::Result<FilePlan> plan_readings(const fs::path& file, const Load& options, const csv::FileMapping& told,
                                    const std::optional<TargetColumns>& table) {
  csv::FileMapping how = told;
  const std::string name = display_name(file);
  auto plan = plan_columns(how.columns, table, false, options, name);
  if (!plan) return plan;
  auto decoder = how.bind(how.stream_map->header(), name);
  if (!decoder) return etl::failure(std::move(decoder.error()));
  plan->shape = shape_of(how);
  plan->input = std::make_shared<ReadingsInput>(file, *std::move(how.stream_map), *std::move(decoder));
  return plan;
}

}  // namespace program
