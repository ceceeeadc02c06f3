/// The heat map: one panel per timeout, workers over batch sizes, brighter is better.

#include <algorithm>
#include <array>
#include <cmath>
#include <ranges>

#include <fmt/format.h>

#include <sweep/sweep.hpp>

namespace sweep {
namespace {

struct Colour {
  double r, g, b;
  [[nodiscard]] std::string hex() const {
    return fmt::format("#{:02x}{:02x}{:02x}", static_cast<int>(r), static_cast<int>(g), static_cast<int>(b));
  }
  [[nodiscard]] bool dark() const { return 0.299 * r + 0.587 * g + 0.114 * b < 135; }
};

/// Viridis: its lightness rises steadily, so it also works in grey and for the colour-blind.
constexpr std::array<Colour, 6> scale{
    {{68, 1, 84}, {65, 68, 135}, {42, 120, 142}, {34, 168, 132}, {122, 209, 81}, {253, 231, 37}}};

Colour colour(double t) {
  const double at = std::clamp(t, 0.0, 1.0) * static_cast<double>(scale.size() - 1);
  const auto i = std::min(static_cast<std::size_t>(at), scale.size() - 2);
  const double f = at - static_cast<double>(i);
  const Colour &a = scale[i], &b = scale[i + 1];
  return {a.r + (b.r - a.r) * f, a.g + (b.g - a.g) * f, a.b + (b.b - a.b) * f};
}

/// From numbers to 0 (worst) .. 1 (best); logarithmic when they span more than a factor of 8.
class Range {
 public:
  Range(const std::vector<Cell>& cells, Metric metric) : more_is_better_(more_is_better(metric)) {
    const auto by_value = [metric](const Cell& cell) { return value(cell, metric); };
    low_ = std::ranges::min(cells | std::views::transform(by_value));
    high_ = std::ranges::max(cells | std::views::transform(by_value));
    log_ = low_ > 0 && high_ / low_ > 8;
  }
  [[nodiscard]] double goodness(double v) const {
    if (high_ <= low_) return 1;
    const double t = log_ ? std::log(v / low_) / std::log(high_ / low_) : (v - low_) / (high_ - low_);
    return more_is_better_ ? t : 1 - t;
  }
  /// The number at goodness `t`.
  [[nodiscard]] double at(double t) const {
    if (!more_is_better_) t = 1 - t;
    return log_ ? low_ * std::pow(high_ / low_, t) : low_ + (high_ - low_) * t;
  }
  [[nodiscard]] bool logarithmic() const { return log_; }

 private:
  double low_ = 0, high_ = 0;
  bool more_is_better_, log_ = false;
};

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else
      out += c;
  }
  return out;
}

constexpr int cell_width = 92, cell_height = 50, left = 66, panel_gap = 34, margin = 24, header = 102;

std::string label(double x, double y, const std::string& text, int size, const char* anchor, const char* more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" font-size=\"{}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, size,
                     anchor, more, escaped(text));
}

/// How a cell compares with the best: "87 %" of its throughput, or "1.3x" its cost.
std::string compared(double v, double top, Metric metric) {
  if (more_is_better(metric)) return fmt::format("{:.{}f} %", 100 * v / top, v < 0.095 * top ? 1 : 0);
  return top > 0 ? fmt::format("{:.{}f}x", v / top, v / top < 10 ? 1 : 0) : "";
}

std::string draw_cell(const Cell& cell, const Cell& top, const Range& range, const Settings& settings, double x,
                      double y) {
  const Metric metric = settings.metric;
  const double v = value(cell, metric);
  const Colour fill = colour(range.goodness(v));
  const char* ink = fill.dark() ? " fill=\"#ffffff\"" : " fill=\"#111111\"";
  std::string svg = fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n", x, y,
                                cell_width - 2, cell_height - 2, fill.hex());
  const double middle = x + cell_width / 2.0 - 1;
  svg += label(middle, y + 23, shown(v, metric), 16, "middle", fmt::format("{} font-weight=\"bold\"", ink).c_str());
  std::string note = &cell == &top ? "best" : compared(v, value(top, metric), metric);
  if (settings.rounds > 1) note += " " + plus_minus(cell.spread);
  svg += label(middle, y + 39, note, 11, "middle", ink);
  return svg;
}

/// Around the best, and thinner around what is nearly as good.
std::string frame(double x, double y, bool is_best) {
  return fmt::format(
      "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#d7191c\" stroke-width=\"{}\" "
      "rx=\"3\"{}/>\n",
      x - 1, y - 1, cell_width, cell_height, is_best ? 4 : 2, is_best ? "" : " stroke-dasharray=\"6 3\"");
}

