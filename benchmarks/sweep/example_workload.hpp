#pragma once
/// A workload of one's own for etl-sweep. Copy it, put your pipeline in, and build with
///   cmake --preset bench -DETLPIPE_SWEEP_HEADER=/path/to/your_workload.hpp
///   cmake --build --preset bench --target etl-sweep
///   build/bench/benchmarks/etl-sweep --workload user --svg sweep.svg
///
/// The interface is one function: `sweep_pipeline(items)` returns a new pipeline that extracts `items`
/// items. It is called once per measurement, outside the measured time.

#include <cstdint>
#include <span>
#include <string>

#include <etl/run.hpp>

struct Reading {
  std::uint64_t sensor = 0;
  double value = 0;
};
struct Line {
  std::string text;
};

/// Formats readings as lines of text and counts their characters.
struct Readings {
  std::uint64_t items = 0;
  std::uint64_t written = 0;

  void extract(etl::Emitter<Reading>& out) const {
    for (std::uint64_t i = 0; i < items; ++i)
      if (!out.push({.sensor = i % 100, .value = static_cast<double>(i % 977) / 8})) return;
  }
  void transform(const Reading& reading, etl::Out<Line>& out) const {
    std::string& text = out.next().text;
    text = std::to_string(reading.sensor);
    text += ';';
    text += std::to_string(reading.value);
  }
  void load(std::span<const Line> batch) {
    for (const Line& line : batch) written += line.text.size();
  }
};

inline Readings sweep_pipeline(std::uint64_t items) { return Readings{.items = items}; }
