#include "app/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace hearth {
namespace {

constexpr double kWidth = 460;
constexpr double kHeight = 260;
constexpr double kLeft = 52;
constexpr double kRight = 16;
constexpr double kTop = 14;
constexpr double kBottom = 42;
constexpr int kGridLines = 5;

double x_of(const Chart& chart, size_t mark) {
  const double room = kWidth - kLeft - kRight;
  if (chart.bars) {
    const double band = room / static_cast<double>(chart.marks.size());
    return kLeft + band * (static_cast<double>(mark) + 0.5);
  }
  if (chart.marks.size() < 2) return kLeft + room / 2;
  return kLeft + room * static_cast<double>(mark) / static_cast<double>(chart.marks.size() - 1);
}

double y_of(double value, double top) {
  return kHeight - kBottom - (kHeight - kTop - kBottom) * value / top;
}

std::string grid(const Chart& chart, double top) {
  std::string svg;
  for (int i = 0; i <= kGridLines; ++i) {
    const double value = top * i / kGridLines;
    const double y = y_of(value, top);
    svg += fmt::format(
        "<line class=\"grid\" x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\"/>"
        "<text class=\"end\" x=\"{}\" y=\"{:.1f}\">{:g}</text>",
        kLeft, y, kWidth - kRight, y, kLeft - 6, y + 4, value);
  }
  for (size_t i = 0; i < chart.marks.size(); ++i) {
    svg += fmt::format("<text class=\"mid\" x=\"{:.1f}\" y=\"{}\">{}</text>", x_of(chart, i),
                       kHeight - kBottom + 17, html_text(chart.marks[i]));
  }
  return svg + fmt::format("<text class=\"mid\" x=\"{}\" y=\"{}\">{}</text>",
                           (kLeft + kWidth - kRight) / 2, kHeight - 6, html_text(chart.axis));
}

std::string line(const Chart& chart, size_t index, double top) {
  std::string points;
  std::string dots;
  const ChartSeries& series = chart.series[index];
  const size_t count = std::min(series.values.size(), chart.marks.size());
  for (size_t i = 0; i < count; ++i) {
    const double x = x_of(chart, i);
    const double y = y_of(series.values[i], top);
    points += fmt::format("{:.1f},{:.1f} ", x, y);
    dots += fmt::format(
        "<circle class=\"f{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\"><title>{}, {}: {:.4g} "
        "{}</title></circle>",
        index, x, y, html_text(series.name), html_text(chart.marks[i]), series.values[i],
        html_text(chart.unit));
  }
  return fmt::format("<polyline class=\"line s{}\" points=\"{}\"/>{}", index, points, dots);
}

std::string bars(const Chart& chart, double top) {
  constexpr double kBarWidth = 56;
  std::string svg;
  const std::vector<double>& values = chart.series.front().values;
  for (size_t i = 0; i < std::min(values.size(), chart.marks.size()); ++i) {
    const double x = x_of(chart, i);
    const double y = y_of(values[i], top);
    svg += fmt::format(
        "<rect class=\"f0\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{}\" height=\"{:.1f}\"/>"
        "<text class=\"mid\" x=\"{:.1f}\" y=\"{:.1f}\">{:.2f}</text>",
        x - kBarWidth / 2, y, kBarWidth, y_of(0, top) - y, x, y - 5, values[i]);
  }
  return svg;
}

}  // namespace

std::string html_text(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      default: result += c;
    }
  }
  return result;
}

double axis_top(double value) {
  if (!(value > 0)) return 1;
  const double power = std::pow(10.0, std::floor(std::log10(value)));
  for (const double step : {1.0, 1.5, 2.0, 3.0, 5.0, 7.5}) {
    if (value <= step * power) return step * power;
  }
  return 10 * power;
}

std::string svg_chart(const Chart& chart) {
  double most = 0;
  for (const ChartSeries& series : chart.series) {
    for (const double value : series.values) most = std::max(most, value);
  }
  const double top = axis_top(most);
  std::string html = fmt::format(
      "<figure><figcaption>{} <span>{}</span></figcaption><svg viewBox=\"0 0 {} {}\" role=\"img\" "
      "aria-label=\"{}\">{}",
      html_text(chart.title), html_text(chart.unit), kWidth, kHeight, html_text(chart.title),
      grid(chart, top));
  std::string legend;
  if (chart.bars && !chart.series.empty()) return html + bars(chart, top) + "</svg></figure>\n";
  for (size_t i = 0; i < chart.series.size(); ++i) {
    html += line(chart, i, top);
    legend += fmt::format("<li><i class=\"b{}\"></i>{}</li>", i, html_text(chart.series[i].name));
  }
  return html + "</svg><ul class=\"legend\">" + legend + "</ul></figure>\n";
}

}  // namespace hearth