std::string legend(const Range& range, Metric metric, double x, double y, double width) {
  std::string svg = "<defs><linearGradient id=\"scale\">";
  for (int i = 0; i <= 10; ++i)
    svg += fmt::format("<stop offset=\"{}%\" stop-color=\"{}\"/>", i * 10, colour(i / 10.0).hex());
  svg += "</linearGradient></defs>\n";
  svg += label(x, y - 8, "worse", 12, "start") + label(x + width, y - 8, "better", 12, "end");
  svg += label(x + width / 2, y - 8, metric_name(metric) + (range.logarithmic() ? " (log scale)" : ""), 12, "middle");
  svg += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"14\" fill=\"url(#scale)\"/>\n", x, y, width);
  for (int i = 0; i <= 4; ++i) {
    const double at = x + width * i / 4;
    svg += fmt::format("<path d=\"M{0:.1f} {1}v5\" stroke=\"#333333\"/>\n", at, y + 14);
    svg += label(at, y + 32, shown(range.at(i / 4.0), metric), 12, i == 0 ? "start" : i == 4 ? "end" : "middle");
  }
  return svg;
}

}  // namespace

std::string heatmap(const Settings& settings, const std::vector<Cell>& cells) {
  const Range range(cells, settings.metric);
  const Cell& top = best(cells, settings.metric);
  const auto panels = static_cast<int>(settings.timeouts.size());
  const auto columns = static_cast<int>(settings.batch_sizes.size()), rows = static_cast<int>(settings.workers.size());
  const int panel_width = left + columns * cell_width, panel_height = 28 + rows * cell_height + 48;
  const int across = std::clamp(1400 / (panel_width + panel_gap), 1, std::max(1, panels));
  const int down = (panels + across - 1) / across;
  const int width = std::max(620, 2 * margin + across * panel_width + (across - 1) * panel_gap);
  const int height = header + down * (panel_height + panel_gap) + 60;

  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"Helvetica, Arial, DejaVu Sans, sans-serif\" fill=\"#222222\">\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n",
      width, height);
  const std::string title = settings.title.empty() ? "etl-sweep: " + metric_name(settings.metric) : settings.title;
  svg += label(margin, 36, title, 21, "start", " font-weight=\"bold\"");
  svg += label(margin, 60,
               describe(settings) +
                   (settings.rounds > 1 ? fmt::format("; median of {} rounds", settings.rounds) : "; one round"),
               13, "start", " fill=\"#555555\"");
  svg +=
      label(margin, 80,
            "red: best; dashed: within 5 % of it" +
                std::string(settings.rounds > 1 ? "; ± half of the way from the least to the most of the rounds" : "") +
                "; " + machine(),
            13, "start", " fill=\"#555555\"");

  std::string frames;
  for (int p = 0; p < panels; ++p) {
    const int x = margin + (p % across) * (panel_width + panel_gap),
              y = header + (p / across) * (panel_height + panel_gap);
    svg += label(x + left, y + 14, "timeout " + human(settings.timeouts[static_cast<std::size_t>(p)]), 14, "start",
                 " font-weight=\"bold\"");
    const int grid_y = y + 26;
    for (int r = 0; r < rows; ++r) {
      const int cell_y = grid_y + r * cell_height;
      svg +=
          label(x + left - 10, cell_y + 29, std::to_string(settings.workers[static_cast<std::size_t>(r)]), 14, "end");
      for (int c = 0; c < columns; ++c) {
        const Cell& cell = cells[static_cast<std::size_t>((p * rows + r) * columns + c)];
        const int cell_x = x + left + c * cell_width;
        svg += draw_cell(cell, top, range, settings, cell_x, cell_y);
        const double share = share_of(value(top, settings.metric), value(cell, settings.metric), settings.metric);
        if (share >= nearly) frames += frame(cell_x, cell_y, &cell == &top);
      }
    }
    const int bottom = grid_y + rows * cell_height;
    for (int c = 0; c < columns; ++c)
      svg += label(x + left + c * cell_width + cell_width / 2.0 - 1, bottom + 18,
                   std::to_string(settings.batch_sizes[static_cast<std::size_t>(c)]), 14, "middle");
    svg += label(x + left + columns * cell_width / 2.0, bottom + 38, "batch size", 13, "middle", " fill=\"#555555\"");
    const double middle = grid_y + rows * cell_height / 2.0;
    svg += label(x + 16, middle, "workers", 13, "middle",
                 fmt::format(" fill=\"#555555\" transform=\"rotate(-90 {} {})\"", x + 16, middle).c_str());
  }
  const double legend_width = std::min(520, width - 2 * margin - left);
  return svg + frames + legend(range, settings.metric, margin + left, height - 52, legend_width) + "</svg>\n";
}

}  // namespace sweep
