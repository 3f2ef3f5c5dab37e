#include "app/doctor_html.h"

#include <fmt/format.h>

#include <array>

#include "app/doctor_report.h"
#include "app/svg_chart.h"

namespace hearth {
namespace {

// Six colours that stay apart for most kinds of colour vision, and on both grounds.
constexpr const char* kStyle = R"css(
:root{--ground:#fff;--text:#1b1f24;--soft:#59636e;--edge:#d1d9e0;--panel:#f6f8fa;
--pass:#1a7f37;--warn:#9a6700;--fail:#c21f2c;
--c0:#0969da;--c1:#bc4c00;--c2:#1a7f37;--c3:#8250df;--c4:#bf3989;--c5:#6e7781}
@media (prefers-color-scheme:dark){:root{--ground:#0d1117;--text:#e6edf3;--soft:#9aa4af;
--edge:#30363d;--panel:#161b22;--pass:#3fb950;--warn:#d29922;--fail:#ff6b66;
--c0:#58a6ff;--c1:#f0883e;--c2:#3fb950;--c3:#bc8cff;--c4:#f778ba;--c5:#a0a9b3}}
*{box-sizing:border-box}
body{margin:0 auto;padding:24px 20px 60px;max-width:1080px;background:var(--ground);
color:var(--text);font:15px/1.5 system-ui,sans-serif}
h1{font-size:24px;margin:0}h2{font-size:18px;margin:32px 0 10px}
p{margin:6px 0;color:var(--soft)}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:6px 12px 6px 0;border-top:1px solid var(--edge)}
th{color:var(--soft);font-weight:600;border-top:0}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.t{white-space:nowrap;font-weight:600}
.more td{border-top:0;padding-top:0}
td small{display:block;color:var(--soft)}
.scroll{overflow-x:auto}
.pass,.warn,.fail{font-weight:700;font-size:13px}
.pass{color:var(--pass)}.warn{color:var(--warn)}.fail{color:var(--fail)}
.charts{margin-top:14px;display:grid;
grid-template-columns:repeat(auto-fit,minmax(330px,1fr));gap:16px}
figure{margin:0;padding:14px;background:var(--panel);border:1px solid var(--edge);border-radius:8px}
figcaption{font-weight:600;margin-bottom:6px}figcaption span{color:var(--soft);font-weight:400}
svg{width:100%;height:auto;display:block}
svg text{fill:var(--soft);font:12px system-ui,sans-serif}
.mid{text-anchor:middle}.end{text-anchor:end}
.grid{stroke:var(--edge);stroke-width:1}.line{fill:none;stroke-width:2}
.legend{list-style:none;margin:8px 0 0;padding:0;display:flex;flex-wrap:wrap;gap:4px 16px;
font-size:13px}
.legend i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:6px}
)css";

constexpr int kColours = 6;
constexpr std::array<int64_t, 6> kDepths = {0, 4096, 16384, 32768, 65536, 131072};

std::string colours() {
  std::string css;
  for (int i = 0; i < kColours; ++i) {
    css += fmt::format(
        ".s{0}{{stroke:var(--c{0})}}.f{0}{{fill:var(--c{0})}}.b{0}{{background:var(--c{0})}}\n", i);
  }
  return css;
}

std::string checks_table(const std::vector<CheckLine>& checks) {
  std::string html = "<div class=\"scroll\"><table>";
  for (const CheckLine& check : checks) {
    html +=
        fmt::format("<tr><td class=\"{0}\">{0}</td><td class=\"t\">{1}</td><td>{2}{3}</td></tr>\n",
                    status_name(check.status), html_text(check.topic), html_text(check.text),
                    check.fix.empty() ? "" : "<small>" + html_text(check.fix) + "</small>");
  }
  return html + "</table></div>\n";
}

std::string predictions_table(const DoctorReport& report) {
  std::string html =
      "<div class=\"scroll\"><table><tr><th>checkpoint</th><th class=\"n\">memory, GB</th>"
      "<th class=\"n\">prefill 512</th><th class=\"n\">prefill 2048</th>"
      "<th class=\"n\">prefill 16384</th><th class=\"n\">decode</th>"
      "<th class=\"n\">decode at 16384</th><th></th></tr>\n";
  for (const Prediction& p : report.predictions) {
    const SpeedCurve& c = p.curve;
    html += fmt::format(
        "<tr><td class=\"t\">{}</td><td class=\"n\">{:.1f}</td><td class=\"n\">{:.0f}</td>"
        "<td class=\"n\">{:.0f}</td><td class=\"n\">{:.0f}</td><td class=\"n\">{:.1f}</td>"
        "<td class=\"n\">{:.1f}</td><td>{}</td></tr>\n",
        html_text(p.name),
        static_cast<double>(p.ledger.anonymous_bytes(Residency::kResident)) / 1e9,
        c.prefill_tokens_per_s(512), c.prefill_tokens_per_s(2048),
        c.prefill_tokens_per_s(kDeepTokens), c.decode_tokens_per_s(0),
        c.decode_tokens_per_s(kDeepTokens), fit_name(p.fit));
    html += fmt::format(
        "<tr class=\"more\"><td colspan=\"8\"><small>{}. Limited by {}.</small></td></tr>\n",
        html_text(p.what), html_text(p.limit));
  }
  return html + "</table></div>\n";
}

Chart bandwidth_chart(const DoctorReport& report) {
  Chart chart{.title = "Memory bandwidth",
              .unit = "GB/s",
              .axis = "threads",
              .marks = {},
              .series = {{"in order", {}}, {"random blocks of 576 KiB", {}}}};
  for (const BandwidthPoint& point : report.bandwidth) {
    chart.marks.push_back(std::to_string(point.threads));
    chart.series[0].values.push_back(point.sequential_bytes_per_s / 1e9);
    chart.series[1].values.push_back(point.random_bytes_per_s / 1e9);
  }
  return chart;
}

Chart storage_chart(const StorageSpeed& storage) {
  return {.title = "Storage, direct reads, " + storage.file_system.type,
          .unit = "GB/s",
          .axis = "how it is read",
          .marks = {"in order, 4 MiB", "random 512 KiB", "random 4 KiB"},
          .series = {{storage.file_system.type,
                      {storage.sequential_bytes_per_s / 1e9, storage.random_large_bytes_per_s / 1e9,
                       storage.random_small_per_s * 4096 / 1e9}}},
          .bars = true};
}

/// Tokens per second by context depth, of every checkpoint.
template <typename Rate>
Chart depth_chart(const DoctorReport& report, const char* title, const Rate& rate) {
  Chart chart{.title = title,
              .unit = "tokens/s",
              .axis = "tokens of context before",
              .marks = {},
              .series = {}};
  for (const int64_t depth : kDepths) {
    chart.marks.push_back(depth < 1024 ? std::to_string(depth) : fmt::format("{}k", depth / 1024));
  }
  for (const Prediction& p : report.predictions) {
    ChartSeries series{p.name, {}};
    for (const int64_t depth : kDepths) series.values.push_back(rate(p.curve, depth));
    chart.series.push_back(std::move(series));
  }
  return chart;
}

}  // namespace

std::string doctor_html(const DoctorReport& report, const std::vector<CheckLine>& checks) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
      "<meta name=\"color-scheme\" content=\"light dark\">"
      "<title>hearth doctor</title><style>{}{}</style></head><body>\n",
      kStyle, colours());
  html += fmt::format(
      "<h1>hearth doctor</h1><p>{}, {} workers, kernel set {}, {:.1f} GB of memory. Measured in "
      "{:.0f} s.</p>\n",
      html_text(report.cpu), report.threads, html_text(report.kernel_set),
      static_cast<double>(report.machine.total_bytes) / 1e9, report.seconds);
  html += "<h2>Checks</h2>\n" + checks_table(checks);
  html += "<h2>Measurements</h2>\n<div class=\"charts\">" + svg_chart(bandwidth_chart(report));
  if (report.storage.problem.empty()) html += svg_chart(storage_chart(report.storage));
  html += "</div>\n";
  if (!report.predictions.empty()) {
    html +=
        "<h2>Prediction</h2><p>With everything in memory; from slices of the models' real "
        "sizes, run by the real forward pass. Measured at depths 0 and 16384.</p>\n" +
        predictions_table(report) + "<div class=\"charts\">";
    html += svg_chart(depth_chart(report, "Decode", [](const SpeedCurve& c, int64_t depth) {
      return c.decode_tokens_per_s(depth);
    }));
    html += svg_chart(
        depth_chart(report, "Prefill of the next 512", [](const SpeedCurve& c, int64_t depth) {
          return c.prefill_tokens_per_s(kPredictedChunk, depth);
        }));
    html += "</div>\n";
  }
  return html + "</body></html>\n";
}

}  // namespace hearth
