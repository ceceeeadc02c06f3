// From one HTTP service to another: pages of JSON in, batches of lines out: `example_19_http SOURCE_URL TARGET_URL`.
#include <chrono>
#include <span>
#include <string>

#include <fmt/format.h>
#include <etl/etl.hpp>
#include <etl/http/pages.hpp>
#include <etl/http/sink.hpp>

struct Orders {
  using position = std::string;  // replayable: a run that was killed goes on at its page
  const etl::http::Client& client;
  const etl::http::PagesOptions& orders;
  const etl::http::Sink& sink;

  std::string fingerprint() const { return orders.request.url; }
  etl::Result<void> extract(etl::Emitter<std::string>& out) const {
    return etl::http::extract(client, orders, out);  // the JSON of each record
  }
  // Const: all workers send at once. A repeated batch has the same key, so that the service can tell.
  etl::Result<void> load(std::span<const std::string> batch, etl::BatchContext& context,
                         const etl::IdempotencyKey& key) const {
    return sink.write(batch, [](const std::string& json, std::string& out) { out += json; }, context, key);
  }
};

etl::Result<int> run(const char* source, const char* target) {
  const auto client = etl::http::Client::make({.timeouts = {.total = std::chrono::minutes(1)}});
  if (!client) return etl::failure(client.error());
  const etl::http::PagesOptions orders{.request = {.url = source},
                                       .records = "/data",
                                       .paging = etl::http::Paging::cursor("after", "/next"),
                                       .rates = {.items_per_second = 10}};
  const auto sink = etl::http::Sink::make(
      *client, {.request = {.method = "POST", .url = target}, .form = etl::http::SinkOptions::Form::Ndjson});
  if (!sink) return etl::failure(sink.error());
  const auto report = etl::run(Orders{*client, orders, *sink}, {.batch_size = 500}, etl::stop_on_signals());
  fmt::print("{}\n", report.text());
  return report.exit_code();
}

int main(int argc, char** argv) {
  if (argc < 3) return fmt::print("usage: {} SOURCE_URL TARGET_URL\n", argv[0]), 0;
  const auto done = run(argv[1], argv[2]);
  if (!done) fmt::print("{}\n", done.error().message());
  return done.value_or(1);
}
